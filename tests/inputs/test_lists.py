from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, overload

import pytest

from tests.inputs.support import read, rows_in


class Lazy(Sequence[Any]):
    """Fetches its items when they are asked for, as the output of a mapped task does; each fetch is a call."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items
        self.fetched: list[int] = []

    @overload
    def __getitem__(self, asked: int) -> Any: ...
    @overload
    def __getitem__(self, asked: slice) -> list[Any]: ...
    def __getitem__(self, asked: int | slice) -> Any:
        got = self._items[asked]
        self.fetched.append(len(got) if isinstance(asked, slice) else 1)
        return got

    def __len__(self) -> int:
        raise AssertionError("it costs a call too, and is not needed")  # noqa: EM101, TRY003 - said once


@pytest.mark.parametrize("number", [0, 1, 2, 99, 100, 101, 102, 1000])
def test_a_lazy_sequence_is_read_once_and_in_slices(number: int) -> None:
    lazy = Lazy([{"id": n} for n in range(number)])
    assert rows_in(lazy) == [{"id": n} for n in range(number)]
    assert sum(lazy.fetched) == number
    assert len(lazy.fetched) <= number // 100 + 3


def test_slices_of_large_items_stay_small() -> None:
    lazy = Lazy([[{"id": (n, m)} for m in range(500)] for n in range(20)])
    assert len(rows_in(lazy)) == 10_000
    assert max(lazy.fetched) == 1


def test_slices_shrink_when_items_grow() -> None:
    lazy = Lazy([*({"id": n} for n in range(300)), *([{"id": n}] * 1000 for n in range(150))])
    assert len(rows_in(lazy)) == 150_300
    assert lazy.fetched[:3] == [1, 100, 100]
    assert max(lazy.fetched[6:]) == 1


def test_lazy_sequences_in_a_list_are_read_in_slices_too() -> None:
    lazy = Lazy([{"id": n} for n in range(200)])
    items = read([lazy, {"id": "last"}])
    assert [item.location for item in items][-2:] == ["[0][199]", "[1]"]
    assert len(lazy.fetched) <= 5


@pytest.mark.parametrize("make", [list, tuple, deque, iter], ids=lambda make: make.__name__)
def test_what_is_in_memory_is_read_as_it_is(make: Any) -> None:
    assert rows_in(make([{"id": 1}, {"id": 2}])) == [{"id": 1}, {"id": 2}]
    assert rows_in(make([make([{"id": 1}]), make([{"id": 2}])])) == [{"id": 1}, {"id": 2}]
