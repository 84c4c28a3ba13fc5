"""The hints of the catalogue: few, counted, without values, and never more than hints."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.events.catalogue import CATALOGUE, CatalogueHints
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.events.mapping import EventMapping, map_rows


class Source(StrEnum):
    SHOP = "shop"


def hints(*events: dict[str, Any]) -> list[str]:
    counter = CatalogueHints()
    for event in events:
        counter.look(event)
    return counter.warnings()


def event(name: str, **properties: object) -> dict[str, Any]:
    return {"eventName": name, "eventProperties": properties}


CART = {"cartValue": 1, "cartId": "c", "totalNumberOfItems": 2, "customerId": "u"}


def test_an_event_like_the_documented_ones_gives_no_hint() -> None:
    full = {**CART, "productNames": ["a", "b"], "currency": "INR", "custom": object()}
    assert hints(event("abandonedCartCreated", **full), event("customerCreated"), event("catalogViewed")) == []


def test_a_missing_property_is_named_once_with_its_count() -> None:
    without = {key: value for key, value in CART.items() if key != "cartId"}
    found = hints(
        *[event("abandonedCartCreated", **without)] * 3,
        event("abandonedCartCreated", **CART, cartName=None),
        event("abandonedCartCreated", **{**CART, "cartId": None}),
    )
    assert len(found) == 1
    assert "abandonedCartCreated: cartId is missing in 4 of 5 events" in found[0]


def test_a_mistyped_property_is_named_once_with_its_count() -> None:
    found = hints(*[event("abandonedCartCreated", **{**CART, "cartValue": "12.50"})] * 2)
    assert len(found) == 1
    assert "cartValue is no number in 2 of 2 events" in found[0]
    assert "12.50" not in found[0]


def test_where_biks_documentation_contradicts_itself_the_hint_says_so() -> None:
    (found,) = hints(event("purchasedAProduct", productId="p"))
    assert "variantId" in found
    assert "BIK's own sample leaves it out" in found


def test_unknown_names_are_one_hint_without_the_names_which_may_be_somebodys_data() -> None:
    found = hints(event("asha@example.com"), event("Asha"), event("purchaseAProduct"))
    assert len(found) == 1
    assert found[0].startswith("3 events have an eventName that is not publicly known")
    assert "sha" not in found[0]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("purchasedAProduct", "itemPrice", Decimal("1.5")),
        ("purchasedAProduct", "itemPrice", 1.5),
        ("purchasedAProduct", "productId", uuid.UUID(int=1)),
        ("customerCreated", "customerSource", Source.SHOP),
        ("ordered", "orderDate", date(2024, 1, 1)),
        ("ordered", "orderDate", datetime(2024, 1, 1, tzinfo=UTC)),
        ("ordered", "shippingAddress", {"city": "Pune"}),
        ("abandonedCartCreated", "productNames", ("a", None)),
    ],
)
def test_what_goes_out_in_the_documented_type_is_not_mistyped(name: str, key: str, value: object) -> None:
    assert not [hint for hint in hints(event(name, **{key: value})) if f"{key} is no" in hint]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("purchasedAProduct", "itemPrice", True),
        ("purchasedAProduct", "productId", 5),
        ("abandonedCartCreated", "productNames", "a, b"),
        ("abandonedCartCreated", "productNames", [1]),
    ],
)
def test_what_goes_out_in_another_type_is_mistyped(name: str, key: str, value: object) -> None:
    assert [hint for hint in hints(event(name, **{key: value})) if f"{key} is no" in hint]


values = st.none() | st.text() | st.integers() | st.binary() | st.lists(st.integers()) | st.just(object())
events = st.fixed_dictionaries(
    {},
    optional={
        "eventName": st.sampled_from([*CATALOGUE]) | values,
        "eventProperties": values
        | st.dictionaries(st.sampled_from([key for known in CATALOGUE.values() for key in known]), values),
    },
)


@given(looked_at=st.lists(events, max_size=20))
def test_nothing_in_an_event_makes_it_raise_and_hints_stay_few(looked_at: list[dict[str, Any]]) -> None:
    found = hints(*looked_at)
    assert len(set(found)) == len(found) <= 1 + 2 * sum(map(len, CATALOGUE.values()))


def test_only_events_made_by_a_mapping_are_looked_at() -> None:
    counter = CatalogueHints()
    dead_letter = InputEvent(position=0, place="[0]", raw=event("unknown"), is_row=False)
    row = InputEvent(position=1, place="[1]", raw={"mail": "a"})
    mapping = EventMapping(event_name="another", email="mail", properties={})
    assert len(list(map_rows(iter([dead_letter, row]), mapping, counter))) == 2
    assert counter.warnings()[0].startswith("1 events")
