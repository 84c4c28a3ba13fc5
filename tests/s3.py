"""A real S3 server of the tests' own (moto's), behind a proxy that can be slow, fail, or be out of reach.

Airflow opens ``s3://`` only with its amazon provider, and with a Connection only if the URL names one: `S3.path` gives
``s3://aws_default@bucket/…``, and `S3.environment` what belongs to it.
"""

from __future__ import annotations

import asyncio
import html
import io
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import aiohttp
import pytest
import requests
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

__all__ = ["S3", "SIGNED", "Call", "S3Faults", "s3", "s3_server"]

T = TypeVar("T")

BUCKET = "bucket"
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request"
"""The header of a signed call: the store looks whether there is one, and not at what it says."""

PATIENCE = 60.0
"""Seconds within which the server must have started; only a broken test takes them."""

Fault = Literal["unavailable", "lost_request", "lost_answer"]

_OF_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})
_UNAVAILABLE = "<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code><Message>Made to fail</Message></Error>"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Faults:
    """What goes wrong between the client and the store. The same seed gives the same faults, call by call.

    Note that ``s3fs`` and the library below it repeat a failed call before anybody above hears of it: a lost connection
    50 times, in most of a minute.

    Attributes:
        latency: Every call waits between so many seconds, drawn evenly.
        share: Of the calls, this part fails, such as 0.1.
        kinds: How, drawn evenly. ``unavailable`` is answered with 503, ``lost_request`` loses the connection before the
            store hears of the call, ``lost_answer`` after it has carried the call out.
        methods: HTTP methods that fail.
        seed: Of the draws.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    share: float = 0.0
    kinds: tuple[Fault, ...] = ("unavailable", "lost_request", "lost_answer")
    methods: frozenset[str] = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, as the proxy saw it; `target` is path and query."""

    method: str
    target: str
    fault: Fault | None


class S3:
    """Up while its ``with`` block runs.

    Attributes:
        calls: What was asked through the proxy, in order of arrival.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._faults, self._dice = S3Faults(), random.Random(0)
        self._port = _free_port()
        self._store = f"http://127.0.0.1:{_free_port()}"
        self._direct = requests.Session()
        self._direct.trust_env = False
        self._direct.headers["Authorization"] = SIGNED
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="s3-proxy")
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """The endpoint for clients."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs so that `path` works in it, by Airflow and by ``s3fs`` alone."""
        extra = {"endpoint_url": self.url, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra}
        return {
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            # Else whoever lacks credentials asks an address of the cloud's network for them.
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def path(self, *parts: str) -> str:
        """A URL in the bucket, as Airflow takes it."""
        return "/".join((f"s3://aws_default@{BUCKET}", *parts))

    @property
    def faults(self) -> S3Faults:
        """What goes wrong; setting it begins its draws anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: S3Faults) -> None:
        self._faults, self._dice = faults, random.Random(faults.seed)

    def keys(self, prefix: str = "") -> list[str]:
        """The objects' names, asked of the store itself."""
        answer = self._ask("GET", f"?list-type=2&prefix={quote(prefix)}")
        return [html.unescape(part.partition("</Key>")[0]) for part in answer.text.split("<Key>")[1:]]

    def read(self, key: str) -> bytes:
        """An object's content, asked of the store itself."""
        return self._ask("GET", f"/{quote(key)}").content

    def clear(self) -> None:
        """Remove all objects, and forget the calls."""
        while keys := self.keys():
            for key in keys:
                self._ask("DELETE", f"/{quote(key)}")
        self.calls.clear()

    def stop(self) -> None:
        """Be out of reach: connections end and new ones are refused. The objects stay."""
        if (runner := self._runner) is not None:
            self._runner = None
            self._wait(runner.cleanup())

    def start(self) -> None:
        """Be in reach again."""
        if self._runner is None:
            self._runner = self._wait(self._listen())

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self._store.rpartition(":")[2]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._thread.start()
        try:
            self._make_bucket()
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self.stop()
        if self._client is not None:
            self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._direct.close()
        self._process.kill()
        self._process.wait()

    def _make_bucket(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, "The S3 server has ended. Is moto[s3] installed, with flask-cors?"
            try:
                self._ask("PUT", "")
            except requests.ConnectionError:
                assert time.monotonic() < until, "The S3 server has not started in time."
                time.sleep(0.05)
            else:
                return

    def _ask(self, method: str, target: str) -> requests.Response:
        answer = self._direct.request(method, f"{self._store}/{BUCKET}{target}", timeout=PATIENCE)
        answer.raise_for_status()
        return answer

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _listen(self) -> web.AppRunner:
        if self._client is None:
            self._client = aiohttp.ClientSession(auto_decompress=False)
        # Bodies are held in memory: a proxy for tests.
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        return runner

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        faults, fault = self._faults, None
        wait = self._dice.uniform(*faults.latency)
        if self._dice.random() < faults.share and request.method in faults.methods:
            fault = self._dice.choice(faults.kinds)
        self.calls.append(Call(method=request.method, target=request.raw_path, fault=fault))
        await asyncio.sleep(wait)
        if fault == "unavailable":
            return web.Response(status=503, text=_UNAVAILABLE, content_type="application/xml")
        if fault != "lost_request":
            answer = await self._call_store(request, body)
        if fault is not None and request.transport is not None:
            request.transport.abort()
            return web.Response(status=503)
        return answer

    async def _call_store(self, request: web.Request, body: bytes) -> web.Response:
        assert self._client is not None
        async with self._client.request(
            request.method,
            URL(self._store + request.raw_path, encoded=True),
            headers=_onwards(request.headers),
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as answer:
            return web.Response(status=answer.status, headers=_onwards(answer.headers), body=await answer.read())


def _onwards(headers: Any) -> CIMultiDict[str]:
    """The headers that are not for one connection only."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OF_ONE_HOP)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """One server for all tests of this process, whose environment has it: Airflow keeps the first store it opened."""
    with pytest.MonkeyPatch.context() as patch, S3() as server:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    """An empty store for one test."""
    yield s3_server
    s3_server.faults = S3Faults()
    s3_server.start()
    s3_server.clear()
