from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime

import pytest
from bik_shop import KINDS, TIMEZONE, TO_BIK, Kind

from airflow_provider_bik.events import Contract, Encoder
from airflow_provider_bik.events.item import EncodedEvent, Item
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.windows import Window, cut
from demo import shop

KNOWN_EVENTS = {"abandonedCartCreated", "catalogViewed", "customerCreated", "ordered", "purchasedAProduct"}
"""From BIK's documentation and samples; the full list comes from BIK's account manager."""

MONTH = Window.of(cut(shop.FIRST_DAY, date(2026, 1, 2), days=31, timezone=TIMEZONE)[0])


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """The rows of each kind in a small shop."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    shop.seed(path, size=shop.Size(customers=4, carts=12, orders=30))
    found = {}
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        for name, kind in KINDS.items():
            found[name] = [dict(row) for row in database.execute(kind.sql, MONTH.parameters)]
    return found


@pytest.mark.parametrize("kind", KINDS.items(), ids=lambda pair: pair[0])
def test_nearly_every_row_becomes_an_event_that_keeps_its_date(
    rows: dict[str, list[dict[str, object]]], kind: tuple[str, Kind]
) -> None:
    name, described = kind
    contract = Contract(now=datetime(2026, 1, 2, tzinfo=UTC), reading=TO_BIK["reading"])
    items = [Item(position=n, location=f"row {n}", raw=row, is_row=True) for n, row in enumerate(rows[name])]
    encoded = [event.result for event in Encoder(contract=contract, mapping=described.mapping).encode_all(items)]
    sent = [event for event in encoded if isinstance(event, EncodedEvent)]
    assert len(sent) > 0.7 * len(encoded) > 50
    assert {event.pipeline for event in sent} == {Pipeline.MIGRATION}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_event_is_one_that_bik_is_known_to_take(kind: Kind) -> None:
    assert kind.mapping.event_name in KNOWN_EVENTS
