"""JSON: where each item of a file begins and ends. Nothing is decoded here that the contract can check as it stands.

Items are found by their brackets and not by a parser such as ijson's: with a parser, the first bad item ends the file;
here it is one rejection, and what follows it is read.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, TypeAlias

import msgspec

from airflow_provider_bik.errors import BikConfigError, BikInputError
from airflow_provider_bik.events.item import REJECTED_EVENT_KEY
from airflow_provider_bik.inputs.tables import CheckColumns
from airflow_provider_bik.inputs.text import BLOCK_BYTES, MAX_LINE_BYTES, lines_of

__all__ = ["LocatedText", "texts_of"]

LocatedText: TypeAlias = tuple[str, bytes]
"""The text of an item, after where it stands in the file: ``17`` is a line, or the number of an item of an array;
``17#3`` is the third object in that line."""

_decode = msgspec.json.Decoder().decode

_SPACE = b" \t\r\n"
_COMMA = b","[0]
_CLOSER_OF = dict(zip(b"[{", b"]}", strict=True))
_DEEPEST = 100_000
"""Brackets within each other, which every reading of an item that is not whole yet goes through."""

_MOST_ARRAYS = 10
"""Arrays named in an error."""

_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN = rb'[^][{}"%s]*+(?:' + _TEXT + rb'[^][{}"%s]*+)*+'
# Up to the next bracket outside of texts; between the items of an array, also to the next comma.
_to_bracket = re.compile(_PLAIN % (b"", b"") + rb"[][{}]", re.DOTALL).match
_to_bracket_or_comma = re.compile(_PLAIN % (b",", b",") + rb"[][{},]", re.DOTALL).match
_to_token = re.compile(rb'[^][{}":]*+(?:(' + _TEXT + rb")|([][{}:]))", re.DOTALL).match
_several = re.compile(rb"\}[ \t\r]*\{").search
_begins_an_item = re.compile(rb"^[ \t]*[\[{]", re.MULTILINE).search


class _BrokenError(Exception):
    """From here on nobody can say where an item begins and ends; the text says what is wrong."""


def texts_of(
    file: io.BufferedReader, name: str, json_path: str | None, check_columns: CheckColumns | None
) -> Iterator[LocatedText]:
    """Find the items of a file: one a line, one behind the other, or in an array.

    Args:
        file: Plain bytes in UTF-8, at their beginning.
        name: For messages.
        json_path: Of the array in an object; None if there is none.
        check_columns: Tells whether an object that holds arrays may be a row itself.

    Raises:
        BikInputError: There is no item in it; or, while it is read, items cannot be told apart any more.
        EOFError: While it is read: it is cut short.
    """
    start = file.peek()
    text = start.lstrip(_SPACE)
    if text and not _begins_an_item(start):
        message = (
            f"{name} holds no JSON: no line of its beginning starts with a bracket. If it is CSV, say so: "
            "file_format='csv'. A retry cannot help before; nothing was sent."
        )
        raise BikInputError(message)
    is_array = text.startswith(b"[")
    if path := _keys(json_path):
        if is_array:
            message = f"{name} is an array itself, so json_path leads nowhere. Leave it out; nothing was sent."
            raise BikInputError(message)
        return _numbered(_at_path(_Source(file), path, name), name)
    if is_array:
        is_nested = text[1:].lstrip(_SPACE).startswith(b"[")
        return _numbered((_pages if is_nested else _arrays)(_Source(file)), name)
    return _objects_of(file, start, name, check_columns)


