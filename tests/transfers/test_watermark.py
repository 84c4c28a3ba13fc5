"""The rules of the watermark, against a table that grows, with late rows and failures anywhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.cursors import Cursor
from airflow_provider_bik.errors import (
    BikRecordError,
    BikConfigError,
    BikInputError,
    BikWatermarkMovedError,
)
from airflow_provider_bik.events.rows import decode_value, encode_row
from airflow_provider_bik.watermarks import Sieve, Watermark, advance, check_unmoved, row_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[Any, str]


class Table:
    """A table, and what became of its rows."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor, self.state = cursor, Watermark.blank(cursor)
        self.rows: list[Row] = []
        self.settled: Counter[Row] = Counter()

    def result(self) -> list[Row]:
        bound: Any = decode_value(self.state.since)
        return sorted((row for row in self.rows if row[0] >= bound), key=lambda row: row[0])

    def run(self, fails: Sequence[bool] = (), tries: int = 1) -> list[Row]:
        """One run: reads, sends what is not settled, and moves the watermark after each try; returns what it sent.

        Args:
            fails: Whether each row that is to be sent fails in all tries.
            tries: Before the last one, every second row fails, too.
        """
        base, result = self.state, self.result()
        sieve = Sieve(base, self.cursor)
        before = [sieve.settled_before(row[0], row_digest(encode_row(row))) for row in result]
        outcomes, sent = list(before), []
        for number in range(tries):
            for place, row in enumerate(result):
                failing = (place < len(fails) and fails[place]) or (number < tries - 1 and (place + number) % 2)
                if not outcomes[place] and not failing:
                    outcomes[place] = True
                    self.settled[row] += 1
                    sent.append(row)
            rows = [(row[0], row_digest(encode_row(row)), done) for row, done in zip(result, outcomes, strict=True)]
            check_unmoved(self.state, base, owner="run", told="")
            self.state = advance(base, self.cursor, rows, columns=["at", "text"], owner="run", now=NOW)
        return sent


STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab"))),
        st.lists(st.booleans(), max_size=20),
        st.integers(1, 3),
    ),
    max_size=8,
)


@given(steps=STEPS, lookback=st.integers(0, 12), later=st.integers(0, 12))
def test_every_row_is_settled_exactly_once_whatever_comes_late_and_whatever_fails(
    steps: list[tuple[list[Row], list[bool], int]], lookback: int, later: int
) -> None:
    table = Table(Cursor(column="at", start=0, lookback=lookback))
    for number, (new, fails, tries) in enumerate(steps):
        if number == 3:
            # Somebody changes the argument between two runs.
            table.cursor = Cursor(column="at", start=0, lookback=later)
        bound = decode_value(table.state.since)
        table.rows += [(max(at + number * 2, bound), text) for at, text in new]
        before = table.state
        table.run(fails, tries)
        assert decode_value(table.state.watermark) >= decode_value(before.watermark)  # type: ignore[operator]  # numbers
        assert decode_value(table.state.since) >= decode_value(before.since)  # type: ignore[operator]  # numbers
        unsettled = Counter(table.rows) - table.settled
        assert all(row[0] >= decode_value(table.state.since) for row in unsettled), "a row was passed"
        assert not table.settled - Counter(table.rows), "a row was sent twice"
    table.run()
    assert table.settled == Counter(table.rows)
    assert table.run() == []


def test_the_watermark_stops_before_the_first_row_that_is_not_settled_and_before_its_ties() -> None:
    table = Table(Cursor(column="at", start=0))
    table.rows = [(1, "a"), (2, "a"), (2, "b"), (3, "a")]
    table.run([False, False, True])
    assert (table.state.watermark, table.state.since) == (1, 1)
    assert table.state.digests().total() == 3
    assert table.run() == [(2, "b")]
    assert (table.state.watermark, table.state.generation) == (3, 2)


def test_a_late_row_within_the_lookback_is_sent_and_its_neighbours_are_not_sent_again() -> None:
    table = Table(Cursor(column="at", start=0, lookback=5))
    table.rows = [(10, "a"), (12, "a")]
    table.run()
    assert (table.state.watermark, table.state.since) == (12, 7)
    table.rows += [(8, "late"), (10, "a")]
    assert table.run() == [(8, "late"), (10, "a")]


def test_a_late_row_that_fails_holds_the_bound_and_not_the_watermark() -> None:
    table = Table(Cursor(column="at", start=0, lookback=5))
    table.rows = [(12, "a")]
    table.run()
    table.rows += [(8, "late"), (20, "a")]
    table.run([True])
    assert (table.state.watermark, table.state.since) == (12, 7)
    assert table.run() == [(8, "late")]
    assert (table.state.watermark, table.state.since) == (20, 15)


def test_a_shorter_lookback_does_not_give_up_a_late_row_that_fails_in_that_very_run() -> None:
    table = Table(Cursor(column="at", start=0, lookback=5))
    table.rows = [(12, "a")]
    table.run()
    table.rows += [(8, "late")]
    table.cursor = Cursor(column="at", start=0, lookback=0)
    table.run([True])
    assert (table.state.watermark, table.state.since) == (12, 8)
    assert table.run() == [(8, "late")]
    assert (table.state.watermark, table.state.since) == (12, 12)


def test_what_is_kept_does_not_grow_with_the_table() -> None:
    table = Table(Cursor(column="at", start=0, lookback=3))
    table.rows = [(number, "a") for number in range(10_000)]
    table.run()
    assert table.state.digests().total() == 4


