"""One item of the input, before anything is known of it but its place."""

from __future__ import annotations

import msgspec

from airflow_provider_bik.events.reasons import Rejection

__all__ = ["InputEvent"]


class InputEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An item of the input.

    Attributes:
        position: Its number in the whole input, counted from 0; the same on every reading of the same input.
        place: Where a person finds it, such as ``orders.ndjson:17`` or ``[17]``.
        raw: What was read; an event's mapping if all is well. Nothing yet where `line` is given.
        problem: Why it could not be read, if so.
        attempts: How often it was sent in earlier runs, if it comes from a dead-letter file.
        is_row: Whether it is a row that still has to become an event. None: that depends on the run, for with a mapping
            it is a row, and without one an event.
        line: JSON that is not decoded yet: most lines can be checked and sent without becoming a mapping.
    """

    position: int
    place: str
    raw: object = None
    problem: Rejection | None = None
    attempts: int = 0
    is_row: bool | None = None
    line: bytes | None = None

    def decoded(self) -> InputEvent:
        """The same item without a `line`: as `raw`, with `problem` and `attempts` as the line has them."""
        return self
