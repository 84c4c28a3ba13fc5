"""Several runs that are asked for the same stream, as a whole and by windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikOverlapError
from airflow_provider_bik.events import EventMapping, Reading
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.operators.support import TaskInstance, event, files_of, named, rejected_lines
from tests.versions import needs_execute_in_threads

EVENTS = [event(number) for number in range(250)]
ONE_AT_A_TIME = Sending(max_concurrency=1)
BREAKS_AFTER_ONE_BATCH = FaultPlan(script=(None, Fault(kind="status", status=403, when="before")))


def days(first: int, end: int) -> str:
    """The window from one day of January 2026 to another."""
    return f"2026-01-{first:02d}T00:00:00+00:00/2026-01-{end:02d}T00:00:00+00:00"


class Runs:
    """Runs of DAGs that deliver one stream.

    Args:
        directory: For the state.
    """

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.instances: dict[str, TaskInstance] = {}

    def instance(self, run_id: str) -> TaskInstance:
        return self.instances.setdefault(run_id, TaskInstance(run_id))

    def __call__(self, run_id: str, events: Any = EVENTS, **arguments: Any) -> dict[str, Any]:
        """One try of the task of a run; returns the report."""
        options = {"stream": "orders", "state_path": str(self.state), **arguments}
        return self.instance(run_id).execute(BikSendEventsOperator(task_id="send", events=events, **options))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_another_run_skips_what_was_delivered_and_returns_that_report(runs: Runs, bik: Sandbox) -> None:
    first = runs("scheduled", if_delivered="skip")
    second = runs("manual", if_delivered="skip")
    assert (first["confirmed"], first["already_delivered"]) == (250, False)
    assert second == {**first, "already_delivered": True}
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (250, [])


def test_by_default_another_run_sends_everything_again_and_names_it(
    runs: Runs, bik: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert runs("scheduled")["possible_duplicates"] == 0
    report = runs("manual")
    assert (report["confirmed"], report["possible_duplicate_ranges"]) == (250, [[0, 250]])
    assert "BIK may have events of stream orders already" in caplog.text
    assert bik.ledger.count() == 500


def test_if_asked_to_another_run_fails_and_a_retry_is_not_tried(runs: Runs, bik: Sandbox) -> None:
    runs("scheduled")
    with pytest.raises(AirflowFailException, match="was delivered before, by dag send scheduled"):
        runs("manual", if_delivered="refuse")
    assert bik.ledger.count() == 250


def test_with_hold_another_run_fails_unless_the_user_says_what_else(runs: Runs, bik: Sandbox) -> None:
    hold = Sending(on_unconfirmed="hold")
    runs("scheduled", sending=hold)
    with pytest.raises(AirflowFailException, match="was delivered before"):
        runs("manual", sending=hold)
    assert runs("manual", sending=hold, if_delivered="skip")["already_delivered"]
    assert bik.ledger.duplicates() == []


def test_a_retry_that_finds_everything_done_returns_the_report_and_is_no_other_run(runs: Runs, bik: Sandbox) -> None:
    first = runs("scheduled", if_delivered="refuse")
    assert runs("scheduled", if_delivered="refuse") == first
    assert bik.ledger.count() == 250


def test_a_cleared_task_is_asked_for_the_same_delivery(runs: Runs, bik: Sandbox) -> None:
    runs("scheduled")
    runs.instance("scheduled").clear()
    assert runs("scheduled", if_delivered="skip")["already_delivered"]
    assert bik.ledger.count() == 250


def test_a_clear_after_success_is_seen_though_retries_were_lowered_meanwhile(runs: Runs, bik: Sandbox) -> None:
    runs("scheduled")
    # Airflow sets max_tries to the number of the try and retries: one more try and one retry less give the same.
    runs.instance("scheduled").dag_run.clear_number += 1
    report = runs("scheduled")
    assert (report["confirmed"], report["possible_duplicates"]) == (250, 250)
    assert bik.ledger.count() == 500


def test_another_run_goes_on_where_one_has_failed_and_keeps_its_rejected_events(runs: Runs, bik: Sandbox) -> None:
    bad = event(7, email="", phoneNumber="")
    events = [*EVENTS[:7], bad, *EVENTS[8:]]
    bik.faults = BREAKS_AFTER_ONE_BATCH
    with pytest.raises(AirflowException):
        runs("scheduled", events, max_rejected=1, sending=ONE_AT_A_TIME)
    assert 0 < bik.ledger.count() < 249
    report = runs("manual", events, max_rejected=1, if_delivered="refuse")
    assert (report["read"], report["confirmed"], report["rejected"]) == (250, 249, 1)
    assert (bik.ledger.count(), bik.ledger.duplicates()) == (249, [])
    assert files_of(runs.state, "rejected*") == [Path(report["rejected_path"])]
    assert [line["position"] for line in rejected_lines(report)] == [7]


def test_unlike_streams_know_nothing_of_each_other(runs: Runs, bik: Sandbox) -> None:
    runs("scheduled", if_delivered="refuse")
    assert runs("scheduled", if_delivered="refuse", stream="orders of another shop")["confirmed"] == 250
    assert runs("scheduled", if_delivered="refuse", stream="Orders")["confirmed"] == 250


def test_a_task_without_a_stream_is_a_delivery_of_its_own(runs: Runs, bik: Sandbox) -> None:
    for run_id in ("scheduled", "manual"):
        assert runs(run_id, stream=None, if_delivered="refuse")["possible_duplicates"] == 0
    assert bik.ledger.count() == 500


def test_a_dry_run_is_no_delivery(runs: Runs, bik: Sandbox) -> None:
    runs("manual", dry_run=True)
    assert not runs.state.exists()
    assert runs("scheduled", if_delivered="refuse")["confirmed"] == 250


def test_an_input_without_events_is_delivered_too(runs: Runs, bik: Sandbox) -> None:
    assert runs("scheduled", [], if_delivered="refuse")["read"] == 0
    with pytest.raises(AirflowFailException, match="was delivered before, by dag send scheduled"):
        runs("manual", if_delivered="refuse")


def test_what_follows_an_empty_delivery_is_no_duplicate(runs: Runs, bik: Sandbox) -> None:
    runs("scheduled", [])
    assert runs("manual")["possible_duplicates"] == 0


def test_a_stream_needs_a_place_where_others_are_known(runs: Runs, bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"stream needs a place .* Give a state_path"):
        runs("scheduled", state_path=None)
    assert bik.requests == []


def test_two_operators_within_one_task_are_two_deliveries(runs: Runs, bik: Sandbox) -> None:
    for first in (0, 100):
        events = [event(first + number) for number in range(3)]
        operator = BikSendEventsOperator(task_id=f"inner{first}", events=events, state_path=str(runs.state))
        assert TaskInstance("run", task_id="outer").execute(operator)["confirmed"] == 3
    assert len(bik.ledger.counts("event.email")) == 6


# By windows.


def test_windows_beside_each_other_are_independent(runs: Runs, bik: Sandbox) -> None:
    for first in (1, 2, 4):
        assert runs(f"day {first}", window=days(first, first + 1), if_delivered="refuse")["possible_duplicates"] == 0
    assert runs("day 3", window=days(3, 4), if_delivered="refuse")["possible_duplicates"] == 0


@pytest.mark.parametrize("window", [days(1, 4), days(1, 3), days(2, 4), days(2, 3)])
def test_what_other_windows_cover_wholly_is_skipped_whatever_their_size(runs: Runs, bik: Sandbox, window: str) -> None:
    for first in (1, 2, 3):
        runs(f"day {first}", [event(first)], window=days(first, first + 1))
    for choice in ("skip", "trim"):
        report = runs(f"again, {choice}", window=window, if_delivered=choice)
        assert (report["already_delivered"], report["read"]) == (True, 0 if window != days(2, 3) else 1)
    assert bik.ledger.count() == 3


def test_a_window_within_a_delivered_one_is_covered(runs: Runs, bik: Sandbox) -> None:
    runs("month", [event(1)], window=days(1, 31))
    report = runs("day", window=days(7, 8), if_delivered="skip")
    assert (report["already_delivered"], report["delivered_windows"]) == (True, [days(1, 31)])


@pytest.mark.parametrize("choice", ["skip", "trim", "refuse"])
def test_a_part_of_a_window_cannot_be_sent_if_the_input_cannot_be_cut(runs: Runs, bik: Sandbox, choice: str) -> None:
    runs("day", [event(1)], window=days(2, 3))
    with pytest.raises(
        AirflowFailException, match=r"a part of the window .* was delivered before, in 1 windows: "
    ) as e:
        runs("week", window=days(1, 8), if_delivered=choice)
    assert f"{days(2, 3)} by dag send day" in str(e.value)
    assert bik.ledger.count() == 1


def test_a_window_that_overlaps_nothing_is_trimmed_to_itself(runs: Runs, bik: Sandbox) -> None:
    runs("day", [event(1)], window=days(2, 3))
    assert runs("other", window=days(3, 5), if_delivered="trim")["confirmed"] == 250


def test_by_default_an_overlapping_window_is_sent_whole_and_every_event_is_named(runs: Runs, bik: Sandbox) -> None:
    runs("day", [event(1)], window=days(2, 3))
    report = runs("week", window=days(1, 8))
    assert named(report) == set(range(250))
    assert runs("next", window=days(8, 9))["possible_duplicates"] == 0


def test_a_window_is_the_same_in_every_time_zone_and_keeps_its_folder(runs: Runs, bik: Sandbox) -> None:
    runs("utc", window="2026-01-01T18:30:00Z/2026-01-02T18:30:00Z")
    window = "2026-01-02T00:00:00+05:30/2026-01-03T00:00:00+05:30"
    report = runs("india", window=window, if_delivered="skip", reading=Reading(timezone="Asia/Kolkata"))
    assert report["already_delivered"]
    assert len(files_of(runs.state, "record.json")) == 1


def break_off(runs: Runs, bik: Sandbox, run_id: str, window: str) -> None:
    """A run that ends after its first batch."""
    bik.faults = BREAKS_AFTER_ONE_BATCH
    with pytest.raises(AirflowException):
        runs(run_id, window=window, sending=ONE_AT_A_TIME)
    bik.faults = FaultPlan()


@pytest.mark.parametrize("choice", ["skip", "trim", "refuse"])
def test_a_window_that_overlaps_an_unfinished_one_waits_for_it(runs: Runs, bik: Sandbox, choice: str) -> None:
    break_off(runs, bik, "day", days(2, 3))
    with pytest.raises(AirflowException, match=r"have begun and not ended: .* by dag send day") as caught:
        runs("week", window=days(1, 8), if_delivered=choice)
    assert not isinstance(caught.value, AirflowFailException)
    assert isinstance(bik_error(caught.value), BikOverlapError)
    assert bik.ledger.count() == 100
    assert runs("day", window=days(2, 3))["confirmed"] == 250
    assert bik.ledger.duplicates() == []
    with pytest.raises(AirflowFailException, match="was delivered before"):
        runs("week", window=days(1, 8), if_delivered=choice)


def test_a_window_that_ended_before_it_has_sent_anything_is_in_nobodys_way(runs: Runs, bik: Sandbox) -> None:
    with pytest.raises(AirflowException):
        runs("day", str(runs.state / "missing.ndjson"), window=days(2, 3))
    assert runs("week", window=days(1, 8), if_delivered="refuse")["possible_duplicates"] == 0


def test_an_unfinished_window_goes_on_though_another_run_has_sent_a_part_of_it(runs: Runs, bik: Sandbox) -> None:
    break_off(runs, bik, "day", days(2, 3))
    assert named(runs("week", [event(1000)], window=days(1, 8))) == {0}
    report = runs("day", window=days(2, 3))
    assert report["confirmed"] == 250
    assert named(report) >= set(range(100, 250)), "each of them may be in the other run's window"
    assert bik.ledger.duplicates() == []


@needs_execute_in_threads
def test_two_windows_that_overlap_and_begin_at_the_same_moment_do_not_both_send(runs: Runs, bik: Sandbox) -> None:
    def meanwhile(row: dict[str, Any]) -> dict[str, Any]:
        if bik.ledger.count() == 0:
            runs("other", [event(1000)], window=days(2, 3), if_delivered="refuse")
        return row

    with pytest.raises(AirflowException, match=r"have begun and not ended|was delivered before") as caught:
        runs("one", window=days(1, 8), if_delivered="refuse", mapping=EventMapping(to_event=meanwhile))
    assert isinstance(bik_error(caught.value), BikOverlapError)
    assert bik.ledger.count() == 1


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [
        ({}, {"window": days(1, 2)}, "as a whole"),
        ({"window": days(1, 2)}, {}, "by windows"),
    ],
)
def test_a_stream_is_delivered_in_one_way_only(
    runs: Runs, bik: Sandbox, first: dict[str, Any], then: dict[str, Any], says: str
) -> None:
    runs("one", [event(1)], **first)
    with pytest.raises(AirflowFailException, match=f"The stream orders was delivered {says} before"):
        runs("other", **then)
    assert bik.ledger.count() == 1


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ("", "not of the form start/end"),
        ("None/None", "has none"),
        ("2026-01-01T00:00:00/2026-01-02T00:00:00", "has no time zone"),
        (days(1, 1), "has no length.*CronDataIntervalTimetable"),
        (days(2, 1), "has no length"),
        (20260101, "not of the form start/end"),
        ({"start": "2026-01-01T00:00Z"}, "not of the form start/end"),
    ],
)
def test_a_window_that_is_none_sends_nothing(runs: Runs, bik: Sandbox, window: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        runs("run", window=window)
    assert bik.requests == []


def test_nothing_personal_is_in_the_name_or_the_text_of_a_record(runs: Runs, bik: Sandbox) -> None:
    runs("day", [event(1), event(2, email="")], window=days(1, 2), max_rejected=1)
    for path in (*files_of(runs.state, "record.json"), *files_of(runs.state, "report.json")):
        assert "customer" not in path.read_text()
        assert json.loads(path.read_text())
    assert not [path for path in runs.state.rglob("*") if "customer" in path.name]
