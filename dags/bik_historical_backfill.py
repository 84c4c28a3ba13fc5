"""Send a range of the shop's past, once, by hand. Everything goes as migration, so nobody is messaged about it.

It needs the Airflow option `[bik] state_path`, and the connections `shop_db` (any SQL database) and `bik_default`.

## Choose the dates

*From* is the first day that is sent, *To* the first day that is not. *To* is best the `FIRST_DAY` of
`bik_daily_incremental_sync`. To go further back later, run it again with earlier dates.

## Try it dry first

*Dry run* is on in the form. Everything is read and checked, nothing is sent. The last task logs what would be sent,
what would be rejected and why, and how long it will take. Then trigger the same dates again without it.

## Windows

Each window of the range is a task of its own for each kind of event, oldest first. If one fails, clear it, and it goes
on where it ended. Days that any DAG has delivered, in windows of any size, are left out.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import chain, pairwise
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, Param, dag, get_current_context, task
from bik_shop import FIRST_DAY, KINDS, TIMEZONE, TO_BIK

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.windows import cut

REQUESTS_PER_SECOND = 40
"""What this DAG may ask of BIK, all of its tasks together. A request carries up to 100 events."""

PARALLEL = 2
"""Windows of one kind that are sent at the same time; they share REQUESTS_PER_SECOND. With 1, the order is strict."""

DATE: Any = {"type": "string", "format": "date"}

log = logging.getLogger(__name__)


def add_up(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add reports. A delivery that was already made counts as that, and not a second time by its events."""
    counted = ("read", "confirmed", "deliverable", "rejected", "planned_requests")
    totals: Counter[str] = Counter(dict.fromkeys((*counted, "already_delivered"), 0))
    reasons: Counter[str] = Counter()
    for report in reports:
        if report["already_delivered"]:
            totals["already_delivered"] += 1
        else:
            totals.update({name: report[name] for name in counted})
            reasons.update(report["reasons"])
    return {**totals, "reasons": dict(reasons)}


@dag(
    description="Sends a range of past days, once, as migration",
    schedule=None,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "from": Param(**DATE, title="From", description=f"The first day that is sent, a calendar day in {TIMEZONE}."),
        "to": Param(
            **DATE, title="To", description=f"The first day that is not sent. The daily DAG's FIRST_DAY is {FIRST_DAY}."
        ),
        "window_days": Param(
            7, type="integer", minimum=1, maximum=366, title="Days in a window", description="A task for each window."
        ),
        "dry_run": Param(
            default=True, type="boolean", title="Dry run", description="Read and check everything, send nothing."
        ),
    },
    tags=["bik"],
    doc_md=__doc__,
)
def bik_historical_backfill() -> None:
    """Split, extract, send and add up."""

    @task
    def plan() -> list[str]:
        params = get_current_context()["params"]
        first, end = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
        try:
            return cut(first, end, days=params["window_days"], timezone=TIMEZONE)
        except BikConfigError as error:
            # Another try would read the same form.
            raise AirflowFailException(error.message) from error

    windows: Any = plan()
    sending: list[Any] = []
    for name, kind in KINDS.items():
        send = SqlToBikOperator.partial(
            task_id=f"send_{name}",
            conn_id="shop_db",
            sql=kind.sql,
            mapping=kind.mapping,
            stream=name,
            pipeline="migration",
            dry_run="{{ params.dry_run }}",
            # Airflow counts tasks, not requests: each task that may run at the same time gets its share of the rate.
            max_active_tis_per_dagrun=PARALLEL,
            sending=Sending(max_requests_per_second=REQUESTS_PER_SECOND / PARALLEL),
            map_index_template="{{ task.window[:10] }}",
            **TO_BIK,
        ).expand(window=windows)
        sending.append(send)
    for earlier, later in pairwise(sending):
        earlier >> later

    @task
    def sum_up(*kinds: Iterable[dict[str, Any]]) -> dict[str, Any]:
        totals = add_up(chain.from_iterable(kinds))
        log.info("Totals: %s", totals)
        # Their events are not in the totals, and nobody should take the zeros for a run that has sent something.
        log.info("Windows delivered before, of which this run sent nothing: %d.", totals["already_delivered"])
        if planned := totals["planned_requests"]:
            seconds = planned / REQUESTS_PER_SECOND
            log.info("Sending it takes %d requests or more, so at least %.0f s at the rate given.", planned, seconds)
        return totals

    sum_up(*(send.output for send in sending))


backfill = bik_historical_backfill()

if __name__ == "__main__":
    backfill.test(run_conf={"from": "2025-12-02", "to": "2026-01-01"})
