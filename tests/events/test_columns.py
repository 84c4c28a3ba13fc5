"""Events that are checked together come out as each would alone, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events import Contract, EncodedEvent, Encoder, EventMapping, Item, Reading
from airflow_provider_bik.events.columns import AT_ONCE
from airflow_provider_bik.events.contract import FIELDS as FIELD_NAMES
from airflow_provider_bik.events.contract import MAX_EVENT_BYTES
from airflow_provider_bik.events.hints import Hints
from airflow_provider_bik.events.identity import (
    are_ordinary_emails,
    are_plain_phones,
    ordinary_email,
    parse_email,
    parse_phone,
    plain_phone,
)
from airflow_provider_bik.events.mapping import Column, Constant
from airflow_provider_bik.events.times import bik_time, biks_times, ordinary_times, read_time, to_bik_text, to_bik_texts
from airflow_provider_bik.events.values import MAX_VALUES
from tests.events.test_one_path import ODD_VALUES, RULES, ZONES, lines

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
INDIA = ZoneInfo("Asia/Kolkata")

READINGS = [
    Reading(),
    Reading(timezone=INDIA, default_region="IN", on_bad_identity="reject"),
    Reading(null_values=("+919876543210", "a@example.com", "2024-03-05T06:07:08.123Z", "x"), decimal_comma=True),
]
CONTRACTS = [Contract(now=NOW, rule=rule, reading=reading) for rule in RULES for reading in READINGS]

PHONES = """
+919876543210 +919812345678 +14155552671 +442071838750 +9198765 +91-98765-43210 09876543210 9876543210 00919876543210
+919876543210\n+919876543211 tel:+919876543210 ++91 +910876543210 +7\u0669\u0668 +999999999999
"""
EMAILS = """
a@example.com b.c+d@mail.example.co.in INFO@example.com info@example.com a@example.invalid a@test a..b@example.com
a@Example.com a@exa--mple.com a@example.com,b@example.com <a@example.com> \u00e9@example.com mailto:a@example.com
"""
TIMES = """
2024-03-05T06:07:08.123Z 2024-03-05T06:07:08Z 2024-03-05T06:07:08+05:30 2024-03-05T06:07:08.123456+00:00 2024-03-05
2024-02-30T06:07:08.123Z 2024-02-30T06:07:08+01:00 2026-11-24T12:04:59.999Z 2026-11-24T12:05:00.000Z
2026-11-24T12:05:00.001Z 1990-01-01T00:00:00.000Z 1989-12-31T23:59:59.999Z 1709618828 2024-03-05T06:07:08 0001-01-01
2024-03-05T24:00:00.000Z 2024-03-05T06:07:08+14:59 2024-03-05T06:07:08+15:00
"""
phones = st.sampled_from([*PHONES.split(), "+919876543210\n+919876543211", " +919876543210", ""])
emails = st.sampled_from([*EMAILS.split(), "a@example.com\nb@example.com", " a@example.com ", "", f"{'a' * 70}@b.com"])
FIRST, LAST = datetime(1989, 12, 31), datetime(2026, 12, 31)  # noqa: DTZ001 - Hypothesis adds the zone
moments = st.datetimes(FIRST, LAST, timezones=st.sampled_from(ZONES))
good_phones = st.integers(0, 10**7).map(lambda number: f"+9198{10**7 + number}")
good_emails = st.integers(0, 10**6).map(lambda number: f"customer{number}@example.com")
good_times = moments.filter(lambda moment: moment.tzinfo is not None and moment < NOW).map(to_bik_text)

COLUMNS: dict[str, list[st.SearchStrategy[Any]]] = {
    "name": [st.just("Ada"), st.sampled_from(["Ada", None, "", " ", "NULL", "x", 5, "\ud800"])],
    "phone": [
        good_phones,
        good_phones | st.none(),
        phones,
        st.none(),
        st.sampled_from([919876543210, 9.19876543210e11]),
    ],
    "email": [good_emails, good_emails | st.none(), emails, st.none()],
    "country": [st.just("IN"), st.sampled_from(["IN", "us", "XX", None, 5])],
    "at": [
        good_times,
        moments,
        st.datetimes(timezones=st.just(UTC)),
        st.datetimes(FIRST, LAST, timezones=st.just(ZoneInfo("Etc/UTC"))),
        st.sampled_from(TIMES.split()),
        st.sampled_from([*TIMES.split(), None, "", 1709618828.5, Decimal(1709618828123), date(2024, 3, 5), "x"]),
        st.sampled_from(["2024-03-05T06:07:08+05:30", "2024-03-05 06:07:08Z"]),
    ],
    "a": [
        *(st.integers(-(2**53), 2**53), st.integers(), st.booleans(), st.none(), st.uuids(), st.dates(), st.times()),
        *(st.text(), st.sampled_from(["x", "y"]), st.text(st.characters()), st.floats(), st.floats(0, 5)),
        *(st.decimals(), st.decimals(-1000, 1000, places=2), st.decimals(-(10**17), 10**17, places=1)),
        *(st.floats() | st.none(), st.integers() | st.floats(), moments, moments | st.none(), st.just("7.50")),
        *(st.lists(st.integers(), max_size=3), st.dictionaries(st.sampled_from("ab"), st.none() | st.integers())),
        st.sampled_from(ODD_VALUES),
    ],
}
COLUMNS |= {"b": COLUMNS["a"], "c d": COLUMNS["a"]}

FIELDS: dict[str, Any] = {"name": "name", "phone_number": "phone", "email": "email"}
PROPERTIES: list[Any] = [
    None,
    {},
    {"a": "a", "bee": "b", "c d": "c d"},
    {"a": "a", "one": Constant(1), "null": Constant(None), "list": Constant([1, None]), "x": Constant("x")},
    {"a": Column("a", cast="number"), "b": Column("b", cast="string"), "c": Column("c d", cast="datetime")},
    {"a.b": "a", "a.c": "b", "d": "c d"},
    {"all": ["a", "b", Constant(2)], "deep": "b.a[0]"},
    {'with "quotes"': "a", "\\": "b", "none": "not there"},
]
EVENT_NAMES: list[Any] = ["ordered", "x", Column("name"), Column("a", cast="string")]


@st.composite
def mappings(draw: st.DrawFn) -> EventMapping:
    given: dict[str, Any] = {**FIELDS, "event_name": draw(st.sampled_from(EVENT_NAMES))}
    given["properties"] = draw(st.sampled_from(PROPERTIES))
    given["created_at"] = draw(st.sampled_from([None, "at", "at", Column("at", cast="datetime", timezone="UTC")]))
    if draw(st.booleans()):
        given["phone_country"] = "country"
    if draw(st.integers(0, 5)) == 0:
        given["name"] = ["name", "country"]
    return EventMapping(**given)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows whose columns are mostly of one kind, with now and then a value that is not, or none at all."""
    kinds = {name: draw(st.sampled_from(choices)) for name, choices in COLUMNS.items()}
    rows = [{name: draw(kind) for name, kind in kinds.items()} for _ in range(draw(st.integers(1, 6)))]
    for _ in range(draw(st.integers(0, 2))):
        row, name = draw(st.sampled_from(rows)), draw(st.sampled_from(sorted(COLUMNS)))
        row[name] = draw(st.sampled_from(ODD_VALUES))
        if draw(st.booleans()):
            del row[draw(st.sampled_from(sorted(row)))]
    return rows


