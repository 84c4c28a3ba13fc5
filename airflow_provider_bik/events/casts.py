"""Casts: what a mapping may ask for where a column's type is not the one that BIK is to get."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Literal
from uuid import UUID

from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.values import Refusal, decimal_number, is_null, plain

__all__ = ["CASTS", "Cast", "CastName"]

CastName = Literal["number", "string"]

Cast = Callable[[object, str], object]
"""From a value and the name of its column to what BIK is to get; raises `Refusal`."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""`Decimal` would also read NaN, underscores and the digits of other scripts."""

_BARE = frozenset({str, int, float, bool, Decimal, type(None)})

_LONGEST_PLAIN = 100
"""Digits before or after the point; a decimal with a huge exponent would become megabytes of zeros."""


def to_number(value: object, column: str) -> object:
    """Read a number: text is read exactly, blank text is null, numbers stay as they are.

    Args:
        value: Of one row.
        column: Its name, for the detail of a rejection.

    Raises:
        Refusal: It is not a number, or one that JSON cannot carry.
    """
    match _bare(value):
        case None:
            return None
        case str() as text:
            return _read_number(text.strip(), column)
        case Decimal() as number:
            return decimal_number(number, _named(column))
        case bool():
            raise _failed(value, column, "number")
        case int() | float() as number:
            return number
        case _:
            raise _failed(value, column, "number")


def to_text(value: object, column: str) -> object:  # noqa: PLR0911 - one line a type
    """Write a value as plain text; times stay as they are, for the contract makes text of them in the user's zone.

    Args:
        value: Of one row.
        column: Its name, for the detail of a rejection.

    Raises:
        Refusal: It has no plain text.
    """
    match _bare(value):
        case None:
            return None
        case str() as text:
            return str.__str__(text)
        case bool() as truth:
            return "true" if truth else "false"
        case int() | float() | Decimal() as number:
            return _number_text(number, column)
        case datetime() as moment:
            return moment
        case (date() | time()) as day:
            return day.isoformat()
        case UUID() as identifier:
            return str(identifier)
        case _:
            raise _failed(value, column, "string")


CASTS: Mapping[CastName, Cast] = {"number": to_number, "string": to_text}
"""The name in a mapping -> what it does."""


def _bare(value: object) -> object:
    """The value without numpy's or an enumeration's wrapping, and with one word for null."""
    if type(value) in _BARE:
        return value
    value = plain(value)
    if isinstance(value, Enum):
        value = plain(value.value)
    return None if is_null(value) else value


def _read_number(text: str, column: str) -> int | float | None:
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            return decimal_number(Decimal(text), _named(column))
    except InvalidOperation:  # an exponent of more digits than any number has
        pass
    raise _failed(text, column, "number")


def _number_text(number: float | Decimal, column: str) -> str:
    if isinstance(number, int):
        try:
            return int.__repr__(number)
        except ValueError:  # Python writes no integer of more than 4300 digits
            raise _failed(number, column, "string") from None
    if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
        raise Refusal(Rejection(reason=Reason.NUMBER_NOT_FINITE, detail=_named(column)))
    if isinstance(number, Decimal):
        return f"{number:f}" if abs(number.adjusted()) < _LONGEST_PLAIN else str(number)
    return float.__repr__(number)


def _failed(value: object, column: str, cast: CastName) -> Refusal:
    detail = f"{_named(column)} of type {type(value).__name__} is not to be read as a {cast}"
    return Refusal(Rejection(reason=Reason.CAST_FAILED, detail=detail))


def _named(column: str) -> str:
    return f"column {column!r}"
