"""The operator, executed directly, from real databases to a local BIK."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import (
    BikConfigError,
    BikDatabaseError,
    BikDeliveryIncompleteError,
    BikInputChangedError,
)
from airflow_provider_bik.events import Reading
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.operators.support import Store, connection
from tests.transfers.conftest import Database
from tests.transfers.support import INPUT, Task, orders

ORDER = "eventProperties.orderId"


@pytest.mark.parametrize("fetch_size", [1, 100, 5000])
def test_every_row_of_a_database_arrives_once(
    bik: Sandbox, database: Database, tmp_path: Path, fetch_size: int
) -> None:
    database.run(orders(250))
    task = Task(tmp_path, fetch_size=fetch_size)
    report = task.run()
    assert (report["read"], report["confirmed"]) == (250, 250)
    assert len(bik.ledger.counts(ORDER)) == 250
    assert bik.ledger.duplicates() == []
    assert task.files("*input*") == []


def test_parameters_are_bound_by_the_driver(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    postgres.run(orders(10))
    sql = "SELECT id, email FROM orders WHERE id > %(least)s AND email LIKE 'c%%' ORDER BY id"
    assert Task(tmp_path, sql=sql, parameters={"least": 7}).run()["confirmed"] == 3


def test_without_parameters_a_percent_sign_is_one(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    postgres.run(orders(10))
    assert Task(tmp_path, sql="SELECT id, email FROM orders WHERE email LIKE 'c1%'").run()["confirmed"] == 2


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2"], indirect=True)
def test_postgresql_keeps_the_result_and_promises_to_change_nothing(
    bik: Sandbox, database: Database, tmp_path: Path
) -> None:
    sql = """SELECT 'c@example.com' AS email, name, current_setting('transaction_read_only') AS read_only
             FROM pg_cursors"""
    Task(tmp_path, sql=sql, mapping=EventMapping(event_name="ordered", email="email")).run()
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
    assert Task(tmp_path).run()["confirmed"] == 3


def test_an_empty_result_is_a_success(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    database.run(orders(1))
    task = Task(tmp_path, sql="SELECT id, email FROM orders WHERE id > 5")
    assert task.run()["read"] == 0
    assert bik.requests == []
    assert task.files("*input*") == []


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
        task.run()
    assert bik.requests == []
    assert task.files("*input*") == []


def test_a_wrong_query_is_not_retried_where_the_driver_can_tell(
    bik: Sandbox, postgres: Database, tmp_path: Path
) -> None:
    with pytest.raises(AirflowFailException, match=r"UndefinedTable, SQLSTATE 42P01: relation .*Fix sql"):
        Task(tmp_path).run()


def test_columns_without_a_name_are_refused(bik: Sandbox, postgres: Database, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"columns without a name: number 1, 3\. Name them with AS"):
        Task(tmp_path, sql="SELECT 1, 'c@example.com' AS email, 3").run()


def test_a_statement_that_gives_no_rows_is_refused(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="sql gives no rows"):
        Task(tmp_path, sql="CREATE TABLE x (id int)").run()


def test_a_column_that_the_mapping_wants_and_the_query_lacks_is_named_before_anything_is_read(
    bik: Sandbox, database: Database, tmp_path: Path
) -> None:
    database.run(orders(3))
    task = Task(tmp_path, sql="SELECT id, email AS e_mail FROM orders")
    with pytest.raises(AirflowFailException, match="e_mail"):
        task.run()
    assert task.files("*input*") == []


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2", "duckdb"], indirect=True)
def test_a_value_that_a_database_quotes_in_its_error_is_not_passed_on(
    bik: Sandbox, database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database.run(orders(3))
    capfd.readouterr()
    with pytest.raises(AirflowFailException, match=r"refused the query \((?!.*example).*cast the value") as caught:
        Task(tmp_path, sql="SELECT CAST(email AS integer) AS id, email FROM orders").run()
    error = bik_error(caught.value)
    assert "c1@" not in str(error) + "".join(capfd.readouterr())
    assert error is not None
    assert error.__suppress_context__
    assert caught.value.__suppress_context__


def test_a_database_that_is_down_is_retried(bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://u:secret-word@127.0.0.1:1/x")
    with pytest.raises(AirflowException, match="could not be read") as caught:
        Task(tmp_path).run()
    assert isinstance(bik_error(caught.value), BikDatabaseError)
    assert not isinstance(caught.value, AirflowFailException)
    assert "secret-word" not in str(caught.value)


def test_a_connection_that_is_no_database_is_refused(
    bik: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "http://127.0.0.1:1")
    with pytest.raises(AirflowFailException, match="HttpHook, which is no DbApiHook"):
        Task(tmp_path).run()


def wrong_key(monkeypatch: pytest.MonkeyPatch, bik: Sandbox) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, password="wrong-password"))


def right_key(monkeypatch: pytest.MonkeyPatch, bik: Sandbox) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik))


def test_a_retry_reads_the_file_and_does_not_ask_the_database_again(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(orders(250))
    task = Task(tmp_path)
    wrong_key(monkeypatch, bik)
    with pytest.raises(AirflowFailException, match="API key"):
        task.run()
    assert len(task.files("*input*")) == 1
    database.run("DROP TABLE orders")
    right_key(monkeypatch, bik)
    assert task.run()["confirmed"] == 250
    assert task.files("*input*") == []


def test_a_task_cleared_after_a_failure_goes_on_from_its_file(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(250))
    task = Task(tmp_path, sending=Sending(max_concurrency=1))
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    with pytest.raises(AirflowFailException):
        task.run()
    sqlite.run("DROP TABLE orders")
    bik.faults = FaultPlan()
    task.clear()
    assert task.run()["confirmed"] == 250
    assert bik.ledger.duplicates() == []


def test_a_task_cleared_after_success_asks_the_database_again(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(3))
    task = Task(tmp_path)
    task.run()
    sqlite.run("INSERT INTO orders VALUES (4, 'c4@example.com')")
    assert task.run()["confirmed"] == 3, "a retry that finds everything done"
    task.clear()
    assert task.run()["confirmed"] == 4


def test_the_file_of_a_generation_that_a_worker_left_at_the_very_end_does_not_count_after_a_clear(
    bik: Sandbox, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite.run(orders(3))
    task = Task(tmp_path)

    def denied(_path: object, _name: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr("fsspec.implementations.local.LocalFileSystem.rm_file", denied)
        assert task.run()["confirmed"] == 3, "that a file is left is no reason to fail"
    assert len(task.files(INPUT)) == 1
    sqlite.run("INSERT INTO orders VALUES (4, 'c4@example.com')")
    task.clear()
    report = task.run()
    assert (report["confirmed"], report["possible_duplicates"]) == (4, 4)


def test_another_run_of_the_stream_goes_on_with_the_rows_that_were_read(
    bik: Sandbox, sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run(orders(250))
    break_off(bik, first := Task(tmp_path, "run 1", stream="orders of a day"))
    sqlite.run("INSERT INTO orders VALUES (1000, 'c1000@example.com')")
    report = Task(tmp_path, "run 2", stream="orders of a day").run()
    assert (report["confirmed"], report["possible_duplicates"]) == (250, 0)
    assert first.files("*input*") == []
    assert bik.ledger.duplicates() == []


def break_off(bik: Sandbox, task: Task, **changes: Any) -> None:
    """A try that ends after its first 100 events."""
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    with pytest.raises(AirflowFailException):
        task.run(sending=Sending(max_concurrency=1), **changes)
    bik.faults = FaultPlan()


CHANGED_MAPPING = EventMapping(event_name="ordered", email="email", properties={"orderId": "id", "more": "email"})
CHANGES: list[dict[str, Any]] = [
    {"sql": "SELECT id, email FROM orders WHERE id <= 200 ORDER BY id"},
    {"mapping": CHANGED_MAPPING},
    {"sql": "SELECT id, email FROM orders WHERE id <= :most ORDER BY id", "parameters": {"most": 200}},
    {"pipeline": "realtime"},
    {"reading": Reading(timezone="Asia/Kolkata")},
]
"""Each of them makes other events."""


@pytest.mark.parametrize("changes", CHANGES, ids="+".join)
def test_a_changed_query_or_mapping_is_refused_while_some_events_may_have_arrived(
    bik: Sandbox, sqlite: Database, tmp_path: Path, changes: dict[str, Any]
) -> None:
    sqlite.run(orders(250))
    break_off(bik, task := Task(tmp_path))
    with pytest.raises(AirflowFailException, match="has changed since an earlier try, which has sent") as caught:
        task.run(**changes)
    assert isinstance(bik_error(caught.value), BikInputChangedError)
    assert bik.ledger.count() == 100
    assert task.run()["confirmed"] == 250, "with the change undone it goes on"
    assert bik.ledger.duplicates() == []


@pytest.mark.parametrize("changes", CHANGES, ids="+".join)
def test_after_a_clear_it_begins_anew_with_the_change_and_names_every_event(
    bik: Sandbox, sqlite: Database, tmp_path: Path, changes: dict[str, Any]
) -> None:
    sqlite.run(orders(250))
    break_off(bik, task := Task(tmp_path))
    task.clear()
    report = task.run(if_delivered="resend", **changes)
    assert report["confirmed"] == report["possible_duplicates"] == (200 if "sql" in changes else 250)


def test_after_a_clear_it_does_not_begin_anew_if_nothing_may_be_sent_twice(
    bik: Sandbox, sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run(orders(250))
    break_off(bik, task := Task(tmp_path))
    task.clear()
    for choice in ("skip", "refuse"):
        with pytest.raises(AirflowFailException, match="has changed since an earlier try"):
            task.run(if_delivered=choice, mapping=CHANGED_MAPPING)
    assert bik.ledger.count() == 100


@pytest.mark.parametrize("changes", CHANGES, ids="+".join)
def test_while_nothing_was_sent_the_file_of_another_query_does_not_count(
    bik: Sandbox, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    sqlite.run(orders(250))
    task = Task(tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, extra={"appid": "no such extra"}))
    with pytest.raises(AirflowFailException, match="unknown extras"):
        task.run()
    right_key(monkeypatch, bik)
    report = task.run(**changes)
    assert (report["confirmed"], report["possible_duplicates"]) == (200 if "sql" in changes else 250, 0)


def test_if_the_file_of_its_rows_is_gone_the_query_runs_again_and_must_give_the_same(
    bik: Sandbox, sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run(orders(250))
    break_off(bik, task := Task(tmp_path))
    task.files(INPUT)[0].unlink()
    report = task.run()
    assert (report["confirmed"], report["possible_duplicates"]) == (250, 0)
    assert bik.ledger.duplicates() == []


def test_if_the_file_is_gone_and_the_table_has_changed_nothing_is_sent_until_a_clear(
    bik: Sandbox, sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run(orders(250))
    break_off(bik, task := Task(tmp_path))
    task.files(INPUT)[0].unlink()
    sqlite.run("DELETE FROM orders WHERE id = 3")
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    assert isinstance(bik_error(caught.value), BikInputChangedError)
    assert bik.ledger.count() == 100
    task.clear()
    report = task.run()
    assert (report["confirmed"], report["possible_duplicates"]) == (249, 249)


# By windows.

BETWEEN = "SELECT id, email FROM days WHERE placed >= {start} AND placed < {end} ORDER BY id"
STYLES = {"sqlite": (":start", ":end"), "duckdb": ("$start", "$end")}


@pytest.fixture(params=["postgres", "postgres_by_psycopg2", "sqlite", "duckdb"])
def daily(request: pytest.FixtureRequest) -> str:
    """A table with one row for each of ten days, at noon; gives the query of a window."""
    database: Database = request.getfixturevalue(request.param)
    kind = "text" if request.param == "sqlite" else "timestamptz"
    database.run(f"CREATE TABLE days (id integer, email varchar(50), placed {kind})")
    rows = ", ".join(f"({n}, 'c{n}@example.com', '2026-01-{n:02d}T12:00:00.000+00:00')" for n in range(1, 11))
    database.run(f"INSERT INTO days VALUES {rows}")
    start, end = STYLES.get(request.param, ("%(start)s", "%(end)s"))
    return BETWEEN.format(start=start, end=end)


def days(first: int, end: int) -> str:
    """The window from one day of January 2026 to another."""
    return f"2026-01-{first:02d}T00:00:00+00:00/2026-01-{end:02d}T00:00:00+00:00"


def sent(bik: Sandbox) -> dict[int, int]:
    return {int(str(key[0])): count for key, count in sorted(bik.ledger.counts(ORDER).items())}


def test_a_query_gets_the_bounds_of_its_window(bik: Sandbox, daily: str, tmp_path: Path) -> None:
    assert Task(tmp_path, sql=daily, stream="orders", window=days(3, 5)).run()["confirmed"] == 2
    assert sent(bik) == {3: 1, 4: 1}


def test_a_window_is_trimmed_to_what_no_other_one_has_sent(bik: Sandbox, daily: str, tmp_path: Path) -> None:
    for number, window in enumerate((days(3, 4), days(6, 8))):
        Task(tmp_path, f"day {number}", sql=daily, stream="orders", window=window).run()
    task = Task(tmp_path, "month", sql=daily, stream="orders", window=days(1, 11), if_delivered="trim")
    report = task.run()
    assert [part["read"] for part in report["parts"]] == [2, 2, 3]
    assert (report["read"], report["confirmed"], report["possible_duplicates"]) == (7, 7, 0)
    assert sent(bik) == dict.fromkeys(range(1, 11), 1)
    assert task.run()["already_delivered"]
    assert len(task.files("record.json")) == 5


def test_a_retry_of_a_trimmed_window_sends_what_is_left_of_it(bik: Sandbox, daily: str, tmp_path: Path) -> None:
    Task(tmp_path, "day", sql=daily, stream="orders", window=days(3, 4)).run()
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
    task = Task(tmp_path, "month", sql=daily, stream="orders", window=days(1, 11), if_delivered="trim")
    with pytest.raises(AirflowFailException):
        task.run()
    bik.faults = FaultPlan()
    assert task.run()["confirmed"] == 7
    assert sent(bik) == dict.fromkeys(range(1, 11), 1)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT id, email FROM days", "sql does not use the parameter start"),
        ("SELECT id, email FROM days WHERE at >= :start", "sql does not use the parameter end"),
        ("SELECT id, email FROM days WHERE at >= :starting AND at < :ending", "sql does not use the parameter start"),
    ],
)
def test_a_query_that_does_not_use_its_window_is_refused(
    bik: Sandbox, sqlite: Database, tmp_path: Path, sql: str, says: str
) -> None:
    with pytest.raises(AirflowFailException, match=says):
        Task(tmp_path, sql=sql, stream="orders", window=days(1, 2)).run()
    assert bik.requests == []


@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"start": 1}, "parameters must not have the name start"), ([1], "parameters must be a mapping, for start, end")],
)
def test_parameters_that_contradict_the_window_are_refused(
    bik: Sandbox, sqlite: Database, tmp_path: Path, parameters: Any, says: str
) -> None:
    sql = "SELECT id, email FROM days WHERE at >= :start AND at < :end"
    with pytest.raises(AirflowFailException, match=says):
        Task(tmp_path, sql=sql, stream="orders", window=days(1, 2), parameters=parameters).run()


def test_a_dry_run_of_a_window_reads_that_window(bik: Sandbox, daily: str, tmp_path: Path) -> None:
    task = Task(tmp_path, sql=daily, stream="orders", window=days(3, 5), dry_run=True)
    assert task.run()["deliverable"] == 2
    assert not task.state.exists()


def test_a_dry_run_checks_every_row_and_leaves_nothing(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(orders(250))
    task = Task(tmp_path)
    wrong_key(monkeypatch, bik)
    with pytest.raises(AirflowFailException):
        task.run()
    [file] = task.files("*input*")
    assert task.run(dry_run=True)["deliverable"] == 250
    assert task.files("*input*") == [file]
    database.run("UPDATE orders SET email = '' WHERE id = 7")
    with pytest.raises(AirflowFailException, match=r"identity_missing \(at row 7: email and phoneNumber\)"):
        task.run(dry_run=True)
    assert task.files("*input*") == [file]
    assert bik.ledger.count() == 0


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"

SLOW = {
    "postgres": "SELECT 1 AS id, 'c@example.com' AS email, pg_sleep(250)",
    "mariadb": "SELECT a.seq AS id, 'c' AS email FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq = 0",
    "sqlite": f"{NUMBERS} SELECT max(i) AS id, 'c' AS email FROM n",
    "duckdb": "SELECT sum(a.range * b.range) AS id, 'c' AS email FROM range(10000000) a, range(10000000) b",
}


@pytest.mark.parametrize(
    ("database", "sql"),
    [
        ("postgres", SLOW["postgres"]),
        ("postgres_by_psycopg2", SLOW["postgres"]),
        ("mariadb", SLOW["mariadb"]),
        ("mariadb_by_connector", SLOW["mariadb"]),
        ("sqlite", SLOW["sqlite"]),
        ("duckdb", SLOW["duckdb"]),
    ],
    indirect=["database"],
    ids=["psycopg 3", "psycopg 2", "mysqlclient", "mysql-connector", "sqlite", "duckdb"],
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
        task.run()
    killer.join()
    assert isinstance(bik_error(caught.value), BikDeliveryIncompleteError)
    assert not isinstance(caught.value, AirflowFailException)
    assert task.files("*input*") == []


def test_on_kill_ends_an_extraction_between_two_fetches(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    endless = f"{NUMBERS} SELECT i AS id, 'c' AS email FROM n"
    task = Task(tmp_path, sql=endless, fetch_size=10)

    def kill() -> None:
        while not task.files("*input*"):
            time.sleep(0.01)
        assert task.operator is not None
        task.operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AirflowException, match="a retry is safe"):
        task.run()
    killer.join()
    assert task.files("*input*") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fetch_size": 0}, "fetch_size must be a whole number from 1"),
        ({"fetch_size": True}, "fetch_size must be"),
        ({"events": []}, "takes no events"),
        ({"window": days(1, 2)}, "window is given without stream"),
        ({"if_delivered": "fail"}, "if_delivered must be one of"),
    ],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        SqlToBikOperator(task_id="send", **{"sql": "SELECT 1", "conn_id": "shop", **arguments})


@pytest.mark.parametrize("argument", ["sql", "conn_id"])
def test_what_it_cannot_guess_must_be_given(argument: str) -> None:
    given = {"sql": "SELECT 1", "conn_id": "shop"}
    del given[argument]
    with pytest.raises((TypeError, AirflowException), match=argument):
        SqlToBikOperator(task_id="send", **given)  # type: ignore[arg-type]  # that is the point


def test_there_must_be_a_place_for_the_rows(bik: Sandbox, sqlite: Database, tmp_path: Path) -> None:
    sqlite.run(orders(3))
    for store in (None, Store()):
        task = Task(tmp_path, state_path=None)
        task.store = store
        with pytest.raises(AirflowFailException, match=r"is kept in a file until it is delivered\. Give a state_path"):
            task.run()
    assert Task(tmp_path, state_path=None, dry_run=True).run()["deliverable"] == 3
    assert bik.requests == []
