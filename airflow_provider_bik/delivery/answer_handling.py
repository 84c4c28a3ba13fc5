"""What each answer does to its batch: confirmed, split, sent again, held, or the end of delivery. Pure."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum

from airflow_provider_bik.delivery.answers import Answer, AnswerClass, backoff
from airflow_provider_bik.delivery.batching import Batch
from airflow_provider_bik.delivery.counts import Outcomes
from airflow_provider_bik.delivery.settings import Sending
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = ["LONGEST_PAUSE", "AnswerHandler", "StopReason"]

LONGEST_PAUSE = 300.0
"""Seconds of Retry-After that are waited for inside the task; for a longer pause the task steps aside."""

REJECTIONS_TO_TRIP = 200
"""Events that BIK has rejected one by one before the breaker may trip; two wrong batches' worth."""

CONFIRMED_SHARE_TO_TRIP = 0.05
"""If more than this share is confirmed, the rejected events are exceptions and delivery goes on."""

_DEFINITE = frozenset({AnswerClass.CONFIRMED, AnswerClass.REJECTED_BY_BIK, AnswerClass.TOO_LARGE})


class StopReason(StrEnum):
    """Why delivery ended before the end of the input. If several are true, the last of this list counts."""

    OUT_OF_REACH = "out of reach"
    THROTTLED = "throttled"
    CANCELLED = "cancelled"
    NEARLY_ALL_REJECTED = "nearly all rejected"
    FATAL_ANSWER = "fatal answer"
    FAILED = "failed"


_RANK = {stop: rank for rank, stop in enumerate(StopReason)}


