"""BIK's contract for one event: a raw mapping becomes a canonical, encoded event, or a rejection with a reason.

Field names, types and what is required are from BIK's documentation of ``sendEvent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

import msgspec

from airflow_provider_bik.events.phone import NationalNumbers, parse_phone
from airflow_provider_bik.events.pipeline import Pipeline, PipelineRule, Route
from airflow_provider_bik.events.plain_events import PlainEvent, plain_event, plain_line
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import parse_time
from airflow_provider_bik.events.values import Refusal, ValueReader, is_null, plain

__all__ = ["FIELDS", "MAX_EVENT_BYTES", "Contract", "EncodedEvent"]

FIELDS = ("name", "phoneNumber", "email", "eventName", "eventProperties", "createdAt", "isMigration")
"""Every top-level field BIK documents, in the order in which they are sent."""

MAX_EVENT_BYTES = 900_000
"""BIK documents no limit; common gateways take 1 MB a request."""

_T = TypeVar("_T")

_encode = msgspec.json.Encoder().encode


class EncodedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it goes out.

    Attributes:
        body: UTF-8 JSON of the one event; a batch is such bodies joined.
        pipeline: Where BIK takes it.
        dropped_nulls: How many null values were left out.
        dropped_created_at: Whether its date was left out, as the user asked.
    """

    body: bytes
    pipeline: Pipeline
    dropped_nulls: int = 0
    dropped_created_at: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Checks and encodes events, each alone, so that no event can spoil its neighbours.

    Args:
        now: The aware time at which the run began; what is "the future" and "recent" does not change during a run.
        rule: Realtime or migration.
        timezone: What times without a zone are in.
        national: Reads telephone numbers without a country.
    """

    now: datetime
    rule: PipelineRule = field(default_factory=PipelineRule)
    timezone: tzinfo = UTC
    national: NationalNumbers | None = None

    def encode(self, raw: object) -> EncodedEvent | Rejection:
        """Check and encode one event; the same input gives the same bytes.

        Args:
            raw: A mapping with BIK's own field names (`FIELDS`).

        Returns:
            The encoded event, or why it does not go out. Nothing that an event contains makes this raise.
        """
        event = plain_event(raw)
        if event is not None and (encoded := self._encode_plain(event)):
            return encoded
        try:
            return self._encode_any(raw)
        except Refusal as refusal:
            return refusal.rejection

    def encode_line(self, line: bytes) -> EncodedEvent | None:
        """Check and encode an event straight from its JSON, if that is sure to give what `encode` gives.

        Args:
            line: UTF-8 JSON of anything at all.

        Returns:
            What `encode` gives for the decoded line; None if the line has to be decoded to know.
        """
        event = plain_line(line)
        return None if event is None else self._encode_plain(event)

    def _encode_plain(self, event: PlainEvent) -> EncodedEvent | None:
        """The short way to what `_encode_any` gives; None where that has to decide, as it does on every rejection."""
        phone = None if event.phone_number is None else parse_phone(event.phone_number, self.national)
        moment = None
        if event.created_at is not None:
            moment = parse_time(event.created_at, timezone=self.timezone, now=self.now)
        if isinstance(phone, Rejection) or isinstance(moment, Rejection):
            return None
        route = self.rule.route(moment, said=event.is_migration, now=self.now)
        email = event.email if event.email and event.email.strip() else None
        if isinstance(route, Rejection) or not (phone or email) or not event.event_name.strip():
            return None
        event.phone_number, event.email = phone, email
        event.created_at, event.is_migration = route.pair
        dropped_nulls = event.drop_nulls() if None in event.event_properties.values() else 0
        try:
            body = _encode(event)
        except UnicodeEncodeError:
            return None
        if len(body) > MAX_EVENT_BYTES:
            return None
        return EncodedEvent(
            body=body,
            pipeline=route.pipeline,
            dropped_nulls=dropped_nulls,
            dropped_created_at=route.dropped_created_at,
        )

    def _encode_any(self, raw: object) -> EncodedEvent | Rejection:
        given = _known_fields(raw)
        values = ValueReader(self.timezone)
        event: dict[str, object] = self._identity(given)
        event["eventName"] = _text(given, "eventName", required=True)
        event["eventProperties"] = values.convert(_properties(given), "eventProperties")
        route = self._route(given)
        body = _to_bytes({**event, **route.fields()})
        if len(body) > MAX_EVENT_BYTES:
            detail = f"{len(body)} bytes, {MAX_EVENT_BYTES} allowed"
            return Rejection(reason=Reason.EVENT_TOO_LARGE, detail=detail)
        return EncodedEvent(
            body=body,
            pipeline=route.pipeline,
            dropped_nulls=values.dropped_nulls,
            dropped_created_at=route.dropped_created_at,
        )

    def _identity(self, given: Mapping[str, object]) -> dict[str, object]:
        identity: dict[str, object] = {}
        if (name := _text(given, "name")) is not None:
            identity["name"] = name
        if (
            "phoneNumber" in given
            and (phone := _accepted(parse_phone(given["phoneNumber"], self.national))) is not None
        ):
            identity["phoneNumber"] = phone
        email = _text(given, "email")
        if email is not None and email.strip():
            identity["email"] = email
        if not identity.keys() - {"name"}:
            raise Refusal(Rejection(reason=Reason.IDENTITY_MISSING, detail="email and phoneNumber"))
        return identity

    def _route(self, given: Mapping[str, object]) -> Route:
        said = given.get("isMigration")
        if said is not None and not isinstance(said, bool):
            raise Refusal(Rejection(reason=Reason.FIELD_TYPE, detail=f"isMigration is of type {type(said).__name__}"))
        created_at = None
        if "createdAt" in given:
            created_at = _accepted(parse_time(given["createdAt"], timezone=self.timezone, now=self.now))
        return _accepted(self.rule.route(created_at, said=said, now=self.now))


def _accepted(outcome: _T | Rejection) -> _T:
    if isinstance(outcome, Rejection):
        raise Refusal(outcome)
    return outcome


def _known_fields(raw: object) -> dict[str, object]:
    """The fields that hold something; an unknown one is refused by name, for it may be a misspelt date."""
    if not isinstance(raw, Mapping):
        raise Refusal(Rejection(reason=Reason.NOT_AN_EVENT, detail=f"it is of type {type(raw).__name__}"))
    for key in raw:
        if not isinstance(key, str):
            raise Refusal(Rejection(reason=Reason.NOT_AN_EVENT, detail=f"it has a key of type {type(key).__name__}"))
        if key not in FIELDS:
            shown = key if key.isidentifier() else "a name with other than letters and digits"
            detail = f"{shown!r:.66}; the fields are {', '.join(FIELDS)}"
            raise Refusal(Rejection(reason=Reason.UNKNOWN_FIELD, detail=detail))
    known = {key: plain(value) for key, value in raw.items()}
    return {key: value for key, value in known.items() if not is_null(value)}


def _text(given: Mapping[str, object], name: str, *, required: bool = False) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(Rejection(reason=Reason.FIELD_TYPE, detail=f"{name} is of type {type(value).__name__}"))
    if required and not (value or "").strip():
        raise Refusal(Rejection(reason=Reason.FIELD_MISSING, detail=name))
    # msgspec does not encode subclasses of str.
    return value if value is None else str.__str__(value)


def _properties(given: Mapping[str, object]) -> Mapping[object, object]:
    properties = given.get("eventProperties")
    if properties is None:
        raise Refusal(Rejection(reason=Reason.FIELD_MISSING, detail="eventProperties (it may be empty: {})"))
    if not isinstance(properties, Mapping):
        detail = f"eventProperties is of type {type(properties).__name__}"
        raise Refusal(Rejection(reason=Reason.FIELD_TYPE, detail=detail))
    return properties


def _to_bytes(event: dict[str, object]) -> bytes:
    try:
        return _encode(event)
    except UnicodeEncodeError:
        bad = next((name for name, value in event.items() if not _has_utf8(value)), "a field")
        raise Refusal(Rejection(reason=Reason.TEXT_NOT_UNICODE, detail=bad)) from None


def _has_utf8(value: object) -> bool:
    try:
        _encode(value)
    except UnicodeEncodeError:
        return False
    return True
