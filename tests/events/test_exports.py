"""The forms that real exports have: small inputs as the programs of shops and warehouses write them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import (
    Column,
    Contract,
    Each,
    EncodedEvent,
    Encoder,
    EventMapping,
    Item,
    Pipeline,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def encoder(mapping: EventMapping | None = None, rule: PipelineRule | None = None, **reading: Any) -> Encoder:
    contract = Contract(now=NOW, rule=rule or PipelineRule(), reading=Reading(**reading))
    return Encoder(contract=contract, mapping=mapping)


def outcomes(rows: list[dict[str, Any]], *args: Any, **options: Any) -> list[EncodedEvent | Rejection | None]:
    items = (Item(position=number, location=f"row {number + 2}", raw=row) for number, row in enumerate(rows))
    return [event.result for event in encoder(*args, **options).encode_all(items)]


def bodies(results: list[EncodedEvent | Rejection | None]) -> list[Any]:
    """What is sent; of what is not, its reason or None."""
    return [
        json.loads(result.body) if isinstance(result, EncodedEvent) else result and result.reason for result in results
    ]


SHOPIFY = EventMapping(
    event_name="ordered",
    name="Billing Name",
    email="Email",
    phone_number="Phone",
    phone_country="Billing Country",
    created_at="Created at",
    group_by="Name",
    properties={
        "orderId": "Name",
        "orderValue": Column("Total", cast="number"),
        "items": Each("Lineitem name"),
        "quantities": Each(Column("Lineitem quantity", cast="integer")),
    },
)


def shopify(name: str, item: str, **head: str) -> dict[str, Any]:
    blank = dict.fromkeys(("Email", "Created at", "Paid at", "Phone", "Billing Name", "Billing Country", "Total"), "")
    return {**blank, "Name": name, "Lineitem name": item, "Lineitem quantity": "1", **head}


HEAD = {
    "Email": "asha@example.com",
    "Created at": "2026-06-19 16:12:13 +0530",
    "Billing Name": "Asha Rao",
    "Billing Country": "IN",
    "Phone": "098123 45670",
    "Total": "1499.00",
}


def test_s01_s32_shopify_orders_become_one_event_each_with_the_right_time() -> None:
    rows = [shopify("#1", "Kettle", **HEAD), shopify("#1", "Cup"), shopify("#2", "Pan", **{**HEAD, "Phone": ""})]
    first, second = bodies(outcomes(rows, SHOPIFY))
    assert first == {
        "name": "Asha Rao",
        "phoneNumber": "+919812345670",
        "email": "asha@example.com",
        "eventName": "ordered",
        "eventProperties": {"orderId": "#1", "orderValue": 1499, "items": ["Kettle", "Cup"], "quantities": [1, 1]},
        "createdAt": "2026-06-19T10:42:13.000Z",
        "isMigration": True,
    }
    assert second["eventProperties"]["items"] == ["Pan"]
    assert "phoneNumber" not in second


def test_s01_the_offset_behind_a_blank_is_read_by_a_rule_and_not_by_accident() -> None:
    mapping = EventMapping(event_name="ordered", email="e", created_at="t", properties={})
    texts = ["2026-06-19 16:12:13 +0530", "2026-06-19 16:12:13.123 +0530", "2026-06-19 16:12:13.1 +0530"]
    read = bodies(outcomes([{"e": "a@example.com", "t": text} for text in texts], mapping))
    assert [event["createdAt"] for event in read] == [
        f"2026-06-19T10:42:13.{milliseconds}Z" for milliseconds in ("000", "123", "100")
    ]
    assert bodies(outcomes([{"e": "a@example.com", "t": "2026-06-19 16:12:13x+0530"}], mapping)) == [
        Reason.CREATED_AT_INVALID
    ]


def test_s02_an_order_without_a_payment_date_is_never_an_event_of_today() -> None:
    mapping = EventMapping(event_name="ordered", email="Email", created_at="Paid at", properties={"id": "Name"})
    rows = [
        shopify("#1", "Kettle", **HEAD, **{"Paid at": "2026-06-19 16:12:13 +0530"}),
        shopify("#2", "Cup", **HEAD),
        shopify("#3", "Pan", **HEAD, **{"Paid at": "NULL"}),
    ]
    dated, *undated = bodies(outcomes(rows, mapping))
    assert dated["isMigration"] is True
    assert undated == [Reason.CREATED_AT_MISSING] * 2
    said = outcomes(rows, mapping, PipelineRule(on_undated="realtime"))
    assert [result.pipeline for result in said if isinstance(result, EncodedEvent)] == [
        Pipeline.MIGRATION,
        Pipeline.REALTIME,
        Pipeline.REALTIME,
    ]


def test_s02_the_same_without_a_mapping() -> None:
    event = {"email": "a@example.com", "eventName": "ordered", "eventProperties": {}}
    assert bodies(outcomes([{**event, "createdAt": None}])) == [Reason.CREATED_AT_MISSING]
    (undated,) = outcomes([event])
    assert isinstance(undated, EncodedEvent)


def test_s03_bigquerys_timestamps_are_read() -> None:
    mapping = EventMapping(event_name="ordered", email="e", created_at="t", properties={})
    rows = [{"e": "a@example.com", "t": text} for text in ("2015-05-20 21:34:02 UTC", "2015-05-20 21:34:02.123456 UTC")]
    assert [event["createdAt"] for event in bodies(outcomes(rows, mapping))] == [
        "2015-05-20T21:34:02.000Z",
        "2015-05-20T21:34:02.123Z",
    ]


def test_s04_a_key_that_some_rows_lack_is_null_whatever_the_order_of_the_rows() -> None:
    mapping = EventMapping(event_name="ordered", email="e", phone_number="mobile", properties={"coupon": "coupon"})
    rows = [{"e": "a@example.com"}, {"e": "b@example.com", "mobile": "+919812345670", "coupon": "X"}]
    for given in (rows, rows[::-1]):
        assert all(isinstance(result, EncodedEvent) for result in outcomes(given, mapping))


def test_s05_a_file_with_another_header_is_named_with_the_column_and_the_nearest() -> None:
    mapping = EventMapping(event_name="ordered", email="email", created_at="paid_at", properties={})
    with pytest.raises(
        BikConfigError, match=r"orders-2026-02\.csv: there is no column 'paid_at'; the nearest is 'Paid at'"
    ):
        encoder(mapping).check_columns(["email", "Paid at"], "orders-2026-02.csv")
    assert bodies(outcomes([{"email": "a@example.com", "Paid at": "2026-01-01"}], mapping)) == [
        Reason.CREATED_AT_MISSING
    ]


PHONES = EventMapping(event_name="customerCreated", email="email", phone_number="phone", properties={})


def phones(*texts: object, region: str | None = "IN", email: str | None = None) -> list[Any]:
    made = bodies(outcomes([{"email": email, "phone": text} for text in texts], PHONES, default_region=region))
    return [event.get("phoneNumber") if isinstance(event, dict) else event for event in made]


def test_s06_a_number_that_a_program_wrote_as_float_is_that_number() -> None:
    assert phones("919812345670.0", "9812345671.0", "+919812345672.0", 919812345670.0) == [
        "+919812345670",
        "+919812345671",
        "+919812345672",
        "+919812345670",
    ]
    assert phones("+919812345672.0", region=None) == ["+919812345672"]


def test_s07_scientific_notation_with_all_digits_is_the_number() -> None:
    lost, whole = phones("9.19812E+11", "9.19812345671E+11", email="a@example.com")
    assert (lost, whole) == (None, "+919812345671")
    assert phones("9.19812E+11") == [Reason.PHONE_INVALID]


def test_s08_a_trunk_zero_goes_and_what_cannot_exist_is_rejected() -> None:
    assert phones(
        "+91 09812345670", "+91-0-98123 45671", "0091 098123 45672", "+4903012345678", "+880 01712345678"
    ) == ["+919812345670", "+919812345671", "+919812345672", "+493012345678", "+8801712345678"]
    assert phones("0919812345675") == [Reason.PHONE_INVALID]
    assert phones("+91 (0) 98123 45673", "09812345674", "+39 06 1234567") == [
        "+919812345673",
        "+919812345674",
        "+39061234567",
    ]


def test_s09_a_decorated_number_costs_no_event_that_has_an_address() -> None:
    decorated = [
        *("'+919812345670", "tel:+919812345671", "+91 98123/45672", "9812345673 / 9812345674", "+91 9812345675 x12"),
        *(
            "+91_9812345676",
            "\u202a+91 98123 45677\u202c",
            "+91\u00a098123\u00a045678",
            "\uff0b919812345679",
            "N/A",
            "0",
        ),
    ]
    assert phones(*decorated, email="asha@example.com") == [
        *("+919812345670", "+919812345671", "+919812345672", None, "+919812345675"),
        *(None, "+919812345677", "+919812345678", "+919812345679", None, None),
    ]


def test_s10_no_customer_is_called_like_a_null() -> None:
    mapping = EventMapping(
        event_name="ordered",
        name="name",
        email="email",
        phone_number="mobile",
        properties={"coupon": "coupon", "value": Column("total", cast="number")},
    )
    rows = [
        {"email": r"\N", "mobile": "+919812345670", "name": "Asha", "coupon": r"\N", "total": "10"},
        {"email": "NULL", "mobile": "+919812345671", "name": "NULL", "coupon": "NULL", "total": "NULL"},
        {"email": r"\N", "mobile": r"\N", "name": "Mira", "coupon": "X", "total": "30"},
    ]
    first, second, third = bodies(outcomes(rows, mapping))
    assert first == {
        "name": "Asha",
        "phoneNumber": "+919812345670",
        "eventName": "ordered",
        "eventProperties": {"value": 10},
    }
    assert second == {"phoneNumber": "+919812345671", "eventName": "ordered", "eventProperties": {}}
    assert third is Reason.IDENTITY_MISSING


def test_s11_one_customer_in_nine_spellings_is_one_or_none() -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={})
    spellings = [
        *("asha@example.com", " asha@example.com", "asha@example.com ", "asha@Example.com", "mailto:asha@example.com"),
        *(
            "asha@example.com\u00a0",
            "asha@example.com;ravi@example.com",
            "asha(at)example.com",
            "Asha <asha@example.com>",
        ),
    ]
    made = bodies(outcomes([{"email": text} for text in spellings], mapping))
    assert [event["email"] for event in made[:6]] == ["asha@example.com"] * 6
    assert made[6:] == [Reason.EMAIL_INVALID] * 3


def test_s12_what_pandas_makes_of_nulls_is_null() -> None:
    pd = pytest.importorskip("pandas")
    mapping = EventMapping(
        event_name="ordered", email="email", phone_number="mobile", created_at="at", properties={"coupon": "coupon"}
    )
    frame = pd.DataFrame(
        {
            "email": ["a@example.com", None, "c@example.com"],
            "mobile": [math.nan, 919812345670.0, math.nan],
            "at": pd.to_datetime(["2026-01-05", "2026-01-06", None]),
            "coupon": ["X", math.nan, pd.NA],
        }
    )
    first, second, third = bodies(outcomes(frame.to_dict("records"), mapping, default_region="IN"))
    assert (first["email"], first["createdAt"]) == ("a@example.com", "2026-01-05T00:00:00.000Z")
    assert "phoneNumber" not in first
    assert (second["phoneNumber"], second["eventProperties"]) == ("+919812345670", {})
    assert third is Reason.CREATED_AT_MISSING


def test_s18_dates_of_the_united_states_are_read_by_their_format() -> None:
    column = Column("InvoiceDate", cast="datetime", format="%m/%d/%Y %H:%M", timezone="Europe/London")
    mapping = EventMapping(event_name="ordered", email="e", created_at=column, properties={"date": column})
    rows = [{"e": "a@example.com", "InvoiceDate": text} for text in ("12/1/2010 8:26", "7/1/2011 8:26")]
    winter, summer = bodies(outcomes(rows, mapping))
    assert winter["createdAt"] == winter["eventProperties"]["date"] == "2010-12-01T08:26:00.000Z"
    assert summer["createdAt"] == "2011-07-01T07:26:00.000Z"


def test_s19_the_microseconds_of_ga4_are_read_as_text_and_as_a_number() -> None:
    units: list[Any] = ["us", None]
    for unit in units:
        column = Column("event_timestamp", cast="datetime", unit=unit)
        mapping = EventMapping(event_name=Column("event_name"), email="e", created_at=column, properties={})
        for value in ("1675704514198480", 1675704514198480):
            row = {"e": "a@example.com", "event_name": "purchase", "event_timestamp": value}
            (event,) = bodies(outcomes([row], mapping))
            assert event["createdAt"] == "2023-02-06T17:28:34.198Z"


def test_s20_what_stands_below_properties_is_reached() -> None:
    mapping = EventMapping(
        event_name=Column("event"),
        email="properties.$email",
        created_at=Column("properties.time", cast="datetime", unit="s"),
        properties={"sku": "properties.items[0].sku", "city": "properties.$city"},
    )
    row = {
        "event": "ordered",
        "properties": {"$email": "a@example.com", "time": 1768473000, "items": [{"sku": "A-1"}], "$city": "Pune"},
    }
    (event,) = bodies(outcomes([row], mapping))
    assert (event["email"], event["createdAt"]) == ("a@example.com", "2026-01-15T10:30:00.000Z")
    assert event["eventProperties"] == {"sku": "A-1", "city": "Pune"}


def test_s21_json_in_a_text_column_becomes_an_object() -> None:
    mapping = EventMapping(
        event_name="ordered", email="E", properties={"item": Column("V", cast="json"), "sku": "V.sku", "text": "V"}
    )
    (event,) = bodies(outcomes([{"E": "a@example.com", "V": '{"sku": "A-1", "qty": 2}'}], mapping))
    assert event["eventProperties"]["item"] == {"sku": "A-1", "qty": 2}
    assert event["eventProperties"]["sku"] == "A-1"
    assert event["eventProperties"]["text"] == '{"sku": "A-1", "qty": 2}'


def test_s27_woocommerce_has_the_name_in_two_columns_and_times_of_the_shop() -> None:
    mapping = EventMapping(
        event_name="ordered",
        name=["billing_first_name", "billing_last_name"],
        email="billing_email",
        phone_number="billing_phone",
        phone_country="billing_country",
        created_at="order_date",
        properties={"item.sku": "sku", "item.size": "size", "orderId": "order_id"},
    )
    row = {
        "billing_first_name": "Asha",
        "billing_last_name": "Rao",
        "billing_email": "asha@example.com",
        "billing_phone": "098123 45670",
        "billing_country": "IN",
        "order_date": "2026-01-15 04:48:06",
        "order_id": 7,
        "sku": None,
        "size": None,
    }
    (event,) = bodies(outcomes([row], mapping, timezone="Asia/Kolkata"))
    assert (event["name"], event["phoneNumber"]) == ("Asha Rao", "+919812345670")
    assert event["createdAt"] == "2026-01-14T23:18:06.000Z"
    assert event["eventProperties"] == {"orderId": 7}


def test_s28_an_id_that_a_gap_has_made_a_float_is_what_it_was() -> None:
    mapping = EventMapping(
        event_name="ordered",
        email="e",
        properties={"text": Column("v", cast="string"), "number": Column("v", cast="integer")},
    )
    whole, gap = bodies(outcomes([{"e": "a@example.com", "v": 7.0}, {"e": "b@example.com", "v": math.nan}], mapping))
    assert whole["eventProperties"] == {"text": "7", "number": 7}
    assert gap["eventProperties"] == {}


def test_s32_rows_are_left_out_by_where_and_by_to_event() -> None:
    mapping = EventMapping(
        event_name="ordered", email="Email", properties={"id": "Name"}, where=lambda row: bool(row["Email"])
    )
    rows = [shopify("#1", "Kettle", **HEAD), shopify("#1", "Cup")]
    sent, skipped = bodies(outcomes(rows, mapping))
    assert (sent["eventProperties"], skipped) == ({"id": "#1"}, None)

    def to_event(row: dict[str, Any]) -> dict[str, Any] | None:
        event = {"email": row["Email"], "eventName": "ordered", "eventProperties": {"id": row["Name"]}}
        return event if row["Email"] else None

    sent, skipped = bodies(outcomes(rows, EventMapping(to_event=to_event)))
    assert (sent["eventProperties"], skipped) == ({"id": "#1"}, None)
