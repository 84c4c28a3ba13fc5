from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product

import msgspec
import pytest

from tests.delivery.simulation import (
    Expected,
    Figures,
    Scenario,
    Server,
    load,
    names,
    run,
)
from tests.delivery.virtual_time import DeadlockError, VirtualLoop

RUNS = [(name, seed) for name in names() for seed in load(name).seeds]

HELD_TO = Expected()


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_a_scenario_ends_within_its_expected_ranges(name: str, seed: int) -> None:
    scenario = load(name)
    figures = run(scenario, seed)
    measured = {key: getattr(figures, key) for key in Expected.__struct_fields__}
    outside = {
        key: (low, value, high)
        for key, value in measured.items()
        for low, high in [getattr(scenario.expect, key)]
        if not low <= round(value, 3) <= high
    }
    assert not outside
    assert everything_is_confirmed(scenario, figures)


def everything_is_confirmed(scenario: Scenario, figures: Figures) -> bool:
    report = figures.report
    return report.complete and report.confirmed == scenario.requests * scenario.sending().batch_size == report.read


@pytest.mark.parametrize("name", names())
def test_a_scenario_that_is_held_to_less_says_why(name: str) -> None:
    scenario = load(name)
    for key, (low, high) in msgspec.structs.asdict(scenario.expect).items():
        usual_low, usual_high = getattr(HELD_TO, key)
        if low < usual_low or high > usual_high:
            assert scenario.exception


def test_the_same_seed_gives_the_same_figures() -> None:
    scenario = load("outage_refused")
    first, second = (run(scenario, 1) for _ in range(2))
    assert first == replace(second, report=first.report)


def test_the_ideal_is_what_the_capacity_allows() -> None:
    scenario = Scenario(
        about="",
        requests=100,
        seeds=[],
        settings={"max_concurrency": 4},
        server=Server(latency=1.0, slots=2),
        change=[],
    )
    assert scenario.ideal() == 100 / 2
    halved = msgspec.structs.replace(scenario, server=Server(latency=1.0, slots=2, errors=0.5))
    assert halved.ideal() == 100


@pytest.mark.parametrize(("latency", "concurrency"), list(product([0.1, 1.0], [1, 2])))
def test_the_simulated_server_lets_no_client_be_faster_than_the_ideal(latency: float, concurrency: int) -> None:
    settings = {"max_concurrency": concurrency, "batch_size": 1}
    scenario = Scenario(about="", requests=50, seeds=[], settings=settings, server=Server(latency=latency))
    assert run(scenario, 1).duration >= 1 - 1e-9


def test_a_loop_in_which_nothing_can_happen_any_more_says_so() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop()
    with pytest.raises(DeadlockError):
        loop.run_until_complete(forever())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_virtual_time_passes_exactly_as_asked() -> None:
    async def hour() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - before

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(hour()) == pytest.approx(3600)
