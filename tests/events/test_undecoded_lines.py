from __future__ import annotations

import json

import pytest
from hypothesis import event as note
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.dead_letters import DEAD_LETTER_KEY
from airflow_provider_bik.events import Contract, EncodedEvent, Rejection
from airflow_provider_bik.events import contract as module
from airflow_provider_bik.events.contract import FIELDS
from airflow_provider_bik.sources.ndjson import UndecodedLine
from tests.events.test_fast_path import CONTRACTS, TEXT_PHONES, TEXT_TIMES

NUMBERS = """
0 -0 5 5.0 -0.0 1e2 1E-2 1e308 1e309 -1e400 5e-324 5e-400 1.7976931348623157e308 1.7976931348623159e308 0.1 01 .5 5. +1
9007199254740992 9007199254740993 -9007199254740993 9007199254740993.0 9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 100000000000000000000000000 12345678901234567890.0 NaN Infinity -Infinity
919876543210 919876543210.0 1709618828 1709618828123 1709618828.5 1709618828.123456789
"""
TEXTS = r"""
"" " " "a" "a@example.com" "\u2003" "\ud83d\ude00" "\ud800" "\udfff a" "\u0000" "\u0061" "தமிழ் 🛒" "\/" "\x" "a
"null" ":null" "{\"a\":1}" " a"
"""
VALUES = [
    *(number.encode() for number in NUMBERS.split()),
    *(text.encode() for text in TEXTS.split()),
    *(b'"' + text.encode() + b'"' for text in [*TEXT_PHONES.strip().split("|"), *TEXT_TIMES.strip().split("|")]),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\x01"', b'"\xe2\x80\xa8"', b'"\x7f"', b'"\xef\xbf\xbf"'),
    *(b"null", b"true", b"false", b"nul", b"", b"True", b"[]", b"{}", b"[1,null]", b'{"a":{"b":null}}', b"[" * 3000),
    *(b"[" * 900 + b"]" * 900, b'{"a":' * 12 + b"1" + b"}" * 12, b'{"a":' * 20 + b"1" + b"}" * 20),
]
KEYS = [b'"a"', b'"b"', b'""', rb'"\u0061"', b'"\xff"', rb'"\ud800"', b"a", b'"a', b"1", b"null"]
NAMES = [*(f'"{name}"'.encode() for name in FIELDS), rb'"em\u0061il"', b'"created_at"', b'"Email"', b'"email "']
LETTER = f'"{DEAD_LETTER_KEY}"'.encode()

Lines = st.SearchStrategy[bytes]
spaces = st.sampled_from([b"", b"", b"", b" ", b"\t", b"\r", b"\n", b"\x0b", b"\xc2\xa0"])
values = st.sampled_from(VALUES)


def objects(pairs: st.SearchStrategy[tuple[bytes, bytes]], *, first: bytes = b"", odd: bool = True) -> Lines:
    """JSON objects, or nearly so, in which a key may stand twice."""
    between = spaces if odd else st.just(b" ")
    members = st.builds(lambda pair, space: space + pair[0] + space + b":" + space + pair[1], pairs, between)
    return st.lists(members, max_size=5).map(lambda parts: b"{" + b",".join([first, *parts][not first :]) + b"}")


