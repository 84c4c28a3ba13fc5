"""A build without one of its guards is caught: the model sees what each of them is there for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from airflow_provider_bik.delivery.checkpoint import Checkpoint, Intervals, Lease
from airflow_provider_bik.delivery.engine import _Engine
from airflow_provider_bik.delivery.intake import Intake
from airflow_provider_bik.operators.delivering import Delivering
from airflow_provider_bik.operators.task_instance import TaskRun
from airflow_provider_bik.state.coverage import Stream
from airflow_provider_bik.state.generation_file import GenerationFile, _Header, _texts
from airflow_provider_bik.state.record import DeliveryRecord, OpenGeneration
from airflow_provider_bik.state.rejected_file import RejectedFile
from airflow_provider_bik.transfers import query_input, sql_to_bik_incremental
from airflow_provider_bik.transfers.watermark import SeenRowFilter
from tests.state.stories import draw, tell
from tests.state.test_regressions import STORIES
from tests.state.world import Violation

MOST = 60
"""Stories within which each is caught."""

FIRST = {
    "checkpoint read before the claim": 188,
    "owner looked up before the checkpoint is written": 130,
    "checkpoints of unnamed tries overlooked": 460,
    "generations that the record does not know overlooked": 122,
    "a lost past taken for none": 67,
    "no pointer to the record": 67,
    "no digest": 1084,
    "no fingerprint": 487,
    "a damaged file trusted by its first line": 659,
    "rejected events counted before they are written": 28,
    "no second look at the windows": 333,
    "hold sends although everything is in doubt": 69,
    "no rows known from before": 24,
}
"""Seeds from which on it does not take long; others are caught from 0 on."""


def _write_without_looking(self: OpenGeneration, checkpoint: Checkpoint) -> None:
    name = self.generation.file(f"checkpoint.{self.record.attempt.owner}.json")
    self.record.documents.write(name, [msgspec.json.encode(checkpoint.to_json())])
    self.before_first_lease()


def _look_before_writing(self: OpenGeneration, checkpoint: Checkpoint) -> None:
    self.record.check_mine(self.generation.id)
    _write_without_looking(self, checkpoint)


_take_over, _new = DeliveryRecord._take_over, DeliveryRecord._new
_is_new, _note_record = SeenRowFilter.is_new, TaskRun.note_record


def _read_before_claiming(self: DeliveryRecord, found: Any, **options: Any) -> OpenGeneration:
    checkpoint = self.checkpoint_of(found.current)
    with patch.object(self, "checkpoint_of", lambda _: checkpoint):
        return _take_over(self, found, **options)


def _take_over_as_its_own(self: DeliveryRecord, found: Any, *, grows: bool, **options: Any) -> OpenGeneration:
    assert grows in {True, False}
    return _take_over(self, found, grows=False, **options)


def _begin_anew_without_doubt(self: DeliveryRecord, found: Any, **options: Any) -> OpenGeneration:
    return _new(self, found, **{**options, "other_events": found is not None})


async def _count_before_writing(self: _Engine) -> None:
    events = list(self.outcomes.unwritten)
    self.outcomes.written(len(events))
    await asyncio.sleep(0)
    await self.delivery.rejected.write(events)


def _trust_the_first_line(self: GenerationFile) -> str | None:
    try:
        with self._folder.open("input.ndjson.gz") as file:
            header = msgspec.json.decode(next(_texts(file), b"").partition(b"\n")[0], type=_Header)
    except (FileNotFoundError, msgspec.DecodeError, Exception):  # noqa: BLE001 - as broken as it may be
        return None
    return header.fingerprint


def _whatever_fingerprint(_: Any, file: GenerationFile, __: str) -> bool:
    return file.fingerprint() is not None


def _trust_any_input(self: Intake) -> Iterator[Any]:
    self.verified = True
    waiting, self._waiting = self._waiting, []
    yield from self._admit_all(waiting)


def _note_no_folder(self: TaskRun, folder: Any = None, **_: Any) -> None:
    if folder is None:
        _note_record(self)


def _forget_rows(self: SeenRowFilter, row: Any) -> bool:
    _is_new(self, row)
    return True


MUTANTS: dict[str, list[tuple[Any, str, Any]]] = {
    "checkpoint written, and nobody looks who owns the record": [(OpenGeneration, "_write", _write_without_looking)],
    "owner looked up before the checkpoint is written": [(OpenGeneration, "_write", _look_before_writing)],
    "checkpoint read before the claim": [(DeliveryRecord, "_take_over", _read_before_claiming)],
    "no doubt after a generation was replaced": [(DeliveryRecord, "_new", _begin_anew_without_doubt)],
    "checkpoints of unnamed tries overlooked": [
        (DeliveryRecord, "_checkpoint_names", lambda _, generation: [f"checkpoint.{o}.json" for o in generation.owners])
    ],
    "generations that the record does not know overlooked": [
        (DeliveryRecord, "_has_sent_since", lambda *_, **__: False)
    ],
    "a lost past taken for none": [(TaskRun, "past_is_lost", lambda _: False)],
    "no pointer to the record": [(TaskRun, "note_record", _note_no_folder)],
    "no digest": [(Intake, "_verify", _trust_any_input)],
    "no fingerprint": [
        (query_input, "check_fingerprint", _whatever_fingerprint),
        (sql_to_bik_incremental, "check_fingerprint", _whatever_fingerprint),
    ],
    "a damaged file trusted by its first line": [(GenerationFile, "fingerprint", _trust_the_first_line)],
    "rejected events counted before they are written": [(_Engine, "_write_rejected", _count_before_writing)],
    "rejected events of earlier tries forgotten": [
        (RejectedFile, "_parts", lambda self: [f"rejected.{self._owner}-{n:05d}.ndjson" for n in range(self._written)])
    ],
    "no coverage": [(Stream, "_overlapping", lambda *_: ({}, {}))],
    "no second look at the windows": [(Stream, "check_alone", lambda *_: None)],
    "no rows known from before": [(SeenRowFilter, "is_new", _forget_rows)],
    "hold sends although everything is in doubt": [(Delivering, "_check_hold", lambda *_, **__: None)],
    "no lease": [(Lease, "covers", lambda *_: True)],
    "nothing in doubt after a crash": [(Checkpoint, "doubt", lambda _: Intervals())],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_model_catches_a_build_without_a_guard(name: str, local: Any, shop: Path) -> None:
    with ExitStack() as stack:
        for owner, attribute, broken in MUTANTS[name]:
            stack.enter_context(patch.object(owner, attribute, broken))
        seeds = range(FIRST.get(name, 0), FIRST.get(name, 0) + MOST)
        assert any(_is_caught(seed, local, shop) for seed in seeds), f"not caught within {MOST} stories"


def test_the_model_catches_a_build_that_makes_an_earlier_runs_generation_its_own(local: Any, shop: Path) -> None:
    story = STORIES["a run is killed after it has ended what an earlier one has left open"]
    with patch.object(DeliveryRecord, "_take_over", _take_over_as_its_own), pytest.raises(Violation):
        tell(story, local, shop)


def _is_caught(seed: int, disks: Any, shop: Path) -> bool:
    try:
        tell(draw(seed, shared=False), disks, shop)
    except Violation:
        return True
    return False
