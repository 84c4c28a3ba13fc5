"""What is accepted as an e-mail address is what ``email-validator`` reads as exactly one."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events import identity as module
from airflow_provider_bik.events.identity import parse_email, trim
from airflow_provider_bik.events.identity_libraries import read_email
from airflow_provider_bik.events.reasons import Reason, Rejection


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("asha@example.com", "asha@example.com"),
        (" asha@example.com", "asha@example.com"),
        ("asha@example.com \r\n", "asha@example.com"),
        ("asha@example.com\u00a0", "asha@example.com"),
        ("\u200basha@example.com\ufeff", "asha@example.com"),
        ("\u202aasha@example.com\u202c", "asha@example.com"),
        ("mailto:asha@example.com", "asha@example.com"),
        (" MAILTO: asha@example.com", "asha@example.com"),
        ("Asha.K@Example.COM", "Asha.K@example.com"),
        ("o'brien+shop@mail.example.co.uk", "o'brien+shop@mail.example.co.uk"),
        ("தமிழ்@example.com", "தமிழ்@example.com"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@Bücher.example", "a@bücher.example"),
        ("INFO@example.com", "info@example.com"),
    ],
)
def test_what_surrounds_an_address_goes_and_the_address_stays(written: str, read: str) -> None:
    assert parse_email(written) == read


@pytest.mark.parametrize("written", ["", "  ", "\u00a0\u200b", "mailto:", "mailto: \u200b"])
def test_blank_text_is_no_address(written: str) -> None:
    assert parse_email(written) is None


@pytest.mark.parametrize(
    "written",
    [
        *("asha", "asha@", "@example.com", "asha(at)example.com", "asha@example", "asha@localhost", "a@shop.invalid"),
        *(
            "asha@example.com;ravi@example.com",
            "asha@example.com,ravi@example.com",
            "asha@example.com ravi@example.com",
        ),
        *(
            "Asha <asha@example.com>",
            "<asha@example.com>",
            "asha@example.com (home)",
            "asha @example.com",
            "a b@example.com",
        ),
        *("asha@@example.com", "asha@exa mple.com", "asha@example..com", ".asha@example.com", "asha.@example.com"),
        *("asha@example.com.", "asha@-example.com", "asha@example.com?subject=x", "mailto:mailto:asha@example.com"),
        *("asha@1.2.3.4", "asha@[1.2.3.4]", "asha@example.c0", "asha@example.com/ravi@example.com", "N/A", "NULL", "-"),
        *(
            "a" * 250 + "@example.com",
            "\ud800@example.com",
            "asha@exam\u200bple.com",
            "asha\u202e@example.com",
            "a\0@b.com",
        ),
    ],
)
def test_what_is_not_exactly_one_address_is_rejected(written: str) -> None:
    outcome = parse_email(written)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.reason is Reason.EMAIL_INVALID


@pytest.mark.parametrize("value", [5, True, [], b"asha@example.com"])
def test_other_types_are_rejected(value: object) -> None:
    outcome = parse_email(value)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.FIELD_TYPE


def library(text: str) -> tuple[str, str] | None:
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    return found.local_part, found.domain


pieces = st.sampled_from(
    [*"abzAZ019.-_+@ ;,<>'\"()", "asha", "example.com", "@example.com", ".co.uk", "xn--", "--", "test", "info", "INFO"]
)
texts = st.lists(pieces | st.characters(max_codepoint=0x2100), max_size=8).map("".join)
addresses = st.builds(lambda local, domain: f"{local}@{domain}", texts, texts | st.just("Example.com")) | st.emails()
long = st.builds(
    lambda local, label, rest: f"{'a' * local}@{'b' * label}.{'c.' * rest}com",
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(0, 130),
)


@settings(max_examples=1000)
@given(text=texts | addresses | long)
def test_the_short_cut_gives_what_the_library_gives(text: str) -> None:
    ordinary = module.ordinary_email(text)
    if ordinary is not None:
        assert library(text) == tuple(ordinary.rsplit("@", 1))
        assert ordinary == read_email(text)


@settings(max_examples=500)
@given(text=texts | addresses | long, before=st.sampled_from(["", " ", "\u200b", "mailto:"]))
def test_whatever_is_accepted_is_what_the_library_accepts(text: str, before: str) -> None:
    outcome = parse_email(before + text)
    expected = library(trim(text))
    if isinstance(outcome, str):
        assert library(outcome) is not None
        assert expected is None or outcome.rsplit("@", 1)[0] == expected[0]
    elif isinstance(outcome, Rejection):
        assert expected is None or before
