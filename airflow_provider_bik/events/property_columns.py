"""The properties of many events at once: what a type becomes is decided for a column of values, not value by value.

The outcome is that of `Contract.properties`, to which everything unusual is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from math import isfinite, isnan
from types import MappingProxyType, NoneType
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec

from airflow_provider_bik.events.contract import PROPERTIES, Contract
from airflow_provider_bik.events.item import Item, opened
from airflow_provider_bik.events.mapping_fields import SCALARS, Column, Constant, Extractor, Row, ValueSpec, extractor
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Rejection, RejectionError
from airflow_provider_bik.events.times import to_bik_texts
from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES, decimal_number, holds_null

__all__ = ["Odd", "RowProperties", "Rows", "Taker", "Values", "each", "line_properties", "taker"]

Values: TypeAlias = list[Any]
"""One value for each event."""

Odd: TypeAlias = set[int]
"""The numbers of the events that are left to the general rule."""

Taker: TypeAlias = Callable[["Rows", Odd], Values]
"""Takes one value out of each row."""

_T = TypeVar("_T")

_ALONE = frozenset({str, bool, int, float, NoneType, Decimal, datetime, date, time, UUID})
"""Types whose values hold no others, so that the limits of an event do not matter."""


class Rows:
    """Some hundreds of rows, as columns and as mappings; neither is made before it is asked for.

    Args:
        mappings: The rows; or nothing, if they are cells.
        items: Cells of one table.
    """

    def __init__(self, mappings: Sequence[Row], items: Sequence[Item] = ()) -> None:
        self._mappings = mappings
        self._items = items
        self._columns: dict[str, Values] = {}
        if items:
            cells = zip(*(cast("Sequence[object]", item.cells) for item in items), strict=True)
            self._columns = dict(zip(items[0].columns, map(list, cells), strict=True))

    def __len__(self) -> int:
        return len(self._items or self._mappings)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns, if all rows have the same, in one order."""
        if self._columns:
            return tuple(self._columns)
        first, *others = map(tuple, self.mappings())
        same = all(type(name) is str for name in first) and all(names == first for names in others)
        return first if same else None

    def column(self, name: str) -> Values:
        """Its values; null where there is none."""
        if self._columns:
            return self._columns.get(name) or [None] * len(self)
        rows = self.mappings()
        try:
            return [row[name] for row in rows]
        except KeyError:
            return [row.get(name) for row in rows]

    def mappings(self) -> Sequence[Row]:
        """The rows themselves."""
        if not self._mappings:
            self._mappings = [cast("Row", opened(item).raw) for item in self._items]
        return self._mappings


def each(values: Iterable[_T], read: Callable[[_T], object], odd: Odd) -> Values:
    """Read values one by one; where one is rejected, the event is odd."""
    found: Values = []
    for index, value in enumerate(values):
        try:
            outcome = read(value)
        except RejectionError as error:
            outcome = error.rejection
        if type(outcome) is Rejection:
            odd.add(index)
            outcome = None
        found.append(outcome)
    return found


def taker(spec: ValueSpec | Extractor, reading: Reading) -> Taker:
    """How a value is taken out of each row."""
    if isinstance(spec, Column) and spec.is_plain:
        return partial(_take, spec.name)
    if isinstance(spec, Constant) and isinstance(value := spec.value, SCALARS):
        return lambda rows, _: [value] * len(rows)
    extract = spec if callable(spec) else extractor(spec, reading)
    return lambda rows, odd: each(rows.mappings(), extract, odd)


def line_properties(given: Values, contract: Contract, odd: Odd) -> tuple[Values, list[int]]:
    """Read the properties of lines, of which msgspec has found that nulls alone may have to change.

    Returns:
        The properties, and how many nulls were left out of each.
    """
    nulls, dropped = contract.nulls | {None}, [0] * len(given)
    if None in given:
        odd.update(index for index, found in enumerate(given) if found is None)
        given = [found or {} for found in given]
    if _are_disjoint(nulls, chain.from_iterable(map(dict.values, given))):
        return given, dropped
    read = list(given)
    for index, found in enumerate(given):
        if holds_null(found.values(), nulls):
            read[index], dropped[index] = contract.properties(found)
    return read, dropped


