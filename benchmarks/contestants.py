"""The ways of sending an input that are compared.

What is imported is imported inside, because each runs in a process of its own whose memory is measured.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import msgspec

from benchmarks.made_events import ARRAY, ARROW, CSV, FLAT, FRAME, PARQUET, READ, REPEATED, RETRY, SQL
from benchmarks.orders import BATCH, KEY, QUERY, SECRET, SEND_EVENT, SEND_EVENTS, check_answer, event_of
from benchmarks.plan import BATCHES, BY_HAND, GATHER, ROWS, SINGLE, THIS

__all__ = ["CONTESTANTS", "MAPPING", "PREPARATIONS", "Contestant", "Job", "airflow_environment", "this_package"]

MAPPING: Mapping[str, object] = {
    "event_name": "orderCompleted",
    "name": "name",
    "phone_number": "phone",
    "email": "email",
    "created_at": "placed_at",
    "properties": {
        "orderId": "id",
        "productId": "product",
        "total": "total",
        "quantity": "quantity",
        "first": "first",
    },
}
"""What becomes of `COLUMNS`."""

Events = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a contestant is to send.

    Attributes:
        kind: Of the input.
        path: The file; of a query, the name of its table.
        url: The server.
        concurrency: Requests in flight.
        state: A directory of its own.
    """

    kind: str
    path: Path
    url: str
    concurrency: int
    state: Path


Contestant = Callable[[Job], None]


def airflow_environment(home: str, url: str, database: str = "") -> dict[str, str]:
    """What a process needs so that Airflow finds its home and the Connections."""
    host = url.removeprefix("http://")
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW_CONN_HTTP_DEFAULT": f"http://{KEY}:{SECRET}@{host}",
        "AIRFLOW_CONN_BIK_DEFAULT": _connection(url),
        "AIRFLOW_CONN_SHOP": database,
        "SHOP": database,
    }


def _connection(url: str) -> str:
    return msgspec.json.encode({"conn_type": "bik", "host": url, "login": KEY, "password": SECRET}).decode()


def http_hook_single(job: Job) -> None:
    """`HttpHook.run` in a loop, one event each."""
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415 - see above

    hook = HttpHook(method="POST")
    with job.path.open("rb") as file:
        for line in file:
            check_answer(hook.run(SEND_EVENT, json={"event": msgspec.json.decode(line)}).json())


def http_hook_batches(job: Job) -> None:
    """`HttpHook.run` in a loop, 100 events each."""
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415 - see above

    hook = HttpHook(method="POST")
    for events in _batches(job):
        check_answer(hook.run(SEND_EVENTS, json={"events": events}).json())


def hooks(job: Job) -> None:
    """All rows in memory, then `HttpHook.run` in a loop: what a DAG does without any provider for BIK."""
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415 - see above
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415 - see above

    hook = HttpHook(method="POST")
    records = iter(PostgresHook("shop").get_records(QUERY.format(table=job.path.stem)))
    while rows := list(islice(records, BATCH)):
        # `json=` takes no UUID and no Decimal.
        events = [event_of((*row[:4], str(row[4]), float(row[5]), *row[6:8], row[8].isoformat())) for row in rows]
        check_answer(hook.run(SEND_EVENTS, json={"events": events}).json())


def http_async_hook(job: Job) -> None:
    """`HttpAsyncHook.session` with `asyncio.gather`, 100 events each, as many requests at a time as allowed."""
    from airflow.providers.http.hooks.http import HttpAsyncHook  # noqa: PLC0415 - see above

    async def send(session: Any, events: Events) -> None:  # noqa: ANN401 - its class is not public
        response = await session.run(SEND_EVENTS, json={"events": events})
        check_answer(await response.json())

    async def work() -> None:
        batches = _batches(job)
        async with HttpAsyncHook(method="POST").session() as session:
            while some := list(islice(batches, job.concurrency)):
                await asyncio.gather(*(send(session, events) for events in some))

    asyncio.run(work())


def by_hand(job: Job) -> None:
    """Plain aiohttp and msgspec without any check: what this stack can do at best."""
    import aiohttp  # noqa: PLC0415 - see above

    encode = msgspec.json.Encoder(decimal_format="number").encode
    token = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    async def send_all(session: aiohttp.ClientSession, batches: Iterator[Events]) -> None:
        for events in batches:
            async with session.post(job.url + SEND_EVENTS, data=encode({"events": events})) as response:
                check_answer(msgspec.json.decode(await response.read()))

    async def work() -> None:
        batches = _batches(job)
        connector = aiohttp.TCPConnector(limit=job.concurrency)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await asyncio.gather(*(send_all(session, batches) for _ in range(job.concurrency)))

    asyncio.run(work())


def this_package(job: Job) -> None:
    """The operator with everything that it turns on: all checks, record, checkpoint, report."""
    run = "run" if job.kind == RETRY else str(job.path)
    report = _execute(job, run, try_number=2 if job.kind == RETRY else 1)
    if not report["complete"] or report["confirmed"] != report["read"]:
        message = f"not everything was confirmed: {report}"
        raise RuntimeError(message)


def fail_once(job: Job) -> None:
    """A first try, which writes the rows of the query into its file, and then finds that BIK does not answer."""
    from airflow.providers.common.compat.sdk import AirflowException  # noqa: PLC0415 - see above

    bik = os.environ["AIRFLOW_CONN_BIK_DEFAULT"]
    os.environ["AIRFLOW_CONN_BIK_DEFAULT"] = _connection("http://127.0.0.1:9")
    try:
        _execute(job, "run", try_number=1, give_up_after=0.01)
    except AirflowException:
        os.environ["AIRFLOW_CONN_BIK_DEFAULT"] = bik
    else:
        message = "the first try has not failed"
        raise RuntimeError(message)