def compare(encoder: Encoder, items: Sequence[Item]) -> None:
    together, alone = list(encoder.encode_all(items)), [encoder.encode_one(item) for item in items]
    for index, (one, other) in enumerate(zip(together, alone, strict=True)):
        assert one.result == other.result, (index, one.result, other.result)
        assert repr(one) == repr(other)


@settings(max_examples=1500)
@given(contract=st.sampled_from(CONTRACTS), mapping=mappings(), rows=tables())
def test_rows_together_become_what_each_becomes_alone(
    contract: Contract, mapping: EventMapping, rows: list[dict[str, Any]]
) -> None:
    items = [Item(position=index, location=f"row {index}", raw=row) for index, row in enumerate(rows)]
    compare(Encoder(contract=contract, mapping=mapping), items)


@pytest.mark.parametrize("kind", range(len(COLUMNS["a"])))
@settings(max_examples=60)
@given(data=st.data())
def test_the_values_of_one_property_together_become_what_each_becomes_alone(kind: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(COLUMNS["a"][kind] | st.sampled_from([None, float("nan")]), min_size=1, max_size=5))
    items = [Item(position=0, location="", raw={"e": "a@example.com", "a": value}) for value in values]
    for contract in (CONTRACTS[0], CONTRACTS[1], CONTRACTS[2]):
        compare(Encoder(contract=contract, mapping=EventMapping(event_name="b", email="e")), items)


