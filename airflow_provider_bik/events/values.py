"""Property values: what SQL drivers, Parquet readers and people put into a row becomes what JSON can carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sized
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, cast
from uuid import UUID

from airflow_provider_bik.events.reasons import Reason, RejectionError
from airflow_provider_bik.events.times import to_bik_text

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MAX_VALUES",
    "ValueReader",
    "decimal_number",
    "has_utf8",
    "holds_null",
    "is_null",
    "plain",
]

MAX_DEPTH = 16
"""Objects and arrays within each other, eventProperties being the first. A value that contains itself ends here."""

MAX_VALUES = 10_000
"""Values in one event; without a bound, an array that contains itself twice would grow to millions."""

MAX_INTEGER = 2**53
"""Beyond this, readers that keep numbers as doubles (JavaScript, and so very likely BIK) round silently."""

_MAX_KEY_SHOWN = 64

_MEMBER = "[]"
"""The name of a value in an array."""


def plain(value: object) -> object:
    """Unwrap a numpy scalar or array into plain Python values; anything else is returned as it is."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        if value.dtype.kind == "M" and hasattr(value, "astype"):
            # In nanoseconds, numpy's usual unit, tolist gives numbers instead of times.
            return value.astype("datetime64[us]").tolist()
        return value.tolist()
    return value


