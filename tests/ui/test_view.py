"""What the pages say of what is known: pure functions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.checkpoint import Counts
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.state.progress import DeliveryProgress, PastTrouble, Trouble
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.ui.details import folder_below
from airflow_provider_bik.ui.html import render
from airflow_provider_bik.ui.known import Details, Report, Sources, Task
from airflow_provider_bik.ui.view import HEIGHT, WIDTH, Numbers, delivery_view, run_view


def progress(**changes: Any) -> DeliveryProgress:
    values: dict[str, Any] = {
        "state": "sending",
        "began_at": "2026-01-06T01:00:00+05:30",
        "updated_at": "2026-01-06T01:02:00+05:30",
        "total": 1000,
        "read": 400,
        "confirmed": 290,
        "rejected": 10,
        "rates": [(10.0, 100), (20.0, 200), (30.0, 300)],
    }
    return DeliveryProgress(**{**values, **changes})


def sources(state: str = "running", *, index: int = -1, **more: Any) -> Sources:
    task = Task(dag_id="dag", run_id="run", task_id="send", state=state, map_index=index)
    return Sources(task=task, **more)


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {"read": 7, "confirmed": 5, "rejected": 1, "skipped": 1, "unresolved": 0}
    return Report(**{**values, **changes})


@pytest.mark.parametrize(
    ("state", "known", "text"),
    [
        ("running", {"progress": progress()}, "Sending"),
        ("running", {"progress": progress(state="failing")}, "BIK fails"),
        ("running", {"progress": progress(state="throttled")}, "BIK slows down"),
        ("running", {}, "Running"),
        ("success", {"report": report()}, "Delivered"),
        ("success", {"report": report(dry_run=True, confirmed=0, deliverable=5)}, "Dry run ended"),
        ("success", {"report": report(already_delivered=True)}, "Delivered before"),
        ("failed", {"progress": progress()}, "Failed"),
        ("up_for_retry", {"progress": progress()}, "Failed, will be tried again"),
        ("up_for_reschedule", {"progress": progress()}, "Paused"),
        ("", {}, "Waiting"),
        ("a state of some later Airflow", {}, "Waiting"),
    ],
)
def test_airflow_has_the_last_word_on_what_a_task_does(state: str, known: dict[str, Any], text: str) -> None:
    assert delivery_view(sources(state, **known), None).status.text == text


def test_the_report_counts_once_the_task_has_ended_and_the_progress_before() -> None:
    known: dict[str, Any] = {"progress": progress(), "report": report()}
    running, ended = (delivery_view(sources(state, **known), None).numbers for state in ("running", "success"))
    assert (running and running.read, ended and ended.read) == (400, 7)


def test_without_progress_and_report_the_checkpoint_counts() -> None:
    counts = Counts(pipelines={Pipeline.MIGRATION: 8, Pipeline.REALTIME: 0}, skipped=2)
    numbers = delivery_view(sources(), Details(counts=counts)).numbers
    assert numbers is not None
    assert (numbers.read, numbers.confirmed, numbers.skipped, numbers.pipelines["migration"]) == (10, 8, 2, 8)


def test_the_time_left_is_told_by_the_rate_of_late_and_only_while_the_task_runs() -> None:
    assert delivery_view(sources(progress=progress()), None).seconds_left == pytest.approx(70)
    assert delivery_view(sources("failed", progress=progress()), None).seconds_left is None
    assert delivery_view(sources(progress=progress(total=None)), None).seconds_left is None
    assert delivery_view(sources(progress=progress(rates=[(10.0, 300), (20.0, 300)])), None).seconds_left is None


def test_the_picture_shades_an_outage_and_what_still_lasts() -> None:
    found = progress(
        outages=[
            PastTrouble(
                kind="failing", start="2026-01-06T01:00:03+05:30", end="2026-01-06T01:00:06+05:30", what="HTTP 503"
            )
        ],
        trouble=Trouble(kind="failing", since="2026-01-06T01:00:15+05:30", what="HTTP 503"),
    )
    chart = delivery_view(sources(progress=found), None).chart
    assert chart is not None
    assert [(round(x / WIDTH * 30), round(width / WIDTH * 30)) for x, width in chart.bands] == [(3, 3), (15, 15)]
    assert (chart.peak, chart.average, chart.seconds) == (10, 10, 30)


@given(
    points=st.lists(st.tuples(st.floats(0, 1e6, allow_nan=False), st.integers(0, 10**9)), max_size=120),
    total=st.none() | st.integers(0, 10**9),
)
def test_whatever_the_points_the_picture_stays_in_its_frame(points: list[tuple[float, int]], total: int | None) -> None:
    rates = sorted(points)
    view = delivery_view(sources(progress=progress(rates=rates, total=total)), None)
    assert "<svg" in render("_delivery.html", view=view)
    if view.chart is not None:
        pairs = [pair.split() for pair in view.chart.line.removeprefix("M").split(" L")]
        assert all(-0.1 <= float(x) <= WIDTH + 0.1 and -0.1 <= float(y) <= HEIGHT + 0.1 for x, y in pairs)


counts = st.integers(0, 10**12)


@given(confirmed=counts, rejected=counts, skipped=counts, unresolved=counts)
def test_the_bar_is_never_longer_than_it_may_be_and_full_only_at_the_end(
    confirmed: int, rejected: int, skipped: int, unresolved: int
) -> None:
    read = confirmed + rejected + skipped + unresolved
    numbers = Numbers(read=read, confirmed=confirmed, rejected=rejected, skipped=skipped, unresolved=unresolved)
    assert sum(length for _, _, length in numbers.shares()) <= 100.01
    assert (numbers.percent == 100) == (unresolved == 0 and read > 0)


def test_a_run_adds_up_its_windows_and_leaves_dry_runs_out() -> None:
    windows = [
        sources("success", index=0, report=report()),
        sources("success", index=1, report=report()),
        sources("success", index=2, report=report(dry_run=True)),
        sources("failed", index=3),
    ]
    view = run_view(windows)
    assert (view.numbers.read, view.numbers.confirmed, view.is_live) == (14, 10, False)
    assert [(status.text, count) for status, count in view.states] == [
        ("Failed", 1),
        ("Delivered", 2),
        ("Dry run ended", 1),
    ]
    assert "3 of" not in render("run.html", nonce="", view=run_view([]))


@pytest.mark.parametrize(
    "name", ["what", "delivery", "host", "record_path", "rejected_path", "generation", "mode", "zone", "label"]
)
def test_whatever_a_document_says_is_text(name: str) -> None:
    evil = "<script>alert(1)</script>"
    known: dict[str, Any] = {"record_path": evil}
    changes: dict[str, Any] = {name: evil}
    if name == "what":
        changes = {"trouble": Trouble(kind="failing", since="never", what=evil)}
    if name == "label":
        changes = {"reasons": {evil: 3}}
    view = delivery_view(sources(progress=progress(**changes), **known), None)
    text = render("delivery.html", nonce="", view=view)
    assert evil not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("file:///state/streams/orders/w", True),
        ("/state/streams/orders/w", True),
        ("/state", False),
        ("/state-of-others/streams", False),
        ("/state/../etc", False),
        ("/state/streams//w", False),
        ("/elsewhere", False),
        ("http://127.0.0.1/state/streams", False),
        ("s3://bucket/state", False),
    ],
)
def test_only_what_lies_below_the_state_path_is_opened(path: str, *, inside: bool) -> None:
    assert (folder_below(Folder("/state"), path) is not None) is inside
