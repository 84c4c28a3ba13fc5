"""What goes through the package: an item as it was read, and the event that the contract makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["REJECTED_EVENT_KEY", "EncodedEvent", "InputEvent", "Item", "opened", "unwrapped"]

REJECTED_EVENT_KEY = "bik_rejected"
"""A JSON object in which this key is 1, beside either ``event`` or ``row``, is a line of a file of rejected events."""

_names_no_number = re.compile(rb"[:,\[]\s*-?(?:NaN|Infinity)\b").search

_decode = msgspec.json.Decoder().decode


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One item of the input as it was read, before anything is known of it but where it stands.

    Attributes:
        position: Its number in the whole input, counted from 0; the same on every reading of the same input.
        location: Where a person finds it, such as ``orders.ndjson:17``, ``[17]`` or ``row 18``.
        raw: What was read. Nothing yet where `line` or `cells` is given.
        problem: Why it could not be read, if so.
        attempts: How often it was sent in earlier runs, if it comes from a file of rejected events.
        is_row: Whether it is a row that still has to become an event. None: it is one if there is a mapping.
        line: JSON text that is not decoded yet: most lines can be checked without becoming a mapping.
        columns: The columns of the table that it is a row of; the same object in all of its rows.
        cells: The values in these columns: most rows can be mapped without becoming a mapping.
    """

    position: int
    location: str
    raw: object = None
    problem: Rejection | None = None
    attempts: int = 0
    is_row: bool | None = None
    line: bytes | None = None
    columns: Sequence[str] = ()
    cells: Sequence[object] | None = None


class EncodedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it goes out.

    Attributes:
        body: UTF-8 JSON of the one event; a batch is such bodies joined.
        pipeline: Where BIK takes it.
        dropped_nulls: How many null values were left out.
        dropped_created_at: Whether its date was left out, as the user asked.
        dropped_identity: Why its e-mail address or telephone number was left out, if one was.
    """

    body: bytes
    pipeline: Pipeline
    dropped_nulls: int = 0
    dropped_created_at: bool = False
    dropped_identity: Reason | None = None


class InputEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of the input, checked.

    Attributes:
        position: As for `Item`.
        location: As for `Item`.
        result: The event as it goes out, or why it does not; None if the DAG has said to skip it.
        raw: What was read, of a rejected one, for the file of rejected events.
        is_row: Whether `raw` is a row that still has to become an event.
        attempts: How often it was sent in earlier runs.
    """

    position: int
    location: str
    result: EncodedEvent | Rejection | None
    raw: object = None
    is_row: bool = False
    attempts: int = 0


def opened(item: Item) -> Item:
    """Decode the line of an item, or make a mapping of its cells; a line that is no JSON object becomes a problem."""
    if item.cells is not None:
        raw: object = dict(zip(item.columns, item.cells, strict=True))
        return Item(position=item.position, location=item.location, raw=raw, attempts=item.attempts, is_row=item.is_row)
    return item if item.line is None else _decoded(item, item.line)


def _decoded(item: Item, line: bytes) -> Item:
    problem, raw = item.problem, None
    if problem is None:
        try:
            raw = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problem = Rejection(reason=Reason.UNPARSABLE, detail=_not_json(line))
        else:
            if not isinstance(raw, dict):
                problem = Rejection(reason=Reason.UNPARSABLE, detail="not a JSON object")
    return Item(
        position=item.position,
        location=item.location,
        raw=raw if problem is None else line.decode("utf-8", "replace"),
        problem=problem,
        attempts=item.attempts,
        is_row=item.is_row,
    )


def _not_json(line: bytes) -> str:
    return "not JSON, which has no NaN and no Infinity: write null" if _names_no_number(line) else "not JSON"


def unwrapped(item: Item) -> Item:
    """Take an event or a row out of the line of a file of rejected events."""
    raw = item.raw
    if item.is_row is not None or not isinstance(raw, Mapping):
        return item
    mark = raw.get(REJECTED_EVENT_KEY)
    # By more than the key, which a table may have as a column.
    if type(mark) is not int or mark != 1 or ("event" in raw) is ("row" in raw):
        return item
    attempts = raw.get("attempts")
    return Item(
        position=item.position,
        location=item.location,
        raw=raw["row"] if "row" in raw else raw["event"],
        problem=item.problem,
        attempts=attempts if type(attempts) is int else 0,
        is_row="row" in raw,
    )
