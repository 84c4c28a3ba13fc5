"""What became of an event."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_bik.events import EncodedEvent, InputEvent, Reason, Rejection


def body(event: InputEvent) -> dict[str, Any]:
    """What goes out of it; it must be a good one."""
    assert isinstance(event.result, EncodedEvent), event.result
    found: dict[str, Any] = json.loads(event.result.body)
    return found


def reason(event: InputEvent) -> Reason:
    """Why it was rejected; it must have been."""
    assert isinstance(event.result, Rejection), event.result
    return event.result.reason
