"""The extraction of a large table takes no more memory than that of a small one."""

from __future__ import annotations

import os
import resource
import sys
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from airflow_provider_bik.events import Contract, Encoder, EventMapping
from airflow_provider_bik.inputs.sql import Query, database_hook
from airflow_provider_bik.state.generation_file import GenerationFile
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.transfers.query_input import query_events

SIZES = 20_000, 300_000
MILLION = 100_000, 1_000_000
ALLOWED_MB = 32
"""The text of the large result alone takes three times as much."""

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024
_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.transfers.test_memory"])


def extract(sql: str, directory: Path) -> None:
    query = Query(hook=database_hook("shop"), sql=sql, parameters=None, fetch_size=5000)
    encoder = Encoder(
        contract=Contract(now=datetime(2026, 12, 1, tzinfo=UTC)),
        mapping=EventMapping(event_name="ordered", email="email", properties={"text": "text", "id": "id"}),
    )
    GenerationFile(Folder(str(directory)), "generation").write(query_events(query, encoder), "fingerprint")


def measure(
    sql: str,
    sizes: tuple[int, int],
    directory: Path,
    environment: dict[str, str],
    psycopg3: bool,
    answer: Connection,
) -> None:
    """In a process of its own: how much more memory the large result took at most, in MB."""
    os.environ.update(environment)
    from airflow.providers.postgres.hooks import postgres  # noqa: PLC0415 - needed here only

    postgres.USE_PSYCOPG3 = psycopg3
    peaks = []
    for rows in sizes:
        extract(sql.format(rows=rows), directory)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB)
    answer.send(peaks[1] - peaks[0])


NUMBERS = f"SELECT n AS id, 'customer' || n || '@example.com' AS email, n * 1.01 AS total, '{'x' * 300}' AS text FROM "
SERIES = f"{NUMBERS} generate_series(1, {{rows}}) AS n"
SEQUENCE = NUMBERS.replace("'customer' || n || '@example.com'", "concat('customer', n, '@example.com')")
SEQUENCE = SEQUENCE.replace("x" * 300, "x" * 30) + "(SELECT seq AS n FROM seq_1_to_{rows}) AS t"


@pytest.mark.parametrize(
    ("name", "sql", "sizes"),
    [
        ("postgres", SERIES, SIZES),
        ("postgres_by_psycopg2", SERIES, SIZES),
        ("mariadb", SEQUENCE, MILLION),
        ("mariadb_by_connector", SEQUENCE, SIZES),
        (
            "sqlite",
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT {rows}) " + NUMBERS + "t",
            SIZES,
        ),
        ("duckdb", f"{NUMBERS} range({{rows}}) AS t(n)", SIZES),
    ],
    ids=["psycopg 3", "psycopg 2", "mysqlclient", "mysql-connector", "sqlite", "duckdb"],
)
def test_it_does_not_grow_with_the_table(
    name: str, sql: str, sizes: tuple[int, int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(name)
    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    told, telling = _context.Pipe(duplex=False)
    process = _context.Process(target=measure, args=(sql, sizes, tmp_path, environment, name == "postgres", telling))
    process.start()
    telling.close()
    with told:
        grown = told.recv()
    assert grown < ALLOWED_MB
    process.join()
