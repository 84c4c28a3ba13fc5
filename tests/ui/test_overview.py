"""What of a stream is delivered, day by day: a pure function of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.state.overview import (
    DayState,
    Overview,
    Run,
    StreamRecords,
    WindowCounts,
    overview_of,
    zone_of,
)
from airflow_provider_bik.ui.calendar import day_text, months_of, readable_by
from airflow_provider_bik.windows import Window, cut

BERLIN, KOLKATA, APIA = "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia"
ZONES = ["UTC", BERLIN, KOLKATA, "America/New_York", "Australia/Lord_Howe"]


def run(window: Window, *, is_delivered: bool = True, by: str = "dag task run", confirmed: int = 1) -> Run:
    return Run(window=window, is_delivered=is_delivered, by=by, counts=WindowCounts(confirmed=confirmed))


def overview(runs: Sequence[Run], zone: str = "UTC") -> Overview:
    return overview_of(StreamRecords(name="orders", runs=runs, zone=ZoneInfo(zone)))


def days(first: date, number: int, zone: str = "UTC") -> list[Window]:
    return [Window.of(text) for text in cut(first, first + timedelta(days=number), timezone=zone)]


def states(found: Overview) -> dict[str, str]:
    return {str(day.date): day.state.value for day in found.days}


def test_days_that_follow_each_other_leave_nothing_to_look_at() -> None:
    found = overview([run(window) for window in days(date(2026, 1, 1), 10)])
    assert set(states(found).values()) == {"delivered"}
    assert (len(found.days), found.is_whole, found.counts.confirmed) == (10, True, 10)


def test_a_day_that_is_missing_is_a_gap() -> None:
    windows = days(date(2026, 1, 1), 4)
    found = overview([run(each) for each in (*windows[:1], *windows[2:])])
    assert states(found)["2026-01-02"] == "gap"
    assert found.gaps == [windows[1]]
    assert not found.is_whole


def test_a_day_that_is_in_two_windows_is_an_overlap_also_if_another_part_of_it_is_missing() -> None:
    first, second, third = days(date(2026, 1, 1), 3)
    early = Window(second.start, second.start + timedelta(hours=6))
    found = overview([run(first), run(early), run(early), run(third)])
    assert states(found) == {"2026-01-01": "delivered", "2026-01-02": "overlap", "2026-01-03": "delivered"}
    assert (found.overlaps, found.gaps) == ([early], [Window(early.end, third.start)])


def test_a_day_of_which_an_hour_is_missing_is_partly_delivered() -> None:
    (day,) = days(date(2026, 1, 1), 1)
    noon = day.start + timedelta(hours=12)
    found = overview([run(Window(day.start, noon)), run(Window(noon + timedelta(hours=1), day.end))])
    assert states(found) == {"2026-01-01": "partly"}
    assert found.days[0].missing == found.gaps == [Window(noon, noon + timedelta(hours=1))]


def test_a_delivery_that_has_not_ended_is_open_and_no_gap() -> None:
    first, second = days(date(2026, 1, 1), 2)
    found = overview([run(first), run(second, is_delivered=False)])
    assert states(found) == {"2026-01-01": "delivered", "2026-01-02": "open"}
    assert (found.gaps, len(found.open)) == ([], 1)


def test_a_window_of_a_week_is_delivered_on_each_day_and_counted_on_the_first() -> None:
    week = Window.of(cut(date(2026, 1, 1), date(2026, 1, 8), days=7)[0])
    found = overview([run(week, confirmed=700)])
    assert [day.counts.confirmed for day in found.days] == [700, 0, 0, 0, 0, 0, 0]
    assert set(states(found).values()) == {"delivered"}
    assert "window of several days" in day_text(found.days[1])


def test_a_day_that_begins_in_a_window_and_ends_in_none_is_partly_delivered() -> None:
    found = overview([run(Window(datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 2, 6, tzinfo=UTC)))])
    assert states(found) == {"2026-01-01": "partly", "2026-01-02": "partly"}
    assert found.is_whole


@pytest.mark.parametrize("zone", ZONES)
def test_calendar_days_are_whole_where_the_clocks_change(zone: str) -> None:
    found = overview([run(each) for each in days(date(2026, 1, 1), 365, zone)], zone)
    assert (len(found.days), found.is_whole) == (365, True)
    assert set(states(found).values()) == {"delivered"}


def test_days_in_utc_leave_an_hour_of_berlin_in_no_delivery_at_the_end() -> None:
    found = overview([run(each) for each in days(date(2026, 7, 1), 2)], BERLIN)
    assert states(found) == {"2026-07-01": "partly", "2026-07-02": "delivered", "2026-07-03": "partly"}


def test_a_day_that_a_calendar_does_not_have_is_no_gap() -> None:
    found = overview([run(each) for each in days(date(2011, 12, 29), 4, APIA)], APIA)
    assert [str(day.date) for day in found.days] == ["2011-12-29", "2011-12-31", "2012-01-01"]
    assert [day.date.day if day else 0 for day in months_of(found, None)[1].weeks[-1]] == [0, 0, 0, 29, 0, 31, 0]


def test_streams_without_windows_have_no_days() -> None:
    found = overview([Run(is_delivered=True, by="dag task run", counts=WindowCounts(confirmed=3))])
    assert (found.days, found.gaps, found.is_whole, len(found.undivided)) == ([], [], True, 1)
    assert months_of(found, None) == []


MOMENTS = st.integers(min_value=0, max_value=24 * 60)
BEGAN = datetime(2026, 3, 20, tzinfo=UTC)


@st.composite
def some_windows(draw: st.DrawFn) -> list[Window]:
    """Windows of whole hours over the two months in which Europe's and America's clocks change."""
    pairs = draw(st.lists(st.tuples(MOMENTS, st.integers(1, 80)), min_size=1, max_size=12))
    return [Window(BEGAN + timedelta(hours=start), BEGAN + timedelta(hours=start + length)) for start, length in pairs]


def pieces(windows: Sequence[Window]) -> set[datetime]:
    """The half hours of windows, in which every zone's days begin."""
    half = timedelta(minutes=30)
    return {each.start + n * half for each in windows for n in range(int((each.end - each.start) / half))}