def is_null(value: object) -> bool:
    """Tell whether a value is None or another word for it: NaN, and pandas' NA and NaT."""
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - NaN alone is not equal to itself
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def has_utf8(text: str) -> bool:
    """Tell whether a text can be sent; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def holds_null(values: Iterable[object], nulls: Container[object]) -> bool:
    """Tell whether a null stands among values of JSON's own types, or in an array or object among them.

    Args:
        values: Of an array or object.
        nulls: None, and the texts that mean null.
    """
    for value in values:
        kind = type(value)
        if kind is dict:
            if holds_null(cast("dict[str, object]", value).values(), nulls):
                return True
        elif kind is list:
            if holds_null(cast("list[object]", value), nulls):
                return True
        elif value in nulls:
            return True
    return False


def _with_fraction(number: Decimal) -> float | None:
    nearest = float(number) if number.is_finite() else 0.0
    return nearest if -MAX_INTEGER < nearest < MAX_INTEGER and not nearest.is_integer() else None


def _with_zone(timestamp: datetime) -> str | None:
    try:
        return None if timestamp.tzinfo is None else to_bik_text(timestamp)
    except OverflowError:
        return None


_SHORT: Mapping[type, Callable[[Any], object]] = {
    Decimal: _with_fraction,
    datetime: _with_zone,
    UUID: lambda value: value,  # msgspec writes it as text
}
"""The types that databases give most -> what goes out; None where the general rule is to decide."""


class ValueReader:
    """Converts the properties of one event and counts what it leaves out.

    Args:
        timezone: What a naive datetime among the properties is in.
        null_values: Texts that mean null.

    Attributes:
        dropped_nulls: How many null values were left out so far.
        assumed_zone: Whether there was a time without a zone.
    """

    __slots__ = ("_null_values", "_timezone", "_values", "assumed_zone", "dropped_nulls")

    def __init__(self, timezone: tzinfo, null_values: frozenset[str] = frozenset()) -> None:
        self._timezone = timezone
        self._null_values = null_values
        self._values = 0
        self.dropped_nulls = 0
        self.assumed_zone = False

    def convert(self, value: Mapping[Any, Any], path: str, depth: int = 1) -> dict[str, object]:
        """Convert a mapping, key by key, without its nulls.

        Args:
            value: The mapping.
            path: Where it stands in the event, for the detail of a rejection.
            depth: How many objects and arrays it stands in, itself included.

        Raises:
            RejectionError: A value that JSON or BIK cannot take.
        """
        self._enter(value, depth)
        converted: dict[str, object] = {}
        for key, item in value.items():
            kind = type(item)
            if type(key) is str and (
                (kind is str and item not in self._null_values)
                or kind is bool
                or (kind is int and -MAX_INTEGER <= item <= MAX_INTEGER)
                or (kind is float and item - item == 0)  # neither NaN nor infinite
            ):
                converted[key] = item  # JSON's own types need no change; most values are of these
                continue
            if not isinstance(key, str):
                raise RejectionError(Reason.VALUE_TYPE, f"{path} has a key of type {type(key).__name__}")
            found = self._value(item, path, key, depth)
            if found is None:
                self.dropped_nulls += 1
            else:
                # msgspec does not encode subclasses of str.
                converted[str(key)] = found
        return converted

    def _array(self, value: list[object] | tuple[object, ...], path: str, depth: int) -> list[object]:
        self._enter(value, depth)
        converted = [self._value(item, path, _MEMBER, depth) for item in value]
        kept = [item for item in converted if item is not None]
        self.dropped_nulls += len(converted) - len(kept)
        return kept

    def _enter(self, container: Sized, depth: int) -> None:
        if depth > MAX_DEPTH:
            detail = f"deeper than {MAX_DEPTH} levels below eventProperties"
            raise RejectionError(Reason.NESTING_TOO_DEEP, detail)
        self._values += len(container)
        if self._values > MAX_VALUES:
            raise RejectionError(Reason.EVENT_TOO_LARGE, f"more than {MAX_VALUES} values in eventProperties")

    def _value(self, value: object, path: str, key: str | None, depth: int) -> object:
        """Convert one value; None if it is null.

        Args:
            value: Any.
            path: Of the object or array that it stands in.
            key: Its name there; None if the path names the value already.
            depth: Of that object or array.

        Raises:
            RejectionError: JSON or BIK cannot take it.
        """
        kind = type(value)
        if kind is str:
            return None if value in self._null_values else value
        if kind is list:
            return self._array(cast("list[object]", value), _extend(path, key), depth + 1)
        if kind is dict:
            return self.convert(cast("dict[Any, Any]", value), _extend(path, key), depth + 1)
        if kind in _SHORT and (short := _SHORT[kind](value)) is not None:
            return short
        value = plain(value)
        return None if is_null(value) else self._other(value, _extend(path, key), depth)

    def _other(self, value: object, path: str, depth: int) -> object:
        match value:
            case Enum(value=inner):
                return self._value(inner, path, None, depth)
            case str():
                text = str(value)
                return None if text in self._null_values else text
            case Mapping():
                return self.convert(value, path, depth + 1)
            case list() | tuple():
                return self._array(value, path, depth + 1)
            case bool() | int() | float() | Decimal():
                return _number(value, path)
            case _:
                return self._text_of(value, path)

    def _text_of(self, value: object, path: str) -> str:
        match value:
            case datetime():
                return self._time(value, path)
            case date() | time():
                return value.isoformat()
            case UUID() | IPv4Address() | IPv6Address() | IPv4Network() | IPv6Network():
                return str(value)
            case _:
                raise RejectionError(Reason.VALUE_TYPE, f"{path} is of type {type(value).__name__}")

    def _time(self, value: datetime, path: str) -> str:
        if not value.tzinfo:
            self.assumed_zone = True
            value = value.replace(tzinfo=self._timezone)
        try:
            return to_bik_text(value)
        except OverflowError:
            detail = f"{path} is a time at the end of the calendar, without a UTC form"
            raise RejectionError(Reason.VALUE_TYPE, detail) from None


def _number(number: float | Decimal, path: str) -> int | float:
    match number:
        case bool():
            return number
        case Decimal():
            return decimal_number(number, path)
        case int():
            if abs(number) > MAX_INTEGER:
                raise RejectionError(Reason.INTEGER_TOO_LARGE, path)
            return int(number)
        case _:
            if not math.isfinite(number):
                raise RejectionError(Reason.NUMBER_NOT_FINITE, path)
            return float(number)


def decimal_number(number: Decimal, path: str) -> int | float:
    """Make a JSON number of an exact decimal: whole ones stay exact, others become the nearest double.

    Args:
        number: Any, also NaN and such with huge exponents.
        path: Where it stands, for the detail of a rejection.

    Raises:
        RejectionError: It is not finite, or its whole part is beyond `MAX_INTEGER`.
    """
    if not number.is_finite():
        raise RejectionError(Reason.NUMBER_NOT_FINITE, path)
    # Compared before conversion: int(Decimal("1e999999")) would take minutes.
    if number.copy_abs() > MAX_INTEGER:
        raise RejectionError(Reason.INTEGER_TOO_LARGE, path)
    return int(number) if number == number.to_integral_value() else float(number)


def _extend(path: str, key: str | None) -> str:
    """Name a property by its key, unless the key itself could be somebody's data."""
    if key is None:
        return path
    if key == _MEMBER:
        return path + _MEMBER
    return f"{path}.{key if len(key) <= _MAX_KEY_SHOWN and key.isidentifier() else '*'}"
