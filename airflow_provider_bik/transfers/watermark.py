"""The watermark of a growing table: what its values may be, how they compare, and which rows were seen before. Pure."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from airflow_provider_bik.errors import BikConfigError, BikInputError, BikRecordError

__all__ = ["Reached", "SeenRowFilter", "WatermarkColumn", "WatermarkValue", "row_digest"]

WatermarkValue: TypeAlias = int | float | Decimal | date | str
"""A value of the watermark column; a datetime is a date, too. An aware one is in UTC."""

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkColumn:
    """The column by which a table grows.

    Args:
        name: Of the column.
        start: Where the first run begins.
        lookback: How far behind the watermark late rows are looked for.

    Raises:
        BikConfigError: These do not belong together.
    """

    name: str
    start: WatermarkValue
    lookback: timedelta | float | None = None

    def __post_init__(self) -> None:
        kind = _kind(self.start)
        if kind is None:
            message = "start must be a number, a date, a datetime or a text. Fix the arguments; nothing was sent."
            raise BikConfigError(message)
        wanted = {"number": int | float, "text": type(None)}.get(kind, timedelta)
        fits = self.lookback is None or (isinstance(self.lookback, wanted) and not isinstance(self.lookback, bool))
        back: Any = self.lookback
        if not fits or (back is not None and not back >= type(back)(0)):
            wants = {"number": "a number from 0", "text": "None"}.get(kind, "a timedelta from 0")
            message = f"lookback must be {wants} for a start that is a {kind}. Fix the arguments; nothing was sent."
            raise BikConfigError(message)

    def value(self, value: object, location: str) -> Any:  # noqa: ANN401 - a `WatermarkValue`, which mypy cannot compare
        """A value of the column, in a form that compares as the database does.

        Raises:
            BikInputError: It is null, or of another kind than ``start``; the text names the location.
        """
        kind = _kind(value)
        if kind is None or kind != _kind(self.start):
            found = "null" if value is None else kind or f"of type {type(value).__name__}"
            message = (
                f"{self.name} of {location} is {found}, but start is a {_kind(self.start)}. The watermark column must "
                "hold values of that kind and no nulls: fix sql or start. Nothing was sent."
            )
            raise BikInputError(message)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        return value

    def since(self, earlier: Reached | None) -> Any:  # noqa: ANN401 - as above
        """Where the query begins.

        Args:
            earlier: How far the last run came; None for the first.

        Raises:
            BikConfigError: That run went by another column, or by values of another kind.
        """
        start = self.value(self.start, "start")
        if earlier is None:
            return start
        if earlier.column != self.name or _kind(earlier.value) != _kind(start):
            message = (
                f"The last run of this stream went by the column {earlier.column!r} (a {_kind(earlier.value)}), and "
                f"this one would go by {self.name!r} (a {_kind(start)}), so that nobody can tell what was sent. Undo "
                "the change; or give the stream another name, and a start for it. Nothing was sent."
            )
            raise BikConfigError(message)
        # If lookback has grown since, what is further back is known no more, and would be sent a second time.
        return max(start, self.less_lookback(earlier.value), earlier.since)

    def less_lookback(self, value: Any) -> Any:  # noqa: ANN401 - as above
        """A value less the lookback."""
        if not self.lookback:
            return value
        back: Any = self.lookback
        if isinstance(value, Decimal):
            back = Decimal(str(back))
        elif isinstance(value, int):
            # A float would lose the end of a large number.
            back = math.ceil(back)
        try:
            return value - back
        except OverflowError:
            # Before the calendar begins there is nothing to look back at.
            return value


class Reached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a generation has come, for the one after it; no row and nothing personal.

    Attributes:
        column: Name of the watermark column.
        watermark: The highest value among its rows: its Python type, and the value as text.
        known_since: The value from which on all rows that were delivered are among those seen; in the same form.
        columns: Names of the columns of which digests are made.
        seen: Digests of its rows from the watermark less the lookback on, joined, in base64.
    """

    column: str
    watermark: tuple[str, str]
    known_since: tuple[str, str]
    columns: list[str] = msgspec.field(default_factory=list)
    seen: str = ""

    @classmethod
    def of(
        cls, column: str, value: WatermarkValue, since: WatermarkValue, columns: Sequence[str], seen: Sequence[bytes]
    ) -> Reached:
        """Make it of values."""
        digests = base64.b64encode(b"".join(sorted(seen))).decode("ascii")
        return cls(
            column=column, watermark=_stored(value), known_since=_stored(since), columns=list(columns), seen=digests
        )

    @property
    def value(self) -> WatermarkValue:
        """The watermark.

        Raises:
            BikRecordError: Somebody has written what cannot be one.
        """
        return _value_of(self.watermark)

    @property
    def since(self) -> WatermarkValue:
        """The value from which on all rows that were delivered are known.

        Raises:
            BikRecordError: As for `value`.
        """
        return _value_of(self.known_since)

    def digests(self) -> Counter[bytes]:
        """The rows; two with the same values count twice."""
        joined = base64.b64decode(self.seen)
        return Counter(joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES))


