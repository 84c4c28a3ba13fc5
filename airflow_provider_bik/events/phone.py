"""Telephone numbers, brought to ``+`` and digits. A loose check: BIK's own samples fail a strict one."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["is_region", "parse_phone"]

_SEPARATORS = re.compile(r"[\s\-‐‑‒–().]+")  # noqa: RUF001 - the dashes that address books write
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{4,14}")


def is_region(code: str) -> bool:
    """Tell whether a text is the ISO 3166 code of a country, such as ``IN``."""
    return code in phonenumbers.SUPPORTED_REGIONS


def parse_phone(value: object, region: str | None) -> str | Rejection | None:
    """Read a telephone number.

    A number without ``+`` or ``00`` is never guessed into another country: it needs a region.

    Args:
        value: Text, or an integer (also as a float, which is what data frames make of it).
        region: ISO 3166 code of the country of numbers that do not say theirs; None if there is none.

    Returns:
        ``+`` and 5 to 15 digits; None if the text is blank; else a rejection.
    """
    if type(value) is str and _INTERNATIONAL.fullmatch(value):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return Rejection(reason=Reason.FIELD_TYPE, detail=f"phoneNumber is of type {type(value).__name__}")
    written = str(value).strip()
    if not written:
        return None
    international = written.startswith(("+", "00"))
    # "+44 (0)20 …": the bracketed zero is dialled inside the country only.
    bare = _SEPARATORS.sub("", written.replace("(0)", "") if international else written)
    if bare.startswith("00"):
        bare = "+" + bare[2:]
    if not international and bare.isascii() and bare.isdigit():
        if region is None:
            return Rejection(reason=Reason.PHONE_COUNTRY_MISSING, detail="phoneNumber")
        bare = _read_national(bare, region) or ""
    if _INTERNATIONAL.fullmatch(bare):
        return bare
    return Rejection(reason=Reason.PHONE_INVALID, detail="phoneNumber")


@lru_cache(maxsize=65_536)
def _read_national(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
