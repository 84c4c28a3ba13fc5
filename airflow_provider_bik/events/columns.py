"""Many events at once: each field is checked for all of them by a few calls, and not event by event.

The outcome is that of the general rule, in `Contract` and `Plan`, or none: whatever is not ordinary about an event is
left to that rule. Property tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import repeat
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeAlias, cast

import msgspec
from msgspec import UNSET

from airflow_provider_bik.events.contract import FIELDS, MAX_EVENT_BYTES, PROPERTIES, Contract, EventFields
from airflow_provider_bik.events.identity import are_ordinary_emails, are_plain_phones, parse_emails, parse_phones
from airflow_provider_bik.events.item import EncodedEvent, Item, opened
from airflow_provider_bik.events.mapping import Plan
from airflow_provider_bik.events.mapping_fields import Row
from airflow_provider_bik.events.pipeline import Route
from airflow_provider_bik.events.property_columns import (
    Odd,
    RowProperties,
    Rows,
    Taker,
    Values,
    each,
    line_properties,
    taker,
)
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import (
    CLOCK_SKEW,
    EARLIEST,
    biks_times,
    ordinary_times,
    to_bik_text,
    to_bik_texts,
)
from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES

__all__ = ["AT_ONCE", "Columns"]

AT_ONCE = 500
"""Events that are checked together."""

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | float
_Scalar: TypeAlias = str | _Number | bool | None
_Inner: TypeAlias = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Value: TypeAlias = _Scalar | list[_Inner] | dict[str, _Inner]


class _LineFields(EventFields, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Fields whose properties need no change if there is no null among them; msgspec checks that while it decodes."""

    event_properties: dict[str, _Value] | None = None


_lines = msgspec.json.Decoder(_LineFields)
_LONGEST_LINE = 2 * MAX_VALUES
"""Bytes; so few cannot hold too many values."""

_encode_lines = msgspec.json.Encoder().encode_lines

_FIELDS = frozenset(FIELDS)
_OPENS, _CLOSES = b"{}"
_EARLIEST = to_bik_text(EARLIEST)
_NOBODY = (None, None)
_NO_DATE = (None, None)
_EMPTY_DATE = Rejection(reason=Reason.CREATED_AT_MISSING, detail="createdAt")


class _Read(NamedTuple):
    """The fields of events as they were read, a list for each, and the properties as they go out."""

    name: Values
    phone_number: Values
    phone_country: Values | None
    email: Values
    event_name: Values
    properties: Values
    dropped_nulls: list[int]
    created_at: Values
    is_migration: Values


