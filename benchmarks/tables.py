"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.made_events import FLAT, RETRY, SQL
from benchmarks.plan import BY_HAND, LARGE, SINGLE, THIS, Case, Plan
from benchmarks.run import Result

__all__ = ["markdown"]

_MOST_CPU = 2.5
_LEAST_SHARE = 0.9
_LEAST_GAIN = 100
_MOST_SPREAD = 1.25
"""Flat would be 1; the rest is the start, which few events share, and noise."""
_MOST_GROWTH = 20


def markdown(plan: Plan, results: Mapping[Case, Result]) -> str:
    """Four tables: kinds of input, the worst first; ways of sending; this package by size; and the goals."""
    parts = [
        _table(
            "input|contestant|latency ms|in flight|events|events/s|CPU µs an event|of all rounds"
            "|times by hand, within a round|peak MB",
            _kinds(plan, results),
        ),
        _table(
            "latency ms|in flight|contestant|events|events/s|of what latency allows|CPU µs an event|times by hand"
            "|peak MB|server µs an event",
            [_compared(results[case], results) for case in plan.compared],
        ),
        _table(
            "events|events/s|CPU µs an event|peak MB|grown by MB",
            [_size(results[case]) for case in plan.sizes],
        ),
        _table("goal|wanted|measured|met", list(_goals(plan, results))),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    titles = head.split("|")
    rule = ["---" if title in {"input", "contestant", "goal", "wanted", "met"} else "---:" for title in titles]
    return "\n".join("| " + " | ".join(row) + " |" for row in (titles, rule, *rows))


def _kinds(plan: Plan, results: Mapping[Case, Result]) -> list[list[str]]:
    shown = [(results[case], _times_by_hand(results[case], results)) for case in plan.kinds]
    worst = {_input(result.case): median(times) for result, times in shown if result.case.contestant == THIS}
    shown.sort(key=lambda pair: -worst[_input(pair[0].case)])
    return [_kind(result, times) for result, times in shown]


def _input(case: Case) -> tuple[str, int]:
    return case.kind, case.latency


def _kind(result: Result, times: Sequence[float]) -> list[str]:
    case = result.case
    return [
        case.kind,
        case.contestant,
        str(case.latency),
        str(case.concurrency),
        f"{case.events:,}",
        f"{result.rate:,.0f}",
        f"{result.cpu:.1f}",
        f"{min(result.cpu_of_rounds):.1f}–{max(result.cpu_of_rounds):.1f}",  # noqa: RUF001 - a range
        f"{median(times):.1f} ({min(times):.1f}–{max(times):.1f})",  # noqa: RUF001 - a range
        f"{result.peak:.0f}",
    ]


def _times_by_hand(result: Result, results: Mapping[Case, Result]) -> list[float]:
    """In each round, how many times the CPU of the pipeline by hand for the same input."""
    kind = SQL if result.case.kind == RETRY else result.case.kind
    wanted = (kind, result.case.latency, result.case.events, BY_HAND)
    beside = next(other for case, other in results.items() if (*_input(case), case.events, case.contestant) == wanted)
    return [mine / its for mine, its in zip(result.cpu_of_rounds, beside.cpu_of_rounds, strict=True)]


def _compared(result: Result, results: Mapping[Case, Result]) -> list[str]:
    case = result.case
    beside = _find(results, BY_HAND, case.latency, case.concurrency)
    return [
        str(case.latency),
        str(case.concurrency),
        case.contestant,
        f"{case.events:,}",
        f"{result.rate:,.0f}",
        f"{result.rate / case.ceiling:.2f}" if case.ceiling else "",
        f"{result.cpu:.1f}",
        f"{result.cpu / beside.cpu:.1f}" if beside else "",
        f"{result.peak:.0f}",
        f"{result.server:.1f}",
    ]


def _size(result: Result) -> list[str]:
    return [
        f"{result.case.events:,}",
        f"{result.rate:,.0f}",
        f"{result.cpu:.1f}",
        f"{result.peak:.0f}",
        f"{result.grown:.1f}",
    ]


def _goals(plan: Plan, results: Mapping[Case, Result]) -> Iterator[list[str]]:
    lowest = min(case.concurrency for case in plan.compared if case.contestant == THIS)
    highest = max(case.concurrency for case in plan.compared)
    this, by_hand = _find(results, THIS, 0, lowest), _find(results, BY_HAND, 0, lowest)
    if this and by_hand:
        what = f"CPU an event, times the pipeline by hand, 0 ms, {lowest} in flight"
        yield _at_most(_MOST_CPU, this.cpu / by_hand.cpu, what)
    slow = _find(results, THIS, 50, highest)
    if slow and slow.case.ceiling:
        what = f"share of what latency allows, 50 ms, {highest} in flight"
        yield _at_least(_LEAST_SHARE, slow.rate / slow.case.ceiling, what)
    if this and (single := _find(results, SINGLE, 0, 1)):
        yield _at_least(_LEAST_GAIN, this.rate / single.rate, "events/s, times one event each, 0 ms")
    sizes = [results[case] for case in plan.sizes]
    spread = max(result.cpu for result in sizes) / min(result.cpu for result in sizes)
    yield _at_most(_MOST_SPREAD, spread, "CPU an event, the most expensive size by the cheapest")
    large = [result for result in sizes if result.case.events >= LARGE]
    if len(large) > 1:
        yield _at_most(_MOST_GROWTH, large[-1].peak - large[0].peak, "peak MB, 5 million events less 1 million")


def _at_most(limit: float, measured: float, what: str) -> list[str]:
    return [what, f"at most {limit:g}", f"{measured:.2f}", "yes" if measured <= limit else "no"]


def _at_least(limit: float, measured: float, what: str) -> list[str]:
    return [what, f"at least {limit:g}", f"{measured:.2f}", "yes" if measured >= limit else "no"]


def _find(results: Mapping[Case, Result], contestant: str, latency: int, concurrency: int) -> Result | None:
    wanted = (contestant, latency, concurrency, FLAT)
    found = [result for case, result in results.items() if _key(case) == wanted]
    # The comparison of kinds has cases of its own, with fewer events.
    return max(found, key=lambda result: result.case.events, default=None)


def _key(case: Case) -> tuple[str, int, int, str]:
    return case.contestant, case.latency, case.concurrency, case.kind
