"""One measurement, in a process of its own: ``python -m benchmarks.one CONTESTANT KIND WARM_UP INPUT URL IN_FLIGHT``.

The first input pays for imports and connections; only the second one is measured. The result goes to stdout as JSON.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from benchmarks.contestants import CONTESTANTS, PREPARATIONS, Job

__all__ = ["Measured", "main", "peak_memory"]

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024
_STATUS = Path("/proc/self/status")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one process used for one input.

    Attributes:
        seconds: Of the clock on the wall.
        cpu: Seconds of CPU time, user and system, all threads.
        peak: MB of memory at most, from the start of the process.
        grown: MB by which that is more than at most before the measured input.
    """

    seconds: float
    cpu: float
    peak: float
    grown: float


def main(name: str, kind: str, warm_up: str, path: str, url: str, concurrency: str) -> None:
    """Measure one contestant and print the result."""
    contestant, prepare = CONTESTANTS[name], PREPARATIONS.get(kind, _nothing)
    with tempfile.TemporaryDirectory() as state:
        job = Job(kind=kind, path=Path(path), url=url, concurrency=int(concurrency), state=Path(state, "measured"))
        first = replace(job, path=Path(warm_up), state=Path(state, "warm-up"))
        prepare(first)
        contestant(first)
        prepare(job)
        before = peak_memory()
        cpu, seconds = time.process_time(), time.perf_counter()
        contestant(job)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - seconds
    measured = Measured(seconds=seconds, cpu=cpu, peak=peak_memory(), grown=peak_memory() - before)
    sys.stdout.write("\n" + msgspec.json.encode(measured).decode() + "\n")


def _nothing(job: Job) -> None:
    """Most kinds of input need no preparation."""


def peak_memory() -> float:
    """MB of memory that this process has used at most."""
    if _STATUS.exists():
        # What `resource` tells includes the process that has started this one.
        return int(_STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB


if __name__ == "__main__":
    main(*sys.argv[1:])
