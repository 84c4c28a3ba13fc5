"""Event data on its way through Airflow: wrapped, so that Airflow cannot render, store or log it."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from airflow_provider_bik.inputs.paths import what_is_no_path

__all__ = ["EventInput", "unwrap", "wrap"]

_JINJA = ("{{", "{%", "{#")
"""No JSON begins with these."""


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


def wrap(value: object, *, is_rendered: bool) -> object:
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
