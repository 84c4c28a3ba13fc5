"""One item of the input, before anything is known of it but its place."""

from __future__ import annotations

import msgspec

from airflow_provider_bik.events.reasons import Rejection

__all__ = ["InputEvent"]


class InputEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the input.

    Attributes:
        position: Its number in the whole input, counted from 0; the same on every reading of the same input.
        place: Where a person finds it, such as ``orders.ndjson:17`` or ``[17]``.
        raw: What was read; an event's mapping if all is well.
        problem: Why it could not be read, if so.
        attempts: How often it was sent in earlier runs, if it comes from a dead-letter file.
        is_row: Whether it is a row that still has to become an event. None: that depends on the run, for with a mapping
            it is a row, and without one an event.
    """

    position: int
    place: str
    raw: object
    problem: Rejection | None = None
    attempts: int = 0
    is_row: bool | None = None
