"""What a contestant measures of itself, by the standard library alone: its environment may have nothing else."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Measured", "measure_work", "peak_memory", "print_measured"]

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
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


def measure_work(work: Callable[[], object]) -> Measured:
    """Do it, and tell what it took; what the process did before does not count."""
    before = peak_memory()
    cpu, seconds = time.process_time(), time.perf_counter()
    work()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - seconds
    peak = peak_memory()
    return Measured(seconds=seconds, cpu=cpu, peak=peak, grown=peak - before)


def print_measured(measured: Measured) -> None:
    """As JSON, in a line of its own, for the process that has started this one."""
    sys.stdout.write("\n" + json.dumps(asdict(measured)) + "\n")


def peak_memory() -> float:
    """MB of memory that this process has used at most."""
    if _STATUS.exists():
        # What `resource` tells includes the process that has started this one.
        return int(_STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB
