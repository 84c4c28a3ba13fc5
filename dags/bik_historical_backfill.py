"""Send a range of the shop's past to BIK, once, by hand. Everything goes as migration, so nobody is messaged about it.

**Choose the dates.** `from` is the first day that is sent, `to` the first day that is not. Leave `to` at the
`FIRST_DAY` of `bik_daily_incremental_sync`, which sends that day and all later ones: then no day is sent twice and
none is missed. To go further back later, run again with the old `from` as the new `to`.

**Try it dry first.** `dry_run` is on in the form: everything is read and checked, nothing is sent, and the last task
logs what would be rejected and why. Then trigger the same dates again without it.

The range is split into windows, oldest first, each with its own extract and send task, so that a failure costs one
window: clear that one and the run goes on. BIK cannot recognise an event that it already has, so clearing a window
that was sent, or running the same dates twice, sends its events twice.

Needs the connections `shop_db` (any SQL database) and `bik_default`.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import date, timedelta
from itertools import chain
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, Param, dag, get_current_context, task
from bik_shop import (
    CARTS,
    CUSTOMERS,
    FIRST_DAY,
    ORDERS,
    STAGING,
    TIMEZONE,
    read_events,
    staging_file,
    write_ndjson,
)

from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.windows import Window, first_day, split

COUNTS = ("read", "confirmed", "deliverable", "rejected", "unresolved", "possible_duplicates", "requests")

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
    accounted = totals["confirmed"] + totals["deliverable"] + totals["rejected"] + totals["unresolved"]
    if totals["read"] != accounted:
        message = f"{totals['read']} events were read, but {accounted} are accounted for. Keep the logs and report it."
        raise AirflowFailException(message)
    return {**totals, "pipelines": dict(pipelines), "reasons": dict(reasons)}


def table(windows: list[Window], reports: list[dict[str, Any]]) -> str:
    """One line for each window, ready for the log."""
    columns = ("read", "confirmed", "deliverable", "rejected", "unresolved")
    lines = [f"{'from':<12}" + "".join(f"{column:>12}" for column in columns)]
    for between, report in zip(windows, reports, strict=True):
        lines.append(
            f"{first_day(between, timezone=TIMEZONE)!s:<12}"
            + "".join(f"{report.get(column, 0):>12}" for column in columns)
        )
    return "\n".join(lines)


@dag(
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
            description="Each window is extracted to one file and sent by one task.",
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

    # A wrong range is not mended by trying again.
    @task(retries=0)
    def plan() -> list[Window]:
        params = get_current_context()["params"]
        first, end = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
        return split(first, end, size=params["window_days"], timezone=TIMEZONE)

    @task
    def extract(between: Window) -> str:
        context = get_current_context()
        target = staging_file("backfill", between, str(context["run_id"]), str(context["ti"].map_index))
        # Customers first, so that BIK knows them when their carts and orders arrive.
        return write_ndjson(target, chain.from_iterable(read_events(q, between) for q in (CUSTOMERS, CARTS, ORDERS)))

    @task
    def check(windows: list[Window], reports: list[dict[str, Any]]) -> dict[str, Any]:
        # Each look at a mapped result is a request to Airflow.
        reports = list(reports)
        totals = add_up(reports)
        log.info("What became of the events:\n%s\nTotals: %s", table(windows, reports), totals)
        return totals

    windows: Any = plan()
    send: Any = BikSendEventsOperator.partial(
        task_id="send",
        pipeline="migration",
        dry_run="{{ params.dry_run }}",
        # One window after the other, so that BIK receives the oldest first and is not flooded.
        max_active_tis_per_dagrun=1,
        # Some events of any shop are beyond repair, and they must not stop its history. A broken extraction rejects
        # far more than one in twenty, and does fail. The rejected events are kept for mending.
        max_rejected=0.05,
        dead_letter_path=f"{STAGING}/rejected",
        default_region="IN",
    ).expand(events=extract.expand(between=windows))
    check(windows, send.output)


backfill = bik_historical_backfill()

if __name__ == "__main__":
    backfill.test()
