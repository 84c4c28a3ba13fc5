"""What the page of a delivery says: its words, numbers and picture, from what is known of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from airflow_provider_bik.delivery.checkpoint import Counts
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.reasons import REASONS
from airflow_provider_bik.state.progress import DeliveryProgress, PastTrouble
from airflow_provider_bik.ui.known import Details, Report, Sample, Sources
from airflow_provider_bik.windows import zone_named

__all__ = ["Chart", "DeliveryView", "Numbers", "ReasonRow", "RunView", "Status", "delivery_view", "run_view"]

WIDTH, HEIGHT = 720.0, 120.0
"""Of the picture of the rate, in its own units."""

_RECENT = 12
"""Points of the rate from which the time left is told."""

_APART = 0.1
"""Seconds between two points of the rate, at least."""

_SHARE = 0.02
"""The same, of all the time."""

_FEW = 3
"""Locations that are shown of a reason where the record says no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a delivery is doing, or how it has ended.

    Attributes:
        text: In a few words.
        tone: ``good``, ``busy``, ``warn``, ``bad`` or ``quiet``; a page shows a colour and a sign for each.
        says: One sentence more; may be empty.
    """

    text: str
    tone: str
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The counts of a delivery; they come from the report, else the progress, else the checkpoint."""

    read: int = 0
    confirmed: int = 0
    rejected: int = 0
    skipped: int = 0
    unresolved: int = 0
    possible_duplicates: int = 0
    requests: int = 0
    failed_requests: int = 0
    total: int | None = None
    pipelines: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """Events that have their outcome."""
        return self.confirmed + self.rejected + self.skipped

    @property
    def whole(self) -> int:
        """What 100 % of the bar means."""
        return max(self.total or 0, self.read, self.settled)

    @property
    def percent(self) -> float:
        """How much of it is settled; rounded down, so that 100 means all."""
        return math.floor(1000 * self.settled / self.whole) / 10 if self.whole else 0.0

    def shares(self) -> list[tuple[str, float, float]]:
        """The parts of the bar: name, where it begins, and how long it is, in percent."""
        parts, at = [], 0.0
        for name in ("confirmed", "rejected", "skipped"):
            length = 100 * getattr(self, name) / self.whole if self.whole else 0.0
            if length:
                parts.append((name, round(at, 3), round(length, 3)))
            at += length
        return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The rate over time, as SVG paths.

    Attributes:
        line: The rate.
        area: What is below it.
        bands: Where BIK failed or throttled: where each begins and how wide it is.
        peak: Events a second, at most.
        average: Events a second, over all.
        seconds: How long it took so far.
    """

    line: str
    area: str
    bands: Sequence[tuple[float, float]]
    peak: float
    average: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """Rejected events of one reason; the fields are those of all samples together, where no sample names its own."""

    code: str
    count: int
    explanation: str
    samples: Sequence[Sample]
    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """The page of a delivery."""

    sources: Sources
    status: Status
    numbers: Numbers | None
    zone: tzinfo
    label: str
    title: str
    nothing: str
    window: tuple[datetime, datetime] | None
    began: datetime | None
    updated: datetime | None
    is_live: bool
    is_dry: bool
    seconds_left: float | None = None
    chart: Chart | None = None
    reasons: Sequence[ReasonRow] = ()
    outages: Sequence[PastTrouble] = ()
    record_path: str | None = None
    rejected_path: str | None = None
    generation: str | None = None
    storage_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The page of a run: its deliveries by task, and all of them together.

    Dry runs are left out of the numbers, unless there is nothing else.
    """

    tasks: Mapping[str, Sequence[DeliveryView]]
    numbers: Numbers
    states: Sequence[tuple[Status, int]]
    is_live: bool
    is_dry: bool