def _is_object(text: bytes) -> bool:
    """Whether this is one JSON object."""
    try:
        return isinstance(_decode(text), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _keys(json_path: str | None) -> list[str]:
    """The keys that lead to an array; ``$`` in front and ``[*]`` behind add nothing to them."""
    path = (json_path or "").removeprefix("$").removeprefix(".").removesuffix("[*]")
    return path.split(".") if path else []


def _objects_of(
    file: io.BufferedReader, start: bytes, name: str, check_columns: CheckColumns | None
) -> Iterator[LocatedText]:
    whole = len(start) < BLOCK_BYTES
    objects, rest = _split(start)
    over_lines = [text for text in objects if b"\n" in text.strip(_SPACE)]
    # One that is no JSON has swallowed the line behind a broken one, so the file is one of lines.
    spans_lines = bool(over_lines) and all(_is_object(text) for text in over_lines)
    if objects:
        is_document = whole and len(objects) == 1 and not rest.strip(_SPACE)
    else:
        second_line = start.partition(b"\n")[2].partition(b"\n")[0]
        is_document = not whole and not _is_object(second_line)
    if is_document and start.lstrip(_SPACE).startswith(b"{"):
        _refuse_wrapped(start, name, check_columns)
    has_no_lines = bool(objects) and not whole and b"\n" not in start.lstrip(_SPACE)
    return _behind_each_other(file, name) if spans_lines or has_no_lines else _lines(file, name)


def _refuse_wrapped(start: bytes, name: str, check_columns: CheckColumns | None) -> None:
    """Refuse a file that is one object around arrays of items; an event or a row may hold arrays, too.

    Raises:
        BikInputError: It is.
    """
    walk = _Walk(_Source(io.BytesIO(start)))
    try:
        deque(walk.steps(), maxlen=0)
    except _BrokenError:
        return
    if not walk.arrays or "eventName" in walk.keys or REJECTED_EVENT_KEY in walk.keys:
        return
    try:
        if check_columns is not None:
            check_columns(walk.keys, name)
            return
    except BikConfigError:
        pass
    what = "is one JSON object around its items"
    raise _misses_json_path(name, what, walk)


def _misses_json_path(name: str, what: str, walk: _Walk) -> BikInputError:
    shown = ", ".join(map(repr, walk.arrays)) or "no key"
    return BikInputError(
        f"{name} {what}. Arrays of objects stand at: {shown}. Say which one holds the items, "
        "as Reading(json_path=...); if the object is a row itself, give a mapping. A retry cannot help before."
    )


def _lines(file: IO[bytes], name: str) -> Iterator[LocatedText]:
    first = 1
    for lines in lines_of(file):
        if all(lines) and not any(map(bytes.isspace, lines)) and not any(map(_several, lines)):
            yield from zip(map(str, range(first, first + len(lines))), lines, strict=True)
        else:
            yield from _unusual_lines(lines, first, name)
        first += len(lines)


def _unusual_lines(lines: Iterable[bytes], first: int, name: str) -> Iterator[LocatedText]:
    """Lines of which some are blank, or hold several objects."""
    for number, line in enumerate(lines, start=first):
        if not line or line.isspace():
            continue
        if _several(line) is None or _is_object(line):
            yield str(number), line
            continue
        objects, rest = _split(line)
        if objects and len(line) > MAX_LINE_BYTES:
            message = (
                f"{name} holds several objects in line {number}, which is longer than {MAX_LINE_BYTES} bytes. Write "
                "one object a line. A retry cannot help before."
            )
            raise BikInputError(message)
        if rest.strip(_SPACE):
            objects.append(rest)
        yield from ((_nth(number, nth), text.strip(_SPACE)) for nth, text in enumerate(objects, start=1))


def _nth(line: int, nth: int) -> str:
    return f"{line}#{nth}" if nth > 1 else str(line)


def _split(text: bytes) -> tuple[list[bytes], bytes]:
    """Take a text apart into the objects at its beginning, and what follows the last one that is whole."""
    objects, begin, at, closers = [], 0, 0, bytearray()
    while found := _to_bracket(text, at):
        at = found.end()
        kind = text[at - 1]
        if kind in _CLOSER_OF and len(closers) < _DEEPEST:
            closers.append(_CLOSER_OF[kind])
        elif not closers or closers.pop() != kind:
            break
        elif not closers:
            objects.append(text[begin:at])
            begin = at
    return objects, text[begin:]


def _behind_each_other(file: IO[bytes], name: str) -> Iterator[LocatedText]:
    """Objects that span lines, or that no line end separates."""
    line, nth, rest, number = 1, 0, b"", 0
    for block in chain(iter(lambda: file.read(BLOCK_BYTES), b""), [b""]):
        objects, rest = _split(rest + block)
        for text in objects:
            number += 1
            item = text.lstrip(_SPACE)
            before, within = text.count(b"\n", 0, len(text) - len(item)), item.count(b"\n")
            line, nth = line + before, 1 if before else nth + 1
            yield _nth(line, nth), item
            line, nth = line + within, 0 if within else nth
        if len(rest) > MAX_LINE_BYTES:
            raise _broken(name, number + 1, _TOO_LONG)
    if rest.strip(_SPACE):
        raise EOFError


_TOO_LONG = f"it is longer than {MAX_LINE_BYTES} bytes, or its brackets do not match"


def _broken(name: str, number: int, how: object) -> BikInputError:
    # No rejection: once the file is fixed, a retry finds the same items before this one, and goes on from there.
    return BikInputError(
        f"{name} is broken in item {number}: {how}. What follows cannot be read. Fix the file and clear the task; a "
        "retry cannot help before."
    )


def _numbered(items: Iterator[bytes], name: str) -> Iterator[LocatedText]:
    number = 0
    try:
        for number, text in enumerate(items, start=1):
            yield str(number), text
    except _BrokenError as error:
        raise _broken(name, number + 1, error) from error


class _Source:
    """A file, and what was read of it but not taken yet.

    Attributes:
        text: What was read.
        at: How much of that was taken.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.text = b""
        self.at = 0

    def more(self) -> bool:
        """Read on, keeping what was not taken; whether there was more.

        Raises:
            _BrokenError: There is too much of that.
        """
        self.text, self.at = self.text[self.at :], 0
        if len(self.text) > MAX_LINE_BYTES:
            raise _BrokenError(_TOO_LONG)
        block = self._file.read(BLOCK_BYTES)
        self.text += block
        return bool(block)

    def take(self, opening: bytes) -> bool:
        """Take the next byte that is no white space if it is this one; whether it was."""
        while not (rest := self.text[self.at :].lstrip(_SPACE)):
            if not self.more():
                return False
        self.at = len(self.text) - len(rest)
        there = rest.startswith(opening)
        self.at += there
        return there

    def need(self, bracket: bytes) -> None:
        """Take the next byte that is no white space.

        Raises:
            _BrokenError: It is not this one.
            EOFError: There is none.
        """
        if not self.take(bracket):
            if not self.text[self.at :].strip(_SPACE):
                raise EOFError
            message = "something stands beside the arrays in an array"
            raise _BrokenError(message)


def _arrays(source: _Source) -> Iterator[bytes]:
    """The items of an array, or of several one behind the other, as pages of an API are written."""
    while source.take(b"["):
        yield from _array(source)
    if source.text[source.at :].strip(_SPACE):
        message = "something follows its end"
        raise _BrokenError(message)


def _pages(source: _Source) -> Iterator[bytes]:
    """The items of arrays within an array, as pages of an API are gathered."""
    while source.take(b"["):
        is_open = not source.take(b"]")
        while is_open:
            source.need(b"[")
            yield from _array(source)
            is_open = source.take(b",")
            if not is_open:
                source.need(b"]")
    if source.text[source.at :].strip(_SPACE):
        message = "something follows its end"
        raise _BrokenError(message)


def _array(source: _Source) -> Iterator[bytes]:
    """The items up to the closing bracket, which is taken, too.

    Raises:
        _BrokenError: Brackets do not match, or an item is too long.
        EOFError: The file ends before the array does.
    """
    empty = True
    while True:
        # An item of which only a part was there is looked at from its beginning again.
        text, at, closers = source.text, source.at, bytearray()
        while found := (_to_bracket if closers else _to_bracket_or_comma)(text, at):
            at = found.end()
            kind = text[at - 1]
            if kind in _CLOSER_OF and len(closers) < _DEEPEST:
                closers.append(_CLOSER_OF[kind])
            elif not closers and kind in b",]":
                item, source.at = text[source.at : at - 1].strip(_SPACE), at
                if item or kind == _COMMA or not empty:
                    yield item
                if kind != _COMMA:
                    return
                empty = False
            elif not closers or closers.pop() != kind:
                message = "its brackets do not match"
                raise _BrokenError(message)
        if not source.more():
            raise EOFError


def _at_path(source: _Source, path: list[str], name: str) -> Iterator[bytes]:
    """The items of the array at a path, in each document of the file."""
    walk, there = _Walk(source), False
    for found in walk.steps():
        if found == path:
            yield from _array(source)
            walk.leave()
            there = True
        elif found is None:
            if not there:
                what = f"holds no array at {'.'.join(path)!r}"
                raise _misses_json_path(name, what, walk)
            there = False
    if walk.is_inside:
        raise EOFError
    if source.text[source.at :].strip(_SPACE):
        message = "something follows its end"
        raise _BrokenError(message)


class _Walk:
    """A way through JSON documents, from bracket to bracket.

    Args:
        source: At the beginning of a document.

    Attributes:
        keys: Of the outermost objects.
        arrays: The paths of arrays of objects.
    """

    def __init__(self, source: _Source) -> None:
        self.keys: list[str] = []
        self.arrays: list[str] = []
        self._source = source
        self._path: list[str | None] = []  # the key in each object that is open, and None for each array

    @property
    def is_inside(self) -> bool:
        """Whether a document has begun and not ended."""
        return bool(self._path)

    def steps(self) -> Iterator[list[str | None] | None]:
        """Give the path of each array that begins, its bracket taken; None when a document ends.

        Raises:
            _BrokenError: There is a bracket too many.
        """
        text, before = b"", b""
        while True:
            while found := _to_token(self._source.text, self._source.at):
                self._source.at, mark = found.end(), found[2]
                if mark is None:
                    text = found[1]
                elif mark == b":":
                    self._name(text)
                elif mark in b"[{":
                    path = self._path[:-1] if before == b"[" and mark == b"{" else [None]
                    if None not in path and len(self.arrays) < _MOST_ARRAYS:
                        self.arrays.append(".".join(map(str, path)))
                    self._path.append(None)
                    if mark == b"[":
                        yield self._path[:-1]
                else:
                    self.leave()
                    if not self._path:
                        yield None
                before = mark or before
            if not self._source.more():
                return

    def leave(self) -> None:
        """Take note that what was entered last is closed."""
        if not self._path:
            message = "its brackets do not match"
            raise _BrokenError(message)
        self._path.pop()

    def _name(self, text: bytes) -> None:
        if not self._path:
            return
        try:
            key = msgspec.json.decode(text, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            key = text.decode("utf-8", "replace")
        self._path[-1] = key
        if len(self._path) == 1:
            self.keys.append(key)
