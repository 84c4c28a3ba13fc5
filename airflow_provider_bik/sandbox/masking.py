"""Shows that there is a person without showing who."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from airflow_provider_bik.sandbox.contract import ADDRESSES

_DOTS = "•••"


def masked_email(email: str) -> str:
    """Keep the first letter of each side and the last label: ``a•••@e•••.com``."""
    local, at, domain = email.rpartition("@")
    if not at:
        return f"{email[:1]}{_DOTS}"
    host, dot, top = domain.rpartition(".")
    return f"{local[:1]}{_DOTS}@{(host or top)[:1]}{_DOTS}{dot}{top if dot else ''}"


def masked_phone(phone: str) -> str:
    """Keep the last two digits, unless that is half of them: ``•••87``."""
    digits = [character for character in phone if character.isdigit()]
    return f"{_DOTS}{''.join(digits[-2:]) if len(digits) > 4 else ''}"  # noqa: PLR2004 - two of four would be half


def masked_person(event: Mapping[str, object]) -> str:
    """Describe whom an event is about."""
    email, phone = event.get("email"), event.get("phoneNumber")
    if isinstance(email, str) and email:
        return masked_email(email)
    return masked_phone(phone) if isinstance(phone, str) and phone else ""


def _masked_name(name: str) -> str:
    return f"{name[:1]}{_DOTS}"


_MASKS: Final[Mapping[str, Callable[[str], str]]] = {
    "name": _masked_name,
    "email": masked_email,
    "phoneNumber": masked_phone,
}


def masked_event(event: Mapping[str, object]) -> dict[str, object]:
    """Give the event as it arrived, with all that is personal in it masked."""
    masked = {name: _MASKS[name](str(value)) if name in _MASKS else value for name, value in event.items()}
    properties = event["eventProperties"]
    if isinstance(properties, Mapping):
        masked["eventProperties"] = {name: _DOTS if name in ADDRESSES else value for name, value in properties.items()}
    return masked
