from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.checkpoint import Intervals

_pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted).map(tuple))


def _members(pairs: list[tuple[int, int]]) -> set[int]:
    return {number for start, end in pairs for number in range(start, end)}


@given(_pairs)
def test_it_holds_exactly_what_was_added(pairs: list[tuple[int, int]]) -> None:
    intervals, expected = Intervals(pairs), _members(pairs)
    assert {number for number in range(70) if number in intervals} == expected
    assert len(intervals) == len(expected)


@given(_pairs)
def test_its_intervals_are_sorted_and_never_touch(pairs: list[tuple[int, int]]) -> None:
    kept = list(Intervals(pairs))
    assert all(start < end for start, end in kept)
    assert all(end < start for (_, end), (start, _) in pairwise(kept))


@given(st.lists(st.integers(0, 60)))
def test_single_numbers_in_any_order_are_the_same_set(numbers: list[int]) -> None:
    intervals = Intervals()
    intervals.add_all(numbers)
    assert intervals == Intervals((number, number + 1) for number in set(numbers))


@given(_pairs, st.integers(0, 70))
def test_gaps_are_what_is_missing(pairs: list[tuple[int, int]], end: int) -> None:
    gaps = Intervals(pairs).gaps(end)
    assert _members(list(gaps)) == set(range(end)) - _members(pairs)


@given(_pairs, _pairs)
def test_without_leaves_what_is_not_in_the_other_set(
    pairs: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    left = Intervals(pairs).without(Intervals(other))
    assert _members(list(left)) == _members(pairs) - _members(other)
    assert left == Intervals(left)


@given(_pairs, st.integers(1, 5))
def test_coarse_ranges_are_few_and_contain_everything(pairs: list[tuple[int, int]], most: int) -> None:
    coarse = Intervals(pairs).coarse(most)
    assert len(coarse) <= most
    assert _members(pairs) <= _members(coarse)
    if len(list(Intervals(pairs))) <= most:
        assert coarse == list(Intervals(pairs))
