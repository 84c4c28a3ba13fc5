"""Runs of one task with a watermark, from real databases to a local BIK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.errors import BikWatermarkMovedError
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import connection
from tests.transfers.conftest import Database
from tests.transfers.support import Task

ORDER = "eventProperties.orderId"
BOUND = {"sqlite": ":watermark", "duckdb": "$watermark"}


class Runs:
    """The runs of a DAG over one table, which share the watermark."""

    def __init__(self, bik: Sandbox, database: Database, directory: Path, bound: str = "%(watermark)s") -> None:
        self.bik, self.database, self.directory = bik, database, directory
        self.sql = f"SELECT id, email FROM orders WHERE id >= {bound} ORDER BY id"
        self.number = 0
        database.run("CREATE TABLE orders (id integer, email varchar(50))")

    def insert(self, *ids: int) -> None:
        rows = ", ".join(f"({n}, '{f'c{n}@example.com' if n >= 0 else ''}')" for n in ids)
        self.database.run(f"INSERT INTO orders VALUES {rows}")

    def task(self, **arguments: Any) -> Task:
        self.number += 1
        return Task(
            self.directory,
            f"run {self.number}",
            **{
                "sql": self.sql,
                "watermark_column": "id",
                "watermark_start": -100,
                "watermark_path": str(self.directory / "watermarks"),
                **arguments,
            },
        )

    def state(self) -> dict[str, Any]:
        [path] = (self.directory / "watermarks").iterdir()
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def sent(self) -> dict[int, int]:
        return {int(str(key[0])): count for key, count in sorted(self.bik.ledger.counts(ORDER).items())}


@pytest.fixture
def runs(bik: Sandbox, sqlite: Database, tmp_path: Path) -> Runs:
    return Runs(bik, sqlite, tmp_path, BOUND["sqlite"])


@pytest.mark.parametrize("name", ["postgres", "postgres_by_psycopg2", "sqlite", "duckdb"])
def test_each_run_sends_what_is_new(bik: Sandbox, tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    runs = Runs(bik, request.getfixturevalue(name), tmp_path, BOUND.get(name, "%(watermark)s"))
    assert runs.task().execute()["read"] == 0
    runs.insert(1, 2, 3)
    assert runs.task().execute()["confirmed"] == 3
    assert runs.task().execute()["read"] == 0
    runs.insert(3, 4, 5)
    report = runs.task().execute()
    assert (report["read"], report["confirmed"]) == (3, 3)
    assert runs.sent() == {1: 1, 2: 1, 3: 2, 4: 1, 5: 1}
    assert (runs.state()["watermark"], runs.state()["generation"]) == (5, 2)
    assert runs.task(spool_path=str(tmp_path / "s")).files("spool") == []


def test_times_with_a_zone_work_as_a_cursor(bik: Sandbox, database_with_zones: Database, tmp_path: Path) -> None:
    database = database_with_zones
    database.run("CREATE TABLE visits (at timestamptz, email text)")
    database.run("INSERT INTO visits VALUES ('2026-03-29 00:30+00', 'a@example.com'), ('2026-03-29 01:30+00', 'b')")
    arguments: dict[str, Any] = {
        "sql": "SELECT at, email FROM visits WHERE at >= %(watermark)s ORDER BY at",
        "mapping": EventMapping(event_name="visited", email="email", properties={"orderId": "email"}),
        "watermark_column": "at",
        "watermark_start": datetime(2026, 1, 1, tzinfo=UTC),
        "watermark_lookback": timedelta(hours=1),
        "watermark_path": str(tmp_path / "watermarks"),
    }
    Task(tmp_path, "run 1", **arguments).execute()
    database.run("INSERT INTO visits VALUES ('2026-03-29 00:45+00', 'late'), ('2026-03-29 00:15+00', 'too late')")
    Task(tmp_path, "run 2", **arguments).execute()
    assert set(bik.ledger.counts(ORDER)) == {("a@example.com",), ("b",), ("late",)}
    assert bik.ledger.duplicates() == []


@pytest.fixture
def database_with_zones(postgres: Database) -> Iterator[Database]:
    """A server whose clocks go forward in the very night: times of one zone compare by the wall in Python."""
    postgres.run("ALTER DATABASE postgres SET timezone TO 'Europe/Berlin'")
    yield postgres
    postgres.run("ALTER DATABASE postgres RESET timezone")


def test_a_rejected_row_is_settled_for_its_dead_letter_is_kept(runs: Runs) -> None:
    runs.insert(-1, 2)
    with pytest.raises(AirflowFailException, match="1 of 2 events were rejected"):
        runs.task().execute()
    assert runs.state()["watermark"] == 2
    assert runs.task().execute()["read"] == 0
    assert len(list((runs.directory / "dead").iterdir())) == 1


def test_a_failed_run_moves_the_watermark_to_what_is_settled_and_the_next_run_sends_the_rest(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.insert(*range(10), 9, 9, *range(10, 20))
    runs.bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    with pytest.raises(AirflowFailException):
        runs.task(batch_size=10, max_concurrency=1).execute()
    assert runs.state()["watermark"] == 8, "three rows share the 9, and one of them went out"
    runs.bik.faults = FaultPlan()
    runs.insert(20)
    assert runs.task(batch_size=10).execute()["confirmed"] == 13
    assert runs.sent() == {**dict.fromkeys(range(21), 1), 9: 3}


def test_a_retry_reads_within_the_bounds_of_the_first_try(runs: Runs) -> None:
    runs.insert(*range(20))
    runs.bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    task = runs.task(batch_size=10, max_concurrency=1)
    with pytest.raises(AirflowFailException):
        task.execute()
    runs.insert(20)
    runs.bik.faults = FaultPlan()
    task.clear()
    assert task.execute()["read"] == 20
    assert runs.sent() == dict.fromkeys(range(20), 1)
    assert (runs.state()["watermark"], runs.state()["generation"]) == (19, 1)
    assert runs.task().execute()["confirmed"] == 1


def test_a_cleared_run_does_not_send_what_another_run_has_read_since(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.insert(1, 2)
    task = runs.task()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(runs.bik, password="wrong-password"))
    with pytest.raises(AirflowFailException):
        task.execute()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(runs.bik))
    runs.task().execute()
    with pytest.raises(AirflowFailException, match=r"The run dag__run-2__send.* has moved .*This try has sent nothing"):
        task.execute()
    assert runs.sent() == {1: 1, 2: 1}


def test_two_runs_at_once_do_not_race_silently(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.insert(1, 2)
    one, other = runs.task(), runs.task()

    def meanwhile(row: dict[str, object]) -> dict[str, object]:
        if runs.sent() == {}:
            other.execute()
        return {"email": row["email"], "eventName": "ordered", "eventProperties": {"orderId": row["id"]}}

    with pytest.raises(AirflowFailException, match=r"Nothing is lost.* has sent 2 rows.* sent twice") as caught:
        one.execute(mapping=EventMapping(to_event=meanwhile))
    assert isinstance(caught.value.__cause__, BikWatermarkMovedError)
    assert one.pushed["report"]["confirmed"] == 2
    assert runs.sent() == {1: 2, 2: 2}
    assert runs.state()["owner"].startswith("dag__run-2__")
    assert runs.task().execute()["read"] == 0


def test_a_dry_run_leaves_the_watermark_where_it_is(runs: Runs) -> None:
    runs.insert(1)
    assert runs.task(dry_run=True).execute()["deliverable"] == 1
    assert not (runs.directory / "watermarks").exists()
    assert runs.task().execute()["confirmed"] == 1


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT id, email FROM orders WHERE id >= :watermark ORDER BY id DESC", "add ORDER BY id"),
        ("SELECT id AS n, email FROM orders WHERE id >= :watermark", "'id' is not among the columns of sql: n, email"),
        ("SELECT NULL AS id, email FROM orders WHERE id >= :watermark", "id of row 1 of the result is null"),
        ("SELECT -200 AS id, email FROM orders WHERE id >= :watermark", "is below the bound"),
        ("SELECT email AS id, email FROM orders WHERE id >= :watermark ORDER BY id", "is text, but watermark_start"),
    ],
)
def test_a_query_that_no_watermark_can_follow_is_refused_before_anything_is_sent(
    runs: Runs, sql: str, says: str
) -> None:
    runs.insert(1, 2)
    with pytest.raises(AirflowFailException, match=says):
        runs.task(sql=sql, mapping=EventMapping(event_name="ordered", email="email")).execute()
    assert runs.bik.requests == []
    assert runs.task().files("spool") == []


def test_changed_columns_are_said_in_the_log(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    runs.insert(1)
    runs.task().execute()
    runs.task(sql=runs.sql.replace("email", "email, 1 AS more", 1)).execute()
    assert "The columns of the query have changed, so that the 1 rows" in caplog.text
    assert runs.sent() == {1: 2}


def test_a_state_that_somebody_broke_is_not_taken_for_none(runs: Runs) -> None:
    runs.insert(1)
    runs.task().execute()
    [path] = (runs.directory / "watermarks").iterdir()
    for content, says in (("{", "is not JSON"), ('{"watermark": 1}', "cannot be read")):
        path.write_text(content)
        with pytest.raises(AirflowFailException, match=f"{says}.*begin"):
            runs.task().execute()
    assert runs.sent() == {1: 1}


def test_there_must_be_a_place_for_the_watermark(runs: Runs) -> None:
    with pytest.raises(AirflowFailException, match="Give watermark_path"):
        runs.task(watermark_path=None).execute()


def test_a_dead_letter_path_that_was_rendered_to_nothing_is_refused(runs: Runs) -> None:
    with pytest.raises(AirflowException, match="a watermark needs it"):
        runs.task().execute(rendered={"dead_letter_path": ""})
