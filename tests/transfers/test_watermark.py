"""The rules of the watermark, against a table that grows, with late rows and generations that follow each other."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError, BikInputError, BikRecordError
from airflow_provider_bik.transfers.watermark import Reached, SeenRowFilter, WatermarkColumn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[Any, str]
COLUMNS = ["at", "text"]


class Table:
    """A table, and what became of its rows: each run delivers one generation.

    Args:
        lookback: How far behind the watermark late rows are looked for.
        start: Where the first run begins.
    """

    def __init__(self, lookback: Any = None, start: Any = 0) -> None:
        self.start, self.lookback = start, lookback
        self.reached: Reached | None = None
        self.rows: list[Row] = []
        self.delivered: Counter[Row] = Counter()

    @property
    def column(self) -> WatermarkColumn:
        return WatermarkColumn(name="at", start=self.start, lookback=self.lookback)

    @property
    def since(self) -> Any:
        return self.column.since(self.reached)

    def run(self) -> list[Row]:
        """One run: reads from the bound on, in any order, and delivers what is new; returns that."""
        result = [row for row in self.rows if row[0] >= self.since]
        seen = SeenRowFilter(self.column, COLUMNS, self.since, self.reached)
        new = [row for row in result if seen.is_new(row)]
        assert seen.dropped == len(result) - len(new)
        self.delivered.update(new)
        found = seen.reached()
        # As it is read from the storage by the next run.
        self.reached = found and msgspec.json.decode(msgspec.json.encode(found), type=Reached)
        return new


@given(
    steps=st.lists(
        st.tuples(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab"))), st.integers(0, 12)), max_size=8
    ),
    lookback=st.integers(0, 12),
)
def test_every_row_from_the_bound_on_is_delivered_once_whatever_comes_late_and_whatever_lookback_becomes(
    steps: list[tuple[list[Row], int]], lookback: int
) -> None:
    table = Table(lookback)
    for number, (new, later) in enumerate(steps):
        table.rows += [(max(at + number * 2, table.since), text) for at, text in new]
        before = table.reached
        table.run()
        assert table.delivered == Counter(table.rows)
        if before is not None and table.reached is not None:
            assert table.reached.value >= before.value  # type: ignore[operator]  # numbers
            assert table.reached.since >= before.since  # type: ignore[operator]  # numbers
        # Somebody changes the argument between two runs.
        table.lookback = later
    assert table.run() == []


def test_rows_that_share_the_watermark_with_others_are_not_passed() -> None:
    table = Table()
    table.rows = [(1, "a"), (2, "a"), (2, "b")]
    table.run()
    table.rows += [(2, "c"), (2, "a")]
    assert table.run() == [(2, "c"), (2, "a")]


def test_a_late_row_within_the_lookback_is_delivered_and_its_neighbours_are_not_delivered_again() -> None:
    table = Table(5)
    table.rows = [(10, "a"), (12, "a")]
    table.run()
    assert table.since == 7
    table.rows += [(8, "late"), (10, "a")]
    assert table.run() == [(8, "late"), (10, "a")]


def test_a_late_row_behind_the_lookback_is_not_asked_for() -> None:
    table = Table(5)
    table.rows = [(12, "a")]
    table.run()
    table.rows += [(6, "too late")]
    assert table.run() == []


def test_a_row_that_was_changed_in_place_is_new() -> None:
    table = Table(5)
    table.rows = [(10, "a"), (12, "a")]
    table.run()
    table.rows[0] = (10, "changed")
    assert table.run() == [(10, "changed")]
    table.rows[1] = (13, "a")
    assert table.run() == [(13, "a")]


def test_a_longer_lookback_does_not_deliver_again_what_is_no_longer_known() -> None:
    table = Table(1)
    table.rows = [(number, "a") for number in range(20)]
    table.run()
    table.lookback = 10
    assert table.since == 18
    table.rows.append((30, "a"))
    assert table.run() == [(30, "a")]
    assert table.since == 20, "from here on it is as long as it should be"


def test_rows_may_come_in_any_order() -> None:
    table = Table(3)
    table.rows = [(5, "a"), (1, "a"), (9, "a"), (7, "a")]
    assert len(table.run()) == 4
    assert table.since == 6


def test_what_is_kept_does_not_grow_with_the_table() -> None:
    table = Table(3)
    table.rows = [(number, "a") for number in range(30_000)]
    table.run()
    assert table.reached is not None
    assert table.reached.digests().total() == 4


def test_a_run_without_new_rows_leaves_what_is_known_as_it_is() -> None:
    table = Table(3)
    table.rows = [(1, "a")]
    table.run()
    before = table.reached
    assert table.run() == []
    assert table.reached == before


def test_before_the_first_row_nothing_is_reached() -> None:
    table = Table(3)
    table.run()
    assert (table.reached, table.since) == (None, 0)


def test_a_column_that_was_added_to_the_query_makes_no_row_new() -> None:
    table = Table(5)
    table.rows = [(10, "a"), (12, "b")]
    table.run()
    seen = SeenRowFilter(table.column, ["more", "text", "at"], table.since, table.reached)
    assert [seen.is_new((text, text, at)) for at, text in [*table.rows, (12, "c")]] == [False, False, True]
    reached = seen.reached()
    again = SeenRowFilter(table.column, ["more", "text", "at"], table.since, reached)
    assert [again.is_new((text, text, at)) for at, text in [*table.rows, (12, "c")]] == [False, False, False]


def test_a_column_that_is_gone_from_the_query_is_named_for_no_row_could_be_known_again() -> None:
    table = Table(5)
    table.rows = [(10, "a")]
    table.run()
    with pytest.raises(BikConfigError, match="sql gave the columns text in the last run and does not now"):
        SeenRowFilter(table.column, ["at", "other"], table.since, table.reached)


def test_the_watermark_column_must_be_in_the_result() -> None:
    with pytest.raises(BikConfigError, match="'at' is not among the columns of sql: n, email"):
        SeenRowFilter(Table().column, ["n", "email"], 0, None)


@pytest.mark.parametrize(
    "changed",
    [WatermarkColumn(name="id", start=0), WatermarkColumn(name="at", start=date(2026, 1, 1))],
)
def test_another_watermark_column_needs_another_stream(changed: WatermarkColumn) -> None:
    table = Table()
    table.rows = [(1, "a")]
    table.run()
    with pytest.raises(BikConfigError, match=r"went by the column 'at' \(a number\).* give the stream another name"):
        changed.since(table.reached)


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
    table = Table(lookback, start)
    table.rows = [(value, "a")]
    table.run()
    assert table.since == bound
    assert type(table.since) is type(bound)


def test_the_bound_is_never_before_the_start() -> None:
    table = Table(10, start=5)
    table.rows = [(7, "a")]
    table.run()
    assert table.since == 5


def test_there_is_nothing_before_the_calendar_begins() -> None:
    start = datetime.min.replace(tzinfo=UTC)
    table = Table(timedelta(days=1), start)
    table.rows = [(start, "a")]
    table.run()
    assert table.since == start


@pytest.mark.parametrize(
    ("start", "lookback", "says"),
    [
        (True, None, "start must be a number"),
        (math.nan, None, "start must be a number"),
        (b"", None, "start must be a number"),
        (0, timedelta(1), "lookback must be a number from 0"),
        (0, -1, "lookback must be a number from 0"),
        (0, math.nan, "lookback must be a number from 0"),
        (0, True, "lookback must be a number from 0"),
        (date(2026, 1, 1), 5, "lookback must be a timedelta from 0"),
        (date(2026, 1, 1), timedelta(-1), "lookback must be a timedelta from 0"),
        ("a", 5, "lookback must be None"),
    ],
)
def test_arguments_that_do_not_belong_together_are_refused(start: Any, lookback: Any, says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        WatermarkColumn(name="at", start=start, lookback=lookback)


@pytest.mark.parametrize(
    ("start", "values", "says"),
    [
        (0, [1, None], "at of row 2 of the result is null"),
        (0, [1, math.nan], "at of row 2 of the result is of type float"),
        (0, ["a"], "is text, but start is a number"),
        (date(2026, 1, 1), [NOW], "is time with a zone, but start is a date"),
        (NOW, [NOW.replace(tzinfo=None)], "is time without a zone, but start is a time with a zone"),
        (5, [3], "at of row 1 of the result is below the parameter watermark"),
    ],
)
def test_rows_that_no_watermark_can_follow_are_refused(start: Any, values: list[Any], says: str) -> None:
    seen = SeenRowFilter(WatermarkColumn(name="at", start=start), ["at"], start, None)
    for value in values[:-1]:
        seen.is_new((value,))
    with pytest.raises(BikInputError, match=says):
        seen.is_new((values[-1],))


@pytest.mark.parametrize("stored", [("int", "x"), ("datetime", "5"), ("Decimal", "x"), ("list", "[]"), ("", "")])
def test_a_watermark_that_cannot_be_understood_is_not_taken_for_none(stored: tuple[str, str]) -> None:
    reached = Reached(column="at", watermark=stored, known_since=("int", "0"))
    with pytest.raises(BikRecordError, match="cannot be understood"):
        WatermarkColumn(name="at", start=0).since(reached)


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(),
        st.dates(),
        st.datetimes(),
        st.datetimes(timezones=st.just(UTC)),
    )
)
def test_what_is_written_is_read_back_with_its_type(value: Any) -> None:
    stored = msgspec.json.encode(Reached.of("at", value, value, [], []))
    found = msgspec.json.decode(stored, type=Reached).value
    assert found == value
    assert type(found) is type(value)
