"""Every piece of Python on the pages runs: as a file of a DAGs folder, in a real Airflow, against a local BIK."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from airflow_provider_bik.inputs.sql import database_hook
from airflow_provider_bik.sandbox import Sandbox
from tests.docs.pages import DOCS, Block, blocks
from tests.mariadb import mariadb_server
from tests.operators.support import KEY, SECRET, connection, event
from tests.postgres import postgres_server
from tests.versions import returned, run

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

FRAGMENTS = {DOCS / "dags.md": "shows what to change in a DAG of dags/, which has its own tests"}
"""Pages whose Python is no file of its own, and why."""

EXPORTS = DOCS / "from-your-export.md"
SAMPLES = Path(__file__).parent / "exports"

HOW_TO = {DOCS / f"howto-{name}.md": name for name in ("postgresql", "mysql")}
"""Pages about one kind of database, which have tests of their own."""

ONLY_PARSED = {DOCS / f"howto-{name}.md" for name in ("snowflake", "bigquery")}
"""Pages about databases that no test can have."""

SNIPPETS = [block for block in blocks("python", "py") if block.page not in FRAGMENTS]

ORDERS = """
CREATE TABLE orders AS
SELECT n AS id, 'customer' || n || '@example.com' AS email, '98123' || lpad(n::text, 5, '0') AS phone,
       (n * 1.01)::numeric(10, 2) AS total, now() - interval '1 day' AS placed_at, now() AS created,
       '[{"sku": "A-1"}]'::jsonb AS items, 'not for BIK' AS note
FROM generate_series(1, 250) AS n
"""
ORDERS_OF_MARIADB = """
CREATE OR REPLACE TABLE shop.orders AS
SELECT seq AS id, concat('customer', seq, '@example.com') AS email, concat('98123', lpad(seq, 5, '0')) AS phone,
       seq * 1.01 AS total, seq % 2 = 0 AS is_gift, '[{"sku": "A-1"}]' AS items,
       utc_timestamp(3) - INTERVAL 1 DAY AS placed_at, 'not for BIK' AS note
FROM seq_1_to_250
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """A real database with the table of orders that the pages query; gives its URI."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415 - needed here only

    with postgres_server() as uri, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SHOP", uri)
        PostgresHook("shop").run(ORDERS)
        yield uri


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: str) -> Iterator[Sandbox]:
    """A local BIK, and what the pages take for granted: Connections, a place for files and one for state."""
    warehouse = tmp_path / "warehouse.db"
    with sqlite3.connect(warehouse) as made:
        made.executescript((SAMPLES / "snowflake_to_bik.sql").read_text("utf-8"))
    made.close()
    with Sandbox(api_key=KEY, api_secret=SECRET, keep_bodies=True) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop)
        monkeypatch.setenv(
            "AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps({"conn_type": "sqlite", "host": str(warehouse)})
        )
        monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", f"file://{tmp_path}/state")
        monkeypatch.setenv("STAGING", f"file://{tmp_path}/staging")
        yield sandbox


def run_snippet(tmp_path: Path, snippet: Block, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run the DAGs of a snippet; gives the id and the report of each."""
    folder = tmp_path / "dags"
    folder.mkdir()
    (tmp_path / "staging").mkdir()
    (folder / "snippet.py").write_text(snippet.text, encoding="utf-8")
    bag = DagBag(dag_folder=str(folder), safe_mode=False)
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        if not dag.has_task("send"):
            # It waits for another DAG of the snippet.
            continue
        dag_run = run(dag, run_conf={"path": str(path)})
        assert dag_run.state == "success"
        yield dag.dag_id, returned(dag_run, "send")


@pytest.mark.parametrize(
    "snippet", [each for each in SNIPPETS if each.page not in {EXPORTS, *HOW_TO, *ONLY_PARSED}], ids=str
)
def test_a_snippet_runs_and_a_dag_in_it_delivers(bik: Sandbox, tmp_path: Path, snippet: Block) -> None:
    fixed = tmp_path / "fixed.ndjson"
    fixed.write_text(json.dumps({"bik_rejected": 1, "attempts": 2, "event": event()}) + "\n", encoding="utf-8")
    for _, report in run_snippet(tmp_path, snippet, fixed):
        assert report["confirmed"] == bik.ledger.count() > 0
        assert report["read"] == report["confirmed"] + report["skipped"]
    assert bik.ledger.counts("pipeline").keys() <= {("realtime",), ("migration",)}


