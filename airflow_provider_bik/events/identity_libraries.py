"""What ``email-validator`` and ``phonenumbers`` say.

Both take a while to import, and a DAG is parsed without them: this module is imported with the first event.
"""

from __future__ import annotations

import re

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES, EMAIL_MAX_LENGTH
from phonenumbers import PhoneNumberType, ValidationResult

from airflow_provider_bik.events.identity import undecorated
from airflow_provider_bik.events.reasons import Reason

__all__ = ["DOMAINS", "MAILBOXES", "plain_numbers", "read_email", "read_phone"]

DOMAINS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
"""The last names of domains that no mail can reach."""

MAILBOXES = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)
"""Names before the @ in which upper and lower case are the same."""

_COUNTRY = re.compile(r"\+[1-9][0-9]{0,2}")

_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def read_email(text: str) -> str | None:
    """What ``email-validator`` reads a text as; None if that is no address."""
    if len(text) > EMAIL_MAX_LENGTH:
        return None
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    # A domain that was written in ASCII stays so: the library would also write xn-- names in other scripts.
    domain = found.ascii_domain if text.rpartition("@")[2].isascii() else found.domain
    return f"{found.local_part}@{domain}"


def plain_numbers(country: str) -> re.Pattern[str] | None:
    """The numbers of a country that the library reads as they stand: as long as its mobile or fixed lines are.

    The national part must not begin with a zero or with what may be a prefix that is dialled inside the country only.
    """
    if not _COUNTRY.fullmatch(country):
        return None
    code = int(country)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ("",))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0]) if regions[0] else None
    if metadata is None:
        return None
    kinds = (metadata.mobile, metadata.fixed_line)
    lengths = {length for kind in kinds if kind is not None for length in kind.possible_length if length > 0}
    if not lengths:
        return None
    prefix = metadata.national_prefix_for_parsing
    without_prefix = "" if prefix is None else f"(?!{prefix})"
    rest = "|".join(f"[0-9]{{{length - 1}}}" for length in sorted(lengths, reverse=True))
    return re.compile(rf"\{country}{without_prefix}[1-9](?:{rest})")


def read_phone(text: str, region: str | None) -> str | Reason:
    """What ``phonenumbers`` reads a text without marks as, or why it is no number."""
    bare = undecorated(text)
    if bare is None:
        return Reason.PHONE_INVALID
    text, is_plain = bare
    if "+" not in text and text.lstrip("(").startswith("00"):
        text = "+" + text.lstrip("(")[2:]
    says_country = "+" in text
    if not says_country and region is None:
        return Reason.PHONE_COUNTRY_MISSING
    number = _parsed(text, None if says_country else region)
    if number is None:
        return Reason.PHONE_INVALID
    is_good = phonenumbers.is_valid_number(number) or (says_country and is_plain and _is_possible(number))
    if not is_good or (not says_country and _may_be_foreign(text, number)):
        return Reason.PHONE_INVALID
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def _may_be_foreign(text: str, number: phonenumbers.PhoneNumber) -> bool:
    """Whether digits that are no mobile number of the region are a whole number of another country.

    Some countries give out fixed lines of nearly any digits. Inside them, these are written with a zero before them.
    """
    if text[0] == "0" or phonenumbers.number_type(number) in _MOBILE:
        return False
    foreign = _parsed("+" + text, None)
    return foreign is not None and foreign.country_code != number.country_code and phonenumbers.is_valid_number(foreign)


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Whether mobile or fixed lines of its country have so many digits, the area code included."""
    return any(
        phonenumbers.is_possible_number_for_type_with_reason(number, kind) == ValidationResult.IS_POSSIBLE
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    )
