"""Rows of a table become events, or are rejected; a mapping that cannot work fails when it is made."""

from __future__ import annotations

import copy
import json
import math
import pickle
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import (
    Column,
    Constant,
    Contract,
    Each,
    EncodedEvent,
    Encoder,
    EventMapping,
    InputEvent,
    Item,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.events.casts import CASTS, CastName
from airflow_provider_bik.events.reasons import RejectionError
from airflow_provider_bik.events.times import UNITS
from airflow_provider_bik.events.values import MAX_DEPTH, MAX_INTEGER

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Size(StrEnum):
    LARGE = "L"


class Level(IntEnum):
    HIGH = 3


def mapping(**properties: Any) -> EventMapping:
    return EventMapping(event_name="ordered", email="email", properties=properties)


def encode(given: EventMapping, row: object, reading: Reading | None = None) -> InputEvent:
    encoder = Encoder(contract=Contract(now=NOW, reading=reading or Reading()), mapping=given)
    (event,) = encoder.encode_all([Item(position=0, location="[0]", raw=row)])
    return event


def sent(given: EventMapping, row: object, reading: Reading | None = None) -> dict[str, Any]:
    result = encode(given, row, reading).result
    assert isinstance(result, EncodedEvent), result
    return cast("dict[str, Any]", json.loads(result.body))


def rejected(given: EventMapping, row: object) -> Rejection:
    result = encode(given, row).result
    assert isinstance(result, Rejection), result
    return result


def properties(given: EventMapping, row: Mapping[str, object]) -> Any:
    return sent(given, {"email": "a@example.com", **row})["eventProperties"]


def cast_of(value: object, cast: Any) -> Any:
    """What the cast makes of a value, null included, or why it cannot."""
    result = encode(mapping(p=Column("c", cast=cast)), {"email": "a@example.com", "c": value}).result
    return result if isinstance(result, Rejection) else json.loads(result.body)["eventProperties"].get("p")  # type: ignore[union-attr]


def to_ordered(row: dict[str, object]) -> dict[str, object]:
    """A `to_event` that can be pickled."""
    return {"email": row["mail"], "eventName": "ordered", "eventProperties": {"id": row["id"]}}


def test_each_argument_fills_its_field() -> None:
    given = EventMapping(
        event_name=Column("kind"),
        name="full_name",
        email="mail",
        phone_number="mobile",
        created_at="placed_at",
        properties={"orderId": "id"},
    )
    row = {"kind": "ordered", "full_name": "N", "mail": "m@example.com", "placed_at": NOW, "id": 7, "other": 1}
    assert sent(given, {**row, "mobile": "+919876543210"}) == {
        "name": "N",
        "phoneNumber": "+919876543210",
        "email": "m@example.com",
        "eventName": "ordered",
        "eventProperties": {"orderId": 7},
        "createdAt": "2026-11-24T12:00:00.000Z",
        "isMigration": True,
    }


def test_text_is_the_name_of_every_event() -> None:
    event = sent(mapping(), {"email": "a@example.com", "ordered": "not this"})
    assert event == {"eventName": "ordered", "email": "a@example.com", "eventProperties": {}}


def test_without_properties_every_column_not_used_elsewhere_becomes_one_as_it_is() -> None:
    given = EventMapping(event_name=Column("kind"), email="mail", created_at="at")
    row = {"kind": "ordered", "mail": "m@example.com", "at": NOW, "id": 1, "address.city": "Pune", "tags": ["a"]}
    assert sent(given, row)["eventProperties"] == {"id": 1, "address.city": "Pune", "tags": ["a"]}


def test_a_name_with_dots_makes_nested_objects() -> None:
    given = mapping(**{"address.city": "city", "address.geo.lat": "lat", "id": "id", "address.zip": "zip"})
    row = {"city": "Pune", "lat": 18.5, "id": 1, "zip": "411001"}
    assert properties(given, row) == {"address": {"city": "Pune", "geo": {"lat": 18.5}, "zip": "411001"}, "id": 1}


def test_a_list_makes_an_array_of_columns_casts_and_constants() -> None:
    given = mapping(items=["a", Column("b", cast="string"), Constant(5)], none=[])
    assert properties(given, {"a": "x", "b": 3}) == {"items": ["x", "3", 5], "none": []}


@pytest.mark.parametrize("value", [True, 1, 1.0, -0.0, "", "தமிழ்", [1, [2]], {"a": {"b": 2}, "": 1}, MAX_INTEGER])
def test_a_constant_is_the_same_in_every_event(value: object) -> None:
    found = properties(mapping(p=Constant(value)), {})["p"]
    assert json.dumps(found) == json.dumps(value)


def test_a_column_that_a_row_lacks_is_null() -> None:
    assert properties(mapping(p="c", q=Column("c", cast="number"), r=["c"]), {}) == {"r": []}


@pytest.mark.parametrize("row", [{"id": 1}, MappingProxyType({"id": 1})])
def test_any_mapping_is_a_row(row: Mapping[str, object]) -> None:
    assert properties(mapping(p="id"), row) == {"p": 1}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.50", 12.5),
        ("12.00", 12),
        (" -3\n", -3),
        ("+.5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("1E-2", 0.01),
        (Size.LARGE, Reason.CAST_FAILED),
        ("", None),
        (" \t", None),
        (None, None),
        (12.5, 12.5),
        (7, 7),
        (Level.HIGH, 3),
        (Decimal("12.50"), 12.5),
        (Decimal("3.00"), 3),
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(MAX_INTEGER + 1), Reason.INTEGER_TOO_LARGE),
        ("1e999999", Reason.INTEGER_TOO_LARGE),
        (Decimal("NaN"), None),
        (math.nan, None),
        ("NULL", None),
        (Decimal("Infinity"), Reason.NUMBER_NOT_FINITE),
        ("12,50", Reason.CAST_FAILED),
        ("1_000", Reason.CAST_FAILED),
        ("NaN", None),
        ("Infinity", Reason.CAST_FAILED),
        ("१२", Reason.CAST_FAILED),
        ("1 2", Reason.CAST_FAILED),
        ("0x10", Reason.CAST_FAILED),
        ("1e9999999999999999999", Reason.CAST_FAILED),
        ("₹ 12", Reason.CAST_FAILED),
        (True, Reason.CAST_FAILED),
        (NOW, Reason.CAST_FAILED),
        (b"12", Reason.CAST_FAILED),
        ([1], Reason.CAST_FAILED),
        ({}, Reason.CAST_FAILED),
    ],
)
def test_the_cast_number_reads_text_exactly_and_leaves_numbers(value: object, number: object) -> None:
    found = cast_of(value, "number")
    found = found.reason if isinstance(found, Rejection) else found
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.50"), "12.50"),
        (12.5, "12.5"),
        (7.0, "7"),
        (-0.0, "0"),
        ("7.0", "7.0"),
        (1e300, Reason.INTEGER_TOO_LARGE),
        (2.0**53 + 2, Reason.INTEGER_TOO_LARGE),
        (3, "3"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        (" a ", " a "),
        (None, None),
        (Size.LARGE, "L"),
        (Level.HIGH, "3"),
        (MAX_INTEGER * 4, "36028797018963968"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-10"), "0.0000000000"),
        (Decimal("1e999999"), "1E+999999"),
        (date(2024, 3, 10), "2024-03-10"),
        (time(12, 30), "12:30:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (math.nan, None),
        (Decimal("sNaN"), None),
        (r"\N", None),
        (math.inf, Reason.NUMBER_NOT_FINITE),
        (b"a", Reason.CAST_FAILED),
        (["a"], Reason.CAST_FAILED),
        ({}, Reason.CAST_FAILED),
        (timedelta(1), Reason.CAST_FAILED),
    ],
)
def test_the_cast_string_gives_plain_text(value: object, text: object) -> None:
    found = cast_of(value, "string")
    assert (found.reason if isinstance(found, Rejection) else found) == text


def test_an_integer_longer_than_python_writes_has_no_text() -> None:
    assert cast_of(10**5000, "string").reason is Reason.CAST_FAILED


def test_the_cast_string_makes_the_same_text_of_a_time_as_no_cast() -> None:
    moment = datetime(2024, 3, 10, 12, 30)  # noqa: DTZ001 - a database without zones gives such ones
    for how in ("string", None):
        assert cast_of(moment, how) == "2024-03-10T12:30:00.000Z"


@pytest.mark.parametrize("how", ["number", "string"])
def test_a_failed_cast_names_the_column_and_not_the_value(how: str) -> None:
    for value in ("asha@example.com", b"asha", ["asha"], {"asha": 1}):
        outcome = cast_of(value, how)
        if isinstance(outcome, Rejection):
            assert "column 'c'" in outcome.detail
            assert "asha" not in outcome.detail


@pytest.mark.parametrize("how", ["number", "string"])
def test_numpy_and_pandas_values_are_cast_as_what_they_hold(how: Any) -> None:
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    expected = {"number": [3, 0.5, None, None], "string": ["3", "0.5", None, None]}[how]
    assert [cast_of(value, how) for value in (np.int64(3), np.float64(0.5), pd.NA, pd.NaT)] == expected


def test_to_event_makes_the_whole_event() -> None:
    event = sent(EventMapping(to_event=to_ordered), {"mail": "m@example.com", "id": 3})
    assert event == {"email": "m@example.com", "eventName": "ordered", "eventProperties": {"id": 3}}


def test_to_event_gets_a_dict_of_its_own() -> None:
    row = MappingProxyType({"mail": "m@example.com", "id": 3})

    def change(given: dict[str, object]) -> dict[str, object]:
        given["mail"] = "changed@example.com"
        return to_ordered(given)

    assert sent(EventMapping(to_event=change), row)["email"] == "changed@example.com"
    assert row["mail"] == "m@example.com"


def test_an_exception_of_to_event_rejects_that_row_by_its_class_alone() -> None:
    def fail(row: dict[str, object]) -> dict[str, object]:
        raise LookupError(row["email"])

    outcome = rejected(EventMapping(to_event=fail), {"email": "asha@example.com"})
    assert outcome == Rejection(reason=Reason.TO_EVENT_FAILED, detail="LookupError")


def test_to_event_that_returns_no_mapping_rejects_that_row() -> None:
    outcome = rejected(EventMapping(to_event=cast("Any", lambda row: [row])), {"email": "asha"})
    assert outcome == Rejection(reason=Reason.NOT_AN_EVENT, detail="to_event returned a list")


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (7, 7),
        (7.0, 7),
        (Decimal("7.00"), 7),
        ("7", 7),
        (" 7.0 ", 7),
        ("7e2", 700),
        ("", None),
        (math.nan, None),
        (-MAX_INTEGER, -MAX_INTEGER),
        (7.5, Reason.CAST_FAILED),
        ("7.5", Reason.CAST_FAILED),
        (True, Reason.CAST_FAILED),
        ("A-7", Reason.CAST_FAILED),
        (math.inf, Reason.NUMBER_NOT_FINITE),
        (1e300, Reason.INTEGER_TOO_LARGE),
        (MAX_INTEGER + 1, Reason.INTEGER_TOO_LARGE),
        (str(MAX_INTEGER + 1), Reason.INTEGER_TOO_LARGE),
    ],
)
def test_the_cast_integer_gives_whole_numbers_back_what_a_gap_has_made_floats(value: object, whole: object) -> None:
    found = cast_of(value, "integer")
    found = found.reason if isinstance(found, Rejection) else found
    assert (found, type(found)) == (whole, type(whole))


