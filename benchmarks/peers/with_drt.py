"""Rows by drt to the server: ``python -m benchmarks.peers.with_drt WARM_UP TABLE URL``.

It runs in an environment of its own, which has neither Airflow nor msgspec. The URI of the database stands in ``SHOP``.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from drt.config.credentials import PostgresProfile  # type: ignore[import-not-found] # it is not in this environment
from drt.config.models import SyncConfig  # type: ignore[import-not-found] # as above
from drt.destinations.rest_api import RestApiDestination  # type: ignore[import-not-found] # as above
from drt.engine.sync import run_sync  # type: ignore[import-not-found] # as above
from drt.sources.postgres import PostgresSource  # type: ignore[import-not-found] # as above

from benchmarks.measuring import measure_work, print_measured
from benchmarks.orders import BATCH, KEY, QUERY, SECRET, SEND_EVENTS

__all__ = ["main", "send"]

_BLOCK = 5000
"""Rows that the destination gets at a time; with its default of 100 it would open a connection for each request."""

_EVENT = """{"eventName": "orderCompleted", "name": {{ row.name | tojson_safe }},
"phoneNumber": {{ row.phone | tojson_safe }}, "email": {{ row.email | tojson_safe }},
"createdAt": {{ row.placed_at | tojson_safe }}, "eventProperties": {"orderId": {{ row.id }},
"productId": {{ row.product | tojson_safe }}, "total": {{ row.total | float }}, "quantity": {{ row.quantity }},
"first": {{ row.first | tojson_safe }}}}"""

_EVENTS = f'{{"events": [{{% for row in rows %}}{_EVENT}{{{{ "" if loop.last else "," }}}}{{% endfor %}}]}}'


def send(table: str, url: str, directory: Path) -> None:
    """All rows of a table, as events in batches."""
    token = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    sync = SyncConfig.model_validate(
        {
            "name": table,
            "model": QUERY.format(table=table),
            "destination": {
                "type": "rest_api",
                "url": url + SEND_EVENTS,
                "headers": {"Authorization": f"Basic {token}", "Content-Type": "application/json"},
                "body_mode": "batch",
                "batch_template": _EVENTS,
                "max_records_per_request": BATCH,
            },
            # 0 lifts its limit of ten requests a second.
            "sync": {"batch_size": _BLOCK, "rate_limit": {"requests_per_second": 0}},
        }
    )
    result = run_sync(sync, PostgresSource(), RestApiDestination(), _profile(), directory)
    if result.failed:
        message = f"{result.failed} rows have failed"
        raise RuntimeError(message)


def _profile() -> object:
    parts = urlsplit(os.environ["SHOP"])
    host = parse_qs(parts.query)["host"][0]
    return PostgresProfile(type="postgres", host=host, dbname=parts.path.strip("/"), user=parts.username or "")


def main(warm_up: str, table: str, url: str) -> None:
    """Measure it and print the result."""
    with tempfile.TemporaryDirectory() as directory:
        send(warm_up, url, Path(directory))
        measured = measure_work(lambda: send(table, url, Path(directory)))
    print_measured(measured)


if __name__ == "__main__":
    main(*sys.argv[1:])
