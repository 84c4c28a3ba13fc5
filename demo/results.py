"""The demo's verdict: what each DAG reports beside what the shop holds and what the sandbox received."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from demo.legs import BACKFILL, DAILY, INCREMENTAL
from demo.shop import ZONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.legs import Leg, Outcome

PIPELINES = ("realtime", "migration")
WRONG = ("stream_rejected", "history_lost")
TITLES = {DAILY: "daily sync", BACKFILL: "backfill", INCREMENTAL: "incremental"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One leg, counted three times: by the shop, by the DAG, by the sandbox.

    Attributes:
        leg: Which leg.
        rows: What the shop holds for these days, by SQL.
        read: What the send tasks read.
        sent: What they report as confirmed, by pipeline.
        rejected: What they report as rejected.
        reasons: Why, counted.
        received: What reached the sandbox during this leg, by pipeline.
        kept: The lines in the files of rejected events of this leg.
    """

    leg: Leg
    rows: int
    read: int
    sent: Mapping[str, int]
    rejected: int
    reasons: Mapping[str, int]
    received: Mapping[str, int]
    kept: int

    def disagreements(self) -> list[str]:
        """What does not add up, in words; empty if all is well."""
        due = ("rows that were sent before", 0) if self.leg.is_repeat else ("rows in the shop", self.rows)
        claims = [
            (*due, "events read", self.read),
            ("events read", self.read, "confirmed + rejected", sum(self.sent.values()) + self.rejected),
            ("events rejected", self.rejected, "lines in the files of rejected events", self.kept),
        ]
        pipelines = (*PIPELINES, *WRONG)
        claims += [(f"confirmed {p}", self.sent.get(p, 0), "received", self.received.get(p, 0)) for p in pipelines]
        title = f"{self.leg.dag_id}, {self.leg.title}"
        return [f"{title}: {left} {a}, {right} {b}" for left, a, right, b in claims if a != b]


def result(leg: Leg, outcome: Outcome, before: Mapping[str, int], shop: Path) -> Result:
    """Bring the three counts of a leg together.

    Args:
        leg: Which leg.
        outcome: What its run left behind.
        before: The sandbox's counts before the leg.
        shop: The database that the leg read.
    """
    sent: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    reports = [report for report in outcome.reports if not report["already_delivered"]]
    for report in reports:
        sent.update(report["pipelines"])
        reasons.update(report["reasons"])
    return Result(
        leg=leg,
        rows=count_rows(shop, leg.tables, leg.first, leg.end),
        read=sum(report["read"] for report in reports),
        sent=sent,
        rejected=sum(report["rejected"] for report in reports),
        reasons=reasons,
        received={name: number - before.get(name, 0) for name, number in outcome.ledger.items()},
        kept=sum(count_lines(path) for path in rejected_files(outcome)),
    )


def totals(results: Sequence[Result]) -> dict[str, int]:
    """Events over all legs: read, confirmed, rejected, and received by the sandbox."""
    return {
        "read": sum(each.read for each in results),
        "confirmed": sum(sum(each.sent.values()) for each in results),
        "rejected": sum(each.rejected for each in results),
        "received": sum(sum(each.received.values()) for each in results),
    }


def rejected_files(outcome: Outcome) -> list[str]:
    """Where the rejected events of a leg are."""
    reports = [report for report in outcome.reports if not report["already_delivered"]]
    return sorted(report["rejected_path"].removeprefix("file://") for report in reports if report["rejected_path"])


def count_lines(path: str) -> int:
    """The rejected events in one file."""
    with Path(path).open("rb") as file:
        return sum(1 for _ in file)


def count_rows(shop: Path, tables: Mapping[str, str], first: date, end: date) -> int:
    """Ask the shop itself, by a query of its own, how many events these days should give."""
    rows = 0
    with closing(sqlite3.connect(shop)) as database:
        for name, column in tables.items():
            query = f"SELECT count(*) FROM {name} WHERE {column} >= ? AND {column} < ?"  # noqa: S608 - constants
            rows += database.execute(query, (_midnight(first), _midnight(end))).fetchone()[0]
    return rows


def _midnight(day: date) -> str:
    return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC).isoformat(timespec="milliseconds")


def table(results: Sequence[Result]) -> Table:
    """A line for each run: what the shop holds, what Airflow says, what the sandbox received."""
    shown = Table(box=box.SIMPLE_HEAVY, show_edge=False, pad_edge=False, collapse_padding=True, show_footer=True)
    columns: dict[str, list[int]] = {
        "in shop": [each.rows for each in results],
        "read": [each.read for each in results],
        "real-time": [each.sent.get("realtime", 0) for each in results],
        "migration": [each.sent.get("migration", 0) for each in results],
        "rejected": [each.rejected for each in results],
        "received": [sum(each.received.values()) for each in results],
    }
    shown.add_column("", footer="all", no_wrap=True)
    for heading, values in columns.items():
        # Rows that are asked for twice are in the shop once.
        footer = "" if heading == "in shop" else f"{sum(values):,}"
        shown.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for dag_id, group in groupby(zip(results, *columns.values(), strict=True), key=lambda line: line[0].leg.dag_id):
        shown.add_section()
        shown.add_row(TITLES[dag_id], style="bold")
        for each, *values in group:
            shown.add_row(f"  {each.leg.title}", *(f"{value:,}" for value in values))
    return shown
