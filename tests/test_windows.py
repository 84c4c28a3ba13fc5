from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.windows import DATA_INTERVAL, Window, cut, zone_named

KOLKATA = "Asia/Kolkata"
BERLIN = "Europe/Berlin"
# Midnight is skipped in Cairo and repeated in Havana; on Lord Howe the clock changes by half an hour; Apia has skipped
# a whole day.
ZONES = [
    "UTC",
    KOLKATA,
    BERLIN,
    "America/New_York",
    "Africa/Cairo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]
START = datetime(2026, 1, 1, tzinfo=UTC)


def hours(first: int, end: int) -> Window:
    return Window(START + timedelta(hours=first), START + timedelta(hours=end))


STRETCHES = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda pair: hours(pair[0], pair[0] + pair[1]))


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01T00:00:00+00:00/2026-01-02T00:00:00+00:00",
        "2026-01-01T00:00Z/2026-01-02T00:00Z",
        "2026-01-01T05:30:00+05:30 / 2026-01-02T05:30:00+05:30",
        {"start": "2026-01-01T00:00Z", "end": "2026-01-02T00:00Z"},
        {"start": START, "end": START + timedelta(days=1)},
        {"start": pendulum.datetime(2026, 1, 1), "end": pendulum.datetime(2026, 1, 2)},
        hours(0, 24),
    ],
)
def test_a_window_is_read_from_text_a_mapping_or_itself(value: Any) -> None:
    assert Window.of(value) == hours(0, 24)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-01-01T00:00Z",
        "2026-01-01T00:00Z/2026-01-02T00:00Z/2026-01-03T00:00Z",
        "yesterday/today",
        "none/none",
        "/",
        {"start": "2026-01-01T00:00Z"},
        {"start": "2026-01-01T00:00Z", "end": "2026-01-02T00:00Z", "more": 1},
        {"start": None, "end": None},
        20260101,
        START,
        None,
        [START, START],
    ],
)
def test_anything_else_is_an_error_that_says_what_a_window_is(value: Any) -> None:
    with pytest.raises(BikConfigError, match=r"not of the form start/end .* Trigger it with a logical date"):
        Window.of(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("2026-01-01T00:00/2026-01-02T00:00", "has no time zone"),
        ("2026-01-01/2026-01-02", "has no time zone"),
        ("2026-01-01T00:00Z/2026-01-01T00:00Z", "has no length.*schedule=CronDataIntervalTimetable"),
        ("2026-01-02T00:00Z/2026-01-01T00:00Z", "has no length"),
        ("2026-01-01T00:00:00.000001Z/2026-01-02T00:00Z", "a whole millisecond"),
    ],
)
def test_a_window_that_means_no_stretch_is_an_error_that_says_what_to_do(value: str, says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        Window.of(value)


def test_the_same_moments_are_the_same_window_in_every_zone() -> None:
    india = Window(START.astimezone(ZoneInfo(KOLKATA)), (START + timedelta(days=1)).astimezone(ZoneInfo(BERLIN)))
    assert india == hours(0, 24)
    assert hash(india) == hash(hours(0, 24))


def test_the_hour_that_the_clock_shows_twice_has_a_length() -> None:
    zone = ZoneInfo(BERLIN)
    first = datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    assert Window(first, first.replace(fold=1)).end - Window(first, first.replace(fold=1)).start == timedelta(hours=1)


def test_the_bounds_for_a_query_have_one_form_so_that_they_compare_as_text() -> None:
    window = Window.of("2026-01-01T05:30:00.5+05:30/2026-01-02T05:30:00+05:30")
    assert window.parameters == {"start": "2026-01-01T00:00:00.500+00:00", "end": "2026-01-02T00:00:00.000+00:00"}


@given(STRETCHES, st.sampled_from(ZONES))
def test_its_text_in_any_zone_is_read_back(window: Window, zone: str) -> None:
    assert Window.of(window.text(ZoneInfo(zone))) == window


@given(STRETCHES, STRETCHES)
def test_two_windows_overlap_if_an_hour_is_in_both(one: Window, other: Window) -> None:
    both = set(hours_of(one)) & set(hours_of(other))
    assert one.overlaps(other) is other.overlaps(one) is bool(both)


@given(STRETCHES, st.lists(STRETCHES, max_size=6))
def test_what_is_left_has_each_uncovered_hour_once_in_order_and_nothing_beside(
    window: Window, covered: list[Window]
) -> None:
    rest = window.without(covered)
    taken = {hour for each in covered for hour in hours_of(each)}
    assert [hour for each in rest for hour in hours_of(each)] == [h for h in hours_of(window) if h not in taken]
    assert all(one.end < other.start for one, other in pairwise(rest)), "neighbours are one window"


def hours_of(window: Window) -> list[int]:
    return [hour for hour in range(30) if window.start <= START + timedelta(hours=hour) < window.end]


@pytest.mark.parametrize("context", [{}, {"data_interval_start": None, "data_interval_end": None}])
def test_a_run_without_a_data_interval_has_no_window(context: dict[str, Any]) -> None:
    with pytest.raises(BikConfigError, match="a run without a logical date"):
        Window.of(Template(DATA_INTERVAL).render(context))


def test_the_data_interval_is_a_window() -> None:
    context = {"data_interval_start": pendulum.datetime(2026, 1, 1), "data_interval_end": pendulum.datetime(2026, 1, 2)}
    assert Window.of(Template(DATA_INTERVAL).render(context)) == hours(0, 24)


# Cutting calendar days.


@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(date(2005, 1, 1), date(2035, 1, 1)),
    length=st.integers(1, 800),
    size=st.integers(1, 90),
)
def test_windows_tile_the_range_oldest_first(zone: str, first: date, length: int, size: int) -> None:
    end = first + timedelta(days=length)
    windows = [Window.of(each) for each in cut(first, end, days=size, timezone=zone)]
    bounds = [midnight(first, zone), midnight(end, zone)]
    assert (windows[0].start, windows[-1].end) == tuple(bounds)
    assert all(left.end == right.start for left, right in pairwise(windows))
    missing = zone == "Pacific/Apia" and size == 1 and first <= date(2011, 12, 30) < end
    assert len(windows) == -(-length // size) - missing


def midnight(day: date, zone: str) -> datetime:
    """The first moment of a calendar day, or of the one after if the calendar lacks it: found by looking."""
    tz = ZoneInfo(zone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(tz).date() < day:
        moment += timedelta(minutes=15)
    return moment


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        (BERLIN, "2026-03-29", 23),
        (BERLIN, "2026-10-25", 25),
        (BERLIN, "2026-06-01", 24),
        ("America/Havana", "2026-11-01", 25),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_a_calendar_day_is_as_long_as_its_clock_says(zone: str, day: str, length: float) -> None:
    first = date.fromisoformat(day)
    [window] = map(Window.of, cut(first, first + timedelta(days=1), timezone=zone))
    assert window.end - window.start == timedelta(hours=length)


def test_a_day_that_a_calendar_lacks_has_no_window() -> None:
    windows = cut(date(2011, 12, 29), date(2012, 1, 1), timezone="Pacific/Apia")
    assert windows == [
        "2011-12-29T00:00:00-10:00/2011-12-31T00:00:00+14:00",
        "2011-12-31T00:00:00+14:00/2012-01-01T00:00:00+14:00",
    ]


def test_the_last_window_may_be_shorter() -> None:
    windows = cut(date(2026, 1, 1), date(2026, 1, 6), days=2, timezone=KOLKATA)
    assert [each.partition("T")[0] for each in windows] == ["2026-01-01", "2026-01-03", "2026-01-05"]
    assert windows[-1] == "2026-01-05T00:00:00+05:30/2026-01-06T00:00:00+05:30"


@pytest.mark.parametrize(
    ("first", "end", "size", "says"),
    [
        ("2026-01-02", "2026-01-02", 1, "must be before the end"),
        ("2026-01-02", "2026-01-01", 1, "must be before the end"),
        ("2026-01-01", "2026-01-02", 0, "at least one day"),
    ],
)
def test_a_range_that_holds_nothing_fails_clearly(first: str, end: str, size: int, says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        cut(date.fromisoformat(first), date.fromisoformat(end), days=size)


@pytest.mark.parametrize("zone", ["Asia/Nowhere", "", "../etc"])
def test_a_time_zone_that_is_none_is_named(zone: str) -> None:
    with pytest.raises(BikConfigError, match="is not a name of the time zone database"):
        cut(date(2026, 1, 1), date(2026, 1, 2), timezone=zone)


def test_a_time_zone_may_be_given_as_it_is() -> None:
    assert zone_named(UTC) is UTC
