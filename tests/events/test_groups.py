"""One event of several rows: those that follow each other and have one value in the column of group_by."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
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
    Reason,
    Rejection,
)
from airflow_provider_bik.inputs.files import item_of_text
from tests.events.support import body, reason

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORDERS = EventMapping(
    event_name="ordered",
    email="Email",
    created_at="Paid at",
    group_by="Name",
    properties={
        "orderId": "Name",
        "total": Column("Total", cast="number"),
        "productNames": Each("Item"),
        "quantities": Each(Column("Quantity", cast="integer")),
        "lines": Each({"sku": "Sku", "price.value": Column("Price", cast="number")}),
        "currency": Constant("INR"),
    },
)


def line(order: object, item: str, **more: object) -> dict[str, object]:
    return {"Name": order, "Item": item, "Quantity": "1", "Sku": f"S-{item}", "Price": "5.00", **more}


def first(order: object, item: str, **more: object) -> dict[str, object]:
    head = {"Email": f"c{order}@example.com", "Paid at": "2026-01-05 10:00:00 +0530", "Total": "10.00"}
    return {**line(order, item), **head, **more}


BLANK = {"Email": "", "Paid at": None, "Total": "NULL"}


def items(*raws: object) -> Iterable[Item]:
    for number, raw in enumerate(raws):
        given = raw if isinstance(raw, dict) else {"raw": raw}
        wrapped = {"problem": given["problem"], "raw": given["raw"]} if "problem" in given else {"raw": raw}
        yield Item(position=number, location=f"row {number + 2}", **wrapped)


def encoded(*raws: object, mapping: EventMapping = ORDERS) -> list[InputEvent]:
    return list(Encoder(contract=Contract(now=NOW), mapping=mapping).encode_all(items(*raws)))


def unreadable(text: str = "a,b") -> dict[str, object]:
    return {"problem": Rejection(reason=Reason.UNPARSABLE, detail="2 cells"), "raw": text}


def test_the_rows_of_an_order_make_one_event() -> None:
    (event,) = encoded(first("1", "Kettle"), line("1", "Cup", **BLANK), line("1", "Pan", **BLANK, Quantity=3.0))
    assert body(event) == {
        "email": "c1@example.com",
        "eventName": "ordered",
        "eventProperties": {
            "orderId": "1",
            "total": 10,
            "productNames": ["Kettle", "Cup", "Pan"],
            "quantities": [1, 1, 3],
            "lines": [{"sku": f"S-{name}", "price": {"value": 5}} for name in ("Kettle", "Cup", "Pan")],
            "currency": "INR",
        },
        "createdAt": "2026-01-05T04:30:00.000Z",
        "isMigration": True,
    }


def test_positions_number_the_events_and_an_event_stands_where_its_first_row_does() -> None:
    made = encoded(first("1", "a"), line("1", "b"), first("2", "c"), first("3", "d"), line("3", "e"), line("3", "f"))
    assert [(event.position, event.location) for event in made] == [(0, "row 2"), (1, "row 4"), (2, "row 5")]
    assert [len(body(event)["eventProperties"]["productNames"]) for event in made] == [2, 1, 3]


def test_the_first_value_that_is_not_null_counts_wherever_it_stands() -> None:
    (event,) = encoded(line("1", "a", **BLANK), first("1", "b"), first("1", "c", Email="other@example.com"))
    assert body(event)["email"] == "c1@example.com"


def test_only_rows_that_follow_each_other_make_one_event() -> None:
    made = encoded(first("1", "a"), first("2", "b"), first("1", "c"))
    assert [body(event)["eventProperties"]["orderId"] for event in made] == ["1", "2", "1"]


def test_a_rejected_event_keeps_all_its_rows_and_can_be_sent_again() -> None:
    rows = [first("1", "a", Total="ten"), line("1", "b")]
    (event,) = encoded(*rows)
    assert reason(event) is Reason.CAST_FAILED
    assert (event.raw, event.is_row) == (rows, True)
    rows[0]["Total"] = "10"
    again = Item(position=7, location="rejected.ndjson:1", raw=rows, is_row=True, attempts=1)
    (event,) = Encoder(contract=Contract(now=NOW), mapping=ORDERS).encode_all([again])
    assert body(event)["eventProperties"]["productNames"] == ["a", "b"]
    assert (event.position, event.location, event.attempts) == (0, "rejected.ndjson:1", 1)
    wrapped = json.dumps({"bik_rejected": 1, "attempts": 1, "row": rows}).encode()
    opened = item_of_text(wrapped, 0, "rejected.ndjson:1")
    (event,) = Encoder(contract=Contract(now=NOW), mapping=ORDERS).encode_all([opened])
    assert body(event)["eventProperties"]["productNames"] == ["a", "b"]


def test_a_row_that_cannot_be_read_rejects_the_event_in_whose_middle_it_stands() -> None:
    made = encoded(first("1", "a"), unreadable(), line("1", "b"), first("2", "c"), unreadable("x"), first("3", "d"))
    assert [type(event.result).__name__ for event in made] == ["Rejection", "EncodedEvent", "Rejection", "EncodedEvent"]
    assert made[0].raw == [first("1", "a"), "a,b", line("1", "b")]
    assert (made[2].raw, made[2].location, made[2].is_row) == ("x", "row 6", True)
    assert [event.position for event in made] == [0, 1, 2, 3]


@pytest.mark.parametrize("key", [None, "", " ", "NULL", float("nan")])
def test_rows_without_a_key_belong_to_nothing(key: object) -> None:
    made = encoded(first(key, "a"), first(key, "b"))
    assert [reason(event) for event in made] == [Reason.GROUP_MISSING] * 2


def test_where_leaves_rows_out_of_an_event_and_an_event_without_rows_is_skipped() -> None:
    mapping = EventMapping(
        event_name="ordered",
        email="Email",
        group_by="Name",
        properties={"names": Each("Item")},
        where=lambda row: row["Item"] != "Gift wrap",
    )
    made = encoded(
        first("1", "Kettle"), line("1", "Gift wrap"), first("2", "Gift wrap"), first("3", "Cup"), mapping=mapping
    )
    assert [event.position for event in made] == [0, 1, 2]
    assert body(made[0])["eventProperties"] == {"names": ["Kettle"]}
    assert made[1].result is None
    assert body(made[2])["eventProperties"] == {"names": ["Cup"]}


def test_to_event_gets_the_list_of_rows() -> None:
    def to_event(rows: list[dict[str, Any]]) -> dict[str, object] | None:
        if rows[0]["Name"] == "2":
            return None
        return {
            "email": rows[0]["Email"],
            "eventName": "ordered",
            "eventProperties": {"items": [row["Item"] for row in rows]},
        }

    mapping = EventMapping(group_by="Name", to_event=to_event)
    made = encoded(first("1", "a"), line("1", "b"), first("2", "c"), mapping=mapping)
    assert body(made[0])["eventProperties"] == {"items": ["a", "b"]}
    assert made[1].result is None


def test_what_is_no_row_stands_alone() -> None:
    made = encoded(first("1", "a"), 5, "text", first("1", "b"))
    assert [type(event.result).__name__ for event in made] == ["EncodedEvent", "Rejection", "Rejection", "EncodedEvent"]
    assert reason(made[1]) in {Reason.NOT_A_ROW, Reason.GROUP_MISSING}


def test_lines_are_decoded_and_grouped() -> None:
    lines = [json.dumps(row).encode() for row in (first("1", "a"), line("1", "b"), first("2", "c"))]
    given = [Item(position=n, location=f"f:{n + 1}", line=text) for n, text in enumerate([*lines, b"{"])]
    made = list(Encoder(contract=Contract(now=NOW), mapping=ORDERS).encode_all(given))
    assert [body(event)["eventProperties"]["productNames"] for event in made[:2]] == [["a", "b"], ["c"]]
    assert reason(made[2]) is Reason.UNPARSABLE


def test_the_json_form_says_groups_too() -> None:
    form = json.loads(json.dumps(ORDERS.to_json()))
    assert form["properties"]["productNames"] == {"each": "Item"}
    assert form["properties"]["lines"]["each"]["properties"]["sku"] == "Sku"
    assert EventMapping.of(form) == ORDERS
    assert hash(EventMapping.of(form)) == hash(ORDERS)
    assert set(ORDERS.columns) == {"Email", "Paid at", "Name", "Total", "Item", "Quantity", "Sku", "Price"}


@pytest.mark.parametrize("value", [5, Constant(1), ["a"], {"a": Constant(1)}, {"a": ["x"]}, {"column": 5}, ""])
def test_each_takes_columns_and_nothing_else(value: Any) -> None:
    with pytest.raises(BikConfigError):
        EventMapping(event_name="o", email="e", group_by="g", properties={"p": Each(value)})


rows = st.lists(
    st.builds(
        lambda key, broken: unreadable() if broken else first(key, "a"),
        st.sampled_from(["1", "2", None]),
        st.booleans(),
    )
)


@given(rows=rows)
def test_every_row_is_in_just_one_event_and_positions_have_no_gaps(rows: list[dict[str, object]]) -> None:
    made = encoded(*rows)
    assert [event.position for event in made] == list(range(len(made)))
    sent = sum(
        len(body(event)["eventProperties"]["productNames"]) for event in made if isinstance(event.result, EncodedEvent)
    )
    kept = sum(
        len(event.raw) if isinstance(event.raw, list) else 1 for event in made if isinstance(event.result, Rejection)
    )
    assert sent + kept == len(rows)