class _Dates(NamedTuple):
    """What the dates of events come to: the two fields as they go out, the pipeline, and whether a date is left out."""

    created_at: Values
    is_migration: Values
    pipeline: Values
    dropped: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The contract for many events at once.

    Args:
        contract: For each of them.
        plan: Of the mapping that makes events of rows; None if items are events.
    """

    contract: Contract
    plan: Plan | None
    _takers: dict[str, Taker] = field(init=False, repr=False, compare=False)
    _properties: RowProperties = field(init=False, repr=False, compare=False)
    _nothing: frozenset[str] = field(init=False, repr=False, compare=False)
    _latest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reading = self.contract.reading
        takers = {} if self.plan is None else {name: taker(spec, reading) for name, spec in self.plan.sources.items()}
        put = partial(object.__setattr__, self)
        put("_properties", _row_properties(self.plan, takers, self.contract))
        if self.plan is not None and self.plan.phone_country is not None:
            takers["phone_country"] = taker(self.plan.phone_country, reading)
        put("_takers", takers)
        put("_nothing", self.contract.nulls | {""})
        put("_latest", to_bik_text(self.contract.now + CLOCK_SKEW))

    def encode(self, items: Sequence[Item]) -> list[EncodedEvent | None]:
        """Make events of items.

        Args:
            items: Some hundreds.

        Returns:
            The event of each item; None where the general rule is to decide.
        """
        found: list[EncodedEvent | None] = [None] * len(items)
        hints = self.contract.hints
        if hints is not None and hints.is_looking:
            return found
        odd: Odd = set()
        where, read = self._read(items, odd)
        if read is not None:
            encoded = self._encoded(read, odd)
            if len(where) == len(items):
                return encoded
            for index, event in zip(where, encoded, strict=True):
                found[index] = event
        return found

    def _read(self, items: Sequence[Item], odd: Odd) -> tuple[Sequence[int], _Read | None]:
        """The fields of all items for which that is possible, after their numbers."""
        if self.plan is not None:
            where, rows = _rows_of(items)
            return where, None if rows is None else self._read_rows(rows, odd)
        if items[0].line is None:
            where, raws = _mappings_of(items)
            return where, self._read_mappings(raws, odd) if where else None
        where, events = _events_of(items)
        return where, self._read_events(events, odd) if where else None

    def _read_mappings(self, raws: Sequence[Mapping[str, Any]], odd: Odd) -> _Read:
        given = [raw.get(PROPERTIES) for raw in raws]
        odd.update(index for index, properties in enumerate(given) if type(properties) is not dict)
        objects = Rows([found if type(found) is dict else {} for found in given])
        properties, dropped = self._properties.read(objects, odd)
        return _Read(
            name=[raw.get("name") for raw in raws],
            phone_number=[raw.get("phoneNumber") for raw in raws],
            phone_country=None,
            email=[raw.get("email") for raw in raws],
            event_name=[raw.get("eventName") for raw in raws],
            properties=properties,
            dropped_nulls=dropped,
            created_at=[raw.get("createdAt", UNSET) for raw in raws],
            is_migration=[raw.get("isMigration") for raw in raws],
        )

    def _read_events(self, events: Sequence[_LineFields], odd: Odd) -> _Read:
        properties, dropped = line_properties([event.event_properties for event in events], self.contract, odd)
        return _Read(
            name=[event.name for event in events],
            phone_number=[event.phone_number for event in events],
            phone_country=None,
            email=[event.email for event in events],
            event_name=[event.event_name for event in events],
            properties=properties,
            dropped_nulls=dropped,
            created_at=[event.created_at for event in events],
            is_migration=[event.is_migration for event in events],
        )

    def _read_rows(self, rows: Rows, odd: Odd) -> _Read:
        def take(field: str, *, missing: object = None) -> Values:
            return self._takers[field](rows, odd) if field in self._takers else [missing] * len(rows)

        made, dropped = self._properties.read(rows, odd)
        return _Read(
            name=take("name"),
            phone_number=take("phone_number"),
            phone_country=take("phone_country") if "phone_country" in self._takers else None,
            email=take("email"),
            event_name=take("event_name"),
            properties=made,
            dropped_nulls=dropped,
            created_at=take("created_at", missing=UNSET),
            is_migration=take("is_migration"),
        )

    def _encoded(self, read: _Read, odd: Odd) -> list[EncodedEvent | None]:
        names = self._texts(read.name, "name", odd)
        event_names = self._texts(read.event_name, "eventName", odd)
        phones = self._phones(read, odd)
        emails = self._identities(read.email, are_ordinary_emails, parse_emails, self.contract.email, odd)
        if None in event_names:
            odd.update(index for index, name in enumerate(event_names) if name is None)
        if None in phones and None in emails:
            odd.update(index for index, pair in enumerate(zip(phones, emails, strict=True)) if pair == _NOBODY)
        dates = self._dated(read, odd)
        columns = [names, phones, emails, event_names, read.properties, dates.created_at, dates.is_migration]
        found: list[EncodedEvent | None] = [None] * len(names)
        kept: Sequence[int] = range(len(names))
        if odd:
            kept = [index for index in kept if index not in odd]
            columns = [[values[index] for index in kept] for values in columns]
        try:
            bodies = _encode_lines(list(map(EventFields, *columns))).split(b"\n")
        except UnicodeEncodeError:
            return found
        if not odd and max(map(len, bodies)) <= MAX_EVENT_BYTES:
            # The last line end leaves one more, which is empty.
            return list(map(EncodedEvent, bodies[:-1], dates.pipeline, read.dropped_nulls, dates.dropped))
        for index, body in zip(kept, bodies[:-1], strict=True):
            if len(body) <= MAX_EVENT_BYTES:
                how = dates.pipeline[index], read.dropped_nulls[index], dates.dropped[index]
                found[index] = EncodedEvent(body, *how)
        return found

    def _dated(self, read: _Read, odd: Odd) -> _Dates:
        """Read the dates, and choose the pipelines."""
        moments, texts = self._dates(read.created_at, odd)
        routes = self._routes(moments, read.is_migration, odd)
        number, route = len(routes), routes[0]
        if route is None or routes.count(route) != number:
            pairs = [_NO_DATE if route is None else route.pair(text) for route, text in zip(routes, texts, strict=True)]
            return _Dates(
                created_at=[text or UNSET for text, _ in pairs],
                is_migration=[flag for _, flag in pairs],
                pipeline=[route and route.pipeline for route in routes],
                dropped=[route is not None and route.dropped_created_at for route in routes],
            )
        date, flag = route.pair()
        return _Dates(
            created_at=texts if date else [UNSET] * number,
            is_migration=[flag] * number,
            pipeline=[route.pipeline] * number,
            dropped=[route.dropped_created_at] * number,
        )

    def _texts(self, values: Values, name: str, odd: Odd) -> Values:
        kinds = set(map(type, values))
        if kinds == {NoneType} or (kinds == {str} and self._nothing.isdisjoint(map(str.strip, values))):
            return values
        return each(values, partial(self.contract.text, name=name), odd)

    def _phones(self, read: _Read, odd: Odd) -> Values:
        if read.phone_country is not None:
            pairs = zip(read.phone_number, read.phone_country, strict=True)
            return each(pairs, lambda pair: self.contract.phone(*pair), odd)
        region = self.contract.reading.default_region
        parse = partial(parse_phones, region=region)
        return self._identities(read.phone_number, are_plain_phones, parse, self.contract.phone, odd)

    def _identities(
        self,
        values: Values,
        are_fine: Callable[[Sequence[str]], bool],
        parse: Callable[[Sequence[str]], Values],
        read: Callable[[object], object],
        odd: Odd,
    ) -> Values:
        """Read identities: as they stand, if they are fine; all at once, if they are texts; or else one by one."""
        there = [value for value in values if value is not None] if None in values else values
        if not there:
            return values
        if set(map(type, there)) != {str} or not self.contract.nulls.isdisjoint(map(str.strip, there)):
            return each(values, read, odd)
        if are_fine(there):
            return values
        parsed = iter(parse(there))
        return each([None if value is None else next(parsed) for value in values], lambda outcome: outcome, odd)

    def _dates(self, values: Values, odd: Odd) -> tuple[Values, Values]:
        """The times, and the texts that go out; None for both where there is no date."""
        moments: Values | None = None
        texts: Values | None = None
        if set(map(type, values)) == {datetime}:
            moments, texts = values, to_bik_texts(values)
        elif self._are_texts(values):
            moments, texts = biks_times(values), values
            if moments is None:
                moments = ordinary_times(values)
                texts = moments and to_bik_texts(moments)
        # As texts they have the order of the times.
        if moments and texts and min(texts) >= _EARLIEST and max(texts) < self._latest:
            return moments, texts
        pairs = each(values, self._date, odd)
        return [pair and pair[0] for pair in pairs], [pair and pair[1] for pair in pairs]

    def _date(self, value: object) -> tuple[datetime, str] | tuple[None, None] | Rejection:
        # One that is there and empty is for the general rule.
        return _NO_DATE if value is UNSET else self.contract.date(value) or _EMPTY_DATE

    def _routes(self, moments: Values, flags: Values, odd: Odd) -> Values:
        contract = self.contract

        def choose(moment: datetime | None, flag: object) -> Route | Rejection:
            return contract.rule.route(
                moment, is_migration=contract.flag(flag), now=contract.now, expects_date=moment is not None
            )

        pairs = list(zip(moments, flags, strict=True))
        are_alike = len(set(map(type, moments))) == 1 and set(map(type, flags)) == {NoneType}
        if are_alike and contract.rule.realtime_max_age is None:
            # Then it does not matter which date it is.
            route = choose(*pairs[0])
            return (
                [route] * len(pairs)
                if isinstance(route, Route)
                else each(repeat(route, len(pairs)), lambda rejection: rejection, odd)
            )
        return each(pairs, lambda pair: choose(*pair), odd)

    def _are_texts(self, values: Values) -> bool:
        return set(map(type, values)) == {str} and self.contract.nulls.isdisjoint(values)


def _row_properties(plan: Plan | None, takers: dict[str, Taker], contract: Contract) -> RowProperties:
    """Reads properties; objects within objects are left to the general rule."""
    if plan is None:
        # All keys of an object are taken, as of a row of which no column is used elsewhere.
        return RowProperties(
            contract=contract, extract=lambda rows, _: list(rows.mappings()), takers=None, used=frozenset()
        )
    extract, named, reading = takers.pop("event_properties"), plan.properties, contract.reading
    if named is None:
        return RowProperties(contract=contract, extract=extract, takers=None, used=plan.used)
    is_flat = not any("." in name for name in named)
    flat = {name: taker(spec, reading) for name, spec in named.items()} if is_flat else {}
    return RowProperties(contract=contract, extract=extract, takers=flat, used=plan.used)


def _mappings_of(items: Sequence[Item]) -> tuple[Sequence[int], list[Mapping[str, Any]]]:
    """The events among items that are mappings with BIK's fields alone, after their numbers."""
    where = [
        index
        for index, item in enumerate(items)
        if type(item.raw) is dict and item.problem is None and not item.is_row and item.raw.keys() <= _FIELDS
    ]
    return where, [cast("Mapping[str, Any]", items[index].raw) for index in where]


