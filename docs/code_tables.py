"""Tables that stand in the code as data, as Markdown, so that the pages cannot say anything else than the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

from airflow_provider_bik import errors
from airflow_provider_bik.delivery.retry import ANSWERS
from airflow_provider_bik.events import Reason
from airflow_provider_bik.events.catalogue import CATALOGUE
from airflow_provider_bik.events.mapping import Column, Constant, EventMapping
from airflow_provider_bik.events.pipeline import RULE
from airflow_provider_bik.hooks.connection import EXTRAS
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator

__all__ = ["TABLES", "arguments_of", "public_errors"]


def arguments_of(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a class's own; those of every operator hide behind its ``kwargs``."""
    return {name: given for name, given in inspect.signature(kind).parameters.items() if name != "kwargs"}


def public_errors() -> list[type[errors.BikError]]:
    """The tree of errors, root first."""
    found = [getattr(errors, name) for name in errors.__all__]
    return sorted(found, key=lambda error: (len(error.__mro__), error.__name__))


def _arguments(kind: type) -> list[str]:
    meanings = _documented_arguments(inspect.getdoc(kind) or "")
    rows = []
    for name, given in arguments_of(kind).items():
        needed = given.default is inspect.Parameter.empty
        told = f"`{given.annotation}`, required" if needed else f"`{given.annotation} = {given.default!r}`"
        template = " *Template.*" if name in getattr(kind, "template_fields", ()) else ""
        rows.append([f"`{name}`", told, meanings[name] + template])
    return _table(["argument", "type and default", "meaning"], rows)


def _documented_arguments(docstring: str) -> Mapping[str, str]:
    """Read the ``Args`` section of a docstring in Google's style."""
    section = re.search(r"^Args:\n(.*?)\n\n", docstring, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    # What is a template is told by the operator itself.
    return {name: re.sub(r"\s+", " ", text).replace("``", "`").removesuffix(" (template)") for name, text in entries}


def _catalogue() -> list[str]:
    rows = []
    for event, properties in CATALOGUE.items():
        for name, known in properties.items():
            needed = "yes" if known.required else ""
            if known.required and not known.in_sample:
                needed = "yes, though BIK's own sample leaves it out"
            rows.append([f"`{event}`", f"`{name}`", f"`{known.type}`" if known.type else "not known", needed])
    return _table(["event", "property", "type", "documented as required"], rows)


def _reasons() -> list[str]:
    return _table(
        ["code", "meaning, and what to mend"], ([f"`{reason.value}`", reason.explanation] for reason in Reason)
    )


def _rule() -> list[str]:
    rows = []
    for (mode, dated), verdict in RULE.items():
        becomes = f"rejected: `{verdict.value}`" if isinstance(verdict, Reason) else f"sent as **{verdict.value}**"
        rows.append([f"`{mode.value}`", "given" if dated else "absent", becomes])
    return _table(["pipeline", "createdAt", "the event is"], rows)


def _answers() -> list[str]:
    rows = ([_ranges(row.statuses), row.means.value, _code(row.then)] for row in ANSWERS)
    return _table(["HTTP status", "class", "what happens"], rows)


def _ranges(numbers: Iterable[int]) -> str:
    """Write a set of numbers with its runs joined: 300-399, 401."""
    runs = []
    for _, members in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in members]
        runs += [f"{run[0]}-{run[-1]}"] if run[2:] else [str(number) for number in run]
    return ", ".join(runs)


def _code(text: str) -> str:
    """Set words with an underscore, which are names in the code, as code."""
    return re.sub(r"\b\w+_\w+\b", r"`\g<0>`", text)


def _extras() -> list[str]:
    return _table(["extra", "meaning"], ([f"`{name}`", text] for name, text in EXTRAS.items()))


def _errors() -> list[str]:
    rows = []
    for error in public_errors()[1:]:
        told = (inspect.getdoc(error) or "").split("\n\n")[0]
        in_airflow = "`AirflowException`, retried" if error.retry_can_help else "`AirflowFailException`, not retried"
        rows.append([f"`{error.__name__}`", re.sub(r"\s+", " ", told).replace("``", "`"), in_airflow])
    return _table(["error", "meaning", "in Airflow"], rows)


def _error_tree() -> list[str]:
    """Lift the tree out of the module's docstring, which is where a reader of the code finds it."""
    drawn = re.search(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(errors) or "")
    return ["```text", *inspect.cleandoc(drawn[1] if drawn else "").splitlines(), "```"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


TABLES: Mapping[str, Callable[[], list[str]]] = {
    "arguments": partial(_arguments, BikSendEventsOperator),
    "sql-arguments": partial(_arguments, SqlToBikOperator),
    "mapping-arguments": partial(_arguments, EventMapping),
    "column-arguments": partial(_arguments, Column),
    "constant-arguments": partial(_arguments, Constant),
    "catalogue": _catalogue,
    "reasons": _reasons,
    "rule": _rule,
    "answers": _answers,
    "extras": _extras,
    "errors": _errors,
    "error-tree": _error_tree,
}
"""The name in the pages -> its lines."""