def delivery_view(sources: Sources, details: Details | None, storage_note: str = "") -> DeliveryView:
    """Make the page of a delivery.

    Args:
        sources: What Airflow's database knows.
        details: What the record says; None if it was not read.
        storage_note: Why not, in words.
    """
    progress, report = sources.progress, _final(sources)
    numbers = _numbers(sources, details)
    zone = _zone(sources)
    found = (report and report.rejected_path, progress and progress.rejected_path, details and details.rejected_path)
    return DeliveryView(
        sources=sources,
        status=_status(sources),
        numbers=numbers,
        zone=zone,
        label=_label(sources),
        nothing=_nothing(sources),
        title=_title((progress.delivery if progress else "") or (details.delivery if details else "")),
        window=sources.window,
        began=_time(progress.began_at) if progress else sources.task.began,
        updated=_time(progress.updated_at) if progress else sources.task.ended,
        is_live=sources.task.state not in _ENDED,
        is_dry=bool(report.dry_run if report else progress and progress.dry_run),
        seconds_left=_seconds_left(progress, numbers) if sources.task.state == "running" else None,
        chart=_chart(progress) if progress else None,
        reasons=_reasons(sources, numbers, details),
        outages=_outages(progress),
        record_path=sources.record_path,
        rejected_path=next((each for each in found if each), None),
        generation=(report.generation if report else None) or (progress.generation if progress else None),
        storage_note=storage_note,
    )


def run_view(all_sources: Iterable[Sources]) -> RunView:
    """Make the page of a run."""
    tasks: dict[str, list[DeliveryView]] = {}
    for sources in all_sources:
        tasks.setdefault(sources.task.task_id, []).append(delivery_view(sources, None))
    views = [view for group in tasks.values() for view in group]
    states: dict[Status, int] = {}
    for view in views:
        # What it says more is of one delivery.
        plain = Status(text=view.status.text, tone=view.status.tone)
        states[plain] = states.get(plain, 0) + 1
    counted = [view for view in views if view.numbers is not None]
    is_dry = bool(counted) and all(view.is_dry for view in counted)
    return RunView(
        tasks=tasks,
        numbers=_sum([view.numbers for view in counted if view.numbers is not None and view.is_dry is is_dry]),
        states=sorted(states.items(), key=lambda item: (_TONES.index(item[0].tone), item[0].text)),
        is_live=any(view.is_live for view in views),
        is_dry=is_dry,
    )


_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_TONES = ("bad", "warn", "busy", "quiet", "good")

_RUNNING = {
    "reading": Status(text="Reading", tone="busy", says="The input is read; nothing is sent yet."),
    "sending": Status(text="Sending", tone="busy"),
    "failing": Status(text="BIK fails", tone="warn", says="It tries again, and goes on by itself."),
    "throttled": Status(text="BIK slows down", tone="warn", says="BIK asks for fewer requests, and gets them."),
    "stepped_aside": Status(text="Paused", tone="warn", says="BIK asked for a long pause; Airflow starts it again."),
    "stopped": Status(text="Stopping", tone="warn", says="The task was told to stop."),
}
_BY_AIRFLOW = {
    "failed": Status(text="Failed", tone="bad", says="The log says why, and what to do."),
    "upstream_failed": Status(text="Not started", tone="bad", says="A task before it has failed."),
    "up_for_retry": Status(text="Failed, will be tried again", tone="warn", says="It goes on where it has come to."),
    "up_for_reschedule": _RUNNING["stepped_aside"],
    "deferred": _RUNNING["stepped_aside"],
    "skipped": Status(text="Skipped", tone="quiet", says="Airflow has skipped this task."),
    "removed": Status(text="Removed", tone="quiet", says="The DAG has no such task any more."),
}