def _rows_of(items: Sequence[Item]) -> tuple[Sequence[int], Rows | None]:
    """The rows among items, those of one table if there are such, after their numbers."""
    where: Sequence[int] = [index for index, item in enumerate(items) if item.cells is not None]
    if where:
        columns = items[where[0]].columns
        where = [index for index in where if items[index].columns is columns]
        return where, Rows((), [items[index] for index in where])
    mappings = list(map(opened, items))
    where = [index for index, item in enumerate(mappings) if type(item.raw) is dict and _is_row(item)]
    return where, Rows([cast("Row", mappings[index].raw) for index in where]) if where else None


def _is_row(item: Item) -> bool:
    return item.problem is None and item.is_row is None


def _events_of(items: Sequence[Item]) -> tuple[Sequence[int], list[_LineFields]]:
    """What can be decoded straight into the fields of an event, after the numbers of these items."""
    where: Sequence[int] = range(len(items))
    lines = [b"" if item.line is None or item.problem else item.line for item in items]
    if b"" in lines or max(map(len, lines)) > _LONGEST_LINE:
        where = [index for index, line in enumerate(lines) if 0 < len(line) <= _LONGEST_LINE]
        lines = [lines[index] for index in where]
    if (events := _decoded_at_once(lines)) is not None:
        return where, events
    found = [(index, event) for index, line in zip(where, lines, strict=True) if (event := _decoded_alone(line))]
    return [index for index, _ in found], [event for _, event in found]


def _decoded_at_once(lines: Sequence[bytes]) -> list[_LineFields] | None:
    """One event of each line; None if some line is none."""
    text = b"\n".join(lines)
    # Lines that are cut in two could melt together, were it not that each begins and ends as an object does.
    are_whole = {line[0] for line in lines} == {_OPENS} and {line[-1] for line in lines} == {_CLOSES}
    if not are_whole or text.count(b"\n") != len(lines) - 1:
        return None
    try:
        events = _lines.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return events if len(events) == len(lines) else None


def _decoded_alone(line: bytes) -> _LineFields | None:
    try:
        return _lines.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
