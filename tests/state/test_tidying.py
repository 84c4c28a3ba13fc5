"""Old generations go, with what this package has written in them and nothing else."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_bik.delivery.report import empty_report
from airflow_provider_bik.state.record import Attempt, DeliveryRecord, IfDelivered, OpenGeneration, tidy
from airflow_provider_bik.state.storage import Folder

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
OURS = [
    "input.ndjson.gz",
    ".input.ndjson.gz.x7_abc12",
    "checkpoint.0a1b2c3d4e5f.json",
    "rejected.0a1b2c3d4e5f-00003.ndjson",
    "rejected.ndjson",
    ".rejected.ndjson.0a1b2c3d4e5f",
    "report.json",
]
NOT_OURS = ["rejected.ndjson.fixed", "rejected.ndjson~", "rejected-fixed.ndjson", "notes.txt", "my report.json"]


def begin(folder: Folder, now: datetime = BEGAN) -> OpenGeneration:
    began = DeliveryRecord(folder, "orders", Attempt(run="run", clears=(now.toordinal(),), now=now)).begin(
        IfDelivered.RESEND
    )
    assert isinstance(began, OpenGeneration)
    return began


def fill(folder: Folder, generation: OpenGeneration) -> Path:
    inner = folder.folder(generation.generation.id)
    for name in (*OURS, *NOT_OURS):
        inner.write(name, [b"{}"])
    return Path(inner.path)


def tidy_at(folder: Folder, now: datetime) -> None:
    tidy(folder, now=now, rng=random.Random(0))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "streams" / "orders" / "whole"))


def test_a_closed_generation_loses_its_files_after_a_while_and_no_other_file(folder: Folder) -> None:
    generation = begin(folder)
    inner = fill(folder, generation)
    generation.conclude(empty_report(), delivered=True)
    ended = datetime.now(UTC)
    tidy_at(folder, ended + timedelta(days=29))
    assert {path.name for path in inner.iterdir()} >= {*OURS, *NOT_OURS}
    tidy_at(folder, ended + timedelta(days=31))
    assert sorted(path.name for path in inner.iterdir()) == sorted(NOT_OURS)
    assert folder.read("record.json") is not None


def test_an_open_generation_is_kept_however_old(folder: Folder) -> None:
    inner = fill(folder, begin(folder))
    tidy_at(folder, BEGAN + timedelta(days=4000))
    assert {path.name for path in inner.iterdir()} == {*OURS, *NOT_OURS}


def test_a_generation_that_another_one_has_replaced_goes(folder: Folder) -> None:
    first = begin(folder)
    inner = fill(folder, first)
    for name in NOT_OURS:
        (inner / name).unlink()
    first.begin_anew()
    tidy_at(folder, BEGAN + timedelta(days=31))
    assert not inner.exists()


def test_one_that_the_record_does_not_name_goes_by_its_name(folder: Folder, tmp_path: Path) -> None:
    begin(folder)
    old, young, other = (
        folder.folder(name)
        for name in ("2025-11-01T00-00-00-abcdef-0", "2025-12-20T00-00-00-abcdef-0", "2025-01-01 a person's")
    )
    for each in (old, young, other):
        each.write("report.json", [b"{}"])
    tidy_at(folder, BEGAN)
    assert [bool(each.names()) for each in (old, young, other)] == [False, True, True]


def test_neighbours_are_tidied_too_and_what_cannot_be_understood_is_left(folder: Folder) -> None:
    broken, other = folder.parent.folder("broken"), folder.parent.folder("other")
    inner = fill(broken, begin(broken))
    broken.write("record.json", [b"{"])
    closed = begin(other)
    gone = fill(other, closed)
    closed.conclude(empty_report(), delivered=True)
    begin(folder)
    tidy_at(folder, datetime.now(UTC) + timedelta(days=31))
    assert {path.name for path in inner.iterdir()} == {*OURS, *NOT_OURS}
    assert sorted(path.name for path in gone.iterdir()) == sorted(NOT_OURS)


def test_for_how_long_is_an_option_of_the_deployment(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BIK__KEEP_DAYS", "2")
    generation = begin(folder)
    inner = fill(folder, generation)
    generation.conclude(empty_report(), delivered=True)
    tidy_at(folder, datetime.now(UTC) + timedelta(days=3))
    assert sorted(path.name for path in inner.iterdir()) == sorted(NOT_OURS)
