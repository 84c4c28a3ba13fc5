from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.windows import Window, day_of_run, day_window, days, first_day, split

KOLKATA = "Asia/Kolkata"
BERLIN = "Europe/Berlin"
# Midnight is skipped in Cairo and repeated in Havana; on Lord Howe the clock changes by half an hour.
ZONES = ["UTC", KOLKATA, BERLIN, "America/New_York", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"]


def at(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=pendulum.timezone(zone)).astimezone(UTC)


def span(between: Window) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(between["start"]), datetime.fromisoformat(between["end"])


@pytest.mark.parametrize(
    ("zone", "start", "end", "first", "last"),
    [
        pytest.param("UTC", "2026-01-02", "2026-01-02", "2026-01-01", "2026-01-02", id="3.x scheduled, no length"),
        pytest.param("UTC", "2026-01-01", "2026-01-02", "2026-01-01", "2026-01-02", id="2.11 scheduled, one day"),
        pytest.param(KOLKATA, "2026-01-02", "2026-01-02", "2026-01-01", "2026-01-02", id="3.x, half-hour zone"),
        pytest.param(KOLKATA, "2026-01-01", "2026-01-02", "2026-01-01", "2026-01-02", id="2.11, half-hour zone"),
        pytest.param(
            "UTC", "2026-01-02T13:37", "2026-01-02T13:37", "2026-01-01", "2026-01-02", id="3.x by hand, midday"
        ),
        pytest.param(
            "UTC", "2026-01-02T23:59:59", "2026-01-02T23:59:59", "2026-01-01", "2026-01-02", id="by hand, late"
        ),
        pytest.param(BERLIN, "2026-03-30", "2026-03-30", "2026-03-29", "2026-03-30", id="3.x, 23 hours"),
        pytest.param(BERLIN, "2026-03-29", "2026-03-30", "2026-03-29", "2026-03-30", id="2.11, 23 hours"),
        pytest.param(BERLIN, "2026-10-26", "2026-10-26", "2026-10-25", "2026-10-26", id="3.x, 25 hours"),
        pytest.param(BERLIN, "2026-10-25", "2026-10-26", "2026-10-25", "2026-10-26", id="2.11, 25 hours"),
        pytest.param(
            BERLIN, "2026-10-25T00:15", "2026-10-26T00:15", "2026-10-25", "2026-10-26", id="2.11, a quarter past"
        ),
        pytest.param("UTC", "2024-03-01", "2024-03-01", "2024-02-29", "2024-03-01", id="leap day"),
    ],
)
def test_the_day_that_ended_at_the_end_of_the_interval(zone: str, start: str, end: str, first: str, last: str) -> None:
    day = day_window(at(start, zone), at(end, zone), timezone=zone)
    assert span(day) == (at(first, zone), at(last, zone))


def test_airflow_hands_the_interval_over_in_utc() -> None:
    end = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
    assert day_window(end, end, timezone=KOLKATA) == {
        "start": "2025-12-31T18:30:00.000+00:00",
        "end": "2026-01-01T18:30:00.000+00:00",
    }


@pytest.mark.parametrize(("following", "hours"), [("2026-03-30", 23), ("2026-10-26", 25), ("2026-06-01", 24)])
def test_a_calendar_day_is_as_long_as_its_clock_says(following: str, hours: int) -> None:
    end = at(following, BERLIN)
    start, stop = span(day_window(end, end, timezone=BERLIN))
    assert stop - start == timedelta(hours=hours)


def test_without_a_logical_date_run_after_decides() -> None:
    day = day_window(None, None, run_after=at("2026-01-02T09:00", KOLKATA), timezone=KOLKATA)
    assert span(day) == (at("2026-01-01", KOLKATA), at("2026-01-02", KOLKATA))


def test_without_any_date_it_fails_clearly() -> None:
    with pytest.raises(BikConfigError, match="logical date"):
        day_window(None, None, timezone="UTC")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-01-01T10:00", "2026-01-01T11:00", id="hourly"),
        pytest.param("2026-01-01", "2026-01-08", id="weekly"),
        pytest.param("2026-01-02", "2026-01-01", id="backwards"),
    ],
)
def test_an_interval_that_is_not_a_day_fails_clearly(start: str, end: str) -> None:
    with pytest.raises(BikConfigError, match="once a day"):
        day_window(at(start, "UTC"), at(end, "UTC"), timezone="UTC")


@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(date(2005, 1, 1), date(2035, 1, 1)),
    length=st.integers(1, 400),
    minute=st.integers(0, 24 * 60 - 1),
    has_length=st.booleans(),
)
def test_consecutive_runs_leave_no_gap_and_never_overlap(
    *, zone: str, first: date, length: int, minute: int, has_length: bool
) -> None:
    tz = pendulum.timezone(zone)
    clock = time(minute // 60, minute % 60)
    dates = [first + timedelta(days=n) for n in range(length + 1)]
    # A time that the clock skips becomes one that exists, as a scheduler does it.
    moments = [datetime.combine(day, clock, tzinfo=tz).astimezone(UTC) for day in dates]
    windows = [day_window(a if has_length else b, b, timezone=zone) for a, b in pairwise(moments)]
    assert all(each["start"] < each["end"] for each in windows)
    assert all(left["end"] == right["start"] for left, right in pairwise(windows))
    assert all(span(each)[1] <= moment for each, moment in zip(windows, moments[1:], strict=True))


def test_the_day_of_a_run_is_read_from_its_context() -> None:
    end = at("2026-01-02", KOLKATA)
    assert day_of_run({"data_interval_start": end, "data_interval_end": end}, timezone=KOLKATA) == days(
        date(2026, 1, 1), date(2026, 1, 2), timezone=KOLKATA
    )
    undated = {"dag_run": SimpleNamespace(run_after=end)}
    assert first_day(day_of_run(undated, timezone=KOLKATA), timezone=KOLKATA) == date(2026, 1, 1)


@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(date(2005, 1, 1), date(2035, 1, 1)),
    length=st.integers(1, 800),
    size=st.integers(1, 90),
)
def test_windows_tile_the_range_oldest_first(zone: str, first: date, length: int, size: int) -> None:
    end = first + timedelta(days=length)
    windows = split(first, end, size=size, timezone=zone)
    whole = days(first, end, timezone=zone)
    assert (windows[0]["start"], windows[-1]["end"]) == (whole["start"], whole["end"])
    assert all(each["start"] < each["end"] for each in windows)
    assert all(left["end"] == right["start"] for left, right in pairwise(windows))
    assert len(windows) == -(-length // size)


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
        split(date.fromisoformat(first), date.fromisoformat(end), size=size, timezone="UTC")


def test_a_time_zone_that_is_none_is_named() -> None:
    with pytest.raises(BikConfigError, match="'Asia/Nowhere' is not a name"):
        days(date(2026, 1, 1), date(2026, 1, 2), timezone="Asia/Nowhere")
