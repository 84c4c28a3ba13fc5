from __future__ import annotations

import ipaddress
import json
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.events import (
    Contract,
    EncodedEvent,
    Mode,
    Pipeline,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.events.contract import FIELDS, MAX_EVENT_BYTES
from airflow_provider_bik.events.values import MAX_DEPTH, MAX_INTEGER

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTRACT = Contract(now=NOW)


def event(**changes: object) -> dict[str, object]:
    return {"email": "test@bik.ai", "eventName": "ordered", "eventProperties": {}, **changes}


def encoded(raw: object, contract: Contract = CONTRACT) -> EncodedEvent:
    outcome = contract.encode(raw)
    assert isinstance(outcome, EncodedEvent), outcome
    return outcome


def sent(raw: object, contract: Contract = CONTRACT) -> dict[str, object]:
    body: dict[str, object] = json.loads(encoded(raw, contract).body)
    return body


def properties(value: object) -> object:
    return sent(event(eventProperties={"value": value}))["eventProperties"]


def rejected(raw: object, contract: Contract = CONTRACT) -> Rejection:
    outcome = contract.encode(raw)
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_the_sample_of_biks_documentation_goes_out_as_it_stands_there() -> None:
    sample = {
        "name": "Name",
        "email": "test@bik.ai",
        "phoneNumber": "+19494572787",
        "eventName": "purchasedAProduct",
        "eventProperties": {
            "productId": "PRODUCT_ID",
            "orderId": "test-order-id1234",
            "itemPrice": 500,
            "currency": "INR",
        },
    }
    assert sent(sample) == sample


def test_fields_go_out_in_one_order_whatever_the_order_in() -> None:
    raw = event(name="N", phoneNumber="+19494572787", createdAt="2024-01-01T00:00:00Z", isMigration=True)
    backwards = dict(reversed(raw.items()))
    assert list(sent(backwards)) == list(FIELDS)
    assert encoded(raw).body == encoded(backwards).body


@pytest.mark.parametrize("field", ["created_at", "CreatedAt", "phone", "is_migration", "properties"])
def test_an_unknown_field_is_rejected_by_name(field: str) -> None:
    rejection = rejected(event(**{field: "2024-01-01"}))
    assert rejection.reason is Reason.UNKNOWN_FIELD
    assert repr(field) in rejection.detail


@pytest.mark.parametrize("field", ["email", "eventName", "eventProperties"])
@pytest.mark.parametrize("empty", [None, "absent", " "])
def test_a_required_field_must_hold_something(field: str, empty: str | None) -> None:
    raw = event(**{field: empty})
    if empty == "absent":
        del raw[field]
    expected = {Reason.IDENTITY_MISSING, Reason.FIELD_MISSING, Reason.FIELD_TYPE}
    assert rejected(raw).reason in expected


def test_either_email_or_phone_number_is_enough() -> None:
    assert sent(event(email=None, phoneNumber="+19494572787"))["phoneNumber"] == "+19494572787"
    assert "phoneNumber" not in sent(event(phoneNumber=" "))


REJECT = Contract(now=NOW, reading=Reading(on_bad_identity="reject"))
GOOD_PHONE, GOOD_EMAIL = "+919812345670", "asha@example.com"


@pytest.mark.parametrize(
    ("email", "phone", "outcome"),
    [
        (GOOD_EMAIL, GOOD_PHONE, None),
        (GOOD_EMAIL, "N/A", Reason.PHONE_INVALID),
        (GOOD_EMAIL, "9812345670", Reason.PHONE_COUNTRY_MISSING),
        (GOOD_EMAIL, [1], Reason.FIELD_TYPE),
        ("asha(at)example.com", GOOD_PHONE, Reason.EMAIL_INVALID),
        (5, GOOD_PHONE, Reason.FIELD_TYPE),
    ],
)
def test_one_bad_identity_beside_a_good_one_costs_the_identity_alone(
    email: object, phone: object, outcome: Reason | None
) -> None:
    raw = event(email=email, phoneNumber=phone)
    made = encoded(raw)
    assert made.dropped_identity is outcome
    body = json.loads(made.body)
    assert ("email" in body, "phoneNumber" in body) == (email == GOOD_EMAIL, phone == GOOD_PHONE)
    if outcome is not None:
        assert rejected(raw, REJECT).reason is outcome


@pytest.mark.parametrize(
    ("email", "phone", "reason"),
    [
        ("asha", "N/A", Reason.EMAIL_INVALID),
        ("asha", None, Reason.EMAIL_INVALID),
        (" ", "N/A", Reason.PHONE_INVALID),
        (None, "9812345670", Reason.PHONE_COUNTRY_MISSING),
        (" ", "NULL", Reason.IDENTITY_MISSING),
    ],
)
def test_an_event_without_a_good_identity_is_rejected(email: object, phone: object, reason: Reason) -> None:
    for contract in (CONTRACT, REJECT):
        assert rejected(event(email=email, phoneNumber=phone), contract).reason is reason


@pytest.mark.parametrize("raw", [None, 5, "event", [], [("email", "a")], {1: 2}])
def test_what_is_no_event_is_rejected(raw: object) -> None:
    assert rejected(raw).reason in {Reason.NOT_AN_EVENT, Reason.UNKNOWN_FIELD}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("email", 5),
        ("eventName", 5),
        ("eventProperties", "{}"),
        ("eventProperties", []),
        ("isMigration", 1),
    ],
)
def test_a_field_of_another_type_is_rejected(field: str, value: object) -> None:
    rejection = rejected(event(**{field: value}))
    assert rejection.reason is Reason.FIELD_TYPE
    assert field in rejection.detail


