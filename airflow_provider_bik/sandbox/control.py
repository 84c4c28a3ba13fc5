"""The page, and the JSON that it and scripts ask for. Open to this machine only, also through a browser."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from airflow_provider_bik.sandbox.contract import PIPELINES
from airflow_provider_bik.sandbox.faults import FaultPlan
from airflow_provider_bik.sandbox.ledger import Ledger
from airflow_provider_bik.sandbox.masking import masked_event, masked_person
from airflow_provider_bik.sandbox.request_log import RequestLog
from airflow_provider_bik.sandbox.stored import StoredEvent

Endpoint = Callable[[Request], Awaitable[Response]]

_LATEST = 14
_DUPLICATES = 5
_SHOWN_TEXT = 120

PLANS: Final[Mapping[str, Mapping[str, object]]] = {
    "none": {},
    "outage": {"rates": [{"kind": "status", "status": 503, "probability": 1}]},
    "throttle": {"requests_per_second": 1, "retry_after": "1"},
    "slow": {"latency": [2, 4]},
}
"""The fault plans that the page's buttons put in force."""

_KNOWN: Final = {name: FaultPlan.from_json(json.dumps(plan)) for name, plan in PLANS.items()}


class Controlled(Protocol):
    """What the page may see of a sandbox, and do to it."""

    @property
    def ledger(self) -> Ledger:
        """The stored events."""

    @property
    def log(self) -> RequestLog:
        """The requests."""

    @property
    def sample_credentials(self) -> str | None:
        """User and password to show on the page, if they are no secret."""

    @property
    def faults(self) -> FaultPlan:
        """The fault plan in force."""

    def set_faults(self, plan: FaultPlan) -> None:
        """Put another plan in force."""

    def clear(self) -> None:
        """Forget events and requests."""


def is_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine itself: otherwise a web site may have rebound its name to it."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guard(request: Request) -> Response:
        host = request.headers.get("host", "")
        if not is_loopback(host):
            return _error(403, "Host must be a loopback address")
        origin = request.headers.get("origin")
        if request.method not in {"GET", "HEAD"} and origin not in {None, f"http://{host}"}:
            return _error(403, "Origin must be the sandbox itself")
        try:
            response = await endpoint(request)
        except ValueError as error:
            response = _error(400, str(error))
        response.headers["cache-control"] = "no-store"
        response.headers["x-content-type-options"] = "nosniff"
        return response

    return guard


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


class Control:
    """Endpoints beside BIK's own.

    Args:
        sandbox: What they show and steer.
    """

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox
        self._started = time.monotonic()
        files = resources.files("airflow_provider_bik.sandbox") / "page"
        style, script, page = (
            (files / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html")
        )
        script = script.replace("{}/*PLANS*/", json.dumps(PLANS))
        self._page = page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)

    def routes(self) -> list[Route]:
        """List the routes."""
        served: list[tuple[str, str, Endpoint]] = [
            ("GET", "/", self._show),
            ("GET", "/stats", self._stats),
            ("GET", "/ledger/counts", self._counts),
            ("GET", "/ledger/duplicates", self._duplicates),
            ("GET", "/ledger/events/{sequence:int}", self._event),
            ("POST", "/ledger/clear", self._clear),
            ("PUT", "/faults", self._set_faults),
        ]
        return [Route(path, _guarded(endpoint), methods=[method]) for method, path, endpoint in served]

    async def _show(self, _request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self';"
            " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"content-security-policy": policy, "referrer-policy": "no-referrer"}
        return HTMLResponse(self._page.replace("NONCE", nonce), headers=headers)

    async def _stats(self, _request: Request) -> Response:
        ledger = self._sandbox.ledger
        summary = ledger.summary()
        statuses, faults, refusals = self._sandbox.log.counted()
        return JSONResponse(
            {
                "uptime": time.monotonic() - self._started,
                "credentials": self._sandbox.sample_credentials,
                "second": summary.second,
                "pipelines": {
                    name: {
                        "total": summary.totals.get(name, 0),
                        "rate": summary.rates[name],
                        "series": summary.series[name],
                    }
                    for name in PIPELINES
                },
                "statuses": statuses,
                "faults": faults,
                "refusals": [{"reason": reason, "count": count} for reason, count in refusals],
                "extraCopies": summary.extra_copies,
                "duplicates": [
                    {"contentHash": each.content_hash, "copies": each.copies, "eventName": each.example}
                    for each in ledger.duplicates(limit=_DUPLICATES)
                ],
                "latest": [_shown(event) for event in ledger.latest(_LATEST)],
                "plan": next((name for name, plan in _KNOWN.items() if plan == self._sandbox.faults), "other"),
            }
        )

    async def _counts(self, request: Request) -> Response:
        fields = [field for each in request.query_params.getlist("by") for field in each.split(",") if field]
        where = dict(_pair(each) for each in request.query_params.getlist("where"))
        counts = self._sandbox.ledger.counts(*fields, where=where)
        rows = [{**dict(zip(fields, values, strict=True)), "count": count} for values, count in counts.items()]
        return JSONResponse({"by": fields, "counts": rows})

    async def _duplicates(self, request: Request) -> Response:
        key = request.query_params.get("key", "eventName")
        rows = [each._asdict() for each in self._sandbox.ledger.duplicates(key)]
        return JSONResponse({"key": key, "duplicates": rows})

    async def _event(self, request: Request) -> Response:
        found = self._sandbox.ledger.event(request.path_params["sequence"])
        if found is None:
            return _error(404, "There is no such event; it may have been forgotten")
        return JSONResponse(
            {
                "sequence": found.sequence,
                "pipeline": found.pipeline,
                "receivedAt": found.received,
                "contentHash": found.content_hash,
                "event": masked_event(found.event),
            }
        )

    async def _clear(self, _request: Request) -> Response:
        self._sandbox.clear()
        return Response(status_code=204)

    async def _set_faults(self, request: Request) -> Response:
        self._sandbox.set_faults(FaultPlan.from_json(await request.body()))
        return Response(status_code=204)


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        message = "where: field=value, such as where=pipeline=migration"
        raise ValueError(message)
    return field, value


def _shown(event: StoredEvent) -> dict[str, object]:
    created_at = event.event.get("createdAt")
    return {
        "sequence": event.sequence,
        "pipeline": event.pipeline,
        "receivedAt": event.received,
        "eventName": str(event.event["eventName"])[:_SHOWN_TEXT],
        "person": masked_person(event.event)[:_SHOWN_TEXT],
        "createdAt": created_at[:_SHOWN_TEXT] if isinstance(created_at, str) else None,
    }
