"""One measurement, in a process of its own: ``python -m benchmarks.one CONTESTANT KIND WARM_UP INPUT URL IN_FLIGHT``.

The first input pays for imports and connections; only the second one is measured. The result goes to stdout as JSON.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, PREPARATIONS, Job
from benchmarks.measuring import measure_work, print_measured

__all__ = ["main"]


def main(name: str, kind: str, warm_up: str, path: str, url: str, concurrency: str) -> None:
    """Measure one contestant and print the result."""
    contestant, prepare = CONTESTANTS[name], PREPARATIONS.get(kind, _nothing)
    with tempfile.TemporaryDirectory() as state:
        job = Job(kind=kind, path=Path(path), url=url, concurrency=int(concurrency), state=Path(state, "measured"))
        first = replace(job, path=Path(warm_up), state=Path(state, "warm-up"))
        prepare(first)
        contestant(first)
        prepare(job)
        measured = measure_work(lambda: contestant(job))
    print_measured(measured)


def _nothing(job: Job) -> None:
    """Most kinds of input need no preparation."""


if __name__ == "__main__":
    main(*sys.argv[1:])
