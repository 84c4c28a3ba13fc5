"""The ways of sending a file of events that are compared.

Each takes the file, the number of requests in flight, and sends every event; what is imported is imported inside,
because each runs in a process of its own whose memory is measured.
"""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from benchmarks.plan import BATCH, BATCHES, BY_HAND, GATHER, SINGLE, THIS

__all__ = ["CONTESTANTS", "Contestant", "airflow_environment"]

_SEND_EVENT = "/integrations/bikPlatformFunctions-events/sendEvent"
_SEND_EVENTS = "/integrations/bikPlatformFunctions-events/sendEvents"
_KEY, _SECRET = "key-of-the-benchmark", "secret-of-the-benchmark"

Contestant = Callable[[Path, str, int], None]
"""Sends the file to the server of that URL with so many requests in flight."""


def airflow_environment(home: str, url: str) -> dict[str, str]:
    """What a process needs so that Airflow finds its home and the Connections."""
    host = url.removeprefix("http://")
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW_CONN_HTTP_DEFAULT": f"http://{_KEY}:{_SECRET}@{host}",
        "AIRFLOW_CONN_BIK_DEFAULT": msgspec.json.encode(
            {"conn_type": "bik", "host": url, "login": _KEY, "password": _SECRET}
        ).decode(),
    }


def http_hook_single(path: Path, url: str, concurrency: int) -> None:  # noqa: ARG001 - one signature for all
    """`HttpHook.run` in a loop, one event each."""
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415 - see above

    hook = HttpHook(method="POST")
    with path.open("rb") as file:
        for line in file:
            _check(hook.run(_SEND_EVENT, json={"event": msgspec.json.decode(line)}).json())


def http_hook_batches(path: Path, url: str, concurrency: int) -> None:  # noqa: ARG001 - one signature for all
    """`HttpHook.run` in a loop, 100 events each."""
    from airflow.providers.http.hooks.http import HttpHook  # noqa: PLC0415 - see above

    hook = HttpHook(method="POST")
    for events in _batches(path):
        _check(hook.run(_SEND_EVENTS, json={"events": events}).json())


def http_async_hook(path: Path, url: str, concurrency: int) -> None:  # noqa: ARG001 - one signature for all
    """`HttpAsyncHook.session` with `asyncio.gather`, 100 events each, as many requests at a time as allowed."""
    from airflow.providers.http.hooks.http import HttpAsyncHook  # noqa: PLC0415 - see above

    async def send(session: Any, events: list[Any]) -> None:  # noqa: ANN401 - its class is not public
        response = await session.run(_SEND_EVENTS, json={"events": events})
        _check(await response.json())

    async def work() -> None:
        batches = _batches(path)
        async with HttpAsyncHook(method="POST").session() as session:
            while some := list(islice(batches, concurrency)):
                await asyncio.gather(*(send(session, events) for events in some))

    asyncio.run(work())


def by_hand(path: Path, url: str, concurrency: int) -> None:
    """Plain aiohttp and msgspec without any check: what this stack can do at best."""
    import aiohttp  # noqa: PLC0415 - see above

    encode = msgspec.json.Encoder().encode
    token = base64.b64encode(f"{_KEY}:{_SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    async def send_all(session: aiohttp.ClientSession, batches: Iterator[list[Any]]) -> None:
        for events in batches:
            async with session.post(url + _SEND_EVENTS, data=encode({"events": events})) as response:
                _check(msgspec.json.decode(await response.read()))

    async def work() -> None:
        batches = _batches(path)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await asyncio.gather(*(send_all(session, batches) for _ in range(concurrency)))

    asyncio.run(work())


def this_package(path: Path, url: str, concurrency: int) -> None:  # noqa: ARG001 - one signature for all
    """`BikHook.deliver` with everything that the operator turns on: all checks, checkpoint, report."""
    from airflow_provider_bik.checkpoints import CheckpointFile, StoreJournal  # noqa: PLC0415 - see above
    from airflow_provider_bik.delivery import DeliverySettings, where_to_begin  # noqa: PLC0415 - see above
    from airflow_provider_bik.events import Contract  # noqa: PLC0415 - see above
    from airflow_provider_bik.hooks.bik import BikHook  # noqa: PLC0415 - see above
    from airflow_provider_bik.storage import storage_path  # noqa: PLC0415 - see above

    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as directory:
        journal = StoreJournal(CheckpointFile(storage_path(directory) / "checkpoint.json"), owner="benchmark")
        report = BikHook().deliver(
            os.fspath(path),
            contract=Contract(now=now),
            settings=DeliverySettings(max_concurrency=concurrency),
            journal=journal,
            start=where_to_begin(journal.load(), owner="benchmark", run="run", clears=0, now=now.isoformat()),
        )
    if not report.complete or report.confirmed != report.read:
        message = f"not everything was confirmed: {report.summary()}"
        raise RuntimeError(message)


def _batches(path: Path) -> Iterator[list[Any]]:
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        while lines := list(islice(file, BATCH)):
            yield [decode(line) for line in lines]


def _check(answer: Mapping[str, object]) -> None:
    if answer.get("status") != 200:  # noqa: PLR2004 - BIK's word for good
        message = f"the server answered {answer!r}"
        raise RuntimeError(message)


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        SINGLE: http_hook_single,
        BATCHES: http_hook_batches,
        GATHER: http_async_hook,
        BY_HAND: by_hand,
        THIS: this_package,
    }
)
"""All of them, by the name in the table."""
