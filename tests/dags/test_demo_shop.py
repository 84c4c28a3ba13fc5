from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import bik_shop

from airflow_provider_bik.windows import days
from demo import shop
from demo.legs import CUT_OVER

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
    month = days(shop.FIRST_DAY, shop.FIRST_DAY + timedelta(days=31), timezone=bik_shop.TIMEZONE)
    assert first == month["start"]
    assert last < month["end"]


def test_the_shop_ends_with_the_day_on_which_the_dags_cut_over() -> None:
    assert CUT_OVER == bik_shop.FIRST_DAY


def test_every_time_is_text_of_one_form(tmp_path: Path) -> None:
    shop.seed(tmp_path / "shop.db", days=3)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        for table in shop.TABLES:
            query = f"SELECT DISTINCT length(recorded_at), substr(recorded_at, -6) FROM {table}"
            assert database.execute(query).fetchall() == [(29, "+00:00")]
