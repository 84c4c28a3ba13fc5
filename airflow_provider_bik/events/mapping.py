"""`EventMapping`: how a row of a table becomes an event."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.contract import EventFields
from airflow_provider_bik.events.mapping_fields import (
    Column,
    Constant,
    Each,
    Extractor,
    PropertyMap,
    Row,
    ValueSpec,
    check_keys,
    checked_name,
    column_name,
    columns_of,
    extractor,
    invalid_mapping,
    is_empty,
    nearest,
    nested_extractor,
    object_maker,
    parse_spec,
    path_of,
    spec_to_json,
)
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, RejectionError
from airflow_provider_bik.events.values import plain

__all__ = ["Column", "Constant", "Each", "EventMapping", "Plan", "call_to_event", "keeps_row"]

_LONGEST_SHOWN = 64
_MOST_SHOWN = 50
"""Columns named in an error."""

_COLUMN_ARGUMENTS = ("email", "phone_number", "phone_country", "group_by")
"""Arguments that take the name of a column and nothing else."""

_FIELD_ARGUMENTS = ("event_name", "name", "email", "phone_number", "created_at")
"""Arguments that fill a field of the event of the same name."""

_BESIDE_TO_EVENT = {"to_event", "where", "group_by"}

_PropertySpec = str | Column | Constant | Each | Sequence[str | Column | Constant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that can be decided before the first row.

    Attributes:
        sources: What fills the fields of an event, by attributes of `EventFields`.
        properties: What fills its properties; None for every column that is not among `used`.
        used: The columns that fill something else.
        phone_country: Takes the country of the telephone number out of a row, if a column holds it.
        fields: Makes the fields of an event out of a row; raises `RejectionError` if a value cannot be read.
    """

    sources: Mapping[str, ValueSpec | Extractor]
    properties: Mapping[str, ValueSpec] | None
    used: frozenset[str]
    phone_country: Extractor | None
    fields: Callable[[Row], EventFields]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EventMapping:
    """How a row becomes an event: a value that cannot be changed, may be shared, copied, compared and pickled.

    Args:
        event_name: The name of every event as text, or the `Column` that holds it; needed, unless there is a
            ``to_event``.
        name: The column of the customer's name, or a list of columns whose texts are joined by a blank.
        email: The column of the e-mail address; this or ``phone_number`` is needed.
        phone_number: The column of the telephone number.
        phone_country: The column of the country of that number, as an ISO 3166 code such as ``IN``; only asked where
            the number does not say its country. A row in which it is null takes the default region.
        created_at: The column of the time at which the event happened, or a `Column` with the cast ``datetime``. A row
            in which it is null is rejected, unless the pipeline's rule says otherwise.
        properties: From the name of a property to the column that fills it, a `Column` with a cast, a `Constant`, an
            `Each`, or a list of columns and constants for an array. A name with dots, such as ``address.city``, makes
            nested objects. None takes every column that is not used above, under its own name and as it is.
        where: A callable that gets a row as a dict and says whether it is to be sent. Rows that are not are skipped,
            and counted as such.
        group_by: The column whose value is the same in all rows of one event, such as the lines of an order. Only rows
            that follow each other make one event: sort the input by it. Of each column the first value that is not
            null counts; `Each` takes those of all rows. Positions then number the events, not the rows, and an event
            stands where its first row does. An event of which a row cannot be read is rejected as a whole.
        to_event: For what a table cannot say: a callable that gets the row as a dict (with ``group_by`` a list of
            these) and returns an event with BIK's own field names, or None to skip it. Beside it only ``where`` and
            ``group_by`` may be given.

    Raises:
        BikConfigError: No row could ever become an event with it; the text names the argument.
    """

    event_name: str | Column | None = None
    name: str | Sequence[str] | None = None
    email: str | None = None
    phone_number: str | None = None
    phone_country: str | None = None
    created_at: str | Column | None = None
    properties: Mapping[str, _PropertySpec] | None = None
    where: Callable[[dict[str, object]], bool] | None = None
    group_by: str | None = None
    to_event: Callable[[Any], Mapping[str, object] | None] | None = None

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        for argument in ("where", "to_event"):
            value = getattr(self, argument)
            if value is not None and not callable(value):
                invalid_mapping(f"{argument} is of type {type(value).__name__} and must be callable")
        for argument in _COLUMN_ARGUMENTS:
            if (column := getattr(self, argument)) is not None:
                put(argument, column_name(column, argument))
        if self.to_event is not None:
            if given := [name for name in self._given() if name not in _BESIDE_TO_EVENT]:
                invalid_mapping(f"to_event makes the whole event, so leave out {', '.join(given)}")
            return
        put("event_name", _event_name(self.event_name))
        put("name", _name(self.name))
        put("created_at", _created_at(self.created_at))
        if self.email is None and self.phone_number is None:
            invalid_mapping("neither email nor phone_number names a column, and BIK needs one of the two")
        if self.phone_country is not None and self.phone_number is None:
            invalid_mapping("phone_country is given without a phone_number")
        if self.properties is not None:
            put("properties", PropertyMap(self.properties))
        self._check_grouping()

    def _check_grouping(self) -> None:
        specs = self._property_specs()
        if self.group_by is None and any(isinstance(spec, Each) for spec in specs.values()):
            invalid_mapping("Each takes a value of every row of an event, so it needs a group_by")
        if self.group_by is not None and self.properties is None:
            invalid_mapping("group_by needs properties, for nobody knows which columns differ from row to row")

    def _given(self) -> dict[str, Any]:
        """The arguments that were given."""
        arguments = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in arguments.items() if value is not None}

    @classmethod
    def of(cls, value: object) -> EventMapping:
        """Read a mapping, or its JSON form: an object with the arguments as keys.

        In it, a `Column` is ``{"column": "total", "cast": "number"}`` and a `Constant` ``{"constant": "INR"}``.

        Raises:
            BikConfigError: It is neither, has an unknown key, or no row could ever become an event with it.
        """
        if isinstance(value, EventMapping):
            return value
        if not isinstance(value, Mapping):
            invalid_mapping(f"it is of type {type(value).__name__}; give an EventMapping or its JSON form")
        check_keys(value, [item.name for item in fields(cls)], "mapping")
        return cls(**value)

    def to_json(self) -> dict[str, object]:
        """The JSON form, which `of` reads.

        Raises:
            BikConfigError: It has a ``to_event``, which JSON cannot carry.
        """
        given = self._given()
        if callables := [name for name in ("where", "to_event") if name in given]:
            message = f"A mapping with {' and '.join(callables)} has no JSON form. Keep it as Python."
            raise BikConfigError(message)
        if isinstance(self.event_name, Column):
            # Text alone would be the name itself.
            given["event_name"] = self.event_name.to_json()
        if isinstance(self.name, tuple):
            given["name"] = list(self.name)
        if isinstance(self.created_at, Column):
            given["created_at"] = spec_to_json(self.created_at)
        if isinstance(self.properties, PropertyMap):
            given["properties"] = self.properties.to_json()
        return given

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it uses, each once."""
        specs = [*self._field_specs().values(), *self._property_specs().values()]
        others = [name for name in (self.phone_country, self.group_by) if name is not None]
        return tuple(dict.fromkeys([*(column for spec in specs for column in columns_of(spec)), *others]))

    def check_columns(self, columns: Sequence[object], where: str) -> None:
        """Check that the columns which the mapping uses are there; names are matched exactly.

        Args:
            columns: The names that are there.
            where: The file or query that has them, for the error.

        Raises:
            BikConfigError: One is not there. The text names it, those that are there, and the nearest of them.
        """
        there = dict.fromkeys(name for name in columns if isinstance(name, str))
        missing = [name for name in self.columns if name not in there and path_of(name)[0] not in there]
        if missing:
            known = [name for name in there if _looks_like_a_name(name)]
            details = "; ".join(_describe_missing(name, known) for name in missing)
            shown = [repr(name) for name in known[:_MOST_SHOWN]]
            if more := len(there) - len(shown):
                shown.append(f"{more} more")
            message = (
                f"The mapping does not fit {where}: {details}. The columns are: {', '.join(shown) or 'none'}. Names "
                "are matched exactly, upper and lower case included. Fix the mapping or the input, then clear the "
                "task. Nothing of it was sent."
            )
            raise BikConfigError(message)

    def plan(self, reading: Reading) -> Plan:
        """Decide all that can be decided before the first row.

        Args:
            reading: How dates and nulls are understood.
        """
        sources: dict[str, ValueSpec | Extractor] = dict(self._field_specs())
        if isinstance(self.name, tuple):
            sources["name"] = _joined(extractor(cast("ValueSpec", sources["name"]), reading), reading)
        used, properties = frozenset(self.columns), None if self.properties is None else self._property_specs()
        if properties is None:
            sources["event_properties"] = _unused_columns(used)
        else:
            sources["event_properties"] = nested_extractor(properties, reading)
        make = object_maker(sources, reading)
        return Plan(
            sources=sources,
            properties=properties,
            used=used,
            phone_country=None if self.phone_country is None else extractor(Column(self.phone_country), reading),
            fields=lambda row: EventFields(**make(row)),
        )

    def _field_specs(self) -> dict[str, ValueSpec]:
        if self.to_event is not None:
            return {}
        given = {name: getattr(self, name) for name in _FIELD_ARGUMENTS}
        if isinstance(self.event_name, str):
            given["event_name"] = Constant(self.event_name)
        return {name: parse_spec(value, name) for name, value in given.items() if value is not None}

    def _property_specs(self) -> Mapping[str, ValueSpec]:
        return self.properties if isinstance(self.properties, PropertyMap) else {}

    def __repr__(self) -> str:
        # Airflow stores this text for an argument of `.partial()`; with an address in memory, every parsing of the DAG
        # would make a new version of it.
        given = {name: repr(value) for name, value in self._given().items()}
        for argument in ("where", "to_event"):
            if argument in given:
                given[argument] = _qualified_name(getattr(self, argument))
        return f"EventMapping({', '.join(f'{name}={text}' for name, text in given.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        given = self._given()
        if self.properties is not None:
            given["properties"] = dict(self.properties)
        return EventMapping.of, (given,)

    def __deepcopy__(self, memo: dict[int, object]) -> EventMapping:
        return self


def _qualified_name(function: object) -> str:
    """The name of a callable, the same in every process."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def call_to_event(mapping: EventMapping, rows: Sequence[Row]) -> Mapping[str, object] | None:
    """Let the user's own code make an event of a row, or of the rows of one event; None if it is to be skipped.

    Raises:
        RejectionError: It raised an exception, or returned no mapping.
    """
    to_event = cast("Callable[[object], object]", mapping.to_event)
    given: list[dict[str, object]] = [dict(row) for row in rows]
    try:
        event = to_event(given[0] if mapping.group_by is None else given)
    except Exception as error:  # noqa: BLE001 - the user's own code: what fails on one row must not end the others
        raise RejectionError(Reason.TO_EVENT_FAILED, type(error).__name__) from None
    if event is not None and not isinstance(event, Mapping):
        raise RejectionError(Reason.NOT_AN_EVENT, f"to_event returned a {type(event).__name__}")
    return event


