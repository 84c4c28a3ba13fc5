from __future__ import annotations

from datetime import date, timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from bik_daily_incremental_sync import sends
from bik_historical_backfill import add_up, backfill, table
from bik_shop import FIRST_DAY, TIMEZONE

from airflow_provider_bik.windows import days, split


def report(read: int, confirmed: int, rejected: int, **more: object) -> dict[str, object]:
    counts = {"read": read, "confirmed": confirmed, "rejected": rejected, "unresolved": 0}
    return {**counts, "pipelines": {"migration": confirmed}, "reasons": {"phone_invalid": rejected}, **more}


def test_the_form_ends_where_the_daily_dag_begins() -> None:
    assert backfill.params["to"] == FIRST_DAY.isoformat()
    first, end = (date.fromisoformat(backfill.params[name]) for name in ("from", "to"))
    last = split(first, end, size=7, timezone=TIMEZONE)[-1]
    assert last["end"] == days(FIRST_DAY, FIRST_DAY, timezone=TIMEZONE)["start"]


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
    windows = split(date(2026, 1, 1), date(2026, 1, 15), size=7, timezone=TIMEZONE)
    lines = table(windows, [report(10, 9, 1), report(5, 5, 0)]).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["2026-01-01", "10", "9", "0", "1", "0"]


@pytest.mark.parametrize(
    ("day", "run_type", "expected"),
    [
        (FIRST_DAY, "scheduled", True),
        (FIRST_DAY - timedelta(days=1), "scheduled", False),
        (FIRST_DAY - timedelta(days=1), "manual", False),
        (FIRST_DAY - timedelta(days=1), "backfill", True),
        (FIRST_DAY + timedelta(days=1), "backfill", True),
    ],
)
def test_days_before_the_cut_over_are_sent_only_when_airflow_is_asked_to(
    day: date, run_type: str, expected: object
) -> None:
    assert sends(days(day, day + timedelta(days=1), timezone=TIMEZONE), run_type) is expected
