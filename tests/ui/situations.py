"""Deliveries, runs and streams as people meet them, as the pages show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_bik.state.overview import Run, StreamRecords, WindowCounts, overview_of
from airflow_provider_bik.state.progress import DeliveryProgress, PastTrouble
from airflow_provider_bik.ui.html import render
from airflow_provider_bik.ui.known import Details, Report, Sample, Sources, Task
from airflow_provider_bik.ui.view import delivery_view, run_view
from airflow_provider_bik.windows import Window, cut

__all__ = ["SITUATIONS"]

KOLKATA = ZoneInfo("Asia/Kolkata")
PATH = "s3://bucket/bik/streams/orders/2026-01-05T00-00+0530--2026-01-06T00-00+0530"
RUN_ID = "manual__2026-01-06T02:30:00.123456+00:00"


def task(state: str, *, index: int = -1, name: str = "send_orders") -> Task:
    began = datetime(2026, 1, 6, 8, tzinfo=KOLKATA)
    return Task(
        dag_id="a_dag_of_the_shop",
        run_id=RUN_ID,
        task_id=name,
        map_index=index,
        label=str(index) if index >= 0 else "",
        state=state,
        try_number=1,
        began=began,
        ended=began + timedelta(minutes=2),
    )


def report(read: int, rejected: int = 0, **more: Any) -> Report:
    values = {"confirmed": read - rejected, "requests": 3, "record_path": PATH, **more}
    return Report(read=read, rejected=rejected, skipped=0, unresolved=0, **values)


def progress(**more: Any) -> DeliveryProgress:
    values: dict[str, Any] = {
        "state": "sending",
        "began_at": "2026-01-06T08:00:00+05:30",
        "updated_at": "2026-01-06T08:02:00+05:30",
        "zone": "Asia/Kolkata",
        "delivery": "stream orders",
        "host": "bikapi.example",
        "mode": "auto",
    }
    return DeliveryProgress(**{**values, **more})


def delivery(sources: Sources, details: Details | None = None) -> str:
    return render("delivery.html", nonce="", view=delivery_view(sources, details))


def nothing_to_send() -> str:
    return delivery(Sources(task=task("success"), progress=progress(total=0), report=report(0, requests=0)))


def one_event() -> str:
    trouble = PastTrouble(
        kind="failing", start="2026-01-06T08:00:20+05:30", end="2026-01-06T08:00:40+05:30", what="HTTP 503"
    )
    known = progress(total=1, rates=[(30.0, 0), (60.0, 1), (120.0, 1)], outages=[trouble])
    return delivery(Sources(task=task("success"), progress=known, report=report(1, possible_duplicates=1)))


def nothing_but_rejections() -> str:
    reasons = {"identity_missing": 500, "field_missing": 300, "rejected_by_bik": 200}
    path = f"{PATH}/2026-01-06T08-00-00-abcdef-0/rejected.ndjson"
    found = report(1000, 1000, reasons=reasons, rejected_path=path, generation="2026-01-06T08-00-00-abcdef-0")
    samples = {
        "identity_missing": [Sample(location=f"orders-2026-01-05.csv:{n}", detail="email") for n in (2, 3, 4)],
        "rejected_by_bik": [Sample(location="[9]", message="'eventProperties.orderId' is required")],
    }
    sources = Sources(task=task("failed"), progress=progress(total=1000), report=found, record_path=PATH)
    return delivery(sources, Details(samples=samples))


def dry_run_with_rejections() -> str:
    found = report(
        1000,
        1000,
        dry_run=True,
        reasons={"identity_missing": 1000},
        examples={"identity_missing": ["row 1", "row 2"]},
        details={"identity_missing": ["email and phoneNumber"]},
        rejected_path="/bik/dry-runs/dag/task/rejected.ndjson",
    )
    return delivery(Sources(task=task("success"), progress=progress(dry_run=True), report=found))


def failed_at_once() -> str:
    name = "send_the_orders_of_the_shop_in_a_task_with_a_rather_long_name"
    return delivery(Sources(task=task("failed", name=name)))


def not_begun() -> str:
    return delivery(Sources(task=task("")))


def backfill() -> str:
    windows = [Window.of(text) for text in cut(date(2026, 1, 1), date(2026, 2, 10), timezone="Asia/Kolkata")]
    sources = [
        Sources(
            task=task("success", index=index),
            progress=progress(window=window.text(KOLKATA).split("/")),
            report=report(100, possible_duplicates=index % 2),
            window=(window.start, window.end),
        )
        for index, window in enumerate(windows)
    ]
    for index, rejected in ((7, 5), (19, 1)):
        sources[index] = replace(sources[index], task=task("failed", index=index), report=report(100, rejected))
    # This one had not begun to count.
    sources[33] = Sources(task=task("failed", index=33))
    return render("run.html", nonce="", view=run_view(sources))


def run_of_a_dry_run() -> str:
    found = report(0, dry_run=True, deliverable=0)
    return render("run.html", nonce="", view=run_view([Sources(task=task("success"), report=found)]))


def run_that_failed_at_once() -> str:
    return render("run.html", nonce="", view=run_view([Sources(task=task("failed"))]))


def windows_of_two_zones() -> str:
    texts = ("2026-01-10T00:00+01:00/2026-01-12T12:00+01:00", "2026-01-13T00:00+05:30/2026-01-14T00:00+05:30")
    windows = [Window.of(text) for text in texts]
    sources = [
        Sources(
            task=task("success", index=index),
            progress=progress(zone=zone),
            report=report(1),
            window=(each.start, each.end),
        )
        for index, (each, zone) in enumerate(zip(windows, ("Europe/Berlin", "Asia/Kolkata"), strict=True))
    ]
    return render("run.html", nonce="", view=run_view(sources))


def stream_with_a_gap_and_an_overlap() -> str:
    days = [Window.of(text) for text in cut(date(2026, 1, 1), date(2026, 2, 10), timezone="Asia/Kolkata")]
    both = Window(days[9].start, days[10].start + timedelta(hours=12))
    by = f"a_dag_of_the_shop send_orders {RUN_ID}"
    counts = WindowCounts(confirmed=1_234_567, possible_duplicates=1)
    runs = [Run(window=each, is_delivered=True, counts=counts, by=by) for each in (*days[:20], *days[23:], both)]
    return coverage(StreamRecords(name="orders", runs=runs, zone=KOLKATA))


def stream_without_windows() -> str:
    by = f"a_dag_of_the_shop send_the_catalog {RUN_ID}"
    run = Run(is_delivered=True, by=by, at="2026-01-06T08:00:00+05:30", counts=WindowCounts(confirmed=1))
    return coverage(StreamRecords(name="catalog", runs=[run], zone=KOLKATA))


def coverage(stream: StreamRecords) -> str:
    return render("coverage.html", nonce="", overviews=[overview_of(stream)], chosen=None, months=12, note="")


SITUATIONS = {
    make.__name__: make()
    for make in (
        nothing_to_send,
        one_event,
        nothing_but_rejections,
        dry_run_with_rejections,
        failed_at_once,
        not_begun,
        backfill,
        run_of_a_dry_run,
        run_that_failed_at_once,
        windows_of_two_zones,
        stream_with_a_gap_and_an_overlap,
        stream_without_windows,
    )
}
"""Whole pages by what they show."""
