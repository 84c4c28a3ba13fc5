"""What the pages say is what the code says."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from airflow_provider_bik import errors
from airflow_provider_bik.cli import status
from airflow_provider_bik.cli.commands import COMMANDS
from airflow_provider_bik.delivery import RejectedEvent, ReportDict, Sending, StopReason
from airflow_provider_bik.events import (
    Column,
    Constant,
    Each,
    EventMapping,
    InputEvent,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.events.casts import CASTS
from airflow_provider_bik.get_provider_info import get_provider_info
from airflow_provider_bik.hooks.bik import EXTRAS, BikHook
from airflow_provider_bik.inputs.formats import SUFFIXES, FileFormat
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox.__main__ import parser
from airflow_provider_bik.state.overview import DayState
from airflow_provider_bik.state.record import IfDelivered
from airflow_provider_bik.state.rejected_file import RejectedFile
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator
from docs.conf import picture_of
from docs.reference import PUBLIC
from docs.tables import TABLES, arguments_of, written
from tests.docs.pages import (
    DOCS,
    PAGES,
    README,
    ROOT,
    anchors,
    blocks,
    code_in,
    first_column,
    links,
    prose,
    rows,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as HTML; a warning of Sphinx is an error."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", "--builder", "html"]
    built = subprocess.run(
        [*command, "--doctree-dir", str(target / "trees"), str(DOCS), str(target / "html")],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    return target / "html"


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def methods_of_the_hook() -> Iterable[str]:
    for method in (BikHook.send_event, BikHook.send_events):
        yield method.__name__
        yield from inspect.signature(method).parameters.keys() - {"self", "event", "events"}


def sandbox_flags() -> Iterable[str]:
    return [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]  # noqa: SLF001 - argparse has no other way


def options() -> dict[str, object]:
    found: dict[str, object] = get_provider_info()["config"]["bik"]["options"]
    return found


def flags_of_status() -> Iterable[str]:
    described = argparse.ArgumentParser(add_help=False)
    status.describe(described)
    return [flag for action in described._actions for flag in action.option_strings]  # noqa: SLF001 - as above


NAMED: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    "arguments of the operator": ("operator", lambda: arguments_of(BikSendEventsOperator)),
    "arguments of Sending": ("operator", lambda: arguments_of(Sending)),
    "arguments of Reading": ("inputs", lambda: arguments_of(Reading)),
    "arguments of PipelineRule": ("events", lambda: arguments_of(PipelineRule)),
    "arguments of the transfer": ("sql", lambda: arguments_of(SqlToBikOperator)),
    "arguments of the incremental transfer": ("sql", lambda: arguments_of(SqlToBikIncrementalOperator)),
    "arguments of a mapping": ("mapping", lambda: arguments_of(EventMapping)),
    "arguments of what fills a field": (
        "mapping",
        lambda: [*arguments_of(Column), *arguments_of(Constant), *arguments_of(Each)],
    ),
    "methods of the hook": ("connection", methods_of_the_hook),
    "if_delivered": ("operator", lambda: [member.value for member in IfDelivered]),
    "report keys": ("operator", lambda: ReportDict.__annotations__),
    "early ends": ("operator", lambda: {word for stop in StopReason for word in stop.value.split()}),
    "casts": ("mapping", lambda: CASTS),
    "extras": ("connection", lambda: EXTRAS),
    "options": ("state", options),
    "reason codes": ("events", lambda: [reason.value for reason in Reason]),
    "errors": ("errors", lambda: errors.__all__),
    "formats": ("inputs", lambda: [member.value for member in FileFormat]),
    "commands": ("commands", lambda: COMMANDS),
    "flags of status": ("ui", lambda: {flag.strip("-") for flag in flags_of_status()}),
    "states of a day": ("ui", lambda: [state.value for state in DayState]),
    "flags of the sandbox": ("sandbox", lambda: {flag.strip("-") for flag in sandbox_flags()} - {"help"}),
}


@pytest.mark.parametrize(("page", "names"), NAMED.values(), ids=NAMED)
def test_the_markdown_of_a_page_names_everything_that_its_code_has(
    page: str, names: Callable[[], Iterable[str]]
) -> None:
    wanted = set(names())
    assert wanted
    assert wanted - {word.strip("-") for word in code_in(DOCS / f"{page}.md")} == set()


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"BikError"}))
def test_the_advice_for_each_error_says_whether_a_retry_is_safe(name: str) -> None:
    advice = (DOCS / "errors.md").read_text("utf-8").partition("## What to do")[2].partition("\n## ")[0]
    sections = dict(re.findall(r"^\*\*`(\w+)`\.\*\*(.*?)(?=^\*\*|\Z)", advice, re.MULTILINE | re.DOTALL))
    assert re.search(r"\bretry(?:\s\w+){0,6}\s+is\s+safe\b", sections[name])


@each_page
def test_the_tables_of_a_page_are_what_the_code_says_now(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == written(text), "run make tables"


def test_every_table_of_the_code_stands_on_a_page() -> None:
    placed = set(re.findall(r"<!-- table: ([\w-]+) -->", "".join(page.read_text("utf-8") for page in PAGES)))
    assert placed == set(TABLES)


def test_every_name_that_a_dag_of_the_pages_imports_is_in_the_reference() -> None:
    sources = [block.text for block in blocks("python", "py")]
    sources += [path.read_text("utf-8") for path in (ROOT / "dags").glob("*.py")]
    imported = re.findall(r"^from airflow_provider_bik\.([\w.]+) import (.+)$", "\n".join(sources), re.MULTILINE)
    names = {(module, name.strip()) for module, listed in imported for name in listed.split(",")}
    assert len(names) > 10
    assert {pair for pair in names if pair[1] not in PUBLIC.get(pair[0], ()) and pair[0] != "errors"} == set()


def test_a_page_that_asks_for_a_table_that_does_not_exist_is_found() -> None:
    with pytest.raises(KeyError):
        written("<!-- table: nonsense -->\n<!-- end of table -->\n")


def test_every_format_is_described_with_the_names_that_mean_it() -> None:
    table = {row.split("|")[1].strip(" `"): row.split("|")[2] for row in rows(DOCS / "inputs.md", "## Formats")}
    assert list(table) == [member.value for member in FileFormat]
    for suffix, member in SUFFIXES.items():
        assert f"`{suffix}`" in table[member.value]


def test_the_report_is_described_key_by_key_in_its_own_order() -> None:
    assert first_column(DOCS / "operator.md", "## The report") == list(typing.get_type_hints(ReportDict))


def test_if_delivered_is_described_choice_by_choice() -> None:
    described = first_column(DOCS / "operator.md", "### What was delivered before")
    assert [choice.partition("`")[0] for choice in described] == [member.value for member in IfDelivered]


def test_a_rejected_event_is_described_key_by_key_in_its_own_order(tmp_path: Path) -> None:
    rejection = Rejection(reason=Reason.REJECTED_BY_BIK, detail="")
    read = [InputEvent(position=n, location=f"[{n}]", result=None, raw={}, is_row=n == 1) for n in (0, 1)]
    file = RejectedFile(Folder(str(tmp_path)), "try")
    asyncio.run(file.write([RejectedEvent(event=event, rejection=rejection) for event in read]))
    lines = Path(file.join() or "").read_text("utf-8").splitlines()
    described = first_column(DOCS / "operator.md", "## Rejected events")
    assert [list(json.loads(line)) for line in lines] == [[*described[:-2], key] for key in described[-2:]]


def test_every_file_of_a_record_is_in_the_layout() -> None:
    layout = next(block.text for block in blocks("text") if block.page == DOCS / "state.md")
    for name in ("record.json", "input.ndjson.gz", "checkpoint.", "rejected.ndjson", "report.json", "seen."):
        assert name in layout


def test_the_json_form_of_a_mapping_on_the_page_is_one_that_the_code_takes_and_gives() -> None:
    forms = [json.loads(block.text) for block in blocks("json") if block.page == DOCS / "mapping.md"]
    (form,) = [form for form in forms if "event_name" in form]
    assert EventMapping.of(form).to_json() == form


def test_the_fields_of_the_connection_form_are_called_what_airflow_calls_them() -> None:
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    form = first_column(DOCS / "connection.md", "## The form")
    assert {f"{label} ({field})" for field, label in behaviour["relabeling"].items()} <= set(form)
    assert behaviour["placeholders"]["host"] in (DOCS / "connection.md").read_text(encoding="utf-8")


def test_every_target_of_the_makefile_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    described = first_column(DOCS / "code-map.md", "## Working on it")
    assert {f"make {target}" for target in targets[1].split()} - {"make help"} == set(described) - {"make help"}


def test_every_file_on_the_code_map_exists() -> None:
    text = (DOCS / "code-map.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.(?:py|md)|[\w/]+/)`", text)
    bases = (ROOT, ROOT / "airflow_provider_bik")
    assert len(named) > 20
    assert [name for name in named if not any((base / name).exists() for base in bases)] == []


def test_every_module_of_the_package_is_on_the_code_map() -> None:
    package = ROOT / "airflow_provider_bik"
    modules = [path.relative_to(package) for path in package.rglob("*.py") if path.name != "__init__.py"]
    text = (DOCS / "code-map.md").read_text(encoding="utf-8")
    assert [str(path) for path in modules if path.parts[0] != "sandbox" and f"`{path}`" not in text] == []


def test_the_reading_path_has_nine_steps_or_fewer() -> None:
    path = (DOCS / "code-map.md").read_text(encoding="utf-8").split("## A reading path", 1)[1].split("\n## ", 1)[0]
    assert 5 < len(re.findall(r"^\d\. ", path, re.MULTILINE)) <= 9


def test_every_design_page_is_found_from_the_table() -> None:
    listed = {path for _, path, _ in links(DOCS / "design" / "index.md")}
    assert listed == {page.name for page in (DOCS / "design").glob("*.md")} - {"index.md"}


@each_page
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for text, path, fragment in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if fragment:
            assert fragment in anchors(target), f"{path}#{fragment}"
        assert text, f"a link to {path} without a text"


@each_page
def test_a_page_is_plain_markdown_that_every_viewer_shows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^(?:```|:::)\{|^\(.*\)=$|^: ", text, re.MULTILINE) == []
    assert re.findall(r"\{\w+\}`", prose(page)) == []


def test_every_picture_drawn_from_mermaid_is_there_for_the_html() -> None:
    drawn = {picture_of(block.text) for block in blocks("mermaid")}
    assert drawn
    assert drawn == set((DOCS / "images").glob("mermaid-*.svg")), "run python -m docs.pictures"


def test_every_picture_of_a_page_is_shown_in_the_html(site: Path) -> None:
    for page in site.rglob("*.html"):
        sources = re.findall(r"(?:src|srcset)=\"([^\"]*images/[^\"]+)\"", page.read_text("utf-8"))
        assert [source for source in sources if not (page.parent / source).exists()] == []


@pytest.mark.parametrize("word", ["mend", "dead letter", "dead-letter", "spool", "delivery_id", "checkpoint_path"])
def test_words_that_mean_nothing_any_more_are_on_no_page(word: str) -> None:
    assert [page.name for page in PAGES if re.search(rf"\b{word}", page.read_text("utf-8"), re.IGNORECASE)] == []


def test_the_readme_is_read_in_five_minutes() -> None:
    read = re.sub(r"```text\n.*?```", "", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(read.splitlines()) < 120


def test_the_dag_of_ten_lines_has_ten_lines() -> None:
    block = README.read_text(encoding="utf-8").split("## A DAG of ten lines", 1)[1].split("```python\n", 1)[1]
    assert len([line for line in block.split("```", 1)[0].splitlines() if line.strip()]) <= 10


def test_no_page_needs_the_network_to_be_shown(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link|source)[^>]+(?:src|href|srcset)=\"([^\"]+)\"", page.read_text("utf-8")
        )
        assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == []
