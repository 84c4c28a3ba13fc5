"""The pages in a real API server's place: a real database, a real delivery, real tokens."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("airflow.api_fastapi.app", reason="this Airflow has no pages of plugins in its UI")

from airflow_provider_bik.state.progress import DeliveryProgress, PastTrouble, Trouble
from airflow_provider_bik.ui import app as app_module
from tests.ui.conftest import HOSTILE, Delivered, TaskState
from tests.versions import needs_pages, needs_task_state_store

pytestmark = [pytest.mark.airflow, needs_pages]

PATHS = ("/bik/delivery", "/bik/run", "/bik/coverage")
PERSONAL = ("customer0", "customer5", "customer6", "priya", "order-0", "order-5", "order-7")


def note_progress(delivered: Delivered, **changes: Any) -> None:
    """Write what a task writes while it runs, by Airflow's own store."""
    from airflow.state import TaskScope, get_state_backend  # noqa: PLC0415 - Airflow 3.3 and later only

    values: dict[str, Any] = {
        "state": "sending",
        "began_at": "2026-01-06T01:00:00+05:30",
        "updated_at": "2026-01-06T01:02:00+05:30",
        "zone": "Asia/Kolkata",
        "delivery": "stream orders",
        "window": ["2026-01-05T00:00:00+05:30", "2026-01-06T00:00:00+05:30"],
        "total": 2000,
        "read": 1200,
        "confirmed": 900,
        "rejected": 100,
        "rates": [(30.0, 300), (60.0, 600), (120.0, 1000)],
        **changes,
    }
    scope = TaskScope(dag_id=delivered.dag_id, run_id=delivered.run_id, task_id="send", map_index=-1)
    get_state_backend().set(scope, "bik/progress", msgspec.json.encode(DeliveryProgress(**values)).decode())


