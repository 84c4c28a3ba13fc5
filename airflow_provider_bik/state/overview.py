"""What of a stream is delivered, day by day: gaps, overlaps and counts, from what its records say. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from itertools import islice, takewhile
from operator import attrgetter
from typing import Self

from airflow_provider_bik.windows import Window, cut

__all__ = ["Day", "DayState", "Overview", "Run", "StreamRecords", "WindowCounts", "overview_of", "zone_of"]


class DayState(StrEnum):
    """What of a day was delivered; where several hold, the first one counts."""

    text: str

    def __new__(cls, code: str, text: str) -> Self:
        """Make a member whose value is the code and which carries its text."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member

    OVERLAP = "overlap", "a part of it is in two deliveries: its events may have reached BIK twice"
    GAP = "gap", "no delivery holds any of it"
    PARTLY = "partly", "a part of it is in no delivery"
    OPEN = "open", "a delivery that holds it has begun and not ended"
    DELIVERED = "delivered", "all of it is delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCounts:
    """What became of events.

    Attributes:
        confirmed: Events that BIK confirmed.
        rejected: Events that did not go out or that BIK rejected.
        skipped: Events that were left out because the DAG said so.
        possible_duplicates: Events that may have reached BIK more than once.
    """

    confirmed: int = 0
    rejected: int = 0
    skipped: int = 0
    possible_duplicates: int = 0

    def __add__(self, other: WindowCounts) -> WindowCounts:
        return WindowCounts(
            confirmed=self.confirmed + other.confirmed,
            rejected=self.rejected + other.rejected,
            skipped=self.skipped + other.skipped,
            possible_duplicates=self.possible_duplicates + other.possible_duplicates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One delivery of a stream, as its record tells it.

    Attributes:
        window: Its window; None where the stream has none.
        is_delivered: Whether it has ended with everything delivered.
        counts: So far.
        by: The task instance in words, whose first word is the DAG; empty if nobody knows.
        at: ISO 8601: when it ended, or else when it began.
        problem: Why its record says nothing, if it does not.
    """

    window: Window | None = None
    is_delivered: bool
    counts: WindowCounts = field(default_factory=WindowCounts)
    by: str = ""
    at: str = ""
    problem: str = ""

    @property
    def dag_id(self) -> str:
        """The DAG that has delivered it; empty if nobody knows."""
        return self.by.partition(" ")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecords:
    """What the records of one stream tell.

    Attributes:
        name: Of the stream.
        runs: Its deliveries.
        zone: In which its days are told.
    """

    name: str
    runs: Sequence[Run]
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One calendar day of a stream.

    Attributes:
        date: In the zone of the stream.
        state: What of it was delivered.
        counts: Of the deliveries whose windows begin on it.
        runs: The deliveries that hold a part of it.
        missing: The parts of it that no delivery holds.
        twice: The parts of it that two deliveries hold.
    """

    date: date
    state: DayState
    counts: WindowCounts
    runs: Sequence[Run]
    missing: Sequence[Window]
    twice: Sequence[Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What of a stream is delivered.

    Attributes:
        name: Of the stream.
        zone: In which its days are told.
        days: From the first to the last day of which any delivery holds a part; none where there are no windows.
        gaps: Stretches between its first and last moment that no delivery holds.
        overlaps: Stretches that two deliveries hold.
        open: Deliveries that have begun and not ended, or whose record says nothing.
        undivided: Deliveries without windows.
        counts: Of all deliveries.
    """

    name: str
    zone: tzinfo
    days: Sequence[Day]
    gaps: Sequence[Window]
    overlaps: Sequence[Window]
    open: Sequence[Run]
    undivided: Sequence[Run]
    counts: WindowCounts

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, open, or in two deliveries."""
        return not (self.gaps or self.overlaps or self.open)


def overview_of(stream: StreamRecords) -> Overview:
    """Lay the deliveries of a stream over the calendar.

    A delivery that is open counts as one that holds its window: it goes on, so nothing of that window is forgotten.
    """
    runs = sorted((run for run in stream.runs if run.window is not None), key=_start)
    windows = [run.window for run in runs if run.window is not None]
    gaps, overlaps = _gaps(windows), _overlaps(windows)
    return Overview(
        name=stream.name,
        zone=stream.zone,
        days=list(_days(runs, windows, gaps, overlaps, stream.zone)),
        gaps=gaps,
        overlaps=overlaps,
        open=[run for run in stream.runs if not run.is_delivered],
        undivided=[run for run in stream.runs if run.window is None],
        counts=sum((run.counts for run in stream.runs), start=WindowCounts()),
    )


def zone_of(offsets: Iterable[tuple[datetime, timedelta]], known: Iterable[tzinfo]) -> tzinfo:
    """The zone in which the windows of a stream were named; the names hold offsets only.

    Args:
        offsets: Moments, each with the offset from UTC that a name gives it.
        known: Zones that are tried, the likeliest first, if no single offset explains the names.

    Returns:
        The offset, if there is one; else the first zone that has all of these; else that of the last moment.
    """
    told = sorted(set(offsets))
    if len({offset for _, offset in told}) <= 1:
        return timezone(told[0][1]) if told else UTC
    fitting = (zone for zone in known if all(moment.astimezone(zone).utcoffset() == offset for moment, offset in told))
    return next(fitting, timezone(told[-1][1]))


def _start(run: Run) -> tuple[datetime, datetime]:
    assert run.window is not None  # noqa: S101 - for the type checker: those without are sorted out before
    return run.window.start, run.window.end


def _gaps(windows: Sequence[Window]) -> list[Window]:
    if not windows:
        return []
    return Window(windows[0].start, max(each.end for each in windows)).without(windows)


def _overlaps(windows: Sequence[Window]) -> list[Window]:
    """The stretches in two or more windows, which are sorted; those that touch are one."""
    found: list[Window] = []
    reached: datetime | None = None
    for window in windows:
        if reached is not None and window.start < reached:
            start, end = window.start, min(window.end, reached)
            if found and start <= found[-1].end:
                start, end = found[-1].start, max(end, found[-1].end)
                found.pop()
            found.append(Window(start, end))
        reached = window.end if reached is None else max(reached, window.end)
    return found


def _days(
    runs: Sequence[Run],
    windows: Sequence[Window],
    gaps: Sequence[Window],
    overlaps: Sequence[Window],
    zone: tzinfo,
) -> Iterator[Day]:
    if not windows:
        return
    first = windows[0].start.astimezone(zone).date()
    # A window that ends at midnight has nothing of the day that begins then.
    last = (max(each.end for each in windows) - timedelta(milliseconds=1)).astimezone(zone).date()
    of_day = _Sweep(runs)
    whole = Window(windows[0].start, max(each.end for each in windows))
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for text in cut(day, day + timedelta(days=1), timezone=zone):
            stretch = Window.of(text)
            held = of_day.within(stretch)
            missing = [*_cut_to(stretch, gaps), *stretch.without([whole])]
            twice = _cut_to(stretch, overlaps)
            yield Day(
                date=day,
                state=_state(held, missing, twice),
                counts=sum((run.counts for run in held if stretch.start <= _start(run)[0]), start=WindowCounts()),
                runs=held,
                missing=sorted(missing),
                twice=twice,
            )


class _Sweep:
    """Finds the runs of one stretch after the other, in order, without looking at all of them each time.

    Args:
        runs: With windows, sorted by their start.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._left = list(reversed(runs))
        self._at_work: list[Run] = []

    def within(self, stretch: Window) -> list[Run]:
        while self._left and _start(self._left[-1])[0] < stretch.end:
            self._at_work.append(self._left.pop())
        self._at_work = [run for run in self._at_work if _start(run)[1] > stretch.start]
        return list(self._at_work)


def _cut_to(stretch: Window, others: Sequence[Window]) -> list[Window]:
    """The parts of others, which are sorted and apart, within a stretch."""
    first = bisect_right(others, stretch.start, key=attrgetter("end"))
    inside = takewhile(lambda each: each.start < stretch.end, islice(others, first, None))
    return [Window(max(stretch.start, each.start), min(stretch.end, each.end)) for each in inside]


def _state(held: Sequence[Run], missing: Sequence[Window], twice: Sequence[Window]) -> DayState:
    if twice:
        return DayState.OVERLAP
    if not held:
        return DayState.GAP
    if missing:
        return DayState.PARTLY
    return DayState.DELIVERED if all(run.is_delivered for run in held) else DayState.OPEN
