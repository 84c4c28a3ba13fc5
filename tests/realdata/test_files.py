"""K3, K10, K11, K14: files that are not what they should be, and those that are and look different."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.events import Column, EventMapping, Reading
from tests.inputs.support import tarred, zipped
from tests.realdata.support import Shop

ORDERS = EventMapping(event_name="ordered", email="email", properties={"id": "id"})
PRICES = EventMapping(
    event_name="ordered", email="email", properties={"product": "product", "price": Column("price", cast="number")}
)
CSV = "email,id\nkavya@example.com,1\nnila@example.com,2\n"
ROWS = [{"email": "kavya@example.com", "id": "1"}, {"email": "nila@example.com", "id": "2"}]
PEOPLE = ["kavya@example.com", "nila@example.com"]


ZIP = zipped(**{"orders.csv": CSV.encode() * 50})
XLSX = zipped(**{"[Content_Types].xml": b"<x/>" * 200, "xl/worksheets/sheet1.xml": CSV.encode() * 50})


def test_s04_a_key_that_is_null_may_be_left_out_whatever_the_order_of_the_rows(shop: Shop) -> None:
    mapping = EventMapping(
        event_name="ordered", email="email", phone_number="mobile", properties={"coupon": "coupon", "id": "id"}
    )
    rows = [
        {"email": "kavya@example.com", "id": 1},
        {"email": "nila@example.com", "mobile": "+919812345670", "coupon": "X", "id": 2},
    ]
    for given in (rows, rows[::-1]):
        outcome = shop.send(shop.file("export.ndjson", given), mapping)
        assert sorted(outcome.of("email")) == PEOPLE
        assert sorted(properties["id"] for properties in outcome.properties) == [1, 2]


def test_s05_a_month_with_another_header_stops_all_before_the_first_event(shop: Shop) -> None:
    mapping = EventMapping(event_name="ordered", email="email", created_at="paid_at", properties={"id": "id"})
    shop.file("drift/orders-2026-01.csv", "id,email,paid_at\n1,kavya@example.com,2026-01-05\n")
    shop.file("drift/orders-2026-02.csv", "id,email,Paid at\n2,nila@example.com,2026-02-05\n")
    outcome = shop.send(str(shop.directory / "drift" / "orders-*.csv"), mapping)
    assert outcome.events == []
    assert outcome.error is not None
    assert "orders-2026-02.csv" in outcome.error
    assert "there is no column 'paid_at'; the nearest is 'Paid at'" in outcome.error


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Email,ID", "the nearest is 'Email'"),
        ("email ,id", "the nearest is 'email '"),
        ("Orders of May,,", "there is no column 'email'"),
        ("kavya@example.com,1", "there is no column 'email'"),
    ],
)
def test_k3_a_header_that_is_no_header_is_named_without_data(shop: Shop, header: str, says: str) -> None:
    outcome = shop.send(shop.file("orders.csv", f"{header}\nkavya@example.com,1\n"), ORDERS)
    assert outcome.events == []
    assert outcome.error is not None
    assert says in outcome.error
    assert "kavya@example.com" not in outcome.error


def test_k3_a_key_that_no_row_has_is_a_mistake(shop: Shop) -> None:
    outcome = shop.send(shop.file("export.ndjson", [{"Email": "kavya@example.com", "id": 1}] * 3), ORDERS)
    assert outcome.events == []
    assert outcome.error is not None
    assert "the nearest is 'Email'" in outcome.error


OBJECTS = [json.dumps(row) for row in ROWS]


def test_s13_objects_without_line_ends_are_counted_one_by_one(shop: Shop) -> None:
    outcome = shop.send(shop.file("firehose.ndjson", "".join(OBJECTS) + OBJECTS[0] + "\n" + "\n".join(OBJECTS)), ORDERS)
    assert outcome.report["confirmed"] == 5
    broken = shop.send(shop.file("firehose.ndjson", OBJECTS[0] + '{"email": ' + OBJECTS[1] + "\n" + OBJECTS[1]), ORDERS)
    assert (broken.report["confirmed"], broken.report["rejected"]) == (2, 1)


def test_s14_powershell_writes_a_byte_order_mark_or_utf_16(shop: Shop) -> None:
    array = json.dumps(ROWS, indent=2).replace("\n", "\r\n")
    for name, content in {"a.json": array, "b.ndjson": "\r\n".join(OBJECTS)}.items():
        assert shop.send(shop.file(name, f"\ufeff{content}"), ORDERS).of("email") == PEOPLE
        path = shop.file(f"16{name}", content.encode("utf-16"))
        refused = shop.send(path, ORDERS)
        assert (refused.events, refused.report.get("rejected", 0)) == ([], 0)
        assert "text in UTF-16. Say encoding='utf-16'" in (refused.error or "")
        assert shop.send(path, ORDERS, reading=Reading(encoding="utf-16")).of("email") == PEOPLE


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps([[ROWS[0]], [], [ROWS[1]]]),
        f"[{OBJECTS[0]}]\n[{OBJECTS[1]}]",
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "\r".join(OBJECTS),
        "\n\n".join(OBJECTS),
    ],
    ids=["array", "arrays in an array", "arrays", "pretty objects", "old line ends", "blank lines"],
)
@pytest.mark.parametrize("name", ["orders.json", "orders.ndjson", "orders"])
def test_k10_json_is_read_in_every_shape(shop: Shop, content: str, name: str) -> None:
    assert shop.send(shop.file(name, content), ORDERS).of("email") == PEOPLE


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"orders": ROWS, "next": None}, "orders"),
        ({"data": {"orders": ROWS}, "errors": []}, "$.data.orders[*]"),
    ],
)
def test_k10_a_wrapped_array_asks_for_its_path(shop: Shop, document: dict[str, Any], path: str) -> None:
    file = shop.file("page.json", json.dumps(document))
    for mapping in (ORDERS, None):
        refused = shop.send(file, mapping)
        assert refused.events == []
        assert "json_path" in (refused.error or "")
    assert shop.send(file, ORDERS, reading=Reading(json_path=path)).of("email") == PEOPLE


def test_k10_what_is_no_json_is_counted_line_by_line_and_says_why(shop: Shop) -> None:
    lines = [OBJECTS[0], '{"email": "kavya@example.com", "id": NaN}', "{'email': 'x'}", '["kavya"]', "null", OBJECTS[1]]
    outcome = shop.send(shop.file("orders.ndjson", "\n".join(lines)), ORDERS)
    assert outcome.of("email") == PEOPLE
    assert [line["detail"][:20] for line in outcome.rejected] == [
        "not JSON, which has ",
        "not JSON",
        "not a JSON object",
        "not a JSON object",
    ]


def test_k10_a_file_that_is_cut_short_is_never_a_whole_one(shop: Shop) -> None:
    for name, content in {
        "a.json": json.dumps(ROWS)[:-5].encode(),
        "b.json": b'{"orders": [' + OBJECTS[0].encode(),
        "c.ndjson.gz": gzip.compress("\n".join(OBJECTS * 99).encode())[:-9],
        "d.ndjson.gz": b"",
    }.items():
        reading = Reading(json_path="orders" if name == "b.json" else None)
        outcome = shop.send(shop.file(name, content), ORDERS, reading=reading)
        assert "cut short" in (outcome.error or "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("orders_export.csv.zip", ZIP, "zip archive"),
        ("orders.csv", ZIP, "zip archive"),
        ("orders.csv.gz", gzip.compress(ZIP), "zip archive"),
        ("orders.xlsx", XLSX, "Excel"),
        ("orders.csv", XLSX, "Excel"),
        ("orders.csv.gz", gzip.compress(XLSX), "Excel"),
        ("orders.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel"),
        ("orders.csv.bz2", bz2.compress(CSV.encode() * 50), "bzip2"),
        ("orders.csv.xz", lzma.compress(CSV.encode()), "xz"),
        ("orders.tar.gz", gzip.compress(tarred(**{"orders.csv": CSV.encode()})), "tar archive"),
        ("orders.csv.gz", gzip.compress(gzip.compress(CSV.encode())), "compressed twice"),
        ("orders.csv.gz", gzip.compress(CSV.encode()) + b"\nmore", "damaged"),
        ("orders.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML page"),
        ("orders.json", b'<?xml version="1.0"?><Error/>', "XML or HTML"),
        ("orders.ndjson", b"%PDF-1.7\n1 0 obj", "PDF"),
        ("orders.csv", CSV.encode("utf-16"), "UTF-16"),
        ("orders.csv", CSV.encode("utf-16-le"), "utf-16-le"),
        ("orders.csv", "\n".join(OBJECTS).encode(), "is JSON"),
        ("orders.json", CSV.encode(), "file_format='csv'"),
        ("orders.csv", b"PAR1\x15\x04\x15\x00" + bytes(50), "Parquet"),
        ("orders.csv", bytes(range(256)) * 20, "binary data"),
        ("orders.csv", b"", "no header line"),
        ("orders.csv", b"\n\n", "no header line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_s24_k11_what_is_something_else_is_one_error_that_says_what(
    shop: Shop, name: str, content: bytes, says: str
) -> None:
    outcome = shop.send(shop.file(name, content), ORDERS)
    assert (outcome.events, outcome.rejected) == ([], [])
    assert outcome.error is not None
    assert says in outcome.error
    assert "kavya" not in outcome.error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.csv", "email,id\n"),
        ("orders.csv", "email,id"),
        ("orders.ndjson", ""),
        ("orders.json", "[]"),
        ("orders.json", "[[]]"),
        ("orders.json.gz", gzip.compress(b"")),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_k11_a_file_that_holds_nothing_is_nothing_to_send(shop: Shop, name: str, content: str | bytes) -> None:
    outcome = shop.send(shop.file(name, content), ORDERS)
    assert (outcome.error, outcome.report["read"]) == (None, 0)


def test_s15_the_letters_of_windows(shop: Shop) -> None:
    text = "email,product,price\nkavya@example.com,Café crème,5\nnila@example.com,Tea £2,2\narjun@example.com,Plain,1\n"
    path = shop.file("orders.csv", text.encode("cp1252"))
    outcome = shop.send(path, PRICES)
    assert outcome.of("email") == ["arjun@example.com"]
    assert outcome.rejected[0]["detail"] == "not UTF-8; see encoding"
    told = shop.send(path, PRICES, reading=Reading(encoding="cp1252"))
    assert [row["product"] for row in told.properties] == ["Café crème", "Tea £2", "Plain"]


def test_s16_the_csv_of_a_european_spreadsheet(shop: Shop) -> None:
    comma = Reading(decimal_comma=True)
    rows = "kavya@example.com;Kettle;12,50\nnila@example.com;Pan;1.234,50\narjun@example.com;Cup;1.234\n"
    for start in ("", "\ufeff", "sep=;\r\n", "\ufeffsep=;\n"):
        path = shop.file("orders.csv", f"{start}email;product;price\n{rows}")
        assert [row["price"] for row in shop.send(path, PRICES, reading=comma).properties] == [12.5, 1234.5, 1234]
    outcome = shop.send(path, PRICES)
    assert outcome.reasons == ["cast_failed"] * 2
    comma_file = shop.file("sep.csv", "sep=,\nemail,product,price\nkavya@example.com,Kettle,12.50\n")
    assert shop.send(comma_file, PRICES).properties == [{"product": "Kettle", "price": 12.5}]


@pytest.mark.parametrize(("separator", "name"), [(";", "a.csv"), ("\t", "a.csv"), ("\t", "a.tsv"), ("|", "a.csv")])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_k14_every_separator_and_line_end_that_is_certain(
    shop: Shop, separator: str, name: str, quoted: bool, end: str
) -> None:
    rows = [[f'"{cell}"' if quoted else cell for cell in line.split(",")] for line in CSV.splitlines()]
    text = "\ufeff" + end.join(separator.join(row) for row in rows) + end
    assert shop.send(shop.file(name, text), ORDERS).of("email") == PEOPLE


def test_k14_what_is_not_certain_is_asked_for(shop: Shop) -> None:
    path = shop.file("a.csv", "email~id\nkavya@example.com~1\n")
    assert "there is no column 'email'" in (shop.send(path, ORDERS).error or "")
    assert shop.send(path, ORDERS, reading=Reading(delimiter="~")).of("email") == PEOPLE[:1]


def test_s17_a_column_without_a_name_that_nobody_needs(shop: Shop) -> None:
    for text in (
        ",email,id\n0,kavya@example.com,1\n",
        "email,id,\nkavya@example.com,1,\n",
        "email,id,x,x\nkavya@example.com,1,2,3\n",
    ):
        path = shop.file("orders.csv", text)
        outcome = shop.send(path, ORDERS)
        assert outcome.of("email") == PEOPLE[:1]
        assert outcome.logged("left out")
        assert "A retry cannot help" in (shop.send(path).error or "")
    twice = shop.send(shop.file("orders.csv", "email,id,email\nkavya@example.com,1,x\n"), ORDERS)
    assert "columns 1, 3 have the same name email" in (twice.error or "")


def test_k14_rows_that_are_too_long_or_too_short_are_rejected_alone(shop: Shop) -> None:
    text = 'email,id\nkavya@example.com,1,\nTotal,99\nnila@example.com\narjun@example.com,"1\n2"\n'
    outcome = shop.send(shop.file("orders.csv", text), ORDERS)
    assert outcome.properties == [{"id": "1\n2"}]
    assert outcome.reasons == ["unparsable", "email_invalid", "unparsable"]


@pytest.mark.parametrize(
    "name",
    [
        *("orders #1.csv", "orders%201.csv", "100%.csv", "orders (1).csv", "orders [final].csv", "orders?.csv"),
        *("März.csv", "orders 10:30:00.csv", "ORDERS.CSV", "not packed.csv.gz", "kavya@example.csv", "'quoted'.csv"),
    ],
)
def test_s31_a_file_may_be_called_anything(shop: Shop, name: str) -> None:
    outcome = shop.send(shop.file(name, CSV), ORDERS)
    assert outcome.of("email") == PEOPLE
    assert shop.send(Path(shop.directory / name).as_posix(), ORDERS).report["read"] == 2


@pytest.mark.parametrize("name", ["orders", "orders.txt", "orders.dat"])
def test_s31_a_name_that_says_nothing_asks_for_the_format(shop: Shop, name: str) -> None:
    path = shop.file(name, CSV.replace(",", "\t"))
    assert "file_format='csv'" in (shop.send(path, ORDERS).error or "")
    assert shop.send(path, ORDERS, reading=Reading(file_format="csv")).of("email") == PEOPLE
