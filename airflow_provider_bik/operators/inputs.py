"""What an operator delivers: something that is opened, read in order, and concluded.

Event data goes through Airflow wrapped, so that Airflow cannot render, store or log it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.encoder import Encoder
from airflow_provider_bik.events.item import InputEvent
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.inputs import read_items
from airflow_provider_bik.inputs.frames import is_frame
from airflow_provider_bik.inputs.paths import what_is_no_path
from airflow_provider_bik.state.record import OpenGeneration
from airflow_provider_bik.windows import Window

__all__ = ["EventInput", "EventsInput", "Input", "check_default_args", "unwrap", "wrap", "wrap_in_partial"]

_JINJA = ("{{", "{%", "{#")
"""No JSON begins with these."""


class Input(Protocol):
    """Where the events of a delivery come from."""

    @property
    def can_trim(self) -> bool:
        """Whether it can be cut to a part of its window."""

    @property
    def grows(self) -> bool:
        """Whether each run delivers what has come since the last one, under one name."""

    @property
    def needs_folder(self) -> bool:
        """Whether it keeps in a file what it has read, so that a state path is needed."""

    def open(self, generation: OpenGeneration | None, window: Window | None, encoder: Encoder) -> Iterator[InputEvent]:
        """Make its events ready, and give them in order.

        Args:
            generation: What this reading is; None in a dry run, or where no state is kept.
            window: The part that is asked for, if it can be cut.
            encoder: Makes events of what is read.

        Raises:
            BikError: See `airflow_provider_bik.errors`.
            BikInputChangedError: An earlier try has sent from another input.
        """

    def total(self, generation: OpenGeneration | None, encoder: Encoder) -> int | None:
        """How many events it gives, once it is open; None if nobody knows before it is read."""

    def conclude(self, generation: OpenGeneration) -> None:
        """The generation is delivered: nothing of the input is needed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsInput:
    """Events in memory or in files, which give the same each time they are read.

    Args:
        events: What `airflow_provider_bik.inputs.read_items` takes.
        reading: How it is understood.
    """

    events: object
    reading: Reading

    can_trim: ClassVar[bool] = False
    grows: ClassVar[bool] = False
    needs_folder: ClassVar[bool] = False

    def open(self, generation: OpenGeneration | None, window: Window | None, encoder: Encoder) -> Iterator[InputEvent]:  # noqa: ARG002 - as the protocol has it
        """As `Input.open`."""
        return encoder.encode_all(read_items(self.events, self.reading, encoder.columns_check))

    def total(self, generation: OpenGeneration | None, encoder: Encoder) -> int | None:  # noqa: ARG002 - as above
        """As `Input.total`: known of a list of events or rows, and of a table."""
        events = self.events
        if encoder.mapping is not None and encoder.mapping.group_by is not None:
            return None
        if is_frame(events) and isinstance(events, Sized):
            return len(events)
        if isinstance(events, list | tuple) and all(type(event) is dict for event in events):
            return len(events)
        return None

    def conclude(self, generation: OpenGeneration) -> None:
        """There is nothing to remove."""


class EventInput:
    """Holds event data; all that Airflow sees of it is a description.

    Airflow renders strings, lists and mappings in template fields as Jinja and stores what it rendered for the web
    page. It leaves other objects alone and stores their text.

    Args:
        value: What `airflow_provider_bik.inputs.read_items` takes.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return f"<event data: text of {len(self.value)} characters>"
        if isinstance(self.value, list | tuple | dict) and isinstance(self.value, Sized):
            return f"<event data: {type(self.value).__name__} of {len(self.value)}>"
        return f"<event data: {type(self.value).__name__}>"

    __repr__ = __str__

    def serialize(self) -> str:
        """What Airflow stores as the rendered field."""
        return str(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> EventInput:
        """Airflow copies operators before it runs them; the data is only read."""
        return self


def wrap(value: object, *, is_rendered: bool = False) -> object:
    """Wrap event data; leave what Airflow must see: paths, which are templates, and references to upstream tasks.

    Text that can be no path, such as the JSON that an upstream task has returned, is event data, too. What reads it
    says so; until then, it is stored nowhere.

    Args:
        value: The input, or a list of inputs.
        is_rendered: Whether templates have been rendered, so that a brace in a text is one of the data.
    """
    if isinstance(value, list | tuple) and value and any(_is_for_airflow(item, is_rendered) for item in value):
        return [_wrap_one(item, is_rendered) for item in value]
    return _wrap_one(value, is_rendered)


def _wrap_one(value: object, is_rendered: bool) -> object:  # noqa: FBT001 - as above
    return value if isinstance(value, EventInput) or _is_for_airflow(value, is_rendered) else EventInput(value)


def wrap_in_partial(partial: Any) -> Any:  # noqa: ANN401 - its class is not the same in all versions of Airflow
    """Wrap the event data of a task that is mapped; Airflow stores the arguments of such a task as they are.

    Args:
        partial: What an operator's ``partial`` has made; it is changed, so that ``expand`` wraps, too.
    """
    check_default_args(partial.kwargs.get("dag"))
    if "events" in partial.kwargs:
        partial.kwargs["events"] = wrap(partial.kwargs["events"], is_rendered=False)
    kind: Any = type(partial)
    partial.__class__ = _wrapping(kind)
    return partial


def check_default_args(dag: Any) -> None:  # noqa: ANN401 - as above
    """Refuse event data where Airflow stores it in clear, and nobody can hinder it.

    Raises:
        BikConfigError: It is among the default arguments of the DAG.
    """
    given = (getattr(dag, "default_args", None) or {}).get("events")
    if given is not None and wrap(given, is_rendered=False) is not given:
        message = (
            "events are given in the default_args of the DAG, which Airflow stores as they are. Give them to the "
            "operator itself; nothing was sent."
        )
        raise BikConfigError(message)


@cache
def _wrapping(kind: Any) -> Any:  # noqa: ANN401 - as above
    class Wrapping(kind):  # type: ignore[misc]  # a class of Airflow's that is found at run time
        """As Airflow's own, but for event data."""

        # Without attributes of its own, so that an object of the other class can become one of this.
        __slots__ = ()

        def expand(self, **mapped: Any) -> Any:  # noqa: ANN401 - as above
            """Map over lists of values."""
            return super().expand(
                **{name: _each(value) if name == "events" else value for name, value in mapped.items()}
            )

        def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
            """Map over mappings of arguments."""
            if isinstance(kwargs, Sequence):
                kwargs = [_call(call) for call in kwargs]
            return super().expand_kwargs(kwargs, **options)

    return Wrapping


def _each(values: object) -> object:
    is_literal = isinstance(values, Sequence) and not _is_for_airflow(values, is_rendered=False)
    return [wrap(value, is_rendered=False) for value in values] if is_literal else values  # type: ignore[attr-defined]


def _call(call: object) -> object:
    if not isinstance(call, Mapping) or "events" not in call:
        return call
    return {**call, "events": wrap(call["events"], is_rendered=False)}


def unwrap(value: object) -> object:
    """Give back what was wrapped."""
    if isinstance(value, EventInput):
        return unwrap(value.value)
    if isinstance(value, list) and any(isinstance(item, EventInput) for item in value):
        return [unwrap(item) for item in value]
    return value


def _is_for_airflow(value: object, is_rendered: bool) -> bool:  # noqa: FBT001 - as above
    if not isinstance(value, str):
        return callable(getattr(value, "iter_references", None))
    if what_is_no_path(value) is None:
        return True
    return value.lstrip().startswith(_JINJA) if is_rendered else any(sign in value for sign in _JINJA)
