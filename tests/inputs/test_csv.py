from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError, BikInputError
from airflow_provider_bik.inputs import csv_rows
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE
from tests.inputs.support import details, ndjson, read, rows_in


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
        (b"1,2,\xff", "not UTF-8; see encoding"),
        (b'1,"2\n\xff",3', "not UTF-8"),
        (b"1,2\0,3" + b" " * 20, "a NUL byte"),
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
        (b"a,\0b\n" + b"1,2\n" * 9, "a NUL byte"),
        (b"a, ,c\n1,2,3\n", "column 2 has no name"),
        (b"id,email,id\n1,2,3\n", "columns 1, 3 have the same name id"),
        (b"a,\xff\n1,2\n", "not UTF-8"),
        (b'a,"b\n1,2\n', "its header line is not CSV"),
    ],
)
def test_a_header_line_that_does_not_name_every_column_once_is_an_error(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(BikInputError, match=f"orders.csv in .* cannot be read: {says}"):
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


def test_the_null_of_mysql_is_null_and_the_words_of_others_are_left_to_the_mapping(file: Path) -> None:
    file.write_bytes(rb"""a,b,c,d
\N,"\N",NULL,x\N
""")
    assert rows_in(file) == [{"a": None, "b": None, "c": "NULL", "d": r"x\N"}]


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_the_one_separator_in_the_header_line_is_taken_if_it_is_certain(file: Path, separator: str) -> None:
    file.write_text(f'email{separator}"a,b"{separator}price\nasha@example.com{separator}x{separator}"12,50"\n')
    if separator == ",":
        assert rows_in(file) == [{"email": "asha@example.com", "a,b": "x", "price": "12,50"}]
    else:
        assert rows_in(file) == [{"email": "asha@example.com", "a,b": "x", "price": "12,50"}]
        file.write_text(f"email{separator}x{separator}price\nasha@example.com\nravi@example.com\n")
        assert rows_in(file) == [
            {f"email{separator}x{separator}price": f"{name}@example.com"} for name in ("asha", "ravi")
        ]
    file.write_text(f"email{separator}x,y;z|\n1{separator}2,3;4|\n")
    columns = f"email{separator}x,y;z|".split(",")
    assert rows_in(file) == [dict(zip(columns, f"1{separator}2,3;4|".split(","), strict=True))]


def test_a_delimiter_that_is_given_goes_before_what_the_file_says(file: Path) -> None:
    file.write_bytes(b"a,b;c\n1,5;2\n")
    assert rows_in(file, delimiter=";") == [{"a,b": "1,5", "c": "2"}]
    file.write_bytes(b"sep=,\na,b;c\n1,5;2\n")
    assert rows_in(file, delimiter=";") == [{"a,b": "1,5", "c": "2"}]


@pytest.mark.parametrize("first", [b"sep=;\n", b"SEP=;\r\n", b'"sep=;"\n', b"\xef\xbb\xbfsep=;\n"])
def test_a_line_that_names_the_separator_is_obeyed_and_no_row(file: Path, first: bytes) -> None:
    file.write_bytes(first + b"a,x;b\n1,5;2\n")
    items = read(file)
    assert [(item.location, item.raw) for item in items] == [("orders.csv:3", {"a,x": "1,5", "b": "2"})]


def test_lines_may_end_as_on_old_macs(file: Path) -> None:
    file.write_bytes(b'a,b\r1,"x\ry"\r\r2,z\r')
    items = read(file)
    assert [item.raw for item in items] == [{"a": "1", "b": "x\ry"}, {"a": "2", "b": "z"}]
    assert [item.location for item in items] == ["orders.csv:2", "orders.csv:5"]


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-32-be", "mac-roman", "utf-8-sig"]
)
def test_text_of_another_encoding_is_read_if_it_is_named(tmp_path: Path, encoding: str) -> None:
    rows = [{"product": f"CAFÉ £{number}", "price": "2,55"} for number in range(3000)]
    text = "product,price\n" + "".join(f'{row["product"]},"{row["price"]}"\n' for row in rows)
    (tmp_path / "orders.csv").write_bytes(text.encode(encoding))
    assert rows_in(tmp_path / "orders.csv", encoding=encoding) == rows
    (tmp_path / "orders.ndjson").write_bytes(ndjson(rows).decode("unicode-escape").encode(encoding))
    assert rows_in(tmp_path / "orders.ndjson", encoding=encoding) == rows


