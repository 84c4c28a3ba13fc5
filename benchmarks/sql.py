"""A table of a real PostgreSQL to the sandbox by `SqlToBikOperator`: ``python -m benchmarks.sql [ROWS]``.

The task runs in a process of its own, whose memory and CPU time are measured. Where the CPU time goes is found by doing
its parts again, each time one more; what is left of the whole is sending.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.contestants import MAPPING, Job, airflow_environment, this_package
from benchmarks.database import database
from benchmarks.made_events import SQL
from benchmarks.measuring import peak_memory
from benchmarks.orders import QUERY

__all__ = ["main"]

PARTS = ("query", "events", "extraction", "reading")
"""The query alone; then with mapping and contract; then into the generation's file; and that file read."""


class Step(msgspec.Struct, kw_only=True):
    """What a part of the work took.

    Attributes:
        seconds: On the wall.
        cpu: Seconds of CPU time, all threads.
    """

    seconds: float
    cpu: float


class Run(msgspec.Struct, kw_only=True):
    """What the task took.

    Attributes:
        whole: From start to end.
        parts: Parts of the work by name, each measured alone; the first of them may be parts of the next.
        before: MB of memory at most before the task.
        peak: MB of memory at most after it.
        file: MB of the generation's file.
    """

    whole: Step
    parts: dict[str, Step]
    before: float
    peak: float
    file: float


def main(rows: int) -> None:
    """Measure, and print a table."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as directory,
        database(Path(directory), [rows]) as uri,
        _sandbox() as url,
    ):
        environment = airflow_environment(directory, url, uri)
        ran = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.sql", "measure", directory, str(rows)],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
    run = msgspec.json.decode(ran.stdout.splitlines()[-1], type=Run)
    sys.stdout.write("\n".join(_table(run, rows)) + "\n")


def _table(run: Run, rows: int) -> Iterator[str]:
    yield "| rows | seconds | events/s | peak MB | of these before the task | file MB |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    yield (
        f"| {rows:,} | {run.whole.seconds:.0f} | {rows / run.whole.seconds:,.0f} | "
        f"{run.peak:.0f} | {run.before:.0f} | {run.file:.0f} |"
    )
    yield ""
    yield "| part | CPU µs a row | share |"
    yield "| --- | ---: | ---: |"
    query, events, extraction, reading = (run.parts[name].cpu for name in PARTS)
    steps = {
        "the query": query,
        "mapping, checking and encoding": events - query,
        "writing the generation's file": extraction - events,
        "reading it": reading,
        "sending, and everything else": run.whole.cpu - extraction - reading,
    }
    for name, cpu in steps.items():
        yield f"| {name} | {cpu / rows * 1e6:.1f} | {cpu / run.whole.cpu:.0%} |"


@contextmanager
def _sandbox() -> Iterator[str]:
    command = [sys.executable, "-c", _SANDBOX]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own
        if server.stdin is None or server.stdout is None:
            raise AssertionError
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


_SANDBOX = """
import logging, sys
logging.disable(logging.INFO)
from airflow_provider_bik.sandbox import Sandbox
with Sandbox(api_key="key-of-the-benchmark", api_secret="secret-of-the-benchmark") as bik:
    print(bik.url, flush=True)
    sys.stdin.read()
"""


def measure(directory: str, rows: int) -> None:
    """Run the task in this process, and then its parts again."""
    from airflow_provider_bik.events import Contract, Encoder, EventMapping, Reading  # noqa: PLC0415 - Airflow's home is set by now
    from airflow_provider_bik.inputs.sql import Query, database_hook  # noqa: PLC0415 - see above
    from airflow_provider_bik.state.generation_file import INPUT, GenerationFile  # noqa: PLC0415 - see above
    from airflow_provider_bik.state.storage import Folder  # noqa: PLC0415 - see above
    from airflow_provider_bik.transfers.query_input import query_events  # noqa: PLC0415 - see above

    job = Job(kind=SQL, path=Path(f"orders_{rows}"), url="", concurrency=8, state=Path(directory, "state"))
    before = peak_memory()
    whole = _timed(lambda: this_package(job))
    peak = peak_memory()
    encoder = Encoder(contract=Contract(now=datetime.now(UTC), reading=Reading()), mapping=EventMapping.of(MAPPING))
    file = GenerationFile(Folder(f"{directory}/again"), "again")

    def query() -> Query:
        return Query(hook=database_hook("shop"), sql=QUERY.format(table=job.path), parameters=None, fetch_size=5000)

    works: tuple[Callable[[], object], ...] = (
        lambda: _exhaust(query().blocks()),
        lambda: _exhaust(query_events(query(), encoder)),
        lambda: file.write(query_events(query(), encoder), "the same"),
        lambda: _exhaust(file.read()),
    )
    run = Run(
        whole=whole,
        parts={name: _timed(work) for name, work in zip(PARTS, works, strict=True)},
        before=before,
        peak=peak,
        file=Path(directory, "again", INPUT).stat().st_size / 1024 / 1024,
    )
    sys.stdout.write("\n" + msgspec.json.encode(run).decode() + "\n")


def _timed(work: Callable[[], object]) -> Step:
    cpu, seconds = time.process_time(), time.perf_counter()
    work()
    return Step(seconds=time.perf_counter() - seconds, cpu=time.process_time() - cpu)


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
