"""Instructions an event, a figure that repeats on a busy machine: ``python -m benchmarks.instructions``.

Valgrind counts what the processor would execute for a contestant, from its start to its end. Two sizes are counted, and
their difference is what their difference in events takes; imports and the first events cancel out.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.contestants import PREPARATIONS
from benchmarks.database import database
from benchmarks.made_events import INPUTS
from benchmarks.plan import BY_HAND, THIS, Case
from benchmarks.run import WARM_UP, run_case
from benchmarks.tables import table

__all__ = ["KINDS", "SIZES", "count", "main"]

SIZES = (2_000, 6_000)
"""Events of the two runs."""

KINDS = tuple(kind for kind in INPUTS if kind not in PREPARATIONS)
"""Kinds of input; where something has to be prepared, its instructions would be counted, too."""

_VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
_COUNTED = re.compile(r"I +refs: +([\d,]+)")


def count(kind: str, contestant: str, directory: Path, uri: str, sizes: tuple[int, int] = SIZES) -> float:
    """Instructions an event.

    Args:
        kind: Of the input.
        contestant: Its name.
        directory: For the files of events.
        uri: Of the database, which has tables of `WARM_UP` rows and of both sizes.
        sizes: Events of the smaller and of the larger run.
    """
    small, large = (_whole_run(kind, contestant, directory, uri, size) for size in sizes)
    return (large - small) / (sizes[1] - sizes[0])


def _whole_run(kind: str, contestant: str, directory: Path, uri: str, events: int) -> int:
    log = directory / "valgrind.log"
    case = Case(latency=0, concurrency=8, contestant=contestant, events=events, kind=kind)
    run_case(case, directory, uri, under=(*_VALGRIND, f"--log-file={log}"))
    found = _COUNTED.search(log.read_text())
    if not found:
        message = f"Valgrind has counted nothing: {log.read_text()}"
        raise RuntimeError(message)
    return int(found[1].replace(",", ""))


def main(kinds: Iterable[str]) -> None:
    """Count, and print a table, the most expensive first."""
    if not shutil.which("valgrind"):
        sys.stdout.write("Nothing was counted, because valgrind is not installed: apt-get install valgrind\n")
        return
    counted: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as directory,
        database(Path(directory), [WARM_UP, *SIZES]) as uri,
    ):
        for kind in kinds:
            counted[kind] = {}
            for name in (BY_HAND, THIS):
                counted[kind][name] = count(kind, name, Path(directory), uri)
                sys.stderr.write(f"{kind}, {name}: {counted[kind][name]:,.0f}\n")
    rows = [(kind, each[THIS], each[BY_HAND], each[THIS] / each[BY_HAND]) for kind, each in counted.items()]
    rows.sort(key=lambda row: -row[-1])
    head = "input|this package, instructions an event|by hand|times by hand"
    shown = [(kind, f"{this:,.0f}", f"{by_hand:,.0f}", f"{times:.2f}") for kind, this, by_hand, times in rows]
    sys.stdout.write(table(head, shown) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or KINDS)
