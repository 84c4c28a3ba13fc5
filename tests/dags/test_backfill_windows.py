from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from bik_historical_backfill import add_up, backfill, split, table
from bik_shop import FIRST_DAY, midnight, window
from hypothesis import given, settings
from hypothesis import strategies as st


def report(read: int, confirmed: int, rejected: int, **more: object) -> dict[str, object]:
    counts = {"read": read, "confirmed": confirmed, "rejected": rejected, "unresolved": 0}
    return {**counts, "pipelines": {"migration": confirmed}, "reasons": {"phone_invalid": rejected}, **more}


@settings(deadline=None)
@given(
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "Africa/Cairo", "America/Havana"]),
    first=st.dates(date(2005, 1, 1), date(2035, 1, 1)),
    length=st.integers(1, 800),
    days=st.integers(1, 90),
)
def test_windows_tile_the_range_oldest_first(zone: str, first: date, length: int, days: int) -> None:
    end = first + timedelta(days=length)
    windows = split(first, end, days, zone)
    assert windows[0]["start"] == window(first, end, zone)["start"]
    assert windows[-1]["end"] == window(first, end, zone)["end"]
    assert all(each["start"] < each["end"] for each in windows)
    assert all(left["end"] == right["start"] for left, right in pairwise(windows))
    assert len(windows) == -(-length // days)


@pytest.mark.parametrize(
    ("first", "end", "days"),
    [("2026-01-02", "2026-01-02", 1), ("2026-01-02", "2026-01-01", 1), ("2026-01-01", "2026-01-02", 0)],
)
def test_a_range_that_holds_nothing_fails_clearly(first: str, end: str, days: int) -> None:
    with pytest.raises(AirflowFailException):
        split(date.fromisoformat(first), date.fromisoformat(end), days)


def test_the_form_ends_where_the_daily_dag_begins() -> None:
    assert backfill.params["to"] == FIRST_DAY.isoformat()
    last = split(date.fromisoformat(backfill.params["from"]), date.fromisoformat(backfill.params["to"]), 7)[-1]
    assert last["end"] == midnight(FIRST_DAY).isoformat(timespec="milliseconds")


def test_the_form_sends_nothing_unless_asked() -> None:
    assert backfill.params["dry_run"] is True


def test_reports_are_added_up() -> None:
    totals = add_up([report(10, 9, 1), report(5, 5, 0)])
    assert (totals["read"], totals["confirmed"], totals["rejected"]) == (15, 14, 1)
    assert totals["pipelines"] == {"migration": 14}
    assert totals["reasons"] == {"phone_invalid": 1}


def test_a_dry_run_counts_what_could_be_sent() -> None:
    assert add_up([report(10, 0, 1, deliverable=9)])["deliverable"] == 9


def test_an_event_that_no_report_accounts_for_fails_clearly() -> None:
    with pytest.raises(AirflowFailException, match="10 events were read, but 9"):
        add_up([report(10, 8, 1)])


def test_the_table_has_a_line_for_each_window() -> None:
    windows = split(date(2026, 1, 1), date(2026, 1, 15), 7)
    lines = table(windows, [report(10, 9, 1), report(5, 5, 0)]).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["2026-01-01", "2026-01-08", "10", "9", "0", "1", "0"]
