from __future__ import annotations

from bik_historical_backfill import add_up


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
