"""Tables that the code knows better than a page: `python -m docs.tables` writes them into the Markdown.

A page holds a table between two comments, ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A test fails when one
of them is not what the code says. Tables of examples are made by running the code on the examples.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

# Airflow writes a configuration file when it is imported, and these tables have no business in $HOME.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
os.environ.setdefault("AIRFLOW_HOME", _HOME.name)

import msgspec  # noqa: E402 - as below

from airflow_provider_bik import errors  # noqa: E402 - some of these import Airflow, which needs the lines above
from airflow_provider_bik.cli.commands import COMMANDS  # noqa: E402 - as above
from airflow_provider_bik.delivery import Sending, StopReason  # noqa: E402 - as above
from airflow_provider_bik.delivery.answers import ANSWERS  # noqa: E402 - as above
from airflow_provider_bik.events import (  # noqa: E402 - as above
    Column,
    Constant,
    Contract,
    Each,
    EncodedEvent,
    Encoder,
    EventMapping,
    Item,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.events.casts import CASTS  # noqa: E402 - as above
from airflow_provider_bik.events.pipeline import RULE  # noqa: E402 - as above
from airflow_provider_bik.get_provider_info import get_provider_info  # noqa: E402 - as above
from airflow_provider_bik.hooks.bik import EXTRAS  # noqa: E402 - as above
from airflow_provider_bik.inputs.formats import SIGNS  # noqa: E402 - as above
from airflow_provider_bik.operators.bik import BikSendEventsOperator  # noqa: E402 - as above
from airflow_provider_bik.operators.metrics import METRICS  # noqa: E402 - as above
from airflow_provider_bik.state.progress import DeliveryProgress  # noqa: E402 - as above
from airflow_provider_bik.state.record import Generation, Record  # noqa: E402 - as above
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator  # noqa: E402 - as above
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator  # noqa: E402 - as above
from docs.forms import FORMS  # noqa: E402 - as above
from docs.reference import reference  # noqa: E402 - as above
from tests.compat.matrix import COMBINATIONS, RELEASES, key, seen  # noqa: E402 - as above

__all__ = ["PAGES", "TABLES", "arguments_of", "public_errors", "written"]

HERE = Path(__file__).parent
_MOST_ENDINGS = 10
PAGES = [HERE.parent / "README.md", *sorted(page for page in HERE.rglob("*.md") if "_build" not in page.parts)]

_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def written(page: str) -> str:
    """The text of a page with its tables as the code has them now.

    Raises:
        KeyError: It asks for a table that does not exist.
    """
    return _PLACE.sub(lambda found: "\n".join([found[1].rstrip(), "", *TABLES[found[2]](), "", found[3]]), page)


def arguments_of(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a class's own; those of every operator hide behind its ``kwargs``."""
    return {name: given for name, given in inspect.signature(kind).parameters.items() if name != "kwargs"}


def public_errors() -> list[type[errors.BikError]]:
    """The tree of errors, root first, in the order of the module."""
    named = [getattr(errors, name) for name in errors.__all__]
    return sorted(named, key=lambda error: inspect.getsourcelines(error)[1])


# What docstrings say.


def _arguments(kind: type) -> list[str]:
    meanings = _documented(kind, "Args")
    rows = []
    for name, given in arguments_of(kind).items():
        needed = given.default is inspect.Parameter.empty
        told = f"`{given.annotation}`, required" if needed else f"`{given.annotation} = {_default(given.default)}`"
        template = " *Template.*" if name in getattr(kind, "template_fields", ()) else ""
        rows.append([f"`{name}`", told, meanings[name] + template])
    return _table(["argument", "type and default", "meaning"], rows)


def _default(value: object) -> str:
    return repr(value.value) if isinstance(value, str) and hasattr(value, "value") else repr(value)


def _attributes(kind: type) -> list[str]:
    return _table(["key", "meaning"], ([f"`{name}`", text] for name, text in _documented(kind, "Attributes").items()))


