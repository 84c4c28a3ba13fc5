from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError, BikInputError
from tests.inputs.support import read, rows_in

MOMENT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)

MAKERS: dict[str, Any] = {
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "pyarrow": pa.table,
    "a record batch": pa.RecordBatch.from_pydict,
}
COLUMNS = {
    "email": ["asha@example.com", None, "mira@example.com"],
    "total": [1.5, None, 2.0],
    "paid_at": [MOMENT, MOMENT + timedelta(hours=1), None],
}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


@pytest.mark.parametrize("library", MAKERS)
def test_a_table_in_memory_is_an_input_whose_nulls_are_null(library: str) -> None:
    items = read(MAKERS[library](COLUMNS))
    assert [item.raw for item in items] == ROWS
    assert [item.location for item in items] == ["row 1", "row 2", "row 3"]
    for item in items:
        assert isinstance(item.raw, dict)
        assert {type(value) for value in item.raw.values()} <= {str, float, datetime, type(None)}


@pytest.mark.parametrize("library", MAKERS)
def test_its_columns_are_checked_and_its_rows_read_in_blocks(library: str) -> None:
    frame = MAKERS[library]({"id": list(range(1201)), "x": ["a"] * 1201})
    assert rows_in(frame, needs=["id"]) == [{"id": number, "x": "a"} for number in range(1201)]
    with pytest.raises(BikConfigError, match="events: there is no column email; there are id, x"):
        read(frame, needs=["email"])


@pytest.mark.parametrize("library", MAKERS)
def test_tables_may_stand_in_a_list_with_files_and_mappings(library: str, tmp_path: Path) -> None:
    frame = MAKERS[library]({"id": [1, 2]})
    (tmp_path / "a.csv").write_bytes(b"id\n3\n")
    items = read([frame, str(tmp_path / "a.csv"), {"id": 4}, [frame]])
    assert [item.position for item in items] == list(range(6))
    locations = ["[0] row 1", "[0] row 2", "a.csv:2", "[2]", "[3][0] row 1", "[3][0] row 2"]
    assert [item.location for item in items] == locations
    with pytest.raises(BikConfigError, match=r"events\[0\]: there is no column x"):
        read([frame], needs=["x"])


@pytest.mark.parametrize("library", MAKERS)
def test_a_table_without_rows_holds_nothing(library: str) -> None:
    assert read(MAKERS[library]({"id": []})) == []


@pytest.mark.parametrize(
    ("series", "value"),
    [
        (pd.Series([7, None], dtype="Int64"), 7),
        (pd.Series([7, None]), 7.0),
        (pd.Series([7.0, math.nan], dtype="Float64"), 7.0),
        (pd.Series([True, None], dtype="boolean"), True),
        (pd.Series(["a", None], dtype="string"), "a"),
        (pd.Series(["a", math.nan], dtype=object), "a"),
        (pd.Series([np.int64(7), pd.NaT], dtype=object), 7),
        (pd.Series([np.float32(0.5), pd.NA], dtype=object), 0.5),
        (pd.Series(["a", None], dtype="category"), "a"),
        (pd.Series([Decimal("9.90"), Decimal("NaN")]), Decimal("9.90")),
        (pd.Series([datetime(2026, 1, 5), None]), datetime(2026, 1, 5)),  # noqa: DTZ001 - as pandas has them
        (pd.Series([pd.Timestamp("2026-01-05T10:00:00.000000001Z"), None]), MOMENT),
        (pd.Series([pd.Timestamp(MOMENT), None], dtype=object), MOMENT),
        (pd.Series([timedelta(days=1), None]), timedelta(days=1)),
        (pd.Series([date(2026, 1, 5), None]), date(2026, 1, 5)),
        (pd.Series([7, None], dtype="int64[pyarrow]"), 7),
        (pd.Series([np.array([1, 2]), None]), [1, 2]),
        (pd.Series([{"a": 1}, None]), {"a": 1}),
    ],
    ids=lambda given: str(given.dtype) if isinstance(given, pd.Series) else "",
)
def test_a_value_of_pandas_is_the_value_of_python_that_it_means(series: pd.Series[Any], value: object) -> None:
    first, second = rows_in(pd.DataFrame({"v": series}))
    assert first == {"v": value}
    assert isinstance(first, dict)
    assert type(first["v"]) is type(value)
    assert second == {"v": None}


def test_the_index_of_a_frame_is_no_column_and_no_location() -> None:
    frame = pd.DataFrame({"email": ["asha@example.com"]}, index=["secret"])
    assert [(item.location, item.raw) for item in read(frame)] == [("row 1", {"email": "asha@example.com"})]


def test_columns_without_a_text_for_a_name_are_an_error() -> None:
    with pytest.raises(BikInputError, match="events: the label of column 1 is of type int"):
        read(pd.DataFrame([[1, 2]]))
    frame = pd.DataFrame([[1, 2, 3]], columns=["id", "email", "id"])
    assert rows_in(frame, needs=["email"]) == [{"email": 2}]
    with pytest.raises(BikInputError, match="columns 1, 3 have the same name id"):
        read(frame)


def test_what_is_no_table_is_refused_by_its_type() -> None:
    with pytest.raises(BikInputError, match="events is of type LazyFrame"):
        read(pl.LazyFrame({"a": [1]}))


@given(
    values=st.lists(
        st.none() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])) | st.booleans(),
        min_size=1,
    )
)
def test_what_pandas_holds_as_objects_is_read_as_it_is(values: list[object]) -> None:
    assert rows_in(pd.DataFrame({"v": pd.Series(values, dtype=object)})) == [{"v": value} for value in values]


@given(values=st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=1))
@pytest.mark.parametrize("library", MAKERS)
def test_what_is_not_a_number_is_null_and_every_other_number_stays(library: str, values: list[float | None]) -> None:
    wanted = [{"v": None if value is None or math.isnan(value) else value} for value in values]
    column = pa.array(values, pa.float64()) if "py" in library or "batch" in library else values
    frame = (
        pd.DataFrame({"v": pd.Series(values, dtype="float64")})
        if library == "pandas"
        else MAKERS[library]({"v": column})
    )
    assert rows_in(frame) == wanted


@pytest.mark.parametrize(
    "given_",
    [
        pd.Series(["asha@example.com"]),
        pl.Series(["asha@example.com"]),
        pl.DataFrame({"email": ["asha@example.com"]}).lazy(),
        pa.chunked_array([["asha@example.com"]]),
        pa.array(["asha@example.com"]),
        np.array(["asha@example.com"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_column_is_no_table_and_its_values_are_no_paths(given_: object) -> None:
    for events in (given_, [given_]):
        with pytest.raises(BikInputError, match="is no table") as caught:
            read(events)
        assert "asha" not in str(caught.value)


def test_a_column_that_is_missing_because_it_is_the_index_is_named() -> None:
    frame = pd.DataFrame(COLUMNS).set_index("email")
    with pytest.raises(BikConfigError, match=r"index 'email' is no column; reset_index\(\)"):
        read(frame, needs=["email"])
