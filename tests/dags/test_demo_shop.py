from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import bik_shop

from airflow_provider_bik.windows import Window, cut
from demo import shop

if TYPE_CHECKING:
    from pathlib import Path


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def test_the_same_seed_makes_the_same_shop(tmp_path: Path) -> None:
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    assert shop.seed(one) == shop.seed(two)
    assert dump(one) == dump(two)


def test_the_shop_has_about_twenty_thousand_rows_in_31_days(tmp_path: Path) -> None:
    rows = shop.seed(tmp_path / "shop.db")
    assert sum(rows.values()) == 20_615
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        first, last = database.execute("SELECT min(recorded_at), max(recorded_at) FROM orders").fetchone()
    end = shop.FIRST_DAY + timedelta(days=31)
    month = Window.of(cut(shop.FIRST_DAY, end, days=31, timezone=bik_shop.TIMEZONE)[0]).parameters
    assert first == month["start"]
    assert last < month["end"]


def test_views_are_numbered_as_they_come(tmp_path: Path) -> None:
    shop.seed(tmp_path / "shop.db", days=1)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):
        shop.add_views(tmp_path / "shop.db", first, 3, every=timedelta(minutes=1))
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        ids = database.execute("SELECT view_id FROM catalog_views ORDER BY 1").fetchall()
    assert ids == [(n,) for n in range(1, 7)]


def test_every_time_is_text_of_one_form(tmp_path: Path) -> None:
    shop.seed(tmp_path / "shop.db", days=3)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        for table in shop.TABLES:
            query = f"SELECT DISTINCT length(recorded_at), substr(recorded_at, -6) FROM {table}"
            assert database.execute(query).fetchall() == [(29, "+00:00")]
