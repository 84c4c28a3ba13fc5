"""The promise over all tries, workers, runs and stores: random stories against plain sets, each from its seed.

``BIK_STORM=1`` tells 10,000 of them. A seed that fails is told again by ``BIK_SEED=<seed>``, and its shortest form
belongs into ``test_regressions.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.state.stories import draw, shorten, tell
from tests.state.world import Violation

STORM = bool(os.environ.get("BIK_STORM"))
AT_ONCE = 50

NUMBERS = {"local": 7000, "memory": 2500, "objects": 500} if STORM else {"local": 150, "memory": 150, "objects": 10}


def _parts() -> Iterator[Any]:
    if "BIK_SEED" in os.environ:
        seed = int(os.environ["BIK_SEED"])
        yield from (pytest.param(store, range(seed, seed + 1), id=f"{store}-{seed}") for store in NUMBERS)
        return
    for store, number in NUMBERS.items():
        for first in range(0, number, AT_ONCE):
            yield pytest.param(store, range(first, min(first + AT_ONCE, number)), id=f"{store}-{first}")


@pytest.mark.timeout(3600 if STORM else 300)
@pytest.mark.parametrize(("disks", "seeds"), list(_parts()), indirect=["disks"])
def test_nothing_is_lost_every_duplicate_is_named_and_hold_sends_at_most_once(
    disks: Any, seeds: range, shop: Path, record_property: Any
) -> None:
    stuck: Counter[str] = Counter()
    for seed in seeds:
        story = draw(seed, shared=disks.are_shared)
        try:
            tell(story, disks, shop, stuck)
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}\n{_shortest(story, disks, shop)}")
    record_property("ended with an error", dict(stuck))


def _shortest(story: Any, disks: Any, shop: Path) -> str:
    def fails(each: Any) -> bool:
        try:
            tell(each, disks, shop)
        except Violation:
            return True
        return False

    setting, steps = shorten(story, fails)
    return "\n".join([f"{setting!r},", "(", *(f"    {each!r}," for each in steps), ")"])
