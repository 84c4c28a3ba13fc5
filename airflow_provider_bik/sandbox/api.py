"""BIK's three endpoints, and the faults that strike them."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from airflow_provider_bik.sandbox.answers import APP_IS_KNOWN, REJECTIONS, SUCCESS, fault_answer, rejection
from airflow_provider_bik.sandbox.contract import UnreadableError, batch_of, examine, parse
from airflow_provider_bik.sandbox.exchange import Answer, Wire
from airflow_provider_bik.sandbox.faults import Fault
from airflow_provider_bik.sandbox.gate import Gate
from airflow_provider_bik.sandbox.ledger import Ledger
from airflow_provider_bik.sandbox.request_log import RequestLog, RequestRecord

ENDPOINTS: Final = {
    "/integrations/bikPlatformFunctions-events/sendEvent": "sendEvent",
    "/integrations/bikPlatformFunctions-events/sendEvents": "sendEvents",
    "/integrations/bikPlatformFunctions-authPartnerViaKey": "authPartnerViaKey",
}
_MAX_PATH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the sandbox insists on.

    Attributes:
        api_key: User name of HTTP Basic.
        api_secret: Password of HTTP Basic.
        app_id: What the credential check must be asked about.
        max_body_bytes: Larger bodies are answered with 413.
        required_properties: By event name, properties that must be there beyond what BIK documents.
        keep_bodies: Whether the bodies of requests are kept.
    """

    api_key: str
    api_secret: str
    app_id: str
    max_body_bytes: int
    required_properties: Mapping[str, Sequence[str]]
    keep_bodies: bool


class BikApi:
    """An ASGI app for BIK's endpoints and for every path that does not exist.

    Args:
        rules: What to insist on.
        ledger: Where accepted events go.
        log: Where requests are noted.
        gate: Gives the plan in force.
        wire: Makes the ASGI side of a request.
    """

    def __init__(
        self, rules: Rules, ledger: Ledger, log: RequestLog, gate: Callable[[], Gate], wire: Callable[..., Wire]
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._log = log
        self._gate = gate
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its arrival to its answer, or to what it gets instead."""
        record = RequestRecord(
            endpoint=ENDPOINTS.get(scope["path"], scope["path"][:_MAX_PATH]),
            authorized=self._is_authorized(Headers(scope=scope)),
            received_at=time.monotonic(),
        )
        self._log.begin(record)
        gate = self._gate()
        fault, latency = gate.draw()
        over = gate.enter()
        wire = self._wire(scope, receive, send)
        try:
            body, state = await wire.read(self._rules.max_body_bytes)
            if state == "gone":
                return
            record.body = body if self._rules.keep_bodies else None
            work = _Work(self, gate, record, scope["method"], body if state == "whole" else None)
            if over is not None:
                record.fault = "limit"
                await wire.answer(work.instead(fault_answer(over)))
            elif latency and await wire.hold(latency) == "stopping":
                await wire.abort()
            elif fault is not None:
                record.fault = fault.kind
                await _strike(wire, work, fault)
            else:
                await wire.answer(work.done())
        finally:
            gate.leave()
            self._log.end(record)

    def _is_authorized(self, headers: Headers) -> bool:
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._rules.api_key}:{self._rules.api_secret}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)

    def handle(self, work: _Work) -> Answer:
        """Do what BIK does with a request, and store what is to be stored."""
        known = work.record.endpoint in ENDPOINTS.values()
        checks = (
            (not known, 404),
            (work.method != "POST", 405),
            (not work.record.authorized, 401),
            (work.body is None, 413),
        )
        for failed, status in checks:
            if failed:
                self._log.reject([REJECTIONS[status]])
                return rejection(status)
        if isinstance(work.content, UnreadableError):
            self._log.reject([str(work.content)])
            return rejection(400, [str(work.content)])
        if isinstance(work.content, list):
            return self._take(work.content, work.gate)
        return self._check_app(work.content)

    def _check_app(self, document: Mapping[str, object]) -> Answer:
        if document.get("appId") == self._rules.app_id:
            return APP_IS_KNOWN
        # What BIK answers here is not documented.
        message = "'appId' is not known" if document.get("appId") else "'appId' is required"
        self._log.reject([message])
        return rejection(400, [message])

    def _take(self, events: Sequence[object], gate: Gate) -> Answer:
        judged = [(event, examine(event, self._rules.required_properties)) for event in events]
        messages = [message for _, wrong in judged for message in wrong]
        if not messages or gate.plan.on_bad_event == "accept_others":
            self._ledger.store([event for event, wrong in judged if isinstance(event, dict) and not wrong])
        if not messages:
            return SUCCESS
        self._log.reject(messages)
        return rejection(400, messages)


class _Work:
    """What is to be done for one request, done once at most."""

    def __init__(self, api: BikApi, gate: Gate, record: RequestRecord, method: str, body: bytes | None) -> None:
        self.gate = gate
        self.record = record
        self.method = method
        self.body = body
        self.content = _content(record.endpoint, body)
        record.events = len(self.content) if isinstance(self.content, list) else 0
        self._api = api
        self._answer: Answer | None = None

    def done(self) -> Answer:
        """Do it, and give the answer that it deserves."""
        if self._answer is None:
            self._answer = self._api.handle(self)
        self.record.status = self._answer.status
        return self._answer

    def instead(self, answer: Answer) -> Answer:
        """Give another answer than the one deserved."""
        self.record.status = answer.status
        return answer


def _content(endpoint: str, body: bytes | None) -> list[object] | Mapping[str, object] | UnreadableError:
    """Read the events, or the whole document where the endpoint takes none."""
    try:
        document = parse(body or b"")
        return document if endpoint == "authPartnerViaKey" else batch_of(endpoint, document)
    except UnreadableError as error:
        return error


async def _strike(wire: Wire, work: _Work, fault: Fault) -> None:
    if fault.when == "after":
        work.done()
    work.record.status = None
    if fault.kind == "reset":
        await wire.abort()
    elif fault.kind == "hang":
        if await wire.hold(fault.seconds) == "elapsed":
            await wire.answer(work.done())
        else:
            await wire.abort()
    elif fault.kind == "slow_body":
        answer = work.done() if fault.status is None else work.instead(fault_answer(fault))
        await wire.answer_slowly(answer, 1.0 if fault.seconds is None else fault.seconds)
    elif fault.kind == "truncated":
        await wire.answer_in_part(work.instead(fault_answer(fault)))
    else:
        await wire.answer(work.instead(fault_answer(fault)))
