"""The table of goals, from figures that are made up."""

from __future__ import annotations

from benchmarks.goals import GOALS, Figures, judged
from benchmarks.made_events import CSV, FLAT, READ, REPEATED, SQL
from benchmarks.plan import BY_HAND, THIS, Case, plan
from benchmarks.run import Result


def result(
    kind: str, contestant: str, *, cpu: tuple[float, ...] = (1.0,), latency: int = 0, rate: float = 1.0
) -> Result:
    case = Case(latency=latency, concurrency=8, contestant=contestant, events=100_000, kind=kind)
    return Result(case=case, rate=rate, cpu=cpu[0], cpu_of_rounds=cpu, peak=1, grown=0, server=0)


def figures(*results: Result, sizes: tuple[tuple[int, float], ...] = ((100_000, 1.0),)) -> Figures:
    flat = [
        Result(
            case=Case(latency=0, concurrency=8, contestant=THIS, events=events),
            rate=1,
            cpu=1,
            cpu_of_rounds=(1,),
            peak=peak,
            grown=0,
            server=0,
        )
        for events, peak in sizes
    ]
    return Figures(
        kinds={(each.case.kind, each.case.contestant, each.case.latency): each for each in results},
        ways={},
        sizes={FLAT: flat},
    )


def measured(judgement: list[list[str]]) -> list[list[str]]:
    return [row for row in judgement if row[-1] != "not measured"]


def test_ratios_are_those_within_a_round_and_the_worst_comes_first() -> None:
    shown = judged(
        figures(
            result(CSV, BY_HAND, cpu=(1, 2, 4)),
            result(CSV, THIS, cpu=(2, 5, 12)),
            result(SQL, BY_HAND, latency=50, rate=100),
            result(SQL, THIS, latency=50, rate=50),
            result(REPEATED, THIS),
            result(READ, THIS, cpu=(1.05,)),
        )
    )
    assert measured(shown)[:3] == [
        [f"{SQL}, 50 ms, 8 in flight: events/s, times by hand", "at least 0.95", "0.50", "no"],
        [f"{CSV}: CPU, times by hand", "at most 2.5", "2.50 (2.00–3.00)", "yes"],  # noqa: RUF001 - a range
        [f"{READ}: CPU, times the plain ones", "at most 1.1", "1.05", "yes"],
    ]


def test_a_goal_without_figures_is_named_at_the_end() -> None:
    shown = judged(figures())
    assert len(shown) == len(GOALS)
    assert [row[-1] == "not measured" for row in shown] == sorted(row[-1] == "not measured" for row in shown)


def test_memory_is_compared_with_that_of_a_hundred_thousand_events() -> None:
    shown = measured(judged(figures(sizes=((10_000, 1.0), (100_000, 150.0), (1_000_000, 161.0), (5_000_000, 158.0)))))
    assert [f"{FLAT}: peak MB, more than with 100,000 events", "at most 10", "11.00", "no"] in shown


def test_the_full_plan_has_sizes_of_each_kind_once() -> None:
    sizes = plan(full=True).sizes
    assert len(set(sizes)) == len(sizes)
