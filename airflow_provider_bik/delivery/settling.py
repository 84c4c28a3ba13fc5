"""What each answer does to its batch: confirmed, split, sent again, held, or the end of it all. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum

from airflow_provider_bik.delivery.batching import Batch
from airflow_provider_bik.delivery.outcomes import Outcomes
from airflow_provider_bik.delivery.retry import Answer, AnswerClass, backoff
from airflow_provider_bik.delivery.settings import DeliverySettings, OnUnconfirmed
from airflow_provider_bik.events import Reason, Rejection

__all__ = ["LONGEST_PAUSE", "Settler", "Stop"]

LONGEST_PAUSE = 300.0
"""Seconds of Retry-After that are waited for inside the task; for a longer one the task steps aside."""

REFUSALS_TO_TRIP = 200
"""Events refused one by one before the breaker may trip; two wrong batches' worth."""

CONFIRMED_SHARE_TO_TRIP = 0.05
"""With more than this share confirmed, the refused events are exceptions and delivery goes on."""


_CLEAR = frozenset({AnswerClass.CONFIRMED, AnswerClass.REFUSED, AnswerClass.TOO_LARGE})


class Stop(StrEnum):
    """Why delivery ended before the end of the input."""

    FAILED = "failed"
    FATAL_ANSWER = "fatal answer"
    NEARLY_ALL_REFUSED = "nearly all refused"
    ORDERED = "ordered"
    OUT_OF_REACH = "out of reach"
    THROTTLED = "throttled"


@dataclass(slots=True, kw_only=True)
class Settler:
    """Does what answers mean; the rows are those of `retry.ANSWERS`.

    Args:
        outcomes: Where confirmed and rejected events are counted.
        settings: The user's choices.
        chance: Where jitter comes from.

    Attributes:
        again: Batches to be sent again, each from its ``ready_at`` on.
        last_clear_answer: When BIK last confirmed or refused something, on the loop's clock.
        last_clear_start: When the latest of the requests started that had such an answer.
        stop: Why delivery is to end early, if it is.
        stop_detail: The answer behind it, in safe words.
        step_aside: Seconds after which to come back, if BIK asked for a long pause.
    """

    outcomes: Outcomes
    settings: DeliverySettings
    chance: random.Random
    again: list[Batch] = field(default_factory=list)
    last_clear_answer: float = 0.0
    last_clear_start: float = float("-inf")
    stop: Stop | None = None
    stop_detail: str = ""
    step_aside: float | None = None

    def settle(self, batch: Batch, answer: Answer, *, started: float, now: float) -> None:
        """Do what the answer means.

        Args:
            batch: What was sent; its attempts count this one.
            answer: What came back.
            started: When the request started, on the loop's clock.
            now: The loop's time.
        """
        if answer.means in _CLEAR:
            self.last_clear_answer = now
            self.last_clear_start = max(self.last_clear_start, started)
        if answer.means is not AnswerClass.CONFIRMED:
            self.outcomes.failed_requests += 1
        match answer.means:
            case AnswerClass.CONFIRMED:
                self.outcomes.confirm(batch)
            case AnswerClass.REFUSED | AnswerClass.TOO_LARGE:
                self._split_or_reject(batch, answer)
            case AnswerClass.FATAL:
                self._retry_later(batch, answer, now)
                self.end(Stop.FATAL_ANSWER, f"{answer.cause}. {answer.advice}")
            case AnswerClass.NOT_SENT | AnswerClass.UNKNOWN | AnswerClass.THROTTLED:
                self._retry_or_hold(batch, answer, now)

    def next_ready(self, now: float) -> tuple[Batch | None, float | None]:
        """Take out the batch that has waited longest for its next attempt; else the seconds until one is ready."""
        if not self.again:
            return None, None
        first = min(self.again, key=lambda batch: batch.ready_at)
        if first.ready_at > now:
            return None, first.ready_at - now
        self.again.remove(first)
        return first, None

    def end(self, stop: Stop, detail: str) -> None:
        """Delivery is to end early; the first reason counts."""
        if self.stop is None:
            self.stop, self.stop_detail = stop, detail

    def _split_or_reject(self, batch: Batch, answer: Answer) -> None:
        if len(batch.events) > 1:
            self.outcomes.resent_after_refusal.add_all(batch.positions())
            self.again.extend(batch.halves())
            return
        reason = Reason.REFUSED if answer.means is AnswerClass.REFUSED else Reason.EVENT_TOO_LARGE
        detail = answer.safe_message or "BIK's message is in the dead letter"
        self.outcomes.reject_batch(batch, Rejection(reason=reason, detail=detail), answer)
        if self._breaker_trips():
            self.end(Stop.NEARLY_ALL_REFUSED, f"the last refusal: {answer.cause} {answer.safe_message}".rstrip())

    def _retry_or_hold(self, batch: Batch, answer: Answer, now: float) -> None:
        if answer.may_have_arrived and self.settings.on_unconfirmed is OnUnconfirmed.HOLD:
            self.outcomes.reject_batch(batch, Rejection(reason=Reason.UNCONFIRMED, detail=answer.cause), answer)
            return
        again = self._retry_later(batch, answer, now)
        if answer.retry_after is not None and answer.retry_after > LONGEST_PAUSE:
            self.step_aside = max(self.step_aside or 0.0, answer.retry_after)
            self.end(Stop.THROTTLED, f"{answer.cause} with Retry-After {answer.retry_after:.0f} s")
        if again.lone_failures >= self.settings.max_attempts:
            how_often = f"{again.lone_failures} failed attempts on one batch while others were answered"
            self.end(Stop.OUT_OF_REACH, f"{how_often}, the last answer {answer.cause}")
        silent = now - self.last_clear_answer
        if silent > self.settings.give_up_after:
            self.end(Stop.OUT_OF_REACH, f"no clear answer for {silent:.0f} s, the last {answer.cause}")

    def _retry_later(self, batch: Batch, answer: Answer, now: float) -> Batch:
        failures = batch.failures + 1
        # An outage fails every batch and says nothing about this one. A clear answer to a request that started after
        # this one's last failure does: others fare well.
        alone = batch.last_failed is not None and self.last_clear_start > batch.last_failed
        again = replace(
            batch,
            failures=failures,
            last_failed=now,
            lone_failures=batch.lone_failures + alone,
            may_have_arrived=batch.may_have_arrived or answer.may_have_arrived,
            ready_at=now + backoff(failures, self.chance),
        )
        self.again.append(again)
        return again

    def _breaker_trips(self) -> bool:
        """Whether BIK refuses nearly everything: going on would make dead letters of all events, one request each."""
        waiting = sum(letter.rejection.reason is Reason.REFUSED for letter in self.outcomes.letters)
        refused = self.outcomes.reasons.get(Reason.REFUSED, 0) + waiting
        confirmed = sum(self.outcomes.pipelines.values())
        return refused >= REFUSALS_TO_TRIP and confirmed <= CONFIRMED_SHARE_TO_TRIP * (confirmed + refused)
