"""The result of a query, block by block, from any connection that follows Python's DB-API."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time
from typing import Any, TypeVar

import msgspec
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_provider_bik.errors import BikConfigError, BikDatabaseError, BikDeliveryIncompleteError, BikError
from airflow_provider_bik.events.item import Item
from airflow_provider_bik.inputs.drivers import ending, is_wrong_query, streaming_cursor
from airflow_provider_bik.threads import StopSignal, call_in_thread, run

__all__ = ["GRACE", "Query", "database_hook", "query_digest", "sql_items", "stoppable"]

GRACE = 1.5
"""Seconds that the database gets to end a query after the order to stop; whoever ordered it waits for three."""

_T = TypeVar("_T")

_WRONG_QUERY = frozenset({"ProgrammingError", "NotSupportedError", "DataError", "IntegrityError"})
"""DB-API's classes of errors that another try meets again."""

_SAFE_TO_SHOW = frozenset({"ProgrammingError", "NotSupportedError", "OperationalError", "InterfaceError"})
"""Those whose texts are about the query or the way to the database. The others' often quote a value of a row."""

_UNNAMED = frozenset({"", "?column?"})
_LONGEST_TEXT = 300


def database_hook(conn_id: str) -> DbApiHook:
    """The hook of a Connection.

    Raises:
        BikConfigError: There is no such Connection, or it is not one of a database.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        message = f"There is no Connection {conn_id!r}. Add that of the database, or fix conn_id. Nothing was sent."
        raise BikConfigError(message) from error
    hook = connection.get_hook()  # type: ignore[no-untyped-call]
    if not isinstance(hook, DbApiHook):
        message = (
            f"conn_id {conn_id!r} leads to a {type(hook).__name__}, which is no DbApiHook, so it cannot run a query. "
            "Give the Connection of a database; nothing was sent."
        )
        raise BikConfigError(message)
    return hook


def query_digest(*parts: object) -> str:
    """A digest that tells whether two queries are the same.

    Args:
        parts: Such as the text of the query and its parameters, of which type and value count.
    """
    return hashlib.sha256(msgspec.json.encode(_comparable(parts))).hexdigest()


def sql_items(columns: Sequence[str], blocks: Iterable[Sequence[Sequence[object]]]) -> Iterator[Item]:
    """The rows of a result as items of the input, located by their numbers, counted from 1.

    Args:
        columns: Their names; may be filled by the time the first block is there.
        blocks: Of rows.
    """
    position = 0
    for block in blocks:
        for row in block:
            yield Item(position=position, location=f"row {position + 1}", columns=columns, cells=row)
            position += 1


class Query:
    """One query, read once.

    Args:
        hook: Of the database's Connection.
        sql: One statement that gives rows.
        parameters: Bound by the driver, in its own style; None for none.
        fetch_size: Rows asked for at a time.

    Attributes:
        columns: Names as the driver gives them, once `blocks` has given its first block.
    """

    def __init__(self, *, hook: DbApiHook, sql: str, parameters: object, fetch_size: int) -> None:
        self._hook = hook
        self._sql, self._parameters, self._fetch_size = sql, parameters, fetch_size
        self._end: Callable[[], None] = lambda: None
        self._cancelled = False
        self.columns: list[str] = []

    def blocks(self) -> Generator[Sequence[Sequence[object]], None, None]:
        """Run the query and give its rows; the first block is there even if it is empty. To be closed.

        Raises:
            BikConfigError: The query is wrong, or its columns have no names of their own.
            BikDatabaseError: The database cannot be reached, or has ended the query.
            BikDeliveryIncompleteError: The query was cancelled.
        """
        try:
            connection = self._hook.get_conn()
            with contextlib.closing(connection), streaming_cursor(connection) as cursor:
                self._end = ending(self._hook, connection, cursor)
                cursor.execute(self._sql, *([] if self._parameters is None else [self._parameters]))
                block = self._fetch(cursor)
                self.columns = _columns(cursor.description)
                yield block
                while block := self._fetch(cursor):
                    yield block
        except Exception as error:
            if self._cancelled:
                raise _stopped() from None
            if isinstance(error, BikError) or not (kind := _kind(error)):
                raise
            # Without its cause, which would be logged and may quote a row.
            raise _translated(error, kind) from None

    def cancel(self) -> None:
        """End `blocks` soon, from another thread; may block, for some drivers ask the server by another connection."""
        self._cancelled = True
        self._end()

    def _fetch(self, cursor: Any) -> Sequence[Sequence[object]]:  # noqa: ANN401 - every driver has its own class
        if self._cancelled:
            raise _stopped()
        rows: Sequence[Any] = cursor.fetchmany(self._fetch_size)
        if rows and isinstance(rows[0], Mapping):
            # What a cursor of dictionaries gives, which some Connections ask for.
            return [list(row.values()) for row in rows]
        return rows


def _columns(description: Sequence[Sequence[Any]] | None) -> list[str]:
    if description is None:
        message = "sql gives no rows. Give one SELECT; nothing was sent."
        raise BikConfigError(message)
    names = [str(column[0]) if column[0] is not None else "" for column in description]
    unnamed = [str(number) for number, name in enumerate(names, start=1) if name in _UNNAMED]
    if unnamed:
        message = f"sql gives columns without a name: number {', '.join(unnamed)}. Name them with AS; nothing was sent."
        raise BikConfigError(message)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"sql gives several columns named {', '.join(twice)}. Rename them with AS; nothing was sent."
        raise BikConfigError(message)
    return names


def _kind(error: Exception) -> str | None:
    """The DB-API class of an error; None if it is no driver's. Drivers share names, not classes."""
    if isinstance(error, OSError):
        # Drivers written in Python let those of their sockets through.
        return "OperationalError"
    if is_wrong_query(error):
        return "ProgrammingError"
    names = [kind.__name__ for kind in type(error).__mro__]
    if "Error" not in names:
        return None
    known = (*sorted(_WRONG_QUERY | _SAFE_TO_SHOW), "InternalError", "DatabaseError", "Error")
    return next(name for name in known if name in names)


