"""What fills a field of an event: a column, a constant, or arrays of these; how it is written, checked and taken."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import msgspec

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.casts import CASTS, CastName, bare_value, format_problem, named, read_json
from airflow_provider_bik.events.reading import Reading, time_zone
from airflow_provider_bik.events.reasons import Reason, RejectionError
from airflow_provider_bik.events.times import UNITS, Unit
from airflow_provider_bik.events.values import MAX_DEPTH, MAX_INTEGER, has_utf8, is_null, plain

__all__ = [
    "SCALARS",
    "Column",
    "Constant",
    "Each",
    "Extractor",
    "PropertyMap",
    "Row",
    "RowGroup",
    "ValueSpec",
    "check_keys",
    "checked_name",
    "column_name",
    "columns_of",
    "extractor",
    "invalid_mapping",
    "is_empty",
    "nearest",
    "nested_extractor",
    "object_maker",
    "parse_spec",
    "path_of",
    "spec_to_json",
]

Row = Mapping[str, object]

Extractor = Callable[[Row], object]
"""Takes one value out of a row; raises `RejectionError` if it cannot be read."""

SCALARS = (bool, int, float, str, type(None))
"""Types of values that cannot be changed, so that events can share one."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, repr=False)
class Column:
    """The value of a column.

    Args:
        name: Exactly as the source calls it; a database may write it in upper case. Where there is no such column, a
            name such as ``address.city`` or ``items[0].sku`` is a path into the column ``address`` or ``items``, which
            holds objects, arrays, or such as JSON text.
        cast: ``number``, ``integer``, ``string``, ``boolean``, ``datetime`` or ``json``; None to take the value as it
            is.
        format: With the cast ``datetime``: how text is written, in the letters of `datetime.strptime`, such as
            ``%m/%d/%Y %H:%M``.
        unit: With the cast ``datetime``: what a number counts from 1970 on: ``s``, ``ms``, ``us`` or ``ns``.
        timezone: With the cast ``datetime``: what times without a zone are in, if not what `Reading` says.

    Raises:
        BikConfigError: The name is empty or no text, there is no such cast, or what is given beside it does not fit.
    """

    name: str
    cast: CastName | None = field(default=None, kw_only=True)
    format: str | None = field(default=None, kw_only=True)
    unit: Unit | None = field(default=None, kw_only=True)
    timezone: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name, "the name of a column"))
        if self.cast is not None and (not isinstance(self.cast, str) or self.cast not in CASTS):
            invalid_mapping(f"the cast of column {self.name!r} is none of {', '.join(CASTS)}")
        given = [name for name in ("format", "unit", "timezone") if getattr(self, name) is not None]
        if given and self.cast != "datetime":
            invalid_mapping(f"{given[0]} of column {self.name!r} needs cast='datetime'")
        if self.unit is not None and (not isinstance(self.unit, str) or self.unit not in UNITS):
            invalid_mapping(f"the unit of column {self.name!r} is none of {', '.join(UNITS)}")
        if self.unit is not None and self.format is not None:
            invalid_mapping(f"column {self.name!r} has a format and a unit; text has the one, a number the other")
        if self.format is not None and (problem := format_problem(self.format)) is not None:
            invalid_mapping(f"the format of column {self.name!r} {problem}")
        if self.timezone is not None:
            time_zone(self.timezone)

    @property
    def is_plain(self) -> bool:
        """Whether the value is taken as it is from the column of just this name."""
        return self.cast is None and len(path_of(self.name)) == 1

    def to_json(self) -> dict[str, object]:
        """The JSON form, an object."""
        options = {name: getattr(self, name) for name in _COLUMN_KEYS[1:]}
        return {"column": self.name, **{name: value for name, value in options.items() if value is not None}}

    def __repr__(self) -> str:
        _, *options = self.to_json().items()
        return f"Column({', '.join([repr(self.name), *(f'{name}={value!r}' for name, value in options)])})"


_COLUMN_KEYS = ("column", "cast", "format", "unit", "timezone")


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


@dataclass(frozen=True, slots=True)
class Each:
    """An array with one value of every row that makes the event; for mappings with a ``group_by``.

    Args:
        value: What is taken from each row: the name of a column, a `Column`, or a mapping from names to these, which
            makes an object of each row, so that what belongs to one row stays together. Nulls are left out of an array.

    Raises:
        BikConfigError: It is none of these.
    """

    value: str | Column | Mapping[str, str | Column]

    def __post_init__(self) -> None:
        if isinstance(self.value, Mapping) and not self.value.keys() & {"column", "properties"}:
            object.__setattr__(self, "value", PropertyMap(self.value, only_columns=True))
        elif isinstance(self.value, Mapping) and self.value.keys() == {"properties"}:
            object.__setattr__(self, "value", PropertyMap(self.value["properties"], only_columns=True))
        else:
            spec = _parse_one(self.value, "Each")
            if not isinstance(spec, Column):
                invalid_mapping("Each takes the name of a column, a Column, or a mapping from names to these")
            object.__setattr__(self, "value", spec)

    def to_json(self) -> dict[str, object]:
        """The JSON form, an object."""
        if isinstance(self.value, PropertyMap):
            return {"each": {"properties": self.value.to_json()}}
        return {"each": spec_to_json(cast("Column", self.value))}


