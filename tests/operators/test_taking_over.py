"""A new try takes over from an older one that Airflow believes to be dead, and that is not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikSupersededError
from airflow_provider_bik.events import EventMapping
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import Store, TaskInstance, event, files_of, named, rejected_lines
from tests.versions import needs_execute_in_threads

NUMBER = 1500


class Tries:
    """Tries of one task, of which one begins while another reads.

    Args:
        arguments: Of the operator.
        store: The task state store, if there is one.
        bad: The row of which no event can be made.
    """

    def __init__(self, store: Store | None = None, *, bad: int | None = None, **arguments: Any) -> None:
        self.instance = TaskInstance(store=store)
        self.bad, self.arguments = bad, arguments
        self.newer: dict[str, Any] = {}
        self._taken_over, self._newer_has_ended = threading.Event(), threading.Event()

    def wait_for_the_newer(self) -> dict[str, Any]:
        """It runs where the older one reads, which may end first; returns its report."""
        assert self._newer_has_ended.wait(60)
        return self.newer

    def execute(self, *, taken_over_at: int | None = None) -> dict[str, Any]:
        """One try.

        Args:
            taken_over_at: The row at which another try begins, goes through, and ends.
        """

        def to_event(row: dict[str, Any]) -> dict[str, Any]:
            if row["n"] == taken_over_at and not self._taken_over.is_set():
                self._taken_over.set()
                self.newer = self.execute()
                self._newer_has_ended.set()
            return event(row["n"], **({"phoneNumber": "n/a", "email": ""} if row["n"] == self.bad else {}))

        rows = [{"n": number} for number in range(NUMBER)]
        mapping = EventMapping(to_event=to_event)
        operator = BikSendEventsOperator(task_id="send", events=rows, mapping=mapping, **self.arguments)
        return self.instance.execute(operator)


@needs_execute_in_threads
@pytest.mark.parametrize("at", [0, 600, NUMBER - 1])
def test_the_older_try_stops_and_what_the_newer_one_has_written_stays(tmp_path: Path, bik: Sandbox, at: int) -> None:
    tries = Tries(bad=0, state_path=str(tmp_path), max_rejected=1, sending=Sending(batch_size=50, max_concurrency=2))
    with pytest.raises(AirflowException, match="has taken over while this try worked at") as caught:
        tries.execute(taken_over_at=at)
    assert isinstance(bik_error(caught.value), BikSupersededError)
    assert not isinstance(caught.value, AirflowFailException), "the retry finds what the newer one did"
    report = tries.wait_for_the_newer()
    assert (report["confirmed"], report["rejected"]) == (NUMBER - 1, 1)
    assert [line["position"] for line in rejected_lines(report)] == [0]
    assert len(files_of(tmp_path, "rejected.ndjson")) == 1
    counts = {int(str(key[0])[8:-12]): count for key, count in bik.ledger.counts("event.email").items()}
    assert sorted(counts) == list(range(1, NUMBER))
    assert {n for n, count in counts.items() if count > 1} <= named(report)
    assert tries.execute() == report


@needs_execute_in_threads
def test_it_is_the_same_in_the_state_store_of_the_task(bik: Sandbox) -> None:
    tries = Tries(Store())
    with pytest.raises(AirflowException, match="has taken over while this try worked at"):
        tries.execute(taken_over_at=NUMBER - 1)
    assert tries.wait_for_the_newer()["confirmed"] == NUMBER
