"""Windows: which stretch of time a delivery sends. Half-open, so that neighbours neither overlap nor leave a gap.

Pure: whatever Airflow knows of a run comes in as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Self

import pendulum

from airflow_provider_bik.errors import BikConfigError

__all__ = ["DATA_INTERVAL", "Window", "cut", "zone_named"]

DATA_INTERVAL = "{{ data_interval_start | default('none') }}/{{ data_interval_end | default('none') }}"
"""A template for ``window=``: the data interval of the run. Give the DAG a timetable whose intervals have a length,
such as ``CronDataIntervalTimetable("@daily", timezone=…)``; Airflow 3 gives a plain cron schedule none: an error."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From ``start`` on, up to and without ``end``.

    Args:
        start: Aware.
        end: Aware, later than ``start``.

    Raises:
        BikConfigError: One has no time zone, or the window has no length.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            message = (
                f"The window {self.start}/{self.end} has no time zone, so nobody can tell which moments it means. Give "
                "ISO 8601 times with their zone. Nothing was sent."
            )
            raise BikConfigError(message)
        for name in ("start", "end"):
            # In UTC: Python compares two times of one zone by what their clocks show.
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))
        if self.start.microsecond % 1000 or self.end.microsecond % 1000:
            message = (
                f"The window {self.start.isoformat()}/{self.end.isoformat()} does not begin and end with a whole "
                "millisecond. If it is the data interval of a run by hand, give that run a logical date of whole "
                "seconds. Nothing was sent; a retry cannot help."
            )
            raise BikConfigError(message)
        if self.start >= self.end:
            message = (
                f"The window {self.start.isoformat()}/{self.end.isoformat()} has no length. If it is the data interval "
                "of the run: a cron expression or a timedelta alone gives Airflow 3 intervals without length. Set "
                "schedule=CronDataIntervalTimetable(…, timezone=…) or DeltaDataIntervalTimetable(…), or give window= a "
                "start and an end. Nothing was sent; a retry cannot help before."
            )
            raise BikConfigError(message)

    @classmethod
    def of(cls, value: object) -> Self:
        """Read a window.

        Args:
            value: ISO 8601 text ``start/end`` with time zones, a mapping with the keys ``start`` and ``end``, or a
                window.

        Raises:
            BikConfigError: It is none of these, or has no length.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and value.keys() == {"start", "end"}:
            parts = [str(value["start"]), str(value["end"])]
        else:
            parts = str(value).split("/") if isinstance(value, str) else []
        try:
            start, end = (datetime.fromisoformat(part.strip()) for part in parts)
        except ValueError:
            message = (
                "window is not of the form start/end with two ISO 8601 times. If it is a template of the data "
                "interval: a run without a logical date (by an asset, or by hand) has none. Trigger it with a logical "
                "date, or give window= a start and an end. Nothing was sent; a retry cannot help."
            )
            raise BikConfigError(message) from None
        return cls(start, end)

    def overlaps(self, other: Window) -> bool:
        """Whether any moment is in both."""
        return self.start < other.end and other.start < self.end

    def without(self, covered: Iterable[Window]) -> list[Window]:
        """What is left of it, in order, once others are taken away."""
        rest, reached = [], self.start
        for other in sorted(each for each in covered if each.overlaps(self)):
            if other.start > reached:
                rest.append(Window(reached, other.start))
            reached = max(reached, other.end)
        if reached < self.end:
            rest.append(Window(reached, self.end))
        return rest

    def text(self, zone: tzinfo = UTC) -> str:
        """ISO 8601 ``start/end``, as `of` reads it, in a zone."""
        return f"{self.start.astimezone(zone).isoformat()}/{self.end.astimezone(zone).isoformat()}"

    @property
    def parameters(self) -> dict[str, str]:
        """The bounds for a query: ISO 8601 in UTC, of one fixed form, so that they compare rightly as text too."""
        return {
            "start": self.start.isoformat(timespec="milliseconds"),
            "end": self.end.isoformat(timespec="milliseconds"),
        }


def cut(first: date, end: date, *, days: int = 1, timezone: str | tzinfo = "UTC") -> list[str]:
    """Cut a range of calendar days into windows, oldest first.

    Args:
        first: The first calendar day.
        end: The first calendar day that is left out.
        days: Calendar days in a window, which have 23 or 25 hours where the clocks change; the last window may have
            fewer.
        timezone: Whose calendar days are meant, such as ``Asia/Kolkata``.

    Returns:
        Windows as text ``start/end``, ready for XCom and for ``window=``.

    Raises:
        BikConfigError: There is no day between the two, no such time zone, or a window would have no day.
    """
    if first >= end:
        message = f"The first day ({first}) must be before the end ({end}), which is the first day that is not sent."
        raise BikConfigError(message)
    if days < 1:
        message = f"A window needs at least one day, not {days}."
        raise BikConfigError(message)
    zone = zone_named(timezone)
    firsts = [first + timedelta(days=number) for number in range(0, (end - first).days, days)]
    # With a fold of 0 this is the first moment of a calendar day, also where the clock skips or repeats midnight.
    bounds = [datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC) for day in (*firsts, end)]
    # A calendar may lack a day: the Pacific/Apia of 2011 has no 30 December.
    return [Window(start, stop).text(zone) for start, stop in pairwise(bounds) if start < stop]


def zone_named(timezone: str | tzinfo) -> tzinfo:
    """A time zone by its name in the time zone database, or as it is.

    Raises:
        BikConfigError: There is no such zone.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return pendulum.timezone(timezone)
    except (LookupError, ValueError):
        message = f"{timezone!r} is not a name of the time zone database, such as 'Asia/Kolkata'. Nothing was sent."
        raise BikConfigError(message) from None
