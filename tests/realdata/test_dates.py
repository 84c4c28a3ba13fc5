"""K2 and K7: when an event happened, and that history never becomes news."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_bik.events import Column, EventMapping, PipelineRule, Reading
from tests.realdata.support import Shop

KOLKATA = Reading(timezone="Asia/Kolkata")
HEADER = "Name,Email,Paid at,Total,Lineitem name,Created at,Billing Name,Phone\n"
ORDERS = (
    HEADER + '#7001,kavya@example.com,,1250.00,"Kettle, steel",2026-05-02 09:15:00 +0530,Kavya Nair,\n'
    "#7001,,,,Cup,,,\n"
    '#7002,arjun@example.com,2026-05-02 18:00:00 +0530,300.00,"Pan\nround",2026-05-02 17:59:59 +0530,Arjun Das,\n'
)


def mapping(created_at: str | Column | None = "at") -> EventMapping:
    return EventMapping(event_name="ordered", email="email", created_at=created_at, properties={"n": "n"})


def times(shop: Shop, values: list[Any], column: str | Column = "at", **reading: Any) -> list[str | None]:
    """What BIK got for each of these; None for one that was rejected."""
    rows = [{"email": f"kavya{n}@example.com", "at": value, "n": n} for n, value in enumerate(values)]
    outcome = shop.send(rows, mapping(column), reading=Reading(**reading))
    assert set(outcome.pipelines) <= {"migration"}
    assert len(outcome.events) + len(outcome.rejected) == len(values)
    got = dict(zip([properties["n"] for properties in outcome.properties], outcome.created_at, strict=True))
    return [got.get(n) for n in range(len(values))]


def test_s01_the_dates_of_shopify(shop: Shop) -> None:
    orders = EventMapping(
        event_name="ordered",
        name="Billing Name",
        email="Email",
        phone_number="Phone",
        created_at="Created at",
        properties={"orderId": "Name", "item": "Lineitem name", "value": Column("Total", cast="number")},
    )
    outcome = shop.send(shop.file("orders_export.csv", ORDERS), orders)
    assert outcome.created_at == ["2026-05-02T03:45:00.000Z", "2026-05-02T12:29:59.000Z"]
    assert outcome.properties[1] == {"orderId": "#7002", "item": "Pan\nround", "value": 300}
    # The second line of the order is no order of its own: it has neither customer nor date.
    assert outcome.reasons == ["identity_missing"]
    assert outcome.rejected[0]["location"] == "orders_export.csv:3"


def test_s02_an_unpaid_order_is_no_event_of_today(shop: Shop) -> None:
    paid = EventMapping(event_name="ordered", email="Email", created_at="Paid at", properties={"orderId": "Name"})
    path = shop.file("orders_export.csv", ORDERS.replace("#7001,,,", "#7001,kavya@example.com,,"))
    for rule in ("auto", "migration"):
        outcome = shop.send(path, paid, pipeline=rule)
        assert outcome.pipelines == ["migration"]
        assert outcome.reasons == ["created_at_missing"] * 2
    outcome = shop.send(path, paid, pipeline=PipelineRule(on_undated="realtime"))
    assert sorted(outcome.pipelines) == ["migration", "realtime", "realtime"]
    assert outcome.logged("2 of 3 events had no date and went out as realtime")


@pytest.mark.parametrize("null", [None, "", "  ", "NULL", "\\N", "NaT", float("nan")])
def test_k2_whatever_stands_for_no_date_is_not_now(shop: Shop, null: object) -> None:
    rows = [
        {"email": "kavya@example.com", "at": null, "n": 1},
        {"email": "nila@example.com", "at": "2026-01-05", "n": 2},
    ]
    outcome = shop.send(rows, mapping())
    assert (outcome.pipelines, outcome.reasons) == (["migration"], ["created_at_missing"])
    assert shop.send(rows, mapping(Column("at", cast="datetime"))).reasons == ["created_at_missing"]


def test_k2_events_without_a_mapping_say_themselves_whether_they_have_a_date(shop: Shop) -> None:
    event = {"email": "kavya@example.com", "eventName": "ordered", "eventProperties": {}}
    outcome = shop.send([event, {**event, "createdAt": "2026-01-05"}, {**event, "createdAt": None}])
    assert sorted(outcome.pipelines) == ["migration", "realtime"]
    assert outcome.reasons == ["created_at_missing"]
    assert outcome.logged("1 of 2 events had no date and went out as realtime")


def test_k2_nothing_is_said_where_all_events_are_of_one_kind(shop: Shop) -> None:
    event = {"email": "kavya@example.com", "eventName": "ordered", "eventProperties": {}}
    for events in ([event], [{**event, "createdAt": "2026-01-05"}]):
        assert not shop.send(events).logged("went out as realtime")


def test_s03_the_times_of_bigquery(shop: Shop) -> None:
    path = shop.file(
        "export.ndjson",
        [
            {"email": "kavya@example.com", "n": 1, "at": "2026-05-20 21:34:02 UTC"},
            {"email": "nila@example.com", "n": 2, "at": "2026-05-20 21:34:02.123456 UTC"},
        ],
    )
    assert shop.send(path, mapping()).created_at == ["2026-05-20T21:34:02.000Z", "2026-05-20T21:34:02.123Z"]


def test_s18_dates_of_the_united_states(shop: Shop) -> None:
    path = shop.file(
        "Retail.csv",
        "InvoiceNo,InvoiceDate,Mail\n1,12/1/2010 8:26,kavya@example.com\n2,7/31/2011 8:26,nila@example.com\n",
    )
    for column, expected in (
        ("InvoiceDate", []),
        (
            Column("InvoiceDate", cast="datetime", format="%m/%d/%Y %H:%M"),
            ["2010-12-01T08:26:00.000Z", "2011-07-31T07:26:00.000Z"],
        ),
    ):
        orders = EventMapping(event_name="ordered", email="Mail", created_at=column, properties={"id": "InvoiceNo"})
        outcome = shop.send(path, orders, reading=Reading(timezone="Europe/London"))
        assert outcome.created_at == expected
        assert len(outcome.rejected) == 2 - len(expected)


def test_s19_the_export_of_ga4(shop: Shop) -> None:
    params = [{"key": "page", "value": {"string_value": "/kettle", "int_value": None}}]
    row = {"event_name": "view_item", "user_id": "kavya@example.com", "event_params": params}
    analytics = EventMapping(
        event_name=Column("event_name"),
        email="user_id",
        created_at="event_timestamp",
        properties={"params": "event_params"},
    )
    stamps: list[Any] = ["1768473000198480", 1768473000198480, 1768473000198]
    outcome = shop.send(shop.file("ga4.ndjson", [{**row, "event_timestamp": stamp} for stamp in stamps]), analytics)
    assert outcome.created_at == ["2026-01-15T10:30:00.198Z"] * 3
    assert outcome.properties[0] == {"params": [{"key": "page", "value": {"string_value": "/kettle"}}]}


def test_s27_the_export_of_woocommerce(shop: Shop) -> None:
    header = "order_number,order_date,billing_first_name,billing_last_name,billing_email,billing_phone,order_total,customer_note,Product Item 1 Name,Product Item 1 SKU,meta:wpml_language"
    row = (
        'W-17,2026-01-15 04:48:06,Kavya,Nair,kavya@example.com,098123 45670,"1,250.00","Ring ""twice""\r\nplease",,,hi'
    )
    path = shop.file("orders.csv", f"\ufeff{header}\r\n{row}\r\n")
    orders = EventMapping(
        event_name="ordered",
        name=["billing_first_name", "billing_last_name"],
        email="billing_email",
        phone_number="billing_phone",
        created_at="order_date",
        properties={
            "orderId": "order_number",
            "note": "customer_note",
            "item.name": "Product Item 1 Name",
            "item.sku": "Product Item 1 SKU",
            "language": "meta:wpml_language",
        },
    )
    outcome = shop.send(path, orders, reading=Reading(timezone="Asia/Kolkata", default_region="IN"))
    assert outcome.events == [
        {
            "name": "Kavya Nair",
            "phoneNumber": "+919812345670",
            "email": "kavya@example.com",
            "eventName": "ordered",
            "eventProperties": {"orderId": "W-17", "note": 'Ring "twice"\r\nplease', "language": "hi"},
        }
    ]
    assert outcome.created_at == ["2026-01-14T23:18:06.000Z"]
    forgotten = shop.send(path, orders, reading=Reading(default_region="IN"))
    assert forgotten.logged("There are times that say no zone. They are taken for times in UTC")


def test_k7_further_forms_that_are_read(shop: Shop) -> None:
    written: list[Any] = [
        *(
            "2026-01-05T10:30:00.123456789Z",
            "2026-01-05 16:00:00.1 +0530",
            "2026-01-05 10:30:00 GMT",
            "2026-01-05 10:30Z",
        ),
        *("1767609000", "1767609000.5", "1767609000000", 1767609000, Decimal("1767609000.000"), 1767609000000000000),
        *(datetime(2026, 1, 5, 10, 30, tzinfo=UTC), "2026-01-05T10:30:00-00:00"),
    ]
    read = times(shop, written)
    assert [text and text[:16] for text in read] == ["2026-01-05T10:30"] * len(written)
    assert times(shop, [date(2026, 1, 5), "2026-01-05"], timezone="Asia/Kolkata") == ["2026-01-04T18:30:00.000Z"] * 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *(
            (text, "neither ISO 8601 nor an epoch")
            for text in ("2026-13-01", "2026-02-30", "05/01/2026", "5 Jan 2026", "2026-1-5")
        ),
        *(
            (text, "neither ISO 8601 nor an epoch")
            for text in ("0000-00-00 00:00:00", "2026-01-05T10:30:00 PM", "20260105T103000Z")
        ),
        *((text, "names a time zone") for text in ("2026-01-05 10:30:00 IST", "2026-01-05T10:30:00[Asia/Kolkata]")),
        *((text, "serial date of a spreadsheet") for text in ("46027", "46027.4375")),
        *((text, "no time from 1990 on") for text in ("20260105", "0", "99999999999999999")),
        *((text, "before 1990") for text in ("1970-01-01", "0001-01-01")),
        *((text, "in the future") for text in ("9999-12-31", "2099-01-01T00:00:00Z")),
    ],
)
def test_k7_what_is_not_read_says_why(shop: Shop, text: str, says: str) -> None:
    outcome = shop.send([{"email": "kavya@example.com", "at": text, "n": 1}], mapping())
    assert outcome.events == []
    assert says in outcome.rejected[0]["detail"]


def test_k7_a_column_may_say_its_form_unit_and_zone(shop: Shop) -> None:
    assert times(
        shop,
        ["05-Jan-2026 16:00", "31-Feb-2026 16:00"],
        Column("at", cast="datetime", format="%d-%b-%Y %H:%M", timezone="Asia/Kolkata"),
    ) == ["2026-01-05T10:30:00.000Z", None]
    assert times(shop, ["20260105"], Column("at", cast="datetime", format="%Y%m%d")) == ["2026-01-05T00:00:00.000Z"]
    seconds = Column("at", cast="datetime", unit="s")
    assert times(shop, ["1767609000", 1767609000.0, Decimal(1767609000), "soon"], seconds) == [
        *["2026-01-05T10:30:00.000Z"] * 3,
        None,
    ]


def test_k7_clocks_that_are_put_forward_and_back(shop: Shop) -> None:
    written = [
        "2026-03-29 01:59:59",
        "2026-03-29 02:30:00",
        "2026-03-29 03:00:00",
        "2026-10-25 02:30:00",
        "2026-10-25 03:00:00",
    ]
    # An hour that does not exist is counted on from the hour before; of one that is there twice, the first counts.
    assert times(shop, written, timezone="Europe/Berlin") == [
        "2026-03-29T00:59:59.000Z",
        "2026-03-29T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-10-25T00:30:00.000Z",
        "2026-10-25T02:00:00.000Z",
    ]


def test_k7_offsets_of_one_column_may_differ(shop: Shop) -> None:
    written = ["2026-01-05T10:30:00Z", "2026-01-05T16:00:00+05:30", "2026-01-05T02:30:00-0800", "2026-01-05 16:00:00"]
    assert times(shop, written, timezone="Asia/Kolkata") == ["2026-01-05T10:30:00.000Z"] * 4