ValueSpec = Column | Constant | Each | tuple[Column | Constant, ...]
"""Where a value of an event comes from; a tuple makes an array."""


class PropertyMap(Mapping[str, ValueSpec]):
    """The properties of a mapping, checked: it cannot be changed and has a hash.

    Args:
        given: From the name of a property, in which dots make nested objects, to what fills it.
        only_columns: Whether nothing but columns may fill them.

    Raises:
        BikConfigError: A name or what fills it can never work, or one property would be a value and an object at once.
    """

    __slots__ = ("_specs",)

    def __init__(self, given: object, *, only_columns: bool = False) -> None:
        if not isinstance(given, Mapping):
            invalid_mapping(f"properties is of type {type(given).__name__} and must be a mapping from names to columns")
        self._specs = {
            checked_name(name, "the name of a property"): parse_spec(value, f"properties[{name!r:.80}]")
            for name, value in given.items()
        }
        if only_columns and not all(isinstance(spec, Column) for spec in self._specs.values()):
            invalid_mapping("the properties of Each may be filled by columns only")
        for name, spec in self._specs.items():
            parts = name.split(".")
            for part in parts:
                checked_name(part, f"a part of the property {name!r:.80}")
            if len(parts) + isinstance(spec, tuple | Each) > MAX_DEPTH:
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

    def to_json(self) -> dict[str, object]:
        """The JSON form, an object."""
        return {name: spec_to_json(spec) for name, spec in self._specs.items()}


def parse_spec(value: object, location: str) -> ValueSpec:
    """Read what fills a property: Python values, or their JSON form.

    Args:
        value: The name of a column, `Column`, `Constant`, `Each`, ``{"column": …, "cast": …}``, ``{"constant": …}``,
            ``{"each": …}``, or a list of columns and constants.
        location: Where it stands in the mapping, for an error.

    Raises:
        BikConfigError: It is none of these.
    """
    if isinstance(value, list | tuple):
        return tuple(_parse_one(item, f"{location}[{index}]") for index, item in enumerate(value))
    if isinstance(value, Each):
        return value
    if isinstance(value, Mapping) and value.keys() == {"each"}:
        return Each(value["each"])
    return _parse_one(value, location)


def spec_to_json(spec: ValueSpec) -> object:
    """The JSON form, which `parse_spec` reads."""
    match spec:
        case tuple():
            return [spec_to_json(item) for item in spec]
        case Constant():
            return {"constant": spec.value}
        case Each():
            return spec.to_json()
        case Column():
            return spec.name if len(form := spec.to_json()) == 1 else form


def columns_of(spec: ValueSpec | PropertyMap) -> Iterator[str]:
    """The names of the columns that it needs."""
    match spec:
        case Column():
            yield spec.name
        case Each():
            yield from columns_of(cast("Column | PropertyMap", spec.value))
        case PropertyMap():
            for item in spec.values():
                yield from columns_of(item)
        case tuple():
            for item in spec:
                yield from columns_of(item)