TRUE: list[object] = [True, 1, 1.0, Decimal(1), "true", "TRUE", " t ", "yes", "Y", "1"]
FALSE: list[object] = [False, 0, 0.0, "false", "F", "no", "n", "0"]
NEITHER: list[object] = [2, 0.5, "maybe", "on", "2", [], NOW]


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        *((answer, True) for answer in TRUE),
        *((answer, False) for answer in FALSE),
        *((answer, None) for answer in (None, "", " ", "NULL", math.nan)),
        *((answer, Reason.CAST_FAILED) for answer in NEITHER),
    ],
)
def test_the_cast_boolean_reads_true_and_false(value: object, truth: object) -> None:
    found = cast_of(value, "boolean")
    assert (found.reason if isinstance(found, Rejection) else found) is truth


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        ('{"sku": "A-1", "qty": 2}', {"sku": "A-1", "qty": 2}),
        (b"[1, null]", [1]),
        ("7", 7),
        ('"text"', "text"),
        (" ", None),
        ("null", None),
        ({"sku": "A-1"}, {"sku": "A-1"}),
        ([1], [1]),
        (7, 7),
        ("{sku: 1}", Reason.CAST_FAILED),
        ("[" * 5000, Reason.CAST_FAILED),
        ("{}{}", Reason.CAST_FAILED),
        (NOW, Reason.CAST_FAILED),
    ],
)
def test_the_cast_json_reads_json_out_of_text(value: object, json_value: object) -> None:
    found = cast_of(value, "json")
    assert (found.reason if isinstance(found, Rejection) else found) == json_value


