"""A worker killed with -9 at each point where it could hurt; and deliberately broken workers, which must be caught."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.promise.support import (
    BAD_EVERY,
    Delivery,
    Try,
    Workers,
    check_the_promise,
    copies,
    strict_sandbox,
    write_input,
)
from tests.promise.worker import POINTS

NUMBER = 3000


@pytest.fixture
def bik() -> Iterator[Sandbox]:
    with strict_sandbox() as sandbox:
        yield sandbox


NewDelivery = Callable[..., Delivery]


def checkpoint_of(delivery: Delivery) -> Path:
    assert delivery.checkpoint
    return delivery.checkpoint


@pytest.fixture
def new_delivery(tmp_path: Path, bik: Sandbox, workers: Workers) -> NewDelivery:
    def make(*, bad_every: int = BAD_EVERY, **options: Any) -> Delivery:
        write_input(tmp_path / "input.ndjson", NUMBER, bad_every=bad_every)
        return Delivery(workers, tmp_path, bik.url, {"concurrency": 4, **options})

    return make


@pytest.mark.parametrize("on_unconfirmed", ["resend", "hold"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_nothing_is_lost_and_duplicates_are_named(
    bik: Sandbox, new_delivery: NewDelivery, point: str, on_unconfirmed: str
) -> None:
    delivery = new_delivery(on_unconfirmed=on_unconfirmed)
    assert delivery.killed(kill_at=point, kill_after=2 if "send" in point or "answer" in point else 1)
    report = delivery.finish()
    check_the_promise(bik, delivery, report, NUMBER)
    if on_unconfirmed == "hold":
        assert max(copies(bik).values()) == 1


def test_nothing_confirmed_before_the_last_checkpoint_is_sent_again(bik: Sandbox, new_delivery: NewDelivery) -> None:
    delivery = new_delivery()
    assert delivery.killed(kill_at="after confirm")
    saved = json.loads(checkpoint_of(delivery).read_text())
    delivery.finish()
    settled = {n for start, end in saved["settled"] for n in range(start, end)}
    assert settled
    assert not [n for n, count in copies(bik).items() if count > 1 and n in settled]
    assert all(n < saved["leased_to"] for n, count in copies(bik).items() if count > 1)


def test_a_try_after_everything_is_done_sends_nothing(bik: Sandbox, new_delivery: NewDelivery) -> None:
    delivery = new_delivery()
    first = delivery.finish()
    requests = len(bik.requests)
    again = delivery.finish()
    assert len(bik.requests) == requests
    assert again["confirmed"] == first["confirmed"]


@pytest.mark.parametrize("change", ["an event differs", "events are missing", "empty"])
def test_a_changed_input_is_an_error_and_nothing_of_it_is_sent(
    bik: Sandbox, tmp_path: Path, new_delivery: NewDelivery, change: str
) -> None:
    delivery = new_delivery()
    assert delivery.killed(kill_at="after confirm")
    before, requests = checkpoint_of(delivery).read_text(), len(bik.requests)
    path = tmp_path / "input.ndjson"
    lines = path.read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace("c5@", "other@")
    path.write_text("".join({"an event differs": lines, "events are missing": lines[:50], "empty": []}[change]))
    assert "BikInputChangedError" in delivery.fails()
    assert len(bik.requests) == requests
    # Once the input is back, nothing is known to have changed.
    assert checkpoint_of(delivery).read_text() == before


def test_an_input_that_only_grew_is_gone_on_with(bik: Sandbox, tmp_path: Path, new_delivery: NewDelivery) -> None:
    delivery = new_delivery()
    assert delivery.killed(kill_at="after confirm")
    write_input(tmp_path / "input.ndjson", NUMBER + 100)
    check_the_promise(bik, delivery, delivery.finish(), NUMBER + 100)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', '{"owner": "x", "began_at": 5}'])
@pytest.mark.parametrize("document", ["record", "checkpoint"])
def test_an_unreadable_document_is_never_taken_for_none(
    bik: Sandbox, new_delivery: NewDelivery, document: str, content: str
) -> None:
    delivery = new_delivery()
    assert delivery.killed(kill_at="after confirm")
    requests = len(bik.requests)
    path = delivery.record / "record.json" if document == "record" else checkpoint_of(delivery)
    path.write_text(content)
    assert "BikRecordError" in delivery.fails()
    assert len(bik.requests) == requests


def test_where_the_record_is_lost_every_event_is_named_or_none_is_sent(bik: Sandbox, new_delivery: NewDelivery) -> None:
    delivery = new_delivery()
    assert delivery.killed(kill_at="after confirm")
    shutil.rmtree(delivery.record)
    requests = len(bik.requests)
    assert "BikRecordError" in delivery.fails(on_unconfirmed="hold")
    assert len(bik.requests) == requests
    check_the_promise(bik, delivery, delivery.finish(), NUMBER)


@pytest.mark.parametrize("on_unconfirmed", ["resend", "hold"])
def test_without_a_task_state_store_a_try_that_finds_no_record_is_in_doubt_of_everything(
    bik: Sandbox, new_delivery: NewDelivery, on_unconfirmed: str
) -> None:
    delivery = new_delivery(store=False, on_unconfirmed=on_unconfirmed)
    assert delivery.killed(kill_at="before record")
    if on_unconfirmed == "hold":
        assert "BikRecordError" in delivery.fails()
        assert bik.requests == []
        return
    report = delivery.finish()
    check_the_promise(bik, delivery, report, NUMBER)
    assert report["possible_duplicates"] > 0


def two_tries_at_once(bik: Sandbox, delivery: Delivery) -> tuple[Try, dict[str, Any]]:
    """The older one sleeps while the newer one runs to its end; returns it, ended, and the newer one's report."""
    bik.faults = FaultPlan(latency=(0.02, 0.04))
    older = delivery.start()
    while bik.ledger.count() < NUMBER // 10:
        time.sleep(0.01)
    older.signal(signal.SIGSTOP)
    bik.faults = FaultPlan()
    report = delivery.finish()
    older.signal(signal.SIGCONT)
    older.wait()
    return older, report


