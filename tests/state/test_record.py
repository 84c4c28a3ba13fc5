"""The record of a delivery: who goes on, who is done, who begins anew, and of two at once, who stops."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_bik.delivery import Checkpoint, Counts
from airflow_provider_bik.delivery.report import empty_report
from airflow_provider_bik.errors import (
    BikAlreadyDeliveredError,
    BikConfigError,
    BikRecordError,
    BikStorageError,
    BikSupersededError,
)
from airflow_provider_bik.state.record import (
    MOST_EARLIER,
    Attempt,
    Delivered,
    DeliveryRecord,
    IfDelivered,
    OpenGeneration,
)
from airflow_provider_bik.state.storage import Documents, Folder, TaskStateStore
from tests.operators.support import Store
from tests.versions import attach

RESEND, SKIP, TRIM, REFUSE = IfDelivered.RESEND, IfDelivered.SKIP, IfDelivered.TRIM, IfDelivered.REFUSE
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SENT = Checkpoint(leased_to=20, settled=[(0, 10)], counts=Counts(requests=1))

_minutes = itertools.count()


@pytest.fixture(params=["disk", "objects", "store"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Documents]:
    """Wherever a record can lie."""
    MemoryFileSystem.store.clear()
    attach(MemoryFileSystem())
    if request.param == "store":
        yield TaskStateStore(Store())
    else:
        yield Folder(str(tmp_path) if request.param == "disk" else "memory://bucket/state")
    MemoryFileSystem.store.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path))


def record(
    documents: Documents, run: str = "dag send run", clears: tuple[int, ...] = (3, 0), **more: Any
) -> DeliveryRecord:
    attempt = Attempt(run=run, clears=clears, now=NOW, **more)
    return DeliveryRecord(documents, "the task", attempt)


def begin(documents: Documents, choice: IfDelivered = RESEND, **attempt: Any) -> OpenGeneration:
    began = record(documents, **attempt).begin(choice)
    assert isinstance(began, OpenGeneration)
    return began


def write(generation: OpenGeneration, checkpoint: Checkpoint = SENT) -> None:
    asyncio.run(generation.write(msgspec.structs.replace(checkpoint, owner=generation.record.attempt.owner)))


def deliver(documents: Documents, **attempt: Any) -> OpenGeneration:
    generation = begin(documents, **attempt)
    write(generation)
    generation.conclude({**empty_report(), "read": 10, "confirmed": 10}, delivered=True)
    return generation


def test_the_first_try_begins_a_generation_with_nothing_in_doubt(documents: Documents) -> None:
    generation = begin(documents)
    assert generation.resume_from == Checkpoint(owner=generation.record.attempt.owner)
    assert not generation.has_positions
    assert generation.now == NOW
    found = generation.record.find()
    assert found is not None
    assert (found.current.state, found.earlier, found.sent_before) == ("open", [], False)


def test_a_retry_goes_on_from_the_checkpoint_in_the_same_generation(documents: Documents) -> None:
    first = begin(documents)
    write(first)
    again = begin(documents)
    assert again.generation.id == first.generation.id
    assert again.resume_from == msgspec.structs.replace(SENT, owner=again.record.attempt.owner, in_doubt=[(10, 20)])
    assert not again.is_after_clear
    assert not again.is_of_another_run


def test_a_clear_after_a_failure_and_another_run_go_on_too(documents: Documents) -> None:
    write(begin(documents))
    cleared = begin(documents, clears=(7, 0))
    assert (cleared.is_after_clear, cleared.is_of_another_run) == (True, False)
    other = begin(documents, run="dag send another")
    assert (other.is_after_clear, other.is_of_another_run) == (False, True)
    assert other.resume_from.settled == [(0, 10)]


def test_a_retry_after_everything_was_delivered_is_done_whatever_was_chosen(documents: Documents) -> None:
    deliver(documents)
    for choice in IfDelivered:
        began = record(documents).begin(choice)
        assert isinstance(began, Delivered)
        assert (began.by, began.report["confirmed"], began.report["already_delivered"]) == ("", 10, False)


@pytest.mark.parametrize("again", [{"clears": (7, 0)}, {"clears": (3, 1)}, {"run": "dag send another"}])
def test_whoever_else_finds_it_delivered_does_what_was_chosen(documents: Documents, again: dict[str, Any]) -> None:
    first = deliver(documents)
    for choice in (SKIP, TRIM):
        skipped = record(documents, **again).begin(choice)
        assert isinstance(skipped, Delivered)
        assert (skipped.by, skipped.report["already_delivered"]) == ("dag send run", True)
    with pytest.raises(BikAlreadyDeliveredError, match=r"the task was delivered before, by dag send run\. Nothing was"):
        record(documents, **again).begin(REFUSE)
    anew = begin(documents, **again)
    assert anew.generation.id != first.generation.id
    assert anew.generation.number == first.generation.number + 1
    assert (anew.resume_from.settled, anew.resume_from.everything_in_doubt) == ([], True)
    found = anew.record.find()
    assert found is not None
    assert [each.id for each in found.earlier] == [first.generation.id]


def test_what_was_delivered_without_an_event_leaves_nothing_in_doubt(documents: Documents) -> None:
    generation = begin(documents)
    generation.conclude(empty_report(), delivered=True)
    assert not begin(documents, run="dag send another").resume_from.everything_in_doubt


def test_doubt_stays_through_generations_that_have_sent_nothing(documents: Documents) -> None:
    deliver(documents)
    begin(documents, clears=(7, 0)).begin_anew()
    assert begin(documents, clears=(7, 0)).resume_from.everything_in_doubt


def test_of_a_try_that_failed_the_record_says_the_same_as_before(documents: Documents) -> None:
    generation = begin(documents)
    write(generation)
    before = generation.record.find()
    generation.conclude({**empty_report(), "read": 10}, delivered=False)
    assert generation.record.find() == before
    generation.conclude({**empty_report(), "read": 10}, delivered=False, pauses=True)
    assert begin(documents).generation.pauses == 1


def test_a_generation_that_grows_is_followed_by_the_next_without_doubt(documents: Documents) -> None:
    first = deliver(documents)
    began = record(documents, run="dag send another").begin(RESEND, grows=True)
    assert isinstance(began, OpenGeneration)
    assert began.generation.id != first.generation.id
    assert not began.resume_from.everything_in_doubt


def test_the_older_try_gets_no_further_lease_from_the_moment_the_newer_one_begins(documents: Documents) -> None:
    older = begin(documents)
    write(older)
    newer = begin(documents)
    assert newer.resume_from.leased_to == 20
    with pytest.raises(BikSupersededError, match=r"Another try \(dag send run\) has taken over"):
        write(older, msgspec.structs.replace(SENT, leased_to=40))
    with pytest.raises(BikSupersededError):
        older.conclude(empty_report(), delivered=True)
    write(newer)


def test_the_newer_try_knows_of_a_lease_that_the_older_one_writes_while_it_begins(folder: Folder) -> None:
    older = begin(folder)
    newer = begin(folder)
    with pytest.raises(BikSupersededError):
        write(older, Checkpoint(leased_to=20))
    assert newer.resume_from.leased_to == 0, "nothing is sent under a lease that was not granted"
    assert list(begin(folder).resume_from.doubt()) == [(0, 20)], "and yet whoever comes next assumes that it was"


def test_a_record_that_was_removed_stops_the_try_that_worked_at_it(documents: Documents) -> None:
    generation = begin(documents)
    documents.remove(["record.json"])
    with pytest.raises(BikSupersededError, match="The record was removed"):
        write(generation)


def test_a_record_that_was_removed_from_a_folder_leaves_everything_in_doubt(folder: Folder) -> None:
    write(begin(folder))
    folder.remove(["record.json"])
    assert begin(folder, run="dag send another").resume_from.everything_in_doubt


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 1}', b"\xff"])
def test_a_record_that_cannot_be_understood_is_never_taken_for_none(folder: Folder, content: bytes) -> None:
    folder.write("record.json", [content])
    with pytest.raises(BikRecordError, match=r"record\.json in .* cannot be understood .*Nothing was sent"):
        record(folder).begin(RESEND)


@pytest.mark.parametrize("content", [b"{", b'{"version": 7}'])
def test_a_checkpoint_that_cannot_be_understood_is_never_taken_for_none(folder: Folder, content: bytes) -> None:
    generation = begin(folder)
    folder.write(generation.generation.file(f"checkpoint.{generation.record.attempt.owner}.json"), [content])
    with pytest.raises(BikRecordError, match=r"cannot be (understood|read)"):
        record(folder).begin(RESEND)


def test_two_tasks_of_one_run_do_not_deliver_the_same(documents: Documents) -> None:
    deliver(documents, dag_run="dag run")
    with pytest.raises(BikConfigError, match="is delivered by another task of the same run: dag send run"):
        record(documents, run="dag other run", dag_run="dag run").begin(SKIP)


def test_only_the_last_generations_are_named_but_always_the_last_that_was_delivered(folder: Folder) -> None:
    delivered = deliver(folder)
    generation = begin(folder, clears=(7, 0))
    for _ in range(MOST_EARLIER + 5):
        generation = generation.begin_anew()
    found = generation.record.find()
    assert found is not None
    assert len(found.earlier) == MOST_EARLIER + 1
    assert found.earlier[-1].id == delivered.generation.id
    assert found.current.number == MOST_EARLIER + 6


def test_names_tell_the_time_of_the_shop(folder: Folder) -> None:
    assert begin(folder, zone=ZoneInfo("Asia/Kolkata")).generation.id.startswith("2026-12-01T05-30-00-")


def test_a_state_store_that_does_not_answer_is_a_storage_error() -> None:
    class Silent:
        def get(self, key: str) -> None:
            raise ConnectionResetError(key)

    with pytest.raises(BikStorageError, match=r"task state store does not answer .*A retry is safe"):
        record(TaskStateStore(Silent())).begin(RESEND)
