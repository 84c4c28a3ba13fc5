"""The other tools that `make bench PEERS=1` measures, as far as they can be looked at without being installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.peers import environments
from benchmarks.peers.environments import PEERS
from benchmarks.plan import plan

HERE = Path(environments.__file__).parent


def test_the_plan_has_them_only_when_they_are_asked_for() -> None:
    assert not {case.contestant for case in plan().kinds} & PEERS.keys()
    assert {case.contestant for case in plan(peers=True).kinds} >= PEERS.keys()


@pytest.mark.parametrize("name", sorted({peer.environment for peer in PEERS.values()}))
def test_every_package_of_an_environment_has_one_version(name: str) -> None:
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(name) for line in lines)
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