def _are_disjoint(nulls: AbstractSet[object], values: Iterable[object]) -> bool:
    """Whether no null stands among values, or in an array among them; no, if that is not told as quickly."""
    values = list(values)
    try:
        return nulls.isdisjoint(values)
    except TypeError:  # there is an array or object, which has no hash
        pass
    arrays = [value for value in values if type(value) is list]
    try:
        return nulls.isdisjoint(value for value in values if type(value) is not list) and nulls.isdisjoint(
            chain.from_iterable(arrays)
        )
    except TypeError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProperties:
    """Makes the properties of events out of rows.

    Args:
        contract: Whose rule it follows.
        extract: Makes the properties of each row, by the general rule.
        takers: What fills each property; None for every column that is not among `used`.
        used: The columns that fill something else.
    """

    contract: Contract
    extract: Taker
    takers: Mapping[str, Taker] | None
    used: frozenset[str]

    def read(self, rows: Rows, odd: Odd) -> tuple[Values, list[int]]:
        """Read the properties of rows.

        Returns:
            The properties, and how many nulls were left out of each.
        """
        takers = self._takers_of(rows) if self.takers is None else self.takers
        make = _maker(tuple(takers))
        if make is not None:
            columns = [self._converted(take(rows, odd), name, odd) for name, take in takers.items()]
            alone = [column for column in columns if column is not None]
            if len(alone) == len(columns):
                return list(map(make, *alone)), _gaps(alone)
        given = self.extract(rows, odd)
        read = each(given, lambda found: None if found is None else self.contract.properties(found), odd)
        return [pair and pair[0] for pair in read], [pair[1] if pair else 0 for pair in read]

    def _takers_of(self, rows: Rows) -> Mapping[str, Taker]:
        """What fills the properties of all these rows; nothing if that differs from row to row."""
        return {name: partial(_take, name) for name in rows.names or () if name not in self.used}

    def _converted(self, values: Values, name: str, odd: Odd) -> Values | None:
        """Convert the values of one property; None if they may hold others."""
        kinds = set(map(type, values))
        if not kinds <= _ALONE:
            return None
        kinds.discard(NoneType)
        there = [value for value in values if value is not None] if None in values else values
        converted = _in_json(there, kinds, self.contract.nulls) if kinds <= _JSON else None
        if converted is None and len(kinds) == 1:
            (kind,) = kinds
            converted = _WHOLE[kind](there) if kind in _WHOLE else None
        if converted is None:
            return each(values, lambda value: self.contract.properties({name: value})[0].get(name), odd)
        if there is values:
            return converted
        following = iter(converted)
        return [None if value is None else next(following) for value in values]


def _take(column: str, rows: Rows, _: Odd) -> Values:
    return rows.column(column)


@lru_cache(maxsize=64)
def _maker(names: tuple[str, ...]) -> Callable[..., object] | None:
    """Makes an object, which is encoded without its nulls, of its values; None if these names do not allow it."""
    if not 0 < len(names) <= MAX_VALUES:
        return None
    attributes = [f"_{number}" for number in range(len(names))]
    fields = [(attribute, Any, None) for attribute in attributes]
    rename = dict(zip(attributes, names, strict=True))
    try:
        return msgspec.defstruct("Properties", fields, rename=rename, omit_defaults=True, gc=False)
    except ValueError:  # there is a quotation mark, say, in a name
        return None


def _gaps(columns: Sequence[Values]) -> list[int]:
    """How many nulls there are for each event."""
    gaps = [0] * len(columns[0])
    for values in columns:
        if None in values:
            for index, value in enumerate(values):
                gaps[index] += value is None
    return gaps


def _in_json(values: Values, kinds: AbstractSet[type], nulls: AbstractSet[str]) -> Values | None:
    """Values of JSON's own types, which need no change but for nulls; None if one of them cannot be sent."""
    if str in kinds and not nulls.isdisjoint(values):
        return [None if value in nulls else value for value in values] if kinds == {str} else None
    if int in kinds:
        whole = values if kinds == {int} else [value for value in values if type(value) is int]
        if min(whole) < -MAX_INTEGER or max(whole) > MAX_INTEGER:
            return None
    if float in kinds:
        if kinds == {float} and any(map(isnan, values)):
            values = [None if isnan(value) else value for value in values]
        if not all(isfinite(value) for value in values if type(value) is float):
            return None
    return values


def _numbers(values: list[Decimal]) -> Values | None:
    try:
        nearest = list(map(float, values))
    except (ValueError, OverflowError):  # a NaN that signals; more than a float can hold
        return None
    if not all(map(isfinite, nearest)) or min(nearest) <= -MAX_INTEGER or max(nearest) >= MAX_INTEGER:
        return None
    pairs = zip(nearest, values, strict=True)
    return [decimal_number(exact, PROPERTIES) if number.is_integer() else number for number, exact in pairs]


_JSON = frozenset({str, bool, int, float})

_WHOLE: Mapping[type, Callable[[Values], Values | None]] = MappingProxyType(
    {
        Decimal: _numbers,
        datetime: to_bik_texts,
        UUID: lambda values: values,  # msgspec writes it as text
        date: lambda values: values,  # as above
    }
)
"""The other types that databases give most -> what goes out; None where the general rule is to decide."""
