from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import (
    CLOCK_SKEW,
    EARLIEST,
    UNITS,
    bik_time,
    parse_time,
    read_epoch,
    read_time,
    to_bik_text,
)

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
        (1_710_073_800_123_456, "2024-03-10T12:30:00.123Z"),
        (1_710_073_800_123_456_789, "2024-03-10T12:30:00.123Z"),
        (Decimal("1710073800.123"), "2024-03-10T12:30:00.123Z"),
        (1_710_073_800.123, "2024-03-10T12:30:00.123Z"),
        ("1710073800123456", "2024-03-10T12:30:00.123Z"),
        ("1710073800123", "2024-03-10T12:30:00.123Z"),
        (" 1710073800.5 ", "2024-03-10T12:30:00.500Z"),
        ("2024-03-10 12:30:00 UTC", "2024-03-10T12:30:00.000Z"),
        ("2024-03-10 12:30:00.123456 UTC", "2024-03-10T12:30:00.123Z"),
        ("2024-03-10 12:30:00 +0530", "2024-03-10T07:00:00.000Z"),
        ("2024-03-10 12:30:00.123 +0530", "2024-03-10T07:00:00.123Z"),
        ("2024-03-10 12:30:00+00", "2024-03-10T12:30:00.000Z"),
        ("2024-03-10T12:30Z", "2024-03-10T12:30:00.000Z"),
        ("2024-03-10 12:30:00,1 GMT", "2024-03-10T12:30:00.100Z"),
        ("2024-03-10T12:30:00.123456789Z", "2024-03-10T12:30:00.123Z"),
    ],
)
def test_every_way_to_write_a_time_comes_out_as_utc_with_milliseconds(value: object, text: str) -> None:
    moment = parse_time(value, timezone=KOLKATA, now=NOW)
    assert isinstance(moment, datetime)
    assert to_bik_text(moment) == text


@pytest.mark.parametrize("value", ["yesterday", "", "2024-W10", "10/03/2024", "2024-13-01", True, [], {}, b""])
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
        "20240310",
        "20240310123000",
        Decimal("1e999999"),
        Decimal("1e-999999"),
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


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-10 12:30:00 IST",
        "2024-03-10 12:30:00 Asia/Kolkata",
        "2024-03-10T12:30:00.123[Asia/Kolkata]",
        "2024-03-10 12:30 EST5",
        "2024-03-10 12:30:00 utc",
    ],
)
def test_the_name_of_a_zone_is_not_read_and_the_detail_says_what_is(text: str) -> None:
    outcome = parse_time(text, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.CREATED_AT_INVALID
    assert "UTC, GMT, Z and offsets" in outcome.detail


NEARLY = [
    *("2024-03-10x12:30:00Z", "2024-03-10 12:30:00x+0530", "2024-03-10  12:30:00Z", "2024-03-10T12:30:00  Z"),
    *("2024-03-10T12", "2024-03-10T12:30.5", "2024-03-10T12:30:00.", "2024-03-10T12:30:00.1234567890Z"),
    *("2024-03-10T24:00:00", "2024-03-10T23:59:60", "2024-02-30", "2023-02-29T00:00:00Z", "0000-01-01"),
    *(
        "2024-03-10T12:30:00+15:00",
        "2024-03-10T12:30:00+05:60",
        "2024-03-10T12:30:00+5:30",
        "2024-3-10",
        "20240310T1230Z",
    ),
    *("2024-070", "2024-W10-7", "2024-03-10Z", "2024-03-10 +05:30", "२०२४-03-10", "2024-03-10T12:30:00+05:30:10"),
    *("-1710073800", "+1710073800", "1,710,073,800", "1.71e9", "1710073800.", "0x65", "1710073800s", "45361.5"),
    *("12/1/2010 8:26", "Mar 10, 2024", "now", "T", "2024", "12345678901234567890"),
]


@pytest.mark.parametrize("text", NEARLY)
def test_what_is_nearly_a_time_is_none(text: str) -> None:
    assert isinstance(parse_time(text, timezone=UTC, now=NOW), Rejection)


digits = st.integers(0, 9).map(str)
zones = st.sampled_from(["Z", "UTC", "GMT"]).map(lambda name: (name, timedelta(0))) | st.builds(
    lambda sign, hours, minutes, style: (
        sign + style.format(f"{hours:02}", f"{minutes:02}"),
        (1 if sign == "+" else -1) * timedelta(hours=hours, minutes=minutes if "{1}" in style else 0),
    ),
    st.sampled_from("+-"),
    st.integers(0, 14),
    st.integers(0, 59),
    st.sampled_from(["{0}:{1}", "{0}{1}", "{0}"]),
)


@settings(max_examples=500)
@given(
    moment=st.datetimes(min_value=datetime(1990, 1, 3), max_value=datetime(2026, 11, 22)),  # noqa: DTZ001
    separator=st.sampled_from("T "),
    fraction=st.none() | st.tuples(st.sampled_from(".,"), st.lists(digits, min_size=1, max_size=9).map("".join)),
    zone=st.none() | zones,
    blank=st.sampled_from(["", " "]),
)
def test_whatever_the_grammar_makes_is_read_as_the_time_that_it_says(
    moment: datetime, separator: str, fraction: tuple[str, str] | None, zone: tuple[str, timedelta] | None, blank: str
) -> None:
    text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S") + ("".join(fraction) if fraction else "")
    expected = moment.replace(microsecond=int(fraction[1].ljust(9, "0")[:6]) if fraction else 0, tzinfo=KOLKATA)
    if zone is not None:
        text += blank + zone[0]
        expected = expected.replace(tzinfo=timezone(zone[1]))
    assert parse_time(text, timezone=KOLKATA, now=NOW) == expected.astimezone(UTC)


GRAMMAR = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|UTC|GMT|[+-](0\d|1[0-4])(:?[0-5]\d)?))?)?"
    r"|\d{1,19}(\.\d+)?",
    re.ASCII,
)
"""The module's grammar once more; its own pattern must not drift from it."""