def test_a_run_without_new_rows_leaves_the_state_as_it_is() -> None:
    table = Table(Cursor(column="at", start=0, lookback=3))
    table.rows = [(1, "a")]
    table.run()
    before = table.state
    table.run()
    assert table.state is before


EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("start", "lookback", "value", "bound"),
    [
        (0, 1.5, 2**60 + 1, 2**60 - 1),
        (0, None, 5, 5),
        (0.0, 0.5, 5.0, 4.5),
        (Decimal(0), 0.1, Decimal("1.3"), Decimal("1.2")),
        (date(2020, 1, 1), timedelta(days=2), date(2026, 1, 1), date(2025, 12, 30)),
        (
            datetime(2020, 1, 1),  # noqa: DTZ001 - naive on purpose
            timedelta(hours=1),
            datetime(2026, 1, 1),  # noqa: DTZ001 - naive on purpose
            datetime(2025, 12, 31, 23),  # noqa: DTZ001 - naive on purpose
        ),
        (
            datetime(2020, 1, 1, tzinfo=UTC),
            timedelta(hours=1),
            datetime(2026, 1, 1, 5, 30, tzinfo=EAST),
            datetime(2025, 12, 31, 23, tzinfo=UTC),
        ),
        ("", None, "01JD", "01JD"),
    ],
)
def test_the_bound_is_the_watermark_less_the_lookback(start: Any, lookback: Any, value: Any, bound: Any) -> None:
    cursor = Cursor(column="at", start=start, lookback=lookback)
    state = advance(Watermark.blank(cursor), cursor, [(value, b"12345678", True)], columns=["at"], owner="run", now=NOW)
    found = decode_value(Watermark.from_json(state_as_json(state)).since)
    assert found == bound
    assert type(found) is type(bound)


def state_as_json(state: Watermark) -> object:
    import msgspec  # noqa: PLC0415 - used here only

    return msgspec.json.decode(msgspec.json.encode(state))


def test_there_is_nothing_before_the_calendar_begins() -> None:
    cursor = Cursor(column="at", start=datetime.min.replace(tzinfo=UTC), lookback=timedelta(days=1))
    assert decode_value(Watermark.blank(cursor).since) == cursor.start
    state = advance(
        Watermark.blank(cursor), cursor, [(cursor.start, b"12345678", True)], columns=[], owner="run", now=NOW
    )
    assert decode_value(state.since) == cursor.start


@pytest.mark.parametrize(
    ("start", "lookback", "says"),
    [
        (True, None, "watermark_start must be a number"),
        (math.nan, None, "watermark_start must be a number"),
        (b"", None, "watermark_start must be a number"),
        (0, timedelta(1), "watermark_lookback must be a number from 0"),
        (0, -1, "watermark_lookback must be a number from 0"),
        (0, math.nan, "watermark_lookback must be a number from 0"),
        (date(2026, 1, 1), 5, "watermark_lookback must be a timedelta from 0"),
        (date(2026, 1, 1), timedelta(-1), "watermark_lookback must be a timedelta from 0"),
        ("a", 5, "watermark_lookback must be None"),
    ],
)
def test_arguments_that_do_not_belong_together_are_refused(start: Any, lookback: Any, says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        Cursor(column="at", start=start, lookback=lookback)


@pytest.mark.parametrize(
    ("start", "values", "says"),
    [
        (0, [1, None], "at of row 2 of the result is null"),
        (0, [1, math.nan], "at of row 2 of the result is of type float"),
        (0, ["a"], "is text, but watermark_start is a number"),
        (date(2026, 1, 1), [NOW], "is time with a zone, but watermark_start is a date"),
        (NOW, [NOW.replace(tzinfo=None)], "is time without a zone, but watermark_start is a time with a zone"),
        (0, [3, 2], "at of row 2 of the result comes before the one above it: add ORDER BY at"),
        (5, [3], "at of row 1 of the result is below the bound"),
    ],
)
def test_rows_that_no_watermark_can_follow_are_refused(start: Any, values: list[Any], says: str) -> None:
    cursor = Cursor(column="at", start=start)
    sieve = Sieve(Watermark.blank(cursor), cursor)
    for value in values[:-1]:
        sieve.settled_before(value, b"")
    with pytest.raises(BikInputError, match=says):
        sieve.settled_before(values[-1], b"")


@pytest.mark.parametrize("value", [5, {"watermark": 1}, {"watermark": 1, "since": 1, "other": 1}])
def test_a_state_that_cannot_be_understood_is_not_taken_for_none(value: object) -> None:
    with pytest.raises(BikRecordError, match="begins again at watermark_start"):
        Watermark.from_json(value)


def test_a_watermark_that_another_run_has_moved_stops_this_one() -> None:
    blank = Watermark(watermark=0, since=0)
    moved = Watermark(watermark=5, since=5, generation=1, owner="other")
    mine = Watermark(watermark=5, since=5, generation=1, owner="me")
    for found, base in ((None, blank), (moved, moved), (mine, blank), (mine, moved)):
        check_unmoved(found, base, owner="me", told="")
    for found, base, says in (
        (moved, blank, "The run other has moved the watermark"),
        (Watermark(watermark=3, since=3, generation=1, owner="other"), moved, "The run other has moved"),
        (None, moved, "Somebody has deleted the watermark"),
    ):
        with pytest.raises(BikWatermarkMovedError, match=f"{says}.*Nothing is lost.*It has sent 5 rows"):
            check_unmoved(found, base, owner="me", told="It has sent 5 rows.")
