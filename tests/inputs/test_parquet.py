from __future__ import annotations

import io
import sys
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airflow_provider_bik.inputs
from airflow_provider_bik.errors import BikConfigError, BikInputError, BikStorageError
from airflow_provider_bik.inputs.parquet import _values
from tests.inputs.support import details, read, rows_in, stream

MOMENT = datetime(2026, 3, 10, 12, 30, 15, 123456, tzinfo=UTC)
NANOSECONDS = 1_773_145_815_123_456_789


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.parquet"


def write(file: Path, table: pa.Table, **options: Any) -> None:
    pq.write_table(table, file, **options)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array(["Łódź"]), "Łódź"),
        (pa.array(["Łódź"]).dictionary_encode(), "Łódź"),
        (pa.array([None], pa.string()), None),
        (pa.array([2**60]), 2**60),
        (pa.array([1.5], pa.float16()), 1.5),
        (pa.array([True]), True),
        (pa.array([Decimal("499.90")], pa.decimal128(10, 2)), Decimal("499.90")),
        (pa.array([date(2026, 3, 10)]), date(2026, 3, 10)),
        (pa.array([time(12, 30)], pa.time64("us")), time(12, 30)),
        (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us")), MOMENT.replace(tzinfo=None)),
        (pa.array([MOMENT], pa.timestamp("us", "Asia/Kolkata")), MOMENT),
        (pa.array([NANOSECONDS], pa.timestamp("ns", "UTC")), MOMENT),
        (pa.array([5_000], pa.duration("ns")), timedelta(microseconds=5)),
        (pa.array([b"\xff"]), b"\xff"),
        (pa.array([UUID(int=7).bytes], pa.uuid()), UUID(int=7)),
        (pa.array([["a", None]]), ["a", None]),
        (pa.array([["a"]], pa.large_list(pa.string())), ["a"]),
        (pa.array([[NANOSECONDS, None]], pa.list_(pa.timestamp("ns", "UTC"), 2)), [MOMENT, None]),
        (pa.array([{"city": "Pune", "geo": [1.5]}]), {"city": "Pune", "geo": [1.5]}),
        (pa.array([[("a", 1), ("b", 2)]], pa.map_(pa.string(), pa.int64())), {"a": 1, "b": 2}),
        (
            pa.array([[{"at": NANOSECONDS}]], pa.list_(pa.struct([("at", pa.timestamp("ns", "UTC"))]))),
            [{"at": MOMENT}],
        ),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else "",
)
def test_a_value_comes_out_as_the_value_of_python_that_it_means(file: Path, column: pa.Array, value: object) -> None:
    write(file, pa.table({"value": column}))
    (row,) = rows_in(file)
    assert isinstance(row, dict)
    assert row == {"value": value}
    assert type(row["value"]) is type(value)


ZONES = [None, "UTC", "Asia/Kolkata", "America/New_York", "+05:30"]
WHEN_CLOCKS_GO_BACK = [datetime(2024, 11, 3, hour, 30, tzinfo=UTC).replace(tzinfo=None) for hour in (5, 6)]
TIMES = st.datetimes() | st.sampled_from(WHEN_CLOCKS_GO_BACK)
KINDS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    **{pa.timestamp(unit, zone): TIMES for unit in ("s", "ms", "us") for zone in ZONES},
    **{pa.decimal128(20, scale): st.decimals(-(10**9), 10**9, places=max(scale, 0)) for scale in (0, 2, 9)},
    **{kind: st.integers(-128, 127) for kind in (pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64())},
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    **{kind: st.text(st.characters(exclude_categories=["Cs"])) for kind in (pa.string(), pa.large_string())},
    pa.bool_(): st.booleans(),
}


@settings(max_examples=400)
@given(data=st.data(), kind=st.sampled_from(list(KINDS)))
def test_a_column_read_by_numpy_has_the_values_that_arrow_gives_one_by_one(
    data: st.DataObject, kind: pa.DataType
) -> None:
    values = data.draw(st.lists(st.none() | KINDS[kind], max_size=5))
    column = pa.array(values, kind, safe=False).slice(data.draw(st.integers(0, 2)))
    try:
        expected = column.to_pylist()
    except OverflowError:  # its zone moves a time out of the calendar
        with pytest.raises(OverflowError):
            _values(column)
        return
    found = _values(column)
    assert list(map(type, found)) == list(map(type, expected))
    # By their texts, for NaN is not equal to itself; a zone that is UTC is Python's own, whatever Arrow calls it.
    assert list(map(str, found)) == list(map(str, expected))


def test_a_time_keeps_its_zone(file: Path) -> None:
    write(file, pa.table({"at": pa.array([MOMENT], pa.timestamp("ms", "Asia/Kolkata"))}))
    (row,) = rows_in(file)
    assert isinstance(row, dict)
    assert row["at"].utcoffset() == MOMENT.astimezone(ZoneInfo("Asia/Kolkata")).utcoffset()