def _documented(kind: type, section: str) -> Mapping[str, str]:
    """Read a section of a docstring in Google's style."""
    found = re.search(rf"^{section}:\n(.*?)(?:\n\n|\Z)", inspect.getdoc(kind) or "", re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", found[1] if found else "", re.MULTILINE)
    # What is a template is told by the operator itself.
    return {name: _one_line(text).removesuffix(" (template)") for name, text in entries}


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("``", "`").strip()


# What stands in the code as data.


def _reasons() -> list[str]:
    rows = ([f"`{each.value}`", _code(each.explanation)] for each in Reason)
    return _table(["code", "meaning, and what to fix"], rows)


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
    return re.sub(r"(?<![`\w])\w+_\w+(?:=(?:'\w+'|\w+))?(?![`\w])", r"`\g<0>`", text)


def _extras() -> list[str]:
    return _table(["extra", "meaning"], ([f"`{name}`", text] for name, text in EXTRAS.items()))


def _options() -> list[str]:
    rows = []
    for name, option in get_provider_info()["config"]["bik"]["options"].items():
        default = f"`{option['default']}`" if option["default"] is not None else "none"
        rows.append([f"`{name}`", f"`AIRFLOW__BIK__{name.upper()}`", default, _one_line(option["description"])])
    return _table(["option of `[bik]`", "as a variable", "default", "meaning"], rows)


def _errors() -> list[str]:
    rows = []
    for error in public_errors()[1:]:
        told = (inspect.getdoc(error) or "").split("\n\n")[0]
        in_airflow = "`AirflowException`, retried" if error.retry_can_help else "`AirflowFailException`, not retried"
        rows.append([f"`{error.__name__}`", _one_line(told), in_airflow])
    return _table(["error", "meaning", "in Airflow"], rows)


def _early_ends() -> list[str]:
    meanings = {
        StopReason.OUT_OF_REACH: "no definite answer for `give_up_after` seconds, or `max_attempts` on one batch",
        StopReason.THROTTLED: "BIK asked for a pause of more than 300 s",
        StopReason.CANCELLED: "the task was ended from outside",
        StopReason.NEARLY_ALL_REJECTED: "BIK rejected nearly every event",
        StopReason.FATAL_ANSWER: "an answer that every further request would get too",
        StopReason.FAILED: "something could not be read or written",
    }
    return _table(["`stopped_by`", "meaning"], ([f"`{each.value}`", meanings[each]] for each in StopReason))


def _metrics() -> list[str]:
    rows = []
    for metric in METRICS:
        endings = ", ".join(f"`{ending}`" for ending in metric.endings)
        name = f"`{metric.name}.…`: {endings}" if endings and len(metric.endings) <= _MOST_ENDINGS else ""
        name = name or (f"`{metric.name}.<reason code>`" if metric.endings else f"`{metric.name}`")
        rows.append([name, metric.kind, metric.meaning])
    return _table(["name", "kind", "what it counts"], rows)


def _versions() -> list[str]:
    rows = []
    for combination in COMBINATIONS:
        if (result := seen().get(key(combination))) is not None:
            events = "{read:,} read, {received:,} arrived, {rejected:,} rejected".format(**result.events)
            tests = [f"{result.passed:,}", f"{result.skipped:,}"]
            rows.append([result.airflow, result.python, result.day, events, *tests])
    return _table(["Airflow", "Python", "day", "events of the sample DAGs", "tests passed", "skipped"], rows)


def _pins() -> list[str]:
    rows = ([release.minor, ", ".join(f"`{pin}`" for pin in release.pins)] for release in RELEASES if release.pins)
    return _table(["Airflow", "needs beside its own requirements"], rows)


def _unreadable() -> list[str]:
    return _table(["a file that is", "advice in the error"], ([sign.what, sign.advice] for sign in SIGNS))


# What the code makes of examples.

_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _made(event: Mapping[str, object], reading: Reading) -> Mapping[str, Any] | Rejection:
    result = Contract(now=_NOW, reading=reading).encode({"eventName": "ordered", "eventProperties": {}, **event})
    return msgspec.json.decode(result.body) if isinstance(result, EncodedEvent) else result


def _outcome(made: Mapping[str, Any] | Rejection, field: str) -> str:
    if isinstance(made, Rejection):
        return f"rejected: `{made.reason.value}`"
    return f"`{msgspec.json.encode(made[field]).decode()}`" if field in made else "left out, as null"


def _python(value: object) -> str:
    """A value as Python code, the same in every process."""
    if isinstance(value, set):
        return "{" + ", ".join(sorted(map(repr, value))) + "}"
    return repr(value).replace("datetime.", "").replace("tzinfo=timezone.utc", "tzinfo=UTC")


def _forms(field: str) -> list[str]:
    rows = []
    for form in FORMS:
        if form.field == field:
            became = f"`{form.result.value}`" if isinstance(form.result, Reason) else "null"
            if form.outcome in {"accepted", "changed"}:
                became = f"`{form.result}`"
            rows.append([form.form, f"`{_visible(form.example)}`", form.outcome, became])
    return _table(["form", "example", "outcome", "sent as, or why not"], rows)


def _visible(example: object) -> str:
    """An example as Python code, with what cannot be seen by its number."""
    return ascii(example) if isinstance(example, str) and not example.isprintable() else repr(example)


def _identities() -> list[str]:
    good_email, good_phone = "asha@example.com", "+919812345670"
    choices: tuple[Literal["drop", "reject"], ...] = ("drop", "reject")
    rows = []
    for email, phone in ((good_email, "98123"), ("asha(at)example.com", good_phone), ("asha(at)example.com", "98123")):
        cells = []
        for choice in choices:
            made = _made({"email": email, "phoneNumber": phone}, Reading(on_bad_identity=choice))
            kept = "phoneNumber" if email != good_email else "email"
            cells.append(_outcome(made, kept) if isinstance(made, Rejection) else f"sent with `{kept}` alone")
        rows.append([f"`{email}`", f"`{phone}`", *cells])
    return _table(["`email`", "`phoneNumber`", '`on_bad_identity="drop"`', '`"reject"`'], rows)


_VALUES = (
    "text",
    True,
    7,
    2**53 + 1,
    1.5,
    float("inf"),
    Decimal("12.50"),
    Decimal("1e30"),
    datetime(2026, 1, 5, 10, 0),  # noqa: DTZ001 - an example of a time without a zone
    datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
    date(2026, 1, 5),
    time(10, 0),
    UUID(int=7),
    {"city": "Pune", "zip": None},
    ["a", None, "b"],
    b"bytes",
    {"a", "set"},
    None,
    float("nan"),
    r"\N",
    "NULL",
    "N/A",
)


def _values() -> list[str]:
    rows = []
    for value in _VALUES:
        made = _made({"email": "asha@example.com", "eventProperties": {"p": value}}, Reading())
        properties = made if isinstance(made, Rejection) else made["eventProperties"]
        rows.append([f"`{_python(value)}`", _outcome(properties, "p")])
    return _table(["value of a property", "becomes"], rows)


_CAST_VALUES = (
    "12.50",
    " 12 ",
    "12,50",
    "1,234.50",
    "1e3",
    "",
    "yes",
    "NULL",
    7,
    7.0,
    7.5,
    True,
    Decimal("12.50"),
    "2026-01-05 10:00:00",
    datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
    date(2026, 1, 5),
    '{"sku": "A-1"}',
    {"sku": "A-1"},
    b"bytes",
)


def _casts() -> list[str]:
    rows = ([f"`{_python(value)}`", *(_cast_outcome(value, cast) for cast in CASTS)] for value in _CAST_VALUES)
    return _table(["value", *(f"`{cast}`" for cast in CASTS)], rows)


def _cast_outcome(value: object, cast: str) -> str:
    mapping = EventMapping(event_name="ordered", email="e", properties={"p": Column("v", cast=cast)})  # type: ignore[arg-type]
    encoder = Encoder(contract=Contract(now=_NOW), mapping=mapping)
    row = {"e": "asha@example.com", "v": value}
    result = next(encoder.encode_all([Item(position=0, location="", raw=row)])).result
    if isinstance(result, Rejection):
        return "rejected"
    properties = msgspec.json.decode(result.body)["eventProperties"] if result else {}
    return f"`{msgspec.json.encode(properties['p']).decode()}`" if "p" in properties else "null"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


def _flags(command: str) -> list[str]:
    described = argparse.ArgumentParser(add_help=False)
    COMMANDS[command][1](described)
    rows = []
    for action in described._actions:  # noqa: SLF001 - argparse has no other way
        name = action.option_strings[0] if action.option_strings else str(action.metavar)
        told = (action.help or "").replace("(default: %(default)s)", f"(default: `{action.default}`)") % vars(action)
        choices = f"{', '.join(f'`{choice}`' for choice in action.choices)} " if action.choices else ""
        rows.append([f"`{name}`", f"{choices}{told}".strip()])
    return _table(["argument", "meaning"], rows)


TABLES: Mapping[str, Callable[[], list[str]]] = {
    "operator-arguments": partial(_arguments, BikSendEventsOperator),
    "sql-arguments": partial(_arguments, SqlToBikOperator),
    "incremental-arguments": partial(_arguments, SqlToBikIncrementalOperator),
    "sending-arguments": partial(_arguments, Sending),
    "reading-arguments": partial(_arguments, Reading),
    "pipeline-rule-arguments": partial(_arguments, PipelineRule),
    "mapping-arguments": partial(_arguments, EventMapping),
    "column-arguments": partial(_arguments, Column),
    "constant-arguments": partial(_arguments, Constant),
    "each-arguments": partial(_arguments, Each),
    "record": partial(_attributes, Record),
    "generation": partial(_attributes, Generation),
    "api": reference,
    "check-flags": partial(_flags, "check"),
    "send-flags": partial(_flags, "send"),
    "reasons": _reasons,
    "rule": _rule,
    "answers": _answers,
    "early-ends": _early_ends,
    "extras": _extras,
    "progress": partial(_attributes, DeliveryProgress),
    "metrics": _metrics,
    "options": _options,
    "errors": _errors,
    "unreadable-files": _unreadable,
    "versions": _versions,
    "pins": _pins,
    "phones": partial(_forms, "phoneNumber"),
    "emails": partial(_forms, "email"),
    "identities": _identities,
    "times": partial(_forms, "createdAt"),
    "values": _values,
    "casts": _casts,
}
"""The name in the pages -> its lines."""


def main(arguments: Sequence[str]) -> int:
    """Write the tables into the pages; with ``--check``, only say which pages are stale."""
    stale = 0
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        if (now := written(before)) != before:
            stale += 1
            sys.stdout.write(f"{page.relative_to(HERE.parent)}\n")
            if "--check" not in arguments:
                page.write_text(now, encoding="utf-8")
    return stale if "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