properties = objects(st.tuples(st.sampled_from(KEYS), values))
good = st.sampled_from(
    [
        (b'"email"', b'"a@example.com"'),
        (b'"phoneNumber"', b'"+919876543210"'),
        (b'"eventName"', b'"ordered"'),
        (b'"eventProperties"', b'{"price":83.71,"quantity":3,"first":true,"coupon":null,"currency":"INR"}'),
        (b'"eventProperties"', b"{}"),
        (b'"createdAt"', b'"2024-03-05T06:07:08.123Z"'),
        (b'"createdAt"', b"null"),
        (b'"isMigration"', b"true"),
        (b'"name"', b'"Name"'),
    ]
)
odd = st.tuples(st.sampled_from([*NAMES, LETTER, rb'"dead\u005fletter"']), values | properties)
NEEDED = b'"email":"a","eventName":"b","eventProperties":'
fitting = objects(
    st.tuples(st.sampled_from(KEYS[:4]), st.sampled_from([b"1", b"-0.0", b"5e-400", b"null", b'"a"', b"true"])),
    odd=False,
)
ordinary = fitting.flatmap(lambda inner: objects(good, first=NEEDED + inner, odd=False))
lines = (
    ordinary
    | ordinary
    | objects(good | odd)
    | properties.flatmap(lambda inner: objects(good | odd, first=NEEDED + inner))
    | st.builds(lambda given: b"{" + NEEDED + given + b"}", properties | values)
    | st.builds(lambda given: b'{"dead_letter":1,"attempts":3,"event":{' + NEEDED + given + b"}}", properties)
    | values
    | st.binary(max_size=20)
)


def encoded_at_last(contract: Contract, line: bytes) -> EncodedEvent | Rejection:
    """What comes of a line that is decoded first, with every short way closed."""
    decoded = UndecodedLine(position=0, place="f:1", line=line).decoded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "plain_event", lambda _: None)
        return decoded.problem or contract.encode(decoded.raw)


@settings(max_examples=1500)
@given(contract=st.sampled_from(CONTRACTS), line=lines, before=spaces, after=spaces | st.sampled_from([b"}", b" x"]))
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{"a":[1],"a":null,"b":1,"a":2}}', before=b"", after=b"")
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{},"email":null,"email":"c"}', before=b"", after=b"")
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{},"email":"c","email":null}', before=b"", after=b"")
@example(contract=CONTRACTS[0], line=b"{" + NEEDED + b'{},"createdAt":"2024-03-05x06:07"}', before=b"", after=b"")
def test_a_line_gives_straight_from_its_bytes_what_it_gives_decoded(
    contract: Contract, line: bytes, before: bytes, after: bytes
) -> None:
    straight = contract.encode_line(before + line + after)
    expected = encoded_at_last(contract, before + line + after)
    assert straight is None or straight == expected
    note(f"straight: {straight is not None}, {type(expected).__name__}")


@pytest.mark.parametrize("field", [*NAMES, LETTER])
def test_one_odd_value_anywhere_in_a_line_makes_no_difference(field: bytes) -> None:
    for value in VALUES:
        for line in (
            b"{" + NEEDED + b"{}," + field + b":" + value + b"}",
            b"{" + field + b":" + value + b"," + NEEDED + b"{}}",
            b"{" + NEEDED + b'{"k":' + value + b',"n":null}}',
        ):
            for contract in CONTRACTS:
                straight = contract.encode_line(line)
                assert straight is None or straight == encoded_at_last(contract, line)


@pytest.mark.parametrize("key", [DEAD_LETTER_KEY, r"dead\u005fletter"])
def test_a_dead_letter_is_decoded_to_find_the_event_inside(key: str) -> None:
    event = {"email": "a", "eventName": "b", "eventProperties": {}}
    line = f'{{"{key}":1,"attempts":3,"event":{json.dumps(event)}}}'.encode()
    assert CONTRACTS[0].encode_line(line) is None
    decoded = UndecodedLine(position=7, place="f:8", line=line).decoded()
    assert (decoded.position, decoded.place, decoded.raw, decoded.attempts) == (7, "f:8", event, 3)


@pytest.mark.parametrize(
    "line",
    [
        b"{" + NEEDED + b'{"price":83.71,"first":true,"coupon":null,"currency":"INR"}}',
        b"{" + NEEDED + b'{},"createdAt":"2024-03-05T06:07:08.123Z","isMigration":true}',
        b" {" + NEEDED + b'{},"createdAt":1709618828,"phoneNumber":"+44 (0)20 7946 0958","name":null}\r',
    ],
)
def test_an_ordinary_line_is_never_decoded(line: bytes) -> None:
    straight = CONTRACTS[0].encode_line(line)
    assert straight is not None
    assert straight == encoded_at_last(CONTRACTS[0], line)