@pytest.mark.parametrize(
    ("options", "value", "text"),
    [
        ({}, "2024-03-10 12:30:00", "2024-03-10T12:30:00.000Z"),
        ({"timezone": "Asia/Kolkata"}, "2024-03-10 12:30:00", "2024-03-10T07:00:00.000Z"),
        ({"timezone": "Asia/Kolkata"}, "2024-03-10 12:30:00Z", "2024-03-10T12:30:00.000Z"),
        ({"timezone": "Asia/Kolkata"}, datetime(2024, 3, 10, 12, 30), "2024-03-10T07:00:00.000Z"),  # noqa: DTZ001
        ({}, date(2024, 3, 10), "2024-03-10T00:00:00.000Z"),
        ({"format": "%m/%d/%Y %H:%M"}, "3/10/2024 9:05", "2024-03-10T09:05:00.000Z"),
        ({"format": "%m/%d/%Y %H:%M"}, " 03/10/2024 09:05 ", "2024-03-10T09:05:00.000Z"),
        ({"format": "%d.%m.%y", "timezone": "Asia/Kolkata"}, "10.03.24", "2024-03-09T18:30:00.000Z"),
        ({"format": "%d/%b/%Y:%H:%M:%S %z"}, "10/Mar/2024:12:30:00 +0530", "2024-03-10T07:00:00.000Z"),
        ({"format": "%m/%d/%Y"}, datetime(2024, 3, 10, tzinfo=UTC), "2024-03-10T00:00:00.000Z"),
        ({"unit": "s"}, 1_710_073_800, "2024-03-10T12:30:00.000Z"),
        ({"unit": "ms"}, "1710073800123", "2024-03-10T12:30:00.123Z"),
        ({"unit": "us"}, Decimal(1_710_073_800_123_456), "2024-03-10T12:30:00.123Z"),
        ({"unit": "ns"}, 1_710_073_800_123_456_789, "2024-03-10T12:30:00.123Z"),
        ({"unit": "s"}, "-86400", "1969-12-31T00:00:00.000Z"),
        ({"unit": "s"}, datetime(2024, 3, 10, tzinfo=UTC), "2024-03-10T00:00:00.000Z"),
        ({}, "1710073800123456", "2024-03-10T12:30:00.123Z"),
        ({}, "", None),
        ({"format": "%m/%d/%Y"}, "NULL", None),
        ({"unit": "s"}, math.nan, None),
        ({"unit": "s"}, "", None),
        ({}, "3/10/2024", Reason.CAST_FAILED),
        ({"format": "%m/%d/%Y"}, "2024-03-10", Reason.CAST_FAILED),
        ({"format": "%m/%d/%Y"}, "13/10/2024", Reason.CAST_FAILED),
        ({"format": "%m/%d/%Y"}, "3/10/2024 9:05", Reason.CAST_FAILED),
        ({"format": "%m/%d/%Y"}, 1_710_073_800, None),
        ({"unit": "s"}, "2024-03-10", Reason.CAST_FAILED),
        ({"unit": "s"}, "1e9", Reason.CAST_FAILED),
        ({"unit": "s"}, True, Reason.CAST_FAILED),
        ({"unit": "s"}, 10**30, Reason.CAST_FAILED),
        ({"unit": "s"}, [], Reason.CAST_FAILED),
    ],
)
def test_the_cast_datetime_reads_times_by_format_unit_and_timezone(
    options: dict[str, Any], value: object, text: object
) -> None:
    if options.get("format") and isinstance(value, int):
        text = "2024-03-10T12:30:00.000Z"  # a format is for text
    column = Column("c", cast="datetime", **options)
    result = encode(mapping(p=column), {"email": "a@example.com", "c": value}).result
    if isinstance(result, Rejection):
        assert result.reason is text
    else:
        assert isinstance(result, EncodedEvent)
        assert json.loads(result.body)["eventProperties"].get("p") == text