def _stored(value: WatermarkValue) -> tuple[str, str]:
    return type(value).__name__, value.isoformat() if isinstance(value, date) else str(value)


def _value_of(stored: tuple[str, str]) -> WatermarkValue:
    kind, text = stored
    try:
        return _READ[kind](text)
    except (KeyError, ValueError, ArithmeticError) as error:
        message = "The watermark in the record cannot be understood. Nothing was sent. Restore the file."
        raise BikRecordError(message) from error


_READ: Mapping[str, Callable[[str], WatermarkValue]] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "str": str,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


class SeenRowFilter:
    """Drops the rows that an earlier generation holds, and takes note of those that the next one needs to know.

    Args:
        column: The watermark column.
        columns: Names of the columns of the result.
        since: Where the query begins.
        earlier: How far the generation before has come; None for the first one.

    Raises:
        BikConfigError: The watermark column is not there; or one by which the rows before were known is not.
    """

    def __init__(
        self, column: WatermarkColumn, columns: Sequence[str], since: WatermarkValue, earlier: Reached | None
    ) -> None:
        self._column, self._columns, self._since = column, list(columns), since
        self._known = earlier.digests() if earlier else Counter[bytes]()
        _check_columns(column.name, columns, earlier.columns if earlier and self._known else ())
        self._index = self._columns.index(column.name)
        # With other columns the same row has another digest.
        changed = earlier is not None and bool(self._known) and earlier.columns != self._columns
        self._as_before = [self._columns.index(name) for name in earlier.columns] if earlier and changed else None
        self._reached: Any = earlier.value if earlier else None
        self._kept: list[tuple[Any, bytes]] = []
        self._rows = 0
        self.dropped = 0

    def is_new(self, row: Sequence[object]) -> bool:
        """Take the next row; whether no earlier generation holds it.

        Raises:
            BikInputError: It is below the bound, or its value is null or of another kind.
        """
        self._rows += 1
        value = self._column.value(row[self._index], f"row {self._rows} of the result")
        if value < self._since:
            message = (
                f"{self._column.name} of row {self._rows} of the result is below the parameter watermark. Compare them "
                "in sql: WHERE … >= the parameter. Nothing was sent."
            )
            raise BikInputError(message)
        if self._reached is None or value > self._reached:
            self._reached = value
        digest = row_digest(row)
        self._kept.append((value, digest))
        if len(self._kept) > _MANY and len(self._kept) > 2 * self._needed:
            self._forget()
        before = digest if self._as_before is None else row_digest([row[index] for index in self._as_before])
        if self._known[before] > 0:
            self._known[before] -= 1
            self.dropped += 1
            return False
        return True

    _needed = 0

    def reached(self) -> Reached | None:
        """How far this generation has come; None if there is nothing to say."""
        if self._reached is None:
            return None
        self._forget()
        since = max(self._since, self._column.less_lookback(self._reached))
        return Reached.of(self._column.name, self._reached, since, self._columns, [digest for _, digest in self._kept])

    def _forget(self) -> None:
        bound = self._column.less_lookback(self._reached)
        self._kept = [(value, digest) for value, digest in self._kept if value >= bound]
        self._needed = len(self._kept)


def _check_columns(name: str, columns: Sequence[str], before: Sequence[str]) -> None:
    if name not in columns:
        message = f"watermark_column {name!r} is not among the columns of sql: {', '.join(columns)}. Nothing was sent."
        raise BikConfigError(message)
    if missing := [each for each in before if each not in columns]:
        message = (
            f"sql gave the columns {', '.join(missing)} in the last run and does not now, so that rows which were sent "
            "cannot be known again. Let it give them, also if the mapping does not use them; or give the stream "
            "another name, and a start for it. Nothing was sent."
        )
        raise BikConfigError(message)


_MANY = 10_000
"""Rows that are remembered before those are forgotten that are behind the lookback."""


def row_digest(row: Sequence[object]) -> bytes:
    """Know a row again: 64 bits, so that among a million rows two are taken for one once in 10^7 times."""
    try:
        text = msgspec.json.encode(list(row), enc_hook=str)
    except (UnicodeEncodeError, TypeError, ValueError):
        text = repr(row).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def _kind(value: object) -> str | None:
    """Values of one kind can be compared with each other."""
    match value:
        case bool() | None:
            return None
        case str():
            return "text"
        case int() | Decimal() | float():
            return "number" if math.isfinite(value) else None
        case datetime():
            return "time without a zone" if value.tzinfo is None else "time with a zone"
        case date():
            return "date"
        case _:
            return None
