from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contestants import CONTESTANTS
from benchmarks.goals import GOALS
from benchmarks.made_events import INPUTS
from benchmarks.plan import BY_HAND, ROWS, THIS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parent.parent.parent


def test_the_quick_mode_prints_its_four_tables() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=ROOT,
    )
    kinds, compared, sizes, goals = (table.splitlines() for table in ran.stdout.split("\n\n"))
    for table in (kinds, compared, sizes, goals):
        assert len({line.count("|") for line in table}) == 1
    assert {line.split(" | ")[0].strip("| ") for line in kinds[2:]} == set(INPUTS)
    assert {line.split(" | ")[1] for line in kinds[2:]} == {BY_HAND, ROWS, THIS}
    assert {line.split(" | ")[2] for line in compared[2:]} == set(CONTESTANTS) - {ROWS}
    assert len(sizes) == 2 + 2
    assert {line.split(" | ")[0].strip("| ") for line in goals[2:]} == {goal.what for goal in GOALS}
    assert all(line.endswith(("| yes |", "| no |", "| not measured |")) for line in goals[2:])


def test_the_measurement_of_a_database_prints_its_two_tables() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.sql", "2000"],
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=ROOT,
    )
    whole, steps = (table.splitlines() for table in ran.stdout.split("\n\n"))
    assert whole[2].startswith("| 2,000 |")
    assert len(steps) == 2 + 5