@pytest.mark.parametrize("path", PATHS)
def test_nobody_sees_a_page_without_a_token(pages: Any, delivered: Delivered, path: str) -> None:
    answer = pages.get(path, params=delivered.query)
    assert answer.status_code == 401
    assert "not logged in" in answer.text
    assert delivered.dag_id not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_an_account_without_rights_sees_none(
    pages: Any, delivered: Delivered, stranger: dict[str, str], state_path: Path, path: str
) -> None:
    answer = pages.get(path, params=delivered.query, headers=stranger)
    assert answer.status_code == 403
    assert "orders" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_whoever_may_read_dags_sees_them(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path, path: str
) -> None:
    answer = pages.get(path, params=delivered.query, headers=viewer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert not [text for text in PERSONAL if text in answer.text]


@pytest.mark.parametrize("name", ["dag_id", "run_id", "task_id"])
@pytest.mark.parametrize("value", ["", "~"])
def test_a_page_of_everything_at_once_is_not_given(
    pages: Any, delivered: Delivered, viewer: dict[str, str], name: str, value: str
) -> None:
    answer = pages.get("/bik/delivery", params={**delivered.query, name: value}, headers=viewer)
    assert answer.status_code == 400


def test_a_task_instance_that_is_not_there_is_said_to_be_so(
    pages: Any, delivered: Delivered, viewer: dict[str, str]
) -> None:
    answer = pages.get("/bik/delivery", params={**delivered.query, "map_index": "7"}, headers=viewer)
    assert (answer.status_code, "no such task" in answer.text) == (404, True)


@pytest.mark.parametrize("index", ["-1", "{MAP_INDEX}"])
def test_of_a_task_that_was_split_its_windows_are_shown(
    pages: Any, mapped: dict[str, str], viewer: dict[str, str], index: str
) -> None:
    query = {**mapped, "task_id": "split", "map_index": index}
    answer = pages.get("/bik/delivery", params=query, headers=viewer)
    assert (answer.status_code, answer.url.path, answer.url.fragment) == (200, "/bik/run", "of-split")
    assert 'id="of-split"' in answer.text
    assert "2 windows" in answer.text
    part = pages.get("/bik/delivery", params={**query, "part": "live"}, headers=viewer)
    assert "2 windows" in part.text
    assert "<html" not in part.text


def test_a_task_that_is_not_split_yet_says_how_it_stands(
    pages: Any, mapped: dict[str, str], viewer: dict[str, str]
) -> None:
    query = {**mapped, "task_id": "not_split", "map_index": "-1"}
    answer = pages.get("/bik/delivery", params=query, headers=viewer)
    assert (answer.status_code, "A task before it has failed." in answer.text) == (200, True)


def test_a_delivery_that_has_ended_shows_its_equation_and_why_events_were_rejected(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path
) -> None:
    text = pages.get("/bik/delivery", params=delivered.query, headers=viewer).text
    assert "5 confirmed, 3 rejected, 0 skipped, of 8" in text
    for code in ("field_missing", "number_not_finite", "email_invalid"):
        assert f"<code>{code}</code>" in text
    assert "eventName" in text
    assert 'id="rejected"' in text
    assert "rejected.ndjson" in text
    assert str(delivered.state) in text


def test_what_an_event_says_is_text_and_does_nothing(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path
) -> None:
    answer = pages.get("/bik/delivery", params=delivered.query, headers=viewer)
    assert HOSTILE not in answer.text
    assert "<img" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_part_for_the_refresh_has_no_page_around_it(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path
) -> None:
    answer = pages.get("/bik/delivery", params={**delivered.query, "part": "live"}, headers=viewer)
    assert "<html" not in answer.text
    assert "5 confirmed" in answer.text


@needs_task_state_store
def test_a_delivery_that_runs_shows_what_the_task_has_noted(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path, task_state: TaskState
) -> None:
    task_state("running")
    note_progress(
        delivered,
        state="failing",
        trouble=Trouble(kind="failing", since="2026-01-06T01:01:30+05:30", what="HTTP 503"),
        outages=[
            PastTrouble(
                kind="throttled", start="2026-01-06T01:00:10+05:30", end="2026-01-06T01:00:20+05:30", what="HTTP 429"
            )
        ],
    )
    text = pages.get("/bik/delivery", params=delivered.query, headers=viewer).text
    for said in ("HTTP 503", "HTTP 429", "BIK fails", "2026-01-05 00:00", "2026-01-06 00:00", "Asia/Kolkata"):
        assert said in text
    assert "50.0 %" in text
    assert 'data-again="5"' in text
    assert '<svg class="chart"' in text


def test_the_page_of_a_run_links_to_each_delivery(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path
) -> None:
    text = pages.get("/bik/run", params=delivered.query, headers=viewer).text
    assert f"delivery?dag_id={delivered.dag_id}&amp;run_id=" in text
    assert "3 rejected" in text


def test_coverage_shows_the_day_and_its_counts(
    pages: Any, delivered: Delivered, viewer: dict[str, str], state_path: Path
) -> None:
    text = pages.get("/bik/coverage", headers=viewer).text
    assert "January 2026" in text
    assert "Monday, 5 January 2026: all of it is delivered; 5 confirmed, 3 rejected" in text
    assert "Nothing missing" in text


def test_a_state_path_that_is_not_set_is_said_calmly(
    pages: Any, delivered: Delivered, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__BIK__STATE_PATH", raising=False)
    coverage = pages.get("/bik/coverage", headers=viewer)
    assert (coverage.status_code, "is not set in the API server" in coverage.text) == (200, True)
    delivery = pages.get("/bik/delivery", params=delivered.query, headers=viewer)
    assert "not below the option" in delivery.text
    assert "5 confirmed, 3 rejected" in delivery.text


def test_a_storage_that_nobody_can_open_is_said_calmly(
    pages: Any, delivered: Delivered, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BIK__STATE_PATH", "nothing-opens-this://bucket/bik")
    for path in PATHS:
        answer = pages.get(path, params=delivered.query, headers=viewer)
        assert answer.status_code == 200
        assert "Traceback" not in answer.text
    assert "cannot read the state path" in pages.get("/bik/coverage", headers=viewer).text


def test_whatever_a_storage_raises_the_rest_of_the_page_is_shown(
    pages: Any,
    delivered: Delivered,
    viewer: dict[str, str],
    state_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "secret-host"
        raise LookupError(message)

    monkeypatch.setattr(app_module, "read_details", fail)
    monkeypatch.setattr(app_module, "read_streams", fail)
    text = pages.get("/bik/delivery", params=delivered.query, headers=viewer).text
    assert "cannot read the record (LookupError)" in text
    assert "5 confirmed, 3 rejected" in text
    text += pages.get("/bik/coverage", headers=viewer).text
    assert "cannot read the state path (LookupError)" in text
    assert "secret-host" not in text


def test_a_storage_that_hangs_holds_up_no_page(
    pages: Any,
    delivered: Delivered,
    viewer: dict[str, str],
    state_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = threading.Event()

    def hang(*_: object) -> None:
        waiting.wait(60)

    monkeypatch.setattr(app_module, "read_details", hang)
    try:
        answer = pages.get("/bik/delivery", params={**delivered.query, "hang": "1"}, headers=viewer)
    finally:
        waiting.set()
    assert "slow to answer" in answer.text
    assert "5 confirmed, 3 rejected" in answer.text
