"""Casts: what a mapping may ask for where a column's type is not the one that BIK is to get."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec

from airflow_provider_bik.events.reading import Reading, time_zone
from airflow_provider_bik.events.reasons import Reason, RejectionError
from airflow_provider_bik.events.times import localized, read_epoch, read_time
from airflow_provider_bik.events.values import MAX_INTEGER, decimal_number, is_null, plain

if TYPE_CHECKING:
    from airflow_provider_bik.events.mapping_fields import Column

__all__ = ["CASTS", "Cast", "CastName", "bare_value", "format_problem", "named", "read_json"]

CastName = Literal["number", "integer", "string", "boolean", "datetime", "json"]

_decode = msgspec.json.Decoder().decode

Cast = Callable[[Any], object]
"""From a value that is not null to what BIK is to get; raises `RejectionError`."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""`Decimal` would also read NaN, underscores and the digits of other scripts."""

_SIMPLE_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_FEW_DIGITS = 15

_COMMA_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?")
"""A decimal comma, with or without dots between thousands."""

_LONGEST_PLAIN = 100
"""Digits before or after the point; a decimal with a huge exponent would become megabytes of zeros."""

_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


def bare_value(value: object, nulls: frozenset[str]) -> object:
    """The value without numpy's or an enumeration's wrapping, and with one word for null."""
    value = plain(value)
    if isinstance(value, Enum):
        value = plain(value.value)
    if is_null(value) or (isinstance(value, str) and value in nulls):
        return None
    return value


def _number(column: Column, reading: Reading) -> Cast:
    """Read a number: text is read exactly, blank text is null, numbers stay as they are."""

    def convert(value: object) -> object:
        match value:
            case str():
                return _read_number(value, column, reading)
            case Decimal():
                return decimal_number(value, named(column.name))
            case int() | float() if not isinstance(value, bool):
                return value
            case _:
                raise _failed(value, column)

    return convert


def _read_number(text: str, column: Column, reading: Reading) -> int | float | None:
    text = text.strip()
    if not text:
        return None
    if len(text) <= _FEW_DIGITS and not reading.decimal_comma and _SIMPLE_NUMBER.fullmatch(text):
        # So few digits are exact as a double, so this is what the decimal would become.
        nearest = float(text)
        return int(nearest) if nearest.is_integer() else nearest
    if reading.decimal_comma:
        if not _COMMA_NUMBER.fullmatch(text):
            raise _failed(text, column)
        text = text.replace(".", "").replace(",", ".")
    try:
        if _NUMBER.fullmatch(text):
            return decimal_number(Decimal(text), named(column.name))
    except InvalidOperation:  # an exponent of more digits than any number has
        pass
    raise _failed(text, column)


def _integer(column: Column, reading: Reading) -> Cast:
    """Read a whole number, also one that a gap in its column has made 7.0; a fraction is none."""
    number = _number(column, reading)

    def convert(value: object) -> object:
        if type(value) is str and len(value) <= _FEW_DIGITS and value.isascii() and value.isdigit():
            return int(value)
        found = number(value)
        if isinstance(found, float):
            if not math.isfinite(found):
                raise RejectionError(Reason.NUMBER_NOT_FINITE, named(column.name))
            if not found.is_integer():
                raise _failed(value, column)
            found = int(found)
        if isinstance(found, int) and abs(found) > MAX_INTEGER:
            raise RejectionError(Reason.INTEGER_TOO_LARGE, named(column.name))
        return found

    return convert


def _string(column: Column, _: Reading) -> Cast:
    """Write a value as plain text; times stay as they are, for the contract makes text of them in the user's zone."""

    def convert(value: object) -> object:
        match value:
            case str():
                return str.__str__(value)
            case bool():
                return "true" if value else "false"
            case int() | float() | Decimal():
                return _number_text(value, column)
            case datetime():
                return value
            case date() | time():
                return value.isoformat()
            case UUID():
                return str(value)
            case _:
                raise _failed(value, column)

    return convert


def _number_text(number: float | Decimal, column: Column) -> str:
    """Write a number; a whole float as whole, for it is far more often an id in a column with a gap than a measure."""
    if not (number.is_finite() if isinstance(number, Decimal) else isinstance(number, int) or math.isfinite(number)):
        raise RejectionError(Reason.NUMBER_NOT_FINITE, named(column.name))
    match number:
        case Decimal():
            return f"{number:f}" if abs(number.adjusted()) < _LONGEST_PLAIN else str(number)
        case int():
            try:
                return int.__repr__(number)
            except ValueError:  # Python writes no integer of more than 4300 digits
                raise _failed(number, column) from None
        case _ if not number.is_integer():
            return float.__repr__(number)
        case _ if abs(number) > MAX_INTEGER:  # it may have lost digits
            raise RejectionError(Reason.INTEGER_TOO_LARGE, named(column.name))
        case _:
            return str(int(number))