def test_old_times_of_96_bits_are_read_beyond_the_range_of_nanoseconds(file: Path) -> None:
    table = pa.table({"at": pa.array([datetime(2900, 1, 1)], pa.timestamp("us"))})  # noqa: DTZ001 - they have no zone
    write(file, table, use_deprecated_int96_timestamps=True)
    assert rows_in(file) == [{"at": datetime(2900, 1, 1)}]  # noqa: DTZ001 - as above


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2**60, 3], pa.timestamp("us")),
        pa.array([[("a", 1)], [("a", 1), ("a", 2)], []], pa.map_(pa.string(), pa.int64())),
        pa.array([b"x", b"\xff", b"y"]).view(pa.string()),
    ],
    ids=["a year beyond 9999", "a key twice", "no UTF-8"],
)
def test_a_row_that_python_cannot_hold_is_a_rejection_and_its_neighbours_are_read(file: Path, column: pa.Array) -> None:
    write(file, pa.table({"id": [1, 2, 3], "value": column}), store_schema=True)
    items = read(file)
    assert list(details(items)) == ["orders.parquet:2"]
    assert details(items)["orders.parquet:2"].startswith("a value that Python cannot hold (")
    assert [item.raw["id"] for item in items if isinstance(item.raw, dict)] == [1, 3]


def test_row_groups_are_read_in_order_and_rows_counted_through(file: Path) -> None:
    write(file, pa.table({"id": list(range(3001))}), row_group_size=700)
    items = read(file)
    assert [item.raw for item in items] == [{"id": number} for number in range(3001)]
    assert items[-1].location == "orders.parquet:3001"


def test_a_table_without_rows_holds_nothing(file: Path) -> None:
    write(file, pa.table({"id": pa.array([], pa.int64())}))
    assert read(file) == []


def test_two_columns_of_one_name_are_an_error_that_says_which(file: Path) -> None:
    write(file, pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["id", "email", "id"]))
    with pytest.raises(BikInputError, match=r"orders.parquet .*: columns 1, 3 have the same name id"):
        read(file)


@pytest.mark.parametrize("content", [b"", b"id\n1\n", b"PAR", b"PAR1,email\n1,2\n"])
def test_a_file_that_is_no_parquet_is_an_error_that_no_retry_can_help(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(BikInputError, match=r"orders.parquet in .* is not a Parquet file"):
        read(file)


def parquet_bytes(**options: Any) -> bytes:
    target = io.BytesIO()
    table = pa.table({"id": list(range(5000)), "text": [f"customer{n}@example.com" for n in range(5000)]})
    pq.write_table(table, target, row_group_size=1000, **options)
    return target.getvalue()


@pytest.mark.parametrize("kept", [4, 100, 20_000, -1])
def test_a_file_that_is_cut_short_is_an_error_that_a_retry_may_help(file: Path, kept: int) -> None:
    file.write_bytes(parquet_bytes()[:kept])
    with pytest.raises(BikStorageError, match=r"orders.parquet in .* is damaged or cut short") as caught:
        read(file)
    assert "customer" not in str(caught.value)


def test_damage_in_the_middle_is_found_and_what_stands_before_it_is_read(file: Path) -> None:
    content = bytearray(parquet_bytes(write_page_checksum=True, compression="none", use_dictionary=False))
    spot = content.index(b"customer3500@")
    content[spot : spot + 4] = b"XXXX"
    file.write_bytes(content)
    source = stream(file)
    assert [item.position for item in islice(source, 3000)] == list(range(3000))
    with pytest.raises(BikStorageError, match=r"orders.parquet in .* (is damaged|cannot be read)"):
        list(source)


def test_rows_of_large_values_are_read_few_at_a_time(file: Path) -> None:
    columns = {"text": pa.array(["x" * 5_000_000] * 30, pa.large_string())}
    write(file, pa.table(columns), compression="zstd", use_dictionary=False, row_group_size=1, write_statistics=False)
    tracemalloc.start()
    assert sum(1 for _ in stream(file)) == 30
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


def test_a_column_that_another_one_has_the_name_of_does_no_harm_if_the_mapping_does_without(file: Path) -> None:
    write(file, pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["id", "email", "id"]))
    assert [item.raw for item in read(file, needs=["email"])] == [{"email": 2}]
    with pytest.raises(BikInputError, match="columns 1, 3 have the same name id"):
        read(file, needs=["id"])


def test_without_the_library_the_error_names_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, pa.table({"id": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "airflow_provider_bik.inputs.parquet", raising=False)
    monkeypatch.delattr(airflow_provider_bik.inputs, "parquet", raising=False)
    with pytest.raises(BikConfigError, match=r"orders.parquet in .*airflow-provider-bik\[parquet\]"):
        read(file)


@settings(max_examples=60, derandomize=True)
@given(data=st.data())
def test_of_a_file_with_a_damaged_byte_no_more_is_accepted_than_pyarrow_reads(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = io.BytesIO()
    table = pa.table({"id": list(range(20)), "email": [f"customer{n}@example.com" for n in range(20)]})
    pq.write_table(table, whole, row_group_size=7, compression=data.draw(st.sampled_from(["none", "zstd"])))
    content = bytearray(whole.getvalue())
    content[data.draw(st.integers(8, len(content) - 1))] ^= data.draw(st.sampled_from([1, 0x80, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "property.parquet"
    path.write_bytes(content)
    try:
        expected = pq.read_table(io.BytesIO(bytes(content))).to_pylist()
    except (pa.ArrowException, OSError, ValueError):
        expected = None
    try:
        items = read(str(path))
    except (BikInputError, BikStorageError):
        return
    accepted = [item.raw for item in items if item.problem is None]
    if expected is None:
        assert len(accepted) < len(items)
    else:
        assert len(items) == len(expected)
        assert all(row in expected for row in accepted)