def _status(sources: Sources) -> Status:
    state, progress, report = sources.task.state, sources.progress, sources.report
    if state == "running":
        return _RUNNING.get(progress.state if progress else "", Status(text="Running", tone="busy"))
    if state == "success":
        if report is not None and report.dry_run:
            return Status(text="Dry run ended", tone="good", says="Everything was read and checked; nothing was sent.")
        if (report is not None and report.already_delivered) or (progress and progress.state == "already_delivered"):
            says = "It was delivered before, so nothing was sent in this run."
            return Status(text="Delivered before", tone="good", says=says)
        return Status(text="Delivered", tone="good")
    return _BY_AIRFLOW.get(state, Status(text="Waiting", tone="quiet", says="Airflow has not started it yet."))


def _title(delivery: str) -> str:
    """The stream; the window stands by itself, in a form that is easier to read, and so do the task and its run."""
    return delivery.partition(", window ")[0] if delivery.startswith("stream ") else ""


def _label(sources: Sources) -> str:
    """What Airflow calls it, unless that only repeats its number or its window."""
    label = sources.task.label
    is_window = sources.window is not None and [_time(text) for text in label.split("/")] == list(sources.window)
    return "" if is_window or label == str(sources.task.map_index) else label


def _nothing(sources: Sources) -> str:
    """What is said where no event was read."""
    if sources.task.state not in _ENDED:
        return "No event is read yet."
    return "The input held no event." if sources.task.state == "success" else "No event was read."


def _final(sources: Sources) -> Report | None:
    """The report of the last try; one of an earlier try says nothing of one that is at work."""
    return None if sources.task.state == "running" else sources.report


def _numbers(sources: Sources, details: Details | None) -> Numbers | None:
    report, progress = _final(sources), sources.progress
    if report is not None:
        return _numbers_of_report(report, None if report.already_delivered or not progress else progress.total)
    if progress is not None:
        return _numbers_of_progress(progress)
    return _numbers_of_counts(details.counts) if details is not None and details.counts is not None else None


def _numbers_of_report(report: Report, total: int | None) -> Numbers:
    return Numbers(
        read=report.read,
        confirmed=report.confirmed + report.deliverable,
        rejected=report.rejected,
        skipped=report.skipped,
        unresolved=report.unresolved,
        possible_duplicates=report.possible_duplicates,
        requests=report.requests,
        failed_requests=report.failed_requests,
        total=total,
        pipelines=report.pipelines,
        reasons=report.reasons,
    )


def _numbers_of_progress(progress: DeliveryProgress) -> Numbers:
    return Numbers(
        read=progress.read,
        confirmed=progress.confirmed,
        rejected=progress.rejected,
        skipped=progress.skipped,
        # So that the equation holds at each moment.
        unresolved=max(progress.read - progress.confirmed - progress.rejected - progress.skipped, 0),
        possible_duplicates=progress.possible_duplicates,
        requests=progress.requests,
        failed_requests=progress.failed_requests,
        total=progress.total,
        pipelines=progress.pipelines,
        reasons=progress.reasons,
    )


def _numbers_of_counts(counts: Counts) -> Numbers:
    return Numbers(
        read=counts.passed + counts.rejected + counts.skipped,
        confirmed=counts.passed,
        rejected=counts.rejected,
        skipped=counts.skipped,
        possible_duplicates=len(counts.possible_duplicates),
        requests=counts.requests,
        failed_requests=counts.failed_requests,
        pipelines={pipeline.value: count for pipeline, count in counts.pipelines.items()},
        reasons={reason.value: count for reason, count in counts.reasons.items()},
    )


def _sum(numbers: Sequence[Numbers]) -> Numbers:
    def added(name: str) -> int:
        return sum(getattr(each, name) for each in numbers)

    def merged(name: str) -> dict[str, int]:
        total: dict[str, int] = {}
        for key, count in ((key, count) for each in numbers for key, count in getattr(each, name).items()):
            total[key] = total.get(key, 0) + count
        return total

    counted = ("read", "confirmed", "rejected", "skipped", "unresolved", "possible_duplicates")
    return Numbers(
        **{name: added(name) for name in (*counted, "requests", "failed_requests")},
        total=sum(each.whole for each in numbers),
        pipelines=merged("pipelines"),
        reasons=merged("reasons"),
    )


