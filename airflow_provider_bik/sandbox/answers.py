"""What BIK says, and what stands in its way says instead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from airflow_provider_bik.sandbox.exchange import Answer
from airflow_provider_bik.sandbox.faults import Fault

REJECTIONS: Final = {
    401: "Not authenticated",
    404: "API not found",
    405: "Method not allowed",
    413: "Payload too large",
}
_OTHERS: Final = {**REJECTIONS, 408: "Request timeout", 429: "Too many requests"}
_MAX_ERRORS: Final = 20
_UNAUTHENTICATED: Final = 401


def json_answer(status: int, document: Mapping[str, object]) -> Answer:
    """Make an answer with a JSON body."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return Answer(status=status, body=json.dumps(document).encode(), headers=headers)


SUCCESS: Final = json_answer(200, {"status": 200, "success": True})
"""As documented: no counts, no ids, no result per event, also for a batch."""

APP_IS_KNOWN: Final = json_answer(200, {"status": "200"})
"""As documented for the credential check: a string, and no `success`."""


def rejection(status: int, messages: Sequence[str] = ()) -> Answer:
    """Make an error in BIK's documented shape. The errors of a batch carry no index."""
    said = list(dict.fromkeys(messages)) or [_OTHERS.get(status, "Please try again later")]
    plain = json_answer(status, {"status": status, "errors": [{"message": each} for each in said[:_MAX_ERRORS]]})
    if status != _UNAUTHENTICATED:
        return plain
    return _with(plain, {"www-authenticate": 'Basic realm="BIK sandbox"'})


def fault_answer(fault: Fault) -> Answer:
    """Make the answer that a fault sends in place of the one deserved."""
    headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    match fault.kind:
        case "not_json":
            page = b"<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>"
            plain = Answer(status=fault.status or 200, body=page, headers={"content-type": "text/html"})
        case "success_false":
            plain = json_answer(fault.status or 200, {"status": 200, "success": False})
        case "inner_status":
            inner = rejection(fault.status or 400, [fault.message or "The payload is not valid"])
            plain = Answer(status=200, body=inner.body, headers={"content-type": "application/json; charset=utf-8"})
        case "truncated":
            plain = SUCCESS
        case _:
            plain = rejection(fault.status or 500, [fault.message] if fault.message else [])
            if 300 <= plain.status < 400:  # noqa: PLR2004 - HTTP's range of redirects
                headers["location"] = fault.location or "/redirected"
    return _with(plain, headers)


def _with(answer: Answer, headers: Mapping[str, str]) -> Answer:
    return Answer(status=answer.status, body=answer.body, headers={**answer.headers, **headers})