@given(windows=some_windows())
def test_each_moment_is_in_no_window_in_one_or_in_several(windows: list[Window]) -> None:
    found = overview([run(each) for each in windows])
    first, last = min(each.start for each in windows), max(each.end for each in windows)
    times = [piece for each in windows for piece in pieces([each])]
    twice = {piece for piece in times if times.count(piece) > 1}
    assert pieces(found.overlaps) == twice
    assert pieces(found.gaps) == pieces([Window(first, last)]) - set(times)


@given(windows=some_windows(), zone=st.sampled_from(ZONES[:4]))
def test_the_days_tell_what_the_stretches_tell(windows: list[Window], zone: str) -> None:
    found = overview([run(each) for each in windows], zone)
    assert pieces([each for day in found.days for each in day.twice]) == pieces(found.overlaps)
    missing = {
        piece
        for day in found.days
        for piece in pieces(day.missing)
        if min(each.start for each in windows) <= piece < max(each.end for each in windows)
    }
    assert missing == pieces(found.gaps)
    assert sum(day.counts.confirmed for day in found.days) == len(windows)
    dates = [day.date for day in found.days]
    assert dates == [dates[0] + timedelta(days=n) for n in range(len(dates))]
    for day in found.days:
        assert (day.state is DayState.GAP) == (not day.runs)
        assert (day.state is DayState.OVERLAP) == bool(day.twice)


@given(windows=some_windows(), zone=st.sampled_from(ZONES[:4]))
def test_the_calendar_shows_each_day_once_below_its_weekday(windows: list[Window], zone: str) -> None:
    found = overview([run(each) for each in windows], zone)
    shown = [
        (day.date, column)
        for month in months_of(found, None)
        for week in month.weeks
        for column, day in enumerate(week)
        if day is not None
    ]
    assert sorted(shown) == [(day.date, day.date.weekday()) for day in found.days]


def test_the_zone_is_the_offset_of_the_names_if_there_is_one() -> None:
    offset = timedelta(hours=5, minutes=30)
    assert zone_of([(datetime(2026, 1, 1, tzinfo=UTC), offset)], []) == timezone(offset)
    assert zone_of([], []) == UTC


def test_the_zone_is_one_that_has_all_offsets_of_summer_and_winter() -> None:
    named = [
        (datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month, 1, tzinfo=ZoneInfo(BERLIN)).utcoffset())
        for month in (1, 7)
    ]
    offsets = [(moment, offset) for moment, offset in named if offset is not None]
    assert zone_of(offsets, map(ZoneInfo, (KOLKATA, BERLIN))) == ZoneInfo(BERLIN)
    assert zone_of(offsets, [ZoneInfo(KOLKATA)]) == timezone(timedelta(hours=2))


def test_whoever_may_read_one_dag_sees_what_others_have_delivered_without_name_and_counts() -> None:
    first, second = days(date(2026, 1, 1), 2)
    stream = StreamRecords(
        name="orders", runs=[run(first, by="mine task run"), run(second, by="secret task run")], zone=UTC
    )
    seen = readable_by(stream, {"mine"})
    assert seen is not None
    found = overview_of(seen)
    assert set(states(found).values()) == {"delivered"}
    assert found.counts.confirmed == 1
    assert not any("secret" in day_text(day) for day in found.days)
    assert readable_by(stream, {"other"}) is None
