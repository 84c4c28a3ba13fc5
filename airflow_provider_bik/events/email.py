"""E-mail addresses: one that the ``email-validator`` library reads as exactly one, or none."""

from __future__ import annotations

import re
from functools import lru_cache

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES, EMAIL_MAX_LENGTH

from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.texts import trim

__all__ = ["ordinary_email", "parse_email"]

_ORDINARY = re.compile(
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+([a-z]+)",
)
"""Local part and the last name of the domain. Of capitals in a domain and of two hyphens the library decides."""

_LONGEST_ORDINARY = 64
"""Characters; no part of so short an address can be too long."""

_SPECIAL = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
_MAILBOXES = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)

_CACHE_SIZE = 65_536
_LONGEST_REMEMBERED = 300
"""Characters of a text that is kept with what it was read as."""


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
    if (address := ordinary_email(text)) is not None:
        return address
    return _parse(text) if len(text) <= _LONGEST_REMEMBERED else _parse.__wrapped__(text)


@lru_cache(maxsize=_CACHE_SIZE)
def _parse(text: str) -> str | Rejection | None:
    text = trim(text)
    if text[:7].lower() == "mailto:":
        text = trim(text[7:])
    if not text:
        return None
    address = _read(text) if len(text) <= EMAIL_MAX_LENGTH else None
    return address if address is not None else Rejection(reason=Reason.EMAIL_INVALID, detail="email")


def ordinary_email(text: str) -> str | None:
    """What the library gives for a text of the most usual form; None if it has to decide."""
    found = _ORDINARY.fullmatch(text) if len(text) <= _LONGEST_ORDINARY else None
    if found is None or found[2] in _SPECIAL or found[1].lower() in _MAILBOXES:
        return None
    return text


def _read(text: str) -> str | None:
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    # A domain that was written in ASCII stays so: the library would also write xn-- names in other scripts.
    domain = found.ascii_domain if text.rpartition("@")[2].isascii() else found.domain
    return f"{found.local_part}@{domain}"