def test_text_goes_out_to_the_letter() -> None:
    for text in ("{{ conn.bik_default.password }}", "{% x", "{# #}", "line\n", "*.json", "தமிழ் 🛒", "\u2028\x7f"):
        assert sent(event(name=text, eventProperties={"k": text})) == event(name=text, eventProperties={"k": text})


class _Size(Enum):
    LARGE = "L"


class _Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (Decimal("19.90"), 19.9),
        (Decimal("500.00"), 500),
        (Decimal("-0"), 0),
        (uuid.UUID("12345678123456781234567812345678"), "12345678-1234-5678-1234-567812345678"),
        (ipaddress.ip_address("192.168.0.1"), "192.168.0.1"),
        (ipaddress.ip_network("fe80::/10"), "fe80::/10"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00"),
        (datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00.000Z"),
        (datetime(2024, 2, 29, 12), "2024-02-29T12:00:00.000Z"),  # noqa: DTZ001 - naive on purpose
        (_Size.LARGE, "L"),
        (_Colour.RED, "red"),
        (True, True),
        (MAX_INTEGER, MAX_INTEGER),
        (-MAX_INTEGER, -MAX_INTEGER),
        (0.1, 0.1),
        (("a", 1), ["a", 1]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ([[], {}], [[], {}]),
    ],
)
def test_values_of_databases_become_json(value: object, json_value: object) -> None:
    assert properties(value) == {"value": json_value}


def test_numpy_and_pandas_values_become_json() -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    assert properties(np.int64(5)) == {"value": 5}
    assert properties(np.float32(0.5)) == {"value": 0.5}
    assert properties(np.bool_(True)) == {"value": True}
    assert properties(np.array([1, 2])) == {"value": [1, 2]}
    assert properties(pd.Timestamp("2024-01-01", tz="UTC")) == {"value": "2024-01-01T00:00:00.000Z"}
    assert properties(np.datetime64("2024-01-01T12:00:00.5", "ns")) == {"value": "2024-01-01T12:00:00.500Z"}
    assert properties(np.datetime64("NaT")) == {}
    assert properties(pd.NaT) == {}
    assert properties(pd.NA) == {}


@pytest.mark.parametrize("null", [math.nan, Decimal("NaN"), Decimal("sNaN")])
def test_not_a_number_is_null_wherever_it_stands(null: object) -> None:
    outcome = encoded(event(name=null, phoneNumber=null, eventProperties={"a": null, "b": [null, {"c": null}]}))
    assert json.loads(outcome.body) == event(eventProperties={"b": [{}]})
    assert outcome.dropped_nulls == 3
    assert rejected(event(email=null)).reason is Reason.IDENTITY_MISSING
    assert rejected(event(eventName=null)).reason is Reason.FIELD_MISSING
    assert rejected(event(createdAt=null)).reason is Reason.CREATED_AT_MISSING


@pytest.mark.parametrize("text", [r"\N", "NULL", "nan", "<NA>"])
def test_texts_that_mean_null_are_null_wherever_they_stand(text: str) -> None:
    outcome = encoded(event(name=text, phoneNumber=f" {text} ", eventProperties={"a": text, "b": [text, "x"]}))
    assert json.loads(outcome.body) == event(eventProperties={"b": ["x"]})
    assert outcome.dropped_nulls == 2
    assert rejected(event(email=text)).reason is Reason.IDENTITY_MISSING
    assert rejected(event(createdAt=text)).reason is Reason.CREATED_AT_MISSING


def test_which_texts_mean_null_is_the_users_choice_but_for_that_of_mysql() -> None:
    contract = Contract(now=NOW, reading=Reading(null_values=("-",)))
    values = {"a": "-", "b": "NULL", "c": r"\N", "d": "- ", "e": "Null"}
    assert sent(event(eventProperties=values), contract)["eventProperties"] == {"b": "NULL", "d": "- ", "e": "Null"}


@pytest.mark.parametrize("empty", [None, "", "  ", "NULL", math.nan])
def test_an_event_with_an_empty_date_should_have_had_one(empty: object) -> None:
    assert rejected(event(createdAt=empty)).reason is Reason.CREATED_AT_MISSING
    said = Contract(now=NOW, rule=PipelineRule(on_undated="realtime"))
    assert encoded(event(createdAt=empty), said).pipeline is Pipeline.REALTIME


def test_naive_times_are_in_the_zone_of_the_contract() -> None:
    contract = Contract(now=NOW, reading=Reading(timezone="Asia/Kolkata"))
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 - naive on purpose
    body = sent(event(createdAt=naive, eventProperties={"t": naive}), contract)
    assert body["createdAt"] == "2023-12-31T18:30:00.000Z"
    assert body["eventProperties"] == {"t": "2023-12-31T18:30:00.000Z"}


def test_null_values_are_left_out_and_counted_at_every_depth() -> None:
    outcome = encoded(event(name=None, eventProperties={"a": None, "b": [None, 1, {"c": None}]}))
    assert json.loads(outcome.body)["eventProperties"] == {"b": [1, {}]}
    assert outcome.dropped_nulls == 3


def _nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def _cycle() -> dict[str, object]:
    value: dict[str, object] = {}
    value["self"] = value
    return value


def _explosion() -> list[object]:
    value: list[object] = []
    value.extend([value] * 100)
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.inf, Reason.NUMBER_NOT_FINITE),
        (-math.inf, Reason.NUMBER_NOT_FINITE),
        (Decimal("Infinity"), Reason.NUMBER_NOT_FINITE),
        (MAX_INTEGER + 1, Reason.INTEGER_TOO_LARGE),
        (-(10**500), Reason.INTEGER_TOO_LARGE),
        (Decimal("1e999999"), Reason.INTEGER_TOO_LARGE),
        (Decimal("1e400") + Decimal("0.5"), Reason.INTEGER_TOO_LARGE),
        (Decimal("9007199254740993.5"), Reason.INTEGER_TOO_LARGE),
        (b"bytes", Reason.VALUE_TYPE),
        ({1, 2}, Reason.VALUE_TYPE),
        (object(), Reason.VALUE_TYPE),
        (timedelta(1), Reason.VALUE_TYPE),
        ({5: "key"}, Reason.VALUE_TYPE),
        (datetime.min, Reason.VALUE_TYPE),  # noqa: DTZ901 - naive on purpose
        ("\ud800", Reason.INVALID_UNICODE),
        ({"\udfff": 1}, Reason.INVALID_UNICODE),
        (_nested(MAX_DEPTH), Reason.NESTING_TOO_DEEP),
        (_cycle(), Reason.NESTING_TOO_DEEP),
        (_explosion(), Reason.NESTING_TOO_DEEP),
        (["x"] * 20_000, Reason.EVENT_TOO_LARGE),
        ("x" * MAX_EVENT_BYTES, Reason.EVENT_TOO_LARGE),
    ],
)
def test_a_value_that_json_or_bik_cannot_take_rejects_its_event(value: object, reason: Reason) -> None:
    contract = Contract(now=NOW, reading=Reading(timezone="Asia/Kolkata"))
    assert rejected(event(eventProperties={"value": value}), contract).reason is reason


