from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

import pytest
from hypothesis import event as note
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events import Contract, EncodedEvent, Mode, PipelineRule, Rejection
from airflow_provider_bik.events import contract as module
from airflow_provider_bik.events.contract import FIELDS, MAX_EVENT_BYTES
from airflow_provider_bik.events.plain_events import plain_event
from airflow_provider_bik.events.times import to_bik_text
from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
INDIA = timezone(timedelta(hours=5, minutes=30))


def national(text: str, /) -> str | None:
    return "+91" + text if len(text) == 10 else None


RULES = [
    *(PipelineRule(mode=mode) for mode in Mode),
    PipelineRule(mode=Mode.REALTIME, drop_created_at=True),
    PipelineRule(realtime_max_age=timedelta(hours=1)),
]
CONTRACTS = [
    Contract(now=NOW, rule=rule, timezone=zone, national=reader)
    for rule in RULES
    for zone, reader in [(UTC, None), (INDIA, national)]
]


class Size(StrEnum):
    LARGE = "L"


class Level(IntEnum):
    HIGH = 3


class Shout(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Count(int):
    pass


class Share(float):
    pass


ODD_VALUES: list[object] = [
    *(float("nan"), float("inf"), float("-inf"), -0.0, 5.0, 1e308, 5e-324, 2.0**53 + 2),
    *(MAX_INTEGER, MAX_INTEGER + 1, -MAX_INTEGER, -MAX_INTEGER - 1, 2**63, 2**64, 2**200),
    *(True, False, None, "", " ", "\ud800", "a\udfff", "\u2028\x00\x7f", "தமிழ் 🛒"),
    *(Size.LARGE, Level.HIGH, Shout("a"), Count(3), Share(0.5), Enum("Made", "ONE").ONE),  # type: ignore[attr-defined]
    *(Decimal(1), Decimal("0.5"), Decimal("NaN"), uuid.UUID(int=1), b"a", bytearray(b"a"), 1j, object()),
    *(NOW, NOW.replace(tzinfo=None), NOW.date(), NOW.time(), timedelta(1), range(2), {1, 2}, (1, None), [None, 2]),
    *({"a": None}, {"a": {"b": 1}}, {1: 2}, OrderedDict(a=1), MappingProxyType({"a": 1}), [], {}),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
odd = st.sampled_from(ODD_VALUES)
keys = st.text(st.characters(), max_size=8) | st.sampled_from(["a", "\ud800", "", Shout("k"), Size.LARGE, 1, None])
properties = st.dictionaries(keys, scalars | odd, max_size=6) | odd | st.just(OrderedDict(a=1))
TEXT_PHONES = """+919876543210|00919876543210|+44 (0)20 7946 0958|9876543210|987|| |n/a|+९१९८७६५४३२१०|+919876543210\n"""
phones = st.sampled_from(
    [*TEXT_PHONES.split("|"), Shout("+919876543210"), 919876543210, 919876543210.0, 5.5, True, 10**30]
)
TEXT_TIMES = """
2024-03-05T06:07:08.123Z|2024-03-05T06:07:08Z|2024-03-05 06:07:08+05:30|2024-03-05| 2024-03-05 ||yesterday|2024-W10-2|
2024-03-05T06:07:08.123456Z|2024-03-05T24:00:00Z|2024-02-30T00:00:00Z|0001-01-01T00:00:00+05:30|1989-12-31T23:59:59Z|
9999-12-31T23:59:59.999-05:00|2026-11-24T12:04:59Z|2026-11-24T12:05:01Z|2026-11-24T11:30:00Z
"""
ODD_TIMES = [1709618828, 1709618828123, 1709618828.5, -1, 10**20, 0, True, float("nan"), NOW, Shout("2024-03-05")]
times = st.sampled_from([*TEXT_TIMES.replace("\n", "").split("|"), *ODD_TIMES])
texts = st.sampled_from(["a@example.com", "x", "", " ", "\u2003", "\ud800", Size.LARGE, Shout("s")])
FIELD_VALUES: dict[str, st.SearchStrategy[object]] = {
    "name": texts,
    "phoneNumber": phones,
    "email": texts,
    "eventName": texts,
    "eventProperties": properties,
    "createdAt": times,
    "isMigration": st.booleans(),
}
good_values = (
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False) | st.text()
)
good = st.fixed_dictionaries(
    {
        "eventName": st.just("ordered"),
        "eventProperties": st.dictionaries(st.text(max_size=5), good_values, max_size=6),
        "email": st.sampled_from(["a@example.com", " ", None, "தமிழ்"]),
        "phoneNumber": st.sampled_from(["+919876543210", "00919876543210", "+44 (0)20 7946 0958", 919876543210, " "]),
    },
    optional={
        "name": st.sampled_from([None, "", "Name"]) | st.text(),
        "createdAt": st.sampled_from(
            ["2024-03-05T06:07:08.123Z", "2026-11-24T11:30:00", 1709618828, 1709618828.5, None]
        ),
    },
)
changes = st.sampled_from([*FIELDS, "created_at"]).flatmap(
    lambda name: st.fixed_dictionaries({name: FIELD_VALUES.get(name, times) | odd})
)
changed = st.builds(lambda raw, change: {**raw, **change}, good, changes)
unlike = st.dictionaries(st.sampled_from([*FIELDS, "x", 1, Shout("email")]), odd, max_size=7) | odd
raws = good | changed | good | changed | changed.map(OrderedDict) | changed.map(MappingProxyType) | unlike


def both_ways(contract: Contract, raw: object) -> tuple[EncodedEvent | Rejection, EncodedEvent | Rejection]:
    """What comes out, and what comes out with the fast path closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "plain_event", lambda _: None)
        slow = contract.encode(raw)
    return contract.encode(raw), slow


def takes_the_fast_path(raw: object, contract: Contract = CONTRACTS[0]) -> bool:
    event = plain_event(raw)
    return event is not None and contract._encode_plain(event) is not None  # noqa: SLF001 - that it is taken is the point of it


@settings(max_examples=1000)
@given(contract=st.sampled_from(CONTRACTS), raw=raws)
@example(contract=CONTRACTS[0], raw={"email": "a", "eventName": "b", "eventProperties": {"n": Decimal(1)}})
@example(contract=CONTRACTS[0], raw={"email": "a", "eventName": "b", "eventProperties": {Shout("k"): 1}})
def test_the_fast_path_gives_what_the_slow_path_gives(contract: Contract, raw: object) -> None:
    fast, slow = both_ways(contract, raw)
    assert fast == slow
    note(f"fast path: {takes_the_fast_path(raw, contract)}, {type(fast).__name__}")


@settings(max_examples=300)
@given(raw=good | changed)
def test_the_event_itself_is_not_changed(raw: dict[str, object]) -> None:
    before = repr(raw)
    CONTRACTS[0].encode(raw)
    assert repr(raw) == before


@pytest.mark.parametrize("value", ODD_VALUES, ids=range(len(ODD_VALUES)))
@pytest.mark.parametrize("field", FIELDS)
def test_one_odd_value_anywhere_makes_no_difference(field: str, value: object) -> None:
    for raw in (
        {"email": "a@example.com", "eventName": "ordered", "eventProperties": {}, field: value},
        {"email": "a@example.com", "eventName": "ordered", "eventProperties": {"k": value, "n": None}},
    ):
        for contract in CONTRACTS:
            fast, slow = both_ways(contract, raw)
            assert fast == slow


@pytest.mark.parametrize("number", [MAX_VALUES - 1, MAX_VALUES, MAX_VALUES + 1])
@pytest.mark.parametrize("value", [None, 1])
def test_the_number_of_values_makes_no_difference(number: int, value: int | None) -> None:
    raw = {"email": "a", "eventName": "b", "eventProperties": {str(index): value for index in range(number)}}
    fast, slow = both_ways(CONTRACTS[0], raw)
    assert fast == slow


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_size_makes_no_difference(more: int) -> None:
    raw: dict[str, object] = {"email": "a", "eventName": "b", "eventProperties": {"text": ""}}
    bare = CONTRACTS[0].encode(raw)
    assert isinstance(bare, EncodedEvent)
    raw["eventProperties"] = {"text": "x" * (MAX_EVENT_BYTES - len(bare.body) + more)}
    fast, slow = both_ways(CONTRACTS[0], raw)
    assert fast == slow
    assert isinstance(fast, Rejection) is (more > 0)


ORDINARY = {
    "createdAt": "2024-03-05T06:07:08.123Z",
    "eventProperties": {"price": 83.71, "quantity": 3, "first": True, "coupon": None, "currency": "INR"},
    "eventName": "ordered",
    "email": " ",
    "phoneNumber": 919876543210,
    "name": None,
}


@pytest.mark.parametrize(
    "changes", [{}, {"phoneNumber": "+919876543210"}, {"createdAt": 1709618828}, {"isMigration": True}]
)
def test_an_ordinary_event_takes_the_fast_path(changes: dict[str, object]) -> None:
    contract = Contract(now=NOW, national=national)
    raw = {**ORDINARY, **changes, "phoneNumber": "+919876543210"}
    assert takes_the_fast_path(raw, contract)
    outcome = contract.encode(raw)
    assert isinstance(outcome, EncodedEvent)
    assert outcome.dropped_nulls == 1
    assert [name for name in FIELDS if name in json.loads(outcome.body)] == list(json.loads(outcome.body))


@given(moment=st.datetimes(timezones=st.sampled_from([UTC, INDIA, timezone(timedelta(microseconds=7))])))
def test_a_time_is_written_as_isoformat_would_write_it(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    except OverflowError:
        return
    assert to_bik_text(moment) == expected + "Z"
