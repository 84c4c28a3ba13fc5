"""One try of a task in a process that sends metrics as a worker does: ``python -m tests.operators.metrics_process``."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, Stats, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from tests.operators.support import TaskInstance, event


def main() -> None:
    """Two good events of each pipeline, one bad, one that is skipped; the first request is answered with 500."""
    if AIRFLOW_V_3_2_PLUS:
        _initialize()
    # As when Airflow begins a task: the client is made by the first metric, and not by two threads at once.
    Stats.incr("begun")
    good = [event(1), event(2), event(3, createdAt="2024-01-05T10:00:00Z"), event(4, createdAt="2024-01-05T10:00:00Z")]
    send = BikSendEventsOperator(
        task_id="send",
        events=[*good, event(5, email="", phoneNumber="")],
        sending=Sending(max_concurrency=1),
        dry_run=os.environ.get("DRY_RUN", "false"),
    )
    with contextlib.suppress(AirflowException):
        TaskInstance().execute(send)
    if conf.getboolean("metrics", "otel_on"):
        from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics  # noqa: PLC0415 - if asked

        flush_otel_metrics()  # type: ignore[no-untyped-call]


def _initialize() -> None:
    """As a worker does it; one below 3.2 does it when the first metric is sent."""
    stats_utils: Any = import_module("airflow.sdk.observability.metrics.stats_utils")
    if AIRFLOW_V_3_3_PLUS:
        names = conf.getboolean("metrics", "legacy_names_on")
        stats: Any = import_module("airflow.sdk._shared.observability.metrics.stats")
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=names)
    else:
        older: Any = Stats
        older.initialize(factory=stats_utils.get_stats_factory(older))


if __name__ == "__main__":
    main()
