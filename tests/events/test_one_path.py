"""A line gives straight from its bytes what its decoded form gives, and short cuts for values change nothing."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.events import Contract, EncodedEvent, Encoder, Item, PipelineRule, Reading, Reason, Rejection
from airflow_provider_bik.events.contract import FIELDS, MAX_EVENT_BYTES
from airflow_provider_bik.events.values import MAX_INTEGER, MAX_VALUES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

RULES = [
    *(PipelineRule(mode=mode) for mode in ("auto", "realtime", "migration")),
    PipelineRule(mode="realtime", on_dated="drop"),
    PipelineRule(realtime_max_age=timedelta(hours=1), on_undated="realtime"),
]
READINGS = [Reading(), Reading(timezone="Asia/Kolkata", default_region="IN", on_bad_identity="reject")]
CONTRACTS = [Contract(now=NOW, rule=rule, reading=reading) for rule in RULES for reading in READINGS]

NUMBERS = """
0 -0 5 5.0 -0.0 1e2 1E-2 1e308 1e309 -1e400 5e-324 5e-400 1.7976931348623157e308 1.7976931348623159e308 0.1 01 .5 5. +1
9007199254740992 9007199254740993 -9007199254740993 9007199254740993.0 9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 100000000000000000000000000 12345678901234567890.0 NaN Infinity -Infinity
919876543210 919876543210.0 1709618828 1709618828123 1709618828.5 1709618828.123456789
"""
TEXTS = r"""
"" " " "a" "a@example.com" "\u2003" "\ud83d\ude00" "\ud800" "\udfff a" "\u0000" "\u0061" "தமிழ் 🛒" "\/" "\x" "a "NULL"
"null" ":null" "{\"a\":1}" "\\N" "+919876543210" "00919876543210" "9876543210" "2024-03-05T06:07:08.123Z" "2024-03-05"
"""
VALUES = [
    *(number.encode() for number in NUMBERS.split()),
    *(text.encode() for text in TEXTS.split()),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\x01"', b'"\xe2\x80\xa8"', b'"\x7f"', b'"\xef\xbf\xbf"', b'"a b"'),
    *(b"null", b"true", b"false", b"nul", b"", b"True", b"[]", b"{}", b"[1,null]", b'{"a":{"b":null}}', b"[" * 3000),
    *(b"[" * 900 + b"]" * 900, b'{"a":' * 12 + b"1" + b"}" * 12, b'{"a":' * 20 + b"1" + b"}" * 20),
]
KEYS = [b'"a"', b'"b"', b'""', rb'"\u0061"', b'"\xff"', rb'"\ud800"', b"a", b'"a', b"1", b"null"]
NAMES = [*(f'"{name}"'.encode() for name in FIELDS), rb'"em\u0061il"', b'"created_at"', b'"Email"', b'"email "']
NEEDED = b'"email":"a@example.com","eventName":"b","eventProperties":'

Lines = st.SearchStrategy[bytes]
spaces = st.sampled_from([b"", b"", b"", b" ", b"\t", b"\r", b"\n", b"\x0b", b"\xc2\xa0"])
values = st.sampled_from(VALUES)


def objects(pairs: st.SearchStrategy[tuple[bytes, bytes]], *, first: bytes = b"") -> Lines:
    """JSON objects, or nearly so, in which a key may stand twice."""
    members = st.builds(lambda pair, space: space + pair[0] + space + b":" + space + pair[1], pairs, spaces)
    return st.lists(members, max_size=5).map(lambda parts: b"{" + b",".join([first, *parts][not first :]) + b"}")


properties = objects(st.tuples(st.sampled_from(KEYS), values))
fields = st.tuples(st.sampled_from(NAMES), values | properties)
lines = (
    objects(fields)
    | properties.flatmap(lambda inner: objects(fields, first=NEEDED + inner))
    | st.builds(lambda inner: b"{" + NEEDED + inner + b"}", properties | values)
    | values
    | st.binary(max_size=20)
)


def decoded_first(contract: Contract, line: bytes) -> EncodedEvent | Rejection | None:
    """What comes of the line as a mapping; None if it is no mapping."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return contract.encode(raw) if isinstance(raw, dict) else None


def is_no_json(result: EncodedEvent | Rejection | None) -> bool:
    """Python's own decoder also reads NaN, and bytes that are no UTF-8."""
    return isinstance(result, Rejection) and result.reason is Reason.UNPARSABLE


@settings(max_examples=800)
@given(contract=st.sampled_from(CONTRACTS), line=lines, before=spaces, after=spaces | st.sampled_from([b"}", b" x"]))
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{"a":[1],"a":null,"b":1,"a":2}}', before=b"", after=b"")
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{},"email":null,"email":"c@example.com"}', before=b"", after=b"")
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{},"email":"c@example.com","email":null}', before=b"", after=b"")
def test_a_line_gives_straight_from_its_bytes_what_it_gives_decoded(
    contract: Contract, line: bytes, before: bytes, after: bytes
) -> None:
    line = before + line + after
    (event,) = Encoder(contract=contract).encode_all([Item(position=3, location="f:4", line=line)])
    assert (event.position, event.location) == (3, "f:4")
    assert isinstance(event.result, EncodedEvent | Rejection)
    assert event.result == decoded_first(contract, line) or is_no_json(event.result)