def test_created_at_takes_a_column_with_a_format() -> None:
    given = EventMapping(
        event_name="ordered",
        email="email",
        created_at=Column("d", cast="datetime", format="%m/%d/%Y %H:%M", timezone="Europe/London"),
        properties={},
    )
    event = sent(given, {"email": "a@example.com", "d": "7/1/2010 8:26"})
    assert (event["createdAt"], event["isMigration"]) == ("2010-07-01T07:26:00.000Z", True)
    for empty in ("", None, "NULL", math.nan):
        assert rejected(given, {"email": "a@example.com", "d": empty}).reason is Reason.CREATED_AT_MISSING
    assert rejected(given, {"email": "a@example.com", "d": "yesterday"}).reason is Reason.CAST_FAILED


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "%Y-%m-%d"}, "needs cast='datetime'"),
        ({"cast": "number", "unit": "s"}, "needs cast='datetime'"),
        ({"cast": "datetime", "unit": "h"}, "none of s, ms, us, ns"),
        ({"cast": "datetime", "unit": []}, "none of s, ms, us, ns"),
        ({"cast": "datetime", "unit": "s", "format": "%Y-%m-%d"}, "a format and a unit"),
        ({"cast": "datetime", "format": "%H:%M"}, "holds no whole date"),
        ({"cast": "datetime", "format": "%m/%d"}, "holds no whole date"),
        ({"cast": "datetime", "format": "%a %d %b %H:%M"}, "holds no whole date"),
        ({"cast": "datetime", "format": "%m/%Y"}, "holds no whole date"),
        ({"cast": "datetime", "format": "%d%"}, "not one that datetime.strptime reads"),
        ({"cast": "datetime", "format": "%Q"}, "not one that datetime.strptime reads"),
        ({"cast": "datetime", "format": 5}, "not one that datetime.strptime reads"),
        ({"cast": "datetime", "format": "YYYY-MM-DD"}, "holds no whole date"),
        ({"cast": "datetime", "timezone": "Mars"}, "timezone must be"),
    ],
)
def test_a_column_that_can_never_be_read_fails_when_it_is_made(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        Column("c", **options)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,50", 1234.5),
        ("12,50", 12.5),
        ("1.234", 1234),
        ("-1.234.567", -1234567),
        ("7", 7),
        ("1,", 1),
        ("12.50", Reason.CAST_FAILED),
        ("1,234.50", Reason.CAST_FAILED),
        ("1.23,4", Reason.CAST_FAILED),
        ("1,2,3", Reason.CAST_FAILED),
    ],
)
def test_with_a_decimal_comma_dots_stand_between_thousands(text: str, number: object) -> None:
    given = mapping(p=Column("c", cast="number"))
    result = encode(given, {"email": "a@example.com", "c": text}, Reading(decimal_comma=True)).result
    found = result.reason if isinstance(result, Rejection) else json.loads(result.body)["eventProperties"]["p"]  # type: ignore[union-attr]
    assert found == number


