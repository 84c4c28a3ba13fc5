"""Where a mapping takes a value from: a column, a constant, or an array of these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Literal
from typing import cast as typed

import msgspec

from airflow_provider_bik.events.casts import CASTS, CastName
from airflow_provider_bik.events.names import check_keys, has_utf8, name_of, refuse
from airflow_provider_bik.events.values import MAX_DEPTH, MAX_INTEGER

__all__ = ["Column", "Constant", "Getter", "Source", "columns_of", "getter", "source", "source_json"]

Getter = Callable[[Mapping[str, object]], object]
"""Takes one value out of a row; raises `Refusal` if a cast fails."""

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
    cast: Literal["number", "string"] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_of(self.name, "the name of a column"))
        if self.cast is not None and (not isinstance(self.cast, str) or self.cast not in CASTS):
            refuse(f"the cast of column {self.name!r} is none of {', '.join(CASTS)}")


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


Source = Column | Constant | tuple[Column | Constant, ...]
"""A tuple is an array."""


def source(value: object, place: str) -> Source:
    """Read what stands at a target: Python values, or their JSON form.

    Args:
        value: The name of a column, `Column`, `Constant`, ``{"column": …, "cast": …}``, ``{"constant": …}``, or a list
            of these.
        place: Where it stands, for an error.

    Raises:
        BikConfigError: It is none of these.
    """
    if isinstance(value, list | tuple):
        return tuple(_single(item, f"{place}[{index}]") for index, item in enumerate(value))
    return _single(value, place)


def source_json(given: Source) -> object:
    """The JSON form, which `source` reads."""
    if isinstance(given, tuple):
        return [source_json(item) for item in given]
    if isinstance(given, Constant):
        return {"constant": given.value}
    return given.name if given.cast is None else {"column": given.name, "cast": given.cast}


def getter(given: Source) -> Getter:
    """How the value is taken out of a row; a column that the row lacks is null."""
    if isinstance(given, tuple):
        parts = [getter(item) for item in given]
        return lambda row: [part(row) for part in parts]
    if isinstance(given, Constant):
        value = given.value
        return (lambda _: value) if isinstance(value, _SCALARS) else (lambda _: given.value)
    name = given.name
    if given.cast is None:
        return methodcaller("get", name)
    convert = CASTS[given.cast]
    return lambda row: convert(row.get(name), name)


def columns_of(given: Source) -> Iterator[str]:
    """The names of the columns that it needs."""
    if isinstance(given, tuple):
        for item in given:
            yield from columns_of(item)
    elif isinstance(given, Column):
        yield given.name


def _single(value: object, place: str) -> Column | Constant:
    if isinstance(value, Column | Constant):
        return value
    if isinstance(value, Mapping):
        return _from_json(value, place)
    return Column(name_of(value, f"the column of {place}"))


def _from_json(value: Mapping[object, object], place: str) -> Column | Constant:
    check_keys(value, ("column", "cast", "constant"), place)
    if value.keys() == {"constant"}:
        return Constant(value["constant"])
    if "column" not in value or "constant" in value:
        refuse(f"{place} must have the key column, with or without cast, or the key constant alone")
    return Column(name_of(value["column"], f"the column of {place}"), cast=typed("CastName | None", value.get("cast")))


def _check_json(value: object, depth: int = 1) -> None:
    """Every event would be rejected for what is found here; msgspec alone would also write dates and bytes."""
    if isinstance(value, list | dict) and depth >= MAX_DEPTH:
        refuse(f"a constant is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_json(key if isinstance(key, str) else b"", depth + 1)
            _check_json(item, depth + 1)
    elif type(value) not in _SCALARS:
        refuse(f"a constant is or holds a {type(value).__name__}, which is not JSON; give text or a number")
    elif isinstance(value, str) and not has_utf8(value):
        refuse("a constant holds text without a UTF-8 form")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > MAX_INTEGER
    ):
        refuse(f"a constant holds a number that is not finite, or an integer beyond {MAX_INTEGER}")
