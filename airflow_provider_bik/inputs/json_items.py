"""NDJSON: the lines of a file, and what is in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO

import msgspec

from airflow_provider_bik.dead_letters import DEAD_LETTER_KEY
from airflow_provider_bik.events import Reason, Rejection
from airflow_provider_bik.events.inputs import InputEvent

__all__ = ["MAX_LINE_BYTES", "UndecodedLine", "input_event", "lines_of", "read_line", "read_lines"]

MAX_LINE_BYTES = 4 * 1024 * 1024
"""A longer line is one rejection; without a bound, a file without line ends would be read into memory whole."""

_BLOCK_BYTES = 256 * 1024

_ROW = Rejection(reason=Reason.MAPPING_MISSING, detail="a dead letter with a row")
"""What is wrong with it until a mapping makes an event of it."""

_decode = msgspec.json.Decoder().decode


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Lines without their ends, of bounded length: of a longer one only the beginning is kept.

    Read in blocks: Airflow's files go through a wrapper that makes every call dear.
    """
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        rest = rest[: MAX_LINE_BYTES + 1]
    yield rest


class UndecodedLine(InputEvent, frozen=True, kw_only=True, gc=False):
    """A line that stays bytes for as long as nobody has to know more of it than `Contract.encode_line` finds out."""

    def decoded(self) -> InputEvent:
        """Decode the line; what is not a JSON object becomes an item with a problem."""
        line = self.line or b""
        try:
            raw = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _unreadable(line, "not JSON", position=self.position, place=self.place)
        if not isinstance(raw, dict):
            return _unreadable(line, "not a JSON object", position=self.position, place=self.place)
        return input_event(raw, position=self.position, place=self.place)


def read_lines(file: IO[bytes], *, name: str, positions: Iterator[int]) -> Iterator[InputEvent]:
    """The items of a file; lines of nothing but white space are none.

    Args:
        file: Open, not compressed.
        name: Of the file, for the places.
        positions: Gives each item its number in the whole input.
    """
    for number, line in enumerate(lines_of(file), start=1):
        if line and not line.isspace():
            yield read_line(line, position=next(positions), place=f"{name}:{number}")


def read_line(line: bytes, *, position: int, place: str) -> InputEvent:
    """Take one line, undecoded.

    Args:
        line: Without its end; nothing but white space is the caller's to skip.
        position: Of the item in the whole input.
        place: File and line.
    """
    if len(line) > MAX_LINE_BYTES:
        return _unreadable(line[:1000], f"longer than {MAX_LINE_BYTES} bytes", position=position, place=place)
    return UndecodedLine(position=position, place=place, line=line)


def _unreadable(line: bytes, detail: str, *, position: int, place: str) -> InputEvent:
    problem = Rejection(reason=Reason.NOT_READABLE, detail=detail)
    return InputEvent(position=position, place=place, raw=line.decode("utf-8", "replace"), problem=problem)


def input_event(item: object, *, position: int, place: str) -> InputEvent:
    """Take an item as it is; a dead letter gives back the event or the row that it holds."""
    if isinstance(item, Mapping) and DEAD_LETTER_KEY in item:
        attempts = item.get("attempts")
        is_row = "event" not in item and "row" in item
        return InputEvent(
            position=position,
            place=place,
            raw=item["row"] if is_row else item.get("event"),
            problem=_ROW if is_row else None,
            attempts=attempts if isinstance(attempts, int) else 0,
            is_row=is_row,
        )
    return InputEvent(position=position, place=place, raw=item)
