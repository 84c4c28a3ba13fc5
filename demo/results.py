"""The demo's verdict: what each DAG reports beside what the shop holds and what the sandbox received."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from demo.shop import TABLES, ZONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.legs import Leg, Outcome

PIPELINES = ("realtime", "migration")
WRONG = ("stream_rejected", "history_lost")
WORDS = {"stream_rejected": "rejected by the stream", "history_lost": "with history lost"}


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
        dead_letters: The lines in the dead-letter files of this leg.
    """

    leg: Leg
    rows: int
    read: int
    sent: Mapping[str, int]
    rejected: int
    reasons: Mapping[str, int]
    received: Mapping[str, int]
    dead_letters: int

    def disagreements(self) -> list[str]:
        """What does not add up, in words; empty if all is well."""
        claims = [
            ("rows in the shop", self.rows, "events read", self.read),
            ("events read", self.read, "confirmed + rejected", sum(self.sent.values()) + self.rejected),
            ("events rejected", self.rejected, "lines in the dead-letter files", self.dead_letters),
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
    for report in outcome.reports:
        sent.update(report["pipelines"])
        reasons.update(report["reasons"])
    return Result(
        leg=leg,
        rows=count_rows(shop, leg.first, leg.end),
        read=sum(report["read"] for report in outcome.reports),
        sent=sent,
        rejected=sum(report["rejected"] for report in outcome.reports),
        reasons=reasons,
        received={name: number - before.get(name, 0) for name, number in outcome.ledger.items()},
        dead_letters=sum(count_lines(path) for path in dead_letter_files(outcome)),
    )


def dead_letter_files(outcome: Outcome) -> list[str]:
    """Where the rejected events of a leg lie."""
    return sorted(report["dead_letter_path"] for report in outcome.reports if report["dead_letter_path"])


def count_lines(path: str) -> int:
    """The dead letters in one file."""
    with Path(path.removeprefix("file://")).open("rb") as file:
        return sum(1 for _ in file)


def count_rows(shop: Path, first: date, end: date) -> int:
    """Ask the shop itself, by a query of its own, how many events these days should give."""
    rows = 0
    with closing(sqlite3.connect(shop)) as database:
        for name in TABLES:
            query = f"SELECT count(*) FROM {name} WHERE recorded_at >= ? AND recorded_at < ?"  # noqa: S608 - a constant
            rows += database.execute(query, (_midnight(first), _midnight(end))).fetchone()[0]
    return rows


def _midnight(day: date) -> str:
    return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC).isoformat(timespec="milliseconds")


def table(results: Sequence[Result]) -> Table:
    """The three counts of every leg, one below the other."""
    shown = Table(box=box.SIMPLE_HEAVY, pad_edge=False)
    shown.add_column("", no_wrap=True)
    for each in results:
        shown.add_column(each.leg.heading, justify="right")
    shown.add_column("all", justify="right", style="bold")
    for section in _sections(results):
        for title, values in section:
            shown.add_row(title, *(f"{value:,}" for value in (*values, sum(values))))
        shown.add_section()
    return shown


def _sections(results: Sequence[Result]) -> list[list[tuple[str, list[int]]]]:
    reasons = sorted({reason for each in results for reason in each.reasons})
    return [
        [("rows in the shop", [each.rows for each in results])],
        [
            ("read by Airflow", [each.read for each in results]),
            *((f"  confirmed, {p}", [each.sent.get(p, 0) for each in results]) for p in PIPELINES),
            ("  rejected", [each.rejected for each in results]),
            *((f"    {reason}", [each.reasons.get(reason, 0) for each in results]) for reason in reasons),
        ],
        [
            ("received by the sandbox", [sum(each.received.values()) for each in results]),
            *((f"  {WORDS.get(p, p)}", [each.received.get(p, 0) for each in results]) for p in (*PIPELINES, *WRONG)),
        ],
    ]
