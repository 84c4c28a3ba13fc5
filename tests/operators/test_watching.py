"""A running task is seen: in its log, and in the task state store; and being seen never holds it up."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.watching import Watch
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.state.progress import DeliveryProgress
from airflow_provider_bik.state.storage import TaskStateStore
from tests.operators.support import APP_ID, KEY, SECRET, Store, TaskInstance, connection, event

EVENTS = [event(number) for number in range(250)]


class Witness(Store):
    """A store that remembers each progress that was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[DeliveryProgress] = []
        self.on_progress: Callable[[DeliveryProgress], None] = lambda _: None

    def set(self, key: str, value: object) -> None:
        super().set(key, value)
        if key == "bik/progress":
            self.shown.append(msgspec.convert(value, DeliveryProgress))
            self.on_progress(self.shown[-1])


def test_the_store_shows_how_the_delivery_is_going_and_how_it_has_ended(bik: Sandbox, tmp_path: Path) -> None:
    store = Witness()
    bad = event(250, email="", phoneNumber="")
    send = BikSendEventsOperator(task_id="send", events=[*EVENTS, bad], state_path=str(tmp_path), max_rejected=1)
    report = TaskInstance(store=store).execute(send)
    last = store.shown[-1]
    assert (last.state, last.total, last.read, last.confirmed) == ("delivered", 251, 251, 250)
    assert (last.rejected, last.reasons, last.unresolved) == (1, {"identity_missing": 1}, 0)
    assert (last.requests, last.failed_requests, last.in_flight) == (3, 0, 0)
    assert (last.host, last.mode, last.dry_run) == (bik.url.removeprefix("http://"), "auto", False)
    assert (last.record_path, last.generation) == (report["record_path"], report["generation"])
    assert last.rejected_path == report["rejected_path"]
    assert last.rates[-1][1] == 251
    assert "customer" not in json.dumps(store.values["bik/progress"])


def test_a_dry_run_and_a_failed_try_show_what_they_are(bik: Sandbox) -> None:
    store = Witness()
    TaskInstance(store=store).execute(BikSendEventsOperator(task_id="send", events=EVENTS, dry_run=True))
    assert (store.shown[-1].state, store.shown[-1].dry_run, store.shown[-1].confirmed) == ("delivered", True, 250)
    bik.faults = FaultPlan(script=(Fault(kind="status", status=401, when="before"),))
    with pytest.raises(Exception, match="HTTP 401"):
        TaskInstance(store=store).execute(BikSendEventsOperator(task_id="send", events=EVENTS))
    assert (store.shown[-1].state, store.shown[-1].dry_run) == ("failed", False)


def test_what_was_delivered_before_is_shown_as_that(bik: Sandbox, tmp_path: Path) -> None:
    store = Witness()
    for run in ("first", "second"):
        send = BikSendEventsOperator(
            task_id="send", events=EVENTS, stream="orders", state_path=str(tmp_path), if_delivered="skip"
        )
        TaskInstance(run, store=store).execute(send)
    assert store.shown[-1].state == "already_delivered"
    assert store.shown[-1].stream == "orders"


def test_a_store_that_hangs_while_it_is_shown_holds_up_nothing(bik: Sandbox, tmp_path: Path) -> None:
    hangs, store = threading.Event(), Witness()

    def hang(_: DeliveryProgress) -> None:
        hangs.wait()

    store.on_progress = hang
    send = BikSendEventsOperator(task_id="send", events=EVENTS, state_path=str(tmp_path))
    try:
        report = TaskInstance(store=store).execute(send)
    finally:
        hangs.set()
    assert report["confirmed"] == 250


def test_where_one_thread_at_a_time_may_ask_airflow_that_thread_shows_how_it_goes() -> None:
    main, asking = threading.get_ident(), set[int]()
    store = Witness()
    store.on_progress = lambda _: asking.add(threading.get_ident())
    with Watch(
        DeliveryProgress(), clock=lambda: datetime.now(UTC), store=TaskStateStore(store), one_at_a_time=True
    ) as watch:
        watch.end("delivered")
    assert [progress.state for progress in store.shown] == ["reading", "delivered"]
    assert asking == {main}


def test_a_store_that_takes_no_progress_is_one_warning_and_no_failure(
    bik: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Witness()

    def fail(_: DeliveryProgress) -> None:
        message = "no room"
        raise RuntimeError(message)

    store.on_progress = fail
    send = BikSendEventsOperator(task_id="send", events=EVENTS, state_path=str(tmp_path))
    assert TaskInstance(store=store).execute(send)["confirmed"] == 250
    warnings = [record.getMessage() for record in caplog.records if "cannot be shown" in record.getMessage()]
    assert warnings == ["The progress cannot be shown in Airflow (RuntimeError); the delivery goes on."]


def test_a_bik_that_is_stopped_for_a_moment_is_seen_to_be_so_while_it_is_and_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="airflow_provider_bik")
    store, is_up, seen, ended = Witness(), threading.Event(), threading.Event(), threading.Event()
    bik = Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID)
    store.on_progress = lambda progress: seen.set() if progress.trouble else None

    def up_down_and_up_again() -> None:
        with bik:
            is_up.set()
            while len(bik.requests) < 3 and not ended.wait(0.01):
                pass
        seen.wait(60)
        with bik:
            ended.wait(120)

    other = threading.Thread(target=up_down_and_up_again)
    other.start()
    is_up.wait(60)
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik))
    send = BikSendEventsOperator(
        task_id="send",
        events=[event(number) for number in range(1000)],
        state_path=str(tmp_path),
        sending=Sending(batch_size=10, max_requests_per_second=50),
    )
    try:
        report = TaskInstance(store=store).execute(send)
    finally:
        ended.set()
        seen.set()
        other.join()
    assert report["confirmed"] == 1000
    texts = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("BIK is failing: ") for text in texts)
    assert any(text.startswith("BIK answers again: it was failing for ") for text in texts)
    assert any(text.startswith("BIK was failing for ") for text in texts)
    assert [outage.kind for outage in store.shown[-1].outages] == ["failing"]
    assert any(progress.state == "failing" for progress in store.shown)


def test_without_a_state_store_the_record_is_named_when_the_task_begins(bik: Sandbox, tmp_path: Path) -> None:
    instance: Any = TaskInstance()
    send = BikSendEventsOperator(task_id="send", events=EVENTS, state_path=str(tmp_path))
    report = instance.execute(send)
    assert instance.pushed["bik_record"] == report["record_path"]
    with_store: Any = TaskInstance(store=Store())
    with_store.execute(send)
    assert "bik_record" not in with_store.pushed
