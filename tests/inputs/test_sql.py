from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pendulum
import pytest

from airflow_provider_bik.events.item import opened
from airflow_provider_bik.inputs.sql import query_digest, sql_items


def test_rows_become_items_with_names_and_numbers() -> None:
    columns = list[str]()

    def blocks() -> Iterator[list[tuple[object, ...]]]:
        columns.extend(["id", "email"])
        yield [(1, "a"), (2, None)]
        yield [(3, "c")]

    items = list(map(opened, sql_items(columns, blocks())))
    assert [(item.position, item.location, item.raw) for item in items] == [
        (0, "row 1", {"id": 1, "email": "a"}),
        (1, "row 2", {"id": 2, "email": None}),
        (2, "row 3", {"id": 3, "email": "c"}),
    ]


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value


DIFFERENT = [
    "SELECT 1",
    "SELECT 2",
    None,
    1,
    "1",
    True,
    1.0,
    Decimal(1),
    Decimal("1.0"),
    b"1",
    date(2026, 1, 5),
    datetime(2026, 1, 5, tzinfo=UTC),
    datetime(2026, 1, 5),  # noqa: DTZ001 - without a zone it is another parameter
    UUID(int=1),
    [1, 2],
    [2, 1],
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    {1, 2},
    [[1], 2],
    Plain(1),
    Plain(2),
]


def test_other_parameters_have_another_digest() -> None:
    assert len({query_digest("SELECT 1", value) for value in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (datetime(2026, 1, 5, tzinfo=UTC), pendulum.datetime(2026, 1, 5)),
        (Plain([1]), Plain([1])),
    ],
    ids=lambda given: type(given).__name__,
)
def test_the_same_parameters_have_the_same_digest(one: object, same: object) -> None:
    assert query_digest("SELECT 1", one) == query_digest("SELECT 1", same)