NESTED = {
    "email": "a@example.com",
    "properties": {"$email": "b@example.com", "utm": {"source": None}},
    "items": [{"sku": "A-1"}, {"sku": "A-2"}],
    "note": '{"gift": {"wrap": true}, "tags": ["x"]}',
    "address.city": "Pune",
    "flat": 7,
    "empty": " ",
    "nothing": None,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("properties.$email", "b@example.com"),
        ("properties.utm.source", None),
        ("properties.missing.deeper", None),
        ("items[1].sku", "A-2"),
        ("items[2].sku", None),
        ("items[0]", {"sku": "A-1"}),
        ("address.city", "Pune"),
        ("note.gift.wrap", True),
        ("note.tags[0]", "x"),
        ("empty.a", None),
        ("nothing.a", None),
        ("absent.a", None),
        ("flat.a", Reason.CAST_FAILED),
        ("email.a", Reason.CAST_FAILED),
        ("items.sku", Reason.CAST_FAILED),
        ("properties[0]", Reason.CAST_FAILED),
        ("items[-1]", None),
        ("items[", None),
        (".a", None),
    ],
)
def test_a_name_is_a_path_where_there_is_no_column_of_that_name(name: str, value: object) -> None:
    result = encode(mapping(p=name), NESTED).result
    if isinstance(result, Rejection):
        assert result.reason is value
        assert repr(name) in result.detail
    else:
        assert isinstance(result, EncodedEvent)
        assert json.loads(result.body)["eventProperties"].get("p") == value


def test_every_field_and_cast_takes_a_path() -> None:
    given = EventMapping(
        event_name=Column("event"),
        email="properties.$email",
        created_at=Column("properties.time", cast="datetime", unit="s"),
        properties={"qty": Column("properties.items[0].qty", cast="integer")},
    )
    row = {"event": "ordered", "properties": {"$email": "m@example.com", "time": 1710073800, "items": [{"qty": "2"}]}}
    event = sent(given, row)
    assert (event["email"], event["createdAt"]) == ("m@example.com", "2024-03-10T12:30:00.000Z")
    assert event["eventProperties"] == {"qty": 2}


def test_of_a_path_the_column_must_be_there() -> None:
    given = mapping(p="properties.$email", q="items[0].sku")
    given.check_columns(["email", "properties", "items"], "orders.ndjson")
    given.check_columns(["email", "properties.$email", "items[0].sku"], "orders.ndjson")
    with pytest.raises(BikConfigError, match=r"no column 'properties\.\$email'; the nearest is 'property'"):
        given.check_columns(["email", "property", "items"], "orders.ndjson")


def test_a_name_of_several_columns_is_joined_by_blanks() -> None:
    given = EventMapping(event_name="ordered", email="email", name=["first", "last"], properties={})
    row = {"email": "a@example.com"}
    assert sent(given, {**row, "first": " Asha", "last": "Rao "})["name"] == "Asha Rao"
    assert sent(given, {**row, "first": "Asha", "last": "NULL"})["name"] == "Asha"
    assert "name" not in sent(given, {**row, "first": " ", "last": None})


def test_an_object_that_the_mapping_makes_of_nulls_alone_is_null() -> None:
    given = mapping(**{"item.sku": "sku", "item.size.eu": "size", "id": "id"})
    assert properties(given, {"sku": None, "size": "NULL", "id": 1}) == {"id": 1}
    assert properties(given, {"sku": "A", "size": math.nan, "id": 1}) == {"item": {"sku": "A"}, "id": 1}


@pytest.mark.parametrize(
    ("country", "phone", "read"),
    [
        ("IN", "98765 43210", "+919876543210"),
        (" in ", 9876543210, "+919876543210"),
        ("GB", "020 7946 0958", "+442079460958"),
        (None, "98765 43210", "+919876543210"),
        (math.nan, "98765 43210", "+919876543210"),
        ("GB", "+919876543210", "+919876543210"),
        ("Elbonia", "+919876543210", "+919876543210"),
        ("GB", "98765 43210", Reason.PHONE_INVALID),
        ("Elbonia", "98765 43210", Reason.PHONE_COUNTRY_MISSING),
        (91, "98765 43210", Reason.PHONE_COUNTRY_MISSING),
    ],
)
def test_the_country_of_a_number_may_stand_in_a_column(country: object, phone: object, read: object) -> None:
    given = EventMapping(event_name="ordered", phone_number="phone", phone_country="country", properties={})
    result = encode(given, {"phone": phone, "country": country}, Reading(default_region="IN")).result
    found = result.reason if isinstance(result, Rejection) else json.loads(result.body)["phoneNumber"]  # type: ignore[union-attr]
    assert found == read


def test_where_leaves_rows_out() -> None:
    given = EventMapping(
        event_name="ordered", email="email", properties={}, where=lambda row: bool(row["status"] == "paid")
    )
    assert sent(given, {"email": "a@example.com", "status": "paid"})
    skipped = encode(given, {"email": "a@example.com", "status": "open"})
    assert (skipped.result, skipped.raw, skipped.is_row) == (None, None, False)
    assert rejected(given, {"email": "a@example.com"}) == Rejection(reason=Reason.WHERE_FAILED, detail="KeyError")


@pytest.mark.parametrize("answer", [None, 1, "yes", []])
def test_where_must_answer_true_or_false(answer: Any) -> None:
    outcome = rejected(EventMapping(to_event=to_ordered, where=lambda _: cast("bool", answer)), {"mail": "m", "id": 1})
    assert outcome.reason is Reason.WHERE_FAILED


def test_to_event_that_returns_none_skips_that_row() -> None:
    assert encode(EventMapping(to_event=lambda _: None), {"email": "asha"}).result is None


