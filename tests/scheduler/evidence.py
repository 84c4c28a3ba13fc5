"""Numbered events, and what the sandbox's ledger and the dead letters prove about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow_provider_bik.sandbox import Sandbox

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"


def strict_sandbox(**options: Any) -> Sandbox:
    """A sandbox that refuses the bad ones of `write_events`."""
    required = {"purchasedAProduct": ["variantId"]}
    return Sandbox(api_key=KEY, api_secret=SECRET, required_properties=required, **options)


def write_events(path: Path, number: int, *, bad_every: int = 0, first: int = 0) -> Path:
    """Events numbered by their position, `first` added; with `bad_every`, each such event is one that BIK refuses."""
    with path.open("w") as file:
        for n in range(number):
            properties: dict[str, Any] = {"number": first + n}
            if not bad_every or n % bad_every != bad_every - 1:
                properties["variantId"] = "v"
            event = {"email": f"c{n}@example.com", "eventName": "purchasedAProduct", "eventProperties": properties}
            file.write(json.dumps(event) + "\n")
    return path


def copies(*sandboxes: Sandbox) -> Counter[int]:
    """How often each numbered event was stored."""
    counted: Counter[int] = Counter()
    for bik in sandboxes:
        for (number,), count in bik.ledger.counts("eventProperties.number").items():
            counted[int(str(number))] += count
    return counted


def twice(*sandboxes: Sandbox) -> set[int]:
    """Events that were stored more than once."""
    return {n for n, count in copies(*sandboxes).items() if count > 1}


def members(ranges: Iterable[Iterable[int]]) -> set[int]:
    """The positions that lie in ranges."""
    return {n for start, end in (tuple(pair) for pair in ranges) for n in range(start, end)}


def in_doubt(checkpoint: Mapping[str, Any]) -> set[int]:
    """Positions that may have arrived, as a checkpoint has it."""
    if checkpoint["in_doubt"] is not None:
        return members(checkpoint["in_doubt"])
    return set(range(checkpoint["leased_to"])) - members(checkpoint["settled"])


def check_the_promise(
    *sandboxes: Sandbox, report: Mapping[str, Any], number: int, dead_letters: Path | None = None
) -> None:
    """Nothing is lost, every dead letter is there once, and every duplicate is named."""
    files = sorted(dead_letters.glob("*")) if dead_letters else []
    letters = [json.loads(line)["position"] for path in files for line in path.read_text().splitlines()]
    lost = set(range(number)) - copies(*sandboxes).keys() - set(letters)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    assert len(letters) == len(set(letters)), "an event stands twice among the dead letters"
    assert report["read"] == number == report["confirmed"] + report["rejected"] + report["unresolved"]
    assert report["unresolved"] == 0
    assert report["rejected"] == len(letters)
    unnamed = twice(*sandboxes) - members(report["possible_duplicate_ranges"])
    assert not unnamed, f"duplicates that no range names: {sorted(unnamed)[:10]}"
