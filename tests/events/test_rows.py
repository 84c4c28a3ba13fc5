from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_interface, ip_network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_bik.events.rows import OtherValue, decode_row, encode_row

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Half surrogate pairs included."""

PLAIN = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.text()
TAGGED = (
    ANY_TEXT
    | st.floats(allow_nan=False)
    | st.decimals()
    | st.datetimes()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.uuids()
    | st.binary()
)
KEYS = ANY_TEXT | st.sampled_from(["$decimal", "$other", "$"]) | st.integers() | st.dates()
VALUES = st.recursive(
    PLAIN | TAGGED,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)


def same(one: object, other: object) -> bool:
    """Equal in value and type, also within containers; Python calls 1 and True, or 1 and Decimal(1), equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, float | Decimal):
        return repr(one) == repr(other)
    if isinstance(one, datetime | time) and isinstance(other, datetime | time):
        return one.isoformat() == other.isoformat()
    return one == other


@given(st.lists(VALUES))
@example([{"$decimal": "1"}, {"a": {"$uuid": 5}}, '{"$decimal": 1}', {}, [], ()])
@example(
    [
        datetime(2026, 3, 29, 2, 30, fold=1),  # noqa: DTZ001 - naive on purpose
        Decimal("sNaN"),
        Decimal("-0"),
        -0.0,
        5.0,
        1e22,
        b"",
        "",
    ]
)
def test_a_row_comes_back_as_it_was(values: list[object]) -> None:
    line = encode_row(values)
    assert b"\n" not in line
    assert same(decode_row(line), values)
    assert encode_row(tuple(values)) == line


@given(st.lists(PLAIN | st.floats(allow_nan=False, allow_infinity=False)))
def test_values_that_json_has_stand_as_they_are(values: list[object]) -> None:
    assert json.loads(encode_row(values)) == values


@given(st.lists(VALUES))
def test_the_mark_is_in_a_line_only_if_a_value_is_tagged(values: list[object]) -> None:
    def tagged(value: Any) -> bool:
        if isinstance(value, dict):
            return any(key.startswith("$") for key in value) or any(map(tagged, value.values()))
        return isinstance(value, list) and any(map(tagged, value))

    line = encode_row(values)
    assert (b'{"$' in line) is tagged(json.loads(line))


class Colour(Enum):
    RED = "red"


class Code(str):
    __slots__ = ()


class Point:
    def __str__(self) -> str:
        return "personal"


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (math.inf, math.inf),
        (memoryview(b"\0\xff"), b"\0\xff"),
        (bytearray(b"a"), b"a"),
        (Colour.RED, "red"),
        (Code("c"), "c"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (date(1, 1, 1), date(1, 1, 1)),
        (UUID(int=1), UUID(int=1)),
        (ip_interface("192.168.0.1/24"), "192.168.0.1/24"),
        (ip_network("fe80::/10"), "fe80::/10"),
    ],
)
def test_other_forms_of_a_type_come_back_as_its_usual_one(given_value: object, expected: object) -> None:
    [found] = decode_row(encode_row([given_value]))
    assert found == expected
    assert type(found) is type(expected)


def test_a_value_of_any_other_type_comes_back_as_the_name_of_that_type() -> None:
    line = encode_row([Point(), [Point()], {1, 2}])
    assert b"personal" not in line
    first, second, third = decode_row(line)
    assert isinstance(first, OtherValue)
    assert isinstance(second, list)
    assert [type(first).__name__, type(second[0]).__name__, type(third).__name__] == ["Point", "Point", "set"]
    assert str(first) == "(a value of type Point)"


def test_a_value_that_contains_itself_ends_somewhere() -> None:
    loop: list[object] = []
    loop.append(loop)
    [found] = decode_row(encode_row([loop]))
    assert isinstance(found, list)
