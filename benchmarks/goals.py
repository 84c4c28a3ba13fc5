"""What the figures are to be, as data, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.made_events import ARRAY, ARROW, CSV, FLAT, FRAME, PARQUET, READ, REPEATED, RETRY, SQL
from benchmarks.plan import BY_HAND, DLT, DLT_ARROW, MEMORY_KINDS, ROWS, SINGLE, SMALLEST, THIS, Case, Plan
from benchmarks.run import Result

__all__ = ["GOALS", "Figures", "Goal", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured, where goals look for it.

    Attributes:
        kinds: Results of the comparison of inputs, by input, contestant and latency.
        ways: Results of the comparison of ways of sending, by contestant, latency and requests in flight.
        sizes: Results of this package by input, by rising number of events.
    """

    kinds: Mapping[tuple[str, str, int], Result]
    ways: Mapping[tuple[str, int, int], Result]
    sizes: Mapping[str, Sequence[Result]]

    @classmethod
    def of(cls, plan: Plan, results: Mapping[Case, Result]) -> Figures:
        """Those of one run."""
        inputs = dict.fromkeys(case.kind for case in plan.sizes)
        return cls(
            kinds={(case.kind, case.contestant, case.latency): results[case] for case in plan.kinds},
            ways={(case.contestant, case.latency, case.concurrency): results[case] for case in plan.compared},
            sizes={kind: [results[case] for case in plan.sizes if case.kind == kind] for kind in inputs},
        )


Measure = Callable[[Figures], Sequence[float]]
"""Gives the figure of each round; nothing where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure and its limit.

    Attributes:
        what: For the table.
        limit: What it may be at most.
        measure: Finds it.
        at_least: Whether it has to be as much as the limit, and not as little.
    """

    what: str
    limit: float
    measure: Measure
    at_least: bool = False


def _cpu(kind: str, contestant: str, beside: str, its: str) -> Measure:
    """CPU an event of one contestant with one input, times that of another with another, within a round."""

    def measure(figures: Figures) -> Sequence[float]:
        mine, other = (figures.kinds.get((*key, 0)) for key in ((kind, contestant), (beside, its)))
        if mine is None or other is None:
            return ()
        return [cpu / least for cpu, least in zip(mine.cpu_of_rounds, other.cpu_of_rounds, strict=True)]

    return measure


def _rate(kind: str, latency: int) -> Measure:
    """Events a second, times those by hand."""

    def measure(figures: Figures) -> Sequence[float]:
        mine, other = (figures.kinds.get((kind, name, latency)) for name in (THIS, BY_HAND))
        return [mine.rate / other.rate] if mine and other else ()

    return measure


def _share_of_what_latency_allows(figures: Figures) -> Sequence[float]:
    result = figures.ways.get((THIS, 50, 64))
    return [result.rate / result.case.ceiling] if result and result.case.ceiling else ()


def _gain_by_batches(figures: Figures) -> Sequence[float]:
    mine, single = figures.ways.get((THIS, 0, 8)), figures.ways.get((SINGLE, 0, 1))
    return [mine.rate / single.rate] if mine and single else ()


def _spread_over_sizes(figures: Figures) -> Sequence[float]:
    cpus = [result.cpu for result in figures.sizes[FLAT]]
    return [max(cpus) / min(cpus)]


def _growth(kind: str) -> Measure:
    def measure(figures: Figures) -> Sequence[float]:
        peaks = [result.peak for result in figures.sizes.get(kind, ()) if result.case.events >= SMALLEST]
        return [max(peaks[1:]) - peaks[0]] if peaks[1:] else ()

    return measure


_BY_HAND = {SQL: 2.5, CSV: 2.5, REPEATED: 2.5, PARQUET: 1.5, ARROW: 1.5, FRAME: 1.5, ARRAY: 2.5, FLAT: 2.0}
"""CPU an event at most, times the pipeline by hand for the same input."""

GOALS: tuple[Goal, ...] = (
    *(
        Goal(what=f"{kind}: CPU, times by hand", limit=limit, measure=_cpu(kind, THIS, kind, BY_HAND))
        for kind, limit in _BY_HAND.items()
    ),
    Goal(what=f"{RETRY}: CPU, times by hand", limit=0.5, measure=_cpu(RETRY, THIS, SQL, BY_HAND)),
    Goal(what=f"{SQL}: CPU, times PostgresHook and HttpHook", limit=1.0, measure=_cpu(SQL, THIS, SQL, ROWS)),
    Goal(what=f"{SQL}: CPU of dlt, times this package", limit=4, measure=_cpu(SQL, DLT, SQL, THIS), at_least=True),
    Goal(
        what=f"{SQL}: CPU of dlt with its pyarrow backend, times this package",
        limit=4,
        measure=_cpu(SQL, DLT_ARROW, SQL, THIS),
        at_least=True,
    ),
    Goal(what=f"{SQL}, 50 ms, 8 in flight: events/s, times by hand", limit=0.95, measure=_rate(SQL, 50), at_least=True),
    Goal(what=f"{READ}: CPU, times the plain ones", limit=1.1, measure=_cpu(READ, THIS, REPEATED, THIS)),
    Goal(
        what=f"{FLAT}, 50 ms, 64 in flight: share of what latency allows",
        limit=0.9,
        measure=_share_of_what_latency_allows,
        at_least=True,
    ),
    Goal(what=f"{FLAT}, 0 ms: events/s, times one event each", limit=100, measure=_gain_by_batches, at_least=True),
    # Flat would be 1; the rest is the start, which few events share, and noise.
    Goal(what=f"{FLAT}: CPU, the most expensive size by the cheapest", limit=1.25, measure=_spread_over_sizes),
    *(
        Goal(what=f"{kind}: peak MB, more than with {SMALLEST:,} events", limit=10, measure=_growth(kind))
        for kind in MEMORY_KINDS
    ),
)
"""All of them."""


def judged(figures: Figures) -> list[list[str]]:
    """Rows of the table: the worst first, by what they miss their limit; at the end what was not measured."""
    rows, missing = [], []
    for goal in GOALS:
        values = goal.measure(figures)
        wanted = f"at {'least' if goal.at_least else 'most'} {goal.limit:g}"
        if not values:
            missing.append([goal.what, wanted, "", "not measured"])
            continue
        figure = median(values)
        missed = goal.limit / figure if goal.at_least else figure / goal.limit
        rows.append((missed, [goal.what, wanted, _shown(values), "no" if missed > 1 else "yes"]))
    rows.sort(key=lambda row: -row[0])
    return [row for _, row in rows] + missing


def _shown(values: Sequence[float]) -> str:
    shown = f"{median(values):.2f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.2f}–{max(values):.2f})"  # noqa: RUF001 - a range
