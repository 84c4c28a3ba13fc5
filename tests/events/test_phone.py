from __future__ import annotations

import pytest

from airflow_provider_bik.events.phone import is_region, parse_phone
from airflow_provider_bik.events.reasons import Reason, Rejection


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+19494572787", "+19494572787"),
        ("+1 (949) 457-2787", "+19494572787"),
        ("0091 98765 43210", "+919876543210"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+49 30–123.456", "+4930123456"),  # noqa: RUF001 - a dash as address books write it
        (" +91\u00a098765\u00a043210\n", "+919876543210"),
        ("   ", None),
        ("", None),
    ],
)
def test_international_numbers_become_plus_and_digits(written: str, read: str | None) -> None:
    assert parse_phone(written, None) == read


@pytest.mark.parametrize("written", ["98765 43210", "919876543210", 919876543210, 919876543210.0, "0612345678"])
def test_a_number_without_a_country_is_not_guessed_into_one(written: object) -> None:
    outcome = parse_phone(written, None)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.PHONE_COUNTRY_MISSING


@pytest.mark.parametrize(
    "written", ["98765 43210", 9876543210, 9876543210.0, "919876543210", 919876543210, "09876543210"]
)
def test_with_a_default_region_national_numbers_are_read(written: object) -> None:
    assert parse_phone(written, "IN") == "+919876543210"


@pytest.mark.parametrize(
    "written", ["n/a", "+", "+123", "+0123456789", "+1234567890123456", "12ab", "x", "+91 98765 x12"]
)
def test_what_is_no_number_is_rejected(written: str) -> None:
    for region in (None, "IN"):
        outcome = parse_phone(written, region)
        assert isinstance(outcome, Rejection)
        assert outcome.reason is Reason.PHONE_INVALID


@pytest.mark.parametrize("value", [True, 1.5, [], b"+491234567"])
def test_other_types_are_rejected(value: object) -> None:
    outcome = parse_phone(value, None)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.FIELD_TYPE


def test_a_region_is_a_code_of_iso_3166() -> None:
    assert is_region("IN")
    assert not is_region("XX")
    assert not is_region("in")
