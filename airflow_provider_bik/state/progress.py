"""How far a delivery has come, as one JSON document: the task writes it, the page in Airflow's web interface reads it.

It holds counts, times and paths; no event and nothing personal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from airflow_provider_bik.delivery.narration import Narrator, Outage
from airflow_provider_bik.delivery.settings import Progress

__all__ = ["MOST_RATES", "PROGRESS", "DeliveryProgress", "PastTrouble", "Rates", "State", "Trouble", "progress_now"]

PROGRESS = "progress"
"""The name of the document in the task state store."""

MOST_RATES = 120
"""Points that show how fast a delivery was; with more, they get further apart."""

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


@dataclass(slots=True)
class Rates:
    """Few points, evenly apart, that show how a number has grown, however long it takes.

    Attributes:
        points: Seconds and number; the last one is always the latest.
    """

    points: list[tuple[float, int]] = field(default_factory=list)
    _apart: float = 0.0

    def add(self, seconds: float, number: int) -> None:
        """A later point."""
        points = self.points
        if len(points) > 1 and points[-1][0] - points[-2][0] < self._apart:
            points.pop()
        points.append((round(seconds, 1), number))
        if len(points) > MOST_RATES:
            del points[1:-1:2]
            self._apart = 2 * (points[-1][0] - points[0][0]) / MOST_RATES


def progress_now(
    base: DeliveryProgress, progress: Progress, *, began: datetime, narrator: Narrator, rates: Rates
) -> DeliveryProgress:
    """The document for a progress.

    Args:
        base: What does not change while this try delivers.
        progress: How far it has come.
        began: When this try began to deliver, in the zone in which times are told.
        narrator: Has followed it to here.
        rates: As `narrator`.
    """
    counts, trouble = progress.counts, narrator.trouble
    state: State = trouble.kind if trouble else "sending" if counts.requests or base.dry_run else "reading"
    return msgspec.structs.replace(
        base,
        note=narrator.note(progress),
        state=state,
        updated_at=_at(began, progress.seconds),
        read=max(progress.read, progress.settled),
        confirmed=counts.passed,
        rejected=counts.rejected,
        skipped=counts.skipped,
        unresolved=max(0, progress.read - progress.settled),
        possible_duplicates=len(counts.possible_duplicates),
        retrying=progress.retrying,
        in_flight=progress.in_flight,
        requests=counts.requests,
        failed_requests=counts.failed_requests,
        pipelines={pipeline.value: number for pipeline, number in counts.pipelines.items()},
        reasons={reason.value: number for reason, number in counts.reasons.items()},
        rates=list(rates.points),
        trouble=trouble and Trouble(kind=trouble.kind, since=_at(began, trouble.began), what=trouble.what),
        outages=list(_past(began, narrator.outages)),
    )


def _past(began: datetime, outages: Iterable[Outage]) -> Iterable[PastTrouble]:
    for outage in outages:
        start, end = _at(began, outage.began), _at(began, outage.ended)
        yield PastTrouble(kind=outage.kind, start=start, end=end, what=outage.what)


def _at(began: datetime, seconds: float) -> str:
    return (began + timedelta(seconds=seconds)).isoformat(timespec="seconds")