BASE: dict[str, Any] = {"event_name": "ordered", "email": "email"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"event_name": None}, "event_name is missing"),
        ({"event_name": " "}, "event_name is empty"),
        ({"event_name": 5}, "event_name is of type int"),
        ({"event_name": Column("a", cast="number")}, "event_name is text"),
        ({"email": None}, "neither email nor phone_number"),
        ({"email": ""}, "email is empty"),
        ({"created_at": Column("a", cast="number")}, "created_at is a time, so it cannot have the cast number"),
        ({"created_at": 5}, "created_at is of type int and must be text, the name of a column"),
        ({"email": Constant("a@example.com")}, "email is of type Constant and must be text, the name of a column"),
        ({"phone_number": Column("a")}, "phone_number is of type Column and must be text, the name of a column"),
        ({"name": []}, "name is an empty list"),
        ({"name": ["a", 5]}, r"name\[1\] is of type int"),
        ({"phone_country": "c"}, "phone_country is given without a phone_number"),
        ({"where": "x > 1"}, "where is of type str and must be callable"),
        ({"group_by": 5}, "group_by is of type int"),
        ({"group_by": "id"}, "group_by needs properties"),
        ({"properties": {"a": Each("x")}}, "Each takes a value of every row of an event, so it needs a group_by"),
        ({"properties": {"a": [Each("x")]}}, "Each, which cannot stand within another value"),
        ({"event_name": Column("a", cast="integer")}, "event_name is text"),
        ({"name": 5}, "name is of type int"),
        ({"properties": ["a"]}, "properties is of type list"),
        ({"properties": {"a": "x", "a.b": "y"}}, "'a' cannot be a value and hold 'a.b'"),
        ({"properties": {"a.b.c": "x", "a.b": "y"}}, "'a.b' cannot be a value and hold 'a.b.c'"),
        ({"properties": {"": "x"}}, "the name of a property is empty"),
        ({"properties": {"a..b": "x"}}, "a part of the property 'a..b' is empty"),
        ({"properties": {"a.": "x"}}, "a part of the property 'a.' is empty"),
        ({"properties": {5: "x"}}, "the name of a property is of type int"),
        ({"properties": {"\ud800": "x"}}, "has no UTF-8 form"),
        ({"properties": {".".join("a" * (MAX_DEPTH + 1)): "x"}}, "deeper than 16"),
        ({"properties": {".".join("a" * MAX_DEPTH): ["x"]}}, "deeper than 16"),
        ({"properties": {"a": ""}}, r"properties\['a'\] is empty"),
        ({"properties": {"a": 5}}, r"properties\['a'\] is of type int and must be text, the name of a column"),
        ({"properties": {"a": ["x", ["y"]]}}, r"properties\['a'\]\[1\] is of type list"),
        ({"properties": {"a": {}}}, "must have the key column"),
        ({"properties": {"a": {"colunm": "x"}}}, "unknown key 'colunm'; 'column' may be meant"),
        ({"properties": {"a": {"constant": 1, "cast": "number"}}}, "the key constant alone"),
        (
            {"properties": {"a": {"column": "x", "cast": "int"}}},
            "cast of column 'x' is none of number, integer, string",
        ),
        ({"to_event": to_ordered}, "leave out event_name, email"),
    ],
)
def test_a_mapping_that_cannot_work_fails_when_it_is_made(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        EventMapping(**{**BASE, **arguments})


@pytest.mark.parametrize("value", [5, "to_event"])
def test_to_event_must_be_callable(value: Any) -> None:
    with pytest.raises(BikConfigError, match="must be callable"):
        EventMapping(to_event=value)


@pytest.mark.parametrize(
    "make",
    [lambda: Column(""), lambda: Column(cast("Any", 5)), lambda: Column("a", cast=cast("Any", ["number"]))],
)
def test_a_column_needs_a_name_and_a_known_cast(make: Callable[[], Column]) -> None:
    with pytest.raises(BikConfigError, match="column"):
        make()


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        *(b"a", NOW, Decimal(1), {1, 2}, (1,), object(), Size.LARGE, {1: 2}, {"a": b""}, [NOW], uuid.UUID(int=1)),
        *(math.nan, math.inf, MAX_INTEGER + 1, "\ud800", ["\ud800"], {"\ud800": 1}, deep(MAX_DEPTH)),
    ],
)
def test_a_constant_that_is_not_json_fails_when_it_is_made(value: object) -> None:
    with pytest.raises(BikConfigError, match="constant"):
        Constant(value)


def test_a_constant_that_contains_itself_fails_when_it_is_made() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BikConfigError, match="deeper"):
        Constant(loop)


def misfit(given: EventMapping, columns: list[Any]) -> str:
    with pytest.raises(BikConfigError) as caught:
        given.check_columns(columns, "orders.csv")
    return str(caught.value)


def test_a_missing_column_is_named_with_those_that_are_there_and_the_nearest() -> None:
    said = misfit(mapping(orderId="order_idd"), ["email", "order_id", "total"])
    assert "no column 'order_idd'; the nearest is 'order_id'" in said
    assert "The columns are: 'email', 'order_id', 'total'" in said


