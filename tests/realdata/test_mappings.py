"""K12, K13: rows that are no event, rows that are one event together, and values within values."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from airflow_provider_bik.events import Column, Constant, Each, EventMapping
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.realdata.support import Shop

LINES = (
    "Name,Email,Created at,Total,Item,Quantity\n"
    "#1,kavya@example.com,2026-05-02 09:15:00 +0530,1250.00,Kettle,1\n"
    "#1,,,,Cup,4\n"
    "#2,nila@example.com,2026-05-03 09:15:00 +0530,99.50,Pan,1\n"
    "#3,test@example.com,2026-05-03 10:00:00 +0530,1.00,Test,1\n"
)


def by_order(row: dict[str, Any]) -> dict[str, Any] | None:
    event = {"email": row["Email"], "eventName": "ordered", "createdAt": row["Created at"]}
    return {**event, "eventProperties": {"orderId": row["Name"]}} if row["Total"] else None


def test_s32_rows_that_are_no_event_are_skipped_and_counted(shop: Shop) -> None:
    path = shop.file("orders_export.csv", LINES)
    where = EventMapping(
        event_name="ordered",
        email="Email",
        created_at="Created at",
        properties={"orderId": "Name"},
        where=lambda row: bool(row["Email"]) and not row["Email"].startswith("test@"),
    )
    for mapping, skipped in ((EventMapping(to_event=by_order), 1), (where, 2)):
        outcome = shop.send(path, mapping)
        assert outcome.error is None
        assert (outcome.report["read"], outcome.report["skipped"]) == (4, skipped)
        assert outcome.report["confirmed"] == 4 - skipped
        assert outcome.rejected == []
        assert outcome.properties[:2] == [{"orderId": "#1"}, {"orderId": "#2"}]


def test_k12_the_lines_of_an_order_make_one_event(shop: Shop) -> None:
    orders = EventMapping(
        event_name="ordered",
        email="Email",
        created_at="Created at",
        group_by="Name",
        properties={
            "orderId": "Name",
            "total": Column("Total", cast="number"),
            "items": Each({"name": "Item", "quantity": Column("Quantity", cast="integer")}),
        },
    )
    first, second, third = shop.send(shop.file("orders_export.csv", LINES), orders).properties
    kettle_and_cup = [{"name": "Kettle", "quantity": 1}, {"name": "Cup", "quantity": 4}]
    assert first == {"orderId": "#1", "total": 1250, "items": kettle_and_cup}
    assert second["items"] == [{"name": "Pan", "quantity": 1}]
    assert third["orderId"] == "#3"


def test_k12_an_order_of_which_a_line_cannot_be_read_is_rejected_as_a_whole(shop: Shop) -> None:
    orders = EventMapping(
        event_name="ordered",
        email="Email",
        group_by="Name",
        properties={"id": "Name", "quantities": Each(Column("Quantity", cast="integer"))},
    )
    outcome = shop.send(shop.file("orders_export.csv", LINES.replace("Cup,4", "Cup,four")), orders)
    assert [properties["id"] for properties in outcome.properties] == ["#2", "#3"]
    assert outcome.reasons == ["cast_failed"]
    assert outcome.rejected[0]["location"] == "orders_export.csv:2"


@pytest.mark.parametrize("filter_", [lambda row: row["gone"], lambda row: "yes", lambda row: 1 / 0])
def test_k12_a_filter_that_fails_rejects_the_row_and_loses_none(shop: Shop, filter_: Any) -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={}, where=filter_)
    outcome = shop.send([{"email": "kavya@example.com"}], mapping)
    assert (outcome.events, outcome.reasons) == ([], ["where_failed"])
    assert outcome.report["skipped"] == 0


TRACKED = {
    "event": "Order Completed",
    "properties": {
        "$email": "kavya@example.com",
        "time": 1768473000,
        "Order Value": 99.5,
        "products": [{"sku": "A-1", "price": "1250.00"}, {"sku": "B-2"}],
        "$city": None,
    },
}
TRACKING = EventMapping(
    event_name=Column("event"),
    email="properties.$email",
    created_at=Column("properties.time", cast="datetime", unit="s"),
    properties={
        "value": "properties.Order Value",
        "first": "properties.products[0].sku",
        "third": "properties.products[2].sku",
        "price": Column("properties.products[0].price", cast="number"),
        "city": "properties.$city",
        "source": Constant("tracking"),
    },
)


def test_s20_what_stands_below_properties_is_reached(shop: Shop) -> None:
    forms: list[dict[str, Any]] = [TRACKED, {**TRACKED, "properties": json.dumps(TRACKED["properties"])}]
    for row in forms:
        (event,) = shop.send(shop.file("export.ndjson", [row]), TRACKING).events
        assert (event["email"], event["eventName"]) == ("kavya@example.com", "Order Completed")
        assert event["eventProperties"] == {"value": 99.5, "first": "A-1", "price": 1250, "source": "tracking"}


def test_s20_a_visitor_without_an_address_is_rejected(shop: Shop) -> None:
    rows = [TRACKED, {"event": "Page", "properties": {"time": 1768473000}}, {"event": "Page", "properties": None}]
    outcome = shop.send(rows, TRACKING)
    assert outcome.reasons == ["identity_missing"] * 2
    leads_nowhere = shop.send([TRACKED, {"event": "Page", "properties": "no object"}], TRACKING)
    assert leads_nowhere.reasons == ["cast_failed"]


def test_k13_a_column_whose_name_has_dots_goes_before_a_path(shop: Shop) -> None:
    path = shop.file("a.csv", "user.email,order.id\nkavya@example.com,7\n")
    mapping = EventMapping(event_name="ordered", email="user.email", properties={"order.id": "order.id"})
    (event,) = shop.send(path, mapping).events
    assert (event["email"], event["eventProperties"]) == ("kavya@example.com", {"order": {"id": "7"}})
    missing = EventMapping(event_name="ordered", email="user.mail", properties={})
    assert "there is no column 'user.mail'; the nearest is 'user.email'" in (shop.send(path, missing).error or "")


def test_s21_json_in_a_column_of_text(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    database = shop.directory / "shop.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table o (id integer, email text, at text, items text)")
        connection.execute(
            "insert into o values (1, 'kavya@example.com', '2026-01-05', '{\"sku\": \"A-1\", \"n\": 2}')"
        )
        connection.execute("insert into o values (2, 'nila@example.com', '2026-01-06', '')")
        connection.execute("insert into o values (3, 'arjun@example.com', '2026-01-07', 'none')")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(database)}))

    def send(items: str | Column) -> Any:
        mapping = EventMapping(event_name="ordered", email="email", created_at="at", properties={"item": items})
        operator = SqlToBikOperator(
            task_id="send",
            conn_id="shop",
            sql="select * from o order by id",
            mapping=mapping,
            state_path=str(shop.directory / "state"),
        )
        return shop.run(operator)

    read = send(Column("items", cast="json"))
    assert read.properties == [{"item": {"sku": "A-1", "n": 2}}, {}]
    assert read.reasons == ["cast_failed"]
    (as_text, *_) = send("items").properties
    assert as_text == {"item": '{"sku": "A-1", "n": 2}'}


def test_k13_text_that_is_json_is_hinted_at(shop: Shop) -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={"items": "items"})
    rows = [{"email": "kavya@example.com", "items": '[{"sku": "A-1"}]'}]
    assert shop.send(rows, mapping).logged("Property 'items': text that is JSON")


@pytest.mark.parametrize(
    ("cast", "value", "sent"),
    [
        *(
            ("number", text, number)
            for text, number in (("1250.00", 1250), (" 12.5 ", 12.5), ("1e3", 1000), ("", None))
        ),
        *(("integer", text, number) for text, number in (("7.0", 7), (7.0, 7), ("-7", -7), (None, None))),
        *(("boolean", text, truth) for text, truth in (("TRUE", True), ("no", False), (1, True), ("0", False))),
        *(("string", value, text) for value, text in ((7.0, "7"), (7.5, "7.5"), (True, "true"), ("007", "007"))),
        *(("json", text, value) for text, value in (("[1, null]", [1]), ("null", None), ("", None))),
    ],
)
def test_k13_casts_read_what_people_have(shop: Shop, cast: Any, value: object, sent: object) -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={"x": Column("x", cast=cast)})
    outcome = shop.send([{"email": "kavya@example.com", "x": value}], mapping)
    assert outcome.properties == [{} if sent is None else {"x": sent}]


@pytest.mark.parametrize(
    ("cast", "value"),
    [
        *(("number", text) for text in ("1,250.00", "12,50", "₹12", "NaN%", "0x10", "١٢", True)),
        *(("integer", value) for value in ("7.5", 7.5, "seven", 2.0**60)),
        *(("boolean", value) for value in ("maybe", 2, "on")),
        *(("json", text) for text in ("{'sku': 1}", "none", "{")),
    ],
)
def test_k13_casts_guess_nothing(shop: Shop, cast: Any, value: object) -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={"x": Column("x", cast=cast)})
    outcome = shop.send([{"email": "kavya@example.com", "x": value}], mapping)
    assert outcome.events == []
    assert outcome.reasons[0] in {"cast_failed", "integer_too_large"}
