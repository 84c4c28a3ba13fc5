"""The reference of `docs/api.md`, made from docstrings; `docs.tables` writes it into the page."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module

__all__ = ["PUBLIC", "reference"]

PUBLIC: Mapping[str, Sequence[str]] = {
    "operators.bik": ("BikSendEventsOperator",),
    "transfers.sql_to_bik": ("SqlToBikOperator",),
    "transfers.sql_to_bik_incremental": ("SqlToBikIncrementalOperator",),
    "events": ("EventMapping", "Column", "Constant", "Each", "Reading", "PipelineRule"),
    "delivery": ("Sending", "DeliveryReport"),
    "windows": ("DATA_INTERVAL", "Window", "cut"),
    "hooks.bik": ("BikHook",),
    "sandbox": ("Sandbox", "FaultPlan", "Fault"),
}
"""Module of the package -> the names in it that users import. Errors have a table of their own."""

_METHODS: Mapping[str, Sequence[str]] = {
    "BikHook": ("send_event", "send_events", "test_connection"),
    "EventMapping": ("of", "to_json"),
    "FaultPlan": ("from_json",),
    "Window": ("of",),
}
"""Class -> the methods that users call. Airflow calls those of operators."""

_PACKAGE = "airflow_provider_bik"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\n((?: {4}.*\n?|\n(?= {4}))+)", re.MULTILINE)
_ENTRY = re.compile(r"^([\w, ]+): (.*(?:\n {4,}.*)*)", re.MULTILINE)
_TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Returns": "Returns", "Raises": "Raises", "Yields": "Gives"}


def reference() -> list[str]:
    """The lines between the two comments of the page."""
    lines: list[str] = []
    for name, members in PUBLIC.items():
        module = import_module(f"{_PACKAGE}.{name}")
        lines += [f"## {_PACKAGE}.{name}", ""]
        for member in members:
            lines += _described(member, getattr(module, member))
    return lines[:-1]


def _described(name: str, thing: object) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if isinstance(thing, str):
        yield f"A template: `{thing}`."
        yield ""
        return
    yield from _told(name, thing)
    for method in _METHODS.get(name, ()):
        yield f"#### {name}.{method}"
        yield ""
        yield from _told(f"{name}.{method}", getattr(thing, method))


def _told(name: str, thing: object) -> Iterator[str]:
    if callable(thing):
        yield from ["```text", _signature(name, thing), "```", ""]
    text = inspect.getdoc(thing) or ""
    yield from _SECTION.sub("", text).replace("``", "`").strip().splitlines()
    yield ""
    for title, body in _SECTION.findall(text):
        yield f"**{_TITLES[title]}**"
        yield ""
        yield from _listed(textwrap.dedent(body))
        yield ""


def _signature(name: str, thing: Callable[..., object]) -> str:
    """Each argument on a line of its own, as the code writes it."""
    given = (each for each in inspect.signature(thing).parameters.values() if each.name not in {"self", "cls"})
    arguments = "".join(f"\n    {_argument(each)}," for each in given)
    return f"{name}({arguments}\n)" if arguments else f"{name}()"


def _argument(given: inspect.Parameter) -> str:
    stars = "**" if given.kind is inspect.Parameter.VAR_KEYWORD else ""
    default = given.default
    shown = repr(default.value if isinstance(default, str) and hasattr(default, "value") else default)
    needed = default is inspect.Parameter.empty
    return f"{stars}{given.name}: {given.annotation}{'' if needed else f' = {shown}'}"


def _listed(body: str) -> Iterator[str]:
    entries = _ENTRY.findall(body)
    if not entries:
        yield _one_line(body)
    for names, told in entries:
        marked = ", ".join(f"`{each.strip()}`" for each in names.split(","))
        yield f"- {marked}: {_one_line(told)}"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("``", "`").strip()