def test_the_nearest_match_helps_where_a_driver_writes_upper_case() -> None:
    said = misfit(mapping(p="Order_Total"), ["EMAIL", "ORDER_TOTAL"])
    assert "'email'; the nearest is 'EMAIL'" in said
    assert "'Order_Total'; the nearest is 'ORDER_TOTAL'" in said
    assert "upper and lower case included" in said


def test_every_kind_of_source_needs_its_columns() -> None:
    given = EventMapping(
        event_name=Column("c1"),
        name="c2",
        email="c3",
        phone_number="c4",
        created_at="c5",
        properties={"a.b": "c6", "b": Column("c7", cast="number"), "c": ["c8", Column("c9"), Constant("x")]},
    )
    columns = [f"c{number}" for number in range(1, 10)]
    given.check_columns(columns, "orders.csv")
    for column in columns:
        assert f"'{column}'" in misfit(given, [name for name in columns if name != column])


def test_to_event_needs_no_column() -> None:
    EventMapping(to_event=to_ordered).check_columns([], "orders.csv")


def test_the_first_row_of_a_file_without_header_is_not_shown_as_its_columns() -> None:
    said = misfit(mapping(), ["asha@example.com", "+919876543210", "2024-03-10", "x" * 65, 5])
    assert "asha" not in said
    assert "9876543210" not in said
    assert "The columns are: 4 more" in said


def test_a_table_of_very_many_columns_is_not_listed_whole() -> None:
    said = misfit(mapping(), [f"column_{number}" for number in range(500)])
    assert "'column_49', 450 more" in said


def test_the_json_form_says_everything_that_a_table_can() -> None:
    form = {
        "event_name": {"column": "kind"},
        "name": "full_name",
        "phone_number": "mobile",
        "created_at": "at",
        "properties": {
            "orderId": "id",
            "total": {"column": "total", "cast": "number"},
            "currency": {"constant": "INR"},
            "address.city": {"column": "city"},
            "productNames": ["first", {"column": "second", "cast": "string"}, {"constant": None}],
        },
    }
    given = EventMapping.of(form)
    assert given == EventMapping(
        event_name=Column("kind"),
        name="full_name",
        phone_number="mobile",
        created_at="at",
        properties={
            "orderId": "id",
            "total": Column("total", cast="number"),
            "currency": Constant("INR"),
            "address.city": "city",
            "productNames": ["first", Column("second", cast="string"), Constant(None)],
        },
    )
    form["properties"]["address.city"] = "city"  # type: ignore[index]
    assert given.to_json() == form


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"event_name": "a", "emial": "b"}, "unknown key 'emial'; 'email' may be meant. The keys are event_name, name"),
        ({"eventName": "a"}, "'event_name' may be meant"),
        ({5: "a"}, "unknown key 5"),
        ("mapping.json", "of type str"),
        (None, "of type NoneType"),
        ({}, "event_name is missing"),
    ],
)
def test_what_is_no_mapping_and_no_json_form_is_an_error(value: object, says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        EventMapping.of(value)


def test_a_mapping_is_taken_as_it_is() -> None:
    given = mapping(p="c")
    assert EventMapping.of(given) is given


def test_a_mapping_with_to_event_has_no_json_form() -> None:
    with pytest.raises(BikConfigError, match="no JSON form"):
        EventMapping(to_event=to_ordered).to_json()


columns = st.sampled_from(["email", "id", "total", "d e", "Ü", "id.k", "total[0].k"])
constants = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
).map(Constant)
casts: st.SearchStrategy[Any] = st.sampled_from([*CASTS, None])
cast_columns = (
    st.builds(lambda name, how: Column(name, cast=how), columns, casts)
    | st.builds(Column, columns, cast=st.just("datetime"), unit=st.sampled_from([*UNITS, None]))
    | st.builds(
        Column,
        columns,
        cast=st.just("datetime"),
        format=st.sampled_from(["%m/%d/%Y %H:%M", "%Y%m%d%z"]),
        timezone=st.sampled_from(["Asia/Kolkata", None]),
    )
)
singles = columns | cast_columns | constants
sources = singles | st.lists(singles, max_size=3)
each = st.builds(Each, columns | cast_columns | st.dictionaries(st.sampled_from(["a", "b.c"]), columns | cast_columns))
targets = st.sampled_from(["a", "b", "c.d", "c.e", "f.g.h", "f.g.i", "f.j"])
mappings = (
    st.builds(
        EventMapping,
        event_name=st.just("ordered") | st.builds(Column, columns),
        name=st.none() | columns | st.lists(columns, min_size=1, max_size=2),
        email=columns,
        phone_number=st.none() | columns,
        created_at=st.none() | columns | cast_columns.filter(lambda made: made.cast in {None, "datetime"}),
        properties=st.none() | st.dictionaries(targets, sources, max_size=5),
    )
    | st.builds(
        EventMapping,
        event_name=st.just("ordered"),
        email=columns,
        group_by=columns,
        properties=st.dictionaries(targets, sources | each, max_size=5),
    )
    | st.builds(EventMapping, to_event=st.sampled_from([to_ordered, dict, len, json.dumps, cast("Any", 5).__add__]))
)
ODD_VALUES: list[object] = [
    *(None, True, 0, -1, 2**70, 0.5, math.nan, math.inf, "", " ", "12.50", "a@example.com", "\ud800", "1e9"),
    *(Decimal("12.50"), Decimal("NaN"), Decimal("1e999999"), NOW, NOW.date(), NOW.time(), uuid.UUID(int=1), b"a"),
    *(timedelta(1), Size.LARGE, Level.HIGH, Enum("Made", "ONE").ONE, object(), {1, 2}, [None, [1]], {"k": {1: 2}}),  # type: ignore[attr-defined]
]
rows = st.dictionaries(
    columns | st.sampled_from(["mail", "other", 5, None, "\ud800"]), st.sampled_from(ODD_VALUES) | st.text(), max_size=8
) | st.sampled_from(ODD_VALUES)


