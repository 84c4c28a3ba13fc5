"""What the drivers of databases have of their own: a result that stays on the server, and a query that ends early."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from uuid import uuid4

from airflow.providers.common.sql.hooks.sql import DbApiHook

__all__ = ["ending", "is_wrong_query", "streaming_cursor"]

_MYSQL_WRONG_QUERY = frozenset({1054, 1142, 1143})
"""An unknown column, and rights that are missing: MySQL's drivers do not tell them from a server that is away."""


def streaming_cursor(connection: Any) -> AbstractContextManager[Any]:  # noqa: ANN401 - every driver has its own classes
    """Open a cursor for one query whose result is never in memory as a whole.

    Drivers that else fetch all of it are asked not to; the others do what they do.

    Args:
        connection: Of the driver; to be closed after the cursor.
    """
    match type(connection).__module__.partition(".")[0]:
        case "psycopg":
            from psycopg.rows import tuple_row  # noqa: PLC0415 - the driver is there if its connection is

            connection.read_only = True
            return contextlib.closing(connection.cursor(name=_name(), row_factory=tuple_row))
        case "psycopg2":
            from psycopg2.extensions import cursor  # noqa: PLC0415 - the driver is there if its connection is

            connection.readonly = True
            return contextlib.closing(connection.cursor(name=_name(), cursor_factory=cursor))
        case "MySQLdb" | "pymysql" as driver:
            # Not closed: that would read the rest of the result. Closing the connection drops it.
            return contextlib.nullcontext(connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor))
        case "mysql":
            # Not closed: while there is more to read, that is an error.
            return contextlib.nullcontext(connection.cursor())
        case _:
            return contextlib.closing(connection.cursor())


def _name() -> str:
    return f"bik_{uuid4().hex}"


def ending(hook: DbApiHook, connection: Any, cursor: Any) -> Callable[[], None]:  # noqa: ANN401 - see above
    """What ends a query when it is called from another thread; it may block, for some drivers ask the server for it.

    Args:
        hook: Gave the connection.
        connection: Will run the query; to be asked now, as some take no question from another thread.
        cursor: Of the query.
    """
    asks = [getattr(owner, name, None) for owner in (cursor, connection) for name in ("cancel", "interrupt")]
    if (number := _number_in_mysql(connection)) is not None:
        asks.append(partial(_kill_in_mysql, hook, number))

    def end() -> None:
        for ask in asks:
            # It may have ended by itself meanwhile.
            with contextlib.suppress(Exception):
                if ask is not None:
                    ask()

    return end


def _kill_in_mysql(hook: DbApiHook, number: int) -> None:
    with contextlib.closing(hook.get_conn()) as connection, contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(f"KILL QUERY {number:d}")


def _number_in_mysql(connection: Any) -> int | None:  # noqa: ANN401 - see above
    """What MySQL and MariaDB call a connection; None for other databases."""
    match type(connection).__module__.partition(".")[0]:
        case "MySQLdb" | "pymysql":
            return int(connection.thread_id())
        case "mysql":
            return int(connection.connection_id)
        case _:
            return None


def is_wrong_query(error: Exception) -> bool:
    """Whether an error that its driver gives no telling class is one that another try meets again."""
    driver = type(error).__module__.partition(".")[0]
    return driver in {"MySQLdb", "pymysql"} and error.args[:1] != () and error.args[0] in _MYSQL_WRONG_QUERY
