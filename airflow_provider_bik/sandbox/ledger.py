"""Every event that the sandbox has stored, and questions to ask about them."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from airflow_provider_bik.sandbox.activity import Activity, Summary
from airflow_provider_bik.sandbox.contract import Accepted
from airflow_provider_bik.sandbox.ledger_fields import FilterValue, condition, expression
from airflow_provider_bik.sandbox.stored import Duplicate, Row, StoredEvent, stored_event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY, received REAL NOT NULL, pipeline TEXT NOT NULL, event_name TEXT NOT NULL,
    content_hash BLOB NOT NULL, event TEXT NOT NULL, personal TEXT);
CREATE INDEX IF NOT EXISTS personal_since ON events (received) WHERE personal IS NOT NULL;
CREATE TABLE IF NOT EXISTS contents (
    content_hash BLOB PRIMARY KEY, copies INTEGER NOT NULL, example INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS duplicated ON contents (copies) WHERE copies > 1;
"""
_PAGE = 1000
"""Events read at a time: bounds the memory of a reader and how long it keeps writers waiting."""

_PURGE = 5000
"""Events blanked at a time: keeps requests from waiting for a purge."""


class Ledger:
    """Stored events in SQLite. Safe to use from any thread.

    Fields are named as in the event, with dots: ``eventName``, ``eventProperties.currency``, ``email``; ``event.email``
    says the same. Besides, there are ``pipeline`` and ``content_hash``. Filters take the value as text, number or
    boolean; ``None`` is for fields that are missing, null or blanked.

    Args:
        path: A file to keep the events in, readable by its owner only; in memory unless given.
        retain: Seconds until the personal part of an event (name, email, phone number and postal addresses) is blanked;
            with 0 it is never stored. The content hash stays.
        clock: Seconds since 1970.
    """

    def __init__(
        self, *, path: Path | None = None, retain: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._retain = retain
        self._clock = clock
        self._lock = threading.Lock()
        if path is not None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # JSON may hold half a surrogate pair, which is no UTF-8.
        self._database.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._activity = Activity(time.monotonic)
        try:
            self._prepare()
        except sqlite3.Error:
            self._database.close()
            raise

    def _prepare(self) -> None:
        # What is blanked must be gone from the file too; losing the file in a power cut is no harm.
        for pragma in ("secure_delete = ON", "journal_mode = TRUNCATE", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_SCHEMA)
        for pipeline, count in self._database.execute("SELECT pipeline, count(*) FROM events GROUP BY pipeline"):
            self._activity.totals[pipeline] = count
        self.purge()

    def store(self, events: Sequence[Accepted]) -> None:
        """Write events down, all or none."""
        now = self._clock()
        keep = self._retain > 0
        rows = [(now, e.pipeline, e.name, e.content_hash, e.event, e.personal if keep else None) for e in events]
        with self._lock:
            database = self._database
            database.execute("BEGIN")
            try:
                database.executemany(
                    "INSERT INTO events (received, pipeline, event_name, content_hash, event, personal)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    rows,
                )
                last = database.execute("SELECT last_insert_rowid()").fetchone()[0]
                first = last - len(rows) + 1
                database.executemany(
                    "INSERT INTO contents VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET copies = copies + 1",
                    [(event.content_hash, first + place) for place, event in enumerate(events)],
                )
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
            self._activity.add(Counter(event.pipeline for event in events))

    def count(self, **filters: FilterValue) -> int:
        """Count the stored events, all or those that match every filter.

        Args:
            filters: Values by field; for names with dots use ``**{"eventProperties.currency": "INR"}``.

        Raises:
            ValueError: A field's name cannot be one.
        """
        where, values = condition(filters)
        return int(self._rows(f"SELECT count(*) FROM events WHERE {where}", values)[0][0])  # noqa: S608 - values are bound

    def counts(self, *fields: str, where: Mapping[str, FilterValue] | None = None) -> dict[tuple[str | None, ...], int]:
        """Count the stored events by the values of fields, as text; ``None`` where an event has none.

        Args:
            fields: What to count by.
            where: Values by field, to count some events only.

        Raises:
            ValueError: A field's name cannot be one.
        """
        if not fields:
            return {(): self.count(**(where or {}))}
        chosen = [expression(field) for field in fields]
        columns = ", ".join(sql for sql, _ in chosen)
        limit, values = condition(where or {})
        group = ", ".join(str(place + 1) for place in range(len(fields)))
        query = f"SELECT {columns}, count(*) FROM events WHERE {limit} GROUP BY {group}"  # noqa: S608 - values are bound
        rows = self._rows(query, [*(value for _, bound in chosen for value in bound), *values])
        return {tuple(row[:-1]): int(row[-1]) for row in rows}

    def duplicates(self, key: str = "eventName", limit: int = -1) -> list[Duplicate]:
        """List content that was stored more than once, most copies first.

        Args:
            key: The field to show of each, such as ``eventProperties.orderId``.
            limit: List so many at most; all if negative.

        Raises:
            ValueError: The field's name cannot be one.
        """
        shown, bound = expression(key)
        query = (
            f"SELECT lower(hex(contents.content_hash)), copies, {shown} FROM contents"  # noqa: S608 - values are bound
            " JOIN events ON sequence = example WHERE copies > 1 ORDER BY copies DESC, example LIMIT ?"
        )
        return [Duplicate(*row) for row in self._rows(query, [*bound, limit])]

    def stored(self, **filters: FilterValue) -> Iterator[StoredEvent]:
        """Go through the stored events in order of arrival, a few at a time.

        Args:
            filters: As for `count`.

        Raises:
            ValueError: A field's name cannot be one.
        """
        after = 0
        while page := self._page(f"sequence > {after}", filters, "sequence", _PAGE):
            yield from page
            after = page[-1].sequence

    def event(self, sequence: int) -> StoredEvent | None:
        """Give one event by its place in the order of arrival; None if there is none."""
        return next(iter(self._page(f"sequence = {sequence}", {}, "sequence", 1)), None)

    def latest(self, limit: int) -> list[StoredEvent]:
        """Give the newest events, newest first."""
        return self._page("TRUE", {}, "sequence DESC", limit)

    def _page(self, extra: str, filters: Mapping[str, FilterValue], order: str, limit: int) -> list[StoredEvent]:
        where, values = condition(filters)
        query = (
            "SELECT sequence, pipeline, received, lower(hex(content_hash)), event, personal FROM events"  # noqa: S608 - values are bound
            f" WHERE {extra} AND {where} ORDER BY {order} LIMIT ?"
        )
        return [stored_event(row) for row in self._rows(query, [*values, limit])]

    def summary(self) -> Summary:
        """Give what the page shows of the ledger."""
        extra = self._rows("SELECT coalesce(sum(copies - 1), 0) FROM contents WHERE copies > 1", [])[0][0]
        with self._lock:
            return self._activity.summary(extra)

    def purge(self, steps: int | None = None) -> None:
        """Blank the personal part of events that were kept for long enough.

        Args:
            steps: How much to do at once, so that a large purge does not hold up requests; everything if not given.
        """
        until = self._clock() - self._retain
        while steps is None or steps > 0:
            with self._lock:
                blanked = self._database.execute(
                    "UPDATE events SET personal = NULL WHERE sequence IN ("
                    "SELECT sequence FROM events WHERE personal IS NOT NULL AND received <= ? LIMIT ?)",
                    (until, _PURGE),
                ).rowcount
            if blanked < _PURGE:
                return
            steps = None if steps is None else steps - 1

    def clear(self) -> None:
        """Forget every event."""
        with self._lock:
            self._database.executescript("BEGIN; DELETE FROM events; DELETE FROM contents; COMMIT;")
            self._activity.clear()

    def close(self) -> None:
        """Let go of the database; nothing can be asked afterwards."""
        with self._lock:
            self._database.close()

    def _rows(self, query: str, values: Sequence[object]) -> list[Row]:
        self.purge()
        with self._lock:
            return self._database.execute(query, tuple(values)).fetchall()
