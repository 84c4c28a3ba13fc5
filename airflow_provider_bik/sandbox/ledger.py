"""Every event that the sandbox has stored, and questions to ask about them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from airflow_provider_bik.sandbox.activity import Activity
from airflow_provider_bik.sandbox.contract import Pipeline, digest, route

FilterValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event as stored.

    Attributes:
        sequence: Its place in the order of arrival, from 1.
        pipeline: Where its flags sent it.
        received: When it arrived, in seconds since 1970.
        content_hash: Digest of its canonical JSON, in hexadecimal.
        body: The event as received, as JSON.
    """

    sequence: int
    pipeline: Pipeline
    received: float
    content_hash: str
    body: str

    @property
    def event(self) -> dict[str, object]:
        """The event as received."""
        event: dict[str, object] = json.loads(self.body)
        return event


class Duplicate(NamedTuple):
    """Content that was stored more than once.

    Attributes:
        content_hash: Digest of the event's canonical JSON, in hexadecimal.
        copies: How many times it was stored.
        example: The asked field of the first copy.
    """

    content_hash: str
    copies: int
    example: str | None


class Ledger:
    """Stored events, in memory. Safe to use from any thread.

    Fields are named as in the event, with dots: ``eventName``, ``eventProperties.currency``, ``email``; ``event.email``
    says the same. Besides, there are ``pipeline``, ``content_hash`` and ``sequence``. Filters take the value as text,
    number or boolean; ``None`` is for fields that are missing or null.

    Args:
        path: A file to keep the events in as well, readable by its owner only; what is in it is read at the start.

    Raises:
        OSError: The file cannot be written.
        ValueError: The file is no ledger.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._events: list[StoredEvent] = []
        self._copies: dict[str, list[int]] = {}
        self._repeated: dict[str, list[int]] = {}
        self._activity = Activity(time.monotonic)
        self._file = None if path is None else os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        # A sandbox that was killed may have left half a line.
        whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
        try:
            for received, event in map(json.loads, whole):
                self._add(event, received)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.close()
            message = f"{path} is no ledger of the sandbox"
            raise ValueError(message) from error
        self._activity.totals.update(event.pipeline for event in self._events)
        os.truncate(path, sum(map(len, whole)))

    def store(self, events: Sequence[Mapping[str, object]]) -> None:
        """Write events down."""
        now = time.time()
        with self._lock:
            added = [self._add(event, now) for event in events]
            self._activity.add(Counter(event.pipeline for event in added))
            if self._file is not None:
                os.write(self._file, "".join(f"[{event.received},{event.body}]\n" for event in added).encode())

    def _add(self, event: Mapping[str, object], received: float) -> StoredEvent:
        stored = StoredEvent(
            sequence=len(self._events) + 1,
            pipeline=route(event),
            received=received,
            content_hash=digest(event),
            body=_compact(event),
        )
        self._events.append(stored)
        places = self._copies.setdefault(stored.content_hash, [])
        places.append(stored.sequence)
        if len(places) > 1:
            self._repeated[stored.content_hash] = places
        return stored

    def count(self, **filters: FilterValue) -> int:
        """Count the stored events, all or those that match every filter.

        Args:
            filters: Values by field; for names with dots use ``**{"eventProperties.currency": "INR"}``.

        Raises:
            ValueError: A field's name cannot be one.
        """
        return sum(1 for _ in self.stored(**filters)) if filters else len(self._events)

    def counts(self, *fields: str, where: Mapping[str, FilterValue] | None = None) -> dict[tuple[str | None, ...], int]:
        """Count the stored events by the values of fields, as text; ``None`` where an event has none.

        Args:
            fields: What to count by.
            where: Values by field, to count some events only.

        Raises:
            ValueError: A field's name cannot be one.
        """
        chosen = [_reader(field) for field in fields]
        found = Counter(tuple(read(event) for read in chosen) for event in self.stored(**(where or {})))
        return dict(found) if fields else {(): found.total()}

    def duplicates(self, key: str = "eventName", limit: int | None = None) -> list[Duplicate]:
        """List content that was stored more than once, most copies first.

        Args:
            key: The field to show of each, such as ``eventProperties.orderId``.
            limit: List so many at most.

        Raises:
            ValueError: The field's name cannot be one.
        """
        shown = _reader(key)
        with self._lock:
            most = sorted(self._repeated.items(), key=lambda each: (-len(each[1]), each[1][0]))[:limit]
            return [Duplicate(name, len(places), shown(self._events[places[0] - 1])) for name, places in most]

    def stored(self, **filters: FilterValue) -> Iterator[StoredEvent]:
        """Go through the events that are stored now, in order of arrival.

        Args:
            filters: As for `count`.

        Raises:
            ValueError: A field's name cannot be one.
        """
        wanted = [(_reader(field), _text(value)) for field, value in filters.items()]
        with self._lock:
            events = self._events.copy()
        return (event for event in events if all(read(event) == value for read, value in wanted))

    def event(self, sequence: int) -> StoredEvent | None:
        """Give one event by its place in the order of arrival; None if there is none."""
        with self._lock:
            return self._events[sequence - 1] if 0 < sequence <= len(self._events) else None

    def latest(self, limit: int) -> list[StoredEvent]:
        """Give the newest events, newest first."""
        with self._lock:
            return self._events[: -limit - 1 : -1]

    def summary(self) -> dict[str, object]:
        """Give what the page shows of the ledger, as JSON."""
        with self._lock:
            extra = sum(len(places) - 1 for places in self._repeated.values())
            return {**self._activity.summary(), "extraCopies": extra}

    def clear(self) -> None:
        """Forget every event."""
        with self._lock:
            for each in (self._events, self._copies, self._repeated, self._activity):
                each.clear()
            if self._file is not None:
                os.truncate(self._file, 0)

    def close(self) -> None:
        """Let go of the file; what was stored can still be asked for."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None


_compact: Callable[[object], str] = json.JSONEncoder(separators=(",", ":")).encode


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else _compact(value)


def _reader(field: str) -> Callable[[StoredEvent], str | None]:
    """What reads a field of an event, as text.

    Raises:
        ValueError: The name is empty somewhere.
    """
    name = field.removeprefix("event.")
    if name in {"pipeline", "content_hash", "sequence"}:
        return lambda event: str(getattr(event, name))
    steps = name.split(".")
    if not all(steps):
        message = f"{field!r} is not the name of a field: names are joined by dots, as in eventProperties.orderId"
        raise ValueError(message)

    def read(event: StoredEvent) -> str | None:
        value: object = event.event
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return _text(value)

    return read
