from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery import Checkpoint, Counts
from airflow_provider_bik.delivery.checkpoint import (
    AHEAD,
    FIRST_INTERVAL,
    MAX_RANGES,
    MOST_AHEAD,
    SHORTEST_INTERVAL,
    Intervals,
    Lease,
)
from airflow_provider_bik.errors import BikRecordError
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason, Rejection

numbers = st.integers(0, 10_000)
ranges = st.lists(st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair))), max_size=10)
by_reason = st.dictionaries(st.sampled_from(Reason), numbers, max_size=4)
counts = st.builds(
    Counts,
    pipelines=st.fixed_dictionaries(dict.fromkeys(Pipeline, numbers)),
    reasons=by_reason,
    examples=st.dictionaries(st.sampled_from(Reason), st.lists(st.text(), max_size=5), max_size=4),
    skipped=numbers,
    dropped_nulls=numbers,
    dropped_created_at=numbers,
    dropped_identities=by_reason,
    dropped_identity_examples=st.dictionaries(st.sampled_from(Reason), st.lists(st.text(), max_size=5), max_size=4),
    possible_duplicates=ranges.map(Intervals),
    resent_after_rejection=ranges.map(Intervals),
    requests=numbers,
    failed_requests=numbers,
    seconds=st.floats(0, 1e6),
)
checkpoints = st.builds(
    Checkpoint,
    owner=st.text(),
    state=st.sampled_from(["running", "stopped"]),
    leased_to=numbers,
    settled=ranges,
    in_doubt=st.none() | ranges,
    everything_in_doubt=st.booleans(),
    counts=counts,
    rejected_files=st.lists(st.text(), max_size=3),
)


@given(checkpoints)
def test_what_is_written_is_read_back(checkpoint: Checkpoint) -> None:
    as_json = checkpoint.to_json()
    assert msgspec.json.decode(msgspec.json.encode(as_json)) == as_json
    assert Checkpoint.from_json(as_json) == checkpoint


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {"version": 1, "owner": "somebody", "began_at": ""},
        {"version": 3},
        {"unheard_of": 1},
        {"settled": "all"},
        {"state": "done"},
        {"counts": {"reasons": {"unheard_of": 1}}},
        {"counts": {"possible_duplicates": [1]}},
    ],
)
def test_what_is_no_checkpoint_of_this_version_is_an_error_that_says_what_to_do(value: Any) -> None:
    with pytest.raises(BikRecordError, match=r"Nothing was sent\..*state_path"):
        Checkpoint.from_json(value)


@given(counts)
def test_a_copy_of_the_counts_does_not_change_with_them(original: Counts) -> None:
    copy = original.copy()
    before = msgspec.structs.replace(copy.copy())
    original.note_rejected(Rejection(reason=Reason.FIELD_TYPE, detail="name"), "[1]")
    original.pipelines[Pipeline.REALTIME] += 1
    original.possible_duplicates.add(20_000, 20_001)
    assert copy == before != original


def test_counts_that_are_written_down_name_few_ranges_that_contain_every_position() -> None:
    positions = Intervals((n, n + 1) for n in range(0, 3000, 3))
    copy = Counts(possible_duplicates=positions).copy()
    assert len(list(copy.possible_duplicates)) == MAX_RANGES
    assert not positions.without(copy.possible_duplicates)


@given(checkpoints)
def test_without_a_list_of_doubts_everything_leased_and_not_settled_is_in_doubt(checkpoint: Checkpoint) -> None:
    doubt = checkpoint.doubt()
    if checkpoint.in_doubt is None:
        assert doubt == Intervals(checkpoint.settled).gaps(checkpoint.leased_to)
    else:
        assert doubt == Intervals(checkpoint.in_doubt)


def test_a_lease_grows_with_the_speed_up_to_a_bound() -> None:
    for rate in (10, 1000, 10**7):
        lease = Lease(resumed_to=0, least=100)
        for second in range(5):
            lease.extend(float(second), sent_to=second * rate, read=second * rate + 1)
        assert lease.ahead == max(100, min(MOST_AHEAD, int(rate * AHEAD)))


def test_a_lease_is_renewed_soon_while_it_is_small_and_seldom_once_its_size_is_known() -> None:
    lease, now, times = Lease(resumed_to=0, least=100), 10.0, list[float]()
    for sent_to in range(0, 2000, 100):
        read = sent_to + 100
        assert not lease.covers(read)
        now += lease.wait(now) if times else 0.0
        assert lease.due(now, sent_to=sent_to, read=read)
        lease.extend(now, sent_to=sent_to, read=read)
        lease.commit(lease.requested_to)
        times.append(now)
    waits = [after - before for before, after in pairwise(times)]
    assert waits == sorted(waits)
    assert waits[0] <= 2 * FIRST_INTERVAL
    assert waits[-1] == pytest.approx(SHORTEST_INTERVAL)
    assert sum(wait < SHORTEST_INTERVAL * 0.9 for wait in waits) < 6
