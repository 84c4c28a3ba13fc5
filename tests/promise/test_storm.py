"""Kill -9 at random moments, on a bad day: nothing is lost, and every duplicate is named.

The short form runs with the other tests; ``make storm`` runs the long one.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.promise.support import FAULTS, Delivery, Workers, check_the_promise, copies, strict_sandbox, write_input

LONG = bool(os.environ.get("BIK_STORM"))
KILLS = 50 if LONG else 5
SEEDS = range(1, 6) if LONG else (1,)
NUMBER = 20_000 if LONG else 4_000

WITHIN = 0.6
"""Seconds after its first request within which a try is killed."""


@pytest.mark.timeout(1800 if LONG else 300)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("concurrency", [1, 4, 8] if LONG else [4])
@pytest.mark.parametrize("on_unconfirmed", ["resend", "hold"])
def test_a_storm_of_kills_loses_nothing_and_names_every_duplicate(
    workers: Workers, tmp_path: Path, on_unconfirmed: str, concurrency: int, seed: int
) -> None:
    chance = random.Random(seed)
    options = {"concurrency": concurrency, "on_unconfirmed": on_unconfirmed, "batch_size": 20, "seed": seed}
    kills = deliveries = extra = 0
    while kills < KILLS:
        deliveries += 1
        leased = 0
        directory = tmp_path / str(deliveries)
        directory.mkdir()
        write_input(directory / "input.ndjson", NUMBER, bad_every=997)
        with strict_sandbox(faults=replace(FAULTS, seed=seed)) as bik:
            delivery = Delivery(workers, directory, bik.url, options)
            while kills < KILLS and delivery.killed_at_random(bik, chance, within=WITHIN):
                kills += 1
                leased += delivery.in_doubt(NUMBER)
            check_the_promise(bik, delivery, delivery.finish(), NUMBER)
            if on_unconfirmed == "hold":
                assert max(copies(bik).values()) == 1
            here = sum(count - 1 for count in copies(bik).values())
            # P3: a kill makes at most its lease be sent again, and an answer that does not come at most its batch.
            assert here <= leased + sum(request.events for request in bik.requests if request.fault)
            extra += here
    print(f"{on_unconfirmed}, {concurrency} at once, seed {seed}: {kills} kills, {deliveries} deliveries of {NUMBER},")
    print(f"  lost 0, stored once too often {extra}, each of them named")