def _translated(error: Exception, kind: str) -> BikError:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    said = f"{type(error).__name__}{f', SQLSTATE {state}' if state else ''}"
    first_line = str(error).strip().partition("\n")[0]
    if kind in _SAFE_TO_SHOW and first_line:
        said = f"{said}: {first_line[:_LONGEST_TEXT]}"
    if kind in _WRONG_QUERY:
        advice = "Fix sql, or cast the value in it that cannot be read. A retry cannot help; nothing was sent."
        return BikConfigError(f"The database refused the query ({said}). {advice}")
    advice = "Check the database and its Connection. A retry is safe; nothing was sent from this result."
    return BikDatabaseError(f"The rows of the database could not be read ({said}). {advice}")


def _stopped() -> BikDeliveryIncompleteError:
    return BikDeliveryIncompleteError(
        "The task was told to stop while it read the database. Nothing was sent from this result; a retry is safe and "
        "runs the query again."
    )


def stoppable(work: Callable[[], _T], *, stopping: StopSignal, cancel: Callable[[], None]) -> _T:
    """Do work that blocks, and give it up when told to stop.

    In a thread of its own, because a driver that waits in C for its server lets no signal handler run.

    Args:
        work: What to do; it should end with an error soon after ``cancel`` was called.
        stopping: Tells to stop.
        cancel: Makes the work end; may block itself.

    Raises:
        BikDeliveryIncompleteError: It did not end in time; its thread is left behind and ends with the process.
    """

    async def watch() -> _T:
        ordered = asyncio.ensure_future(stopping.event().wait())
        working = asyncio.ensure_future(call_in_thread(work))
        await asyncio.wait({working, ordered}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            cancelling = asyncio.ensure_future(call_in_thread(cancel))
            await asyncio.wait({working}, timeout=GRACE)
            cancelling.cancel()
        ordered.cancel()
        if working.done():
            return working.result()
        working.cancel()
        message = (
            "The task was told to stop, and the database did not end its query in time. Nothing was sent from its "
            "result; a retry is safe and runs the query again."
        )
        raise BikDeliveryIncompleteError(message)

    return run(watch(), interrupted=stopping.press)


def _comparable(value: object) -> object:  # noqa: PLR0911 - one line a type
    """A value as JSON that is the same for equal values of one type, in every process."""
    match value:
        case str() | None:
            return value
        case Mapping():
            pairs = [[_comparable(key), _comparable(item)] for key, item in value.items()]
            return {"mapping": sorted(pairs, key=msgspec.json.encode)}
        case AbstractSet():
            return {"set": sorted((_comparable(item) for item in value), key=msgspec.json.encode)}
        case list() | tuple():
            return [_comparable(item) for item in value]
        case date() | time():
            # A class of its own, such as pendulum's, says the same in another way.
            return {"date" if isinstance(value, date) else "time": value.isoformat()}
        case bytes() | bytearray() | memoryview():
            return {"bytes": bytes(value).hex()}
        case _ if type(value).__repr__ is object.__repr__:
            # Its text would be an address in memory.
            return {type(value).__qualname__: _comparable(getattr(value, "__dict__", None))}
        case _:
            return {type(value).__qualname__: repr(value)}