def keeps_row(where: Callable[[dict[str, object]], object], row: Row) -> bool:
    """Let the user's own code say whether a row is to be sent.

    Raises:
        RejectionError: It raised an exception, or returned neither true nor false.
    """
    try:
        keeps = plain(where(dict(row)))
    except Exception as error:  # noqa: BLE001 - the user's own code: what fails on one row must not end the others
        raise RejectionError(Reason.WHERE_FAILED, type(error).__name__) from None
    if not isinstance(keeps, bool):
        raise RejectionError(Reason.WHERE_FAILED, f"where returned a {type(keeps).__name__}")
    return keeps


def _event_name(given: object) -> str | Column:
    if given is None:
        invalid_mapping("event_name is missing: give text, or a Column that holds it")
    spec = parse_spec(given, "event_name") if isinstance(given, Mapping) else given
    if isinstance(spec, Column):
        if spec.cast not in {None, "string"}:
            invalid_mapping(f"event_name is text, so it cannot have the cast {spec.cast}")
        return spec
    return checked_name(spec, "event_name")


def _name(given: object) -> str | tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple):
        return column_name(given, "name")
    if not given:
        invalid_mapping("name is an empty list")
    return tuple(column_name(column, f"name[{index}]") for index, column in enumerate(given))


def _created_at(given: object) -> str | Column | None:
    spec = parse_spec(given, "created_at") if isinstance(given, Mapping) else given
    if isinstance(spec, Column):
        if spec.cast not in {None, "datetime"}:
            invalid_mapping(f"created_at is a time, so it cannot have the cast {spec.cast}")
        return spec.name if spec.cast is None else spec
    return None if spec is None else column_name(spec, "created_at")


def _joined(parts: Extractor, reading: Reading) -> Extractor:
    """A text of texts: those that are not empty, with a blank between them."""
    nulls = reading.nulls

    def extract(row: Row) -> object:
        found = [value for value in cast("list[object]", parts(row)) if not is_empty(value, nulls)]
        if len(found) == 1:
            return found[0]
        return " ".join(str(value).strip() for value in found) or None

    return extract


def _unused_columns(used: frozenset[str]) -> Extractor:
    return lambda row: {column: value for column, value in row.items() if column not in used}


def _describe_missing(name: str, known: Sequence[str]) -> str:
    meant = nearest(name, known) or nearest(str(path_of(name)[0]), known)
    return f"there is no column {name!r}" + (f"; the nearest is {meant!r}" if meant else "")


def _looks_like_a_name(column: str) -> bool:
    """Without its header line, a file's first row of data would be taken for names, and shown in the error."""
    return len(column) <= _LONGEST_SHOWN and re.sub(r"[ ./-]", "_", column).isidentifier()
