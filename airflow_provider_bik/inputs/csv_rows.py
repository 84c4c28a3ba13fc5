"""CSV and TSV: the rows of a file, as RFC 4180 has them, with names from the header line."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import IO

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.inputs.ndjson import MAX_LINE_BYTES, lines_of
from airflow_provider_bik.inputs.rows import NumberedRow, Unreadable

__all__ = ["rows_of"]

_SAYABLE = re.compile(r"[A-Za-z_][\w.-]{0,63}")


def rows_of(file: IO[bytes], *, delimiter: str, name: str) -> Iterator[NumberedRow]:
    """Give each row, or why there is none, with the number of the line where it begins.

    Args:
        file: Plain bytes, in UTF-8.
        delimiter: What stands between cells.
        name: For messages.

    Raises:
        BikInputError: There is no header line, or it does not name every column once.
    """
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    columns = _columns(reader, lines, name)
    while True:
        lines.forget()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Nobody can say how many rows these lines were meant to be; each counts, so that no row is lost unseen.
            broken = f"not CSV: {error} (in lines {lines.first}-{lines.last})"
            for number, text in lines.recent():
                if text.strip():
                    yield number, Unreadable(text=text, detail=broken)
            continue
        if cells is None:
            return
        if not cells:
            continue
        detail = lines.damage
        if detail is None and len(cells) != len(columns):
            detail = f"{len(cells)} cells, but {len(columns)} columns"
        if detail is None:
            yield lines.first, {column: cell or None for column, cell in zip(columns, cells, strict=True)}
        else:
            yield lines.first, Unreadable(text="\n".join(text for _, text in lines.recent()), detail=detail)


def _columns(reader: Iterator[list[str]], lines: _Lines, name: str) -> list[str]:
    try:
        columns = next(reader, [])
        problem = lines.damage or ("it has no header line" if not columns else None)
    except csv.Error as error:
        columns, problem = [], f"its header line is not CSV: {error}"
    if problem is None:
        problem = _misnamed(columns)
    if problem is not None:
        message = (
            f"{name} cannot be read: {problem}. The first line must name every column once, in UTF-8. Mend the file; a "
            "retry cannot help before."
        )
        raise BikInputError(message)
    return columns


def _misnamed(columns: list[str]) -> str | None:
    """Say which columns have no name or one that another has too.

    What does not look like a name is not repeated: if the header line is missing, it is somebody's data.
    """
    nameless = [str(number) for number, column in enumerate(columns, start=1) if not column.strip()]
    if nameless:
        return f"column {', '.join(nameless)} has no name"
    for column, times in Counter(columns).items():
        if times > 1:
            numbers = ", ".join(str(number) for number, other in enumerate(columns, start=1) if other == column)
            return f"columns {numbers} have the same name" + (f" {column}" if _SAYABLE.fullmatch(column) else "")
    return None


class _Lines:
    """The lines of a file for the csv module, which asks for as many as make a row; remembers those of the last row.

    Attributes:
        last: The number of the line that was read last.
        damage: Why the row cannot be trusted although it can be taken apart.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = lines_of(file)
        self._recent: list[bytes] = []
        self._size = 0
        self.last = 0
        self.damage: str | None = None

    @property
    def first(self) -> int:
        """The number of the line where the row begins."""
        return self.last - len(self._recent) + 1

    def forget(self) -> None:
        """Begin a new row."""
        self._recent.clear()
        self._size = 0
        self.damage = None

    def recent(self) -> list[tuple[int, str]]:
        """The lines of the row, with their numbers."""
        return [(number, line.decode("utf-8", "replace")) for number, line in enumerate(self._recent, self.first)]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.last += 1
        self._recent.append(line)
        self._size += len(line)
        if self._size > MAX_LINE_BYTES:
            message = f"a row longer than {MAX_LINE_BYTES} bytes"
            raise csv.Error(message)
        if b"\0" in line:
            self.damage = "a NUL byte; is it UTF-16, or no text at all?"
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError:
            self.damage = self.damage or "not UTF-8"
            return line.decode("utf-8", "replace") + "\n"
