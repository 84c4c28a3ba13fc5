from __future__ import annotations

import json
import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import bik_shop
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from bik_shop import TIMEZONE, Event, plain, staging_file, to_event, write_ndjson
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_bik.windows import days

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = days(date(2026, 1, 1), date(2026, 1, 2), timezone=TIMEZONE)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStoragePath:
    monkeypatch.setattr(bik_shop, "STAGING", f"file://{tmp_path}/staging")
    return staging_file("orders", DAY, "run/../../1", "3")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_for_its_owner_alone(target: ObjectStoragePath) -> None:
    path = Path(write_ndjson(target, [{"name": "பிரியா"}]).removeprefix("file://"))
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert path.parent.name == "staging"
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [{"name": "பிரியா"}]


def test_a_retry_writes_over_the_same_file(target: ObjectStoragePath) -> None:
    first = write_ndjson(target, [{"n": 1}, {"n": 2}])
    assert write_ndjson(target, [{"n": 3}]) == first
    assert Path(target.path).read_text(encoding="utf-8") == '{"n": 3}\n'


def test_a_failed_extraction_leaves_no_file_that_looks_complete(target: ObjectStoragePath) -> None:
    def breaks() -> Iterator[Event]:
        yield {"n": 1}
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - raised above
        write_ndjson(target, breaks())
    assert not Path(target.path).exists()
    write_ndjson(target, [{"n": 2}])
    assert [path.name for path in Path(target.path).parent.iterdir()] == [target.name]


def test_an_object_store_gets_the_same_lines() -> None:
    attach(protocol="memory", fs=MemoryFileSystem())
    target = ObjectStoragePath("memory://bucket/orders.ndjson")
    assert write_ndjson(target, [{"n": 1}]) == str(target)
    with target.open("r", encoding="utf-8") as stream:  # type: ignore[no-untyped-call]
        assert stream.read() == '{"n": 1}\n'


def test_runs_and_map_indexes_do_not_share_a_file() -> None:
    names = {staging_file("orders", DAY, run, index).name for run in ("a", "b") for index in ("", "0", "1")}
    assert len(names) == 6


def test_what_drivers_return_survives() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    values = [Decimal("19.90"), moment, date(2026, 1, 1), None, True, 3, "{{ ds }}"]
    assert [plain(value) for value in values] == [
        19.9,
        "2026-01-01T12:00:00+00:00",
        "2026-01-01",
        None,
        True,
        3,
        "{{ ds }}",
    ]


def test_columns_that_are_no_field_of_the_event_become_properties() -> None:
    fields = dict.fromkeys(bik_shop.EVENT_FIELDS, "x")
    assert to_event({**fields, "orderId": "1"}) == {**fields, "eventProperties": {"orderId": "1"}}
