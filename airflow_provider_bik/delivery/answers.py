"""What an answer means, once, as data: the docs print `ANSWERS`, and each of its rows has a test."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

import msgspec

__all__ = ["ANSWERS", "MAX_RETRY_AFTER", "Answer", "AnswerClass", "backoff", "classify", "parse_retry_after"]

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
