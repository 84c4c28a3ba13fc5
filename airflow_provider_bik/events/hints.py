"""What a person may want to know of the input although every event is right: each thing is said once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo

import msgspec

from airflow_provider_bik.events.values import is_null

__all__ = ["KNOWN_EVENTS", "Hints"]

KNOWN_EVENTS = ("abandonedCartCreated", "catalogViewed", "customerCreated", "ordered", "purchasedAProduct")
"""From BIK's documentation and samples; its account manager has the full list. Another name may be right: it is worth a
hint, never a rejection."""

_LOOKED_AT = 1000
"""Events whose properties are looked at; a hint is no proof."""

_MOST_PROPERTIES = 500
_MOST_NAMED = 5
_LONGEST_NAME = 64

_whole_as_text = re.compile(r"[0-9]+\.0").fullmatch
_decode = msgspec.json.Decoder().decode


class Hints:
    """Looks at events on their way, and says what is worth a hint.

    Args:
        say: Gets a sentence, with names of properties at most and never a value.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._left = _LOOKED_AT
        self._zones: set[str] = set()
        self._whole: set[str] = set()
        self._null: set[str] = set()
        self._other: set[str] = set()
        self._json: set[str] = set()
        self._event_names: set[str] = set()

    @property
    def is_looking(self) -> bool:
        """Whether `look` still learns something."""
        return self._left > 0

    def note_zone(self, zone: tzinfo) -> None:
        """A time was read that says no zone, and taken for one of this zone."""
        name = str(zone)
        if name not in self._zones:
            self._zones.add(name)
            self._say(f"There are times that say no zone. They are taken for times in {name}, as timezone says.")

    def look(self, event_name: str, properties: Mapping[object, object]) -> None:
        """Look at the name and the properties of an event as they were read; of those after the first hundreds, not."""
        if not self._left:
            return
        self._left -= 1
        if event_name not in KNOWN_EVENTS:
            self._event_names.add(event_name)
        for name, value in properties.items():
            if isinstance(name, str) and name not in self._other and len(self._null) < _MOST_PROPERTIES:
                self._kind_of(value).add(name)
        if not self._left:
            self.conclude()

    def conclude(self) -> None:
        """The input has ended, or enough of it was seen: say what its properties have shown."""
        self._left = 0
        if unknown := sorted(filter(_is_name, self._event_names)):
            self._say(_unknown_event(unknown[0]))
        if whole := sorted((self._whole & self._null) - self._other - self._json):
            self._say(
                f"{_named(whole)}: whole numbers as floats, such as 7.0, beside nulls. If these are ids, which a gap "
                "in their column has made floats, take them by a Column with cast='integer' or 'string'."
            )
        if texts := sorted(self._json):
            self._say(
                f"{_named(texts)}: text that is JSON, and goes out as text. If BIK is to get what it says, take it by "
                "a Column with cast='json'."
            )
        self._whole, self._null, self._other, self._json, self._event_names = set(), set(), set(), set(), set()

    def _kind_of(self, value: object) -> set[str]:
        if isinstance(value, str):
            if not value.strip():
                return self._null
            if _whole_as_text(value):
                return self._whole
            return self._json if _is_json(value) else self._other
        if is_null(value):
            return self._null
        return self._whole if isinstance(value, float) and value.is_integer() else self._other


def _is_json(text: str) -> bool:
    if text[0] + text[-1] not in {"{}", "[]"}:
        return False
    try:
        _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _named(names: Iterable[str]) -> str:
    """Names of properties; what does not look like a name may be somebody's data."""
    fit = [repr(name) for name in names if _is_name(name)]
    shown = ", ".join(fit[:_MOST_NAMED]) or "with a name that is not shown"
    return f"Property {shown}" + (" and others" if len(fit) > _MOST_NAMED else "")


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and text.replace(" ", "_").isidentifier()


def _unknown_event(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - at most once in a delivery

    nearest = get_close_matches(name, KNOWN_EVENTS, n=1)
    meant = f" The nearest of these is {nearest[0]!r}." if nearest else ""
    return (
        f"The event name {name!r} is none of those that BIK's public documentation shows.{meant} If BIK has given you "
        "this name, all is well."
    )
