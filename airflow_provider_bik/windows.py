"""Which stretch of time a run has to send: whole calendar days, half-open, without gaps or overlaps.

Pure: whatever Airflow knows of a run comes in as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_bik.errors import BikConfigError

__all__ = ["Window", "day_of_run", "day_window", "days", "first_day", "split"]

_ONE_DAY = timedelta(days=1)


class Window(TypedDict):
    """Half-open: from ``start`` on, up to and without ``end``.

    Both are ISO 8601 in UTC, of one fixed form: it passes through XCom, binds to a query's parameters as it is, and
    compares rightly as text too, which is all that SQLite can do.
    """

    start: str
    end: str


def days(first: date, end: date, *, timezone: str) -> Window:
    """The calendar days from ``first`` up to and without ``end``, which have 23 or 25 hours where the clocks change.

    Raises:
        BikConfigError: There is no such time zone.
    """
    return {"start": _midnight(first, timezone), "end": _midnight(end, timezone)}


def first_day(window: Window, *, timezone: str) -> date:
    """The calendar day with which a window begins."""
    return datetime.fromisoformat(window["start"]).astimezone(_zone(timezone)).date()


def day_window(
    data_interval_start: datetime | None,
    data_interval_end: datetime | None,
    *,
    timezone: str,
    run_after: datetime | None = None,
) -> Window:
    """Tell which calendar day a daily run has to send: the last one that was over at the end of its data interval.

    Airflow 3 makes ``@daily`` an interval of no length, [D, D]; Airflow 2, and ``CronDataIntervalTimetable``, make it
    [D, D+1]. In both, the day to send is over at the end.

    Args:
        data_interval_start: As Airflow gives it, aware; None in a run that has no logical date.
        data_interval_end: As Airflow gives it, aware.
        timezone: Whose calendar days are meant, such as ``Asia/Kolkata``.
        run_after: Stands in for the interval of a run without a logical date.

    Raises:
        BikConfigError: The interval is not one day, so that days would be sent twice or left out; or no time is given.
    """
    end = data_interval_end or run_after
    if end is None:
        message = "The run has neither a data interval nor run_after, so its day is unknown. Give it a logical date."
        raise BikConfigError(message)
    start = data_interval_start or end
    zone = _zone(timezone)
    last = end.astimezone(zone).date()
    if start != end and last - start.astimezone(zone).date() != _ONE_DAY:
        message = (
            f"The data interval {start.isoformat()} to {end.isoformat()} is not one day in {timezone}. "
            "Schedule the DAG once a day, and set its start_date in the same time zone."
        )
        raise BikConfigError(message)
    return days(last - _ONE_DAY, last, timezone=timezone)


def day_of_run(context: Mapping[str, Any], *, timezone: str) -> Window:
    """`day_window` of the run that a task is in.

    Args:
        context: Airflow's, as ``get_current_context()`` gives it.
        timezone: Whose calendar days are meant.

    Raises:
        BikConfigError: As `day_window`.
    """
    return day_window(
        context.get("data_interval_start"),
        context.get("data_interval_end"),
        timezone=timezone,
        run_after=getattr(context.get("dag_run"), "run_after", None),
    )


def split(first: date, end: date, *, size: int, timezone: str) -> list[Window]:
    """Cut the days from ``first`` up to and without ``end`` into windows, oldest first.

    Args:
        first: The first calendar day.
        end: The first calendar day that is left out.
        size: Days in a window; the last one may have fewer.
        timezone: Whose calendar days are meant.

    Raises:
        BikConfigError: There is no day between the two, or a window would have none.
    """
    if first >= end:
        message = f"The first day ({first}) must be before the end ({end}), which is the first day that is not sent."
        raise BikConfigError(message)
    if size < 1:
        message = f"A window needs at least one day, not {size}."
        raise BikConfigError(message)
    step = timedelta(days=size)
    starts = [first + number * step for number in range(-((first - end) // step))]
    return [days(start, min(start + step, end), timezone=timezone) for start in starts]


def _midnight(day: date, timezone: str) -> str:
    """The first moment of a calendar day, also where a clock change skips or repeats midnight."""
    moment = datetime.combine(day, time.min, tzinfo=_zone(timezone)).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"{timezone!r} is not a name of the time zone database, such as 'Asia/Kolkata'."
        raise BikConfigError(message) from None
