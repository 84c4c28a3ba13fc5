"""BIK's contract as its documentation states it: what an event must look like, and where its flags send it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

Pipeline = Literal["realtime", "migration", "stream_rejected", "history_lost"]
PIPELINES: Final[tuple[Pipeline, ...]] = ("realtime", "migration", "stream_rejected", "history_lost")
MAX_EVENTS: Final = 100
"""Events in one call of sendEvents, as documented."""

ADDRESSES: Final = ("shippingAddress", "billingAddress")
"""Properties of the documented event `ordered` that say where a person lives."""

_STRINGS: Final = ("name", "email", "phoneNumber", "eventName", "createdAt")


class UnreadableError(ValueError):
    """The body is not the JSON that the endpoint takes; the text is what BIK would answer."""


def parse(body: bytes) -> Mapping[str, object]:
    """Read a request's body.

    Args:
        body: The bytes as received.

    Raises:
        UnreadableError: Not UTF-8, not JSON (NaN and Infinity are not), or not an object.
    """
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        message = "The payload is not valid JSON"
        raise UnreadableError(message) from error
    if not isinstance(document, dict):
        message = "The payload must be a JSON object"
        raise UnreadableError(message)
    return document


def _reject_constant(name: str) -> float:
    message = f"{name} is not JSON"
    raise ValueError(message)


def batch_of(endpoint: str, document: Mapping[str, object]) -> list[object]:
    """Take the events out of the body of sendEvent or sendEvents.

    Args:
        endpoint: Which of the two.
        document: The body.

    Raises:
        UnreadableError: The list or the event is missing, of another type, empty or too long.
    """
    if endpoint == "sendEvent":
        if "event" not in document:
            message = "'event' is required"
            raise UnreadableError(message)
        return [document["event"]]
    events = document.get("events")
    if events is None:
        message = "'events' is required"
    elif not isinstance(events, list):
        message = "'events' must be an array"
    elif not events:
        message = "'events' must contain at least 1 event"
    elif len(events) > MAX_EVENTS:
        message = f"'events' must contain at most {MAX_EVENTS} events"
    else:
        return events
    raise UnreadableError(message)


def examine(event: object, required_properties: Mapping[str, Sequence[str]]) -> list[str]:
    """Judge one event.

    Args:
        event: What the caller sent.
        required_properties: By event name, properties that must be there beyond what BIK documents.

    Returns:
        What is wrong with it in BIK's style, paths relative to the event; nothing if it is fit to be stored.
    """
    if not isinstance(event, dict):
        return ["'event' must be an object"]
    try:
        # It gets one when it is stored.
        digest(event)
        return [*_wrong_fields(event), *_wrong_properties(event, required_properties)]
    except RecursionError:
        return ["'event' is nested too deeply"]


def _wrong_fields(event: Mapping[str, object]) -> list[str]:
    messages = [f"'{name}' must be a string" for name in _STRINGS if name in event and type(event[name]) is not str]
    if "eventName" not in event or event["eventName"] == "":
        messages.append("'eventName' is required")
    # BIK: "both cannot be empty at the same time".
    if not event.get("email") and not event.get("phoneNumber"):
        messages.append("'email' or 'phoneNumber' is required")
    created_at = event.get("createdAt")
    if isinstance(created_at, str) and not _is_iso_8601(created_at):
        messages.append("'createdAt' must be an ISO 8601 date")
    if "isMigration" in event and type(event["isMigration"]) is not bool:
        messages.append("'isMigration' must be a boolean")
    return messages


def _wrong_properties(event: Mapping[str, object], required: Mapping[str, Sequence[str]]) -> list[str]:
    properties = event.get("eventProperties")
    if properties is None:
        return ["'eventProperties' is required"]
    if not isinstance(properties, dict):
        return ["'eventProperties' must be an object"]
    # Whether BIK takes null is not documented; a witness that took it would hide a client that sends it.
    if any(value is None for value in properties.values()):
        return ["'eventProperties' must not contain null"]
    names = required.get(str(event.get("eventName")), ())
    return [f"'eventProperties.{name}' is required" for name in names if name not in properties]


def _is_iso_8601(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def route(event: Mapping[str, object]) -> Pipeline:
    """Tell where BIK sends an event: the documented matrix of isMigration and createdAt."""
    dated = "createdAt" in event
    if event.get("isMigration") is True:
        return "migration" if dated else "history_lost"
    return "stream_rejected" if dated else "realtime"


_canonical: Final[Callable[[object], str]] = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def digest(event: Mapping[str, object]) -> str:
    """The digest of an event's canonical JSON, in hexadecimal: the same for the same content.

    Raises:
        RecursionError: It is nested too deeply.
    """
    return hashlib.blake2b(_canonical(event).encode(), digest_size=16).hexdigest()
