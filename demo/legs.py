"""What the demo runs: which DAG, for which days, and what of them BIK must get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from demo.shop import DAYS, FIRST_DAY, TABLES, ZONE

CUT_OVER = FIRST_DAY + timedelta(days=DAYS - 1)
"""The last day in the shop, which is the FIRST_DAY of the DAGs."""

DAILY, BACKFILL, INCREMENTAL = "bik_daily_incremental_sync", "bik_historical_backfill", "bik_incremental_by_column"
BY_DAY = dict.fromkeys(TABLES, "recorded_at")
VIEWS = {"catalog_views": "viewed_at"}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One run of a DAG.

    Attributes:
        name: The file name of its outcome.
        title: What a reader calls it.
        dag_id: The DAG to run.
        first: The first calendar day of its rows.
        end: The first calendar day after them.
        tables: The tables that it sends, each with the column that tells the day of a row.
        dated: Whether the run has a logical date, which is then the midnight after its day.
        conf: The values of the DAG's form.
        new_views: How many views of the catalogue come in before it runs.
        is_repeat: Whether all of it was delivered by the runs before it.
    """

    name: str
    title: str
    dag_id: str
    first: date
    end: date
    tables: Mapping[str, str] = field(default_factory=lambda: BY_DAY)
    dated: bool = False
    conf: dict[str, object] = field(default_factory=dict)
    new_views: int = 0
    is_repeat: bool = False

    @property
    def logical_date(self) -> datetime | None:
        """The date of the run; one that is triggered by hand has none."""
        return datetime.combine(self.end, time.min, tzinfo=ZONE) if self.dated else None


def legs(today: date) -> list[Leg]:
    """The runs of the demo, in order."""
    views: dict[str, Any] = {"dag_id": INCREMENTAL, "tables": VIEWS}
    return [
        _daily("daily", "its first day", CUT_OVER),
        _daily("last_night", "last night", today - ONE_DAY),
        _backfill("backfill", "the month before", CUT_OVER, window_days=7),
        # The other DAG has sent these days, or this one in windows of another size.
        _daily("daily_again", "a day once more", FIRST_DAY + 10 * ONE_DAY, is_repeat=True),
        _backfill("backfill_again", "all once more", CUT_OVER + ONE_DAY, window_days=10, is_repeat=True),
        Leg(name="views", title="all rows so far", first=FIRST_DAY, end=CUT_OVER + ONE_DAY, **views),
        Leg(name="new_views", title="50 new rows", first=today - ONE_DAY, end=today + ONE_DAY, new_views=50, **views),
    ]


def _daily(name: str, title: str, day: date, **more: Any) -> Leg:
    return Leg(name=name, title=title, dag_id=DAILY, first=day, end=day + ONE_DAY, dated=True, **more)


def _backfill(name: str, title: str, end: date, *, window_days: int, **more: Any) -> Leg:
    conf: dict[str, object] = {"from": str(FIRST_DAY), "to": str(end), "window_days": window_days, "dry_run": False}
    return Leg(name=name, title=title, dag_id=BACKFILL, first=FIRST_DAY, end=end, conf=conf, **more)


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
