"""Measures the cases of a plan, each in processes of its own: one server, one contestant."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import msgspec

from benchmarks.contestants import airflow_environment
from benchmarks.database import database
from benchmarks.made_events import RETRY, SQL, write_events
from benchmarks.measuring import Measured
from benchmarks.peers.environments import PEERS, python_of
from benchmarks.plan import LARGE, Case, Plan
from benchmarks.sink import Counts

__all__ = ["WARM_UP", "Result", "measure", "run_case"]

_ROOT = Path(__file__).parent.parent
WARM_UP = 100
"""Events that every contestant sends before the measured ones."""
_LONGEST = 1800
"""Seconds after which a measurement is given up."""
_FOR_ALL = {"PYTHONHASHSEED": "0", "RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}
"""What repeats better; and dlt and drt are to send nothing but events."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The medians of one case, and its spread.

    Attributes:
        case: What was measured.
        rate: Events a second.
        cpu: Microseconds of the contestant's CPU time an event.
        cpu_of_rounds: The same in each round.
        peak: MB of memory at most.
        grown: MB by which that is more than before the measured input.
        server: Microseconds of the server's CPU time an event.
    """

    case: Case
    rate: float
    cpu: float
    cpu_of_rounds: tuple[float, ...]
    peak: float
    grown: float
    server: float


def measure(plan: Plan) -> dict[Case, Result]:
    """Measure all cases, turn by turn and every other time in reverse, so that what else the machine does meets all."""
    measured: dict[Case, list[Result]] = {case: [] for case in (*plan.kinds, *plan.compared, *plan.sizes)}
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        rows = {WARM_UP, *(case.events for case in measured if case.kind in {SQL, RETRY})}
        with database(Path(directory), rows) as uri:
            for turn in range(plan.repeats):
                order = list(measured.items())
                for case, results in order if turn % 2 == 0 else reversed(order):
                    if turn and case.events >= LARGE:
                        continue
                    sys.stderr.write(f"{turn + 1}/{plan.repeats} {case.kind}, {case.latency} ms, ")
                    sys.stderr.write(f"{case.concurrency} at a time, {case.events} events, {case.contestant}\n")
                    results.append(_measure_once(case, Path(directory), uri))
    return {case: _median(results) for case, results in measured.items()}


def _measure_once(case: Case, directory: Path, uri: str) -> Result:
    measured, server = run_case(case, directory, uri)
    cpu = measured.cpu / case.events * 1e6
    return Result(
        case=case,
        rate=case.events / measured.seconds,
        cpu=cpu,
        cpu_of_rounds=(cpu,),
        peak=measured.peak,
        grown=measured.grown,
        server=server.cpu / server.events * 1e6,
    )


def run_case(case: Case, directory: Path, uri: str, under: Sequence[str] = ()) -> tuple[Measured, Counts]:
    """Run a contestant once, in a process of its own.

    Args:
        case: What is to be sent.
        directory: For the files of events, which are written unless they are there.
        uri: Of the database that has the tables of these and of `WARM_UP` rows.
        under: Beginning of the command, if another program is to run Python.

    Returns:
        What the contestant has measured, and what the server has taken, with its CPU time for that.

    Raises:
        RuntimeError: Not every event has come in.
    """
    warm_up = write_events(case.kind, directory, WARM_UP)
    path = write_events(case.kind, directory, case.events)
    with _sink(case.latency) as url:
        before = _counts(url)
        ran = subprocess.run(  # noqa: S603 - our own modules
            [*under, *_command(case, warm_up, path, url)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST,
            cwd=_ROOT,
            env={**os.environ, **_FOR_ALL, **airflow_environment(str(directory), url, uri)},
        )
        counts = _counts(url)
    if counts.events != case.events + WARM_UP:
        message = f"{case.contestant} sent {counts.events} events instead of {case.events + WARM_UP}"
        raise RuntimeError(message)
    measured = msgspec.json.decode(ran.stdout.splitlines()[-1], type=Measured)
    return measured, msgspec.structs.replace(counts, cpu=counts.cpu - before.cpu)


def _command(case: Case, warm_up: Path, path: Path, url: str) -> list[str]:
    peer = PEERS.get(case.contestant)
    if peer:
        python = str(python_of(peer.environment))
        return [python, "-m", peer.module, *peer.arguments, warm_up.stem, path.stem, url]
    command = [sys.executable, "-m", "benchmarks.one", case.contestant, case.kind]
    return [*command, str(warm_up), str(path), url, str(case.concurrency)]


@contextmanager
def _sink(latency: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.sink", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own module
        if server.stdin is None or server.stdout is None:
            raise AssertionError
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.stdin.close()


def _counts(url: str) -> Counts:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the server that was just started
        return msgspec.json.decode(answer.read(), type=Counts)


def _median(results: list[Result]) -> Result:
    return Result(
        case=results[0].case,
        rate=median(result.rate for result in results),
        cpu=median(result.cpu for result in results),
        cpu_of_rounds=tuple(result.cpu for result in results),
        peak=median(result.peak for result in results),
        grown=median(result.grown for result in results),
        server=median(result.server for result in results),
    )
