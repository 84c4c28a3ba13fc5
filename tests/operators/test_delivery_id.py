"""Several runs that are asked for the same delivery."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import event

EVENTS = [event(number) for number in range(250)]


class Run:
    """Runs of one task that name their delivery alike."""

    def __init__(self, directory: Path) -> None:
        self._paths = {"checkpoint_path": str(directory / "state"), "dead_letter_path": str(directory / "dead")}
        self.pushed: dict[str, Any] = {}

    def __call__(self, run_id: str, events: Any = EVENTS, *, max_tries: int = 0, **arguments: Any) -> dict[str, Any]:
        options = {"delivery_id": "orders 2026-01-01", **self._paths, **arguments}
        operator = BikSendEventsOperator(task_id="send", events=events, **options)
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=run_id,
            task_id="send",
            map_index=-1,
            try_number=1,
            max_tries=max_tries,
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        context = {"ti": ti, "dag_run": SimpleNamespace(run_type="manual")}
        return cast("dict[str, Any]", operator.execute(cast("Any", context)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_another_run_skips_what_was_delivered_and_returns_that_report(run: Run, bik: Sandbox) -> None:
    first = run("scheduled", if_delivered="skip")
    second = run("manual", if_delivered="skip")
    assert (first["confirmed"], first["already_delivered"]) == (250, False)
    assert second == {**first, "already_delivered": True}
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (250, [])


def test_by_default_another_run_sends_everything_again_and_names_it(
    run: Run, bik: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("scheduled")["possible_duplicates"] == 0
    report = run("manual")
    assert (report["confirmed"], report["possible_duplicate_ranges"]) == (250, [[0, 250]])
    assert "completed before, by dag scheduled send -1" in caplog.text
    assert bik.ledger.count() == 500


def test_if_asked_to_another_run_fails_and_a_retry_is_not_tried(run: Run, bik: Sandbox) -> None:
    run("scheduled")
    with pytest.raises(AirflowFailException, match="completed before, by dag scheduled send -1"):
        run("manual", if_delivered="fail")
    assert bik.ledger.count() == 250


def test_a_cleared_task_is_asked_for_the_same_delivery(run: Run, bik: Sandbox) -> None:
    run("scheduled", max_tries=2)
    assert run("scheduled", max_tries=5, if_delivered="skip")["already_delivered"]
    assert bik.ledger.count() == 250


def test_another_run_goes_on_where_one_has_failed_and_keeps_its_dead_letters(
    run: Run, bik: Sandbox, tmp_path: Path
) -> None:
    bad = event(7, email="", phoneNumber="")
    events = [*EVENTS[:7], bad, *EVENTS[8:]]
    bik.faults = FaultPlan(script=(None, Fault(kind="status", status=403)))
    with pytest.raises(AirflowException):
        run("scheduled", events, max_rejected=1, max_concurrency=1)
    assert 0 < bik.ledger.count() < 249
    report = run("manual", events, max_rejected=1, if_delivered="fail")
    assert (report["read"], report["confirmed"], report["rejected"]) == (250, 249, 1)
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (249, [])
    assert [path.name for path in (tmp_path / "dead").iterdir()] == [Path(report["dead_letter_path"]).name]


def test_unlike_deliveries_know_nothing_of_each_other(run: Run, bik: Sandbox) -> None:
    run("scheduled", if_delivered="fail")
    assert run("scheduled", if_delivered="fail", delivery_id="orders 2026-01-02")["confirmed"] == 250


def test_a_dry_run_is_no_delivery(run: Run, bik: Sandbox) -> None:
    run("manual", dry_run=True)
    assert run("scheduled", if_delivered="fail")["confirmed"] == 250


@pytest.mark.parametrize("rendered", ["", "  "])
def test_an_id_that_is_rendered_to_nothing_is_refused(run: Run, bik: Sandbox, rendered: str) -> None:
    with pytest.raises(AirflowFailException, match="delivery_id was rendered to nothing"):
        run("scheduled", delivery_id=rendered)
    assert bik.requests == []


def test_an_id_without_a_place_for_the_checkpoint_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(BikConfigError, match="delivery_id must be given together with a checkpoint_path"):
        BikSendEventsOperator(task_id="send", events=[], delivery_id="orders")