def test_bytes_without_meaning_in_the_encoding_reject_their_row(file: Path) -> None:
    file.write_bytes("product\nCAFÉ\n".encode("cp1252") + b"x\x81\ny\n")
    items = read(file, encoding="cp1252")
    assert [item.raw for item in items if not item.problem] == [{"product": "CAFÉ"}, {"product": "y"}]
    assert details(items) == {"orders.csv:3": "not CP1252; see encoding"}


@pytest.mark.parametrize("content", [b",email,total\n0,a,1\n", b"email,total,\na,1,\n", b" ,email,total,\n0,a,1,\n"])
def test_a_column_without_a_name_does_no_harm_if_the_mapping_does_without(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(content)
    assert rows_in(file, needs=["email"]) == [{"email": "a", "total": "1"}]
    with pytest.raises(BikInputError, match="has no name"):
        read(file)


def test_a_name_that_stands_there_twice_is_an_error_only_if_it_is_used(file: Path) -> None:
    file.write_bytes(b"id,email,id\n1,a,2\n")
    assert rows_in(file, needs=["email"]) == [{"email": "a"}]
    with pytest.raises(BikInputError, match="columns 1, 3 have the same name id"):
        read(file, needs=["id"])
    with pytest.raises(BikConfigError, match="there is no column Id;"):
        read(file, needs=["Id"])


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5) | st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "\r", ";", '"\n"']
)


@given(cells=st.lists(st.lists(CELL, max_size=4), max_size=6), quoted=st.booleans())
def test_what_is_accepted_is_what_the_csv_module_reads(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], quoted: bool
) -> None:
    text = "a,b\n" + "\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row) for row in cells
    )
    file = tmp_path_factory.getbasetemp() / "property.csv"
    file.write_bytes(text.encode())
    items = read(file, delimiter=",")
    accepted = [list(item.raw.values()) for item in items if isinstance(item.raw, dict)]
    try:
        rows = list(csv.reader(io.StringIO(text, newline="\n"), strict=True))
    except csv.Error:
        return
    assert accepted == [[cell or None for cell in row] for row in rows[1:] if len(row) == 2]
    assert len(items) == sum(1 for row in rows[1:] if row)


ODD_LINES = [
    *('1,"x\ny"', '1,"x\n\n\ny"', "", "1", "1,2,3", '1,"x"y', '1,"x', '"1","2"'),
    *("\xff,2", "1,\0", "\\N,", '1,"""x"""'),
]


@settings(max_examples=60)
@given(odd=st.lists(st.tuples(st.integers(100, 2 * ROWS_AT_ONCE + 2), st.sampled_from(ODD_LINES)), max_size=4))
def test_a_row_is_the_same_wherever_it_stands_in_a_long_file(
    tmp_path_factory: pytest.TempPathFactory, odd: list[tuple[int, str]]
) -> None:
    # By its first 4 kB, which are plain, a file is known as text.
    lines = [f"{number},{'plain' * 9}" for number in range(2 * ROWS_AT_ONCE + 3)]
    for position, line in odd:
        lines[position] = line
    file = tmp_path_factory.getbasetemp() / "long.csv"
    file.write_bytes(b"a,b\n" + b"\n".join(line.encode("latin-1") for line in lines))
    # One line after the other, as the general way has it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "_one_of_each", lambda *_: None)
        one_by_one = read(file)
    assert read(file) == one_by_one
    assert len(one_by_one) >= len(lines) - 4 * len(odd) or any('"x' in line for _, line in odd)
