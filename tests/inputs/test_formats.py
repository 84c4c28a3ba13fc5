from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from airflow_provider_bik.errors import BikConfigError
from tests.inputs.support import COMPRESSIONS, WRITERS, details, read, rows_in

ROWS = [{"email": f"customer{n}@example.com", "city": 'Łódź, "old" town\nand more'} for n in range(1500)]
TEXT_FILES = [name for name in WRITERS if not name.endswith(".parquet")]


@pytest.mark.parametrize(
    "name", [*(name + packed for name, packed in itertools.product(TEXT_FILES, COMPRESSIONS)), "rows.parquet"]
)
def test_the_name_says_what_is_in_a_file(tmp_path: Path, name: str) -> None:
    packed = Path(name).suffix if Path(name).suffix in COMPRESSIONS else ""
    (tmp_path / name).write_bytes(COMPRESSIONS[packed](WRITERS[name.removesuffix(packed)](ROWS)))
    assert rows_in(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("written", "file_format"),
    [
        ("rows.ndjson", "ndjson"),
        ("rows.json", "json"),
        ("lines.json", "json"),
        ("rows.csv", "csv"),
        ("rows.tsv", "tsv"),
        ("rows.parquet", "parquet"),
    ],
)
def test_file_format_goes_before_the_name(tmp_path: Path, written: str, file_format: str) -> None:
    for name in ("extract", "extract.xml", "misnamed.csv", "misnamed.parquet", "misnamed.json"):
        (tmp_path / name).write_bytes(WRITERS[written](ROWS))
        assert rows_in(tmp_path / name, file_format=file_format) == ROWS


@pytest.mark.parametrize("name", ["ROWS.CSV", "Rows.Csv.GZ"])
def test_capitals_in_a_name_make_no_difference(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(COMPRESSIONS[name[8:].lower()](WRITERS["rows.csv"](ROWS)))
    assert rows_in(tmp_path / name) == ROWS


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"a\n")
    with pytest.raises(BikConfigError, match=r"file_format must be one of '?ndjson'?, .*'?parquet'?"):
        read(tmp_path / "rows.csv", file_format="xlsx")


def test_files_of_different_formats_are_read_one_after_the_other(tmp_path: Path) -> None:
    names = ["rows.csv", "rows.parquet", "rows.json", "rows.ndjson"]
    for name in names:
        (tmp_path / name).write_bytes(WRITERS[name](ROWS[:3]))
    items = read([*(str(tmp_path / name) for name in names), {"email": "one more"}])
    assert [item.position for item in items] == list(range(13))
    assert [item.raw for item in items] == [*(ROWS[:3] * 4), {"email": "one more"}]


@pytest.mark.parametrize(
    ("name", "locations"),
    [
        # Each row of the CSV takes two lines.
        ("rows.csv", ["rows.csv:2", "rows.csv:4", "rows.csv:6"]),
        ("rows.tsv", ["rows.tsv:2", "rows.tsv:4", "rows.tsv:6"]),
        ("rows.ndjson", ["rows.ndjson:1", "rows.ndjson:2", "rows.ndjson:3"]),
        ("rows.json", ["rows.json:1", "rows.json:2", "rows.json:3"]),
        ("pretty.json", ["pretty.json:1", "pretty.json:2", "pretty.json:3"]),
        ("rows.parquet", ["rows.parquet:1", "rows.parquet:2", "rows.parquet:3"]),
        ("behind-each-other.ndjson", [f"behind-each-other.ndjson:1{nth}" for nth in ("", "#2", "#3")]),
    ],
)
def test_a_location_is_where_a_person_finds_the_row(tmp_path: Path, name: str, locations: list[str]) -> None:
    (tmp_path / name).write_bytes(WRITERS[name](ROWS[:3]))
    assert [item.location for item in read(tmp_path / name)] == locations


@pytest.mark.parametrize("name", TEXT_FILES)
@pytest.mark.parametrize("packed", COMPRESSIONS)
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str, packed: str) -> None:
    (tmp_path / name).write_bytes(COMPRESSIONS[packed](b"\xef\xbb\xbf" + WRITERS[name](ROWS[:3])))
    assert rows_in(tmp_path / name) == ROWS[:3]


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json", "rows"])
def test_an_empty_file_of_json_holds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert read(tmp_path / name) == []


@pytest.mark.parametrize("content", [b"[]", b" \n[ \n ]\n"])
def test_an_empty_array_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.json").write_bytes(content)
    assert read(tmp_path / "rows.json") == []


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json", "pretty.json"])
def test_a_rejected_event_gives_back_its_event_from_lines_as_from_an_array(tmp_path: Path, name: str) -> None:
    rejected = {"bik_rejected": 1, "attempts": 3, "event": {"email": "asha@example.com"}}
    (tmp_path / name).write_bytes(WRITERS[name]([rejected]))
    (item,) = read(tmp_path / name)
    assert (item.raw, item.attempts, item.is_row) == ({"email": "asha@example.com"}, 3, False)


def test_nesting_without_end_rejects_the_one_item(tmp_path: Path) -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    for name, content in {"d.ndjson": deep + b'\n{"a":1}', "d.json": b"[" + deep + b',{"a":1}]'}.items():
        (tmp_path / name).write_bytes(content)
        items = read(tmp_path / name)
        assert details(items) == {f"{name}:1": "not JSON"}
        assert items[1].raw == {"a": 1}
