from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inputs.support import COMPRESSIONS, WRITERS, rows_in

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.lists(TEXT.filter(str.strip), min_size=1, max_size=4, unique=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PACKED = st.sampled_from(list(COMPRESSIONS))


def tables(value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return NAMES.flatmap(lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, value)), min_size=1))


def write_and_read(directory: Path, name: str, packed: str, rows: list[dict[str, Any]]) -> list[object]:
    (directory / (name + packed)).write_bytes(COMPRESSIONS[packed](WRITERS[name](rows)))
    # No column is needed: then an object with an array in it is a row, and no wrapping of rows.
    # A header of one name with a semicolon in it says nothing for certain, so the delimiter is given.
    delimiter = {"rows.csv": ",", "rows.tsv": "\t"}.get(name)
    return rows_in(directory / (name + packed), needs=[], delimiter=delimiter)


anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@anything
@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json", "pretty.json"])
@given(rows=st.lists(st.dictionaries(TEXT.filter(lambda key: key != "bik_rejected"), JSON)), packed=PACKED)
def test_rows_of_json_are_read_as_they_were_written(
    tmp_path: Path, name: str, packed: str, rows: list[dict[str, Any]]
) -> None:
    assert write_and_read(tmp_path, name, packed, rows) == json.loads(json.dumps(rows))


@anything
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@given(rows=tables(st.none() | TEXT.filter(lambda text: text not in ("", r"\N"))), packed=PACKED)
def test_rows_of_text_are_read_from_csv_as_they_were_written(
    tmp_path: Path, name: str, packed: str, rows: list[dict[str, Any]]
) -> None:
    assert write_and_read(tmp_path, name, packed, rows) == rows


@anything
@given(
    rows=NAMES.flatmap(
        lambda names: st.lists(
            st.fixed_dictionaries(
                {
                    **dict.fromkeys(names, st.none() | TEXT),
                    "number!": st.none() | st.integers(-(2**60), 2**60),
                    "moment!": st.none() | st.datetimes(),
                    "list!": st.none() | st.lists(st.none() | TEXT),
                    "struct!": st.fixed_dictionaries({"a": st.none() | st.decimals(-999, 999, places=2), "b": TEXT}),
                    "bytes!": st.none() | st.binary(max_size=5),
                }
            ),
            min_size=1,
        )
    )
)
def test_rows_are_read_from_parquet_as_they_were_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert write_and_read(tmp_path, "rows.parquet", "", rows) == rows


def test_the_same_rows_of_text_are_the_same_from_every_format(tmp_path: Path) -> None:
    rows = [{"id": str(n), "note": string.printable + "é", "nothing": None} for n in range(50)]
    for name in WRITERS:
        for packed in COMPRESSIONS if name != "rows.parquet" else [""]:
            assert write_and_read(tmp_path, name, packed, rows) == rows
