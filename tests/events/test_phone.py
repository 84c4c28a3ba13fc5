"""What is accepted as a telephone number is what ``phonenumbers`` reads as exactly one."""

from __future__ import annotations

import math
from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events import identity as module
from airflow_provider_bik.events import regions
from airflow_provider_bik.events.identity import parse_phone
from airflow_provider_bik.events.identity_libraries import read_phone
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.regions import is_region

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
TYPES = [kind for kind in phonenumbers.PhoneNumberType.values() if kind != phonenumbers.PhoneNumberType.UNKNOWN]
E164 = phonenumbers.PhoneNumberFormat.E164


def examples() -> list[tuple[str, phonenumbers.PhoneNumber]]:
    """The library's own test numbers, of each type of each region."""
    found = [(region, phonenumbers.example_number_for_type(region, kind)) for region in REGIONS for kind in TYPES]
    return [(region, number) for region, number in found if number is not None]


EXAMPLES = examples()
TEXTS = [phonenumbers.format_number(number, E164) for _, number in EXAMPLES]


def reason_of(value: object, region: str | None = None) -> Reason:
    outcome = parse_phone(value, region)
    assert isinstance(outcome, Rejection), outcome
    return outcome.reason


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+19494572787", "+19494572787"),
        ("+1 (949) 457-2787", "+19494572787"),
        ("0091 98765 43210", "+919876543210"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+39 (0)6 1234567", "+39061234567"),
        ("+49 30\u2013123.456", "+4930123456"),
        (" +91\u00a098765\u00a043210\n", "+919876543210"),
        ("(+91) 98765 43210", "+919876543210"),
        ("tel:+919876543210", "+919876543210"),
        ("TEL: +91-98765-43210", "+919876543210"),
        ("'+919876543210", "+919876543210"),
        ("\u2019+919876543210", "+919876543210"),
        ("\u202a+91 98765 43210\u202c", "+919876543210"),
        ("+91\u200b98765\u200b43210", "+919876543210"),
        ("\uff0b\uff19\uff11 98765 43210", "+919876543210"),
        ("+९१ ९८७६५ ४३२१०", "+919876543210"),
        ("+91 9876543210 x12", "+919876543210"),
        ("+91 9876543210 ext. 12", "+919876543210"),
        ("+91 9876543210;ext=12", "+919876543210"),
        ("+91 98765/43210", "+919876543210"),
        ("+49 (0)711/123456", "+49711123456"),
        ("+919876543210.0", "+919876543210"),
        ("+9.1987654321E+11", None),
        ("+91 09876543210", "+919876543210"),
        ("+91-0-98765 43210", "+919876543210"),
        ("+91 (0) 98765 43210", "+919876543210"),
        ("0091 098765 43210", "+919876543210"),
        ("+4903012345678", "+493012345678"),
        ("+880 01712345678", "+8801712345678"),
        ("+5491123456789", "+5491123456789"),
        ("+54 11 15-2345-6789", "+5491123456789"),
    ],
)
def test_a_number_that_says_its_country_becomes_plus_and_digits(written: str, read: str | None) -> None:
    for region in (None, "IN", "US"):
        outcome = parse_phone(written, region)
        assert (None if isinstance(outcome, Rejection) else outcome) == read


@pytest.mark.parametrize("written", ["", "   ", "\u200b\u00a0", "'", "tel:"])
def test_blank_text_is_no_number(written: str) -> None:
    assert parse_phone(written, "IN") is None


@pytest.mark.parametrize("written", ["98765 43210", "919876543210", 919876543210, 919876543210.0, "0612345678"])
def test_a_number_without_a_country_is_not_guessed_into_one(written: object) -> None:
    assert reason_of(written) is Reason.PHONE_COUNTRY_MISSING


@pytest.mark.parametrize(
    "written",
    [
        *("98765 43210", "9876543210", "09876543210", "919876543210", "9876543210.0", "919876543210.0", "98765/43210"),
        *(
            "9.876543210E+9",
            "9.19876543210E+11",
            "9,19876543210E+11",
            "9198765432.10E+2",
            "९८७६५४३२१०",
            "98765-43210 x7",
        ),
        *(9876543210, 9876543210.0, 919876543210, 919876543210.0, Decimal(9876543210), Decimal("919876543210.0")),
    ],
)
def test_with_a_region_national_numbers_are_read(written: object) -> None:
    assert parse_phone(written, "IN") == "+919876543210"


