"""K1, K5, K6, K8: who the customer of an event is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_bik.events import Column, EventMapping, Reading
from tests.realdata.support import MOBILE, Shop

CUSTOMER = EventMapping(
    event_name="customerCreated", name="name", email="email", phone_number="phone", properties={"n": "n"}
)
BY_PHONE = EventMapping(event_name="customerCreated", phone_number="phone", properties={"n": "n"})
BY_EMAIL = EventMapping(event_name="customerCreated", email="email", properties={"n": "n"})
INDIA = Reading(default_region="IN")


def by_phone(shop: Shop, phones: list[Any], reading: Reading = INDIA) -> list[str | None]:
    """The number that BIK got for each of these; None for one that was rejected."""
    outcome = shop.send([{"phone": phone, "n": n} for n, phone in enumerate(phones)], BY_PHONE, reading=reading)
    got = {event["eventProperties"]["n"]: event["phoneNumber"] for event in outcome.events}
    assert len(outcome.events) + len(outcome.rejected) == len(phones)
    return [got.get(n) for n in range(len(phones))]


def beside_email(shop: Shop, phones: list[Any]) -> list[str | None]:
    """The number that BIK got for each of these, all beside a good address: no event may be lost."""
    rows = [
        {"name": "Kavya", "email": f"kavya{n}@example.com", "phone": phone, "n": n} for n, phone in enumerate(phones)
    ]
    outcome = shop.send(rows, CUSTOMER, reading=INDIA)
    assert outcome.error is None
    assert outcome.of("email") == [row["email"] for row in rows]
    return outcome.of("phoneNumber")


def test_s06_numbers_that_a_program_wrote_as_floats(shop: Shop) -> None:
    path = shop.file(
        "customers.csv", "name,email,phone,n\nKavya,,919812345670.0,1\nArjun,,9812345670.0,2\nNila,,+919812345670.0,3\n"
    )
    assert shop.send(path, CUSTOMER, reading=INDIA).of("phoneNumber") == [MOBILE] * 3
    without = shop.send(path, CUSTOMER)
    assert without.of("phoneNumber") == [MOBILE]
    assert without.reasons == ["phone_country_missing"] * 2


def test_s07_scientific_notation_is_a_number_only_with_all_its_digits(shop: Shop) -> None:
    assert by_phone(shop, ["9.19812E+11", "9.1981234567E+11", "9.19812345670E+11"]) == [None, None, MOBILE]
    assert beside_email(shop, ["9.19812E+11", "9.19812345670E+11"]) == [None, MOBILE]


def test_s08_the_trunk_zero_behind_a_country_code_goes(shop: Shop) -> None:
    written = ["+91 09812345670", "+91-0-98123 45670", "0091 098123 45670", "+91 (0) 98123 45670", "09812345670"]
    assert by_phone(shop, written) == [MOBILE] * 5
    assert by_phone(shop, ["+4903012345678", "+880 01712345678", "+39 06 1234567"]) == [
        "+493012345678",
        "+8801712345678",
        "+39061234567",
    ]
    assert by_phone(shop, ["0919812345670"]) == [None]


def test_s09_decorations_cost_no_event(shop: Shop) -> None:
    decorated = [
        "'+919812345670",
        "tel:+919812345670",
        "+91 98123/45670",
        "+91 9812345670 x12",
        "\u202a+91 98123 45670\u202c",
    ]
    assert beside_email(shop, [*decorated, "+91\u00a098123\u00a045670", "\uff0b919812345670"]) == [MOBILE] * 7
    assert beside_email(shop, ["9812345670 / 9812345671", "+91_9812345670", "N/A", "0"]) == [None] * 4


def test_k1_further_forms_of_one_number(shop: Shop) -> None:
    written: list[Any] = [
        *("00 91 98123 45670", "(+91) 98123-45670", "+ 91 98123 45670", "+91.98123.45670", "91 98123 45670"),
        *('="9812345670"', '"9812345670"', "९८१२३४५६७०", "tel:+91-98123-45670;ext=7", "098123 45670 ext. 4"),
        *(9812345670, 9812345670.0, Decimal("919812345670.0"), "\u200e+91\u2011 98123\u201145670", "9812345670\t"),
    ]
    assert by_phone(shop, written) == [MOBILE] * len(written)


def test_k1_what_is_not_one_number_is_none(shop: Shop) -> None:
    written: list[Any] = [
        *("+91-98123 45670 / 71", "+919812345670,+919812345671", "9812345670 or 9812345671", "+91+919812345670"),
        *("+91 98123 45670\n+91 98123 45671", "98123 4567O", "wa.me/919812345670", "0000000000", "1.0", "98123.5"),
        *(True, 9812345670.5, float("inf"), ["9812345670"], b"9812345670"),
    ]
    assert by_phone(shop, written) == [None] * len(written)
    assert beside_email(shop, written) == [None] * len(written)


def test_k5_a_number_of_another_country_is_not_claimed(shop: Shop) -> None:
    assert by_phone(shop, ["447911123456", "+44 7911 123456", "0044 7911 123456"]) == [None, *["+447911123456"] * 2]
    assert by_phone(shop, ["98123 4567", "981234567012"]) == [None, None]


def test_k5_a_column_may_hold_the_country(shop: Shop) -> None:
    mapping = EventMapping(
        event_name="customerCreated", phone_number="phone", phone_country="country", properties={"n": "n"}
    )
    rows = [
        {"phone": "07911 123456", "country": "gb", "n": 1},
        {"phone": "98123 45670", "country": "", "n": 2},
        {"phone": "98123 45670", "country": "Indien", "n": 3},
    ]
    outcome = shop.send(rows, mapping, reading=INDIA)
    assert outcome.of("phoneNumber") == ["+447911123456", MOBILE]
    assert outcome.reasons == ["phone_country_missing"]


def test_s10_nobody_is_called_like_a_null(shop: Shop) -> None:
    path = shop.file(
        "dump.csv",
        "name,email,phone,n\nKavya,\\N,+919812345670,\\N\nNULL,NULL,+919812345671,NULL\nNila,\\N,\\N,3\n",
    )
    outcome = shop.send(path, CUSTOMER)
    assert outcome.events == [
        {"name": "Kavya", "phoneNumber": MOBILE, "eventName": "customerCreated", "eventProperties": {}},
        {"phoneNumber": "+919812345671", "eventName": "customerCreated", "eventProperties": {}},
    ]
    assert outcome.reasons == ["identity_missing"]
    assert shop.send(path, BY_EMAIL).reasons == ["identity_missing"] * 3


def test_k6_the_shop_says_what_else_means_null(shop: Shop) -> None:
    rows = [{"email": "N/A", "phone": MOBILE, "name": "-", "n": "none"}]
    kept = shop.send(rows, CUSTOMER)
    assert kept.events[0]["eventProperties"] == {"n": "none"}
    assert kept.report["dropped_identities"] == {"email_invalid": 1}
    told = shop.send(rows, CUSTOMER, reading=Reading(null_values=("N/A", "-", "none")))
    assert told.events == [{"phoneNumber": MOBILE, "eventName": "customerCreated", "eventProperties": {}}]
    assert told.report["dropped_identities"] == {}


def test_s11_one_customer_in_many_spellings_is_one_or_none(shop: Shop) -> None:
    good = [
        "kavya@example.com",
        " kavya@example.com",
        "kavya@example.com ",
        "kavya@example.com\u00a0",
        "mailto:kavya@example.com",
    ]
    good += ["kavya@EXAMPLE.com", "\u200bkavya@example.com", "\ufeffkavya@example.com\u200e", "kavya@example.com\r"]
    bad = [
        "kavya@example.com;arjun@example.com",
        "kavya(at)example.com",
        "Kavya <kavya@example.com>",
        "kavya",
        "kavya@example",
    ]
    outcome = shop.send([{"email": text, "n": 1} for text in good + bad], BY_EMAIL)
    assert outcome.of("email") == ["kavya@example.com"] * len(good)
    assert outcome.reasons == ["email_invalid"] * len(bad)


@pytest.mark.parametrize(
    "text",
    [
        *("N/A", "n/a", "-", "none", "kavya@example.com, arjun@example.com", "kavya@example,com", "kavya@example..com"),
        *("kavya @example.com", "kavya@localhost", "kavya@[10.0.0.1]", "'kavya@example.com'", "kavya%40example.com"),
        *(
            "kavya@example.com arjun@example.com",
            "kavya@example.com\narjun@example.com",
            "kavya＠example.com",
            "a@b@c.com",
        ),
        '=HYPERLINK("mailto:kavya@example.com")',
    ],
)
def test_k6_what_is_not_one_address_is_none(shop: Shop, text: str) -> None:
    assert shop.send([{"email": text, "n": 1}], BY_EMAIL).reasons == ["email_invalid"]
    (event,) = shop.send([{"email": text, "phone": MOBILE, "name": "Kavya", "n": 1}], CUSTOMER).events
    assert (event.get("email"), event["phoneNumber"]) == (None, MOBILE)


def test_k8_a_dropped_identity_is_counted_located_and_warned_about(shop: Shop) -> None:
    rows = [
        {"name": "Kavya", "email": f"k{n}@example.com", "phone": "12" if n % 2 else MOBILE, "n": n} for n in range(20)
    ]
    rows.append({"name": "Kavya", "email": "kavya", "phone": MOBILE, "n": 20})
    outcome = shop.send(rows, CUSTOMER, reading=INDIA)
    assert outcome.error is None
    assert outcome.report["dropped_identities"] == {"email_invalid": 1, "phone_invalid": 10}
    assert outcome.report["dropped_identity_examples"] == {
        "email_invalid": ["[20]"],
        "phone_invalid": [f"[{n}]" for n in (1, 3, 5, 7, 9)],
    }
    assert outcome.logged("10 x phone_invalid (at [1], [3], [5], [7], [9]); 1 x email_invalid (at [20])")
    assert not outcome.logged("kavya")
    assert not outcome.logged("9812345670")


def test_k8_a_shop_may_want_the_event_rejected(shop: Shop) -> None:
    rows = [{"name": "Kavya", "email": "kavya@example.com", "phone": "12", "n": 1}]
    outcome = shop.send(rows, CUSTOMER, reading=Reading(on_bad_identity="reject", default_region="IN"))
    assert (outcome.events, outcome.reasons) == ([], ["phone_invalid"])
    twice = shop.send([{"name": "Kavya", "email": "kavya", "phone": "12", "n": 1}], CUSTOMER)
    assert twice.reasons == ["email_invalid"]
    assert twice.rejected[0]["detail"] == "email and phoneNumber"


def test_k6_a_null_token_in_a_column_with_a_cast_is_a_null(shop: Shop) -> None:
    mapping = EventMapping(event_name="ordered", email="email", properties={"total": Column("total", cast="number")})
    path = shop.file("orders.csv", "email,total\nkavya@example.com,\\N\nnila@example.com,12.50\n")
    assert shop.send(path, mapping).properties == [{}, {"total": 12.5}]
