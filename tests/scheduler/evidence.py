"""Numbered events, and what the sandbox's ledger, the record and the rejected events prove about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_bik.sandbox import Sandbox

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"


def strict_sandbox(**options: Any) -> Sandbox:
    """A sandbox that rejects the bad ones of `write_events`."""
    required = {"purchasedAProduct": ["variantId"]}
    return Sandbox(api_key=KEY, api_secret=SECRET, required_properties=required, **options)


def write_events(path: Path, number: int, *, bad_every: int = 0, first: int = 0) -> Path:
    """Events numbered by their position, `first` added; with `bad_every`, each such event is one that BIK rejects."""
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


@dataclass(frozen=True)
class State:
    """The record of a delivery, wherever it is.

    Args:
        read: Gives one of its documents by name; None if there is none.
    """

    read: Callable[[str], dict[str, Any] | None]

    @classmethod
    def below(cls, folder: Path) -> State:
        """The one record that lies somewhere in a folder."""

        def read(name: str) -> dict[str, Any] | None:
            for record in folder.rglob("record.json"):
                path = record.parent / name
                found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
                return found
            return None

        return cls(read)

    @property
    def generation(self) -> dict[str, Any] | None:
        """The current generation."""
        found = self.read("record.json")
        return found and found["current"]

    @property
    def owners(self) -> list[str]:
        """The tries that have worked at it, the newest last."""
        owners: list[str] = (self.generation or {"owners": []})["owners"]
        return owners

    def checkpoint(self, owner: str | None = None) -> dict[str, Any] | None:
        """The checkpoint of one try, by default of the newest one that has written any; None if there is none."""
        generation = self.generation or {"id": "", "owners": []}
        owners = [owner] if owner else reversed(generation["owners"])
        found = (self.read(f"{generation['id']}/checkpoint.{each}.json") for each in owners)
        return next((each for each in found if each is not None), None)

    def settled(self) -> set[int]:
        """Positions that have their outcome."""
        return members((self.checkpoint() or {"settled": []})["settled"])


def check_the_promise(*sandboxes: Sandbox, report: Mapping[str, Any], number: int) -> None:
    """Nothing is lost, every rejected event is there once, and every duplicate is named."""
    lines = Path(report["rejected_path"]).read_text().splitlines() if report["rejected_path"] else []
    rejected = [json.loads(line)["position"] for line in lines]
    lost = set(range(number)) - copies(*sandboxes).keys() - set(rejected)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    assert len(rejected) == len(set(rejected)), "an event stands twice among the rejected ones"
    assert report["read"] == number == report["confirmed"] + report["rejected"]
    assert (report["skipped"], report["unresolved"]) == (0, 0)
    assert report["rejected"] == len(rejected)
    unnamed = twice(*sandboxes) - members(report["possible_duplicate_ranges"])
    assert not unnamed, f"duplicates that no range names: {sorted(unnamed)[:10]}"