def _reasons(sources: Sources, numbers: Numbers | None, details: Details | None) -> list[ReasonRow]:
    if numbers is None:
        return []
    report = _final(sources)
    examples, fields = (report.examples, report.details) if report else ({}, {})
    samples = details.samples if details else {}
    return [
        ReasonRow(
            code=code,
            count=count,
            explanation=REASONS[code].explanation if code in REASONS else "",
            samples=samples.get(code) or [Sample(location=each) for each in examples.get(code, [])[:_FEW]],
            fields=[] if samples.get(code) else fields.get(code, []),
        )
        for code, count in sorted(numbers.reasons.items(), key=lambda item: (-item[1], item[0]))
        if count
    ]


def _outages(progress: DeliveryProgress | None) -> list[PastTrouble]:
    return list(progress.outages) if progress else []


def _seconds_left(progress: DeliveryProgress | None, numbers: Numbers | None) -> float | None:
    """By the rate of late; None where nobody can tell."""
    if progress is None or numbers is None or not numbers.total or len(progress.rates) < 2:  # noqa: PLR2004 - a pair
        return None
    (began, first), (ended, last) = progress.rates[-_RECENT:][0], progress.rates[-1]
    if ended <= began or last <= first:
        return None
    return max(numbers.total - numbers.settled, 0) / ((last - first) / (ended - began))


def _chart(progress: DeliveryProgress) -> Chart | None:
    points = _apart(progress.rates)
    steps = [(start, end, (after - before) / (end - start)) for (start, before), (end, after) in pairwise(points)]
    if len(steps) < 2:  # noqa: PLR2004 - one alone shows nothing
        return None
    seconds, peak = points[-1][0], max(rate for _, _, rate in steps)
    if peak <= 0:
        return None
    across, up = WIDTH / seconds, (HEIGHT - 4) / peak
    corners = [
        (round(x * across, 1), round(HEIGHT - max(rate, 0) * up, 1)) for start, end, rate in steps for x in (start, end)
    ]
    line = "M" + " L".join(f"{x} {y}" for x, y in corners)
    return Chart(
        line=line,
        area=f"{line} L{WIDTH} {HEIGHT} L0 {HEIGHT} Z",
        bands=list(_bands(progress, seconds, across)),
        peak=peak,
        average=points[-1][1] / seconds,
        seconds=seconds,
    )


def _apart(rates: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """The points from the beginning on, so far apart that each step tells a rate; the last one is always there."""
    points = [(0.0, 0)]
    least = max(_APART, rates[-1][0] * _SHARE) if rates else _APART
    for seconds, count in rates:
        if seconds - points[-1][0] >= least:
            points.append((seconds, count))
    if len(points) > 1:
        points[-1] = rates[-1]
    return points


def _bands(progress: DeliveryProgress, seconds: float, across: float) -> Iterator[tuple[float, float]]:
    began = _time(progress.began_at)
    stretches = [(outage.start, outage.end) for outage in progress.outages]
    if progress.trouble is not None:
        stretches.append((progress.trouble.since, progress.updated_at))
    for first, last in stretches:
        start, end = _time(first), _time(last)
        if began is None or start is None or end is None:
            continue
        left = min(max((start - began).total_seconds(), 0.0), seconds)
        right = min(max((end - began).total_seconds(), left), seconds)
        yield round(left * across, 1), max(round((right - left) * across, 1), 1.0)


def _zone(sources: Sources) -> tzinfo:
    """In which the task tells times; where it has not said so, that in which its window is named."""
    try:
        if sources.progress is not None:
            return zone_named(sources.progress.zone)
    except BikConfigError:
        pass
    named = sources.window[0].tzinfo if sources.window else None
    return named or UTC


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