@pytest.mark.parametrize("field", NAMES)
def test_one_odd_value_anywhere_in_a_line_makes_no_difference(field: bytes) -> None:
    for value in VALUES:
        for line in (
            b"{" + NEEDED + b"{}," + field + b":" + value + b"}",
            b"{" + field + b":" + value + b"," + NEEDED + b"{}}",
            b"{" + NEEDED + b'{"k":' + value + b',"n":null}}',
        ):
            for contract in CONTRACTS[:2]:
                (event,) = Encoder(contract=contract).encode_all([Item(position=0, location="1", line=line)])
                assert event.result == decoded_first(contract, line) or is_no_json(event.result)


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
    *(True, False, None, "", " ", "\ud800", "a\udfff", "\u2028\x00\x7f", "தமிழ் 🛒", "NULL", r"\N"),
    *(Size.LARGE, Level.HIGH, Shout("a"), Count(3), Share(0.5), Enum("Made", "ONE").ONE),  # type: ignore[attr-defined]
    *(Decimal(1), Decimal("0.5"), Decimal("NaN"), uuid.UUID(int=1), b"a", bytearray(b"a"), 1j, object()),
    *(NOW, NOW.replace(tzinfo=None), NOW.date(), NOW.time(), timedelta(1), range(2), {1, 2}, (1, None), [None, 2]),
    *(
        Decimal("0.99999999999999999999"),
        Decimal("-0.0"),
        Decimal("9007199254740992.5"),
        Decimal("sNaN"),
        Decimal("1e999999"),
    ),
    *(
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
    ),
    *({"a": None}, {"a": {"b": 1}}, {1: 2}, OrderedDict(a=1), MappingProxyType({"a": 1}), [], {}),
]
odd = st.sampled_from(ODD_VALUES)
ZONES = [None, UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York"), timezone(timedelta(hours=-11))]
databases = (
    st.decimals()
    | st.decimals(-(10**17), 10**17, places=2)
    | st.uuids()
    | st.datetimes(timezones=st.sampled_from(ZONES))
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
values_of_any_type = scalars | databases | odd
nested = st.recursive(
    values_of_any_type,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
keys = st.text(st.characters(), max_size=8) | st.sampled_from(["a", "\ud800", "", Shout("k"), Size.LARGE, 1, None])


class Other(str):
    """A key that takes no short cut."""

    __slots__ = ()


def disguised(value: object) -> object:
    """An equal value of a type that takes no short cut."""
    match value:
        case datetime() if type(value) is datetime:
            # `combine` forgets which of two equal hours it is.
            return OtherTime.combine(value.date(), value.timetz()).replace(fold=value.fold)
        case Decimal():
            return OtherDecimal(value)
        case uuid.UUID():
            return OtherUUID(int=value.int)
        case dict() if type(value) is dict:
            return OrderedDict((key, disguised(item)) for key, item in value.items())
        case list():
            return tuple(map(disguised, value))
        case _:
            return value


class OtherTime(datetime):
    pass


class OtherDecimal(Decimal):
    pass


class OtherUUID(uuid.UUID):
    pass


def outcome_of(raw: Mapping[object, object]) -> tuple[object, int] | Rejection:
    event = {"email": "a@example.com", "eventName": "b", "eventProperties": raw}
    encoded = CONTRACTS[0].encode(event)
    return encoded if isinstance(encoded, Rejection) else (encoded.body, encoded.dropped_nulls)


@settings(max_examples=800)
@given(given=st.dictionaries(keys, nested, max_size=4))
@example(given={"a": datetime(1947, 9, 28, 1, fold=1, tzinfo=ZoneInfo("America/New_York"))})
def test_the_short_cut_for_ordinary_values_gives_what_the_long_way_gives(given: dict[object, object]) -> None:
    before = repr(given)
    long_way = {Other(key) if type(key) is str else key: disguised(value) for key, value in given.items()}
    assert outcome_of(given) == outcome_of(long_way)
    assert repr(given) == before


@pytest.mark.parametrize("number", [MAX_VALUES - 1, MAX_VALUES, MAX_VALUES + 1])
@pytest.mark.parametrize("value", [None, 1, "text", True, 0.5])
def test_an_event_may_have_just_the_values_that_are_allowed(number: int, value: object) -> None:
    given: dict[object, object] = {str(index): value for index in range(number)}
    assert isinstance(outcome_of(given), Rejection) is (number > MAX_VALUES)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_an_event_may_have_just_the_bytes_that_are_allowed(more: int) -> None:
    raw: dict[str, object] = {"email": "a@example.com", "eventName": "b", "eventProperties": {"text": ""}}
    bare = CONTRACTS[0].encode(raw)
    assert isinstance(bare, EncodedEvent)
    raw["eventProperties"] = {"text": "x" * (MAX_EVENT_BYTES - len(bare.body) + more)}
    outcome = CONTRACTS[0].encode(raw)
    if more > 0:
        assert isinstance(outcome, Rejection)
        assert outcome.reason is Reason.EVENT_TOO_LARGE
    else:
        assert isinstance(outcome, EncodedEvent)
