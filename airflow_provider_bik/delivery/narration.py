"""What is said of a delivery while it runs: successive `Progress` values become few lines of a log. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_bik.delivery.answers import AnswerClass
from airflow_provider_bik.delivery.settings import Progress

__all__ = ["Line", "Narrator", "Outage", "duration_text"]

CALM = 15.0
"""Seconds between two lines while nothing begins or ends."""

RATE_OVER = 60.0
"""Seconds over which the rate is measured."""

MOST_OUTAGES = 20
"""Outages that are remembered one by one."""

_FAST = 10
"""Events a second from which on tenths say nothing."""

_WORDS = {"failing": "failing", "throttled": "throttling"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line for the log.

    Attributes:
        text: Without personal data.
        is_warning: Whether a person may have to look.
    """

    text: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stretch of time without a definite answer.

    Attributes:
        kind: ``failing`` or ``throttled``.
        what: What came instead of an answer, in safe words.
        began: Seconds since this try began to deliver.
        ended: The same of its end.
    """

    kind: Literal["failing", "throttled"]
    what: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@dataclass(slots=True, kw_only=True)
class Narrator:
    """Follows one try of a delivery.

    Args:
        total: Events of the input, if that is known.
        settled: Events that earlier tries have settled.

    Attributes:
        trouble: The outage that has not ended.
        outages: The last ones that have.
        per_second: Events settled a second, of late.
    """

    total: int | None = None
    settled: int = 0
    trouble: Outage | None = None
    outages: deque[Outage] = field(default_factory=lambda: deque(maxlen=MOST_OUTAGES))
    per_second: float = 0.0
    _spent: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    _points: deque[tuple[float, int]] = field(default_factory=deque)
    _said_trouble: bool = False
    _silent_until: float = 0.0
    _next_line: float = CALM

    def __post_init__(self) -> None:
        self._points.append((0.0, self.settled))

    def tell(self, progress: Progress) -> list[Line]:
        """What is to be said now: mostly nothing."""
        self._measure(progress)
        lines = list(self._changes(progress))
        if progress.is_last:
            return [*lines, *self._sum(progress)]
        if not lines and progress.seconds >= self._next_line:
            lines = [Line(text=f"{self._state(progress)}.")]
        if lines:
            self._next_line = progress.seconds + CALM
        return lines

    def note(self, progress: Progress) -> str:
        """How far it has come, in one sentence."""
        return f"{self._done(progress)}."

    def _measure(self, progress: Progress) -> None:
        points = self._points
        while len(points) > 1 and points[1][0] <= progress.seconds - RATE_OVER:
            points.popleft()
        since, before = points[0]
        if progress.seconds > since:
            self.per_second = (progress.settled - before) / (progress.seconds - since)
        points.append((progress.seconds, progress.settled))

    def _changes(self, progress: Progress) -> Iterator[Line]:
        """Trouble that begins, changes or ends. Right after the end of one it has to last until the next calm line."""
        before, now = self.trouble, progress.seconds
        if before is not None and (progress.is_last or progress.trouble != before.kind):
            ended = Outage(kind=before.kind, what=before.what, began=before.began, ended=now)
            self._remember(ended)
            self.trouble = None
            if self._said_trouble and not progress.is_last:
                now_it = "answers otherwise" if progress.trouble else "answers again"
                was = f"it was {_WORDS[ended.kind]} for {duration_text(ended.seconds)}"
                yield Line(text=f"BIK {now_it}: {was} ({ended.what}).")
            self._said_trouble, self._silent_until = False, now + CALM
        if not progress.trouble or progress.is_last:
            return
        began = self.trouble.began if self.trouble else now - progress.trouble_seconds
        if before is not None and self.trouble is None:
            began = now
        self.trouble = Outage(kind=progress.trouble, what=progress.trouble_cause, began=began, ended=now)
        if not self._said_trouble and now >= self._silent_until:
            self._said_trouble = True
            yield Line(text=_BEGINNING[progress.trouble].format(what=progress.trouble_cause), is_warning=True)

    def _remember(self, outage: Outage) -> None:
        self.outages.append(outage)
        times, seconds = self._spent.get((outage.kind, outage.what), (0, 0.0))
        self._spent[outage.kind, outage.what] = times + 1, seconds + outage.seconds

    def _sum(self, progress: Progress) -> Iterator[Line]:
        """What has failed, and for how long."""
        failed = sum(number for means, number in progress.answers.items() if means is not AnswerClass.CONFIRMED)
        spent = [
            f"{_WORDS[kind]} for {duration_text(seconds)}{'' if times == 1 else f', {times} times'} ({what})"
            for (kind, what), (times, seconds) in self._spent.items()
        ]
        requests = f"{failed} of {sum(progress.answers.values())} requests of this try were not confirmed"
        if spent:
            yield Line(text=f"BIK was {'; '.join(spent)}. {requests}.", is_warning=True)
        elif failed:
            yield Line(text=f"{requests}.")

    def _state(self, progress: Progress) -> str:
        parts = [self._done(progress)]
        if progress.retrying:
            parts.append(f"{progress.retrying} wait to be sent again")
        if self.trouble is not None:
            lasted = duration_text(self.trouble.seconds)
            return f"{', '.join(parts)}; BIK has been {_WORDS[self.trouble.kind]} for {lasted} ({self.trouble.what})"
        parts.append(f"{self.per_second:.{0 if self.per_second >= _FAST else 1}f} a second")
        if self.total is not None and self.per_second > 0:
            left = max(0, self.total - progress.settled)
            parts.append(f"about {duration_text(left / self.per_second)} left")
        return ", ".join(parts)

    def _done(self, progress: Progress) -> str:
        if self.total:
            share = f"({100 * progress.settled // self.total} %)"
            done = f"{progress.settled} of {self.total} events are done {share}"
        else:
            done = f"{progress.settled} events are done, of {progress.read} read so far"
        return f"{done}, {progress.counts.rejected} rejected"


_BEGINNING = {
    "failing": "BIK is failing: {what}. It is asked again, more and more slowly, until it answers.",
    "throttled": "BIK is throttling: {what}. Sending goes on as slowly as it asks.",
}


def duration_text(seconds: float) -> str:
    """Seconds as a person says them: ``45 s``, ``4 min 40 s``, ``2 h 5 min``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
