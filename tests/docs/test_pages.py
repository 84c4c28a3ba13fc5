"""What the pages say is what the code says."""

from __future__ import annotations

import asyncio
import html
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
from airflow_provider_bik.dead_letters import DeadLetterFile
from airflow_provider_bik.delivery import DeadLetter, ReportDict
from airflow_provider_bik.delivery.settling import Stop
from airflow_provider_bik.events import Reason, Rejection
from airflow_provider_bik.events.casts import CASTS
from airflow_provider_bik.events.catalogue import CATALOGUE
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.events.mapping import Column, Constant, EventMapping
from airflow_provider_bik.get_provider_info import get_provider_info
from airflow_provider_bik.hooks.connection import EXTRAS
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox.__main__ import parser
from airflow_provider_bik.sources import FileFormat, formats
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.watermarks import Watermark
from tests.docs.pages import DOCS, PAGES, README, ROOT, blocks, first_column, links, rows


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


def code_in(page: Path) -> set[str]:
    """Everything that a built page sets as code, split into words."""
    found = re.findall(r"<code[^>]*>(.*?)</code>|<pre[^>]*>(.*?)</pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]+>", "", " ".join(" ".join(pair) for pair in found)))
    return set(re.findall(r"[\w-]+", text))


def arguments(kind: type) -> set[str]:
    return inspect.signature(kind).parameters.keys() - {"kwargs"}


def sandbox_flags() -> Iterable[str]:
    return [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]  # noqa: SLF001 - argparse has no other way


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("operator", lambda: arguments(BikSendEventsOperator)),
        ("operator", lambda: ReportDict.__annotations__),
        ("operator", lambda: {word for stop in Stop for word in stop.value.split()}),
        ("mapping", lambda: arguments(EventMapping) | arguments(Column) | arguments(Constant)),
        ("sql", lambda: arguments(SqlToBikOperator)),
        ("sql", lambda: Watermark.__struct_fields__),
        ("mapping", lambda: CASTS),
        ("mapping", lambda: {*CATALOGUE, *(name for known in CATALOGUE.values() for name in known)}),
        ("connection", lambda: EXTRAS),
        ("events", lambda: [reason.value for reason in Reason]),
        ("errors", lambda: errors.__all__),
        ("sources", lambda: [member.value for member in FileFormat]),
        ("sandbox", lambda: set(sandbox_flags()) - {"--help"}),
    ],
    ids=[
        "arguments",
        "report keys",
        "early ends",
        "arguments of a mapping",
        "arguments of the transfer",
        "keys of a watermark",
        "casts",
        "catalogue",
        "extras",
        "reason codes",
        "errors",
        "formats",
        "flags of the sandbox",
    ],
)
def test_a_page_names_everything_that_its_code_has(site: Path, page: str, names: Callable[[], Iterable[str]]) -> None:
    wanted = set(names())
    assert wanted
    assert wanted - code_in(site / f"{page}.html") == set()


def test_every_format_is_described_with_the_names_that_mean_it() -> None:
    table = {row.split("|")[1].strip(" `"): row.split("|")[2] for row in rows(DOCS / "sources.md", "## Formats")}
    assert list(table) == [member.value for member in FileFormat]
    for suffix, member in formats.SUFFIXES.items():
        assert f"`{suffix}`" in table[member.value]


def test_the_report_is_described_key_by_key_in_its_own_order() -> None:
    assert first_column(DOCS / "operator.md", "## The report") == list(typing.get_type_hints(ReportDict))


def test_a_dead_letter_is_described_key_by_key_in_its_own_order(tmp_path: Path) -> None:
    rejection = Rejection(reason=Reason.REFUSED, detail="")
    sources = [InputEvent(position=n, place=f"[{n}]", raw={}, is_row=is_row) for n, is_row in enumerate([False, True])]
    file = DeadLetterFile(str(tmp_path), "letters.ndjson")
    asyncio.run(file.write([DeadLetter(source=source, rejection=rejection) for source in sources]))
    file.join()
    written = [json.loads(line) for line in (tmp_path / "letters.ndjson").read_text("utf-8").splitlines()]
    described = first_column(DOCS / "operator.md", "## Dead letters")
    assert [list(letter) for letter in written] == [[*described[:-2], key] for key in described[-2:]]


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
    assert described == [f"make {target}" for target in targets[1].split()]


def test_every_file_on_the_code_map_exists() -> None:
    text = (DOCS / "code-map.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([\w/]+\.(?:py|md)|[\w/]+/)`", text) if name != "docs/"]
    places = (ROOT, ROOT / "airflow_provider_bik", ROOT / "dags")
    assert len(named) > 20
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_every_module_of_the_package_is_on_the_code_map() -> None:
    package = ROOT / "airflow_provider_bik"
    modules = [path.relative_to(package) for path in package.rglob("*.py") if path.name != "__init__.py"]
    text = (DOCS / "code-map.md").read_text(encoding="utf-8")
    assert [path for path in modules if path.parts[0] != "sandbox" and f"{path}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(site: Path, page: Path) -> None:
    for path, fragment in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if fragment and target.is_relative_to(DOCS):
            built = (site / target.relative_to(DOCS)).with_suffix(".html")
            assert f'id="{fragment}"' in built.read_text(encoding="utf-8"), f"{path}#{fragment}"


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 120


def test_the_dag_of_ten_lines_has_ten_lines() -> None:
    block = README.read_text(encoding="utf-8").split("## A DAG of ten lines", 1)[1].split("```python\n", 1)[1]
    assert len([line for line in block.split("```", 1)[0].splitlines() if line.strip()]) <= 10


def test_no_page_needs_the_network_to_be_shown(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link|source)[^>]+(?:src|href|srcset)=\"([^\"]+)\"", page.read_text("utf-8")
        )
        assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == []
