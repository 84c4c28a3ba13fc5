from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.inputs import csv_rows
from tests.inputs.support import details, read, rows_in


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.csv"


def test_every_value_is_text_and_an_empty_cell_is_null(file: Path) -> None:
    file.write_bytes(b'id,total,note,flag\n007,1e3,,true\n8,"","a ""b"", c",\n')
    assert rows_in(file) == [
        {"id": "007", "total": "1e3", "note": None, "flag": "true"},
        {"id": "8", "total": None, "note": 'a "b", c', "flag": None},
    ]


def test_lines_may_end_as_on_windows_and_the_last_one_not_at_all(file: Path) -> None:
    file.write_bytes(b'a,b\r\n1,"x\r\ny"\r\n\r\n2,z')
    items = read(file)
    assert [item.raw for item in items] == [{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": "z"}]
    assert [item.location for item in items] == ["orders.csv:2", "orders.csv:5"]


def test_white_space_is_part_of_a_cell(file: Path) -> None:
    file.write_bytes(b"a,b\n 1 ,\t\n")
    assert rows_in(file) == [{"a": " 1 ", "b": "\t"}]


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (b"1,2", "2 cells, but 3 columns"),
        (b"1,2,3,4", "4 cells, but 3 columns"),
        (b"1,2,\xff", "not UTF-8"),
        (b'1,"2\n\xff",3', "not UTF-8"),
        (b"1,2\0,3", "a NUL byte; is it UTF-16, or no text at all?"),
        (b"1," + b"x" * 200_000 + b",3", "not CSV: field larger than field limit (131072) (in lines 3-3)"),
        (b'1,"2"x,3', "not CSV: ',' expected after '\"' (in lines 3-3)"),
        (b"1,2\r2,3", "not CSV: new-line character seen in unquoted field"),
    ],
)
def test_a_broken_row_is_a_rejection_and_its_neighbours_are_read(file: Path, row: bytes, detail: str) -> None:
    file.write_bytes(b"a,b,c\nbefore,1,1\n" + row + b"\nafter,1,1\n")
    items = read(file)
    assert [item.position for item in items] == [0, 1, 2]
    assert [item.raw for item in (items[0], items[2])] == [{"a": a, "b": "1", "c": "1"} for a in ("before", "after")]
    assert list(details(items)) == ["orders.csv:3"]
    assert details(items)["orders.csv:3"].startswith(detail)
    assert isinstance(items[1].raw, str)
    assert items[1].raw.startswith("1,")


def test_each_line_that_a_stray_quote_swallows_is_a_rejection_so_that_no_row_is_lost_unseen(file: Path) -> None:
    file.write_bytes(b'a,b\n1,x\n2,"oops\n3,y\n4,"z"\n5,fine\n')
    items = read(file)
    assert [(item.location, item.raw) for item in items] == [
        ("orders.csv:2", {"a": "1", "b": "x"}),
        ("orders.csv:3", '2,"oops'),
        ("orders.csv:4", "3,y"),
        ("orders.csv:5", '4,"z"'),
        ("orders.csv:6", {"a": "5", "b": "fine"}),
    ]


def test_a_quote_that_never_closes_rejects_every_line_to_the_end(file: Path) -> None:
    file.write_bytes(b'a,b\n1,"x\n' + b"2,y\n" * 5)
    assert list(details(read(file))) == [f"orders.csv:{line}" for line in range(2, 8)]


def test_a_quote_that_never_closes_does_not_read_the_file_into_memory(file: Path) -> None:
    file.write_bytes(b'a,b\n1,"x\n' + b"2,y\n" * 100_000)
    items = read(file)
    assert len(items) == 100_001
    assert 30_000 < len(details(items)) < 35_000
    assert items[-1].raw == {"a": "2", "b": "y"}


def test_a_row_of_quoted_cells_without_end_is_bounded_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_LINE_BYTES", 10_000)
    file.write_bytes(b'a,b\n"' + b'x\n","' * 50_000 + b'"\n1,2\n')
    items = read(file)
    assert "not CSV: a row longer than 10000 bytes (in lines 2-2502)" in details(items).values()
    assert items[0].location == "orders.csv:2"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it has no header line"),
        (b"\n1,2\n", "it has no header line"),
        (b"a,,c,\n1,2,3,4\n", "column 2, 4 has no name"),
        (b"a, ,c\n1,2,3\n", "column 2 has no name"),
        (b"id,email,id\n1,2,3\n", "columns 1, 3 have the same name id"),
        (b"a,\xff\n1,2\n", "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "a NUL byte; is it UTF-16"),
        (b'a,"b\n1,2\n', "its header line is not CSV"),
        (b"PAR1\0\0", "a NUL byte"),
    ],
)
def test_a_header_line_that_does_not_name_every_column_once_is_an_error(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(BikInputError, match=f"orders.csv cannot be read: {says}"):
        read(file)


def test_data_where_the_header_line_should_be_is_not_repeated_in_the_error(file: Path) -> None:
    file.write_bytes(b"asha@example.com,asha@example.com\n")
    with pytest.raises(BikInputError, match="columns 1, 2 have the same name") as caught:
        read(file)
    assert "asha" not in str(caught.value)


def test_a_header_line_alone_is_an_empty_table(file: Path) -> None:
    file.write_bytes(b"a,b\n")
    assert read(file) == []


def test_a_tab_separates_the_cells_of_a_tsv(tmp_path: Path) -> None:
    (tmp_path / "orders.tsv").write_bytes(b'a\tb\n1,5\t"x\ty"\n')
    assert rows_in(tmp_path / "orders.tsv") == [{"a": "1,5", "b": "x\ty"}]
