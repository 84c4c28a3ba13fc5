"""What the ledger gives out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_bik.sandbox.contract import Pipeline

Row = tuple[Any, ...]
"""A row of a query; its columns are those of the query beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event as stored.

    Attributes:
        sequence: Its place in the order of arrival, from 1.
        pipeline: Where its flags sent it.
        received: When it arrived, in seconds since 1970.
        content_hash: Digest of its canonical JSON, in hexadecimal.
        event: The event as received; without its personal part once that has been blanked.
    """

    sequence: int
    pipeline: Pipeline
    received: float
    content_hash: str
    event: Mapping[str, object]


class Duplicate(NamedTuple):
    """Content that was stored more than once.

    Attributes:
        content_hash: Digest of the event's canonical JSON, in hexadecimal.
        copies: How many times it was stored.
        example: The asked field of the first copy.
    """

    content_hash: str
    copies: int
    example: str | None


def stored_event(row: Row) -> StoredEvent:
    """Put an event together again from the ledger's columns."""
    sequence, pipeline, received, content_hash, event, personal = row
    return StoredEvent(
        sequence=sequence,
        pipeline=pipeline,
        received=received,
        content_hash=content_hash,
        event=_joined(json.loads(event), json.loads(personal or "{}")),
    )


def _joined(event: dict[str, object], personal: dict[str, object]) -> dict[str, object]:
    properties = event["eventProperties"]
    addresses = personal.get("eventProperties")
    if isinstance(properties, dict) and isinstance(addresses, dict):
        return {**personal, **event, "eventProperties": {**properties, **addresses}}
    return {**personal, **event}
