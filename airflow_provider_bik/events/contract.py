"""BIK's contract for one event: what was read becomes a canonical, encoded event, or a rejection with a reason.

Field names, types and what is required are from BIK's documentation of ``sendEvent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from airflow_provider_bik.events.hints import Hints
from airflow_provider_bik.events.identity import parse_email, parse_phone
from airflow_provider_bik.events.item import EncodedEvent
from airflow_provider_bik.events.pipeline import PipelineRule, Route
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, Rejection, RejectionError
from airflow_provider_bik.events.regions import is_region
from airflow_provider_bik.events.times import bik_time, check_time, in_range, read_time, to_bik_text
from airflow_provider_bik.events.values import ValueReader, is_null, plain

__all__ = ["FIELDS", "MAX_EVENT_BYTES", "Contract", "EventFields"]

MAX_EVENT_BYTES = 900_000
"""BIK documents no limit; common gateways take 1 MB a request."""

PROPERTIES = "eventProperties"
"""The path of the properties, as a rejection shows it."""

_encode = msgspec.json.Encoder().encode


class EventFields(msgspec.Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Checks and encodes events, each alone, so that no event can spoil its neighbours.

    Args:
        now: The aware time at which the run began; what is "the future" and "recent" does not change during a run.
        rule: Realtime or migration.
        reading: How dates, telephone numbers and nulls are understood.
        hints: Is shown the events.

    Attributes:
        nulls: Every text that means null.
    """

    now: datetime
    rule: PipelineRule = field(default_factory=PipelineRule)
    reading: Reading = field(default_factory=Reading)
    hints: Hints | None = field(default=None, repr=False, compare=False)
    nulls: frozenset[str] = field(init=False, repr=False, compare=False)
    _timezone: tzinfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nulls", self.reading.nulls)
        object.__setattr__(self, "_timezone", self.reading.zone)

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

    def encode_fields(self, event: EventFields, *, phone_country: object = None) -> EncodedEvent:
        """Check the fields one by one, bring each to the form in which it is sent, and encode them.

        Args:
            event: As it was read; it is changed.
            phone_country: ISO 3166 code of the country of its telephone number; null for the default region.

        Raises:
            RejectionError: The event does not go out.
        """
        event.name = self.text(event.name, "name")
        dropped_identity = self._check_identity(event, phone_country)
        event.event_name = self.text(event.event_name, "eventName")
        if event.event_name is None:
            raise RejectionError(Reason.FIELD_MISSING, "eventName")
        given = _properties(event.event_properties)
        if self.hints is not None:
            self.hints.look(event.event_name, given)
        event.event_properties, dropped_nulls = self.properties(given)
        route = self._route(event)
        body = _to_bytes(event)
        if len(body) > MAX_EVENT_BYTES:
            raise RejectionError(Reason.EVENT_TOO_LARGE, f"{len(body)} bytes, {MAX_EVENT_BYTES} allowed")
        return EncodedEvent(
            body=body,
            pipeline=route.pipeline,
            dropped_nulls=dropped_nulls,
            dropped_created_at=route.dropped_created_at,
            dropped_identity=dropped_identity,
        )

    def text(self, value: object, name: str) -> str | None:
        """Read a field that is text as it stands; None if it is null or blank.

        Args:
            value: Any.
            name: Of the field.

        Raises:
            RejectionError: It is not text.
        """
        value = self._value(value)
        if value is None:
            return None
        if not isinstance(value, str):
            raise RejectionError(Reason.FIELD_TYPE, f"{name} is of type {type(value).__name__}")
        # msgspec does not encode subclasses of str.
        return str.__str__(value)

    def email(self, value: object) -> str | Rejection | None:
        """Read an e-mail address as `parse_email`; None if it is null."""
        value = self._value(value)
        return None if value is None else parse_email(value)

    def phone(self, value: object, country: object = None) -> str | Rejection | None:
        """Read a telephone number as `parse_phone`; None if it is null.

        Args:
            value: Any.
            country: ISO 3166 code of its country; null for the default region.
        """
        if (value := self._value(value)) is None:
            return None
        if (country := self._value(country)) is None:
            return parse_phone(value, self.reading.default_region)
        code = country.strip().upper() if isinstance(country, str) else ""
        parsed = parse_phone(value, code if is_region(code) else None)
        if isinstance(parsed, Rejection) and parsed.reason is Reason.PHONE_COUNTRY_MISSING:
            detail = "phoneNumber, for its country is not a code of ISO 3166"
            return Rejection(reason=parsed.reason, detail=detail)
        return parsed

    def properties(self, given: Mapping[Any, Any]) -> tuple[dict[str, object], int]:
        """Convert the properties of an event, and count the nulls that are left out.

        Raises:
            RejectionError: There is a value that JSON or BIK cannot take.
        """
        values = ValueReader(self._timezone, self.nulls)
        converted = values.convert(given, PROPERTIES)
        if values.assumed_zone:
            self._note_zone()
        return converted, values.dropped_nulls

    def date(self, value: object) -> tuple[datetime, str] | Rejection | None:
        """Read a ``createdAt``: the time, and the text that goes out; None if it is null."""
        if type(value) is str and value not in self.nulls and (moment := bik_time(value)):
            checked = in_range(moment, self.now)
            return checked if isinstance(checked, Rejection) else (checked, value)
        if (value := self._value(value)) is None:
            return None
        timestamp = read_time(value)
        if timestamp is not None and timestamp.tzinfo is None:
            self._note_zone()
        checked = check_time(timestamp, value, timezone=self._timezone, now=self.now)
        return checked if isinstance(checked, Rejection) else (checked, to_bik_text(checked))

    def flag(self, value: object) -> bool | None:
        """Read an ``isMigration``; None if it is null.

        Raises:
            RejectionError: It is neither true nor false.
        """
        value = self._value(value)
        if value is not None and not isinstance(value, bool):
            raise RejectionError(Reason.FIELD_TYPE, f"isMigration is of type {type(value).__name__}")
        return value

    def _check_identity(self, event: EventFields, phone_country: object) -> Reason | None:
        """Read e-mail address and telephone number; gives the reason why one of them is left out, if one is."""
        outcomes = [self.email(event.email), self.phone(event.phone_number, phone_country)]
        bad = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
        event.email, event.phone_number = (None if isinstance(found, Rejection) else found for found in outcomes)
        has_identity = event.email is not None or event.phone_number is not None
        if not bad and not has_identity:
            raise RejectionError(Reason.IDENTITY_MISSING, "email and phoneNumber")
        if bad and not (has_identity and self.reading.on_bad_identity == "drop"):
            raise RejectionError(bad[0].reason, " and ".join(outcome.detail for outcome in bad))
        return bad[0].reason if bad else None

    def _route(self, event: EventFields) -> Route:
        """Choose the pipeline, and write date and flag as it has them."""
        is_migration = self.flag(event.is_migration)
        expects_date = event.created_at is not msgspec.UNSET
        date = self.date(event.created_at) if expects_date else None
        if isinstance(date, Rejection):
            raise RejectionError(date.reason, date.detail)
        moment, text = date or (None, "")
        route = self.rule.route(moment, is_migration=is_migration, now=self.now, expects_date=expects_date)
        if isinstance(route, Rejection):
            raise RejectionError(route.reason, route.detail)
        created_at, event.is_migration = route.pair(text)
        event.created_at = msgspec.UNSET if created_at is None else created_at
        return route

    def _value(self, value: object) -> object:
        """The value of a field without its wrapping; None for every word for null, and for blank text."""
        if value is None:
            return None
        value = plain(value)
        if not isinstance(value, str):
            return None if is_null(value) else value
        bare = value.strip()
        return None if not bare or bare in self.nulls else value

    def _note_zone(self) -> None:
        if self.hints is not None:
            self.hints.note_zone(self._timezone)


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
