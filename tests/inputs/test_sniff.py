from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.inputs.formats import unreadable
from tests.inputs.support import details, parquet, read, rows_in, stream, tarred, zipped

CSV = b"email,total\n" + b"asha@example.com,499.00\n" * 50


def by_pyarrow(form: str) -> bytes:
    target = io.BytesIO()
    table = pa.table({"email": ["asha@example.com"]})
    if form == "orc":
        pyarrow.orc.write_table(table, target)
    else:
        pyarrow.feather.write_feather(table, target, compression="uncompressed")
    return target.getvalue()


OTHER_FORMS: Mapping[str, tuple[bytes, str]] = {
    "zip": (zipped(**{"orders.csv": CSV}), "a zip archive.*Unpack it"),
    "empty zip": (zipped(), "a zip archive"),
    "xlsx": (zipped(**{"[Content_Types].xml": b"<x/>" * 200, "xl/sheet1.xml": CSV}), "an Excel .*as CSV"),
    "xlsx in another order": (zipped(**{"docProps/app.xml": b"<x/>", "xl/workbook.xml": CSV}), "an Excel"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an old Excel"),
    "bzip2": (bz2.compress(CSV), "compressed with bzip2"),
    "xz": (lzma.compress(CSV), "compressed with xz"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
    "tar": (tarred(**{"orders.csv": CSV}), "a tar archive"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "orc": (by_pyarrow("orc"), "an ORC file"),
    "arrow": (by_pyarrow("arrow"), "an Arrow or Feather file"),
    "avro": (b"Obj\x01\x04\x14avro.codec\x08null", "an Avro file"),
    "pickle": (pickle.dumps([{"email": "asha@example.com"}]), "a Python pickle"),
    "sqlite": (b"SQLite format 3\0" + bytes(100), "an SQLite database"),
    "html": (b"\n<!DOCTYPE html><html>asha@example.com</html>", "an HTML page.*upstream"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML or HTML"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
    "utf-16": ("email,total\nasha@example.com,1\n".encode("utf-16"), "text in UTF-16. Say encoding='utf-16'"),
    "utf-16-le": (CSV.decode().encode("utf-16-le"), "text in UTF-16-LE"),
    "utf-16-be": ('[{"email":"a"}]'.encode("utf-16-be"), "text in UTF-16-BE"),
    "utf-32": (CSV.decode().encode("utf-32"), "text in UTF-32"),
    "utf-32-be": (CSV.decode().encode("utf-32-be"), "text in UTF-32-BE"),
    "binary": (bytes(range(256)) * 9, "binary data"),
    "zeros": (bytes(1000), "binary data"),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("name", ["orders.csv", "orders.ndjson", "orders.json", "orders.parquet", "orders"])
def test_what_no_reader_takes_is_one_error_that_says_what_it_is(tmp_path: Path, form: str, name: str) -> None:
    content, says = OTHER_FORMS[form]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BikInputError, match=rf"^{name} in .* is (no text, but )?{says}") as caught:
        read(tmp_path / name)
    assert "asha" not in str(caught.value)
    if name != "orders.parquet":
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        with pytest.raises(BikInputError, match=says):
            read(tmp_path / f"{name}.gz")


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv.zip", "a.csv.bz2"])
def test_the_name_does_not_matter_where_the_content_says_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(OTHER_FORMS["zip"][0])
    with pytest.raises(BikInputError, match="is a zip archive"):
        read(tmp_path / name)


def test_nothing_of_a_pattern_is_given_if_one_of_its_files_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(CSV)
    (tmp_path / "2.csv").write_bytes(OTHER_FORMS["zip"][0])
    for paths in (tmp_path / "*.csv", [str(tmp_path / "1.csv"), str(tmp_path / "2.csv")]):
        source = stream(paths)
        with pytest.raises(BikInputError, match=r"2\.csv in .* is a zip archive"):
            next(source)


def test_parquet_is_known_by_its_bytes_where_the_name_says_nothing(tmp_path: Path) -> None:
    content = parquet([{"id": 1}])
    (tmp_path / "part-0001").write_bytes(content)
    assert rows_in(tmp_path / "part-0001") == [{"id": 1}]
    (tmp_path / "orders.csv").write_bytes(content)
    with pytest.raises(
        BikInputError, match=r"is a Parquet file, by its first bytes, and not csv.*file_format='parquet'"
    ):
        read(tmp_path / "orders.csv")
    assert rows_in(tmp_path / "orders.csv", file_format="parquet") == [{"id": 1}]
    (tmp_path / "orders.parquet.gz").write_bytes(gzip.compress(content))
    with pytest.raises(BikInputError, match="is a compressed Parquet file"):
        read(tmp_path / "orders.parquet.gz")


def test_text_that_is_compressed_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(gzip.compress(CSV)))
    with pytest.raises(BikInputError, match="is compressed twice"):
        read(tmp_path / "orders.csv.gz")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("orders", CSV, "is of an unknown format.*file_format='csv'"),
        ("orders.txt", CSV, "is of an unknown format.*file_format='csv'"),
        ("orders.json", CSV, "holds no JSON.*file_format='csv'"),
        ("orders.csv", b'{"email":"asha@example.com"}\n', "is JSON, by its beginning, and not csv"),
        ("orders.csv", b'[\n  {"email":"asha@example.com"}]\n', "is JSON, by its beginning, and not csv"),
    ],
)
def test_text_that_is_not_what_its_name_says_is_an_error_with_what_to_say(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BikInputError, match=says) as caught:
        read(tmp_path / name)
    assert "asha" not in str(caught.value)


@pytest.mark.parametrize("name", ["orders", "orders.txt"])
def test_json_needs_no_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b' {"a":1}\n{"a":2}')
    assert rows_in(tmp_path / name) == [{"a": 1}, {"a": 2}]


def test_a_single_byte_of_damage_makes_no_binary_file(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(CSV + b"ra\0vi@example.com,1\n")
    assert list(details(read(tmp_path / "orders.csv"))) == ["orders.csv:52"]


@pytest.mark.parametrize(
    "header", [b"ORCID,email", b"PK,email", b"PAR1,email", b"Rar!,x", b"BZh9,x", b"7z,x", b"Object,x"]
)
def test_a_name_of_a_column_is_no_sign(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "orders.csv").write_bytes(header + b"\n1,2\n")
    assert len(read(tmp_path / "orders.csv")) == 1


@given(text=st.text(st.characters(exclude_characters="\0<", exclude_categories=["Cs"])))
def test_text_is_never_called_something_else(text: str) -> None:
    assert unreadable(text.encode(), "utf-8") is None
