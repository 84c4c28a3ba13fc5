"""Runs that follow each other over a growing table, from real databases to a local BIK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikConfigError, BikInputChangedError, BikSupersededError
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator
from tests.operators.support import connection, named, rejected_lines
from tests.transfers.conftest import Database
from tests.transfers.support import INPUT, Task
from tests.versions import needs_execute_in_threads

ORDER = "eventProperties.orderId"
BOUND = {"sqlite": ":watermark", "duckdb": "$watermark"}


class Runs:
    """The runs of a DAG over one table, which share the stream."""

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
        given = {"sql": self.sql, "watermark_column": "id", "start": -100, "stream": "orders", **arguments}
        return Task(self.directory, f"run {self.number}", operator=SqlToBikIncrementalOperator, **given)

    def break_off(self, task: Task) -> None:
        """A try that ends after its first 10 rows."""
        self.bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
        with pytest.raises(AirflowFailException, match="rejects every request"):
            task.run(sending=Sending(batch_size=10, max_concurrency=1))
        self.bik.faults = FaultPlan()

    @property
    def growing(self) -> Path:
        return self.directory / "state" / "streams" / "orders" / "growing"

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.growing / "record.json").read_text())
        return found

    def seen(self) -> Path:
        """What the last generation says to the one after it."""
        generation = str(self.record()["current"]["id"])
        (found,) = (self.growing / generation).glob("seen.*.json")
        return found

    def watermark(self) -> int:
        """Of the last generation."""
        reached = json.loads(self.seen().read_text())
        return int(reached["watermark"][1])

    def sent(self) -> dict[int, int]:
        return {int(str(key[0])): count for key, count in sorted(self.bik.ledger.counts(ORDER).items())}


@pytest.fixture
def runs(bik: Sandbox, sqlite: Database, tmp_path: Path) -> Runs:
    return Runs(bik, sqlite, tmp_path, BOUND["sqlite"])


@pytest.mark.parametrize("name", ["postgres", "postgres_by_psycopg2", "sqlite", "duckdb"])
def test_each_run_sends_what_is_new(bik: Sandbox, tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    runs = Runs(bik, request.getfixturevalue(name), tmp_path, BOUND.get(name, "%(watermark)s"))
    assert runs.task().run()["read"] == 0
    runs.insert(1, 2, 3)
    assert runs.task().run()["confirmed"] == 3
    assert runs.task().run()["read"] == 0
    runs.insert(3, 4, 5)
    report = runs.task().run()
    assert (report["read"], report["confirmed"], report["possible_duplicates"]) == (3, 3, 0)
    assert runs.sent() == {1: 1, 2: 1, 3: 2, 4: 1, 5: 1}
    assert runs.watermark() == 5
    assert not list(runs.growing.rglob(f"*{INPUT}*"))


def test_times_with_a_zone_are_followed_across_a_change_of_clocks(
    bik: Sandbox, database_with_zones: Database, tmp_path: Path
) -> None:
    database = database_with_zones
    database.run("CREATE TABLE visits (at timestamptz, email text)")
    database.run(
        "INSERT INTO visits VALUES ('2026-03-29 00:30+00', 'a@example.com'), ('2026-03-29 01:30+00', 'b@b.in')"
    )
    arguments: dict[str, Any] = {
        "operator": SqlToBikIncrementalOperator,
        "sql": "SELECT at, email FROM visits WHERE at >= %(watermark)s",
        "mapping": EventMapping(event_name="visited", email="email", properties={"orderId": "email"}),
        "watermark_column": "at",
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "lookback": timedelta(hours=1),
        "stream": "visits",
    }
    Task(tmp_path, "run 1", **arguments).run()
    database.run("INSERT INTO visits VALUES ('2026-03-29 00:45+00', 'c@c.in'), ('2026-03-29 00:15+00', 'd@d.in')")
    Task(tmp_path, "run 2", **arguments).run()
    assert set(bik.ledger.counts(ORDER)) == {("a@example.com",), ("b@b.in",), ("c@c.in",)}
    assert bik.ledger.duplicates() == []


@pytest.fixture
def database_with_zones(postgres: Database) -> Iterator[Database]:
    """A server whose clocks go forward in the very night: times of one zone compare by the wall in Python."""
    postgres.run("ALTER DATABASE postgres SET timezone TO 'Europe/Berlin'")
    yield postgres
    postgres.run("ALTER DATABASE postgres RESET timezone")


def test_a_late_row_within_the_lookback_is_sent_and_one_behind_it_is_not(runs: Runs) -> None:
    runs.insert(1, 5, 10)
    runs.task(lookback=5).run()
    runs.insert(4, 6)
    assert runs.task(lookback=5).run()["confirmed"] == 1
    assert runs.sent() == {1: 1, 5: 1, 6: 1, 10: 1}


def test_a_row_that_was_changed_in_place_within_the_lookback_is_sent_as_it_is_now(runs: Runs) -> None:
    runs.insert(1, 2, 3)
    runs.task(lookback=5).run()
    runs.database.run("UPDATE orders SET email = 'new@example.com' WHERE id = 2")
    assert runs.task(lookback=5).run()["confirmed"] == 1
    assert runs.sent() == {1: 1, 2: 2, 3: 1}


def test_a_longer_lookback_and_one_more_column_send_nothing_again(runs: Runs) -> None:
    runs.insert(*range(20))
    runs.task(lookback=1).run()
    more = runs.sql.replace("email", "email, 1 AS more", 1)
    assert runs.task(lookback=10, sql=more).run()["read"] == 0
    assert runs.sent() == dict.fromkeys(range(20), 1)


def test_a_rejected_row_is_passed_for_it_is_kept_and_a_clear_leaves_it_where_it_is(runs: Runs) -> None:
    runs.insert(-1, 2)
    task = runs.task(max_rejected=1)
    report = task.run()
    assert (report["rejected"], runs.watermark()) == (1, 2)
    assert runs.task(max_rejected=1).run()["read"] == 0
    task.clear()
    assert task.run(max_rejected=1)["read"] == 0
    assert [line["row"]["id"] for line in rejected_lines(report)] == [-1]


def test_more_rejected_rows_than_allowed_are_passed_only_once_they_are_allowed(runs: Runs) -> None:
    runs.insert(-1, 2)
    with pytest.raises(AirflowFailException, match="1 of 2 events were rejected"):
        runs.task().run()
    runs.insert(3)
    with pytest.raises(AirflowFailException, match="1 of 2 events were rejected"):
        runs.task().run()
    assert runs.sent() == {2: 1}
    report = runs.task(max_rejected=1).run()
    assert [(part["read"], part["rejected"]) for part in report["parts"]] == [(2, 1), (1, 0)]
    assert runs.sent() == {2: 1, 3: 1}


def test_the_next_run_ends_what_the_last_one_left_open_and_then_sends_what_is_new(runs: Runs) -> None:
    runs.insert(*range(10), 9, 9, *range(10, 20))
    runs.break_off(runs.task())
    runs.insert(20)
    report = runs.task().run()
    assert [part["read"] for part in report["parts"]] == [22, 1]
    assert (report["read"], report["confirmed"], report["possible_duplicates"]) == (23, 23, 0)
    assert runs.sent() == {**dict.fromkeys(range(21), 1), 9: 3}


def test_a_retry_reads_what_the_first_try_has_read(runs: Runs) -> None:
    runs.insert(*range(20))
    runs.break_off(task := runs.task())
    runs.insert(20)
    task.clear()
    assert task.run()["read"] == 20
    assert runs.sent() == dict.fromkeys(range(20), 1)
    assert runs.watermark() == 19
    assert runs.task().run()["confirmed"] == 1


@pytest.mark.parametrize("change", ["", " -- fixed"], ids=["the file is lost", "the query is fixed"])
def test_the_watermark_passes_no_row_that_was_not_sent(runs: Runs, change: str) -> None:
    runs.insert(*range(40))
    runs.break_off(task := runs.task())
    if change:
        with pytest.raises(AirflowFailException) as caught:
            task.run(sql=runs.sql + change)
        assert isinstance(bik_error(caught.value), BikInputChangedError)
    else:
        next(runs.growing.rglob(INPUT)).unlink()
    task.clear()
    report = task.run(sql=runs.sql + change)
    runs.task(sql=runs.sql + change).run()
    sent = runs.sent()
    assert sorted(sent) == list(range(40))
    assert {n for n, count in sent.items() if count > 1} <= named(report)


def test_if_the_file_is_lost_and_a_row_came_late_nothing_is_sent_until_a_clear_and_then_everything_is_named(
    runs: Runs,
) -> None:
    runs.insert(*range(1, 41))
    runs.break_off(task := runs.task())
    next(runs.growing.rglob(INPUT)).unlink()
    runs.insert(0)
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    assert isinstance(bik_error(caught.value), BikInputChangedError)
    task.clear()
    assert named(task.run()) == set(range(41))
    assert sorted(runs.sent()) == list(range(41))
    assert runs.task().run()["read"] == 0


def test_a_run_that_is_cleared_after_another_one_has_ended_its_work_sends_nothing_again(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.insert(1, 2)
    task = runs.task()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(runs.bik, password="wrong-password"))
    with pytest.raises(AirflowFailException):
        task.run()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(runs.bik))
    runs.task().run()
    task.clear()
    assert task.run()["read"] == 0
    assert runs.sent() == {1: 1, 2: 1}


@needs_execute_in_threads
def test_of_two_runs_at_once_the_older_one_stops(runs: Runs) -> None:
    runs.insert(1, 2)
    one, other = runs.task(), runs.task()

    def meanwhile(row: dict[str, object]) -> dict[str, object]:
        if runs.sent() == {}:
            other.run()
        return {"email": row["email"], "eventName": "ordered", "eventProperties": {"orderId": row["id"]}}

    with pytest.raises(AirflowException, match="has taken over") as caught:
        one.run(mapping=EventMapping(to_event=meanwhile))
    assert isinstance(bik_error(caught.value), BikSupersededError)
    assert not isinstance(caught.value, AirflowFailException)
    assert runs.sent() == {1: 1, 2: 1}
    assert one.run()["read"] == 0


def test_a_dry_run_leaves_the_watermark_where_it_is(runs: Runs) -> None:
    runs.insert(1)
    assert runs.task(dry_run=True).run()["deliverable"] == 1
    assert not runs.growing.exists()
    assert runs.task().run()["confirmed"] == 1


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT id AS n, email FROM orders WHERE id >= :watermark", "'id' is not among the columns of sql: n, email"),
        ("SELECT NULL AS id, email FROM orders WHERE id >= :watermark", "id of row 1 of the result is null"),
        ("SELECT -200 AS id, email FROM orders WHERE id >= :watermark", "is below the parameter watermark"),
        ("SELECT email AS id, email FROM orders WHERE id >= :watermark", "is text, but start is a number"),
        ("SELECT id, email FROM orders", "sql does not use the parameter watermark"),
    ],
)
def test_a_query_that_no_watermark_can_follow_is_refused_before_anything_is_sent(
    runs: Runs, sql: str, says: str
) -> None:
    runs.insert(1, 2)
    with pytest.raises(AirflowFailException, match=says):
        runs.task(sql=sql, mapping=EventMapping(event_name="ordered", email="email")).run()
    assert runs.bik.requests == []
    assert not list(runs.growing.rglob(f"*{INPUT}*"))
    assert runs.task().run()["confirmed"] == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "cannot be understood"), ('{"watermark": 1}', "cannot be understood"), (None, "is gone. Nothing was sent")],
)
def test_what_says_how_far_the_last_run_came_is_never_taken_for_none(
    runs: Runs, content: str | None, says: str
) -> None:
    runs.insert(1)
    runs.task().run()
    path = runs.seen()
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(AirflowFailException, match=says):
        runs.task().run()
    assert runs.sent() == {1: 1}


def test_a_state_that_is_gone_is_not_taken_for_a_first_run_where_airflow_knows_of_an_earlier_one(runs: Runs) -> None:
    runs.insert(1, 2)
    task = runs.task()
    task.more["prev_start_date_success"] = datetime(2026, 1, 1, tzinfo=UTC)
    assert named(task.run()) == {0, 1}


def test_what_earlier_runs_have_said_goes_but_for_the_last_one(runs: Runs) -> None:
    for number in range(5):
        runs.insert(number)
        runs.task().run()
    assert len(list(runs.growing.rglob("seen.*.json"))) <= 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"window": "x"}, "takes no window"),
        ({"if_delivered": "skip"}, "takes no if_delivered"),
        ({"stream": None}, "needs a stream"),
        ({"start": None}, "start must be a number"),
        ({"lookback": -1}, "lookback must be a number from 0"),
    ],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(arguments: dict[str, Any], says: str) -> None:
    given = {"sql": "SELECT 1", "conn_id": "shop", "watermark_column": "id", "start": 0, "stream": "orders"}
    with pytest.raises(BikConfigError, match=says):
        SqlToBikIncrementalOperator(task_id="send", **{**given, **arguments})


@pytest.mark.parametrize(
    ("parameters", "says"),
    [([1], "parameters must be a mapping"), ({"watermark": 1}, "must not have the name watermark")],
)
def test_parameters_that_contradict_the_watermark_are_refused(runs: Runs, parameters: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        runs.task(parameters=parameters).run()


def test_a_stream_that_grows_is_not_sent_in_another_way(runs: Runs) -> None:
    runs.insert(1)
    runs.task().run()
    with pytest.raises(AirflowFailException, match="was delivered by a watermark before"):
        Task(runs.directory, "another", stream="orders").run()