@dataclass(slots=True, kw_only=True)
class AnswerHandler:
    """Does what answers mean; the rows are those of `answers.ANSWERS`.

    Args:
        outcomes: Where confirmed and rejected events are counted.
        sending: The user's choices.
        rng: Where jitter comes from.

    Attributes:
        retry_queue: Batches to be sent again, each from its ``ready_at`` on.
        silent_for: Seconds since the last definite answer in which something was asked; the engine adds to it.
        trouble: The class of the latest answer since then that was not definite, if there was one.
        trouble_since: When the first of these came, in the loop's time.
        trouble_cause: The latest of these in safe words.
        answers: Answers so far, by their class.
        last_definite_start: When the latest of the requests started that had a definite answer.
        rejected_by_bik: Events that BIK has rejected, over all tries.
        stop: Why delivery is to end early, if it is.
        stop_detail: The answer behind it, in safe words.
    """

    outcomes: Outcomes
    sending: Sending
    rng: random.Random
    retry_queue: list[Batch] = field(default_factory=list)
    silent_for: float = 0.0
    trouble: AnswerClass | None = None
    trouble_since: float = 0.0
    trouble_cause: str = ""
    answers: Counter[AnswerClass] = field(default_factory=Counter)
    last_definite_start: float = float("-inf")
    rejected_by_bik: int = field(init=False)
    stop: StopReason | None = None
    stop_detail: str = ""
    _pause: float = 0.0

    def __post_init__(self) -> None:
        self.rejected_by_bik = self.outcomes.counts.reasons.get(Reason.REJECTED_BY_BIK, 0)

    @property
    def step_aside(self) -> float | None:
        """Seconds after which to come back, if delivery ends for nothing but the long pause that BIK asks for."""
        return self._pause if self.stop is StopReason.THROTTLED else None

    def handle(self, batch: Batch, answer: Answer, *, started: float, now: float) -> None:
        """Do what the answer means.

        Args:
            batch: What was sent; its attempts count this one.
            answer: What came back.
            started: When the request started, in the loop's time.
            now: The loop's time.
        """
        self._note(answer, started, now)
        if answer.may_have_arrived:
            self.outcomes.uncertain.add_all(batch.positions())
        if answer.means is not AnswerClass.CONFIRMED:
            self.outcomes.counts.failed_requests += 1
        match answer.means:
            case AnswerClass.CONFIRMED:
                self.outcomes.confirm(batch)
            case AnswerClass.REJECTED_BY_BIK | AnswerClass.TOO_LARGE:
                self._split_or_reject(batch, answer)
            case AnswerClass.FATAL:
                self._retry_later(batch, answer, now)
                self.end(StopReason.FATAL_ANSWER, f"{answer.cause}. {answer.advice}")
            case AnswerClass.NOT_SENT | AnswerClass.UNKNOWN | AnswerClass.THROTTLED:
                self._retry_or_hold(batch, answer, now)

    def next_ready(self, now: float) -> tuple[Batch | None, float | None]:
        """Take out the batch that has waited longest for its next attempt; else the seconds until one is ready."""
        if not self.retry_queue:
            return None, None
        first = min(self.retry_queue, key=lambda batch: batch.ready_at)
        if first.ready_at > now:
            return None, first.ready_at - now
        self.retry_queue.remove(first)
        return first, None

    def end(self, stop: StopReason, detail: str) -> None:
        """Delivery is to end early; the most serious reason counts, and of equal ones the first."""
        if self.stop is None or _RANK[stop] > _RANK[self.stop]:
            self.stop, self.stop_detail = stop, detail

    def _note(self, answer: Answer, started: float, now: float) -> None:
        self.answers[answer.means] += 1
        if answer.means in _DEFINITE:
            self.silent_for, self.trouble = 0.0, None
            self.last_definite_start = max(self.last_definite_start, started)
            return
        if self.trouble is None:
            self.trouble_since = now
        self.trouble, self.trouble_cause = answer.means, answer.cause

    def _split_or_reject(self, batch: Batch, answer: Answer) -> None:
        if len(batch.events) > 1:
            self.outcomes.counts.resent_after_rejection.add_all(batch.positions())
            self.retry_queue.extend(batch.halves())
            return
        by_bik = answer.means is AnswerClass.REJECTED_BY_BIK
        reason = Reason.REJECTED_BY_BIK if by_bik else Reason.EVENT_TOO_LARGE
        detail = answer.safe_message or "BIK's message is in the file of rejected events"
        self.outcomes.reject_batch(batch, Rejection(reason=reason, detail=detail), answer)
        self.rejected_by_bik += by_bik
        if self._breaker_trips():
            last = f"the last rejection: {answer.cause} {answer.safe_message}".rstrip()
            self.end(StopReason.NEARLY_ALL_REJECTED, last)

    def _retry_or_hold(self, batch: Batch, answer: Answer, now: float) -> None:
        if answer.may_have_arrived and self.sending.hold:
            rejection = Rejection(reason=Reason.DELIVERY_UNKNOWN, detail=answer.cause)
            self.outcomes.reject_batch(batch, rejection, answer)
        else:
            again = self._retry_later(batch, answer, now)
            if again.isolated_failures >= self.sending.max_attempts:
                how_often = f"{again.isolated_failures} failed attempts on one batch while others were answered"
                self.end(StopReason.OUT_OF_REACH, f"{how_often}, the last answer {answer.cause}")
        if answer.retry_after is not None and answer.retry_after > LONGEST_PAUSE:
            self._pause = max(self._pause, answer.retry_after)
            self.end(StopReason.THROTTLED, f"{answer.cause} with Retry-After {answer.retry_after:.0f} s")
        if self.silent_for > self.sending.give_up_after:
            silent = f"no definite answer for {self.silent_for:.0f} s"
            self.end(StopReason.OUT_OF_REACH, f"{silent}, the last {answer.cause}")

    def _retry_later(self, batch: Batch, answer: Answer, now: float) -> Batch:
        failures = batch.failures + 1
        # During an outage every batch fails, which says nothing about this one. A failure counts against this batch
        # only if a request that started after its last failure got a definite answer.
        isolated = batch.last_failed is not None and self.last_definite_start > batch.last_failed
        again = replace(
            batch,
            failures=failures,
            last_failed=now,
            isolated_failures=batch.isolated_failures + isolated,
            may_have_arrived=batch.may_have_arrived or answer.may_have_arrived,
            ready_at=now + backoff(failures, self.rng),
        )
        self.retry_queue.append(again)
        return again

    def _breaker_trips(self) -> bool:
        """Whether BIK rejects nearly everything: going on would reject all events, one request each."""
        confirmed = self.outcomes.counts.passed
        most_confirmed = CONFIRMED_SHARE_TO_TRIP * (confirmed + self.rejected_by_bik)
        return self.rejected_by_bik >= REJECTIONS_TO_TRIP and confirmed <= most_confirmed
