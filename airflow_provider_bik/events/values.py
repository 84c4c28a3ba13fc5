"""Property values: what SQL drivers, Parquet readers and people put into a row becomes what JSON can carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import to_bik_text

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "MAX_VALUES", "Refusal", "ValueReader", "decimal_number", "is_null", "plain"]

MAX_DEPTH = 16
"""Objects and arrays within each other, eventProperties being the first. A value that contains itself ends here."""

MAX_VALUES = 10_000
"""Values in one event; without a bound, an array that contains itself twice would grow to millions."""

MAX_INTEGER = 2**53
"""Beyond this, readers that keep numbers as doubles (JavaScript, and so very likely BIK) round silently."""

_MAX_KEY_SHOWN = 64


class Refusal(Exception):  # noqa: N818 - control flow inside this folder, never seen outside
    """Carries a `Rejection` out of nested values.

    Args:
        rejection: Why the event does not go out.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection)
        self.rejection = rejection


def plain(value: object) -> object:
    """Unwrap a numpy scalar or array into plain Python values; anything else is returned as it is."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        if value.dtype.kind == "M" and hasattr(value, "astype"):
            # In nanoseconds, numpy's usual unit, tolist gives numbers instead of times.
            return value.astype("datetime64[us]").tolist()
        return value.tolist()
    return value


def is_null(value: object) -> bool:
    """Tell whether a value is None or one of pandas' words for it (NA, NaT); NaN is a number that went wrong."""
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


class ValueReader:
    """Converts the properties of one event and counts what it leaves out.

    Args:
        timezone: What a naive datetime among the properties is in.

    Attributes:
        dropped_nulls: How many null values were left out so far.
    """

    __slots__ = ("_timezone", "_values", "dropped_nulls")

    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._values = 0
        self.dropped_nulls = 0

    def convert(self, value: Mapping[object, object], path: str, depth: int = 1) -> dict[str, object]:
        """Convert a mapping, key by key, without its nulls.

        Args:
            value: The mapping.
            path: Where it stands in the event, for the detail of a rejection.
            depth: How many objects and arrays it stands in, itself included.

        Raises:
            Refusal: A value that JSON or BIK cannot take.
        """
        self._check_depth(depth)
        converted: dict[str, object] = {}
        for key, given in value.items():
            item = plain(given)
            if not isinstance(key, str):
                raise _refusal(Reason.VALUE_TYPE, f"{path} has a key of type {type(key).__name__}")
            if is_null(item):
                self.dropped_nulls += 1
            else:
                converted[str(key)] = self._value(item, _extend(path, key), depth)
        return converted

    def _array(self, value: list[object] | tuple[object, ...], path: str, depth: int) -> list[object]:
        self._check_depth(depth)
        kept = [item for item in map(plain, value) if not is_null(item)]
        self.dropped_nulls += len(value) - len(kept)
        return [self._value(item, f"{path}[]", depth) for item in kept]

    def _value(self, value: object, path: str, depth: int) -> object:  # noqa: PLR0911 - one line a type
        self._values += 1
        if self._values > MAX_VALUES:
            raise _refusal(Reason.EVENT_TOO_LARGE, f"more than {MAX_VALUES} values in eventProperties")
        match value:
            case Enum(value=inner):
                return self._value(plain(inner), path, depth)
            case str() as text:
                return str(text)
            case bool() as truth:
                return truth
            case int() as number:
                return _integer(number, path)
            case float() as number:
                return _finite(number, path)
            case Decimal() as number:
                return decimal_number(number, path)
            case Mapping() as mapping:
                return self.convert(mapping, path, depth + 1)
            case list() | tuple() as items:
                return self._array(items, path, depth + 1)
            case other:
                return self._text_of(other, path)

    def _text_of(self, value: object, path: str) -> str:
        match value:
            case datetime():
                return self._moment(value, path)
            case date() | time():
                return value.isoformat()
            case UUID() | IPv4Address() | IPv6Address() | IPv4Network() | IPv6Network():
                return str(value)
            case _:
                raise _refusal(Reason.VALUE_TYPE, f"{path} is of type {type(value).__name__}")

    def _moment(self, value: datetime, path: str) -> str:
        try:
            return to_bik_text(value if value.tzinfo else value.replace(tzinfo=self._timezone))
        except OverflowError:
            raise _refusal(
                Reason.VALUE_TYPE, f"{path} is a time at the end of the calendar, without a UTC form"
            ) from None

    @staticmethod
    def _check_depth(depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _refusal(Reason.TOO_DEEP, f"deeper than {MAX_DEPTH} levels below eventProperties")


def _integer(number: int, path: str) -> int:
    if abs(number) > MAX_INTEGER:
        raise _refusal(Reason.INTEGER_TOO_LARGE, path)
    return int(number)


def _finite(number: float, path: str) -> float:
    if not math.isfinite(number):
        raise _refusal(Reason.NUMBER_NOT_FINITE, path)
    return float(number)


def decimal_number(number: Decimal, path: str) -> int | float:
    """Make a JSON number of an exact decimal: whole ones stay exact, others become the nearest double.

    Args:
        number: Any, also NaN and such with huge exponents.
        path: Where it stands, for the detail of a rejection.

    Raises:
        Refusal: It is not finite, or a whole number beyond `MAX_INTEGER`.
    """
    if not number.is_finite():
        raise _refusal(Reason.NUMBER_NOT_FINITE, path)
    # Compared before conversion: int(Decimal("1e999999")) would take minutes.
    if number.copy_abs() > MAX_INTEGER:
        if number == number.to_integral_value():
            raise _refusal(Reason.INTEGER_TOO_LARGE, path)
        return float(number)
    return int(number) if number == number.to_integral_value() else float(number)


def _extend(path: str, key: str) -> str:
    """Name a property by its key, unless the key itself could be somebody's data."""
    shown = key if len(key) <= _MAX_KEY_SHOWN and key.isidentifier() else "*"
    return f"{path}.{shown}"


def _refusal(reason: Reason, detail: str) -> Refusal:
    return Refusal(Rejection(reason=reason, detail=detail))
