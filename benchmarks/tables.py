"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.goals import Figures, judged
from benchmarks.made_events import FLAT, RETRY, SQL
from benchmarks.plan import BY_HAND, THIS, Case, Plan
from benchmarks.run import Result

__all__ = ["markdown", "table"]


def markdown(plan: Plan, results: Mapping[Case, Result]) -> str:
    """Four tables: kinds of input, the worst first; ways of sending; this package by size; and the goals."""
    parts = [
        table(
            "input|contestant|latency ms|in flight|events|events/s|CPU µs an event|of all rounds"
            "|times by hand, within a round|peak MB",
            _kinds(plan, results),
        ),
        table(
            "latency ms|in flight|contestant|events|events/s|of what latency allows|CPU µs an event|times by hand"
            "|peak MB|server µs an event",
            [_compared(results[case], results) for case in plan.compared],
        ),
        table(
            "input|events|events/s|CPU µs an event|peak MB|grown by MB",
            [_size(results[case]) for case in plan.sizes],
        ),
        table("goal|wanted|measured|met", judged(Figures.of(plan, results))),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; ``head`` has its titles, with ``|`` between them."""
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
        result.case.kind,
        f"{result.case.events:,}",
        f"{result.rate:,.0f}",
        f"{result.cpu:.1f}",
        f"{result.peak:.0f}",
        f"{result.grown:.1f}",
    ]


def _find(results: Mapping[Case, Result], contestant: str, latency: int, concurrency: int) -> Result | None:
    wanted = (contestant, latency, concurrency, FLAT)
    found = [result for case, result in results.items() if _key(case) == wanted]
    # The comparison of kinds has cases of its own, with fewer events.
    return max(found, key=lambda result: result.case.events, default=None)


def _key(case: Case) -> tuple[str, int, int, str]:
    return case.contestant, case.latency, case.concurrency, case.kind
