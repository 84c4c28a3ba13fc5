"""Telephone numbers, brought to ``+`` and digits. A loose check: BIK's own samples fail a strict one."""

from __future__ import annotations

import re
from typing import Protocol

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["NationalNumbers", "national_numbers", "parse_phone"]

_SEPARATORS = re.compile(r"[\s\-‐‑‒–().]+")  # noqa: RUF001 - the dashes that address books write
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{4,14}")


class NationalNumbers(Protocol):
    """Turns a number as written inside one country into ``+`` and digits, or None if it is none."""

    def __call__(self, text: str, /) -> str | None:
        """Read one number."""


def national_numbers(region: str) -> NationalNumbers:
    """Read national numbers of one region with the ``phonenumbers`` library.

    Args:
        region: ISO 3166 code of two letters, such as ``IN``.

    Raises:
        BikConfigError: The library is not installed, or does not know the region.
    """
    try:
        import phonenumbers  # noqa: PLC0415 - an optional extra
    except ImportError:
        message = (
            "default_region needs the phonenumbers library: install airflow-provider-bik[phone]. Nothing was sent."
        )
        raise BikConfigError(message) from None
    if region not in phonenumbers.SUPPORTED_REGIONS:
        message = f"default_region={region!r} is not a region: give an ISO 3166 code such as 'IN'. Nothing was sent."
        raise BikConfigError(message)

    def read(text: str, /) -> str | None:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_possible_number(number):
            return None
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return read


def parse_phone(value: object, national: NationalNumbers | None) -> str | Rejection | None:
    """Read a telephone number.

    A number without ``+`` or ``00`` is never guessed into another country: it needs ``national``.

    Args:
        value: Text, or an integer (also as a float, which is what data frames make of it).
        national: Reads numbers without a country, if a default region is set.

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
        if national is None:
            return Rejection(reason=Reason.PHONE_WITHOUT_COUNTRY, detail="phoneNumber")
        bare = national(bare) or ""
    if _INTERNATIONAL.fullmatch(bare):
        return bare
    return Rejection(reason=Reason.PHONE_INVALID, detail="phoneNumber")
