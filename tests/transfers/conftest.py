from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.mariadb import mariadb_server
from tests.operators.support import APP_ID, KEY, SECRET, connection
from tests.postgres import postgres_server


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A local BIK to which `bik_default` points."""
    with Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID, keep_bodies=True) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        yield sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A real PostgreSQL; gives its URI."""
    with postgres_server() as uri:
        yield uri


class Database:
    """What the tests do with a database beside the operator: statements, by a connection of their own."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def run(self, sql: str) -> None:
        self._hook.run(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._hook.get_records(sql)]


def _postgres(monkeypatch: pytest.MonkeyPatch, uri: str, *, psycopg3: bool) -> Database:
    from airflow.providers.postgres.hooks import postgres  # noqa: PLC0415 - needed here only

    if psycopg3 and not hasattr(postgres, "register_default_adapters"):
        pytest.skip("with SQLAlchemy below 2, the hook of PostgreSQL has no psycopg 3")
    # Which of its two drivers the hook takes depends on what is installed; both are, here.
    monkeypatch.setattr(postgres, "USE_PSYCOPG3", psycopg3)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", uri)
    database = Database(postgres.PostgresHook("shop"))
    database.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch, server: str) -> Database:
    """An empty PostgreSQL to which `shop` points, by psycopg 3."""
    return _postgres(monkeypatch, server, psycopg3=True)


@pytest.fixture
def postgres_by_psycopg2(monkeypatch: pytest.MonkeyPatch, server: str) -> Database:
    """The same, by psycopg 2."""
    return _postgres(monkeypatch, server, psycopg3=False)


@pytest.fixture(scope="session")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MariaDB; gives its Connection as JSON."""
    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as connection:
        yield connection


def _mariadb(monkeypatch: pytest.MonkeyPatch, connection: str, **extra: str) -> Database:
    from airflow.providers.mysql.hooks.mysql import MySqlHook  # noqa: PLC0415 - it is not installed everywhere

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({**json.loads(connection), "extra": extra}))
    hook = MySqlHook("shop")
    hook.run(["DROP DATABASE shop", "CREATE DATABASE shop"])
    return Database(hook)


@pytest.fixture
def mariadb(monkeypatch: pytest.MonkeyPatch, other_server: str) -> Database:
    """An empty MariaDB to which `shop` points, by the driver that its provider takes unless told otherwise."""
    return _mariadb(monkeypatch, other_server)


@pytest.fixture
def mariadb_by_connector(monkeypatch: pytest.MonkeyPatch, other_server: str) -> Database:
    """The same, by the other one."""
    return _mariadb(monkeypatch, other_server, client="mysql-connector-python")


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """An empty SQLite to which `shop` points."""
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook  # noqa: PLC0415 - needed here only

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))
    return Database(SqliteHook("shop"))  # type: ignore[no-untyped-call]


@pytest.fixture
def duckdb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """An empty DuckDB to which `shop` points."""
    from airflow.providers.duckdb.hooks.duckdb import DuckDBHook  # noqa: PLC0415 - needed here only

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "duckdb", "host": str(tmp_path / "shop.duckdb")}))
    return Database(DuckDBHook(duckdb_conn_id="shop"))


@pytest.fixture(params=["postgres", "postgres_by_psycopg2", "mariadb", "mariadb_by_connector", "sqlite", "duckdb"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of them."""
    found: Database = request.getfixturevalue(request.param)
    return found
