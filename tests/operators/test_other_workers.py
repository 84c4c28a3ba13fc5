"""A later try runs on another worker, which may or may not see what the first one has written down."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikRecordError
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import Store, TaskInstance, event, files_of, named

NUMBER = 250


class Fleet:
    """Workers with disks of their own, and one task whose first try breaks off after 100 events.

    Args:
        directory: For the disks.
        bik: Where the events go.
        monkeypatch: Changes on which worker the test is.
        store: The task state store, if Airflow has one.
    """

    def __init__(
        self, directory: Path, bik: Sandbox, monkeypatch: pytest.MonkeyPatch, store: Store | None = None
    ) -> None:
        self.directory, self.bik, self._monkeypatch = directory, bik, monkeypatch
        self.instance = TaskInstance(store=store)
        self.worker = ""
        self.move_to("one")

    def move_to(self, worker: str) -> None:
        """From now on it runs on that worker, where the same path is another disk."""
        if self.disk.exists():
            self.disk.rename(self.directory / f"disk of {self.worker}")
        self.worker = worker
        self._monkeypatch.setattr(socket, "gethostname", lambda: f"worker-{worker}")
        if (before := self.directory / f"disk of {worker}").exists():
            before.rename(self.disk)

    @property
    def disk(self) -> Path:
        return self.directory / "disk"

    def execute(self, **arguments: Any) -> dict[str, Any]:
        events = [event(number) for number in range(NUMBER)]
        options = {"state_path": str(self.disk), "sending": Sending(max_concurrency=1), **arguments}
        return self.instance.execute(BikSendEventsOperator(task_id="send", events=events, **options))

    def break_off(self, **arguments: Any) -> None:
        self.bik.faults = FaultPlan(script=(None, Fault(kind="status", status=401, when="before")))
        with pytest.raises(AirflowFailException, match="rejects every request"):
            self.execute(**arguments)
        self.bik.faults = FaultPlan()

    def arrived_twice(self) -> int:
        counts = self.bik.ledger.counts("event.email")
        assert len(counts) == NUMBER
        return sum(count > 1 for count in counts.values())


@pytest.fixture
def fleet(tmp_path: Path, bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, bik, monkeypatch, Store())


@pytest.fixture
def older_fleet(tmp_path: Path, bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """As before Airflow 3.3, without a task state store."""
    return Fleet(tmp_path, bik, monkeypatch)


@pytest.mark.parametrize("stream", [None, "orders"])
def test_a_record_out_of_reach_is_an_error_that_names_path_worker_and_remedy(fleet: Fleet, stream: str | None) -> None:
    fleet.break_off(stream=stream)
    [record] = files_of(fleet.disk, "record.json")
    fleet.move_to("two")
    with pytest.raises(AirflowFailException) as caught:
        fleet.execute(stream=stream)
    assert isinstance(bik_error(caught.value), BikRecordError)
    said = str(caught.value)
    assert f"kept its record in {record.parent} on worker worker-one" in said
    assert "this is worker worker-two. Nothing was sent in this try" in said
    assert "copy the folder to a place that all workers reach and set state_path to it" in said
    assert "delete the key bik/record_at in the task's Storage tab" in said
    assert fleet.bik.ledger.count() == 100
    assert not fleet.disk.exists()


def test_on_the_worker_of_the_first_try_it_goes_on(fleet: Fleet) -> None:
    fleet.break_off()
    fleet.move_to("two")
    fleet.move_to("one")
    assert fleet.execute()["possible_duplicates"] == 0
    assert fleet.arrived_twice() == 0


def test_once_the_folder_is_copied_to_where_all_workers_reach_it_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    fleet.break_off()
    shutil.copytree(fleet.disk, tmp_path / "shared")
    fleet.move_to("two")
    assert fleet.execute(state_path=str(tmp_path / "shared"))["possible_duplicates"] == 0
    assert fleet.arrived_twice() == 0


def test_once_the_key_is_deleted_it_begins_anew_and_names_every_event(fleet: Fleet) -> None:
    fleet.break_off()
    fleet.move_to("two")
    fleet.instance.store.delete("bik/record_at")
    report = fleet.execute()
    assert (report["confirmed"], named(report)) == (NUMBER, set(range(NUMBER)))
    assert fleet.arrived_twice() == 100


def test_a_record_that_is_gone_from_its_own_worker_makes_every_event_a_possible_duplicate(fleet: Fleet) -> None:
    fleet.break_off()
    shutil.rmtree(fleet.disk)
    assert named(fleet.execute()) == set(range(NUMBER))


@pytest.mark.parametrize(
    "changed",
    [
        {"state_path": "elsewhere"},
        {"stream": "of another name"},
        {"stream": "orders", "window": "2026-01-01T00:00Z/2026-01-02T00:00Z"},
    ],
)
def test_a_path_or_stream_that_was_changed_between_two_tries_makes_every_event_a_possible_duplicate(
    fleet: Fleet, tmp_path: Path, changed: dict[str, Any]
) -> None:
    fleet.break_off()
    if "state_path" in changed:
        changed = {"state_path": str(tmp_path / "elsewhere")}
    assert named(fleet.execute(**changed)) == set(range(NUMBER))


def test_a_window_beside_the_one_that_an_earlier_try_has_sent_is_not_in_doubt(fleet: Fleet) -> None:
    fleet.break_off(stream="orders", window="2026-01-01T00:00Z/2026-01-02T00:00Z")
    report = fleet.execute(stream="orders", window="2026-01-02T00:00Z/2026-01-03T00:00Z")
    assert report["possible_duplicates"] == 0


def test_a_path_that_is_no_longer_set_is_an_error(fleet: Fleet) -> None:
    fleet.break_off()
    with pytest.raises(AirflowFailException, match="cannot be reached: state_path is no longer set"):
        fleet.execute(state_path=None)


def test_a_path_that_is_set_after_a_try_without_one_makes_every_event_a_possible_duplicate(fleet: Fleet) -> None:
    fleet.break_off(state_path=None)
    assert named(fleet.execute()) == set(range(NUMBER))


def test_a_pointer_that_somebody_broke_is_not_taken_for_none(fleet: Fleet) -> None:
    fleet.break_off()
    shutil.rmtree(fleet.disk)
    fleet.instance.store.set("bik/record_at", {"folders": "x"})
    with pytest.raises(AirflowFailException, match=r"record_at in the task's Storage tab cannot be understood"):
        fleet.execute()


def test_without_a_state_store_a_later_try_that_finds_nothing_names_every_event(older_fleet: Fleet) -> None:
    older_fleet.break_off()
    older_fleet.move_to("two")
    report = older_fleet.execute()
    assert (report["confirmed"], named(report)) == (NUMBER, set(range(NUMBER)))
    assert older_fleet.arrived_twice() == 100


def test_without_any_place_for_a_record_a_later_try_names_every_event(older_fleet: Fleet) -> None:
    older_fleet.break_off(state_path=None)
    assert named(older_fleet.execute(state_path=None)) == set(range(NUMBER))


@pytest.mark.parametrize("state_path", [True, False])
def test_what_may_arrive_at_most_once_is_not_sent_if_the_past_is_lost(older_fleet: Fleet, state_path: bool) -> None:
    hold = Sending(max_concurrency=1, on_unconfirmed="hold")
    options: dict[str, Any] = {"sending": hold} if state_path else {"sending": hold, "state_path": None}
    older_fleet.break_off(**options)
    older_fleet.move_to("two")
    with pytest.raises(AirflowFailException, match="With on_unconfirmed='hold' nothing may be sent twice"):
        older_fleet.execute(**options)
    assert older_fleet.bik.ledger.count() == 100


def test_a_first_try_has_no_past(fleet: Fleet, older_fleet: Fleet) -> None:
    assert fleet.execute()["possible_duplicates"] == 0
    older_fleet.instance.run_id = "another run"
    assert older_fleet.execute()["possible_duplicates"] == 0


@pytest.mark.parametrize(
    ("executor", "warned"),
    [
        ("LocalExecutor", False),
        ("CeleryExecutor", True),
        ("LocalExecutor,CeleryExecutor", True),
        ("airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor", True),
    ],
)
def test_a_local_path_under_an_executor_with_several_workers_is_warned_about(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, executor: str, warned: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert fleet.execute()["confirmed"] == NUMBER
    said = f"state_path {fleet.disk} is on this worker's own disk, and the executor ({executor}) has several workers"
    assert (said in caplog.text) is warned