class RowGroup(dict[str, object]):
    """The rows of one event: the first value of each column that is not null, and the rows themselves.

    Args:
        rows: At least one.
        nulls: Texts that mean null.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[Row], nulls: frozenset[str]) -> None:
        super().__init__()
        self.rows = rows
        for row in rows:
            for column, value in row.items():
                if column not in self and not is_empty(value, nulls):
                    self[column] = value


def is_empty(value: object, nulls: frozenset[str]) -> bool:
    """Tell whether a value is null, or text that is blank or means null."""
    value = plain(value)
    return (not value.strip() or value.strip() in nulls) if isinstance(value, str) else is_null(value)


def extractor(spec: ValueSpec, reading: Reading) -> Extractor:
    """How the value is taken out of a row; a column that the row lacks is null."""
    match spec:
        case tuple():
            parts = [extractor(item, reading) for item in spec]
            return lambda row: [part(row) for part in parts]
        case Constant():
            value = spec.value
            return (lambda _: value) if isinstance(value, SCALARS) else (lambda _: spec.value)
        case Each():
            inner = spec.value
            each = nested_extractor(inner, reading) if isinstance(inner, PropertyMap) else None
            one = each or extractor(cast("Column", inner), reading)
            return lambda row: [one(item) for item in row.rows] if isinstance(row, RowGroup) else [one(row)]
        case Column():
            return _column_extractor(spec, reading)


def _column_extractor(column: Column, reading: Reading) -> Extractor:
    read = _reader(column.name)
    if column.cast is None:
        return read
    convert, nulls = CASTS[column.cast](column, reading), reading.nulls

    def extract(row: Row) -> object:
        value = read(row)
        if type(value) is not str:
            value = bare_value(value, nulls)
        elif value in nulls:
            return None
        return None if value is None else convert(value)

    return extract


def nested_extractor(properties: Mapping[str, ValueSpec], reading: Reading) -> Extractor:
    """How an object is made of a row. An object within it is null if all that it would hold is null."""
    tree: dict[str, Any] = {}
    for name, spec in properties.items():
        *outer, last = name.split(".")
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        branch[last] = spec
    nulls = reading.nulls

    def grow(branch: dict[str, Any]) -> Callable[[Row], dict[str, object]]:
        inner = {part: nullable(grow(got)) for part, got in branch.items() if isinstance(got, dict)}
        return object_maker({**branch, **inner}, reading)

    def nullable(make: Callable[[Row], dict[str, object]]) -> Extractor:
        def make_or_not(row: Row) -> object:
            made = make(row)
            return None if all(bare_value(value, nulls) is None for value in made.values()) else made

        return make_or_not

    return grow(tree)


def object_maker(parts: Mapping[str, ValueSpec | Extractor], reading: Reading) -> Callable[[Row], dict[str, object]]:
    """How an object is made of a row, its members in the order of these parts."""
    extractors = {part: spec if callable(spec) else extractor(spec, reading) for part, spec in parts.items()}
    return lambda row: {part: extract(row) for part, extract in extractors.items()}


_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[([0-9]{1,6})\]")


def path_of(name: str) -> tuple[str | int, ...]:
    """The steps of a name that may be a path: names, and positions in arrays; of any other, the name alone."""
    steps: list[str | int] = []
    end = 0
    for found in _STEP.finditer(name):
        if found.start() != end:
            return (name,)
        steps.append(found[1] if found[1] is not None else int(found[2]))
        end = found.end()
    return tuple(steps) if end == len(name) and isinstance(steps[0], str) else (name,)


def _reader(name: str) -> Extractor:
    """How a column, or what a path leads to, is taken out of a row; a step that leads nowhere gives null."""
    head, *steps = path_of(name)
    if not steps:
        return lambda row: row.get(name)

    def read(row: Row) -> object:
        if name in row:
            return row[name]
        value = row.get(cast("str", head))
        for step in steps:
            value = _step_into(value, step, name)
        return value

    return read


def _step_into(value: object, step: str | int, name: str) -> object:
    value = plain(value)
    if isinstance(value, str | bytes) and value.strip():
        value = read_json(value, name)
    if value is None or is_null(value) or (isinstance(value, str | bytes) and not value.strip()):
        return None
    if isinstance(value, Mapping) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, list | tuple) and isinstance(step, int):
        return value[step] if step < len(value) else None
    wanted = "an object" if isinstance(step, str) else "an array"
    detail = f"{named(name)} leads into a value of type {type(value).__name__}, where {wanted} is needed"
    raise RejectionError(Reason.CAST_FAILED, detail)


def _parse_one(value: object, location: str) -> Column | Constant:
    if isinstance(value, Column | Constant):
        return value
    if isinstance(value, Each):
        invalid_mapping(f"{location} is an Each, which cannot stand within another value")
    if isinstance(value, Mapping):
        return _parse_json(value, location)
    return Column(column_name(value, location))


def _parse_json(value: Mapping[Any, Any], location: str) -> Column | Constant:
    check_keys(value, (*_COLUMN_KEYS, "constant"), location)
    if value.keys() == {"constant"}:
        return Constant(value["constant"])
    if "column" not in value or "constant" in value:
        invalid_mapping(f"{location} must have the key column, with or without cast, or the key constant alone")
    name = column_name(value["column"], location)
    return Column(name, **{key: item for key, item in value.items() if key != "column"})


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
    elif type(value) not in SCALARS:
        invalid_mapping(f"a constant is or holds a {type(value).__name__}, which is not JSON; give text or a number")
    elif isinstance(value, str) and not has_utf8(value):
        invalid_mapping("a constant holds text without a UTF-8 form")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > MAX_INTEGER
    ):
        invalid_mapping(f"a constant holds a number that is not finite, or an integer beyond {MAX_INTEGER}")


def column_name(value: object, argument: str) -> str:
    """Check the value of an argument that takes the name of a column.

    Raises:
        BikConfigError: It is not text, or blank, or has no UTF-8 form.
    """
    if not isinstance(value, str):
        invalid_mapping(f"{argument} is of type {type(value).__name__} and must be text, the name of a column")
    return checked_name(value, argument)


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
    from difflib import get_close_matches  # noqa: PLC0415 - for an error, or for a hint

    found = get_close_matches(name.casefold(), folded, n=1)
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
