"""Tables: columns with names, and rows that become items of the input; rows without a header are checked by keys."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import TypeAlias

import msgspec

from airflow_provider_bik.errors import BikConfigError, BikInputError
from airflow_provider_bik.events.item import Item, opened
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "ROWS_AT_ONCE",
    "CheckColumns",
    "NumberedRow",
    "Table",
    "UnparsableRow",
    "check_keys_of_first",
    "used_columns",
]

ROWS_AT_ONCE = 500
"""Rows that are taken from a table of columns at a time."""

_FIRST = 500
"""Items whose keys are looked at."""

_FIRST_BYTES = 16 * 1024 * 1024
"""Of text that is looked at, roughly."""

_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}")

log = logging.getLogger(__name__)

CheckColumns: TypeAlias = Callable[[Sequence[str], str], None]
"""Takes the names of columns and where they stand; raises BikConfigError if one that the mapping uses is not there."""


class UnparsableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be read.

    Attributes:
        text: As it stands in the file, if it is text.
        detail: Why, without anything of its content.
    """

    text: str | None
    detail: str


NumberedRow: TypeAlias = tuple[int, Sequence[object] | UnparsableRow]
"""The cells of a row in the order of the columns, after the number by which a person finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is read row by row.

    Attributes:
        columns: Their names as they stand there; one may be blank or stand there twice.
        rows: Can be gone through once.
        where: The table is, for messages.
    """

    columns: Sequence[str]
    rows: Iterator[NumberedRow]
    where: str

    def check(self, check_columns: CheckColumns | None) -> None:
        """Check the names of the columns, as `used_columns` does."""
        used_columns(self.columns, self.where, check_columns)

    def items(self, positions: Iterator[int], check_columns: CheckColumns | None, prefix: str) -> Iterator[Item]:
        """Give the rows as items.

        Args:
            positions: Numbers them.
            check_columns: As for `used_columns`.
            prefix: What stands before a row's number in its location.

        Raises:
            BikConfigError, BikInputError: As for `used_columns`, before the first row.
        """
        used = used_columns(self.columns, self.where, check_columns)
        names = tuple(compress(self.columns, used))
        every = all(used)
        if not every:
            left_out = "%s: %s. What has no name of its own is left out, as the mapping does not name it."
            log.warning(left_out, self.where, _misnamed(self.columns))
        for number, cells in self.rows:
            position, location = next(positions), f"{prefix}{number}"
            if isinstance(cells, UnparsableRow):
                problem = Rejection(reason=Reason.UNPARSABLE, detail=cells.detail)
                yield Item(position=position, location=location, raw=cells.text, problem=problem)
            else:
                kept = cells if every else tuple(compress(cells, used))
                yield Item(position=position, location=location, columns=names, cells=kept)


def used_columns(columns: Sequence[str], where: str, check_columns: CheckColumns | None) -> list[bool]:
    """Check the names of a table's columns, and say which columns can be used.

    A column without a name, or with the name of another one, is left out if the mapping does without it. Nobody can say
    whether events do, so without a mapping it is an error.

    Args:
        columns: The names.
        where: The table is, for messages.
        check_columns: Checks them against the mapping; None if there is none.

    Raises:
        BikInputError: A name is missing or stands there twice, and is needed.
        BikConfigError: The mapping needs another column.
    """
    times = Counter(columns)
    used = [bool(column.strip()) and times[column] == 1 for column in columns]
    problem = None if all(used) else _misnamed(columns)
    if check_columns is None:
        if problem is not None:
            raise _cannot_be_read(where, problem)
        return used
    try:
        check_columns(list(compress(columns, used)), where)
    except BikConfigError:
        if problem is None:
            raise
        check_columns(columns, where)
        # So it is there, but twice.
        raise _cannot_be_read(where, problem) from None
    return used


def _misnamed(columns: Sequence[str]) -> str:
    """Say which columns have no name, or one that another has too.

    What does not look like a name is not repeated: if the header line is missing, it is somebody's data.
    """
    problems = []
    nameless = [str(number) for number, column in enumerate(columns, start=1) if not column.strip()]
    if nameless:
        problems.append(f"column {', '.join(nameless)} has no name")
    for column, times in Counter(columns).items():
        if times > 1 and column.strip():
            numbers = ", ".join(str(number) for number, other in enumerate(columns, start=1) if other == column)
            named = f" {column}" if _LOOKS_LIKE_A_NAME.fullmatch(column) else ""
            problems.append(f"columns {numbers} have the same name{named}")
    return "; ".join(problems)


def _cannot_be_read(where: str, problem: str) -> BikInputError:
    return BikInputError(
        f"{where} cannot be read: {problem}. Give every column a name of its own. A retry cannot help before."
    )


def check_keys_of_first(items: Iterator[Item], where: str, check_columns: CheckColumns | None) -> Iterator[Item]:
    """Give the same items, after a check of the keys that the first hundreds of rows have together.

    A key that some rows lack is null in these, whatever their order. One that none of many rows has is a mistake.

    Args:
        items: Each is a row, unless it is known to be an event.
        where: They stand, for messages.
        check_columns: Checks the keys; None if there is no mapping.

    Raises:
        BikConfigError: The mapping needs a key that is not there.
    """
    if check_columns is None:
        return items
    return _checked(items, where, check_columns)


def _checked(items: Iterator[Item], where: str, check_columns: CheckColumns) -> Iterator[Item]:
    first, keys, size, rows = list[Item](), dict[str, None](), 0, 0
    for item in items:
        first.append(item)
        size += len(item.line or b"")
        seen = opened(item)
        if seen.is_row is not False and seen.problem is None and isinstance(seen.raw, Mapping):
            rows += 1
            keys.update(dict.fromkeys(key for key in seen.raw if isinstance(key, str)))
        if len(first) == _FIRST or size > _FIRST_BYTES:
            break
    if rows:
        check_columns(list(keys), where)
    yield from chain(first, items)