def load(job: Job) -> None:
    """What an upstream step has made, and a task has in memory when it begins."""
    _IN_MEMORY[job.kind](job.path)


@cache
def _arrow_table(path: Path) -> Any:  # noqa: ANN401 - it would have to be imported
    from pyarrow import parquet  # noqa: PLC0415 - it takes much memory, which is measured

    return parquet.read_table(path)


@cache
def _frame(path: Path) -> Any:  # noqa: ANN401 - it would have to be imported
    import pandas as pd  # type: ignore[import-untyped] # noqa: PLC0415 - it takes much memory, which is measured

    return pd.read_parquet(path)


_IN_MEMORY: Mapping[str, Callable[[Path], Any]] = {ARROW: _arrow_table, FRAME: _frame}


def _execute(job: Job, run: str, *, try_number: int, **sending: Any) -> dict[str, Any]:
    from airflow.sdk.bases.operator import ExecutorSafeguard  # noqa: PLC0415 - see above

    from airflow_provider_bik.delivery import Sending  # noqa: PLC0415 - see above
    from airflow_provider_bik.events import Reading  # noqa: PLC0415 - see above
    from airflow_provider_bik.operators.bik import BikSendEventsOperator  # noqa: PLC0415 - see above
    from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator  # noqa: PLC0415 - see above

    common: dict[str, Any] = {
        "task_id": "send",
        "mapping": None if job.kind in {FLAT, ARRAY} else MAPPING,
        "reading": Reading(default_region="IN") if job.kind in {REPEATED, READ} else None,
        "sending": Sending(max_concurrency=job.concurrency, **sending),
        "state_path": str(job.state),
    }
    operator: BikSendEventsOperator
    if job.kind in {SQL, RETRY}:
        operator = SqlToBikOperator(sql=QUERY.format(table=job.path.stem), conn_id="shop", **common)
    else:
        in_memory = _IN_MEMORY.get(job.kind)
        operator = BikSendEventsOperator(events=in_memory(job.path) if in_memory else os.fspath(job.path), **common)
    task = {"dag_id": "dag", "run_id": run, "task_id": "send", "map_index": -1, "max_tries": 1}
    ti = SimpleNamespace(**task, try_number=try_number, xcom_push=lambda **_: None)
    # Airflow refuses to execute an operator that it has not begun itself.
    context = contextvars.copy_context()
    context.run(ExecutorSafeguard.tracker.set, operator)
    return cast("dict[str, Any]", context.run(operator.execute, context=cast("Any", {"ti": ti})))


def _batches(job: Job) -> Iterator[Events]:
    return _READERS[job.kind](job.path)


def _lines(path: Path) -> Iterator[Events]:
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        while lines := list(islice(file, BATCH)):
            yield [decode(line) for line in lines]


def _csv_rows(path: Path) -> Iterator[Events]:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        while some := list(islice(rows, BATCH)):
            yield [event_of(row) for row in some]


def _parquet_rows(path: Path) -> Iterator[Events]:
    from pyarrow import parquet  # noqa: PLC0415 - it takes much memory, which is measured

    with parquet.ParquetFile(path) as file:
        yield from _rows_of_blocks(file.iter_batches(batch_size=5000))


def _arrow_rows(path: Path) -> Iterator[Events]:
    return _rows_of_blocks(_arrow_table(path).to_batches(max_chunksize=5000))


def _rows_of_blocks(blocks: Any) -> Iterator[Events]:  # noqa: ANN401 - of Arrow
    for block in blocks:
        rows = iter(zip(*(column.to_pylist() for column in block.columns), strict=True))
        while some := list(islice(rows, BATCH)):
            yield [event_of(row) for row in some]


def _frame_rows(path: Path) -> Iterator[Events]:
    rows = _frame(path).itertuples(index=False, name=None)
    while some := list(islice(rows, BATCH)):
        # msgspec does not know the Timestamp of pandas.
        yield [event_of((*row[:8], row[8].to_pydatetime())) for row in some]


def _database_rows(path: Path) -> Iterator[Events]:
    import psycopg  # noqa: PLC0415 - see above

    uri = os.environ["SHOP"].replace("postgres://", "postgresql://")
    with psycopg.connect(uri) as connection, connection.cursor("rows") as cursor:
        cursor.execute(QUERY.format(table=path.stem).encode())
        while block := cursor.fetchmany(5000):
            rows = iter(block)
            while some := list(islice(rows, BATCH)):
                yield [event_of(row) for row in some]


_READERS: Mapping[str, Callable[[Path], Iterator[Events]]] = {
    FLAT: _lines,
    ARRAY: _lines,
    CSV: _csv_rows,
    PARQUET: _parquet_rows,
    ARROW: _arrow_rows,
    FRAME: _frame_rows,
    REPEATED: _csv_rows,
    READ: _csv_rows,
    SQL: _database_rows,
}


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        SINGLE: http_hook_single,
        BATCHES: http_hook_batches,
        GATHER: http_async_hook,
        BY_HAND: by_hand,
        ROWS: hooks,
        THIS: this_package,
    }
)
"""All of them, by the name in the table."""

PREPARATIONS: Mapping[str, Contestant] = MappingProxyType({RETRY: fail_once, ARROW: load, FRAME: load})
"""What comes before the measured part, by the kind of input."""