@pytest.mark.parametrize("snippet", [each for each in SNIPPETS if each.page == EXPORTS], ids=str)
def test_a_mapping_for_an_export_makes_the_event_that_the_page_shows(
    bik: Sandbox, tmp_path: Path, snippet: Block
) -> None:
    shown = next(block for block in blocks("json") if block.page == EXPORTS and block.line > snippet.line)
    dag_id = next(line for line in snippet.text.splitlines() if line.startswith("def ") and "_to_bik" in line)[4:-3]
    sample = next(SAMPLES.glob(f"{dag_id}.*"))
    ((ran, report),) = run_snippet(tmp_path, snippet, sample)
    assert ran == dag_id
    assert report["rejected"] == report["unresolved"] == 0
    assert report["confirmed"] == bik.ledger.count() > 0
    body: Any = json.loads(bik.requests[0].body or b"")
    first = body["event"] if "event" in body else body["events"][0]
    assert first == json.loads(shown.text)


@pytest.fixture
def databases(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Gives the hook of the owner of a database of the kind, with the table of orders in it."""
    with ExitStack() as opened:

        def hook(kind: str) -> Any:
            patch = opened.enter_context(pytest.MonkeyPatch.context())
            if kind == "postgresql":
                patch.setenv("AIRFLOW_CONN_SHOP", shop)
            else:
                connection = opened.enter_context(mariadb_server(tmp_path_factory.mktemp("mariadb")))
                patch.setenv("AIRFLOW_CONN_SHOP", connection)
            found = database_hook("shop")
            if kind == "mysql":
                found.run(ORDERS_OF_MARIADB)
            return found

        yield hook


def as_reader(page: Path, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the user that a page describes, and let `shop` log in as that user."""
    (rights,) = [block.text for block in blocks("sql") if block.page == page]
    owner.run([statement for statement in rights.split(";") if statement.strip()])
    stored = owner.get_connection("shop")
    stored.login, stored.password = "bik_reader", "<password>"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", stored.as_json())


@pytest.mark.parametrize("page", HOW_TO, ids=HOW_TO.get)
def test_a_database_is_read_as_its_page_says_by_the_user_that_it_describes(
    bik: Sandbox,
    databases: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: Path,
) -> None:
    as_reader(page, databases(HOW_TO[page]), monkeypatch)
    (snippet,) = [each for each in SNIPPETS if each.page == page]
    ((_, report),) = run_snippet(tmp_path, snippet, page)
    assert report["confirmed"] == report["read"] == bik.ledger.count() == 250
    body: Any = json.loads(bik.requests[0].body or b"")
    first = body["event"] if "event" in body else body["events"][0]
    assert first["phoneNumber"] == "+919812300001"
    assert first["eventProperties"]["orderId"] == "1"
    assert first["eventProperties"]["items"] == [{"sku": "A-1"}]
    assert first["eventProperties"]["firstSku"] == "A-1"
    with pytest.raises(Exception, match=r"(?i)denied"):
        database_hook("shop").get_records("SELECT note FROM orders")


@pytest.mark.parametrize("snippet", [each for each in SNIPPETS if each.page in ONLY_PARSED], ids=str)
def test_a_dag_for_a_database_that_is_not_here_is_parsed(tmp_path: Path, snippet: Block) -> None:
    (tmp_path / "snippet.py").write_text(snippet.text, encoding="utf-8")
    bag = DagBag(dag_folder=str(tmp_path), safe_mode=False)
    assert bag.import_errors == {}
    assert [task.task_id for dag in bag.dags.values() for task in dag.tasks] == ["send"]


def test_the_pages_show_dags_and_the_hook() -> None:
    text = "\n".join(snippet.text for snippet in SNIPPETS)
    assert text.count("BikSendEventsOperator(") >= 4
    assert "BikHook(" in text


def test_every_sample_of_an_export_belongs_to_a_mapping_on_the_page() -> None:
    text = EXPORTS.read_text("utf-8")
    assert [sample.name for sample in SAMPLES.iterdir() if f"def {sample.stem}()" not in text] == []
