"""How a mapping is carried out: the properties it fills, and the plan by which a row becomes an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_bik.events.columns import Column, Constant, Getter, Source, columns_of, getter, source
from airflow_provider_bik.events.names import name_of, refuse
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.values import MAX_DEPTH

__all__ = ["Plan", "Targets", "called", "event_name_of", "plan"]


class Targets(Mapping[str, Source]):
    """The properties, checked: a mapping that cannot be changed and has a hash."""

    __slots__ = ("_given",)

    def __init__(self, given: object) -> None:
        if not isinstance(given, Mapping):
            refuse(f"properties is of type {type(given).__name__} and must be a mapping from names to columns")
        self._given = {
            name_of(target, "the name of a property"): source(value, f"properties[{target!r:.80}]")
            for target, value in given.items()
        }
        for target, value in self._given.items():
            parts = target.split(".")
            for part in parts:
                name_of(part, f"a part of the property {target!r:.80}")
            if len(parts) + isinstance(value, tuple) > MAX_DEPTH:
                refuse(f"the property {target!r:.80} is nested deeper than {MAX_DEPTH} levels")
            for length in range(1, len(parts)):
                outer = ".".join(parts[:length])
                if outer in self._given:
                    refuse(f"the property {outer!r:.80} cannot be a value and hold {target!r:.80} as well")

    def __getitem__(self, target: str) -> Source:
        return self._given[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return repr(self._given)

    def __hash__(self) -> int:
        return hash(frozenset(self._given.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that can be decided before the first row.

    Attributes:
        columns: Those that are needed, each once.
        build: Makes an event of a row; raises `Refusal` if a cast fails.
    """

    columns: tuple[str, ...]
    build: Callable[[Mapping[str, object]], dict[str, object] | Rejection]


def plan(event_name: str | Column | None, fields: Mapping[str, str | None], properties: object) -> Plan:
    """Decide how events are made of the columns of a row.

    Args:
        event_name: Checked.
        fields: From BIK's name of a field to the column that fills it.
        properties: `Targets`, or None for every column that is not used otherwise.
    """
    sources: dict[str, Source] = {
        "eventName": event_name if isinstance(event_name, Column) else Constant(event_name),
        **{field: Column(column) for field, column in fields.items() if column is not None},
    }
    targets = properties if isinstance(properties, Targets) else {}
    needed = (column for given in (*sources.values(), *targets.values()) for column in columns_of(given))
    columns = tuple(dict.fromkeys(needed))
    members = {field: getter(given) for field, given in sources.items()}
    members["eventProperties"] = _rest(frozenset(columns)) if properties is None else _nested(targets)
    return Plan(columns=columns, build=_object(members))


def called(
    to_event: Callable[[dict[str, object]], Mapping[str, object]], row: Mapping[str, object]
) -> dict[str, object] | Rejection:
    """Let the user's own code make an event of a row."""
    try:
        made: object = to_event(dict(row))
        if isinstance(made, Mapping):
            return dict(made)
    except Exception as error:  # noqa: BLE001 - the user's own code: what fails on one row must not end the others
        return Rejection(reason=Reason.TO_EVENT_FAILED, detail=type(error).__name__)
    return Rejection(reason=Reason.NOT_AN_EVENT, detail=f"to_event returned a {type(made).__name__}")


def event_name_of(given: object) -> str | Column:
    """Check an event name: text is the name itself.

    Raises:
        BikConfigError: It is neither text nor a column.
    """
    if given is None:
        refuse("event_name is missing: give text, or a Column that holds it")
    if isinstance(given, Mapping):
        given = source(given, "event_name")
    if isinstance(given, Column):
        if given.cast == "number":
            refuse("event_name is text, so it cannot have the cast number")
        return given
    return name_of(given, "event_name")


def _object(members: Mapping[str, Getter]) -> Callable[[Mapping[str, object]], dict[str, object]]:
    pairs = tuple(members.items())
    return lambda row: {name: get(row) for name, get in pairs}


def _nested(targets: Mapping[str, Source]) -> Getter:
    """How the properties are made of a row: an object within an object is taken out of it like any other value."""
    tree: dict[str, Any] = {}
    for target, given in targets.items():
        *outer, last = target.split(".")
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        branch[last] = getter(given)

    def grow(branch: dict[str, Any]) -> Getter:
        return _object({part: grow(got) if isinstance(got, dict) else got for part, got in branch.items()})

    return grow(tree)


def _rest(used: frozenset[str]) -> Getter:
    return lambda row: {column: value for column, value in row.items() if column not in used}
