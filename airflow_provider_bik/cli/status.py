"""``status``: which days of each stream are delivered, from the records below a state path."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from airflow_provider_bik.cli.screen import show_table
from airflow_provider_bik.errors import BikError
from airflow_provider_bik.state.overview import DayState, Overview, Run, WindowCounts, overview_of
from airflow_provider_bik.windows import Window, zone_named

__all__ = ["describe"]

MOST_ROWS = 50
"""Rows of a table of one stream; ``--json`` has all of them."""


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.description = (
        "Say for each stream which days are delivered, which are missing, and which are in two deliveries. It reads "
        "the records below the state path, and neither sends nor changes anything."
    )
    parser.epilog = "Exit code: 0 if nothing is missing, open or in two deliveries, 1 if something is, 2 on an error."
    parser.set_defaults(run=_run, parser=parser)
    option = parser.add_argument
    option("--state-path", metavar="PATH", help="where the records are (default: Airflow's option [bik] state_path)")
    option("--stream", metavar="NAME", help="one stream, with its days")
    option("--timezone", metavar="ZONE", help="in which days are told (default: that of the windows' names)")
    option("--json", action="store_true", help="all of it, for a program")


def _run(given: argparse.Namespace) -> int:
    try:
        overviews = _overviews(given.state_path, given.timezone and zone_named(given.timezone))
    except BikError as error:
        given.parser.error(error.message)
    if not overviews:
        given.parser.error("There is no record of a stream below this state path.")
    if given.stream is not None:
        overviews = [each for each in overviews if each.name == given.stream]
        if not overviews:
            given.parser.error("There is no such stream; without --stream all are listed.")
    if given.json:
        print(json.dumps([_as_json(each) for each in overviews], indent=2))  # noqa: T201 - for the terminal
    elif given.stream is not None:
        _show_stream(overviews[0])
    else:
        _show_all(overviews)
    return 0 if all(each.is_whole for each in overviews) else 1


def _overviews(path: str | None, zone: tzinfo | None) -> list[Overview]:
    # It imports Airflow, which --help can do without.
    from airflow.providers.common.compat.sdk import conf  # noqa: PLC0415 - as above

    from airflow_provider_bik.errors import BikConfigError  # noqa: PLC0415 - as above
    from airflow_provider_bik.state.storage import Folder  # noqa: PLC0415 - as above
    from airflow_provider_bik.state.stream_records import read_streams  # noqa: PLC0415 - as above

    path = path or conf.get("bik", "state_path", fallback=None)
    if not path:
        message = "Give --state-path, or set Airflow's option [bik] state_path."
        raise BikConfigError(message)
    return [overview_of(each) for each in read_streams(Folder(path), zone=zone)]


def _show_all(overviews: Sequence[Overview]) -> None:
    columns = ("stream", "from", "to", "days", "gaps", "overlaps", "open", *_COUNTED)
    rows = [
        (
            each.name,
            *_bounds(each),
            len(each.days),
            len(each.gaps),
            len(each.overlaps),
            len(each.open),
            *_counted(each.counts),
        )
        for each in overviews
    ]
    show_table("Streams", columns, rows)


def _show_stream(overview: Overview) -> None:
    _show_all([overview])
    zone = overview.zone
    for title, windows in (("No delivery holds", overview.gaps), ("Two deliveries hold", overview.overlaps)):
        show_table(title, ("from", "to"), _cut([_times(each, zone) for each in windows], title))
    rows = [(_what(each, zone), each.by or "nobody knows", each.problem) for each in overview.open]
    show_table("Begun and not ended", ("window", "by", "note"), _cut(rows, "Begun and not ended"))
    days = [(each.date, each.state.value, *_counted(each.counts)) for each in overview.days]
    show_table("Days, the latest last", ("day", "state", *_COUNTED), days[-MOST_ROWS:])


_COUNTED = ("confirmed", "rejected", "possible duplicates")


def _counted(counts: WindowCounts) -> tuple[int, int, int]:
    return counts.confirmed, counts.rejected, counts.possible_duplicates


def _cut(rows: Sequence[tuple[object, ...]], what: str) -> list[tuple[object, ...]]:
    if len(rows) > MOST_ROWS:
        print(f"{what}: the first {MOST_ROWS} of {len(rows)}; --json has all.")  # noqa: T201 - for the terminal
    return list(rows[:MOST_ROWS])


def _bounds(overview: Overview) -> tuple[str, str]:
    return (str(overview.days[0].date), str(overview.days[-1].date)) if overview.days else ("", "")


def _times(window: Window, zone: tzinfo) -> tuple[str, str]:
    start, _, end = window.text(zone).partition("/")
    return start, end


def _what(run: Run, zone: tzinfo) -> str:
    return "no window" if run.window is None else run.window.text(zone)


def _as_json(overview: Overview) -> dict[str, object]:
    zone = overview.zone
    return {
        "stream": overview.name,
        "whole": overview.is_whole,
        "gaps": [each.text(zone) for each in overview.gaps],
        "overlaps": [each.text(zone) for each in overview.overlaps],
        "open": [
            {"window": None if each.window is None else each.window.text(zone), "by": each.by, "note": each.problem}
            for each in overview.open
        ],
        "counts": _counts_json(overview.counts),
        "days": list(_days_json(overview)),
    }


def _days_json(overview: Overview) -> Iterator[dict[str, object]]:
    for day in overview.days:
        state: DayState = day.state
        yield {"day": str(day.date), "state": state.value, **_counts_json(day.counts)}


def _counts_json(counts: WindowCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in WindowCounts.__slots__}