def _boolean(column: Column, _: Reading) -> Cast:
    """Read true or false: of text true, t, yes, y, 1 and their opposites in any case; of numbers 1 and 0."""

    def convert(value: object) -> object:
        match value:
            case bool():
                return value
            case str():
                if value in _TRUTH:
                    return _TRUTH[value]
                text = value.strip().lower()
                if not text:
                    return None
                if text in _TRUTH:
                    return _TRUTH[text]
            case int() | float() | Decimal() if value in (0, 1):
                return bool(value)
        raise _failed(value, column)

    return convert


def _datetime(column: Column, _: Reading) -> Cast:
    """Read a time by its format or unit, or as `times` does.

    One without a zone is in the column's zone; if there is none, the contract takes it for one in that of the reading.
    """
    zone = None if column.timezone is None else time_zone(column.timezone)

    def convert(value: object) -> object:
        if isinstance(value, str) and not value.strip():
            return None
        timestamp = _read_timestamp(value, column)
        if timestamp is None:
            raise _failed(value, column)
        return timestamp if zone is None else localized(timestamp, zone)

    return convert


def _read_timestamp(value: object, column: Column) -> datetime | None:
    if column.format is not None and isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), column.format)  # noqa: DTZ007 - the caller adds the zone
        except ValueError:
            return None
    if column.unit is not None and not isinstance(value, date | bool):
        if isinstance(value, str):
            text = value.strip()
            return read_epoch(Decimal(text), column.unit) if _PLAIN_NUMBER.fullmatch(text) else None
        return read_epoch(value, column.unit) if isinstance(value, int | float | Decimal) else None
    return read_time(value)


_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_SAMPLE = datetime(2001, 2, 3, 16, 5, 6, tzinfo=UTC)
_OTHER_YEAR = _SAMPLE.replace(year=2007)
"""Differs from the sample in the year alone: both have the same days of the week."""


def format_problem(given: object) -> str | None:
    """What is wrong with a format; it must be able to say a whole date, or every row would fail."""
    unreadable = "is not one that datetime.strptime reads"
    if not isinstance(given, str):
        return unreadable
    try:
        text = _SAMPLE.strftime(given)
        has_year = text != _OTHER_YEAR.strftime(given)
        if not has_year:
            # Python 3.13 and later warn of a day that is read without a year.
            text, given = f"{text} 2001", f"{given} %Y"
        read = datetime.strptime(text, given)  # noqa: DTZ007 - only its date matters
    except ValueError:
        return unreadable
    return None if has_year and read.date() == _SAMPLE.date() else "holds no whole date"


def _json(column: Column, _: Reading) -> Cast:
    """Read JSON out of text; blank text is null, and what the driver has read already stays as it is."""

    def convert(value: object) -> object:
        match value:
            case str() | bytes():
                return read_json(value, column.name) if value.strip() else None
            case Mapping() | list() | tuple() | bool() | int() | float() | Decimal():
                return value
            case _:
                raise _failed(value, column)

    return convert


CASTS: Mapping[CastName, Callable[[Column, Reading], Cast]] = {
    "number": _number,
    "integer": _integer,
    "string": _string,
    "boolean": _boolean,
    "datetime": _datetime,
    "json": _json,
}
"""The name in a mapping -> how its cast is made."""


def _failed(value: object, column: Column) -> RejectionError:
    detail = f"{named(column.name)} of type {type(value).__name__} cannot be read as {column.cast}"
    return RejectionError(Reason.CAST_FAILED, detail)


def named(column: str) -> str:
    """How a rejection names a column."""
    return f"column {column!r}"


def read_json(text: str | bytes, column: str) -> object:
    """Read JSON.

    Args:
        text: Not blank.
        column: Where it stands, for the detail of a rejection.

    Raises:
        RejectionError: It is not JSON.
    """
    try:
        # msgspec does not decode subclasses of str, such as an enumeration of texts.
        return _decode(str.__str__(text) if isinstance(text, str) else text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RejectionError(Reason.CAST_FAILED, f"{named(column)} holds text that is not JSON") from None
