"""CSV and TSV: the rows of a file, as RFC 4180 has them, with names from the header line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from typing import IO

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE, NumberedRow, Table, UnparsableRow
from airflow_provider_bik.inputs.text import MAX_LINE_BYTES, lines_of

__all__ = ["table_of"]

_NULLS = frozenset({"", r"\N"})
"""An empty cell, and what MySQL and PostgreSQL write for null."""

_SEPARATORS = ",;\t|"
_ROWS_LOOKED_AT = 20

# A line end within quotation marks is part of a cell; one that is only \r is that of old Macs, and of some exports.
_first_line_end = re.compile(rb'(?:[^"\r\n]|"[^"]*")*(\r\n|\r|\n)').match
_separator_line = re.compile(rb'"?sep=(.)"?\r?', re.IGNORECASE).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    line_end: bytes
    delimiter: str
    has_separator_line: bool


def table_of(file: io.BufferedReader, name: str, *, delimiter: str | None, encoding: str) -> Table:
    """Read a file up to its header line; its rows come with the number of the line where each begins.

    Args:
        file: Plain bytes in UTF-8, at their beginning.
        name: For messages.
        delimiter: What stands between cells; None to go by the first line.
        encoding: That the file had, for messages.

    Raises:
        BikInputError: There is no header line, or it cannot be read.
    """
    dialect = _dialect(file.peek(), delimiter)
    lines = _Lines(file, dialect.line_end, codecs.lookup(encoding).name.upper())
    if dialect.has_separator_line:
        next(lines)
    read = partial(csv.reader, delimiter=dialect.delimiter, strict=True)
    reader = read(lines)
    columns = _header(reader, lines, name)
    return Table(columns=columns, rows=_rows(reader, read, lines, len(columns)), where=name)


def _header(reader: Iterator[list[str]], lines: _Lines, name: str) -> list[str]:
    lines.forget()
    try:
        columns = next(reader, [])
        problem = lines.damage or ("it has no header line" if not columns else None)
    except csv.Error as error:
        columns, problem = [], f"its header line is not CSV: {error}"
    if problem is not None:
        message = (
            f"{name} cannot be read: {problem}. The first line must name the columns. Fix the file, or say its "
            "encoding and delimiter. A retry cannot help before."
        )
        raise BikInputError(message)
    return columns


def _rows(
    reader: Iterator[list[str]], read: Callable[[Iterable[str]], Iterator[list[str]]], lines: _Lines, width: int
) -> Iterator[NumberedRow]:
    """The rows, many lines at once; lines of which not each is one row are read by and by."""
    while lines.look_ahead():
        first = lines.last + 1
        if (rows := _one_of_each(lines.ahead(), read, width)) is None:
            yield from _rows_ahead(reader, lines, width)
        else:
            lines.pass_over()
            yield from zip(count(first), rows)


def _one_of_each(
    lines: Sequence[str] | None, read: Callable[[Iterable[str]], Iterator[list[str]]], width: int
) -> list[Sequence[object]] | None:
    """The row of each line; None if one of them is no row by itself."""
    if lines is None:
        return None
    try:
        rows = list(read(lines))
    except csv.Error:
        return None
    if len(rows) != len(lines) or set(map(len, rows)) != {width}:
        return None
    return [row if _NULLS.isdisjoint(row) else [None if cell in _NULLS else cell for cell in row] for row in rows]


def _rows_ahead(reader: Iterator[list[str]], lines: _Lines, width: int) -> Iterator[NumberedRow]:
    """The rows that begin in the lines ahead."""
    while lines.has_ahead:
        lines.forget()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Nobody can say how many rows these lines were meant to be; each counts, so that no row is lost unseen.
            broken = f"not CSV: {error} (in lines {lines.first}-{lines.last})"
            for number, text in lines.recent():
                if text.strip():
                    yield number, UnparsableRow(text=text, detail=broken)
            continue
        if cells is None:
            return
        if not cells:
            continue
        detail = lines.damage
        if detail is None and len(cells) != width:
            detail = f"{len(cells)} cells, but {width} columns"
        if detail is None:
            yield lines.first, [None if cell in _NULLS else cell for cell in cells]
        else:
            yield lines.first, UnparsableRow(text="\n".join(text for _, text in lines.recent()), detail=detail)


def _dialect(start: bytes, delimiter: str | None) -> _Dialect:
    """What the beginning of a file says of its form."""
    end = _first_line_end(start)
    line_end = b"\r" if end is not None and end[1] == b"\r" else b"\n"
    declared = _separator_line(start.partition(line_end)[0])
    if declared is not None:
        delimiter = delimiter or declared[1].decode("ascii", "replace")
    return _Dialect(
        line_end=line_end,
        delimiter=delimiter or _sniffed(start, line_end),
        has_separator_line=declared is not None,
    )


def _sniffed(start: bytes, line_end: bytes) -> str:
    """The one separator that the header line holds, if a row has as many cells with it; else a comma."""
    text = start.decode("utf-8", "replace").split(line_end.decode())[: _ROWS_LOOKED_AT + 1]
    header = re.sub(r'"[^"]*"', "", text[0])
    there = [separator for separator in _SEPARATORS if separator in header]
    if len(there) != 1:
        return ","
    try:
        columns, *rows = (row for row in csv.reader(text, delimiter=there[0]) if row)
    except (csv.Error, ValueError):
        return ","
    return there[0] if not rows or any(len(row) == len(columns) for row in rows) else ","


class _Lines:
    """The lines of a file for the csv module, which asks for as many as make a row; remembers those of the last row.

    Attributes:
        last: The number of the line that was read last.
        damage: Why the row cannot be trusted although it can be taken apart.
    """

    def __init__(self, file: IO[bytes], end: bytes, encoding: str) -> None:
        self._lines = chain.from_iterable(lines_of(file, end))
        self._ahead: deque[bytes] = deque()
        self._end = end.decode()
        self._encoding = encoding
        self._recent: list[bytes] = []
        self._size = 0
        self.last = 0
        self.damage: str | None = None

    @property
    def first(self) -> int:
        """The number of the line where the row begins."""
        return self.last - len(self._recent) + 1

    @property
    def has_ahead(self) -> bool:
        """Whether there are lines that `look_ahead` has taken and nobody has read."""
        return bool(self._ahead)

    def look_ahead(self) -> bool:
        """Take some hundreds of lines, if none are ahead; tells whether there is any."""
        if not self._ahead:
            self._ahead.extend(islice(self._lines, ROWS_AT_ONCE))
        return self.has_ahead

    def ahead(self) -> list[str] | None:
        """The lines ahead, without their ends; None if something about them is not as it should be."""
        text = b"\n".join(self._ahead)
        if b"\0" in text or text.count(b"\n") != len(self._ahead) - 1 or max(map(len, self._ahead)) > MAX_LINE_BYTES:
            return None
        try:
            return text.decode().split("\n")
        except UnicodeDecodeError:
            return None

    def pass_over(self) -> None:
        """The lines ahead are read."""
        self.last += len(self._ahead)
        self._ahead.clear()

    def forget(self) -> None:
        """Begin a new row."""
        self._recent.clear()
        self._size = 0
        self.damage = None

    def recent(self) -> list[tuple[int, str]]:
        """The lines of the row, with their numbers."""
        recent = enumerate(self._recent, self.first)
        return [(number, line.decode("utf-8", "backslashreplace")) for number, line in recent]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self.last += 1
        self._recent.append(line)
        self._size += len(line)
        if self._size > MAX_LINE_BYTES:
            message = f"a row longer than {MAX_LINE_BYTES} bytes"
            raise csv.Error(message)
        if b"\0" in line:
            self.damage = "a NUL byte"
        try:
            return line.decode() + self._end
        except UnicodeDecodeError:
            self.damage = self.damage or f"not {self._encoding}; see encoding"
            return line.decode("utf-8", "replace") + self._end
