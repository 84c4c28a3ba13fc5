"""BIK's contract for one event: what was read becomes a canonical, encoded event, or a rejection with a reason.

Field names, types and what is required are from BIK's documentation of ``sendEvent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, TypeVar

import msgspec

from airflow_provider_bik.events.email import parse_email
from airflow_provider_bik.events.item import EncodedEvent
from airflow_provider_bik.events.phone import is_region, parse_phone
from airflow_provider_bik.events.pipeline import PipelineRule, Route
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, Rejection, RejectionError
from airflow_provider_bik.events.times import parse_time
from airflow_provider_bik.events.values import ValueReader, is_null, plain

__all__ = ["FIELDS", "MAX_EVENT_BYTES", "Contract", "EventFields"]

MAX_EVENT_BYTES = 900_000
"""BIK documents no limit; common gateways take 1 MB a request."""

_ORDINARY = frozenset({int, bool, datetime, type(None)})
"""Types that are neither wrapped nor another word for null, so that most values need no closer look."""

_T = TypeVar("_T")

_encode = msgspec.json.Encoder().encode


class EventFields(
    msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """The fields in the order in which they are sent: first as they were read, then as they go out.

    ``createdAt`` tells absent (UNSET) from empty (None): an event with an empty date should have had one, be it that
    its mapping names a column or that the key is there.
    """

    name: Any = None
    phone_number: Any = None
    email: Any = None
    event_name: Any = None
    event_properties: Any = None
    created_at: Any = msgspec.UNSET
    is_migration: Any = None


_ATTRIBUTES = {item.encode_name: item.name for item in msgspec.structs.fields(EventFields)}

FIELDS = tuple(_ATTRIBUTES)
"""Every top-level field that BIK documents, in the order in which they are sent."""

_decode = msgspec.json.Decoder(EventFields).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Checks and encodes events, each alone, so that no event can spoil its neighbours.

    Args:
        now: The aware time at which the run began; what is "the future" and "recent" does not change during a run.
        rule: Realtime or migration.
        reading: How dates, telephone numbers and nulls are understood.
    """

    now: datetime
    rule: PipelineRule = field(default_factory=PipelineRule)
    reading: Reading = field(default_factory=Reading)
    _timezone: tzinfo = field(init=False, repr=False, compare=False)
    _null_values: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_timezone", self.reading.zone)
        object.__setattr__(self, "_null_values", self.reading.nulls)

    def encode(self, raw: object) -> EncodedEvent | Rejection:
        """Check and encode one event; the same input gives the same bytes.

        Args:
            raw: A mapping with BIK's own field names (`FIELDS`).

        Returns:
            The encoded event, or why it does not go out. Nothing that an event contains makes this raise.
        """
        try:
            return self.encode_fields(_fields_of(raw))
        except RejectionError as error:
            return error.rejection

    def encode_line(self, line: bytes) -> EncodedEvent | Rejection | None:
        """Check and encode an event straight from its JSON.

        Returns:
            What `encode` gives for the decoded line; None if the line is not an object with BIK's fields alone.
        """
        try:
            return self.encode_fields(_decode(line))
        except RejectionError as error:
            return error.rejection
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def encode_fields(self, event: EventFields, *, phone_country: object = None) -> EncodedEvent:
        """Check the fields one by one, bring each to the form in which it is sent, and encode them.

        Args:
            event: As it was read; it is changed.
            phone_country: ISO 3166 code of the country of its telephone number; null for the default region.

        Raises:
            RejectionError: The event does not go out.
        """
        if event.name is not None:
            event.name = self._text(event.name, "name")
        dropped_identity = self._check_identity(event, phone_country)
        event.event_name = self._text(event.event_name, "eventName")
        if event.event_name is None:
            raise RejectionError(Reason.FIELD_MISSING, "eventName")
        values = ValueReader(self._timezone, self._null_values)
        event.event_properties = values.convert(_properties(event.event_properties), "eventProperties")
        route = self._route(event)
        created_at, event.is_migration = route.pair
        event.created_at = msgspec.UNSET if created_at is None else created_at
        body = _to_bytes(event)
        if len(body) > MAX_EVENT_BYTES:
            raise RejectionError(Reason.EVENT_TOO_LARGE, f"{len(body)} bytes, {MAX_EVENT_BYTES} allowed")
        return EncodedEvent(
            body=body,
            pipeline=route.pipeline,
            dropped_nulls=values.dropped_nulls,
            dropped_created_at=route.dropped_created_at,
            dropped_identity=dropped_identity,
        )

    def _check_identity(self, event: EventFields, phone_country: object) -> Reason | None:
        """Read e-mail address and telephone number; gives the reason why one of them is left out, if one is."""
        phone, email = self._value(event.phone_number), self._value(event.email)
        if phone is not None:
            phone = self._parse_phone(phone, phone_country)
        if email is not None:
            email = parse_email(email)
        bad_phone, bad_email = isinstance(phone, Rejection), isinstance(email, Rejection)
        event.phone_number = None if bad_phone else phone
        event.email = None if bad_email else email
        has_identity = event.phone_number is not None or event.email is not None
        if has_identity and not bad_phone and not bad_email:
            return None
        bad = [outcome for outcome in (email, phone) if isinstance(outcome, Rejection)]
        if has_identity and self.reading.on_bad_identity == "drop":
            return bad[0].reason
        if bad:
            raise RejectionError(bad[0].reason, " and ".join(outcome.detail for outcome in bad))
        raise RejectionError(Reason.IDENTITY_MISSING, "email and phoneNumber")

    def _parse_phone(self, phone: object, country: object) -> str | Rejection | None:
        country = None if country is None else self._value(country)
        if country is None:
            return parse_phone(phone, self.reading.default_region)
        code = country.strip().upper() if isinstance(country, str) else ""
        parsed = parse_phone(phone, code if is_region(code) else None)
        if isinstance(parsed, Rejection) and parsed.reason is Reason.PHONE_COUNTRY_MISSING:
            detail = "phoneNumber, for its country is not a code of ISO 3166"
            return Rejection(reason=parsed.reason, detail=detail)
        return parsed

    def _route(self, event: EventFields) -> Route:
        is_migration = self._value(event.is_migration)
        if is_migration is not None and not isinstance(is_migration, bool):
            raise RejectionError(Reason.FIELD_TYPE, f"isMigration is of type {type(is_migration).__name__}")
        expects_date = event.created_at is not msgspec.UNSET
        created_at = self._value(event.created_at) if expects_date else None
        if created_at is not None:
            created_at = _accepted(parse_time(created_at, timezone=self._timezone, now=self.now))
        route = self.rule.route(created_at, is_migration=is_migration, now=self.now, expects_date=expects_date)
        return _accepted(route)

    def _value(self, value: object) -> object:
        """The value of a field without its wrapping; None for every word for null, and for blank text."""
        if type(value) is not str:
            if type(value) in _ORDINARY:
                return value
            value = plain(value)
            if not isinstance(value, str):
                return None if is_null(value) else value
        bare = value.strip()
        return None if not bare or bare in self._null_values else value

    def _text(self, value: object, name: str) -> str | None:
        value = self._value(value)
        if value is None or type(value) is str:
            return value
        if not isinstance(value, str):
            raise RejectionError(Reason.FIELD_TYPE, f"{name} is of type {type(value).__name__}")
        # msgspec does not encode subclasses of str.
        return str.__str__(value)


