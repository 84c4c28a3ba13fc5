"""Which names of columns are checked, and when."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bik.errors import BikConfigError, BikInputError
from tests.inputs.support import WRITERS, details, ndjson, parquet, read, rows_in, stream

ROW = {"email": "asha@example.com", "paid_at": "2026-01-05T10:00:00Z"}
OTHER = {"email": "ravi@example.com", "Paid at": "2026-02-05T10:00:00Z"}
NEEDS = ["email", "paid_at"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_the_header_of_every_file_of_a_pattern_is_checked_before_the_first_row(tmp_path: Path, suffix: str) -> None:
    for name, row in {"01": ROW, "02": OTHER, "03": ROW}.items():
        (tmp_path / f"orders-{name}.{suffix}").write_bytes(WRITERS[f"rows.{suffix}"]([row]))
    paths = [str(tmp_path / f"orders-{name}.{suffix}") for name in ("01", "02", "03")]
    for given in (tmp_path / f"*.{suffix}", paths, tuple(paths), [paths[:1], paths[1:]]):
        with pytest.raises(BikConfigError, match=rf"orders-02\.{suffix} .*no column paid_at; .*Paid at"):
            next(stream(given, needs=NEEDS))
    assert len(read(tmp_path / f"orders-01.{suffix}", needs=NEEDS)) == 1


def test_the_header_of_a_file_that_is_known_only_later_is_checked_before_its_first_row(tmp_path: Path) -> None:
    for name, row in {"01": ROW, "02": OTHER}.items():
        (tmp_path / f"{name}.csv").write_bytes(WRITERS["rows.csv"]([row]))
    source = stream((str(tmp_path / f"{name}.csv") for name in ("01", "02")), needs=NEEDS)
    assert next(source).raw == ROW
    with pytest.raises(BikConfigError, match=r"02\.csv .*no column paid_at"):
        next(source)


@pytest.mark.parametrize("order", list(itertools.permutations([{"a": 1}, {"b": 2}, {"a": 1, "b": 2}])))
@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json", "behind-each-other.ndjson", None])
def test_a_key_that_some_rows_lack_is_null_whatever_their_order(
    tmp_path: Path, order: list[dict[str, int]], name: str | None
) -> None:
    given: Any = list(order)
    if name is not None:
        given = tmp_path / name
        given.write_bytes(WRITERS[name](order))
    assert rows_in(given, needs=["a", "b"]) == list(order)
    with pytest.raises(BikConfigError, match="no column c; there are"):
        read(given, needs=["a", "b", "c"])


def test_a_key_that_none_of_hundreds_of_rows_has_is_a_mistake_and_a_later_one_may_lack_all(tmp_path: Path) -> None:
    (tmp_path / "1.ndjson").write_bytes(ndjson([{"a": 1}] * 500 + [{"b": 1}]))
    with pytest.raises(BikConfigError, match=r"1\.ndjson .*no column b"):
        next(stream(tmp_path / "1.ndjson", needs=["a", "b"]))
    (tmp_path / "2.ndjson").write_bytes(ndjson([{"a": 1}] * 499 + [{"b": 1}] + [{}] * 1000))
    assert len(read(tmp_path / "2.ndjson", needs=["a", "b"])) == 1500


def test_events_and_what_cannot_be_read_have_no_columns() -> None:
    event = {"bik_rejected": 1, "event": {"eventName": "x"}}
    assert len(read([event, 5, None], needs=["a"])) == 3
    row = {"bik_rejected": 1, "row": {"b": 1}}
    with pytest.raises(BikConfigError, match="no column a; there are b"):
        read([event, row], needs=["a"])


def test_each_file_of_lines_has_to_have_the_keys(tmp_path: Path) -> None:
    (tmp_path / "1.ndjson").write_bytes(ndjson([ROW]))
    (tmp_path / "2.ndjson").write_bytes(ndjson([OTHER]))
    source = stream(tmp_path / "*.ndjson", needs=NEEDS)
    assert next(source).raw == ROW
    with pytest.raises(BikConfigError, match=r"2\.ndjson .*no column paid_at"):
        next(source)


def test_a_file_without_rows_has_no_keys_but_a_header(tmp_path: Path) -> None:
    (tmp_path / "1.ndjson").write_bytes(b"\n")
    assert read(tmp_path / "1.ndjson", needs=["a"]) == []
    (tmp_path / "2.csv").write_bytes(b"b\n")
    with pytest.raises(BikConfigError, match="no column a"):
        read(tmp_path / "2.csv", needs=["a"])


class TestARejectedEvent:
    @pytest.mark.parametrize(
        "row",
        [
            {"dead_letter": 1, "event": 2},
            {"bik_rejected": 1},
            {"bik_rejected": 1, "email": "a"},
            {"bik_rejected": "1", "event": {}},
            {"bik_rejected": True, "event": {}},
            {"bik_rejected": 1.0, "event": {}},
            {"bik_rejected": 2, "event": {}},
            {"bik_rejected": 1, "event": {}, "row": {}},
            {"event": {"bik_rejected": 1, "event": {}}},
        ],
        ids=str,
    )
    def test_is_not_what_has_only_the_name_of_the_key(self, tmp_path: Path, row: dict[str, object]) -> None:
        (tmp_path / "a.ndjson").write_bytes(ndjson([row]))
        assert rows_in(tmp_path / "a.ndjson") == [row]
        assert rows_in([row]) == [row]

    def test_is_not_what_stands_in_a_table(self, tmp_path: Path) -> None:
        row = {"bik_rejected": 1, "event": "x"}
        (tmp_path / "a.parquet").write_bytes(parquet([row]))
        assert rows_in(tmp_path / "a.parquet") == [row]

    def test_gives_back_its_row_or_its_event_and_how_often_it_was_sent(self, tmp_path: Path) -> None:
        rejected: list[dict[str, object]] = [
            {"bik_rejected": 1, "attempts": 2, "event": {"a": 1}},
            {"bik_rejected": 1, "attempts": "x", "row": {"b": 1}},
            {"bik_rejected": 1, "event": None},
        ]
        (tmp_path / "rejected.ndjson").write_bytes(ndjson(rejected))
        for given in (tmp_path / "rejected.ndjson", rejected):
            items = read(given)
            assert [(item.raw, item.is_row, item.attempts) for item in items] == [
                ({"a": 1}, False, 2),
                ({"b": 1}, True, 0),
                (None, False, 0),
            ]

    def test_may_be_edited_by_hand(self, tmp_path: Path) -> None:
        one = {"bik_rejected": 1, "event": {"a": [{"b": 1}]}}
        lines = [json.dumps(one), "", json.dumps(one, indent=2), "  ", json.dumps(one)]
        (tmp_path / "rejected.ndjson").write_text("\n".join(lines))
        items = read(tmp_path / "rejected.ndjson")
        assert [item.raw for item in items] == [{"a": [{"b": 1}]}] * 3
        assert [item.location for item in items] == [f"rejected.ndjson:{line}" for line in (1, 3, 14)]
        for damaged in ('{"bik_rejected": 1, "event": {"a": }}', '{"bik_rejected": 1, "event": {"a": 1}', "x"):
            (tmp_path / "rejected.ndjson").write_text("\n".join([lines[0], damaged, lines[0]]))
            items = read(tmp_path / "rejected.ndjson")
            assert list(details(items)) == ["rejected.ndjson:2"]

    def test_that_spans_lines_far_in_a_file_of_lines_is_rejections_and_no_other_is_lost(self, tmp_path: Path) -> None:
        line, pretty = json.dumps({"a": "x" * 500}), json.dumps({"bik_rejected": 1, "event": {"a": 1}}, indent=1)
        (tmp_path / "rejected.ndjson").write_text("\n".join([line] * 1000 + [pretty] + [line] * 10))
        items = read(tmp_path / "rejected.ndjson")
        assert sum(item.raw == {"a": "x" * 500} for item in items) == 1010
        assert {item.problem.reason.value for item in items if item.problem} == {"unparsable"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"email": "asha@example.com"}]', r"events is JSON text \(31 characters\), and not a path"),
        (' {"email": "asha@example.com"}', r"events is JSON text \(30 characters\)"),
        ("email\nasha@example.com", r"events is several lines of text \(22 characters\)"),
        ("<html>asha", r"events is XML or HTML text"),
        ("asha" * 2000, r"events is text \(8000 characters\)"),
        (" ", "events is an empty path"),
    ],
)
def test_text_that_is_no_path_is_described_and_not_repeated(text: str, says: str) -> None:
    for given in (text, [text], [[text]]):
        with pytest.raises(BikInputError, match=says) as caught:
            read(given)
        assert "asha" not in str(caught.value)
