from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.inputs import MAX_LINE_BYTES, json_array, read_items
from tests.inputs.support import details, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet='a"\\[]{},: é\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='b"\\]}'), inner),
    max_leaves=10,
)


class Dripping(io.BytesIO):
    """A file that gives a few bytes at a time, whatever is asked for."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, _: int | None = None, /) -> bytes:
        return super().read(self._size)


@given(items=st.lists(JSON), indent=st.none() | st.integers(0, 3), size=st.integers(1, 9))
def test_the_items_of_an_array_are_found_wherever_a_block_ends(items: list[object], indent: int, size: int) -> None:
    content = b" \n" + json.dumps(items, indent=indent, ensure_ascii=False).encode() + b"\n "
    found = list(json_array.items_of(Dripping(content, size)))
    assert [json.loads(item) for item in found] == items


@given(items=st.lists(JSON, min_size=1), size=st.integers(1, 9), limit=st.integers(1, 40))
def test_a_long_item_is_cut_and_its_neighbours_are_not(items: list[object], size: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "MAX_LINE_BYTES", limit)
        found = list(json_array.items_of(Dripping(json.dumps(items, separators=(",", ":")).encode(), size)))
    for item, wanted in zip(found, items, strict=True):
        whole = json.dumps(wanted, separators=(",", ":")).encode()
        assert item == (whole if len(whole) <= limit else whole[: limit + 1])


@given(items=st.lists(JSON), size=st.integers(1, 9), data=st.data())
def test_an_array_that_is_cut_short_never_passes_for_a_whole_one(
    items: list[object], size: int, data: st.DataObject
) -> None:
    whole = json.dumps(items).encode()
    kept = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(EOFError):
        list(json_array.items_of(Dripping(whole[:kept], size)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.json"


def test_an_item_that_is_no_object_is_a_rejection_and_its_neighbours_are_read(file: Path) -> None:
    file.write_bytes(b'[{"a":1}, {"a":nope}, 5, , "x", [1], {"a":\xff}, {"a":2},]')
    items = read(file)
    assert [item.raw for item in items if not item.problem] == [{"a": 1}, {"a": 2}]
    assert details(items) == {
        "orders.json:2": "not JSON",
        "orders.json:3": "not a JSON object",
        "orders.json:4": "not JSON",
        "orders.json:5": "not a JSON object",
        "orders.json:6": "not a JSON object",
        "orders.json:7": "not JSON",
        "orders.json:9": "not JSON",
    }


def test_an_item_longer_than_the_bound_is_one_rejection(file: Path) -> None:
    long = b'{"a":"' + b'\\"[{,' * MAX_LINE_BYTES + b'"}'
    file.write_bytes(b'[{"a":1},' + long + b',{"a":2}]')
    items = read(file)
    assert details(items) == {"orders.json:2": f"longer than {MAX_LINE_BYTES} bytes"}
    assert items[2].raw == {"a": 2}


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (b'{"a":[2}, {"a":3}]', "its brackets do not match"),
        (b'{"a":2}}, {"a":3}]', "its brackets do not match"),
        (b'{"a":2}] {"a":3}', "something follows its end"),
        (b'{"a":2}] x', "something follows its end"),
        (b"[" * 200_000, "nested deeper than 100000 levels"),
    ],
)
def test_an_array_whose_items_cannot_be_told_apart_is_an_error_after_those_before(
    file: Path, rest: bytes, says: str
) -> None:
    file.write_bytes(b'[{"a":1}, ' + rest)
    source = (item.decoded() for item in read_items(str(file)))
    assert next(source).raw == {"a": 1}
    with pytest.raises(BikInputError, match=rf"orders.json is broken in item [23]: .*{says}"):
        list(source)


def test_an_array_that_is_cut_short_is_an_error_after_what_can_be_read(file: Path) -> None:
    file.write_bytes(b'[{"a":1}, {"a":2}, {"a"')
    source = (item.decoded() for item in read_items(str(file)))
    assert [next(source).raw, next(source).raw] == [{"a": 1}, {"a": 2}]
    with pytest.raises(BikStorageError, match=r"orders.json cannot be read \(it is cut short\)"):
        next(source)
