"""What an answer means, once, as data, and what that does to its batch. Pure.

The docs print `ANSWERS`, and each of its rows has a test.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

import msgspec

from airflow_provider_bik.delivery.intake import Batch, Outcomes
from airflow_provider_bik.delivery.settings import Sending
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "ANSWERS",
    "LONGEST_PAUSE",
    "MAX_RETRY_AFTER",
    "Answer",
    "AnswerClass",
    "AnswerHandler",
    "StopReason",
    "backoff",
    "classify",
    "parse_retry_after",
]

BACKOFF_BASE = 0.5
"""Seconds: the longest wait before the second attempt."""

BACKOFF_CAP = 60.0
"""Seconds: no wait of our own choosing is longer."""

MAX_RETRY_AFTER = 86_400.0
"""Seconds: a server that asks for a longer pause is asked again after a day."""


class AnswerClass(StrEnum):
    """What an answer says about the events of its request."""

    CONFIRMED = "confirmed"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    THROTTLED = "throttled"
    REJECTED_BY_BIK = "rejected by BIK"
    TOO_LARGE = "too large"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """A row of the table: which HTTP statuses, what they mean, what is done."""

    statuses: frozenset[int]
    means: AnswerClass
    then: str


ANSWERS = (
    AnswerRow(
        statuses=frozenset(range(200, 300)),
        means=AnswerClass.CONFIRMED,
        then="confirmed if the body agrees (status 200, success not false); else the body's status is looked up here",
    ),
    AnswerRow(
        statuses=frozenset({408, 409, 425, *range(500, 600)}),
        means=AnswerClass.UNKNOWN,
        then="retry or hold, by on_unconfirmed",
    ),
    AnswerRow(statuses=frozenset({429}), means=AnswerClass.THROTTLED, then="everything pauses, then retry"),
    AnswerRow(
        statuses=frozenset({400, 422}),
        means=AnswerClass.REJECTED_BY_BIK,
        then="split in halves until the bad events stand alone; these are rejected, with BIK's message",
    ),
    AnswerRow(
        statuses=frozenset({413}), means=AnswerClass.TOO_LARGE, then="split; an event too large alone is rejected"
    ),
    AnswerRow(
        statuses=frozenset({*range(300, 400), *range(400, 500)} - {400, 408, 409, 413, 422, 425, 429}),
        means=AnswerClass.FATAL,
        then="stop at once, with one error that says what to check",
    ),
)
"""By HTTP status; 503 with Retry-After also pauses everything. Without a status: `Answer.not_sent`, `Answer.lost`."""

_MEANING = {status: row.means for row in ANSWERS for status in row.statuses}

_ADVICE = (
    (
        range(300, 400),
        "The host redirects; credentials are not sent after it: put BIK's final address into the Connection.",
    ),
    (range(401, 402), "BIK does not know this API key and secret: check both in the Connection."),
    (range(403, 404), "BIK or a gateway before it forbids this: check that the API key may send events."),
    (range(404, 406), "There is no such API at this host: check host and port of the Connection."),
    (range(407, 408), "The proxy wants credentials: check the extra 'proxy' of the Connection."),
    (range(410, 411), "This API is gone: look for a newer version of airflow-provider-bik."),
)
"""What to check after a fatal answer, by HTTP status."""

_SAFE_MESSAGE = re.compile(r"'[A-Za-z_][\w.\[\]]{0,99}' (?:is|must be|should be|cannot be) [a-z ]{1,60}")
"""The shape in BIK's documentation; a message of any other shape could quote personal data and stays out of logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request.

    Attributes:
        means: Its class.
        status: The HTTP status; None if there was no answer.
        inner_status: The status in the body of a 2xx, where it is another one; it counts in place of the HTTP status.
        cause: A few safe words for logs: no body, no personal data.
        message: BIK's own words, for the file of rejected events only.
        retry_after: Seconds that the server asks to wait.
        check: What a person should check, where the cause says more about that than the status.
    """

    means: AnswerClass
    status: int | None = None
    inner_status: int | None = None
    cause: str
    message: str = ""
    retry_after: float | None = None
    check: str = ""

    @property
    def may_have_arrived(self) -> bool:
        """Whether BIK may have stored the events although it did not confirm them."""
        unavailable = (self.inner_status or self.status) == HTTPStatus.SERVICE_UNAVAILABLE
        return self.means is AnswerClass.UNKNOWN or (self.means is AnswerClass.THROTTLED and unavailable)

    @property
    def advice(self) -> str:
        """What a person should check after a fatal answer, or without any."""
        if self.check:
            return self.check
        status = self.inner_status or self.status
        if status is None:
            return "Check the host and its certificate, and the extras 'ca_file' and 'proxy' of the Connection."
        found = (text for statuses, text in _ADVICE if status in statuses)
        return next(found, "BIK does not take such requests: check host and extras of the Connection.")

    @property
    def safe_message(self) -> str:
        """BIK's message if it has the documented shape, which holds field names only; else nothing."""
        return self.message if _SAFE_MESSAGE.fullmatch(self.message) else ""

    @classmethod
    def not_sent(cls, cause: str, *, check: str = "") -> Answer:
        """Nothing was sent, so nothing can have arrived."""
        return cls(means=AnswerClass.NOT_SENT, cause=cause, check=check)

    @classmethod
    def lost(cls, cause: str) -> Answer:
        """The connection broke after something was sent: nobody knows whether it arrived."""
        return cls(means=AnswerClass.UNKNOWN, cause=cause)

    @classmethod
    def untrusted(cls, cause: str, *, check: str = "") -> Answer:
        """The address, certificate or handshake cannot be used; nothing was sent."""
        return cls(means=AnswerClass.FATAL, cause=cause, check=check)


