"""Identity: an e-mail address or telephone number that the library for it reads as exactly one, or none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, lru_cache
from itertools import repeat

from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "are_ordinary_emails",
    "are_plain_phones",
    "ordinary_email",
    "parse_email",
    "parse_emails",
    "parse_phone",
    "parse_phones",
    "plain_phone",
    "trim",
    "undecorated",
]

_CACHE_SIZE = 16_384
"""Texts that are kept with what they were read as, because customers come back: some megabytes."""

_RANGES = ((0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F))

_INVISIBLE = "".join(chr(code) for first, last in _RANGES for code in range(first, last + 1)) + "\ufeff"
"""Soft hyphens, zero-width and bidirectional marks, byte order marks: Unicode's category Cf, as far as it is met."""

_BLANK = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_AROUND = _BLANK + "\u2028\u2029\u202f\u205f\u3000" + _INVISIBLE


def trim(text: str) -> str:
    """Take away what cannot be seen at both ends: blanks of every width, and `_INVISIBLE` characters."""
    return text.strip() if text.isascii() else text.strip(_AROUND)


_MAILBOX = r"[A-Za-z0-9_+-]++(?:\.[A-Za-z0-9_+-]++)*+"
_DOMAINS = r"(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)+"
_ORDINARY_EMAIL = re.compile(rf"({_MAILBOX})@{_DOMAINS}([a-z]+)")
"""Local part and the last name of the domain. Of capitals in a domain and of two hyphens the library decides."""

_LONGEST_ORDINARY = 64
"""Characters; no part of so short an address can be too long."""

_LONGEST_REMEMBERED = 300
"""Characters of such a text."""


def parse_email(value: object) -> str | Rejection | None:
    """Read an e-mail address.

    Blanks, zero-width and bidirectional marks around it go, and ``mailto:`` before it. The rest must be one address for
    ``email-validator``, without any look-up: two addresses, a display name, ``(at)``, a domain without a dot or one
    that no mail can reach, such as ``shop.invalid``, are none. The part before the @ goes out as it was written, for
    upper and lower case may differ there; the domain in lower case.

    Args:
        value: Text.

    Returns:
        The address; None if the text is blank; else a rejection.
    """
    if not isinstance(value, str):
        return Rejection(reason=Reason.FIELD_TYPE, detail=f"email is of type {type(value).__name__}")
    text = str.__str__(value)
    return _parse_email(text) if len(text) <= _LONGEST_REMEMBERED else _parse_email.__wrapped__(text)


def parse_emails(texts: Sequence[str]) -> list[str | Rejection | None]:
    """What `parse_email` gives for each of these texts."""
    is_short = max(map(len, texts), default=0) <= _LONGEST_REMEMBERED
    return list(map(_parse_email if is_short else parse_email, texts))


@lru_cache(maxsize=_CACHE_SIZE)
def _parse_email(text: str) -> str | Rejection | None:
    if (ordinary := ordinary_email(text)) is not None:
        return ordinary
    text = trim(text)
    if text[:7].lower() == "mailto:":
        text = trim(text[7:])
    if not text:
        return None
    from airflow_provider_bik.events.identity_libraries import read_email  # noqa: PLC0415 - see there

    address = read_email(text)
    return address if address is not None else Rejection(reason=Reason.EMAIL_INVALID, detail="email")


def ordinary_email(text: str) -> str | None:
    """What the library gives for a text of the most usual form; None if it has to decide."""
    found = _ORDINARY_EMAIL.fullmatch(text) if len(text) <= _LONGEST_ORDINARY else None
    if found is None:
        return None
    domains, mailboxes = _special()
    return None if found[2] in domains or found[1].lower() in mailboxes else text


def are_ordinary_emails(texts: Sequence[str]) -> bool:
    """Tell whether `ordinary_email` gives each of these texts back."""
    lines = "\n".join([*texts, ""])
    # A line end within a text would make two of one.
    return (
        max(map(len, texts), default=0) <= _LONGEST_ORDINARY
        and lines.count("\n") == len(texts)
        and _ordinary_lines().fullmatch(lines) is not None
    )


