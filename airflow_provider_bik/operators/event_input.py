"""Event data on its way through Airflow: wrapped, so that Airflow cannot render, store or log it."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

__all__ = ["EventInput", "unwrap", "wrap"]


class EventInput:
    """Holds event data; all that Airflow sees of it is a description.

    Airflow renders strings, lists and mappings in template fields as Jinja and stores what it rendered for the web
    page. It leaves other objects alone and stores their text.

    Args:
        value: What `airflow_provider_bik.sources.read_events` takes.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __str__(self) -> str:
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


def wrap(value: object) -> object:
    """Wrap event data; leave what Airflow must see: paths, which are templates, and references to upstream tasks."""
    if isinstance(value, EventInput) or _is_template_or_reference(value):
        return value
    if isinstance(value, list | tuple) and value and any(_is_template_or_reference(item) for item in value):
        return [item if _is_template_or_reference(item) else EventInput(item) for item in value]
    return EventInput(value)


def unwrap(value: object) -> object:
    """Give back what was wrapped."""
    if isinstance(value, EventInput):
        return unwrap(value.value)
    if isinstance(value, list) and any(isinstance(item, EventInput) for item in value):
        return [unwrap(item) for item in value]
    return value


def _is_template_or_reference(value: object) -> bool:
    return isinstance(value, str) or callable(getattr(value, "iter_references", None))
