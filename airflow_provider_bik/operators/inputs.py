"""What an operator delivers: something that is opened, read in order, and concluded."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import ClassVar, Protocol

from airflow_provider_bik.events.encoder import Encoder
from airflow_provider_bik.events.item import InputEvent
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.inputs import read_items
from airflow_provider_bik.inputs.frames import is_frame
from airflow_provider_bik.state.record import OpenGeneration
from airflow_provider_bik.windows import Window

__all__ = ["EventsInput", "Input"]


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
