"""What the demo runs: which DAG, for which days."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from demo.shop import DAYS, FIRST_DAY, ZONE

CUT_OVER = FIRST_DAY + timedelta(days=DAYS - 1)
"""The last day in the shop, which is the FIRST_DAY of the DAGs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One run of a DAG.

    Attributes:
        name: The file name of its outcome.
        title: What a reader calls its days.
        dag_id: The DAG to run.
        first: The first calendar day that it sends.
        end: The first calendar day after those that it sends.
        dated: Whether the run has a logical date, which is then the midnight after its day.
        conf: The values of the DAG's form.
    """

    name: str
    title: str
    dag_id: str
    first: date
    end: date
    dated: bool = False
    conf: dict[str, object] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """The head of its column."""
        return f"{'daily sync' if self.dated else 'backfill'},\n{self.title}"

    @property
    def logical_date(self) -> datetime | None:
        """The date of the run; a backfill by hand has none."""
        return datetime.combine(self.end, time.min, tzinfo=ZONE) if self.dated else None


def legs(today: date) -> list[Leg]:
    """The runs of the demo, in order."""
    return [
        _daily("daily", "first day", CUT_OVER),
        _daily("last_night", "last night", today - timedelta(days=1)),
        Leg(
            name="backfill",
            title="month before",
            dag_id="bik_historical_backfill",
            first=FIRST_DAY,
            end=CUT_OVER,
            conf={"from": FIRST_DAY.isoformat(), "to": CUT_OVER.isoformat(), "window_days": 7, "dry_run": False},
        ),
    ]


def _daily(name: str, title: str, day: date) -> Leg:
    end = day + timedelta(days=1)
    return Leg(name=name, title=title, dag_id="bik_daily_incremental_sync", first=day, end=end, dated=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a leg.

    Attributes:
        state: Airflow's word for it.
        reports: What each send task returned.
        ledger: The sandbox's counts right after the run.
    """

    state: str
    reports: list[dict[str, Any]]
    ledger: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return asdict(self)
