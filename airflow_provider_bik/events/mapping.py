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
    Extractor,
    PropertyMap,
    ValueSpec,
    check_keys,
    checked_name,
    columns_of,
    extractor,
    invalid_mapping,
    nearest,
    parse_spec,
    spec_to_json,
)
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, RejectionError

__all__ = ["Column", "Constant", "EventMapping", "Plan", "call_to_event"]

_LONGEST_SHOWN = 64
_MOST_SHOWN = 50
"""Columns named in an error."""

_COLUMN_ARGUMENTS = ("name", "email", "phone_number", "created_at")

Plan = Callable[[Mapping[str, object]], EventFields]
"""Makes the fields of an event out of a row; raises `RejectionError` if a cast fails."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EventMapping:
    """How a row becomes an event: a value that cannot be changed, may be shared, copied, compared and pickled.

    Args:
        event_name: The name of every event as text, or the `Column` that holds it; needed, unless there is a
            ``to_event``.
        name: The column of the customer's name.
        email: The column of the e-mail address; this or ``phone_number`` is needed.
        phone_number: The column of the telephone number.
        created_at: The column of the time at which the event happened.
        properties: From the name of a property to the column that fills it, a `Column` with a cast, a `Constant`, or a
            list of these for an array. A name with dots, such as ``address.city``, makes nested objects. None takes
            every column that is not used above, under its own name and as it is.
        to_event: For what a table cannot say: a callable that gets the row as a dict and returns an event with BIK's
            own field names. With it no other argument may be given.

    Raises:
        BikConfigError: No row could ever become an event with it; the text names the argument.
    """

    event_name: str | Column | None = None
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    created_at: str | None = None
    properties: Mapping[str, str | Column | Constant | Sequence[str | Column | Constant]] | None = None
    to_event: Callable[[dict[str, object]], Mapping[str, object]] | None = None

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.to_event is not None:
            self._check_to_event()
            return
        put("event_name", _event_name(self.event_name))
        for argument in _COLUMN_ARGUMENTS:
            if (column := getattr(self, argument)) is not None:
                put(argument, checked_name(column, argument))
        if self.email is None and self.phone_number is None:
            invalid_mapping("neither email nor phone_number names a column, and BIK needs one of the two")
        if self.properties is not None:
            put("properties", PropertyMap(self.properties))

    def _check_to_event(self) -> None:
        given = [name for name in self._given() if name != "to_event"]
        if given:
            invalid_mapping(f"to_event makes the whole event, so leave out {', '.join(given)}")
        if not callable(self.to_event):
            invalid_mapping(f"to_event is of type {type(self.to_event).__name__} and must be callable")

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
        if self.to_event is not None:
            message = "A mapping with to_event has no JSON form. Keep it as Python."
            raise BikConfigError(message)
        given = self._given()
        if isinstance(self.event_name, Column):
            given["event_name"] = {"column": self.event_name.name}
            if self.event_name.cast is not None:
                given["event_name"]["cast"] = self.event_name.cast
        if isinstance(self.properties, PropertyMap):
            given["properties"] = {name: spec_to_json(spec) for name, spec in self.properties.items()}
        return given

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it uses, each once."""
        specs = [*self._field_specs().values(), *self._property_specs().values()]
        return tuple(dict.fromkeys(column for spec in specs for column in columns_of(spec)))

    def check_columns(self, columns: Sequence[object], where: str) -> None:
        """Check that the columns which the mapping uses are there; names are matched exactly.

        Args:
            columns: The names that are there.
            where: The file or query that has them, for the error.

        Raises:
            BikConfigError: One is not there. The text names it, those that are there, and the nearest of them.
        """
        there = dict.fromkeys(name for name in columns if isinstance(name, str))
        missing = [name for name in self.columns if name not in there]
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
        members = {name: extractor(spec, reading) for name, spec in self._field_specs().items()}
        if self.properties is None:
            properties = _unused_columns(frozenset(self.columns))
        else:
            properties = _nested(self._property_specs(), reading)
        pairs = (*members.items(), ("event_properties", properties))
        return lambda row: EventFields(**{name: extract(row) for name, extract in pairs})

    def _field_specs(self) -> dict[str, ValueSpec]:
        if self.to_event is not None:
            return {}
        event_name = self.event_name
        return {
            "event_name": event_name if isinstance(event_name, Column) else Constant(event_name),
            **{name: Column(column) for name in _COLUMN_ARGUMENTS if (column := getattr(self, name)) is not None},
        }

    def _property_specs(self) -> Mapping[str, ValueSpec]:
        return self.properties if isinstance(self.properties, PropertyMap) else {}

    def __repr__(self) -> str:
        # Airflow stores this text for an argument of `.partial()`; with an address in memory, every parsing of the DAG
        # would make a new version of it.
        given = {name: repr(value) for name, value in self._given().items()}
        if self.to_event is not None:
            given["to_event"] = _qualified_name(self.to_event)
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


def call_to_event(mapping: EventMapping, row: Mapping[str, object]) -> Mapping[str, object]:
    """Let the user's own code make an event of a row.

    Raises:
        RejectionError: It raised an exception, or returned no mapping.
    """
    to_event = cast("Callable[[dict[str, object]], object]", mapping.to_event)
    try:
        event = to_event(dict(row))
    except Exception as error:  # noqa: BLE001 - the user's own code: what fails on one row must not end the others
        raise RejectionError(Reason.TO_EVENT_FAILED, type(error).__name__) from None
    if not isinstance(event, Mapping):
        raise RejectionError(Reason.NOT_AN_EVENT, f"to_event returned a {type(event).__name__}")
    return event


def _event_name(given: object) -> str | Column:
    if given is None:
        invalid_mapping("event_name is missing: give text, or a Column that holds it")
    spec = parse_spec(given, "event_name") if isinstance(given, Mapping) else given
    if isinstance(spec, Column):
        if spec.cast == "number":
            invalid_mapping("event_name is text, so it cannot have the cast number")
        return spec
    return checked_name(spec, "event_name")


def _nested(properties: Mapping[str, ValueSpec], reading: Reading) -> Extractor:
    """How the properties are made of a row: an object within an object is taken out of it like any other value."""
    tree: dict[str, Any] = {}
    for name, spec in properties.items():
        *outer, last = name.split(".")
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        branch[last] = extractor(spec, reading)

    def grow(branch: dict[str, Any]) -> Extractor:
        pairs = tuple((part, grow(got) if isinstance(got, dict) else got) for part, got in branch.items())
        return lambda row: {part: extract(row) for part, extract in pairs}

    return grow(tree)


def _unused_columns(used: frozenset[str]) -> Extractor:
    return lambda row: {column: value for column, value in row.items() if column not in used}


def _describe_missing(name: str, known: Sequence[str]) -> str:
    meant = nearest(name, known)
    return f"there is no column {name!r}" + (f"; the nearest is {meant!r}" if meant else "")


def _looks_like_a_name(column: str) -> bool:
    """Without its header line, a file's first row of data would be taken for names, and shown in the error."""
    return len(column) <= _LONGEST_SHOWN and re.sub(r"[ ./-]", "_", column).isidentifier()