@given(st.sampled_from(CONTRACTS), st.lists(st.integers(-7200, 400), min_size=1, max_size=5), st.booleans())
def test_events_of_the_last_hours_together_take_the_pipeline_that_each_takes_alone(
    contract: Contract,
    ages: list[int],
    as_text: bool,
) -> None:
    times = [NOW + timedelta(seconds=age) for age in ages]
    rows = [{"e": "a@example.com", "at": to_bik_text(moment) if as_text else moment} for moment in times]
    items = [Item(position=0, location="", raw=row) for row in rows]
    compare(Encoder(contract=contract, mapping=EventMapping(event_name="b", email="e", created_at="at")), items)


def test_objects_that_span_lines_or_share_one_do_not_melt_together() -> None:
    whole = b'{"eventName":"a","email":"a@example.com","eventProperties":{}}'
    for texts in (
        [whole[:-1], b"}", whole + whole],
        [whole[:-2], b"{}}", whole + whole],
        [whole[:15], whole[15:], whole + b" " + whole],
        [b'{"eventName":"a","email":"a@example.com","eventProperties":', b"{}", b"}", whole + whole + whole],
        [whole, whole + b"\n" + whole],
    ):
        items = [Item(position=index, location=str(index), line=text) for index, text in enumerate(texts)]
        compare(Encoder(contract=CONTRACTS[0]), items)
        assert not all(
            isinstance(event.result, EncodedEvent) for event in Encoder(contract=CONTRACTS[0]).encode_all(items)
        )


events = st.fixed_dictionaries(
    {"eventName": st.sampled_from(["ordered", "x", ""])},
    optional={
        "name": st.sampled_from(["Ada", "", "x"]),
        "phoneNumber": good_phones | phones,
        "email": good_emails | emails,
        "createdAt": good_times | st.sampled_from([*TIMES.split(), None, 5]),
        "isMigration": st.sampled_from([True, False, None, "yes"]),
        "eventProperties": st.dictionaries(
            st.text(max_size=3),
            st.integers(-5, 5) | st.floats(0, 5) | st.sampled_from(["x", None, "NULL", [None], [1]]),
        ),
        "unknown": st.just(1),
    },
)


@settings(max_examples=400)
@given(contract=st.sampled_from(CONTRACTS), raws=st.lists(events, min_size=1, max_size=6), data=st.data())
def test_mappings_together_become_what_each_becomes_alone(
    contract: Contract, raws: list[dict[str, Any]], data: st.DataObject
) -> None:
    for raw in raws:
        if data.draw(st.integers(0, 2)) == 0:
            raw[data.draw(st.sampled_from(FIELD_NAMES))] = data.draw(st.sampled_from(ODD_VALUES))
        elif data.draw(st.booleans()):
            kind = data.draw(st.sampled_from(COLUMNS["a"]))
            raw["eventProperties"] = {"a": data.draw(kind), "b c": data.draw(kind)}
    compare(Encoder(contract=contract), [Item(position=0, location="", raw=raw) for raw in raws])


PIECES = [b'{"eventName":"a"', b',"email":"a@example.com","eventProperties":{}}', b"{}{}", b"{}\n{}", b"{", b"}", b"{}"]


@settings(max_examples=800)
@given(
    contract=st.sampled_from(CONTRACTS),
    texts=st.lists(events.map(msgspec.json.encode), min_size=1, max_size=6)
    | st.lists(events.map(msgspec.json.encode) | lines | st.sampled_from(PIECES), min_size=1, max_size=6),
)
def test_lines_together_become_what_each_becomes_alone(contract: Contract, texts: list[bytes]) -> None:
    items = [Item(position=index, location=str(index), line=text) for index, text in enumerate(texts)]
    compare(Encoder(contract=contract), items)
    compare(Encoder(contract=contract, mapping=EventMapping(event_name="b", email="email")), items)


def test_items_of_all_kinds_may_stand_side_by_side() -> None:
    event = {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"a": None}}
    row = {"email": "a@example.com", "a": 1}
    given = [
        Item(position=0, location="[0]", raw=event),
        Item(position=1, location="[1]", line=msgspec.json.encode(event), attempts=2),
        Item(position=2, location="[2]", raw=row, is_row=True),
        Item(position=3, location="[3]", raw=event, is_row=False, attempts=1),
        Item(position=4, location="[4]", raw="no event"),
        Item(position=5, location="[5]", line=msgspec.json.encode(row)),
    ]
    compare(Encoder(contract=CONTRACTS[0]), given)
    compare(Encoder(contract=CONTRACTS[0], mapping=EventMapping(event_name="b", email="email")), given)


