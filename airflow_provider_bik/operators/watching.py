"""Follows a delivery while it runs: lines in the log, progress in Airflow, metrics. None of it can hold it up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

import msgspec

from airflow_provider_bik.delivery import Progress
from airflow_provider_bik.delivery.narration import Narrator
from airflow_provider_bik.operators.metrics import DeliveryMetrics
from airflow_provider_bik.state.progress import PROGRESS, DeliveryProgress, Rates, State, progress_now
from airflow_provider_bik.state.storage import TaskStateStore
from airflow_provider_bik.threads import Background

__all__ = ["Watch"]

LONGEST_WAIT = 2.0
"""Seconds that the first and the last document are waited for."""

WAIT_AFTER_ORDER = 0.4
"""The same, of the last one after an order to stop: Airflow kills a task 5 s after it, and delivery takes up to 2.5."""

log = logging.getLogger(__name__)


class Watch:
    """Follows one try of one delivery; use as a context manager, so that a try that fails is seen to have failed.

    Args:
        base: What is known before anything is read.
        clock: Tells the time, in the zone in which times are told.
        settled: Events that earlier tries have settled.
        store: Where the progress is written; None for nowhere.
        one_at_a_time: Whether the store must not be asked while the delivery may ask it, too.
        metrics: Sends metrics; None for none.
    """

    def __init__(
        self,
        base: DeliveryProgress,
        *,
        clock: Callable[[], datetime],
        settled: int = 0,
        store: TaskStateStore | None = None,
        one_at_a_time: bool = False,
        metrics: DeliveryMetrics | None = None,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._store = store
        self._one_at_a_time = one_at_a_time
        self._metrics = metrics
        self._narrator = Narrator(settled=settled)
        self._rates = Rates()
        self._background = Background()
        self._has_warned = False
        self._last = msgspec.structs.replace(base, began_at=_text(self._began))
        self._base = self._last

    def __enter__(self) -> Self:
        self._show(msgspec.structs.replace(self._base, note="The input is being read.", updated_at=_text(self._began)))
        self._background.wait(LONGEST_WAIT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.end("failed")
        self._background.wait(WAIT_AFTER_ORDER if self._last.state == "stopped" else LONGEST_WAIT)
        self._background.close()

    def opened(self, total: int | None) -> None:
        """The input is open, and delivery begins.

        Args:
            total: How many events it has, if that is known.
        """
        self._began = self._clock()
        self._narrator.total = total
        self._base = msgspec.structs.replace(self._base, total=total, began_at=_text(self._began))
        self._rates.add(0.0, self._narrator.settled)

    def tell(self, progress: Progress) -> None:
        """Take a progress in; this is the engine's ``Delivery.progress``."""
        for line in self._narrator.tell(progress):
            log.log(logging.WARNING if line.is_warning else logging.INFO, "%s", line.text)
        if self._metrics is not None:
            self._background.do(self._metrics.of_progress(progress))
        self._rates.add(progress.seconds, progress.settled)
        now = progress_now(self._base, progress, began=self._began, narrator=self._narrator, rates=self._rates)
        if self._one_at_a_time:
            self._last = now
        else:
            self._show(now)

    def end(self, state: State, *, rejected_path: str | None = None, note: str = "") -> None:
        """It has ended.

        Args:
            state: How.
            rejected_path: Where the rejected events are, without credentials.
            note: The same in a sentence, if the last progress does not say it.
        """
        last = self._last
        time = _text(self._clock())
        ended = msgspec.structs.replace(
            last, state=state, note=note or last.note, updated_at=time, trouble=None, rejected_path=rejected_path
        )
        self._show(ended)
        if self._metrics is not None and state != "already_delivered":
            self._background.do(self._metrics.of_end(state))

    def _show(self, document: DeliveryProgress) -> None:
        self._last = document
        if self._one_at_a_time:
            # In the background it could still be at it when the delivery goes on to ask.
            self._write(document)
        else:
            self._background.do(lambda: self._write(document))

    def _write(self, document: DeliveryProgress) -> None:
        """That it cannot be shown is no reason to stop."""
        if document is not self._last or self._store is None:
            return
        try:
            self._store.write(PROGRESS, [msgspec.json.encode(document)])
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery is not to know of it
            if not self._has_warned:
                log.warning("The progress cannot be shown in Airflow (%s); the delivery goes on.", type(error).__name__)
            self._has_warned = True


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