def test_nesting_up_to_the_limit_is_taken() -> None:
    assert sent(event(eventProperties=_nested(MAX_DEPTH)))["eventProperties"] == _nested(MAX_DEPTH)


def test_a_rejection_names_the_location_and_never_the_value() -> None:
    secret = "asha@example.com"
    for raw in (
        event(eventProperties={"outer": {"inner": [b"asha@example.com"]}}),
        event(eventProperties={secret: b""}),
        event(createdAt=secret),
        event(email=None, phoneNumber=secret),
        event(email=secret + ";" + secret),
        event(**{secret: 1}),
        secret,
    ):
        assert secret not in str(rejected(raw))
    path = rejected(event(eventProperties={"outer": {"inner": [b""]}})).detail
    assert path.startswith("eventProperties.outer.inner[]")


@pytest.mark.parametrize(
    ("mode", "dated", "pipeline"),
    [
        (Mode.AUTO, True, Pipeline.MIGRATION),
        (Mode.AUTO, False, Pipeline.REALTIME),
        (Mode.REALTIME, False, Pipeline.REALTIME),
        (Mode.MIGRATION, True, Pipeline.MIGRATION),
    ],
)
def test_the_pipeline_shows_in_the_two_fields(mode: Mode, dated: bool, pipeline: Pipeline) -> None:
    contract = Contract(now=NOW, rule=PipelineRule(mode=mode))
    raw = event(createdAt="2024-01-01T00:00:00Z") if dated else event()
    body = sent(raw, contract)
    assert encoded(raw, contract).pipeline is pipeline
    assert ("createdAt" in body, body.get("isMigration")) == ((True, True) if dated else (False, None))


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=5)
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates()
    | st.times()
    | st.uuids()
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
_raws = st.one_of(
    _values,
    st.fixed_dictionaries(
        {"eventName": st.just("ordered") | _scalars, "eventProperties": st.dictionaries(st.text(max_size=5), _values)},
        optional={
            "email": st.emails() | _scalars,
            "phoneNumber": st.just("+919876543210") | _scalars,
            "name": st.text() | _scalars,
            "createdAt": st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1)) | _scalars,  # noqa: DTZ001 - naive too
            "isMigration": st.none() | st.booleans(),
        },
    ),
)
_rules = (
    st.builds(PipelineRule, mode=st.sampled_from(Mode))
    | st.builds(PipelineRule, mode=st.just("realtime"), on_dated=st.sampled_from(["reject", "drop"]))
    | st.builds(
        PipelineRule,
        on_undated=st.sampled_from(["reject", "realtime"]),
        realtime_max_age=st.none() | st.timedeltas(),
    )
)


@given(raw=_raws, rule=_rules)
def test_whatever_goes_in_a_right_event_comes_out_or_a_reason(raw: object, rule: PipelineRule) -> None:
    contract = Contract(now=NOW, rule=rule)
    outcome = contract.encode(raw)
    if isinstance(outcome, Rejection):
        assert isinstance(outcome.reason, Reason)
        return
    body = json.loads(outcome.body.decode("utf-8"), parse_constant=pytest.fail)
    assert (body.get("isMigration"), "createdAt" in body) in {(True, True), (None, False)}
    assert (outcome.pipeline is Pipeline.MIGRATION) is ("createdAt" in body)
    assert body["eventName"].strip()
    assert body.get("email") or body.get("phoneNumber")
    assert contract.encode(raw) == outcome