def test_of_two_tries_at_once_the_older_one_stops_within_its_lease(bik: Sandbox, new_delivery: NewDelivery) -> None:
    delivery = new_delivery(bad_every=0, concurrency=1)
    older, report = two_tries_at_once(bik, delivery)
    assert "BikSupersededError" in older.errors()
    check_the_promise(bik, delivery, report, NUMBER)


def holds(bik: Sandbox, delivery: Delivery, **kill: Any) -> bool:
    """Whether the promise holds for a worker that is killed once and then runs to its end."""
    delivery.killed(**kill)
    bik.faults = FaultPlan()
    try:
        check_the_promise(bik, delivery, delivery.finish(), NUMBER)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("mutant", "point", "after"),
    [
        ("confirm before the answer", "after confirm", 2),
        ("no lease", "after answer", 40),
        ("rejected after confirm", "before rejected", 1),
    ],
)
def test_a_worker_that_breaks_the_promise_is_caught(
    tmp_path: Path, workers: Workers, mutant: str, point: str, after: int
) -> None:
    def is_caught(number: int) -> bool:
        directory = tmp_path / str(number)
        directory.mkdir()
        # Without rejections the last answer before the kill is always one that no checkpoint can know of.
        write_input(directory / "input.ndjson", NUMBER, bad_every=0 if mutant == "no lease" else BAD_EVERY)
        with strict_sandbox(faults=FaultPlan(rates=((Fault(kind="reset", when="before"), 0.4),))) as bik:
            delivery = Delivery(workers, directory, bik.url, {"concurrency": 4, "mutant": mutant})
            return not holds(bik, delivery, kill_at=point, kill_after=after)

    # By chance, nothing that is in flight at the kill may have arrived.
    assert any(map(is_caught, range(8)))


def test_a_worker_that_ignores_the_digest_is_caught(bik: Sandbox, tmp_path: Path, new_delivery: NewDelivery) -> None:
    delivery = new_delivery(mutant="digest ignored")
    assert delivery.killed(kill_at="after confirm")
    requests = len(bik.requests)
    path = tmp_path / "input.ndjson"
    path.write_text(path.read_text().replace("c5@", "other@"))
    delivery.start().wait()
    assert len(bik.requests) > requests


def test_an_older_try_that_does_not_look_whether_it_is_the_newest_is_caught(
    bik: Sandbox, new_delivery: NewDelivery
) -> None:
    delivery = new_delivery(mutant="ownership not checked", bad_every=0, concurrency=1)
    _, report = two_tries_at_once(bik, delivery)
    with pytest.raises(AssertionError, match="duplicates that no range names"):
        check_the_promise(bik, delivery, report, NUMBER)