@cache
def _ordinary_lines() -> re.Pattern[str]:
    """As `_ORDINARY_EMAIL`, without the special names, a line each."""
    domains, mailboxes = map("|".join, map(sorted, _special()))
    return re.compile(rf"(?:(?!(?i:{mailboxes})@){_MAILBOX}@{_DOMAINS}(?!(?:{domains})\n)[a-z]++\n)*+")


@cache
def _special() -> tuple[frozenset[str], frozenset[str]]:
    """The names of domains, and of mailboxes, that the library treats in a special way."""
    from airflow_provider_bik.events.identity_libraries import DOMAINS, MAILBOXES  # noqa: PLC0415 - see there

    return DOMAINS, MAILBOXES


_WHOLE = re.compile(r"(\+?[0-9]+)\.0+")
_FRACTION = re.compile(r"\+?[0-9]+\.[0-9]{1,2}")
_SCIENTIFIC = re.compile(r"(\+?)([0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{1,2})")

_EXTENSION = re.compile(r"(?:;ext=|[ ,]*(?:ext(?:n|ension)?\.?:?|x\.?|#)) ?[0-9]{1,7}\Z", re.IGNORECASE)
_WRITTEN = re.compile(r"\(?\+? ?\(?[0-9](?:[ ().-]{0,3}[0-9])*\)?")
_WITH_SLASH = re.compile(r"(.*[0-9)]) ?/ ?([0-9(].*)")
_SHORTEST_NUMBER = 6
"""Digits. Where a slash stands between two texts of so many, they may be two numbers."""

_LONGEST_COUNTRY_CODE = 3
_APOSTROPHES = "'\u2018\u2019`"

_FORMULA = re.compile(r'=?"([^"]*)"')
"""What keeps a spreadsheet from taking text for a number: ``="09812345670"``, also without the sign."""

_LONGEST_PHONE = 250
"""Characters; the library reads no longer text."""


def parse_phone(value: object, region: str | None) -> str | Rejection | None:
    """Read a telephone number.

    What is no part of a number and cannot be mistaken for one goes first: blanks and invisible marks around it, marks
    within it, ``tel:``, the apostrophe or ``="…"`` of a spreadsheet, ``.0``, the exponent of a number that has all its
    digits.
    Digits and signs of full width or of other scripts become those of ASCII. The rest must be digits with ``+``,
    blanks, brackets, dots and hyphens, and is read by ``phonenumbers``:

    - A number with ``+`` or ``00`` must be valid, or as long as mobile or fixed lines of its country are. BIK's own
      samples are not all valid.
    - Any other number needs a region and must be valid there. So that a number of another country is not claimed, it is
      none if it is no mobile number, has no zero before it, and would be valid abroad with a ``+``.
    - A number with an extension, which is left out, or with a slash must be valid; two numbers are none.

    Args:
        value: Text, or a whole number (also as a float or decimal, which is what data frames and databases make of it).
        region: ISO 3166 code of the country of numbers that do not say theirs; None if there is none.

    Returns:
        ``+`` and digits; None if the text is blank; else a rejection.
    """
    match value:
        case str():
            text = str.__str__(value)
            return (_parse_phone if len(text) <= _LONGEST_REMEMBERED else _parse_phone.__wrapped__)(text, region)
        case bool():
            return _wrong_type(value)
        case int() | float() | Decimal():
            return _parse_phone(_digits(value), region)
        case _:
            return _wrong_type(value)


def _wrong_type(value: object) -> Rejection:
    return Rejection(reason=Reason.FIELD_TYPE, detail=f"phoneNumber is of type {type(value).__name__}")


_LARGEST = 10**15


def _digits(number: float | Decimal) -> str:
    """A whole number as text; of any other, text that is no telephone number."""
    if not 0 <= number < _LARGEST or number != int(number):
        return "(not whole)"
    return str(int(number))


