"""What each type of a database becomes is what the table on its page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.sandbox import Sandbox
from tests.docs.pages import DOCS
from tests.transfers.conftest import Database
from tests.transfers.support import Task

MADE = {"an enum": "mood", "an array of an enum": "mood[]", "a composite": "pair", "a domain over integer": "amount"}
MAPPING = EventMapping(event_name="typed", email="email", properties={"v": "v"})


def table(page: str) -> list[list[str]]:
    below = (DOCS / page).read_text(encoding="utf-8").split("\n## What a column becomes\n", 1)[1]
    rows = re.search(r"^\|[-| ]+\|\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert rows is not None
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


ROWS = table("howto-postgresql.md")
ROWS_OF_MARIADB = table("howto-mysql.md")


def what_became_of(bik: Sandbox, task: Task) -> str:
    bik.clear()
    try:
        task.run()
    except AirflowFailException:
        if "report" not in task.pushed:
            return "the task fails"
        [reason] = task.pushed["report"]["reasons"]
        return f"rejected: `{reason}"
    [request] = bik.requests
    event: Any = json.loads(request.body or b"")["event"]
    properties = event["eventProperties"]
    return json.dumps(properties["v"]) if "v" in properties else "left out"


@pytest.mark.parametrize(("database", "column"), [("postgres", 2), ("postgres_by_psycopg2", 3)], indirect=["database"])
def test_every_type_becomes_what_the_page_says(bik: Sandbox, database: Database, tmp_path: Path, column: int) -> None:
    database.run(
        "CREATE TYPE mood AS ENUM ('happy', 'sad'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN amount AS int"
    )
    assert len(ROWS) > 40
    found, said = [], []
    for number, row in enumerate(ROWS):
        kind, value = MADE.get(row[0], row[0]), row[1]
        sql = f"SELECT 'c@example.com' AS email, {value}::{kind} AS v"
        became = what_became_of(bik, Task(tmp_path / str(number), sql=sql, mapping=MAPPING))
        found.append((kind, value, became))
        said.append((kind, value, row[column]))
    assert found == said


@pytest.mark.parametrize(("database", "column"), [("mariadb", 2), ("mariadb_by_connector", 3)], indirect=["database"])
def test_every_type_of_mariadb_becomes_what_the_page_says(
    bik: Sandbox, database: Database, tmp_path: Path, column: int
) -> None:
    assert len(ROWS_OF_MARIADB) > 30
    found = []
    for number, (kind, value, *_) in enumerate(ROWS_OF_MARIADB):
        database.run(f"CREATE TABLE t{number} (v {kind} NULL)")
        database.run(f"INSERT INTO t{number} VALUES ({value})")
        sql = f"SELECT 'c@example.com' AS email, v FROM t{number}"
        found.append((kind, value, what_became_of(bik, Task(tmp_path / str(number), sql=sql, mapping=MAPPING))))
    assert found == [(row[0], row[1], row[column]) for row in ROWS_OF_MARIADB]


@pytest.mark.parametrize("database", ["postgres", "postgres_by_psycopg2"], indirect=True)
def test_a_null_of_any_type_is_left_out(bik: Sandbox, database: Database, tmp_path: Path) -> None:
    kinds = [row[0] for row in ROWS if row[0] not in MADE]
    columns = ", ".join(f'NULL::{kind} AS "{number}"' for number, kind in enumerate(kinds))
    task = Task(
        tmp_path,
        sql=f"SELECT 'c@example.com' AS email, {columns}",
        mapping=EventMapping(event_name="typed", email="email"),
    )
    assert task.run()["dropped_nulls"] == len(kinds)


def test_a_column_that_no_event_can_carry_does_no_harm_unless_it_is_used(
    bik: Sandbox, postgres: Database, tmp_path: Path
) -> None:
    sql = "SELECT 'c@example.com' AS email, 5 AS v, int4range(1, 2) AS r, '\\x00'::bytea AS b, '1 day'::interval AS i"
    assert Task(tmp_path, sql=sql, mapping=MAPPING).run()["confirmed"] == 1


def test_duckdb_gives_objects_and_arrays(bik: Sandbox, duckdb: Database, tmp_path: Path) -> None:
    sql = """SELECT 'c@example.com' AS email,
             {'s': {'a': 1, 'b': [1.5::DECIMAL(3, 1), NULL]}, 'u': uuid '00000000-0000-0000-0000-000000000001',
              'h': 12::HUGEINT, 'd': date '2026-01-02', 't': timestamp '2026-01-02 03:04:05'} AS v"""
    Task(tmp_path, sql=sql, mapping=MAPPING).run()
    event: Any = json.loads(bik.requests[0].body or b"")["event"]
    assert event["eventProperties"]["v"] == {
        "s": {"a": 1, "b": [1.5]},
        "u": "00000000-0000-0000-0000-000000000001",
        "h": 12,
        "d": "2026-01-02",
        "t": "2026-01-02T03:04:05.000Z",
    }
