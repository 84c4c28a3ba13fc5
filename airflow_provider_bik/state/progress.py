"""How far a delivery has come: one small document, which the task writes and Airflow's own page shows."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["DeliveryProgress", "Outage", "ProgressState", "Trouble"]

ProgressState = Literal[
    "reading",
    "sending",
    "failing",
    "throttled",
    "stepped_aside",
    "stopped",
    "delivered",
    "failed",
    "already_delivered",
]
"""What a delivery is doing, or how it has ended."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with BIK now.

    Attributes:
        kind: Whether BIK fails, or asks for fewer requests.
        since: ISO 8601.
        what: Such as ``HTTP 503``; no body, no personal data.
    """

    kind: Literal["failing", "throttled"]
    since: str
    what: str


class Outage(msgspec.Struct, frozen=True, kw_only=True, rename={"began": "from", "ended": "to"}):
    """What was wrong with BIK for a while.

    Attributes:
        kind: As in `Trouble`.
        began: ISO 8601; ``from`` in the document.
        ended: ISO 8601; ``to`` in the document.
        what: As in `Trouble`.
    """

    kind: Literal["failing", "throttled"]
    began: str
    ended: str
    what: str


class DeliveryProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a delivery has come: counts and times, no event and nothing personal.

    Attributes:
        version: Of this form.
        note: One sentence, for whoever looks at the task's *Storage* tab.
        state: What the delivery is doing, or how it has ended.
        began_at: ISO 8601, aware.
        updated_at: ISO 8601, aware.
        stream: Empty if there is none.
        window: Start and end, ISO 8601, if there is one.
        zone: Name of the time zone in which the task tells times.
        delivery: What is delivered, in words.
        host: Of BIK.
        mode: The operator's argument ``pipeline``.
        dry_run: Whether nothing is sent on purpose.
        total: Events of the input, where that is known.
        read: Events read so far.
        confirmed: Events that BIK confirmed; in a dry run, events that could be sent.
        rejected: Events that did not go out or that BIK rejected.
        skipped: Events that were left out because the DAG said so.
        unresolved: Events read that have no outcome yet.
        possible_duplicates: Events that may have reached BIK more than once.
        retrying: Events that wait for another attempt.
        in_flight: Events of requests that have no answer yet.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        pipelines: Confirmed events by pipeline.
        reasons: Rejected events by reason code.
        rates: Pairs of the seconds since ``began_at`` and the events settled until then; thinned, the newest kept.
        trouble: What is wrong with BIK now, if anything.
        outages: What was wrong with BIK before; the newest are kept.
        record_path: Folder of the record, without credentials.
        generation: Of the record.
        rejected_path: File of the rejected events, or pattern of their files, without credentials.
    """

    version: int = 1
    note: str = ""
    state: ProgressState
    began_at: str
    updated_at: str
    stream: str = ""
    window: tuple[str, str] | None = None
    zone: str = "UTC"
    delivery: str = ""
    host: str = ""
    mode: str = ""
    dry_run: bool = False
    total: int | None = None
    read: int = 0
    confirmed: int = 0
    rejected: int = 0
    skipped: int = 0
    unresolved: int = 0
    possible_duplicates: int = 0
    retrying: int = 0
    in_flight: int = 0
    requests: int = 0
    failed_requests: int = 0
    pipelines: dict[str, int] = msgspec.field(default_factory=dict)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    rates: list[tuple[float, int]] = msgspec.field(default_factory=list)
    trouble: Trouble | None = None
    outages: list[Outage] = msgspec.field(default_factory=list)
    record_path: str | None = None
    generation: str | None = None
    rejected_path: str | None = None
