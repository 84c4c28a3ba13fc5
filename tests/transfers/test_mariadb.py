"""What MySQL and MariaDB have of their own, by both drivers that Airflow knows."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.events import Column, EventMapping, Reading
from airflow_provider_bik.inputs.sql import Query, database_hook
from airflow_provider_bik.sandbox import Sandbox
from tests.docs.pages import DOCS, rows
from tests.transfers.conftest import Database
from tests.transfers.support import Task, orders

BOTH = pytest.mark.parametrize("database", ["mariadb", "mariadb_by_connector"], indirect=True)
WAYS = [
    [cell.strip().strip("`") for cell in row.strip("|").split(" | ")]
    for row in rows(DOCS / "howto-mysql.md", "## Times")
]


def first_event(bik: Sandbox) -> Any:
    body: Any = json.loads(bik.requests[0].body or b"")
    return body["event"] if "event" in body else body["events"][0]


@BOTH
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
def test_a_window_gets_its_rows_and_their_true_times_in_each_way_on_the_page(
    bik: Sandbox, database: Database, tmp_path: Path, way: list[str]
) -> None:
    column, selected, where, zone = way
    kind = column.partition("`")[0]
    # 5 January 2026 in UTC, written as the column holds it; the session is at +05:30.
    moved = timedelta() if column.endswith("in UTC") else timedelta(hours=5, minutes=30)
    ends = [datetime(2026, 1, 4, 23, 59, 59, 999000), datetime(2026, 1, 5), datetime(2026, 1, 6)]  # noqa: DTZ001 - what a column holds
    database.run(f"CREATE TABLE orders (id integer, email varchar(50), placed_at {kind}(3) NULL)")
    values = ", ".join(f"({n}, 'c{n}@example.com', '{end + moved}')" for n, end in enumerate(ends))
    database.run(f"INSERT INTO orders VALUES {values}")
    until = where.replace(">=", "<").replace("start", "end")
    task = Task(
        tmp_path,
        sql=f"SELECT id, email, {selected} FROM orders WHERE {where} AND {until}",
        mapping=EventMapping(event_name="ordered", email="email", created_at="placed_at", properties={"id": "id"}),
        reading=Reading(timezone=zone),
        stream="orders",
        window="2026-01-05T00:00:00Z/2026-01-06T00:00:00Z",
    )
    assert task.run()["confirmed"] == 1
    assert first_event(bik)["createdAt"] == "2026-01-05T00:00:00.000Z"
    assert first_event(bik)["eventProperties"] == {"id": 1}


@BOTH
def test_names_in_any_script_arrive_as_they_are(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    name = "काव्या Ødegård 😀"
    database.run("CREATE TABLE orders (email varchar(50), name varchar(50)) CHARACTER SET utf8mb4")
    database.run(f"INSERT INTO orders VALUES ('c@example.com', '{name}')")
    mapping = EventMapping(event_name="ordered", name="name", email="email")
    Task(tmp_path, sql="SELECT email, name FROM orders", mapping=mapping).run()
    assert first_event(bik)["name"] == name


@BOTH
def test_a_zero_date_is_a_missing_date_and_never_now(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    database.run("CREATE TABLE orders (email varchar(50), placed_at datetime)")
    database.run("INSERT INTO orders VALUES ('c@example.com', '0000-00-00 00:00:00')")
    mapping = EventMapping(event_name="ordered", email="email", created_at="placed_at")
    task = Task(tmp_path, sql="SELECT email, placed_at FROM orders", mapping=mapping)
    with pytest.raises(AirflowFailException, match="created_at_missing"):
        task.run()
    assert bik.requests == []


@BOTH
def test_what_the_page_advises_to_cast_arrives(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    database.run("CREATE TABLE t (gift boolean, items json, opens time, flags bit(8), tags set('a', 'b'))")
    database.run("""INSERT INTO t VALUES (true, '[{"sku": "A-1"}]', '12:30:01', b'101', 'a,b')""")
    sql = """SELECT 'c@example.com' AS email, gift, items, CAST(opens AS CHAR) AS opens, flags + 0 AS flags,
             CONCAT(tags) AS tags FROM t"""
    properties = {
        "gift": Column("gift", cast="boolean"),
        "items": Column("items", cast="json"),
        "sku": "items[0].sku",
        **{name: name for name in ("opens", "flags", "tags")},
    }
    Task(tmp_path, sql=sql, mapping=EventMapping(event_name="typed", email="email", properties=properties)).run()
    assert first_event(bik)["eventProperties"] == {
        "gift": True,
        "items": [{"sku": "A-1"}],
        "sku": "A-1",
        "opens": "12:30:01",
        "flags": 5,
        "tags": "a,b",
    }


@BOTH
def test_a_reading_that_ends_early_leaves_the_rest_of_the_rows_on_the_server(database: Database) -> None:
    sql = "SELECT seq AS id FROM seq_1_to_1000000000"
    blocks = Query(hook=database_hook("shop"), sql=sql, parameters=None, fetch_size=3).blocks()
    assert [row[0] for row in next(blocks)] == [1, 2, 3]
    blocks.close()
    running = """SELECT count(*) FROM information_schema.processlist
                 WHERE info LIKE '%seq_1_to_10000%' AND id <> connection_id()"""
    while database.rows(running) != [(0,)]:
        time.sleep(0.05)


@BOTH
@pytest.mark.parametrize("sql", ["SELECT nothing FROM orders", "SELECT id FROM orders WHERE", "SELECT id FROM nothing"])
def test_a_wrong_query_is_not_retried(bik: Sandbox, database: Database, tmp_path: Path, sql: str) -> None:
    database.run(orders(3))
    with pytest.raises(AirflowFailException, match=r"refused the query .* Fix sql"):
        Task(tmp_path, sql=sql).run()


@BOTH
def test_a_right_that_is_missing_is_not_retried(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(orders(3))
    database.run("CREATE TABLE others (id integer)")
    database.run("CREATE OR REPLACE USER reader IDENTIFIED BY 'secret'")
    database.run("GRANT SELECT (id) ON shop.orders TO reader")
    stored = json.loads(os.environ["AIRFLOW_CONN_SHOP"])
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({**stored, "login": "reader", "password": "secret"}))
    for sql in ("SELECT id FROM others", "SELECT id, email FROM orders"):
        with pytest.raises(AirflowFailException, match="denied to user"):
            Task(tmp_path, sql=sql).run()


@BOTH
def test_a_server_that_is_away_is_retried(
    bik: Sandbox, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = json.loads(os.environ["AIRFLOW_CONN_SHOP"])
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({**stored, "port": 9}))
    with pytest.raises(AirflowException, match="A retry is safe") as caught:
        Task(tmp_path).run()
    assert not isinstance(caught.value, AirflowFailException)
