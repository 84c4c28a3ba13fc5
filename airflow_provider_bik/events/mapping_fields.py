"""What fills a field of an event: a column, a constant, or an array of these; how it is written, checked and cast."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Literal, NoReturn, cast
from uuid import UUID

import msgspec

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, RejectionError
from airflow_provider_bik.events.values import MAX_DEPTH, MAX_INTEGER, decimal_number, has_utf8, is_null, plain

__all__ = [
    "CASTS",
    "CastName",
    "Column",
    "Constant",
    "Extractor",
    "PropertyMap",
    "ValueSpec",
    "check_keys",
    "checked_name",
    "columns_of",
    "extractor",
    "invalid_mapping",
    "nearest",
    "parse_spec",
    "spec_to_json",
]

CastName = Literal["number", "string"]

Row = Mapping[str, object]

Extractor = Callable[[Row], object]
"""Takes one value out of a row; raises `RejectionError` if a cast fails."""

_SCALARS = (bool, int, float, str, type(None))

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a column.

    Args:
        name: Exactly as the source calls it; a database may write it in upper case.
        cast: ``number``, ``string``, or None to take the value as it is.

    Raises:
        BikConfigError: The name is empty or no text, or there is no such cast.
    """

    name: str
    cast: CastName | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name, "the name of a column"))
        if self.cast is not None and (not isinstance(self.cast, str) or self.cast not in CASTS):
            invalid_mapping(f"the cast of column {self.name!r} is none of {', '.join(CASTS)}")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Constant:
    """A value that is the same in every event.

    Args:
        value: Whatever JSON can carry.

    Raises:
        BikConfigError: JSON cannot carry it, or BIK could not take it.
    """

    # As text it cannot be changed, has a hash, and tells 1 from 1.0 and true.
    _json: bytes

    def __init__(self, value: object) -> None:
        _check_json(value)
        object.__setattr__(self, "_json", _encode(value))

    @property
    def value(self) -> object:
        """The value; of an object or array, a copy."""
        return _decode(self._json)

    def __repr__(self) -> str:
        return f"Constant({self.value!r})"


ValueSpec = Column | Constant | tuple[Column | Constant, ...]
"""Where a value of an event comes from; a tuple makes an array."""


class PropertyMap(Mapping[str, ValueSpec]):
    """The properties of a mapping, checked: it cannot be changed and has a hash.

    Args:
        given: From the name of a property, in which dots make nested objects, to what fills it.

    Raises:
        BikConfigError: A name or what fills it can never work, or one property would be a value and an object at once.
    """

    __slots__ = ("_specs",)

    def __init__(self, given: object) -> None:
        if not isinstance(given, Mapping):
            invalid_mapping(f"properties is of type {type(given).__name__} and must be a mapping from names to columns")
        self._specs = {
            checked_name(name, "the name of a property"): parse_spec(value, f"properties[{name!r:.80}]")
            for name, value in given.items()
        }
        for name, spec in self._specs.items():
            parts = name.split(".")
            for part in parts:
                checked_name(part, f"a part of the property {name!r:.80}")
            if len(parts) + isinstance(spec, tuple) > MAX_DEPTH:
                invalid_mapping(f"the property {name!r:.80} is nested deeper than {MAX_DEPTH} levels")
            for length in range(1, len(parts)):
                outer = ".".join(parts[:length])
                if outer in self._specs:
                    invalid_mapping(f"the property {outer!r:.80} cannot be a value and hold {name!r:.80} as well")

    def __getitem__(self, name: str) -> ValueSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        return repr(self._specs)

    def __hash__(self) -> int:
        return hash(frozenset(self._specs.items()))


def parse_spec(value: object, location: str) -> ValueSpec:
    """Read what fills a property: Python values, or their JSON form.

    Args:
        value: The name of a column, `Column`, `Constant`, ``{"column": …, "cast": …}``, ``{"constant": …}``, or a list
            of these.
        location: Where it stands in the mapping, for an error.

    Raises:
        BikConfigError: It is none of these.
    """
    if isinstance(value, list | tuple):
        return tuple(_parse_one(item, f"{location}[{index}]") for index, item in enumerate(value))
    return _parse_one(value, location)


def spec_to_json(spec: ValueSpec) -> object:
    """The JSON form, which `parse_spec` reads."""
    if isinstance(spec, tuple):
        return [spec_to_json(item) for item in spec]
    if isinstance(spec, Constant):
        return {"constant": spec.value}
    return spec.name if spec.cast is None else {"column": spec.name, "cast": spec.cast}


def columns_of(spec: ValueSpec) -> Iterator[str]:
    """The names of the columns that it needs."""
    if isinstance(spec, tuple):
        for item in spec:
            yield from columns_of(item)
    elif isinstance(spec, Column):
        yield spec.name


def extractor(spec: ValueSpec, reading: Reading) -> Extractor:
    """How the value is taken out of a row; a column that the row lacks is null."""
    if isinstance(spec, tuple):
        parts = [extractor(item, reading) for item in spec]
        return lambda row: [part(row) for part in parts]
    if isinstance(spec, Constant):
        value = spec.value
        return (lambda _: value) if isinstance(value, _SCALARS) else (lambda _: spec.value)
    name = spec.name
    if spec.cast is None:
        return lambda row: row.get(name)
    convert, nulls = CASTS[spec.cast], reading.nulls

    def extract(row: Row) -> object:
        value = _bare(row.get(name), nulls)
        return None if value is None else convert(value, name)

    return extract


