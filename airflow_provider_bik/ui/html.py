"""Makes HTML of what the pages say; everything that is put in is escaped."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_provider_bik.ui.calendar import SIGNS, counted, day_text, months_of

__all__ = ["render"]

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: File name of the template.
        values: What it shows.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        counted=counted,
        compact=_compact,
        duration=_duration,
        rate=_rate,
        time=_time,
        iso=lambda value: value if isinstance(value, str) else value.isoformat(),
        zone_name=_zone_name,
        day_text=day_text,
    )
    environment.globals.update(signs=SIGNS, months_of=months_of)
    return environment


def _compact(count: int) -> str:
    """At most four characters."""
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= limit:
            value = count / limit
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"  # noqa: PLR2004 - one more digit
    return str(count)


def _rate(value: float) -> str:
    """At least one digit that is not 0, so that what is slow does not look as if it stood still."""
    if value >= 10:  # noqa: PLR2004 - one more digit
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 or not value else f"{value:.2g}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _time(value: datetime | str, zone: tzinfo = UTC, *, day: bool = True) -> str:
    """A time as people in that zone know it; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    local = moment.astimezone(zone)
    form = "%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M"
    return f"{local:{form if day else form[9:]}}"


def _zone_name(zone: tzinfo) -> str:
    return str(getattr(zone, "key", None) or getattr(zone, "name", None) or zone)
