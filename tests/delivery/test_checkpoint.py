from __future__ import annotations

import pytest

from airflow_provider_bik.delivery import Checkpoint, IfDelivered, where_to_begin
from airflow_provider_bik.errors import BikAlreadyDeliveredError

FIRST, LATER = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"
HALF = Checkpoint(owner="try 1", run="dag monday send -1", clears=2, began_at=FIRST, leased_to=300, settled=[(0, 100)])
DONE = Checkpoint(
    owner="try 1", run="dag monday send -1", clears=2, began_at=FIRST, state="done", digest_to=500, report={"read": 500}
)


def begin(
    found: Checkpoint | None,
    *,
    run: str = "dag monday send -1",
    clears: int = 2,
    if_delivered: IfDelivered = IfDelivered.RESEND,
) -> Checkpoint:
    return where_to_begin(found, owner="try 2", run=run, clears=clears, now=LATER, if_delivered=if_delivered)


def test_without_a_checkpoint_a_try_starts_at_the_beginning() -> None:
    start = begin(None)
    assert (start.owner, start.began_at, start.leased_to, start.settled) == ("try 2", LATER, 0, [])


@pytest.mark.parametrize(
    ("run", "clears"), [("dag monday send -1", 2), ("dag monday send -1", 5), ("dag tuesday send -1", 2)]
)
@pytest.mark.parametrize("if_delivered", IfDelivered)
def test_whoever_comes_after_a_failure_goes_on(run: str, clears: int, if_delivered: IfDelivered) -> None:
    start = begin(HALF, run=run, clears=clears, if_delivered=if_delivered)
    assert (start.owner, start.run, start.clears) == ("try 2", run, clears)
    assert (start.began_at, start.leased_to, start.settled) == (FIRST, 300, [(0, 100)])


@pytest.mark.parametrize("if_delivered", IfDelivered)
def test_a_retry_that_finds_everything_done_returns_its_own_report(if_delivered: IfDelivered) -> None:
    start = begin(DONE, if_delivered=if_delivered)
    assert (start.state, start.report) == ("done", {"read": 500})


AGAIN = [("dag monday send -1", 5), ("dag tuesday send -1", 2)]


@pytest.mark.parametrize(("run", "clears"), AGAIN, ids=["cleared", "another run"])
def test_resend_starts_over_and_names_everything_as_a_possible_duplicate(run: str, clears: int) -> None:
    start = begin(DONE, run=run, clears=clears)
    assert (start.state, start.began_at, start.settled) == ("running", LATER, [])
    assert start.possible_duplicates == [(0, 500)]


@pytest.mark.parametrize(("run", "clears"), AGAIN, ids=["cleared", "another run"])
def test_skip_returns_the_earlier_report_and_says_that_it_is_one(run: str, clears: int) -> None:
    start = begin(DONE, run=run, clears=clears, if_delivered=IfDelivered.SKIP)
    assert (start.state, start.run) == ("done", "dag monday send -1")
    assert start.report == {"read": 500, "already_delivered": True}


@pytest.mark.parametrize(("run", "clears"), AGAIN, ids=["cleared", "another run"])
def test_fail_says_who_has_delivered_and_what_to_set(run: str, clears: int) -> None:
    with pytest.raises(BikAlreadyDeliveredError, match=r"by dag monday send -1.*if_delivered='skip'.*'resend'"):
        begin(DONE, run=run, clears=clears, if_delivered=IfDelivered.FAIL)
