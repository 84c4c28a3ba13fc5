"""Times in, times out: whatever a warehouse calls a time becomes an aware datetime, and one text form goes to BIK."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["CLOCK_SKEW", "EARLIEST", "parse_time", "to_bik_text"]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No online shop has older events, and an epoch in the wrong unit lands before this or far in the future."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far an event may lie in the future: the clocks of two machines differ."""

_FIRST_MILLISECOND_EPOCH = 1e11
"""Below, a number is epoch seconds (until the year 5138); from here on, milliseconds (since 1973)."""


_BETWEEN_DATE_AND_TIME = frozenset({"--T", "-- ", "--"})
"""What stands behind year, month and day. `datetime.fromisoformat` also takes week dates and bare digits, which are
more often something else, and any character before the time."""


def to_bik_text(moment: datetime) -> str:
    """Write an aware time as BIK's documentation shows it: ISO 8601 in UTC, with milliseconds and ``Z``."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    if type(utc) is not datetime:
        return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    # Ten times faster than isoformat; the fraction has six digits, or is missing if it is zero.
    text: str = msgspec.to_builtins(utc)
    return text[:-4] + "Z" if utc.microsecond else text[:-1] + ".000Z"


def parse_time(value: object, *, timezone: tzinfo, now: datetime) -> datetime | Rejection:
    """Read the ``createdAt`` of one event.

    Args:
        value: ISO 8601 text, an aware or naive datetime, a date (its midnight), or epoch seconds or milliseconds.
        timezone: What a value without a zone is in.
        now: The aware time at which the run began, against which the future is told.

    Returns:
        An aware time, or a rejection that names what is wrong without the value.
    """
    moment = _read_text(value.strip()) if type(value) is str else _read(value)
    if moment is None:
        return Rejection(reason=Reason.CREATED_AT_INVALID, detail=f"createdAt of type {type(value).__name__}")
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None or moment.utcoffset() is None:
            moment = moment.replace(tzinfo=timezone)
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt has no UTC form")
    if moment < EARLIEST:
        return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt is before 1990")
    if moment > now and moment - now > CLOCK_SKEW:
        return Rejection(reason=Reason.CREATED_AT_RANGE, detail="createdAt is in the future")
    return moment


def _read(value: object) -> datetime | None:
    match value:
        case str():
            return _read_text(value.strip())
        case datetime():
            return value
        case date():
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the caller adds the user's zone
        case bool():
            return None
        case int() | float():
            return _read_epoch(value)
        case _:
            return None


def _read_text(text: str) -> datetime | None:
    if text[4:11:3] not in _BETWEEN_DATE_AND_TIME:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _read_epoch(number: float) -> datetime | None:
    try:
        if not math.isfinite(number):
            return None
        seconds = number / 1000 if abs(number) >= _FIRST_MILLISECOND_EPOCH else number
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
