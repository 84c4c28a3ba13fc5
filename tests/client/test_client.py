"""Each row of the answer table, against a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.client import BikClient, ClientSettings, Credentials
from airflow_provider_bik.delivery import Answer, AnswerClass
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox

EVENT = b'{"email":"test@bik.ai","eventName":"ordered","eventProperties":{}}'
CREDENTIALS = Credentials(key="key-of-the-tests", secret="secret-of-the-tests")


@pytest.fixture
def bik() -> Iterator[Sandbox]:
    with Sandbox(api_key=CREDENTIALS.key, api_secret=CREDENTIALS.secret, app_id="app", keep_bodies=True) as sandbox:
        yield sandbox


def send(base_url: str, *events: bytes, credentials: Credentials = CREDENTIALS, **options: Any) -> Answer:
    settings = ClientSettings(base_url=base_url, credentials=credentials, **{"read_timeout": 1.0, **options})

    async def once() -> Answer:
        async with BikClient(settings) as client:
            return await client.send(events or (EVENT,))

    return asyncio.run(once())


def test_one_event_goes_to_send_event_and_several_to_send_events(bik: Sandbox) -> None:
    assert send(bik.url, EVENT).means is AnswerClass.CONFIRMED
    assert send(bik.url, EVENT, EVENT).means is AnswerClass.CONFIRMED
    assert [request.body for request in bik.requests] == [
        b'{"event":' + EVENT + b"}",
        b'{"events":[' + EVENT + b"," + EVENT + b"]}",
    ]
    assert [request.endpoint.rsplit("/", 1)[-1] for request in bik.requests] == ["sendEvent", "sendEvents"]
    assert bik.ledger.count(pipeline="realtime") == 3


@pytest.mark.parametrize(
    ("fault", "means", "stored"),
    [
        (Fault(kind="status", status=500, when="before"), AnswerClass.UNKNOWN, 0),
        (Fault(kind="status", status=500, when="after"), AnswerClass.UNKNOWN, 1),
        (Fault(kind="status", status=503, when="before"), AnswerClass.UNKNOWN, 0),
        (Fault(kind="status", status=503, when="before", retry_after="7"), AnswerClass.THROTTLED, 0),
        (Fault(kind="status", status=429, when="before"), AnswerClass.THROTTLED, 0),
        (Fault(kind="status", status=408, when="before"), AnswerClass.UNKNOWN, 0),
        (Fault(kind="status", status=413, when="before"), AnswerClass.TOO_LARGE, 0),
        (Fault(kind="status", status=400, when="before"), AnswerClass.REJECTED_BY_BIK, 0),
        (Fault(kind="status", status=422, when="before"), AnswerClass.REJECTED_BY_BIK, 0),
        (Fault(kind="status", status=403, when="before"), AnswerClass.FATAL, 0),
        (Fault(kind="status", status=302, when="before"), AnswerClass.FATAL, 0),
        (Fault(kind="reset", when="before"), AnswerClass.UNKNOWN, 0),
        (Fault(kind="reset", when="after"), AnswerClass.UNKNOWN, 1),
        (Fault(kind="hang", when="after", seconds=30), AnswerClass.UNKNOWN, 1),
        (Fault(kind="truncated", when="after"), AnswerClass.UNKNOWN, 1),
        (Fault(kind="not_json", when="after"), AnswerClass.UNKNOWN, 1),
        (Fault(kind="inner_status", when="before", status=400), AnswerClass.REJECTED_BY_BIK, 0),
        (Fault(kind="success_false", when="before"), AnswerClass.UNKNOWN, 0),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.when}" if isinstance(value, Fault) else None,
)
def test_each_kind_of_answer_has_its_class(bik: Sandbox, fault: Fault, means: AnswerClass, stored: int) -> None:
    bik.faults = FaultPlan(script=(fault,))
    assert send(bik.url).means is means
    assert bik.ledger.count() == stored
    assert len(bik.requests) == 1


def test_a_slow_body_is_waited_for(bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="slow_body", when="after", seconds=1.5),))
    assert send(bik.url).means is AnswerClass.CONFIRMED


def test_retry_after_is_handed_on(bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=429, when="before", retry_after="7"),))
    assert send(bik.url).retry_after == 7


def test_a_redirect_is_not_followed(bik: Sandbox) -> None:
    with Sandbox(api_key="other", api_secret="other") as elsewhere:
        bik.faults = FaultPlan(script=(Fault(kind="status", status=307, when="before"),))
        answer = send(bik.url)
        assert answer.means is AnswerClass.FATAL
        assert "redirects" in answer.advice
        assert elsewhere.requests == []


def test_a_wrong_key_is_fatal(bik: Sandbox) -> None:
    answer = send(bik.url, credentials=Credentials(key="wrong", secret="wrong"))
    assert (answer.means, answer.status) == (AnswerClass.FATAL, 401)


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_refused_connection_was_not_sent() -> None:
    assert send(f"http://127.0.0.1:{_unused_port()}").means is AnswerClass.NOT_SENT


def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    assert send("https://bik.invalid").means is AnswerClass.NOT_SENT


def test_a_connection_that_does_not_come_to_stand_was_not_sent() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as held:
        # A full backlog that nobody accepts from leaves further connections hanging.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        answer = send(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.5)
    assert answer.means is AnswerClass.NOT_SENT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=bik"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *extension], cwd=directory, check=True, capture_output=True)
    return directory


async def _over_tls(certificate: Path, **options: Any) -> Answer:
    async def good(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"status":200,"success":true}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = await asyncio.start_server(good, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = ClientSettings(base_url=url, credentials=CREDENTIALS, **options)
        async with BikClient(settings) as client:
            return await client.send([EVENT])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_that_nobody_vouches_for_is_fatal(certificate: Path) -> None:
    answer = asyncio.run(_over_tls(certificate))
    assert answer.means is AnswerClass.FATAL
    assert "certificate" in answer.advice


def test_a_certificate_from_the_ca_file_is_trusted(certificate: Path) -> None:
    answer = asyncio.run(_over_tls(certificate, ca_file=str(certificate / "cert.pem")))
    assert answer.means is AnswerClass.CONFIRMED


@pytest.mark.parametrize(
    ("app_id", "credentials", "means"),
    [
        ("app", CREDENTIALS, AnswerClass.CONFIRMED),
        ("app", Credentials(key="wrong", secret="wrong"), AnswerClass.FATAL),
        ("other", CREDENTIALS, None),
    ],
)
def test_the_credential_check_tells_right_from_wrong_and_stores_nothing(
    bik: Sandbox, app_id: str, credentials: Credentials, means: AnswerClass | None
) -> None:
    settings = ClientSettings(base_url=bik.url, credentials=credentials, app_id=app_id)

    async def check() -> Answer:
        async with BikClient(settings) as client:
            return await client.check_credentials()

    answer = asyncio.run(check())
    assert answer.means is means if means else answer.means is not AnswerClass.CONFIRMED
    assert bik.ledger.count() == 0


def test_environment_proxies_are_not_used(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{_unused_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{_unused_port()}")
    assert send(bik.url).means is AnswerClass.CONFIRMED


def test_the_client_needs_its_context() -> None:
    client = BikClient(ClientSettings(base_url="http://127.0.0.1:1", credentials=CREDENTIALS))
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(client.send([EVENT]))


async def _from_a_server_that_says(raw: bytes) -> Answer:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with BikClient(ClientSettings(base_url=url, credentials=CREDENTIALS, read_timeout=2.0)) as client:
            return await client.send([EVENT])


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DEEP = b'{"status":200,"x":' + b"[" * 15_000 + b"]" * 15_000 + b"}"


@pytest.mark.parametrize(
    ("raw", "means"),
    [
        (b"", AnswerClass.UNKNOWN),
        (b"HTTP/9.9 abc\r\n\r\n", AnswerClass.UNKNOWN),
        (b"HTTP/1.1 200 OK\r\nX\x00: 1\r\n\r\n", AnswerClass.UNKNOWN),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", AnswerClass.UNKNOWN),
        (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", AnswerClass.UNKNOWN),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc", AnswerClass.UNKNOWN),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde", AnswerClass.UNKNOWN),
        (OK + b"Content-Length: 4\r\n\r\n\xff\xfe\xff\xfe", AnswerClass.UNKNOWN),
        (OK + b"Content-Length: 40000\r\n\r\n" + b"[" * 40_000, AnswerClass.UNKNOWN),
        (OK + b"Content-Length: %d\r\n\r\n%s" % (len(DEEP), DEEP), AnswerClass.UNKNOWN),
        (
            b"HTTP/1.1 429 X\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 +99999999999999\r\nContent-Length: 0\r\n\r\n",
            AnswerClass.THROTTLED,
        ),
        (b"HTTP/1.1 429 X\r\nRetry-After: \xe9\xff\r\nContent-Length: 0\r\n\r\n", AnswerClass.THROTTLED),
    ],
    ids=range(12),
)
def test_whatever_a_server_says_is_an_answer(raw: bytes, means: AnswerClass) -> None:
    assert asyncio.run(_from_a_server_that_says(raw)).means is means


@pytest.mark.parametrize(
    "base_url",
    ["https://" + "a" * 70 + ".invalid", "https://a..invalid", "https://", "no scheme", "ftp://a"],
)
def test_an_address_that_cannot_be_used_is_fatal_and_nothing_was_sent(base_url: str) -> None:
    answer = send(base_url)
    assert answer.means is AnswerClass.FATAL
    assert not answer.may_have_arrived


@pytest.mark.parametrize("proxy", ["host:3128", "http://" + "a" * 70 + ".invalid:3128"])
def test_a_proxy_that_cannot_be_used_is_fatal_and_the_advice_names_it(bik: Sandbox, proxy: str) -> None:
    answer = send(bik.url, proxy=proxy)
    assert answer.means is AnswerClass.FATAL
    assert "'proxy'" in answer.advice
    assert bik.requests == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_https_asked_of_a_server_that_speaks_plain_http_is_fatal(bik: Sandbox) -> None:
    assert send(bik.url.replace("http://", "https://")).means is AnswerClass.FATAL
