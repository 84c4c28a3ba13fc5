"""Send a range of the shop's past to BIK, once, by hand. Everything goes as migration, so nobody is messaged about it.

## Choose the dates

`from` is the first day that is sent, `to` the first day that is not. Leave `to` at the
`FIRST_DAY` of `bik_daily_incremental_sync`, which sends that day and all later ones: then no day is sent twice and
none is missed. To go further back later, run again with the old `from` as the new `to`.

## Try it dry first

`dry_run` is on in the form: everything is read and checked, nothing is sent, and the last task
logs what would be sent, what would be rejected and why, and how long it will take. Then trigger the same dates again
without it.

## Windows

The range is cut into windows, oldest first, each with its own task for each kind of event, so that a failure costs
one window: clear that one, and it goes on where it ended. Days that were delivered, by this DAG, the daily one or
Airflow's own Backfill, are left out, whatever the size of the windows.

Needs the connections `shop_db` (any SQL database) and `bik_default`.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pendulum
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

COLUMNS = ("read", "confirmed", "deliverable", "rejected", "skipped", "unresolved")
COUNTS = (*COLUMNS, "possible_duplicates", "requests", "planned_requests")

log = logging.getLogger(__name__)


def add_up(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Add the reports of all windows and check that each event of the input is accounted for.

    Raises:
        AirflowFailException: Events were read whose fate no report tells.
    """
    totals: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    pipelines: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for report in reports:
        totals.update({name: report.get(name, 0) for name in COUNTS})
        pipelines.update(report["pipelines"])
        reasons.update(report["reasons"])
    accounted = sum(totals[name] for name in COLUMNS[1:])
    if totals["read"] != accounted:
        message = f"{totals['read']} events were read, but {accounted} are accounted for. Keep the logs and report it."
        raise AirflowFailException(message)
    return {**totals, "pipelines": dict(pipelines), "reasons": dict(reasons)}


def table(windows: list[str], reports: list[dict[str, Any]]) -> str:
    """One line for each window, ready for the log."""
    lines = [f"{'from':<12}" + "".join(f"{column:>12}" for column in COLUMNS)]
    for window, report in zip(windows, reports, strict=True):
        lines.append(f"{window[:10]:<12}" + "".join(f"{report.get(column, 0):>12}" for column in COLUMNS))
    return "\n".join(lines)


@dag(
    description="Sends a range of past days to BIK, once, as migration",
    schedule=None,
    start_date=pendulum.datetime(2020, 1, 1, tz=TIMEZONE),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "from": Param(
            (FIRST_DAY - timedelta(days=30)).isoformat(),
            type="string",
            format="date",
            title="From",
            description=f"The first day that is sent, as a calendar day in {TIMEZONE}.",
        ),
        "to": Param(
            FIRST_DAY.isoformat(),
            type="string",
            format="date",
            title="To",
            description="The first day that is not sent any more: the first day of the daily DAG.",
        ),
        "window_days": Param(
            7,
            type="integer",
            minimum=1,
            maximum=366,
            title="Days in a window",
            description="Each window is a task of its own, for each kind of event.",
        ),
        "dry_run": Param(
            default=True,
            type="boolean",
            title="Dry run",
            description="Read and check everything, send nothing. Switch it off to send.",
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
            # A wrong range is not mended by trying again.
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
            max_active_tis_per_dagrun=PARALLEL,
            # Airflow counts tasks, not requests: each task that may run at the same time gets its share of the rate. A
            # pool of PARALLEL slots, given here as `pool=`, holds it over several runs and DAGs.
            sending=Sending(max_requests_per_second=REQUESTS_PER_SECOND / PARALLEL),
            map_index_template="{{ task.window[:10] }}",
            **TO_BIK,
        ).expand(window=windows)
        sending.append(send)
    for earlier, later in pairwise(sending):
        earlier >> later

    @task
    def check(windows: list[str], *kinds: list[dict[str, Any]]) -> dict[str, Any]:
        # Each look at a mapped result is a request to Airflow.
        reports = [list(kind) for kind in kinds]
        totals = add_up([report for kind in reports for report in kind])
        lines = table(windows, [add_up(list(window)) for window in zip(*reports, strict=True)])
        log.info("What became of the events:\n%s\nTotals: %s", lines, totals)
        if planned := totals["planned_requests"]:
            seconds = planned / REQUESTS_PER_SECOND
            log.info("Sending it takes %d requests or more, so at least %.0f s at the rate given.", planned, seconds)
        return totals

    check(windows, *(send.output for send in sending))


backfill = bik_historical_backfill()

if __name__ == "__main__":
    backfill.test()
