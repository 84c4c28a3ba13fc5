from __future__ import annotations

from datetime import date

from bik_historical_backfill import add_up, table
from bik_shop import TIMEZONE

from airflow_provider_bik.windows import cut


def report(read: int, confirmed: int, rejected: int, **more: object) -> dict[str, object]:
    counts = {"read": read, "confirmed": confirmed, "rejected": rejected, "deliverable": 0, "planned_requests": 0}
    return {**counts, "reasons": {"phone_invalid": rejected}, "already_delivered": False, **more}


def test_reports_are_added_up() -> None:
    totals = add_up([report(10, 9, 1), report(5, 5, 0)])
    assert (totals["read"], totals["confirmed"], totals["rejected"]) == (15, 14, 1)
    assert totals["reasons"] == {"phone_invalid": 1}


def test_a_dry_run_counts_what_could_be_sent() -> None:
    assert add_up([report(10, 0, 1, deliverable=9)])["deliverable"] == 9


def test_what_was_delivered_before_is_not_counted_again() -> None:
    totals = add_up([report(10, 9, 1, already_delivered=True), report(5, 5, 0)])
    assert (totals["read"], totals["confirmed"], totals["already_delivered"]) == (5, 5, 1)


def test_the_table_has_a_line_for_each_window() -> None:
    windows = cut(date(2026, 1, 1), date(2026, 1, 15), days=7, timezone=TIMEZONE)
    lines = table(windows, [add_up([report(10, 9, 1)]), add_up([report(5, 5, 0)])]).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["2026-01-01", "10", "9", "0", "1", "0", "0"]
