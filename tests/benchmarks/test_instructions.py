from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.instructions import KINDS, count
from benchmarks.made_events import FLAT, INPUTS
from benchmarks.plan import BY_HAND
from tests.conftest import REPOSITORY


def test_without_valgrind_it_says_so(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.instructions"],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=REPOSITORY,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert ran.stdout == "Nothing was counted, because valgrind is not installed: apt-get install valgrind\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_an_event_takes_about_as_many_instructions_each_time(tmp_path: Path) -> None:
    first, second = (count(FLAT, BY_HAND, tmp_path, "", sizes=(200, 2_200)) for _ in range(2))
    assert first > 0
    assert second == pytest.approx(first, rel=0.2)


def test_it_counts_every_kind_for_which_nothing_has_to_be_prepared() -> None:
    assert set(KINDS) < set(INPUTS)
    assert FLAT in KINDS