class _Body(msgspec.Struct):
    """The fields that count; of any type, for a field that is shaped unusually must not hide the others."""

    status: object = None
    success: object = None
    errors: object = None
    message: object = None


_read_body = msgspec.json.Decoder(_Body).decode


def classify(status: int, body: bytes, *, retry_after: float | None = None) -> Answer:
    """Say what a complete answer means. HTTP status and body must agree for it to be good.

    Args:
        status: The HTTP status.
        body: The body; BIK's documentation shows ``{"status": 200, "success": true}`` and
            ``{"status": 400, "errors": [{"message": …}]}``, with the status as number or text.
        retry_after: Seconds, from the header of that name.
    """
    read = _parse(body)
    means = _MEANING.get(status, AnswerClass.UNKNOWN)
    inner, cause = None, f"HTTP {status}"
    if means is AnswerClass.CONFIRMED:
        means, inner, cause = _inside(read, cause)
    if (inner or status) == HTTPStatus.SERVICE_UNAVAILABLE and retry_after is not None:
        means = AnswerClass.THROTTLED
    message = "; ".join(_messages(read)) if read else ""
    return Answer(means=means, status=status, inner_status=inner, cause=cause, message=message, retry_after=retry_after)


def _inside(read: _Body | None, cause: str) -> tuple[AnswerClass, int | None, str]:
    """What a 2xx means in the light of its body. Public clients of BIK have met errors inside a 200."""
    inner = None if read is None else _number(read.status)
    if read is None or inner is None:
        return AnswerClass.UNKNOWN, None, f"{cause} with a body that is not BIK's"
    if inner == HTTPStatus.OK:
        if _is_false(read.success):
            return AnswerClass.UNKNOWN, None, f"{cause} with success false"
        return AnswerClass.CONFIRMED, None, cause
    means = _MEANING.get(inner, AnswerClass.UNKNOWN)
    if means is AnswerClass.CONFIRMED or HTTPStatus.MULTIPLE_CHOICES <= inner < HTTPStatus.BAD_REQUEST:
        means = AnswerClass.UNKNOWN
    return means, inner, f"{cause} with status {inner} inside"


def _parse(body: bytes) -> _Body | None:
    try:
        return _read_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _number(status: object) -> int | None:
    if isinstance(status, str):
        return int(status) if status.isascii() and status.isdigit() and len(status) == len("200") else None
    return status if isinstance(status, int) and not isinstance(status, bool) else None


def _is_false(success: object) -> bool:
    return success is False or (isinstance(success, str) and success.strip().lower() == "false")


def _messages(read: _Body) -> Iterator[str]:
    """BIK's words, from ``errors`` or else from ``message``, in whatever of the two forms they come."""
    errors = read.errors if isinstance(read.errors, list) else []
    found = [error.get("message") if isinstance(error, dict) else error for error in errors]
    texts = [text for text in found if isinstance(text, str) and text]
    yield from texts or ([read.message] if isinstance(read.message, str) and read.message else [])


def parse_retry_after(header: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, in seconds or as a date (RFC 9110).

    Args:
        header: The header's value.
        now: The aware present, against which a date is compared.

    Returns:
        Seconds from now, at most `MAX_RETRY_AFTER`; None if the header makes no sense.
    """
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        timestamp = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        # The parser of the standard library raises any of these for texts that are no dates.
        return None
    if timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=UTC)
    return min(max(0.0, (timestamp - now).total_seconds()), MAX_RETRY_AFTER)


def backoff(attempt: int, rng: random.Random) -> float:
    """Seconds to wait after the given failed attempt (1 is the first): exponential, with full jitter, capped."""
    return rng.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt - 1, 30)))


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
    """Does what answers mean; the rows are those of `ANSWERS`.

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
        self._reject(batch, answer, reason, detail)
        self.rejected_by_bik += by_bik
        if self._breaker_trips():
            last = f"the last rejection: {answer.cause} {answer.safe_message}".rstrip()
            self.end(StopReason.NEARLY_ALL_REJECTED, last)

    def _reject(self, batch: Batch, answer: Answer, reason: Reason, detail: str) -> None:
        rejection = Rejection(reason=reason, detail=detail)
        self.outcomes.reject_batch(batch, rejection, status=answer.status, message=answer.message)

    def _retry_or_hold(self, batch: Batch, answer: Answer, now: float) -> None:
        if answer.may_have_arrived and self.sending.hold:
            self._reject(batch, answer, Reason.DELIVERY_UNKNOWN, answer.cause)
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
