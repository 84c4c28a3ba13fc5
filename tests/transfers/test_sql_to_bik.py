"""The operator, executed directly, from real databases to a local BIK."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.errors import BikConfigError, BikDatabaseError, BikStorageError, BikDeliveryIncompleteError
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.operators.support import connection
from tests.transfers.conftest import Database
from tests.transfers.support import Task, orders

ORDER = "eventProperties.orderId"


@pytest.mark.parametrize("fetch_size", [1, 100, 5000])
def test_every_row_of_a_database_arrives_once(
    bik: Sandbox, database: Database, tmp_path: Path, fetch_size: int
) -> None:
    database.run(orders(250))
    task = Task(tmp_path, fetch_size=fetch_size)
    report = task.execute()
    assert (report["read"], report["confirmed"]) == (250, 250)
    assert len(bik.ledger.counts(ORDER)) == 250
    assert bik.ledger.duplicates() == []
    assert task.files("spool") == []


def test_parameters_are_bound_by_the_driver(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    postgres.run(orders(10))
    sql = "SELECT id, email FROM orders WHERE id > %(least)s AND email LIKE 'c%%' ORDER BY id"
    assert Task(tmp_path, sql=sql, parameters={"least": 7}).execute()["confirmed"] == 3


def test_without_parameters_a_percent_sign_is_one(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    postgres.run(orders(10))
    assert Task(tmp_path, sql="SELECT id, email FROM orders WHERE email LIKE 'c1%'").execute()["confirmed"] == 2


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2"], indirect=True)
def test_postgresql_keeps_the_result_and_promises_to_change_nothing(
    bik: Sandbox, database: Database, tmp_path: Path
) -> None:
    sql = """SELECT 'c@example.com' AS email, name, current_setting('transaction_read_only') AS read_only
             FROM pg_cursors"""
    Task(tmp_path, sql=sql, mapping=EventMapping(event_name="ordered", email="email")).execute()
    [(name, read_only)] = bik.ledger.counts("eventProperties.name", "eventProperties.read_only")
    assert str(name).startswith("bik_")
    assert read_only == "on"


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2"], indirect=True)
def test_a_connection_that_asks_for_dictionaries_gives_the_same(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    database.run(orders(3))
    separator = "&" if "?" in server else "?"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"{server}{separator}cursor=dictcursor")
    assert Task(tmp_path).execute()["confirmed"] == 3


def test_an_empty_result_is_a_success(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    database.run(orders(1))
    task = Task(tmp_path, sql="SELECT id, email FROM orders WHERE id > 5")
    assert task.execute()["read"] == 0
    assert bik.requests == []
    assert task.files("spool") == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT id, email FROM nothing", "nothing"),
        ("SELEC 1", "SELEC"),
        ("SELECT id AS email, email FROM orders", r"several columns named email\. Rename them with AS"),
        ("", "sql is empty"),
    ],
)
def test_a_wrong_query_says_what_is_wrong(
    bik: Sandbox, database: Database, tmp_path: Path, sql: str, says: str
) -> None:
    database.run(orders(3))
    task = Task(tmp_path, sql=sql)
    with pytest.raises(AirflowException, match=says):
        task.execute()
    assert bik.requests == []
    assert task.files("spool") == []


def test_a_wrong_query_is_not_retried_where_the_driver_can_tell(
    bik: Sandbox, postgres: Database, tmp_path: Path
) -> None:
    with pytest.raises(AirflowFailException, match=r"UndefinedTable, SQLSTATE 42P01: relation .*Mend sql"):
        Task(tmp_path).execute()


def test_columns_without_a_name_are_refused(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"columns without a name: number 1, 3\. Name them with AS"):
        Task(tmp_path, sql="SELECT 1, 'c@example.com' AS email, 3").execute()


def test_a_statement_that_gives_no_rows_is_refused(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="sql gives no rows"):
        Task(tmp_path, sql="CREATE TABLE x (id int)").execute()


def test_a_column_that_the_mapping_wants_and_the_query_lacks_is_named_before_anything_is_read(
    bik: Sandbox, database: Database, tmp_path: Path
) -> None:
    database.run(orders(3))
    task = Task(tmp_path, sql="SELECT id, email AS e_mail FROM orders")
    with pytest.raises(AirflowFailException, match="e_mail"):
        task.execute()
    assert task.files("spool") == []


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2", "duckdb"], indirect=True)
def test_a_value_that_a_database_quotes_in_its_error_is_not_passed_on(
    bik: Sandbox, database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database.run(orders(3))
    capfd.readouterr()
    with pytest.raises(AirflowFailException, match=r"refused the query \((?!.*example).*cast the value") as caught:
        Task(tmp_path, sql="SELECT CAST(email AS integer) AS id, email FROM orders").execute()
    assert "c1@" not in str(caught.value.__cause__) + "".join(capfd.readouterr())
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__suppress_context__


def test_a_database_that_is_down_is_retried(bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://u:secret-word@127.0.0.1:1/x")
    with pytest.raises(AirflowException, match="did not give its rows") as caught:
        Task(tmp_path).execute()
    assert isinstance(caught.value.__cause__, BikDatabaseError)
    assert not isinstance(caught.value, AirflowFailException)
    assert "secret-word" not in str(caught.value)


def test_a_connection_that_is_no_database_is_refused(
    bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "http://127.0.0.1:1")
    with pytest.raises(AirflowFailException, match="HttpHook, which is no DbApiHook"):
        Task(tmp_path).execute()


def wrong_key(monkeypatch: pytest.MonkeyPatch, bik: Sandbox) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, password="wrong-password"))


def right_key(monkeypatch: pytest.MonkeyPatch, bik: Sandbox) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik))


def test_a_retry_reads_the_spool_and_does_not_ask_the_database_again(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(orders(250))
    task = Task(tmp_path)
    wrong_key(monkeypatch, bik)
    with pytest.raises(AirflowFailException, match="API key"):
        task.execute()
    assert len(task.files("spool")) == 1
    database.run("DROP TABLE orders")
    right_key(monkeypatch, bik)
    assert task.execute()["confirmed"] == 250
    assert task.files("spool") == []


def test_a_task_cleared_after_a_failure_goes_on_from_its_spool(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(250))
    task = Task(tmp_path, max_concurrency=1)
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    with pytest.raises(AirflowFailException):
        task.execute()
    sqlite.run("DROP TABLE orders")
    bik.faults = FaultPlan()
    task.clear()
    assert task.execute()["confirmed"] == 250
    assert bik.ledger.duplicates() == []


def test_a_task_cleared_after_success_asks_the_database_again(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(3))
    task = Task(tmp_path)
    task.execute()
    sqlite.run("INSERT INTO orders VALUES (4, 'c4@example.com')")
    assert task.execute()["confirmed"] == 3, "a retry that finds everything done"
    task.clear()
    assert task.execute()["confirmed"] == 4


def test_a_spool_that_a_worker_left_at_the_very_end_does_not_count_after_a_clear(
    bik: Sandbox, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite.run(orders(3))
    task = Task(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("airflow_provider_bik.spool.Spool.remove", lambda _spool: None)
        task.execute()
    assert len(task.files("spool")) == 1
    sqlite.run("INSERT INTO orders VALUES (4, 'c4@example.com')")
    task.clear()
    assert task.execute()["confirmed"] == 4
    assert task.files("spool") == []


def test_another_run_of_the_same_delivery_asks_the_database_if_nothing_was_sent(
    bik: Sandbox, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_spool: object) -> Iterator[bytes]:
        message = "The disk is gone."
        raise BikStorageError(message)

    sqlite.run(orders(3))
    first = Task(tmp_path, "run 1", delivery_id="orders of a day")
    with monkeypatch.context() as patched:
        patched.setattr("airflow_provider_bik.spool.Spool.rows", breaks)
        with pytest.raises(AirflowException, match="The disk is gone"):
            first.execute()
    assert len(first.files("spool")) == 1
    sqlite.run("INSERT INTO orders VALUES (4, 'c4@example.com')")
    task = Task(tmp_path, "run 2", delivery_id="orders of a day")
    assert task.execute()["confirmed"] == 4
    assert task.files("spool") == []


def test_the_spool_of_another_query_does_not_count(
    bik: Sandbox, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite.run(orders(3))
    task = Task(tmp_path)
    wrong_key(monkeypatch, bik)
    with pytest.raises(AirflowFailException):
        task.execute()
    right_key(monkeypatch, bik)
    changed = "SELECT id, email, 'x' AS more FROM orders WHERE id < 3 ORDER BY id"
    mapping = EventMapping(event_name="ordered", email="email", properties={"orderId": "id", "more": "more"})
    with pytest.raises(AirflowFailException, match="not the one that an earlier try"):
        task.execute(sql=changed, mapping=mapping)
    for path in task.files("checkpoints"):
        path.unlink()
    assert task.execute(sql=changed, mapping=mapping)["confirmed"] == 2


def test_a_dry_run_checks_every_row_and_leaves_nothing(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(orders(250))
    task = Task(tmp_path)
    wrong_key(monkeypatch, bik)
    with pytest.raises(AirflowFailException):
        task.execute()
    spooled = task.files("spool")
    assert task.execute(dry_run=True)["deliverable"] == 250
    assert task.files("spool") == spooled
    database.run("UPDATE orders SET email = '' WHERE id = 7")
    with pytest.raises(AirflowFailException, match=r"identity_missing \(at row 7\)"):
        task.execute(dry_run=True)
    assert task.files("spool") == spooled
    assert bik.ledger.count() == 0


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"

SLOW = {
    "postgres": "SELECT 1 AS id, 'c@example.com' AS email, pg_sleep(250)",
    "sqlite": f"{NUMBERS} SELECT max(i) AS id, 'c' AS email FROM n",
    "duckdb": "SELECT sum(a.range * b.range) AS id, 'c' AS email FROM range(10000000) a, range(10000000) b",
}


@pytest.mark.parametrize(
    ("database", "sql"),
    [
        ("postgres", SLOW["postgres"]),
        ("postgres_by_psycopg2", SLOW["postgres"]),
        ("sqlite", SLOW["sqlite"]),
        ("duckdb", SLOW["duckdb"]),
    ],
    indirect=["database"],
    ids=["psycopg 3", "psycopg 2", "sqlite", "duckdb"],
)
def test_a_query_that_takes_for_ever_is_ended_by_on_kill(
    bik: Sandbox, database: Database, tmp_path: Path, sql: str
) -> None:
    task = Task(tmp_path, sql=sql)

    def kill() -> None:
        while task.operator is None:
            time.sleep(0.01)
        time.sleep(0.5)
        task.operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AirflowException, match="told to stop while it read the database") as caught:
        task.execute()
    killer.join()
    assert isinstance(caught.value.__cause__, BikDeliveryIncompleteError)
    assert not isinstance(caught.value, AirflowFailException)
    assert task.files("spool") == []


def test_on_kill_ends_an_extraction_between_two_fetches(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    endless = f"{NUMBERS} SELECT i AS id, 'c' AS email FROM n"
    task = Task(tmp_path, sql=endless, fetch_size=10)

    def kill() -> None:
        while not task.files("spool"):
            time.sleep(0.01)
        assert task.operator is not None
        task.operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AirflowException, match="a retry is safe"):
        task.execute()
    killer.join()
    assert task.files("spool") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fetch_size": 0}, "fetch_size must be a whole number from 1"),
        ({"fetch_size": True}, "fetch_size must be"),
        ({"events": []}, "takes no events"),
        ({"file_format": "csv"}, "takes no file_format"),
        ({"watermark_path": "x"}, "watermark_path is given without watermark_column"),
        ({"watermark_start": 0}, "watermark_start is given without watermark_column"),
        ({"watermark_column": "id"}, "needs a watermark_start"),
        ({"watermark_column": "id", "watermark_start": 0}, "needs a dead_letter_path"),
        (
            {"watermark_column": "id", "watermark_start": 0, "dead_letter_path": "x", "parameters": [1]},
            "parameters must be a mapping",
        ),
        (
            {"watermark_column": "id", "watermark_start": 0, "dead_letter_path": "x", "parameters": {"watermark": 1}},
            "must not have the name watermark",
        ),
        (
            {"watermark_column": "id", "watermark_start": 0, "dead_letter_path": "x"}
            | {"delivery_id": "x", "checkpoint_path": "x"},
            "delivery_id does not go with watermark_column",
        ),
        ({"batch_size": 0}, "batch_size must be"),
    ],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        SqlToBikOperator(task_id="send", **{"sql": "SELECT 1", "conn_id": "shop", "spool_path": "x", **arguments})


@pytest.mark.parametrize("argument", ["sql", "conn_id", "spool_path"])
def test_what_it_cannot_guess_must_be_given(argument: str) -> None:
    given = {"sql": "SELECT 1", "conn_id": "shop", "spool_path": "x"}
    del given[argument]
    with pytest.raises(TypeError, match=argument):
        SqlToBikOperator(task_id="send", **given)  # type: ignore[arg-type]  # that is the point


def test_a_spool_path_that_was_rendered_to_nothing_is_refused(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="spool_path was rendered to nothing"):
        Task(tmp_path, spool_path=" ").execute()
