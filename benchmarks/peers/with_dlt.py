"""Rows by dlt to the server: ``python -m benchmarks.peers.with_dlt BACKEND WARM_UP TABLE URL``.

It runs in an environment of its own, which has neither Airflow nor msgspec. The URI of the database stands in ``SHOP``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found] # it is not in this environment
import requests
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found] # as above

from benchmarks.measuring import measure_work, print_measured
from benchmarks.orders import BATCH, COLUMNS, KEY, SECRET, SEND_EVENTS, check_answer, event_of

__all__ = ["main", "send"]

_FORMATS = {"sqlalchemy": "typed-jsonl", "pyarrow": "parquet"}
"""The backend of the source -> the form of the files between source and destination."""


def send(backend: str, table: str, url: str, directory: Path) -> None:
    """All rows of a table, as events in batches."""
    session = requests.Session()
    session.auth = (KEY, SECRET)

    def post(items: Any, _table: object) -> None:  # noqa: ANN401 - a list, or of a Parquet file a block of Arrow's
        events = [_event(item) for item in (items if isinstance(items, list) else items.to_pylist())]
        check_answer(session.post(url + SEND_EVENTS, json={"events": events}, timeout=60).json())

    destination = dlt.destination(
        post, name="bik", batch_size=BATCH, loader_file_format=_FORMATS[backend], skip_dlt_columns_and_tables=True
    )
    rows = sql_table(os.environ["SHOP"].replace("postgres://", "postgresql+psycopg2://"), table, backend=backend)
    pipeline = dlt.pipeline(f"send_{table}", pipelines_dir=str(directory), destination=destination)
    pipeline.run(rows).raise_on_failed_jobs()


def _event(item: dict[str, Any]) -> dict[str, Any]:
    *plain, product, total, quantity, first, placed_at = (item[name] for name in COLUMNS)
    # `json=` takes no UUID and no Decimal.
    return event_of((*plain, str(product), float(total), quantity, first, placed_at.isoformat()))


def main(backend: str, warm_up: str, table: str, url: str) -> None:
    """Measure it and print the result."""
    with tempfile.TemporaryDirectory() as directory:
        send(backend, warm_up, url, Path(directory))
        measured = measure_work(lambda: send(backend, table, url, Path(directory)))
    print_measured(measured)


if __name__ == "__main__":
    main(*sys.argv[1:])
