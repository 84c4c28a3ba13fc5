"""A JSON array as a stream: finds where each of its items begins and ends, and decodes none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from airflow_provider_bik.inputs.ndjson import MAX_LINE_BYTES

__all__ = ["BrokenArrayError", "items_of"]

_BLOCK_BYTES = 256 * 1024
_DEEPEST = 100_000
_SPACE = b" \t\r\n"
_COMMA = b","[0]
_CLOSER_OF = dict(zip(b"[{", b"]}", strict=True))

_HALF_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+'
_PLAIN = rb'[^][{}"%s]*+(?:' + _HALF_TEXT + rb'"[^][{}"%s]*+)*+'
# Up to the next bracket outside of texts; between items, also to the next comma.
_to_bracket = re.compile(_PLAIN % (b"", b"") + rb"[][{}]", re.DOTALL).match
_to_bracket_or_comma = re.compile(_PLAIN % (b",", b",") + rb"[][{},]", re.DOTALL).match
# Up to the end, or to the beginning of a text that has not ended yet; and as much of that as stands for itself.
_to_half_text = re.compile(_PLAIN % (b"", b""), re.DOTALL).match
_half_text = re.compile(_HALF_TEXT, re.DOTALL).match


class BrokenArrayError(Exception):
    """From here on nobody can say where an item begins and ends; the text says what is wrong."""


def items_of(file: IO[bytes]) -> Iterator[bytes]:
    """Give each item of an array as it stands there, of bounded length: of a longer one only the beginning is kept.

    Args:
        file: At the array's opening bracket, or at white space before it.

    Raises:
        BrokenArrayError: Brackets do not match, or something follows the array.
        EOFError: The file ends before the array does.
    """
    array = _Array()
    while block := file.read(_BLOCK_BYTES):
        yield from array.feed(block)
    if not array.ended:
        raise EOFError


class _Array:
    """What is known of the array so far.

    Attributes:
        ended: Whether its closing bracket was read.
    """

    def __init__(self) -> None:
        self.ended = False
        self._buffer = b""  # the item that has begun
        self._scanned = 0  # how much of the buffer needs no second look
        self._head = b""  # the beginning of an item that is too long to be kept
        self._open = bytearray()  # the brackets that have yet to close, the array's own first
        self._empty = True

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Read on; gives the items that this completes."""
        buffer = self._buffer + block
        begin, at = 0, self._scanned
        while found := (_to_bracket if len(self._open) > 1 else _to_bracket_or_comma)(buffer, at):
            at = found.end()
            kind = buffer[at - 1]
            if kind == _COMMA:
                yield self._item(buffer[begin : at - 1])
                begin = at
            elif kind in _CLOSER_OF:
                self._nest(_CLOSER_OF[kind])
                if len(self._open) == 1:
                    begin = at
            elif self._close(kind):
                if not self._empty or self._head or buffer[begin : at - 1].strip(_SPACE):
                    yield self._item(buffer[begin : at - 1])
                begin = at
        if self.ended and buffer[begin:].strip(_SPACE):
            message = "something follows its end"
            raise BrokenArrayError(message)
        self._keep(buffer, begin, at)

    def _item(self, rest: bytes) -> bytes:
        item, self._head, self._empty = (self._head + rest)[: MAX_LINE_BYTES + 1], b"", False
        return item.strip(_SPACE) if len(item) <= MAX_LINE_BYTES else item

    def _nest(self, closer: int) -> None:
        if self.ended or len(self._open) > _DEEPEST:
            message = "something follows its end" if self.ended else f"it is nested deeper than {_DEEPEST} levels"
            raise BrokenArrayError(message)
        self._open.append(closer)

    def _close(self, kind: int) -> bool:
        """Take note of a closing bracket; whether it is the array's own."""
        if not self._open or self._open.pop() != kind:
            message = "its brackets do not match"
            raise BrokenArrayError(message)
        self.ended = not self._open
        return self.ended

    def _keep(self, buffer: bytes, begin: int, at: int) -> None:
        """Keep what the next block goes on from: the item, or of one that is too long only whether a text is open."""
        self._buffer, self._scanned = buffer[begin:], at - begin
        if len(self._head) + len(self._buffer) > MAX_LINE_BYTES:
            self._head = (self._head + self._buffer)[: MAX_LINE_BYTES + 1]
            plain = _to_half_text(buffer, at)
            text = _half_text(buffer, plain.end()) if plain else None
            self._buffer, self._scanned = (b'"' + buffer[text.end() :] if text else b"", 0)
