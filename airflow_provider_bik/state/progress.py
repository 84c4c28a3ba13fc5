"""How far a delivery has come, as one JSON document: the task writes it, the page in Airflow's web interface reads it.

It holds counts, times and paths; no event and nothing personal.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["PROGRESS", "DeliveryProgress", "PastTrouble", "State", "Trouble"]

PROGRESS = "progress"
"""The name of the document in the task state store."""

State = Literal[
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


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps BIK from answering now.

    Attributes:
        kind: ``failing`` or ``throttled``.
        since: ISO 8601.
        what: In words, such as ``HTTP 503``.
    """

    kind: Literal["failing", "throttled"]
    since: str
    what: str


class PastTrouble(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """What kept it from answering before; in JSON the times are ``from`` and ``to``.

    Attributes:
        kind: ``failing`` or ``throttled``.
        start: ISO 8601.
        end: ISO 8601.
        what: In words, such as ``HTTP 503``.
    """

    kind: Literal["failing", "throttled"]
    start: str
    end: str
    what: str


class DeliveryProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a delivery has come. Unknown fields are ignored, so that an older page can read what a newer task wrote.

    Attributes:
        version: Of this form.
        note: The same in one sentence.
        state: What the task is doing, or how it has ended.
        began_at: When this try began; ISO 8601, like all times.
        updated_at: When this was written.
        stream: The stream; empty if there is none.
        window: Start and end of the window, if there is one.
        zone: In which a person tells the times.
        delivery: The delivery in words.
        host: Of BIK.
        mode: The operator's ``pipeline``.
        dry_run: Whether nothing is sent.
        total: Events of the input, if that is known.
        read: Events read so far, as are all counts.
        confirmed: Events that BIK has confirmed; in a dry run, events that could be sent.
        rejected: Events that did not go out, or that BIK has rejected.
        skipped: Events that the DAG has said to leave out.
        unresolved: Events that were read and have no outcome yet.
        possible_duplicates: Events that may have reached BIK more than once.
        retrying: Events that wait to be sent again.
        in_flight: Requests that wait for their answer.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        pipelines: Confirmed events by pipeline.
        reasons: Rejected events by reason.
        rates: Points of seconds since ``began_at`` and events that had their outcome then.
        trouble: What keeps BIK from answering, if it does not.
        outages: What kept it from answering before; the last ones.
        record_path: Where the record is, without credentials.
        generation: The generation that is delivered.
        rejected_path: Where the rejected events are, without credentials.
    """

    version: int = 1
    note: str = ""
    state: State = "reading"
    began_at: str = ""
    updated_at: str = ""
    stream: str = ""
    window: list[str] | None = None
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
    outages: list[PastTrouble] = msgspec.field(default_factory=list)
    record_path: str | None = None
    generation: str | None = None
    rejected_path: str | None = None
