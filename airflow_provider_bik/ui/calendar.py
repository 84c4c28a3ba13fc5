"""What the page of the coverage shows, and of which streams. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby

from airflow_provider_bik.state.overview import Day, DayState, Overview, StreamRecords, WindowCounts

__all__ = ["SIGNS", "Month", "counted", "day_text", "months_of", "readable_by"]

SIGNS = {
    DayState.DELIVERED: "✓",
    DayState.OPEN: "…",
    DayState.PARTLY: "◐",
    DayState.GAP: "∅",
    DayState.OVERLAP: "2x",
}
"""What says the state of a day without colour."""

_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month as a grid.

    Attributes:
        name: Such as ``March 2026``.
        weeks: Seven days each, Monday first; None where there is nothing to say.
    """

    name: str
    weeks: Sequence[Sequence[Day | None]]


def months_of(overview: Overview, most: int | None) -> list[Month]:
    """The calendar of a stream, the latest month first.

    Args:
        overview: Of the stream.
        most: Months, the latest ones; None for all.
    """
    months = [
        Month(name=f"{days[0].date:%B %Y}", weeks=_weeks(days))
        for _, group in groupby(overview.days, key=lambda day: (day.date.year, day.date.month))
        if (days := list(group))
    ]
    return months[::-1][:most]


def counted(count: int, word: str, words: str = "") -> str:
    """A number of things.

    Args:
        count: How many.
        word: What one is called.
        words: What several are called, if not as one with an s.
    """
    return f"{count:,} {word if count == 1 else words or f'{word}s'}"


def day_text(day: Day) -> str:
    """All of a day in words."""
    counts = day.counts
    texts = [f"{day.date:%A}, {day.date.day} {day.date:%B %Y}: {day.state.text}"]
    long = [run for run in day.runs if run.window is not None and run.window.end - run.window.start > timedelta(days=1)]
    if counts != WindowCounts():
        texts.append(
            f"{counts.confirmed:,} confirmed, {counts.rejected:,} rejected, {counts.skipped:,} skipped, "
            f"{counted(counts.possible_duplicates, 'possible duplicate')}"
        )
    if long:
        texts.append("counted on the first day of a window of several days")
    by = sorted({run.dag_id for run in day.runs if run.dag_id})
    if by:
        texts.append(f"by {', '.join(by)}")
    texts += sorted({run.problem for run in day.runs if run.problem})
    return "; ".join(texts)


def readable_by(stream: StreamRecords, dags: Collection[str]) -> StreamRecords | None:
    """What somebody may see of a stream who may read these DAGs; None for nothing.

    What others have delivered stays, without name and counts: left out, it would look like a gap.
    """
    if not any(run.dag_id in dags for run in stream.runs):
        return None
    runs = [run if run.dag_id in dags else replace(run, by="", at="", counts=WindowCounts()) for run in stream.runs]
    return replace(stream, runs=runs)


def _weeks(days: Sequence[Day]) -> list[list[Day | None]]:
    """Each day below the name of its weekday, also where a calendar lacks one."""
    cells: dict[int, Day] = {}
    first = days[0].date.replace(day=1)
    for day in days:
        cells[(day.date - first).days + first.weekday()] = day
    rows = range(min(cells) // _DAYS, max(cells) // _DAYS + 1)
    return [[cells.get(row * _DAYS + column) for column in range(_DAYS)] for row in rows]
