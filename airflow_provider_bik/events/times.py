r"""Times in, times out: whatever a warehouse calls a time becomes an aware datetime, and one text form goes to BIK.

The texts that are read, blanks around them aside, are these and no others, whatever the version of Python::

    time      = date [ ("T" / " ") clock [ [ " " ] zone ] ]
    date      = YYYY "-" MM "-" DD                              ; a date alone is its midnight
    clock     = hh ":" mm [ ":" ss [ ("." / ",") 1*9DIGIT ] ]   ; beyond microseconds, digits are cut off
    zone      = "Z" / "UTC" / "GMT" / ("+" / "-") HH [ [ ":" ] mm ]
    epoch     = 1*19DIGIT [ "." 1*DIGIT ]

A field must be on the calendar and the clock (00:00:00 to 23:59:59); HH is 00 to 14. Names of zones other than UTC and
GMT are not read: ``IST`` is India's, Ireland's and Israel's.

An epoch, as text or as a number, is read in the one unit of seconds, milliseconds, microseconds and nanoseconds in
which it lies between 1990 and 2100. These ranges do not overlap; a number in none of them is no time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "CLOCK_SKEW",
    "EARLIEST",
    "UNITS",
    "Unit",
    "bik_time",
    "biks_times",
    "check_time",
    "in_range",
    "localized",
    "ordinary_times",
    "parse_time",
    "read_epoch",
    "read_time",
    "to_bik_text",
    "to_bik_texts",
]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No online shop has older events, and an epoch in the wrong unit lands before this or far in the future."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far an event may lie in the future: the clocks of two machines differ."""

Unit = Literal["s", "ms", "us", "ns"]

UNITS: dict[Unit, Fraction] = {
    "s": Fraction(1_000_000),
    "ms": Fraction(1000),
    "us": Fraction(1),
    "ns": Fraction(1, 1000),
}
"""The units of an epoch, in microseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCHS = range(int(EARLIEST.timestamp()) * 1_000_000, int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000)
"""Microseconds between which the unit of an epoch can be told."""

_FIRST_SERIAL_DATE, _LAST_SERIAL_DATE = 32_874, 73_051
"""1990-01-01 and 2100-01-01, as spreadsheets count the days."""

_LARGEST_EPOCH = 10**20
_LONGEST_FRACTION = 100

_SURE = frozenset({ZoneInfo, timezone})
"""Zones that always have an offset; another class may say that it has none."""

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOURS, _MINUTES = "0[0-9]|1[0-4]", "[0-5][0-9]"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?"
_OFFSET = rf"(?:Z|[+-](?:{_HOURS}):{_MINUTES})"
_ORDINARY = re.compile(rf"{_DATE}(?:{_CLOCK}{_OFFSET}?)?")
"""The part of the grammar that every `datetime.fromisoformat` reads in the same way."""

_BIKS = rf"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{3}}Z"
_is_biks = re.compile(_BIKS).fullmatch
_biks_lines = re.compile(rf"(?:{_BIKS}\n)*+")
_ordinary_lines = re.compile(rf"(?:{_DATE}{_CLOCK}{_OFFSET}\n)*+")
_zone_of = attrgetter("tzinfo")
_NO_OFFSET = timedelta(0)
_LENGTH_OF_SECONDS = len("2024-03-05T06:07:08Z")

_TIME = re.compile(
    rf"(?P<day>{_DATE})"
    r"(?:[T ](?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,](?P<fraction>[0-9]{1,9}))?)?)"
    rf"(?: ?(?:(?P<utc>Z|UTC|GMT)|(?P<hours>[+-](?:{_HOURS}))(?::?(?P<minutes>{_MINUTES}))?))?)?"
)
_ZONE_NAME = re.compile(rf"{_DATE}[T ][0-9:.,]+ ?\[?(?!(?:z|am|pm)\b)[a-z][a-z_/+-]*[0-9]*\]?", re.IGNORECASE)
_EPOCH_TEXT = re.compile(r"[0-9]{1,19}(?:\.[0-9]+)?")


def to_bik_text(timestamp: datetime) -> str:
    """Write an aware time as BIK's documentation shows it: ISO 8601 in UTC, with milliseconds and ``Z``."""
    utc = timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)
    if type(utc) is not datetime:
        return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    # Ten times faster than isoformat; the fraction has six digits, or is missing if it is zero.
    text: str = msgspec.to_builtins(utc)
    return text[:-4] + "Z" if utc.microsecond else text[:-1] + ".000Z"


