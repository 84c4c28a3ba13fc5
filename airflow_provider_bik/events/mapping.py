"""`EventMapping`: how a row of a table becomes an event."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.catalogue import CatalogueHints
from airflow_provider_bik.events.columns import Column, Constant, source_json
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.events.names import check_columns, check_keys, name_of, refuse
from airflow_provider_bik.events.plans import Plan, Targets, called, event_name_of, plan
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.values import Refusal

__all__ = ["Column", "Constant", "EventMapping", "map_rows"]

_FIELDS = {"name": "name", "email": "email", "phone_number": "phoneNumber", "created_at": "createdAt"}
"""Arguments that name a column, and BIK's names of the fields."""


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
    _plan: Plan = field(init=False, compare=False)

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.to_event is not None:
            self._check_to_event()
            put("_plan", Plan(columns=(), build=functools.partial(called, self.to_event)))
            return
        put("event_name", event_name_of(self.event_name))
        for argument in _FIELDS:
            if (column := getattr(self, argument)) is not None:
                put(argument, name_of(column, argument))
        if self.email is None and self.phone_number is None:
            refuse("neither email nor phone_number names a column, and BIK needs one of the two")
        if self.properties is not None:
            put("properties", Targets(self.properties))
        columns = {target: getattr(self, argument) for argument, target in _FIELDS.items()}
        put("_plan", plan(self.event_name, columns, self.properties))

    def _check_to_event(self) -> None:
        given = [name for name, value in self._arguments().items() if name != "to_event" and value is not None]
        if given:
            refuse(f"to_event makes the whole event, so leave out {', '.join(given)}")
        if not callable(self.to_event):
            refuse(f"to_event is of type {type(self.to_event).__name__} and must be callable")

    def _arguments(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

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
            refuse(f"mapping is of type {type(value).__name__}; give an EventMapping or its JSON form")
        check_keys(value, [item.name for item in fields(cls) if item.init], "mapping")
        return cls(**value)

    def to_json(self) -> dict[str, object]:
        """The JSON form, which `of` reads.

        Raises:
            BikConfigError: It has a ``to_event``, which JSON cannot carry.
        """
        if self.to_event is not None:
            message = "A mapping with to_event has no JSON form. Keep it as Python."
            raise BikConfigError(message)
        given = {name: value for name, value in self._arguments().items() if value is not None}
        if isinstance(self.event_name, Column):
            given["event_name"] = {"column": self.event_name.name}
            if self.event_name.cast is not None:
                given["event_name"]["cast"] = self.event_name.cast
        if isinstance(self.properties, Targets):
            given["properties"] = {target: source_json(value) for target, value in self.properties.items()}
        return given

    def check_columns(self, columns: Sequence[str]) -> None:
        """Check that the columns which the mapping uses are there; names are matched exactly.

        Args:
            columns: The names that the source has.

        Raises:
            BikConfigError: One is not there. The text names it, those that are there, and the nearest of them.
        """
        check_columns(self._plan.columns, columns)

    def event(self, row: object) -> dict[str, object] | Rejection:
        """Make an event of a row.

        Args:
            row: A mapping from the names of columns to values; a column that is not in it is null.

        Returns:
            The event, with BIK's own field names, or why there is none. Nothing that a row contains makes this raise.
        """
        if type(row) is not dict and not isinstance(row, Mapping):
            return Rejection(reason=Reason.NOT_A_ROW, detail=f"it is of type {type(row).__name__}")
        try:
            return self._plan.build(row)
        except Refusal as refusal:
            return refusal.rejection

    def __repr__(self) -> str:
        # Airflow stores this text for an argument of `.partial()`; with an address in memory, every parsing of the DAG
        # would make a new version of it.
        given = {name: value for name, value in self._arguments().items() if value is not None}
        if self.to_event is not None:
            made_by = self.to_event if hasattr(self.to_event, "__qualname__") else type(self.to_event)
            given["to_event"] = f"{made_by.__module__}.{made_by.__qualname__}"
        return f"EventMapping({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        given = self._arguments()
        if self.properties is not None:
            given["properties"] = dict(self.properties)
        return EventMapping.of, (given,)

    def __deepcopy__(self, memo: dict[int, object]) -> EventMapping:
        return self


def map_rows(
    source: Iterator[InputEvent], mapping: EventMapping | None, hints: CatalogueHints | None = None
) -> Iterator[InputEvent]:
    """Turn the rows of an input into events, in the thread that reads.

    Every item is a row, except a dead letter that holds an event. A row that cannot become one, or an item that could
    not be read, goes on with its problem, as a row.

    Args:
        source: What was read.
        mapping: How; without one everything stays as it is.
        hints: Told of every event that was made.

    Raises:
        BikConfigError: The first row lacks a column that the mapping uses.
    """
    return source if mapping is None else _map_rows(source, mapping, hints or CatalogueHints())


def _map_rows(source: Iterator[InputEvent], mapping: EventMapping, hints: CatalogueHints) -> Iterator[InputEvent]:
    checked = False
    for item in (each.decoded() for each in source):
        if item.is_row is False:
            yield item
            continue
        raw, problem = item.raw, item.problem
        if problem is not None and problem.reason is Reason.MAPPING_MISSING:
            problem = None
        if problem is None:
            if not checked and isinstance(raw, Mapping):
                mapping.check_columns(list(raw))
                checked = True
            made = mapping.event(raw)
            if not isinstance(made, Rejection):
                hints.look(made)
                yield InputEvent(
                    position=item.position, place=item.place, raw=made, attempts=item.attempts, is_row=False
                )
                continue
            problem = made
        yield InputEvent(
            position=item.position, place=item.place, raw=raw, problem=problem, attempts=item.attempts, is_row=True
        )
