"""The form that nearly all events have: JSON's own types, and nothing that has to be converted.

msgspec checks it in C, many times faster than `ValueReader`. Whatever is not of this form goes the long way, so nothing
is ever rejected here.
"""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from msgspec import Meta

from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES

__all__ = ["PlainEvent", "plain_event", "plain_line"]

_Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]


class PlainEvent(
    msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """An event of this form, with BIK's own fields in the order in which they are sent, for it is encoded as it is."""

    name: str | None = None
    phone_number: str | int | None = None
    email: str | None = None
    event_name: str
    event_properties: Annotated[dict[str, str | bool | _Integer | _Finite | None], Meta(max_length=MAX_VALUES)]
    created_at: str | int | float | None = None
    is_migration: bool | None = None

    def drop_nulls(self) -> int:
        """Leave null properties out; returns how many there were."""
        given = self.event_properties
        self.event_properties = {key: value for key, value in given.items() if value is not None}
        return len(given) - len(self.event_properties)


_decode = msgspec.json.Decoder(PlainEvent).decode

_FIELDS = frozenset({str, int, float, bool, dict, type(None)})
_VALUES = frozenset({str, int, float, bool, type(None)})
_KEYS = frozenset({str})


def plain_event(raw: object) -> PlainEvent | None:
    """A copy of an event in memory; None if it is not of this form."""
    if type(raw) is not dict:
        return None
    properties = raw.get("eventProperties")
    try:
        if (
            type(properties) is dict
            # msgspec would also take a Decimal for a number, and a subclass of str as it is.
            and _VALUES.issuperset(map(type, properties.values()))
            and _KEYS.issuperset(map(type, properties))
            and _FIELDS.issuperset(map(type, raw.values()))
        ):
            return msgspec.convert(raw, PlainEvent)
    except (msgspec.ValidationError, UnicodeEncodeError):
        pass
    return None


def plain_line(line: bytes) -> PlainEvent | None:
    """An event straight from its JSON; None if it is not of this form, or no JSON."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