@pytest.mark.parametrize(
    "written",
    [
        *("n/a", "+", "+123", "+0123456789", "+1234567890123456", "12ab", "x", "0", "-", "+91 98765 x12", "12345"),
        *("9876543210 / 9876543211", "9876543210/11", "9876543210, 9876543211", "9876543210;9876543211"),
        *(
            "+919876543210 +919876543211",
            "9876543210\n9876543211",
            "9876543210 or 9876543211",
            "+919876543210/+919876543211",
        ),
        *("9.87654E+9", "9.8765E+11", "1E10", "9.876543210E-9", "9876543210.5", "98765432.10", "+9198765432.10"),
        *("+91 98765 4321", "+91 98765 432109", "+9198765432101", "0919876543210", "+91_9876543210", "+91 98765x3210"),
        *("+1 800 FLOWERS", "98765 HOME", "+91 98765 4321O", "call 9876543210", "9876543210 (home)", "(98765 43210"),
        *("+12345678", "+999 12345678", "+91 98765    43210", "--9876543210", "+91 +98765 43210", "98765?43210"),
        *(1.5, -9876543210, 9876543210.5, Decimal("9876543210.5"), Decimal("1e999999"), 10**400, math.inf, 0),
    ],
)
def test_what_is_not_exactly_one_number_is_rejected(written: object) -> None:
    assert reason_of(written, "IN") is Reason.PHONE_INVALID


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("447911123456", "IN"),
        ("14155552671", "IN"),
        ("4915112345678", "IN"),
        ("919876543210", "US"),
        ("919876543210", "DE"),
        ("447911123456", "DE"),
        ("456789 / 456780", "DE"),
    ],
)
def test_a_region_does_not_claim_what_is_no_number_of_its_own(written: str, region: str) -> None:
    assert reason_of(written, region) is Reason.PHONE_INVALID


@pytest.mark.parametrize("value", [True, [], b"+491234567", {}, object()])
def test_other_types_are_rejected(value: object) -> None:
    assert reason_of(value) is Reason.FIELD_TYPE


def test_a_region_is_a_code_of_iso_3166() -> None:
    assert is_region("IN")
    assert not is_region("XX")
    assert not is_region("in")


def test_the_regions_that_are_known_without_the_library_are_those_of_the_library() -> None:
    assert set(REGIONS) == regions.REGIONS


def library(text: str, region: str | None) -> str | None:
    """What the library makes of a text, if it reads it as a possible number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return str(phonenumbers.format_number(number, E164))


def test_the_short_cut_gives_what_the_library_gives_for_its_own_numbers() -> None:
    taken = 0
    for text in TEXTS:
        plain = module.plain_phone(text)
        taken += plain is not None
        assert plain is None or plain == read_phone(text, None) == library(text, None)
        assert parse_phone(text, None) == text or read_phone(text, None) is Reason.PHONE_INVALID
    assert taken > len(TEXTS) // 2


codes = st.sampled_from([str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE])
plain_texts = (
    st.builds(lambda code, rest: f"+{code}{rest}", codes, st.text("0123456789", min_size=3, max_size=13))
    | st.text("0123456789", min_size=5, max_size=15).map("+".__add__)
    | st.builds(
        lambda text, at, digit: text[: at % len(text)] + digit + text[at % len(text) + 1 :],
        st.sampled_from(TEXTS),
        st.integers(1, 14),
        st.sampled_from([*"0123456789", "", "00", "15"]),
    )
)


@settings(max_examples=1200)
@given(text=plain_texts)
def test_the_short_cut_gives_what_the_library_gives(text: str) -> None:
    plain = module.plain_phone(text)
    assert plain is None or plain == read_phone(text, None) == library(text, None)


@pytest.mark.parametrize("style", ["E164", "INTERNATIONAL", "NATIONAL", "RFC3966"])
def test_every_form_in_which_the_library_writes_a_number_is_read_back(style: str) -> None:
    form = getattr(phonenumbers.PhoneNumberFormat, style)
    unread = []
    for region, number in EXAMPLES:
        if not phonenumbers.is_valid_number(number):
            continue
        text = phonenumbers.format_number(number, form)
        outcome = parse_phone(text, region)
        if outcome != phonenumbers.format_number(number, E164):
            unread.append((region, text, outcome))
    # A few national forms have stars, or are read by the library itself as another number.
    assert len(unread) <= len(EXAMPLES) // 100, unread
    assert all(isinstance(outcome, Rejection) or library(text, region) == outcome for region, text, outcome in unread)


odd_texts = st.lists(
    st.sampled_from([*"0123456789+-()./ x", "00", "+91", "98765", "43210", " / ", ".0", "E+9", "tel:", "ext", "'", "n"])
    | st.characters(max_codepoint=0x3000),
    max_size=14,
).map("".join)


@settings(max_examples=800)
@given(text=odd_texts, region=st.sampled_from([None, "IN", "US", "DE", "IT", "GB", "AR"]))
def test_whatever_is_accepted_the_library_accepts(text: str, region: str | None) -> None:
    outcome = parse_phone(text, region)
    if isinstance(outcome, str):
        assert library(outcome, None) == outcome
        # Nothing is accepted whose digits were not written: those of the country and a trunk zero aside.
        written = module._cleaned(text)  # noqa: SLF001
        national = outcome[-5:]
        assert national in "".join(filter(str.isdigit, written))


@given(number=st.integers(0, 10**16), region=st.sampled_from(["IN", "US", "DE"]))
def test_a_number_reads_the_same_as_text_as_integer_as_float_and_as_decimal(number: int, region: str) -> None:
    expected = parse_phone(str(number), region)
    if not str(number).startswith("00") and number < 10**15:
        for value in (number, float(number), Decimal(number), f"{number}.0", f"{float(number):.1f}"):
            assert parse_phone(value, region) == expected