def test_one_event_that_is_too_large_leaves_the_others_alone() -> None:
    def of(size: int) -> bytes:
        event = {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"text": "x" * size}}
        return msgspec.json.encode(event)

    sizes = [1, MAX_EVENT_BYTES, 2 * MAX_VALUES, 1]
    items = [Item(position=index, location=str(index), line=of(size)) for index, size in enumerate(sizes)]
    compare(Encoder(contract=CONTRACTS[0]), items)
    rows = [
        Item(position=index, location="", raw={"e": "a@example.com", "t": "x" * size})
        for index, size in enumerate(sizes)
    ]
    compare(Encoder(contract=CONTRACTS[0], mapping=EventMapping(event_name="b", email="e")), rows)


@pytest.mark.parametrize(
    "names", [["\ud800"], ["\x00"], [""], ["a.b"], list(map(str, range(MAX_VALUES + 1))), [5], ["é"]]
)
def test_columns_may_have_any_names(names: list[Any]) -> None:
    rows = [{"e": "a@example.com", **dict.fromkeys(names, value)} for value in (1, None, "x")]
    items = [Item(position=0, location="", raw=row) for row in rows]
    compare(Encoder(contract=CONTRACTS[0], mapping=EventMapping(event_name="b", email="e")), items)
    columns = [str(name) for name in ["e", *names]]
    items = [Item(position=0, location="", columns=columns, cells=list(row.values())) for row in rows]
    compare(Encoder(contract=CONTRACTS[0], mapping=EventMapping(event_name="b", email="e")), items)


@pytest.mark.parametrize("number", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 1])
def test_no_item_is_lost_or_moved_where_one_block_ends(number: int) -> None:
    rows = ({"e": f"customer{index}@example.com", "n": index} for index in range(number))
    items = (Item(position=index, location=f"row {index}", raw=row) for index, row in enumerate(rows))
    made = list(Encoder(contract=CONTRACTS[0], mapping=EventMapping(event_name="b", email="e")).encode_all(items))
    assert [event.position for event in made] == list(range(number))
    bodies = [event.result.body for event in made if isinstance(event.result, EncodedEvent)]
    assert [msgspec.json.decode(body)["eventProperties"]["n"] for body in bodies] == list(range(number))


def test_a_zone_that_is_assumed_is_told_of_wherever_it_stands() -> None:
    for column in ("at", "seen"):
        said: list[str] = []
        hints = Hints(said.append)
        hints.conclude()
        contract = Contract(now=NOW, reading=Reading(timezone=INDIA), hints=hints)
        mapping = EventMapping(event_name="ordered", email="e", created_at="at", properties={"seen": "seen"})
        row = {"e": "a@example.com", "at": NOW, "seen": NOW, column: NOW.replace(tzinfo=None)}
        list(Encoder(contract=contract, mapping=mapping).encode_all([Item(position=0, location="", raw=row)]))
        assert len(said) == 1
        assert "Asia/Kolkata" in said[0]


@given(st.lists(phones | good_phones, min_size=1, max_size=4))
def test_plain_numbers_together_are_plain_alone(texts: list[str]) -> None:
    if are_plain_phones(texts):
        assert [plain_phone(text) for text in texts] == texts == [parse_phone(text, None) for text in texts]


@given(st.lists(emails | good_emails | st.emails(), max_size=4))
def test_ordinary_addresses_together_are_ordinary_alone(texts: list[str]) -> None:
    assert are_ordinary_emails(texts) is all(ordinary_email(text) == text for text in texts)
    if are_ordinary_emails(texts):
        assert [parse_email(text) for text in texts] == texts


@given(st.lists(st.sampled_from(TIMES.split()) | good_times | st.text("0:T-Z\n", max_size=12), max_size=4))
def test_times_together_are_read_as_each_alone(texts: list[str]) -> None:
    if (found := biks_times(texts)) is not None:
        assert found == [bik_time(text) for text in texts]
    if (found := ordinary_times(texts)) is not None:
        assert found == [read_time(text) for text in texts]
        assert all(moment.tzinfo is not None for moment in found)


@given(st.lists(st.datetimes(timezones=st.sampled_from([*ZONES, timezone(timedelta(seconds=30))])), max_size=4))
def test_times_together_are_written_as_each_alone(timestamps: list[datetime]) -> None:
    if (texts := to_bik_texts(timestamps)) is not None:
        assert texts == [to_bik_text(timestamp) for timestamp in timestamps]