def _cleaned(text: str) -> str:
    if not text.isascii():
        text = "".join(map(_ascii, text))
    text = text.replace("\t", " ").strip()
    if quoted := _FORMULA.fullmatch(text):
        text = quoted[1].strip()
    text = text.lstrip(_APOSTROPHES).lstrip()
    if text[:4].lower() == "tel:":
        text = text[4:].lstrip()
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    if scientific := _SCIENTIFIC.fullmatch(text):
        return _written_out(*scientific.groups()) or text
    return text


@lru_cache(maxsize=4096)
def _ascii(character: str) -> str:
    """One character, in ASCII if it means a character of ASCII here; nothing for one that is not seen."""
    if character in _INVISIBLE:
        return ""
    decimal = unicodedata.decimal(character, None)
    if decimal is not None:
        return str(decimal)
    category = unicodedata.category(character)
    if category in {"Zs", "Pd"}:
        return " " if category == "Zs" else "-"
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)  # the block of full width repeats ASCII
    return "-" if character == "\u2212" else character


def _written_out(sign: str, number: str) -> str | None:
    """``9.19812345671E+11`` as digits; None if it does not hold all of them."""
    exact = Decimal(number.replace(",", "."))
    mantissa, _, exponent = number.lower().partition("e")
    fraction = re.split("[.,]", mantissa)[1:]
    if len("".join(fraction)) < int(exponent) or exact != exact.to_integral_value():
        return None
    return f"{sign}{exact.to_integral_value():f}"


def plain_phone(text: str) -> str | None:
    """What the library gives for ``+`` and digits; None if it has to decide."""
    for length in (3, 2, 4):  # the + and the digits of the country; most people live where it has two
        if (pattern := _plain_numbers(text[:length])) is not None:
            return text if pattern.fullmatch(text) else None
    return None


def are_plain_phones(texts: Sequence[str]) -> bool:
    """Tell whether these are numbers of one country, each of which `plain_phone` gives back."""
    for length in (3, 2, 4):  # as there
        if (pattern := _plain_numbers(texts[0][:length])) is not None:
            return all(map(pattern.fullmatch, texts))
    return False


@lru_cache(maxsize=4096)
def _plain_numbers(country: str) -> re.Pattern[str] | None:
    from airflow_provider_bik.events.identity_libraries import plain_numbers  # noqa: PLC0415 - see there

    return plain_numbers(country)


def parse_phones(texts: Sequence[str], region: str | None) -> list[str | Rejection | None]:
    """What `parse_phone` gives for each of these texts."""
    is_short = max(map(len, texts), default=0) <= _LONGEST_REMEMBERED
    return list(map(_parse_phone if is_short else parse_phone, texts, repeat(region)))


@lru_cache(maxsize=_CACHE_SIZE)
def _parse_phone(text: str, region: str | None) -> str | Rejection | None:
    if (number := plain_phone(text)) is not None:
        return number
    text = text.strip()
    if len(text) > _LONGEST_PHONE:
        return Rejection(reason=Reason.PHONE_INVALID, detail="phoneNumber")
    text = _cleaned(text)
    if not text:
        return None
    from airflow_provider_bik.events.identity_libraries import read_phone  # noqa: PLC0415 - see there

    number = read_phone(text, region)
    return Rejection(reason=number, detail="phoneNumber") if isinstance(number, Reason) else number


def undecorated(text: str) -> tuple[str, bool] | None:
    """The number without extension and slash, and whether it had neither; None if it is not written like one number."""
    extension = _EXTENSION.search(text)
    if extension is not None:
        text = text[: extension.start()].rstrip()
    slash = _WITH_SLASH.fullmatch(text)
    if slash is not None:
        before, after = (sum(map(str.isdigit, part)) for part in slash.groups())
        code = _LONGEST_COUNTRY_CODE if "+" in slash[1] else 0
        if before >= _SHORTEST_NUMBER + code and after >= _SHORTEST_NUMBER:
            return None
        text = f"{slash[1]} {slash[2]}"
    if not _WRITTEN.fullmatch(text) or text.count("(") != text.count(")") or _FRACTION.fullmatch(text):
        return None
    return text, extension is None and slash is None
