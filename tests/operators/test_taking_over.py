"""A new try takes the checkpoint from an older one that is lost and not dead."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from airflow_provider_bik.checkpoints import StoreJournal
from airflow_provider_bik.delivery import Checkpoint, IfDelivered
from airflow_provider_bik.errors import BikSupersededError
from airflow_provider_bik.operators.task_instance import begin


def start_try(directory: Path) -> tuple[StoreJournal, Checkpoint]:
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1, max_tries=3)
    context = cast("Any", {"ti": ti})
    journal, start = begin(context, "name", str(directory), if_delivered=IfDelivered.RESEND, dry_run=False)
    assert journal is not None
    return journal, start


def leased(start: Checkpoint, leased_to: int) -> Checkpoint:
    return msgspec.structs.replace(start, leased_to=leased_to)


def test_the_older_try_gets_no_further_lease_from_the_moment_the_newer_one_begins(tmp_path: Path) -> None:
    older, start = start_try(tmp_path)
    older.save_now(leased(start, 100))
    _, newer_start = start_try(tmp_path)
    assert newer_start.leased_to == 100
    with pytest.raises(BikSupersededError):
        older.save_now(leased(start, 200))


def test_a_first_lease_is_refused_if_another_try_has_leased_meanwhile(tmp_path: Path) -> None:
    (first, first_start), (second, second_start) = start_try(tmp_path), start_try(tmp_path)
    first.save_now(leased(first_start, 100))
    with pytest.raises(BikSupersededError):
        second.save_now(leased(second_start, 100))