def _parse_one(value: object, location: str) -> Column | Constant:
    if isinstance(value, Column | Constant):
        return value
    if isinstance(value, Mapping):
        return _parse_json(value, location)
    return Column(checked_name(value, f"the column of {location}"))


def _parse_json(value: Mapping[object, object], location: str) -> Column | Constant:
    check_keys(value, ("column", "cast", "constant"), location)
    if value.keys() == {"constant"}:
        return Constant(value["constant"])
    if "column" not in value or "constant" in value:
        invalid_mapping(f"{location} must have the key column, with or without cast, or the key constant alone")
    name = checked_name(value["column"], f"the column of {location}")
    return Column(name, cast=cast("CastName | None", value.get("cast")))


def _check_json(value: object, depth: int = 1) -> None:
    """Every event would be rejected for what is found here; msgspec alone would also write dates and bytes."""
    if isinstance(value, list | dict) and depth >= MAX_DEPTH:
        invalid_mapping(f"a constant is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_json(key if isinstance(key, str) else b"", depth + 1)
            _check_json(item, depth + 1)
    elif type(value) not in _SCALARS:
        invalid_mapping(f"a constant is or holds a {type(value).__name__}, which is not JSON; give text or a number")
    elif isinstance(value, str) and not has_utf8(value):
        invalid_mapping("a constant holds text without a UTF-8 form")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > MAX_INTEGER
    ):
        invalid_mapping(f"a constant holds a number that is not finite, or an integer beyond {MAX_INTEGER}")


# Checks of names.


def checked_name(value: object, what: str) -> str:
    """Check a name.

    Raises:
        BikConfigError: It is not text, or blank, or has no UTF-8 form.
    """
    if not isinstance(value, str):
        invalid_mapping(f"{what} is of type {type(value).__name__} and must be text")
    if not value.strip():
        invalid_mapping(f"{what} is empty")
    if not has_utf8(value):
        invalid_mapping(f"{what} has no UTF-8 form")
    return str.__str__(value)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that was most likely meant; upper and lower case count as the same."""
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[found[0]] if found else None


def check_keys(given: Mapping[object, object], known: Iterable[str], location: str) -> None:
    """Check that no key is unknown.

    Raises:
        BikConfigError: One is not among the known, or not text.
    """
    known = list(known)
    for key in given:
        if key not in known:
            hint = nearest(key, known) if isinstance(key, str) else None
            meant = f"; {hint!r} may be meant" if hint else ""
            invalid_mapping(f"{location} has the unknown key {key!r:.80}{meant}. The keys are {', '.join(known)}")


def invalid_mapping(what: str) -> NoReturn:
    """Report a mapping that can never work.

    Raises:
        BikConfigError: Always.
    """
    message = f"The mapping is invalid: {what}. Fix it where the DAG makes it; nothing was sent."
    raise BikConfigError(message)


# Casts.

Cast = Callable[[object, str], object]
"""From a value that is not null, and the name of its column, to what BIK is to get; raises `RejectionError`."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""`Decimal` would also read NaN, underscores and the digits of other scripts."""

_LONGEST_PLAIN = 100
"""Digits before or after the point; a decimal with a huge exponent would become megabytes of zeros."""


def _bare(value: object, nulls: frozenset[str]) -> object:
    """The value without numpy's or an enumeration's wrapping, and with one word for null."""
    value = plain(value)
    if isinstance(value, Enum):
        value = plain(value.value)
    if is_null(value) or (isinstance(value, str) and value in nulls):
        return None
    return value


def _to_number(value: object, column: str) -> object:
    """Read a number: text is read exactly, blank text is null, numbers stay as they are."""
    match value:
        case str():
            return _read_number(value.strip(), column)
        case Decimal():
            return decimal_number(value, _named(column))
        case int() | float() if not isinstance(value, bool):
            return value
        case _:
            raise _failed(value, column, "number")


def _read_number(text: str, column: str) -> int | float | None:
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            return decimal_number(Decimal(text), _named(column))
    except InvalidOperation:  # an exponent of more digits than any number has
        pass
    raise _failed(text, column, "number")


def _to_string(value: object, column: str) -> object:
    """Write a value as plain text; times stay as they are, for the contract makes text of them in the user's zone."""
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
            raise _failed(value, column, "string")


def _number_text(number: float | Decimal, column: str) -> str:
    if isinstance(number, int):
        try:
            return int.__repr__(number)
        except ValueError:  # Python writes no integer of more than 4300 digits
            raise _failed(number, column, "string") from None
    if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
        raise RejectionError(Reason.NUMBER_NOT_FINITE, _named(column))
    if isinstance(number, Decimal):
        return f"{number:f}" if abs(number.adjusted()) < _LONGEST_PLAIN else str(number)
    return float.__repr__(number)


CASTS: Mapping[CastName, Cast] = {"number": _to_number, "string": _to_string}
"""The name in a mapping -> what it does."""


def _failed(value: object, column: str, name: CastName) -> RejectionError:
    detail = f"{_named(column)} of type {type(value).__name__} is not to be read as a {name}"
    return RejectionError(Reason.CAST_FAILED, detail)


def _named(column: str) -> str:
    return f"column {column!r}"