def bik_time(text: str) -> datetime | None:
    """Read a time in the form that `to_bik_text` writes, and in no other: it gives that very text."""
    try:
        return datetime.fromisoformat(text) if _is_biks(text) else None
    except ValueError:  # such as the 30th of February
        return None


def to_bik_texts(timestamps: Sequence[datetime]) -> list[str] | None:
    """What `to_bik_text` gives for each; None if one of them has to be written by itself.

    Args:
        timestamps: All of the class `datetime` itself.
    """
    if not set(map(type, map(_zone_of, timestamps))) <= _SURE:
        return None
    # A zone that changes its offset gives none for no time.
    if not all(zone.utcoffset(None) == _NO_OFFSET for zone in set(map(_zone_of, timestamps))):
        try:
            timestamps = [timestamp.astimezone(UTC) for timestamp in timestamps]
        except OverflowError:
            return None
    texts: list[str] = msgspec.to_builtins(timestamps)
    return [text[:-4] + "Z" if len(text) > _LENGTH_OF_SECONDS else text[:-1] + ".000Z" for text in texts]


def biks_times(texts: Sequence[str]) -> list[datetime] | None:
    """What `bik_time` gives for each; None if one of them is in another form."""
    return _all_times(_biks_lines, texts)


def ordinary_times(texts: Sequence[str]) -> list[datetime] | None:
    """What `read_time` gives for each; None if one is in another form than the most usual with a zone."""
    return _all_times(_ordinary_lines, texts)


def _all_times(lines: re.Pattern[str], texts: Sequence[str]) -> list[datetime] | None:
    text = "\n".join([*texts, ""])
    # A line end within a text would make two of one.
    if text.count("\n") != len(texts) or not lines.fullmatch(text):
        return None
    try:
        return list(map(datetime.fromisoformat, texts))
    except ValueError:  # such as the 30th of February
        return None


def parse_time(value: object, *, timezone: tzinfo, now: datetime) -> datetime | Rejection:
    """Read the ``createdAt`` of one event.

    Args:
        value: Text or an epoch as above, an aware or naive datetime, or a date (its midnight).
        timezone: What a value without a zone is in.
        now: The aware time at which the run began, against which the future is told.

    Returns:
        An aware time, or a rejection that names what is wrong without the value.
    """
    return check_time(read_time(value), value, timezone=timezone, now=now)


def check_time(timestamp: datetime | None, value: object, *, timezone: tzinfo, now: datetime) -> datetime | Rejection:
    """Check what `read_time` has made of a ``createdAt``; the arguments and the outcome are those of `parse_time`."""
    if timestamp is None:
        return _rejected(value)
    if timestamp.tzinfo is not UTC:
        try:
            timestamp = localized(timestamp, timezone).astimezone(UTC)
        except OverflowError:
            return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt has no UTC form")
    return in_range(timestamp, now)


def in_range(timestamp: datetime, now: datetime) -> datetime | Rejection:
    """The time itself, an aware one, if an event can have happened then; else a rejection."""
    if timestamp < EARLIEST:
        return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt is before 1990")
    if timestamp > now and timestamp - now > CLOCK_SKEW:
        return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt is in the future")
    return timestamp


