"""Every piece of Python on the pages runs: as a file of a DAGs folder, in a real Airflow, against a local BIK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from airflow_provider_bik.sandbox import Sandbox
from tests.docs.pages import DOCS, Block, blocks
from tests.operators.support import KEY, SECRET, connection, event, returned, run
from tests.postgres import postgres_server

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db")]

FRAGMENTS = {DOCS / "dags.md": "shows what to change in a DAG of dags/, which has its own tests"}
"""Pages whose Python is no file of its own, and why."""

SNIPPETS = [block for block in blocks("python", "py") if block.page not in FRAGMENTS]


ORDERS = """
CREATE TABLE orders AS
SELECT n AS id, 'customer' || n || '@example.com' AS email, (n * 1.01)::numeric(10, 2) AS total,
       now() - interval '1 day' AS placed_at, now() AS created
FROM generate_series(1, 250) AS n
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real database with the table of orders that the pages query; gives its URI."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415 - needed here only

    with postgres_server(tmp_path_factory.mktemp("pg")) as uri, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SHOP", uri)
        PostgresHook("shop").run(ORDERS)
        yield uri


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: str) -> Iterator[Sandbox]:
    """A local BIK, and what the pages take for granted: the Connection and a place for files."""
    with Sandbox(api_key=KEY, api_secret=SECRET) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop)
        monkeypatch.setenv("STAGING", f"file://{tmp_path}/staging")
        yield sandbox


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_a_snippet_runs_and_a_dag_in_it_delivers(bik: Sandbox, tmp_path: Path, snippet: Block) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (tmp_path / "staging").mkdir()
    (folder / "snippet.py").write_text(snippet.text, encoding="utf-8")
    mended = tmp_path / "mended.ndjson"
    mended.write_text(json.dumps({"dead_letter": 1, "attempts": 2, "event": event()}) + "\n", encoding="utf-8")
    bag = DagBag(dag_folder=str(folder), safe_mode=False)
    assert bag.import_errors == {}
    for dag in bag.dags.values():
        dag_run = run(dag, run_conf={"path": str(mended)})
        assert dag_run.state == "success"
        report = returned(dag_run, "send")
        assert report["read"] == report["confirmed"] == bik.ledger.count() > 0
    assert bik.ledger.counts("pipeline").keys() <= {("realtime",), ("migration",)}


def test_the_pages_show_dags_and_the_hook() -> None:
    text = "\n".join(snippet.text for snippet in SNIPPETS)
    assert text.count("BikSendEventsOperator(") >= 4
    assert "BikHook(" in text
