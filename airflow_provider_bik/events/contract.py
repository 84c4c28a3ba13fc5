"""BIK's contract for one event: what was read becomes a canonical, encoded event, or a rejection with a reason.

Field names, types and what is required are from BIK's documentation of ``sendEvent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Annotated, Any, TypeAlias

import msgspec

from airflow_provider_bik.events.hints import Hints
from airflow_provider_bik.events.identity import ordinary_email, parse_email, parse_phone, plain_phone
from airflow_provider_bik.events.item import EncodedEvent
from airflow_provider_bik.events.pipeline import PipelineRule, Route
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, Rejection, RejectionError
from airflow_provider_bik.events.regions import is_region
from airflow_provider_bik.events.times import bik_time, check_time, in_range, read_time
from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES, ValueReader, holds_null, is_null, plain

__all__ = ["FIELDS", "MAX_EVENT_BYTES", "Contract", "EventFields"]

MAX_EVENT_BYTES = 900_000
"""BIK documents no limit; common gateways take 1 MB a request."""

_ORDINARY = frozenset({int, bool, datetime, type(None)})
"""Types that are neither wrapped nor another word for null, so that most values need no closer look."""

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

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | float
_Scalar: TypeAlias = str | _Number | bool | None
_Inner: TypeAlias = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Value: TypeAlias = _Scalar | list[_Inner] | dict[str, _Inner]


class _PlainFields(EventFields, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Fields whose properties need no change if there is no null among them; msgspec checks that while it decodes."""

    event_properties: dict[str, _Value] | None = None


_decode_plain = msgspec.json.Decoder(_PlainFields).decode

_LONGEST_PLAIN = 2 * MAX_VALUES
"""Bytes of a line; so few cannot hold too many values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Checks and encodes events, each alone, so that no event can spoil its neighbours.

    Args:
        now: The aware time at which the run began; what is "the future" and "recent" does not change during a run.
        rule: Realtime or migration.
        reading: How dates, telephone numbers and nulls are understood.
        hints: Is shown the events.
    """

    now: datetime
    rule: PipelineRule = field(default_factory=PipelineRule)
    reading: Reading = field(default_factory=Reading)
    hints: Hints | None = field(default=None, repr=False, compare=False)
    _timezone: tzinfo = field(init=False, repr=False, compare=False)
    _null_values: frozenset[str] = field(init=False, repr=False, compare=False)
    _nulls: frozenset[str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_timezone", self.reading.zone)
        object.__setattr__(self, "_null_values", self.reading.nulls)
        object.__setattr__(self, "_nulls", self.reading.nulls | {None})

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
            return self.encode_fields(_decoded(line))
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
        dropped_nulls = 0
        properties = event.event_properties
        if self.hints is not None:
            self.hints.look(event.event_name, _properties(properties))
        if not properties or type(event) is not _PlainFields or holds_null(properties.values(), self._nulls):
            values = ValueReader(self._timezone, self._null_values)
            event.event_properties = values.convert(_properties(properties), "eventProperties")
            dropped_nulls = values.dropped_nulls
            if values.assumed_zone and self.hints is not None:
                self.hints.note_zone(self._timezone)
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

    def _check_identity(self, event: EventFields, phone_country: object) -> Reason | None:
        """Read e-mail address and telephone number; gives the reason why one of them is left out, if one is."""
        phone, email, nulls = event.phone_number, event.email, self._null_values
        is_plain = type(phone) is str and phone_country is None and phone not in nulls and plain_phone(phone)
        is_ordinary = type(email) is str and email not in nulls and ordinary_email(email)
        if (is_plain or phone is None) and (is_ordinary or email is None) and (is_plain or is_ordinary):
            return None  # they go out as they stand
        if not is_plain and (phone := self._value(phone)) is not None:
            phone = self._parse_phone(phone, phone_country)
        if not is_ordinary and (email := self._value(email)) is not None:
            email = parse_email(email)
        bad_phone, bad_email = type(phone) is Rejection, type(email) is Rejection
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
        """Choose the pipeline, and write date and flag as it has them."""
        is_migration = event.is_migration
        if is_migration is not None:
            is_migration = self._value(is_migration)
            if is_migration is not None and not isinstance(is_migration, bool):
                raise RejectionError(Reason.FIELD_TYPE, f"isMigration is of type {type(is_migration).__name__}")
        created_at: Any = event.created_at
        written: str | None = None
        expects_date = created_at is not msgspec.UNSET
        if type(created_at) is str and created_at not in self._null_values and (moment := bik_time(created_at)):
            created_at, written = in_range(moment, self.now), created_at
        elif expects_date and (created_at := self._value(created_at)) is not None:
            created_at = self._created_at(created_at)
        if isinstance(created_at, Rejection):
            raise RejectionError(created_at.reason, created_at.detail)
        dated = created_at if expects_date else None
        route = self.rule.route(dated, is_migration=is_migration, now=self.now, expects_date=expects_date)
        if isinstance(route, Rejection):
            raise RejectionError(route.reason, route.detail)
        created_at, event.is_migration = route.pair(written)
        event.created_at = msgspec.UNSET if created_at is None else created_at
        return route

    def _created_at(self, value: object) -> datetime | Rejection:
        timestamp = read_time(value)
        if self.hints is not None and timestamp is not None and timestamp.tzinfo is None:
            self.hints.note_zone(self._timezone)
        return check_time(timestamp, value, timezone=self._timezone, now=self.now)

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
        if type(value) is str:
            bare = value.strip()
            return None if not bare or bare in self._null_values else value
        value = self._value(value)
        if value is None:
            return None
        if not isinstance(value, str):
            raise RejectionError(Reason.FIELD_TYPE, f"{name} is of type {type(value).__name__}")
        # msgspec does not encode subclasses of str.
        return str.__str__(value)


def _decoded(line: bytes) -> EventFields:
    if len(line) <= _LONGEST_PLAIN:
        try:
            return _decode_plain(line)
        except msgspec.ValidationError:
            pass
    return _decode(line)


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