pieces = st.sampled_from(
    [
        *"0123456789 TZ:-+.,x",
        "2024",
        "-03",
        "-10",
        "T12",
        " 12",
        ":30",
        ":00",
        ".123",
        " UTC",
        " +0530",
        "+05:30",
        "IST",
    ]
)
mutated = st.builds(
    lambda text, at, piece, cut: text[: at % len(text)] + piece + text[at % len(text) + cut :],
    st.sampled_from([text for text in NEARLY if text] + ["2024-03-10T12:30:00.123Z", "2024-03-10 12:30:00 +0530"]),
    st.integers(0, 40),
    pieces,
    st.integers(0, 3),
)


@settings(max_examples=800)
@given(text=mutated | st.lists(pieces, max_size=8).map("".join) | st.from_regex(GRAMMAR, fullmatch=True))
def test_nothing_but_what_the_grammar_makes_is_read(text: str) -> None:
    if isinstance(parse_time(text, timezone=UTC, now=NOW), datetime):
        assert GRAMMAR.fullmatch(text.strip())


@given(
    micros=st.integers(int(EARLIEST.timestamp()) * 10**6, int(NOW.timestamp()) * 10**6),
    unit=st.sampled_from(list(UNITS.items())),
)
def test_the_unit_of_an_epoch_is_told_by_its_range(micros: int, unit: tuple[Any, Any]) -> None:
    count = micros / unit[1]
    whole = int(count)
    expected = EARLIEST.fromtimestamp(0, UTC) + timedelta(microseconds=int(whole * unit[1]))
    if expected < EARLIEST:
        return
    for value in (whole, str(whole), Decimal(whole)):
        assert parse_time(value, timezone=UTC, now=NOW) == expected
        assert read_epoch(Decimal(whole), unit[0]) == expected


def test_no_number_is_a_time_in_two_units() -> None:
    first, last = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (1990, 2100))
    assert first * 1000 > last


@given(st.datetimes(min_value=datetime(1990, 1, 2), max_value=datetime(2026, 11, 23), timezones=st.timezones()))  # noqa: DTZ001
def test_the_text_names_the_same_moment_to_the_millisecond(moment: datetime) -> None:
    parsed = parse_time(moment, timezone=UTC, now=NOW)
    assert isinstance(parsed, datetime)
    back = datetime.fromisoformat(to_bik_text(parsed))
    assert timedelta(0) <= moment.astimezone(UTC) - back < timedelta(milliseconds=1)


@settings(max_examples=500)
@given(
    text=st.datetimes(timezones=st.just(UTC)).map(to_bik_text)
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{3}Z?", fullmatch=True)
    | st.sampled_from(["2024-02-30T00:00:00.000Z", "2024-01-01T24:00:00.000Z", "2024-W01-1T00:00:00.000Z"])
)
def test_what_stands_in_biks_own_form_is_read_and_written_as_that_very_text(text: str) -> None:
    timestamp = bik_time(text)
    assert timestamp is None or (to_bik_text(timestamp) == text and timestamp == read_time(text))
    if timestamp is None and (read := read_time(text)) is not None:
        assert read.tzinfo is None or to_bik_text(read) != text


@pytest.mark.parametrize("text", ["2026-01-05T10:00:00z", "2026-01-05 10:00:00 PM", "2026-01-05 10:00 am"])
def test_letters_that_are_no_zone_are_not_called_one(text: str) -> None:
    outcome = parse_time(text, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)
    assert "names a time zone" not in outcome.detail


@pytest.mark.parametrize("given_", [46027, 46027.5, "46027", "46027.5", Decimal(46027)])
def test_the_serial_date_of_a_spreadsheet_is_rejected_by_its_name(given_: object) -> None:
    outcome = parse_time(given_, timezone=UTC, now=NOW)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.CREATED_AT_RANGE
    assert "serial date of a spreadsheet" in outcome.detail