def _accepted(outcome: _T | Rejection) -> _T:
    if isinstance(outcome, Rejection):
        raise RejectionError(outcome.reason, outcome.detail)
    return outcome


def _fields_of(raw: object) -> EventFields:
    """Take the fields of a mapping; an unknown one is rejected by name, for it may be a misspelt date."""
    if not isinstance(raw, Mapping):
        raise RejectionError(Reason.NOT_AN_EVENT, f"it is of type {type(raw).__name__}")
    event = EventFields()
    for key, value in raw.items():
        if not isinstance(key, str):
            raise RejectionError(Reason.NOT_AN_EVENT, f"it has a key of type {type(key).__name__}")
        if key not in _ATTRIBUTES:
            shown = key if key.isidentifier() else "a name with other than letters and digits"
            raise RejectionError(Reason.UNKNOWN_FIELD, f"{shown!r:.66}; the fields are {', '.join(FIELDS)}")
        setattr(event, _ATTRIBUTES[key], value)
    return event


def _properties(properties: object) -> Mapping[object, object]:
    if type(properties) is not dict:
        properties = plain(properties)
        if is_null(properties):
            raise RejectionError(Reason.FIELD_MISSING, "eventProperties (it may be empty: {})")
        if not isinstance(properties, Mapping):
            raise RejectionError(Reason.FIELD_TYPE, f"eventProperties is of type {type(properties).__name__}")
    return properties


def _to_bytes(event: EventFields) -> bytes:
    try:
        return _encode(event)
    except UnicodeEncodeError:
        fields = ((name, getattr(event, attribute)) for name, attribute in _ATTRIBUTES.items())
        bad = next((name for name, value in fields if not _is_encodable(value)), "a field")
        raise RejectionError(Reason.INVALID_UNICODE, bad) from None


def _is_encodable(value: object) -> bool:
    if value is msgspec.UNSET:
        return True
    try:
        _encode(value)
    except UnicodeEncodeError:
        return False
    return True
