"""From a database into the spool, in a way that can be stopped within seconds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec
from airflow.providers.common.compat.sdk import BaseHook
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_provider_bik.errors import BikConfigError, BikDeliveryIncompleteError
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.events.rows import decode_row, encode_value
from airflow_provider_bik.spool import Spool
from airflow_provider_bik.threads import StopSwitch, call_in_thread, run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["database_hook", "input_events", "query_digest", "stoppable"]

GRACE = 1.5
"""Seconds that the database gets to end a query after the order to stop; whoever ordered it waits for three."""

_T = TypeVar("_T")


def database_hook(conn_id: str) -> DbApiHook:
    """The hook of a Connection.

    Raises:
        BikConfigError: It is no Connection of a database.
    """
    hook = BaseHook.get_connection(conn_id).get_hook()  # type: ignore[no-untyped-call]
    if not isinstance(hook, DbApiHook):
        message = (
            f"conn_id {conn_id!r} leads to a {type(hook).__name__}, which is no DbApiHook, so it cannot run a query. "
            "Give the Connection of a database; nothing was sent."
        )
        raise BikConfigError(message)
    return hook


def query_digest(*parts: object) -> str:
    """Tell whether a spool is that of the same query."""
    return hashlib.sha256(msgspec.json.encode(encode_value(parts))).hexdigest()


def input_events(spool: Spool, columns: Sequence[str]) -> Iterator[InputEvent]:
    """The rows of a spool as items of the input."""
    for position, line in enumerate(spool.rows()):
        raw = dict(zip(columns, decode_row(line), strict=True))
        yield InputEvent(position=position, place=f"row {position + 1}", raw=raw)


def stoppable(work: Callable[[], _T], *, stopping: StopSwitch, cancel: Callable[[], None]) -> _T:
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
