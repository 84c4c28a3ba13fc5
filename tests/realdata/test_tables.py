"""K9: what pandas, polars, Arrow and Parquet make of values."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_bik.events import Column, EventMapping, Reading
from tests.realdata.support import MOBILE, Shop

ORDERS = EventMapping(
    event_name="ordered",
    email="email",
    phone_number="mobile",
    created_at="at",
    properties={"coupon": "coupon", "id": "id"},
)
BY_EMAIL = EventMapping(event_name="ordered", email="email", properties={"id": "id"})
FRAME = pd.DataFrame(
    {
        "email": ["kavya@example.com", None, "nila@example.com"],
        "mobile": [None, MOBILE, None],
        "at": pd.to_datetime(["2026-01-05T10:00:00+05:30", "2026-01-05T11:00:00+05:30", None]),
        "coupon": ["X", None, None],
        "id": [7, None, 9],
    }
)


def assert_orders(shop: Shop, events: object, ids: list[Any]) -> None:
    outcome = shop.send(events, ORDERS, reading=Reading(default_region="IN"))
    assert outcome.of("email") == ["kavya@example.com", None]
    assert outcome.of("phoneNumber") == [None, MOBILE]
    assert outcome.created_at == ["2026-01-05T04:30:00.000Z", "2026-01-05T05:30:00.000Z"]
    assert outcome.properties == [{"coupon": "X", "id": ids[0]}, {}]
    assert outcome.reasons == ["created_at_missing"]


def test_s12_records_of_a_data_frame(shop: Shop) -> None:
    assert_orders(shop, FRAME.to_dict("records"), [7.0])
    assert_orders(shop, FRAME.astype(object).where(FRAME.notna(), math.nan).to_dict("records"), [7.0])


def test_k9_a_data_frame_is_an_input(shop: Shop) -> None:
    assert_orders(shop, FRAME, [7.0])
    nullable = FRAME.assign(
        id=FRAME["id"].astype("Int64"),
        coupon=FRAME["coupon"].astype("category"),
        mobile=pd.array([None, 919812345670, None], dtype="Int64"),
    )
    assert_orders(shop, nullable, [7])
    assert_orders(shop, nullable.convert_dtypes(dtype_backend="pyarrow"), [7])
    assert_orders(shop, FRAME.assign(mobile=[math.nan, 9812345670.0, math.nan]), [7.0])


def test_k9_polars_and_arrow_are_inputs(shop: Shop) -> None:
    rows = FRAME.astype(object).where(FRAME.notna(), None).to_dict("list")
    rows["at"] = [datetime(2026, 1, 5, 4, 30, tzinfo=UTC), datetime(2026, 1, 5, 5, 30, tzinfo=UTC), None]
    rows["id"] = [7, None, 9]
    assert_orders(shop, pl.DataFrame(rows, schema_overrides={"coupon": pl.Categorical}), [7])
    table = pa.table(rows)
    encoded = table.set_column(3, "coupon", table["coupon"].combine_chunks().dictionary_encode())
    assert_orders(shop, encoded, [7])
    assert_orders(shop, encoded.to_batches()[0], [7])
    pq.write_table(encoded, shop.directory / "orders.parquet")
    assert_orders(shop, str(shop.directory / "orders.parquet"), [7])


def test_k9_dates_without_a_clock_are_midnights_of_the_shop(shop: Shop) -> None:
    days = [date(2026, 1, 5), date(2026, 1, 6)]
    columns = {
        "email": ["kavya@example.com"] * 2,
        "mobile": [None, None],
        "at": days,
        "coupon": ["X", "Y"],
        "id": [1, 2],
    }
    for table in (pl.DataFrame(columns), pa.table(columns), pd.DataFrame(columns)):
        outcome = shop.send(table, ORDERS, reading=Reading(timezone="Asia/Kolkata"))
        assert outcome.created_at == ["2026-01-04T18:30:00.000Z", "2026-01-05T18:30:00.000Z"]


def test_s28_ids_that_a_gap_has_made_floats(shop: Shop) -> None:
    frame = pd.DataFrame(
        {"email": ["kavya@example.com", "nila@example.com"], "id": [7, None], "big": [5551234567890, 1]}
    )
    products = EventMapping(
        event_name="ordered",
        email="email",
        properties={
            "text": Column("id", cast="string"),
            "number": Column("id", cast="integer"),
            "big": Column("big", cast="string"),
        },
    )
    frame.to_parquet(shop.directory / "x.parquet")
    for given in (frame, frame.to_dict("records"), str(shop.directory / "x.parquet")):
        assert shop.send(given, products).properties == [
            {"text": "7", "number": 7, "big": "5551234567890"},
            {"big": "1"},
        ]
    path = shop.file("x.csv", frame.to_csv(index=False))
    as_number = EventMapping(event_name="ordered", email="email", properties={"number": Column("id", cast="integer")})
    assert shop.send(path, as_number).properties == [{"number": 7}, {}]


@pytest.mark.parametrize("form", ["frame", "records", "csv"])
def test_k9_ids_as_floats_are_hinted_at(shop: Shop, form: str) -> None:
    frame = pd.DataFrame({"email": ["kavya@example.com", "nila@example.com"], "id": [7, None]})
    forms = {"frame": frame, "records": frame.to_dict("records"), "csv": shop.file("x.csv", frame.to_csv(index=False))}
    outcome = shop.send(forms[form], BY_EMAIL)
    assert outcome.logged("Property 'id': whole numbers as floats, such as 7.0, beside nulls")
    assert not shop.send(frame.assign(id=[7, 8]), BY_EMAIL).logged("whole numbers as floats")


def test_k9_values_of_numpy_and_exact_decimals(shop: Shop) -> None:
    values = [np.int64(5), np.float32(0.5), np.bool_(True), np.str_("x"), np.datetime64("2026-01-05"), Decimal("12.50")]
    sent = shop.send([{"email": f"k{n}@example.com", "id": value} for n, value in enumerate(values)], BY_EMAIL)
    assert [row["id"] for row in sent.properties] == [5, 0.5, True, "x", "2026-01-05T00:00:00.000Z", 12.5]
    nulls = [np.float64("nan"), pd.NA, pd.NaT, Decimal("NaN"), np.datetime64("NaT")]
    assert shop.send([{"email": "kavya@example.com", "id": value} for value in nulls], BY_EMAIL).properties == [{}] * 5
    too_large = [2**53 + 1, Decimal("9007199254740993"), Decimal("1e400"), np.uint64(2**63), float("inf")]
    outcome = shop.send([{"email": "kavya@example.com", "id": value} for value in too_large], BY_EMAIL)
    assert outcome.reasons == [*["integer_too_large"] * 4, "number_not_finite"]


def test_k9_nested_values_lose_their_nulls_only(shop: Shop) -> None:
    column = pa.array([{"sku": "A", "sizes": [1, None]}, {"sku": None, "sizes": None}])
    outcome = shop.send(pa.table({"email": ["kavya@example.com", "nila@example.com"], "id": column}), BY_EMAIL)
    assert outcome.properties == [{"id": {"sku": "A", "sizes": [1]}}, {"id": {}}]


def test_k9_what_is_no_table_is_refused_without_its_values(shop: Shop) -> None:
    lazy = pl.DataFrame({"email": ["kavya@example.com"]}).lazy()
    for given in (FRAME["email"], lazy, FRAME[["email"]].to_numpy(), FRAME.set_index("email")):
        outcome = shop.send(given, BY_EMAIL)
        assert outcome.error is not None
        assert "no table" in outcome.error or "reset_index()" in outcome.error
        assert "kavya" not in outcome.error


def test_k9_a_frame_without_rows_is_nothing_to_send(shop: Shop) -> None:
    outcome = shop.send(FRAME.iloc[:0], ORDERS)
    assert (outcome.error, outcome.report["read"]) == (None, 0)
