from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import CLOCK_SKEW, EARLIEST, parse_time, to_bik_text

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2024-03-10T12:30:00Z", "2024-03-10T12:30:00.000Z"),
        ("2024-03-10T12:30:00.123456+05:30", "2024-03-10T07:00:00.123Z"),
        ("2024-03-10 12:30:00", "2024-03-10T07:00:00.000Z"),
        ("2024-03-10", "2024-03-09T18:30:00.000Z"),
        ("  2024-03-10T12:30:00Z ", "2024-03-10T12:30:00.000Z"),
        (datetime(2024, 3, 10, 12, 30), "2024-03-10T07:00:00.000Z"),  # noqa: DTZ001 - naive on purpose
        (datetime(2024, 3, 10, 12, 30, tzinfo=timezone(timedelta(hours=1))), "2024-03-10T11:30:00.000Z"),
        (pendulum.datetime(2024, 3, 10, 12, 30, tz="America/New_York"), "2024-03-10T16:30:00.000Z"),
        (date(2024, 3, 10), "2024-03-09T18:30:00.000Z"),
        (1_710_073_800, "2024-03-10T12:30:00.000Z"),
        (1_710_073_800_123, "2024-03-10T12:30:00.123Z"),
        (1_710_073_800.5, "2024-03-10T12:30:00.500Z"),
    ],
)
def test_every_way_to_write_a_time_comes_out_as_utc_with_milliseconds(value: object, text: str) -> None:
    moment = parse_time(value, timezone=KOLKATA, now=NOW)
    assert isinstance(moment, datetime)
    assert to_bik_text(moment) == text


@pytest.mark.parametrize(
    "value", ["yesterday", "", "2024-W10", "20240310", "10/03/2024", "2024-13-01", True, [], {}, b""]
)
def test_what_is_no_time_is_rejected(value: object) -> None:
    outcome = parse_time(value, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.CREATED_AT_INVALID


@pytest.mark.parametrize(
    "value",
    [
        EARLIEST - timedelta(seconds=1),
        NOW + CLOCK_SKEW + timedelta(seconds=1),
        0,
        1_710_073,
        1_710_073_800_123_456,
        -(10**400),
        10**400,
        float("1e300"),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_a_time_before_1990_or_in_the_future_is_rejected(value: object) -> None:
    outcome = parse_time(value, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.CREATED_AT_RANGE


@pytest.mark.parametrize("value", [EARLIEST, NOW, NOW + CLOCK_SKEW])
def test_the_bounds_themselves_are_taken(value: datetime) -> None:
    assert parse_time(value, timezone=UTC, now=NOW) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_no_time(value: float) -> None:
    outcome = parse_time(value, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)


@given(st.datetimes(min_value=datetime(1990, 1, 2), max_value=datetime(2026, 11, 23), timezones=st.timezones()))  # noqa: DTZ001
def test_the_text_names_the_same_moment_to_the_millisecond(moment: datetime) -> None:
    parsed = parse_time(moment, timezone=UTC, now=NOW)
    assert isinstance(parsed, datetime)
    back = datetime.fromisoformat(to_bik_text(parsed))
    assert timedelta(0) <= moment.astimezone(UTC) - back < timedelta(milliseconds=1)
