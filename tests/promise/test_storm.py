"""Kill -9 at random moments, on a bad day: nothing is lost, and every duplicate is named.

The short form runs with the other tests; ``make storm`` runs the long one.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.promise.support import (
    FAULTS,
    Delivery,
    RefusedError,
    Workers,
    check_the_promise,
    copies,
    strict_sandbox,
    write_input,
)

LONG = bool(os.environ.get("BIK_STORM"))
KILLS = 50 if LONG else 5
SEEDS = range(1, 6) if LONG else (1,)
NUMBER = 20_000 if LONG else 4_000

WITHIN = 0.6
"""Seconds after its first request within which a try is killed."""

MOST_TRIES = 15
"""Of one delivery: each reads the checkpoints of all before it, so that on a bad store the last ones hardly begin."""


KINDS = [
    ("resend", 1, False),
    ("hold", 1, False),
    ("resend", 4, False),
    ("hold", 4, False),
    ("resend", 8, False),
    ("hold", 8, False),
    ("resend", 4, True),
    ("hold", 4, True),
]
"""What happens to unconfirmed events, requests in flight, and whether the storage of the state is slow and bad."""


@pytest.mark.slow
@pytest.mark.timeout(1800 if LONG else 600)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("on_unconfirmed", "concurrency", "bad_store"), [kind for kind in KINDS if LONG or kind[1] == 4]
)
def test_a_storm_of_kills_loses_nothing_and_names_every_duplicate(
    workers: Workers, tmp_path: Path, on_unconfirmed: str, concurrency: int, bad_store: bool, seed: int
) -> None:
    rng = random.Random(seed)
    options = {"concurrency": concurrency, "on_unconfirmed": on_unconfirmed, "batch_size": 20}
    kills = deliveries = failures = extra = 0
    while kills < KILLS:
        deliveries += 1
        leased, refused = 0, False
        directory = tmp_path / str(deliveries)
        directory.mkdir()
        write_input(directory / "input.ndjson", NUMBER, bad_every=997)
        with strict_sandbox(faults=replace(FAULTS, seed=seed)) as bik:
            delivery = Delivery(workers, directory, bik.url, options)
            while kills < KILLS and delivery.tries < MOST_TRIES:
                try:
                    killed = delivery.killed_at_random(bik, rng, within=WITHIN, bad_store=bad_store)
                except RefusedError:
                    refused = True
                    break
                if killed is False:
                    break
                kills += bool(killed)
                failures += killed is None
                leased += delivery.in_doubt(NUMBER)
            if refused:
                # Before anything is sent, the place of the record is written down.
                assert bik.requests == []
                continue
            check_the_promise(bik, delivery, delivery.finish(), NUMBER)
            if on_unconfirmed == "hold":
                assert max(copies(bik).values()) == 1
            here = sum(count - 1 for count in copies(bik).values())
            # P3: a kill makes at most its lease be sent again, and an answer that does not come at most its batch.
            assert here <= leased + sum(request.events for request in bik.requests if request.fault)
            extra += here
    bad = f", a bad store, {failures} tries failed" if bad_store else ""
    print(f"{on_unconfirmed}, {concurrency} at once, seed {seed}{bad}: {kills} kills, {deliveries} deliveries")
    print(f"  of {NUMBER}: lost 0, stored once too often {extra}, each of them named")
