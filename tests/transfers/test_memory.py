"""The extraction of a large table takes no more memory than that of a small one."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import closing
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from airflow_provider_bik.events.rows import encode_row
from airflow_provider_bik.sources.sql import Query
from airflow_provider_bik.spool import Spool, SpoolHeader
from airflow_provider_bik.transfers.extraction import database_hook

SMALL, LARGE = 20_000, 300_000
ALLOWED_MB = 32
"""The text of the large result alone takes three times as much."""

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024
_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.transfers.test_memory"])


def extract(sql: str, directory: Path) -> None:
    query = Query(hook=database_hook("shop"), sql=sql, parameters=None, fetch_size=5000)
    with closing(query.blocks()) as blocks:
        first = next(blocks)
        lines = map(encode_row, chain.from_iterable(chain([first], blocks)))
        Spool(str(directory), "task").write(SpoolHeader(query="q", columns=query.columns), lines)


def measure(sql: str, directory: Path, environment: dict[str, str], psycopg3: bool, answer: Connection) -> None:
    """In a process of its own: how much more memory the large result took at most, in MB."""
    os.environ.update(environment)
    from airflow.providers.postgres.hooks import postgres  # noqa: PLC0415 - needed here only

    postgres.USE_PSYCOPG3 = psycopg3
    peaks = []
    for rows in (SMALL, LARGE):
        extract(sql.format(rows=rows), directory)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB)
    answer.send(peaks[1] - peaks[0])


NUMBERS = f"SELECT n AS id, 'customer' || n || '@example.com' AS email, n * 1.01 AS total, '{'x' * 300}' AS text FROM "
SERIES = f"{NUMBERS} generate_series(1, {{rows}}) AS n"


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("postgres", SERIES),
        ("postgres_by_psycopg2", SERIES),
        (
            "sqlite",
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT {rows}) " + NUMBERS + "t",
        ),
        ("duckdb", f"{NUMBERS} range({{rows}}) AS t(n)"),
    ],
    ids=["psycopg 3", "psycopg 2", "sqlite", "duckdb"],
)
def test_it_does_not_grow_with_the_table(name: str, sql: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(name)
    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    told, telling = _context.Pipe(duplex=False)
    process = _context.Process(target=measure, args=(sql, tmp_path, environment, name == "postgres", telling))
    process.start()
    telling.close()
    with told:
        grown = told.recv()
    assert grown < ALLOWED_MB
    process.join()