@settings(max_examples=500)
@given(given=mappings, row=rows)
@example(given=EventMapping(event_name="ordered", email="email", name="id.k"), row={"id": Size.LARGE})
def test_any_mapping_over_any_row_gives_an_event_or_a_rejection(given: EventMapping, row: object) -> None:
    result = encode(given, row).result
    assert isinstance(result, EncodedEvent | Rejection)
    assert isinstance(row, Mapping) or isinstance(result, Rejection)


@settings(max_examples=500)
@given(given=mappings, row=st.dictionaries(columns, st.sampled_from(["a@example.com", *ODD_VALUES[:22]]), max_size=8))
def test_columns_taken_at_once_give_what_they_give_one_by_one(given: EventMapping, row: dict[Any, object]) -> None:
    at_once, one_by_one = encode(given, row).result, encode(given, MappingProxyType(row)).result
    assert at_once == one_by_one


DIGITS = st.text("0123456789", min_size=1, max_size=20)


@settings(max_examples=1000)
@given(
    text=st.builds(lambda sign, *parts: sign + ".".join(parts), st.sampled_from(["", "-", "+"]), DIGITS)
    | DIGITS
    | st.builds("{}.{}".format, DIGITS, DIGITS)
)
@pytest.mark.parametrize("cast", ["number", "integer"])
def test_a_number_of_few_digits_is_read_as_its_decimal_is(cast: CastName, text: str) -> None:
    column = Column("n", cast=cast)
    convert = CASTS[cast](column, Reading())

    def outcome(value: object) -> object:
        try:
            found = convert(value)
        except RejectionError as error:
            return error.rejection.reason
        return type(found), repr(found)

    assert outcome(text) == outcome(Decimal(text))


@given(given=mappings.filter(lambda made: made.to_event is None))
def test_the_json_form_gives_the_same_mapping_back(given: EventMapping) -> None:
    again = EventMapping.of(json.loads(json.dumps(given.to_json())))
    assert again == given
    assert hash(again) == hash(given)
    assert again.to_json() == given.to_json()


@given(given=mappings, row=rows)
def test_a_copy_is_equal_and_does_the_same(given: EventMapping, row: object) -> None:
    if given.to_event not in {None, to_ordered}:
        return
    pickled = pickle.loads(pickle.dumps(given))  # noqa: S301 - what the test itself has pickled
    for again in (copy.copy(given), copy.deepcopy(given), pickled):
        assert again == given
        assert hash(again) == hash(given)
        assert encode(again, row).result == encode(given, row).result


def test_mappings_that_differ_are_not_equal() -> None:
    made = [
        mapping(),
        EventMapping(event_name="ordered", email="email"),
        mapping(p="c"),
        mapping(p=Column("c", cast="number")),
        mapping(p=["c"]),
        mapping(p=Constant("c")),
        mapping(p=Constant(1)),
        mapping(p=Constant(1.0)),
        mapping(p=Constant(True)),
        EventMapping(to_event=to_ordered),
    ]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("argument", ["event_name", "email", "properties", "to_event"])
def test_a_mapping_cannot_be_changed(argument: str) -> None:
    with pytest.raises(AttributeError):
        setattr(mapping(p="c"), argument, None)


def test_what_a_mapping_was_made_of_may_change_without_it() -> None:
    constant: dict[str, object] = {"list": [1]}
    names: list[Any] = ["a", Constant(constant)]
    given: dict[str, Any] = {"p": names}
    made = EventMapping(event_name="ordered", email="email", properties=given)
    before = made.to_json()
    given["q"], constant["list"] = "c", 2
    names.append("b")
    assert made.to_json() == before
    with pytest.raises(TypeError):
        cast("dict[str, object]", made.properties)["q"] = "c"
    cast("Any", made.to_json()["properties"])["p"].append("b")
    assert made.to_json() == before


def test_its_text_is_the_same_in_every_process() -> None:
    """Airflow stores the text of an argument of `.partial()`, and makes a new version of the DAG if it changes."""
    assert repr(mapping(p="c")) == ("EventMapping(event_name='ordered', email='email', properties={'p': Column('c')})")
    callables: list[Any] = [to_ordered, lambda row: row, math.sin, CallableRow()]
    named = [repr(EventMapping(to_event=made)) for made in callables]
    assert not [text for text in named if " at 0x" in text]
    assert "to_ordered" in named[0]
    assert "CallableRow" in named[3]


class CallableRow:
    def __call__(self, row: dict[str, object]) -> dict[str, object]:
        return row
