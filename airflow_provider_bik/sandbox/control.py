"""The page, and the JSON that it and scripts ask for. Open to this machine only, also through a browser."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_provider_bik.sandbox.faults import FaultPlan
from airflow_provider_bik.sandbox.ledger import StoredEvent
from airflow_provider_bik.sandbox.masking import masked_event, masked_person

if TYPE_CHECKING:
    from airflow_provider_bik.sandbox.server import Sandbox

Endpoint = Callable[[Request], Awaitable[Response]]

_PAGE = resources.files("airflow_provider_bik.sandbox") / "page"
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


def _json(document: object, status: int = 200) -> Response:
    # In ASCII: an event may hold half a surrogate pair, which is no UTF-8.
    return Response(json.dumps(document), status, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


class Control:
    """Endpoints beside BIK's own.

    Args:
        sandbox: What they show and steer.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._started = time.monotonic()
        files = [_PAGE / name for name in ("page.css", "page.js", "page.html")]
        style, script, page = (file.read_text(encoding="utf-8") for file in files)
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
        sandbox = self._sandbox
        return _json(
            {
                "uptime": time.monotonic() - self._started,
                "credentials": sandbox.sample_credentials,
                **sandbox.ledger.summary(),
                **sandbox.log.counted(),
                "duplicates": [each._asdict() for each in sandbox.ledger.duplicates(limit=_DUPLICATES)],
                "latest": [_shown(event) for event in sandbox.ledger.latest(_LATEST)],
                "plan": next((name for name, plan in _KNOWN.items() if plan == sandbox.faults), "other"),
            }
        )

    async def _counts(self, request: Request) -> Response:
        fields = [field for each in request.query_params.getlist("by") for field in each.split(",") if field]
        where = dict(_pair(each) for each in request.query_params.getlist("where"))
        counts = self._sandbox.ledger.counts(*fields, where=where)
        rows = [{**dict(zip(fields, values, strict=True)), "count": count} for values, count in counts.items()]
        return _json({"by": fields, "counts": rows})

    async def _duplicates(self, request: Request) -> Response:
        key = request.query_params.get("key", "eventName")
        rows = [each._asdict() for each in self._sandbox.ledger.duplicates(key)]
        return _json({"key": key, "duplicates": rows})

    async def _event(self, request: Request) -> Response:
        found = self._sandbox.ledger.event(request.path_params["sequence"])
        if found is None:
            return _error(404, "There is no such event; it may have been forgotten")
        return _json(
            {
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
        self._sandbox.faults = FaultPlan.from_json(await request.body())
        return Response(status_code=204)


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        message = "where: field=value, such as where=pipeline=migration"
        raise ValueError(message)
    return field, value


def _shown(stored: StoredEvent) -> dict[str, object]:
    event = stored.event
    return {
        "sequence": stored.sequence,
        "pipeline": stored.pipeline,
        "receivedAt": stored.received,
        "eventName": str(event["eventName"])[:_SHOWN_TEXT],
        "person": masked_person(event)[:_SHOWN_TEXT],
        "createdAt": str(event.get("createdAt", ""))[:_SHOWN_TEXT],
    }