def _rejected(value: object) -> Rejection:
    if isinstance(value, str):
        text = value.strip()
        if _EPOCH_TEXT.fullmatch(text):
            return _no_unit(Decimal(text))
        if _ZONE_NAME.fullmatch(text):
            detail = (
                "createdAt names a time zone; only UTC, GMT, Z and offsets such as +05:30 are read. Leave the name out "
                "and give the zone as timezone"
            )
            return Rejection(reason=Reason.CREATED_AT_INVALID, detail=detail)
        detail = "createdAt is text that is neither ISO 8601 nor an epoch"
        return Rejection(reason=Reason.CREATED_AT_INVALID, detail=detail)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _no_unit(value)
    return Rejection(reason=Reason.CREATED_AT_INVALID, detail=f"createdAt of type {type(value).__name__}")


def _no_unit(number: float | Decimal) -> Rejection:
    detail = "createdAt is a number that is no time from 1990 on in seconds, milliseconds, microseconds or nanoseconds"
    if _FIRST_SERIAL_DATE <= number < _LAST_SERIAL_DATE:
        detail += ". It may be the serial date of a spreadsheet: write it as text, such as 2026-01-05"
    return Rejection(reason=Reason.CREATED_AT_RANGE, detail=detail)


def localized(timestamp: datetime, timezone: tzinfo) -> datetime:
    """The time with a zone: its own, or else this one."""
    if type(timestamp.tzinfo) in _SURE:
        return timestamp
    return timestamp if timestamp.utcoffset() is not None else timestamp.replace(tzinfo=timezone)


def read_time(value: object) -> datetime | None:
    """Read a time in any form that needs no more to be said about it; None if it is in none of these.

    Args:
        value: Text or an epoch as above, a datetime or a date.

    Returns:
        A time, aware if the value says its zone.
    """
    if type(value) is str:  # most are, and a match statement is slow
        return _read_text(value.strip())
    match value:
        case str():
            return _read_text(value.strip())
        case datetime():
            return value
        case date():
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the caller adds the user's zone
        case int() | float() | Decimal() if not isinstance(value, bool):
            return read_epoch(value)
        case _:
            return None


def _read_text(text: str) -> datetime | None:
    try:
        if _ORDINARY.fullmatch(text):
            return datetime.fromisoformat(text)
        if _EPOCH_TEXT.fullmatch(text):
            return read_epoch(Decimal(text))
        found = _TIME.fullmatch(text)
        return None if found is None else _built(found)
    except ValueError:  # such as the 30th of February
        return None


def _built(found: re.Match[str]) -> datetime:
    day, clock, fraction = found["day"], found["clock"], found["fraction"]
    if fraction is not None:
        clock = f"{clock[: -len(fraction) - 1]}.{fraction[:6].ljust(6, '0')}"
    timestamp = datetime.fromisoformat(day if clock is None else f"{day}T{clock}")
    if found["utc"] is not None:
        return timestamp.replace(tzinfo=UTC)
    if found["hours"] is None:
        return timestamp
    return datetime.fromisoformat(f"{timestamp.isoformat()}{found['hours']}:{found['minutes'] or '00'}")


def read_epoch(number: float | Decimal, unit: Unit | None = None) -> datetime | None:
    """Read a time that is counted from 1970 on.

    Args:
        number: Any.
        unit: What is counted; None to tell it by the range.

    Returns:
        An aware time; None if it is not on the calendar, or in no unit's range.
    """
    # As text, a float has the digits that were meant; 1709618828.123 is a little less.
    decimal = Decimal(str(number)) if isinstance(number, float) else Decimal(number)
    # Compared before conversion: Fraction(Decimal("1e999999")) would take minutes.
    if not decimal.is_finite() or abs(decimal) >= _LARGEST_EPOCH or decimal.adjusted() < -_LONGEST_FRACTION:
        return None
    exact = Fraction(decimal)
    for scale in UNITS.values() if unit is None else (UNITS[unit],):
        microseconds = int(exact * scale // 1)
        if unit is not None or microseconds in _EPOCHS:
            try:
                return _EPOCH + timedelta(microseconds=microseconds)
            except OverflowError:
                return None
    return None
