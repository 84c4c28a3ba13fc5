"""The cursor column of a growing table: what its values may be, and how they compare. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from airflow_provider_bik.errors import BikConfigError, BikInputError

__all__ = ["Cursor", "Position"]

Position: TypeAlias = int | float | Decimal | date | str
"""A value of the cursor column; a datetime is a date, too. An aware one is in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The cursor column.

    Args:
        column: Its name.
        start: Where the first run begins.
        lookback: How far behind the watermark late rows are looked for.

    Raises:
        BikConfigError: These do not belong together.
    """

    column: str
    start: Position
    lookback: timedelta | float | None = None

    def __post_init__(self) -> None:
        kind = _kind(self.start)
        if kind is None:
            message = "watermark_start must be a number, a date, a datetime or a text. Mend it; nothing was sent."
            raise BikConfigError(message)
        wanted = {"number": int | float, "text": type(None)}.get(kind, timedelta)
        fits = self.lookback is None or (isinstance(self.lookback, wanted) and not isinstance(self.lookback, bool))
        back: Any = self.lookback
        if not fits or (back is not None and not back >= type(back)(0)):
            wants = {"number": "a number from 0", "text": "None"}.get(kind, "a timedelta from 0")
            message = f"watermark_lookback must be {wants} for a watermark_start that is a {kind}. Nothing was sent."
            raise BikConfigError(message)

    def position(self, value: object, place: str) -> Position:
        """A value of the column, in a form that compares as the database does.

        Raises:
            BikInputError: It is null, or of another kind than ``start``; the text names the place.
        """
        kind = _kind(value)
        if kind is None or kind != _kind(self.start):
            found = "null" if value is None else kind or f"of type {type(value).__name__}"
            message = (
                f"{self.column} of {place} is {found}, but watermark_start is a {_kind(self.start)}. The cursor column "
                "must hold values of that kind and no nulls: mend sql or watermark_start. Nothing was sent."
            )
            raise BikInputError(message)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        return value  # type: ignore[return-value]  # its kind says so

    def less_lookback(self, value: Position) -> Position:
        """A value less the lookback."""
        if not self.lookback:
            return value
        back: Any = self.lookback
        if isinstance(value, Decimal):
            back = Decimal(str(back))
        elif isinstance(value, int):
            # A float would lose the end of a large number.
            back = math.ceil(back)
        ahead: Any = value
        try:
            earlier: Position = ahead - back
        except OverflowError:
            # Before the calendar begins there is nothing to look back at.
            return value
        return earlier


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
