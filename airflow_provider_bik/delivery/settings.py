"""How to deliver: the user's choices, and everything else that one delivery is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from airflow_provider_bik.delivery.checkpoint import Checkpoint, CheckpointWriter, Counts, NoCheckpoints
from airflow_provider_bik.delivery.intake import MAX_BATCH_SIZE, NoRejectedSink, RejectedSink
from airflow_provider_bik.errors import BikConfigError

if TYPE_CHECKING:
    # What handles answers reads the settings.
    from airflow_provider_bik.delivery.answers import AnswerClass

__all__ = ["Delivery", "Progress", "Sending", "parse_max_rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How events are sent: the user's value for the argument ``sending``.

    Args:
        batch_size: Events a request, 1 to 100.
        max_concurrency: Requests in flight at most.
        max_requests_per_second: Ceiling of the rate; None for none.
        on_unconfirmed: What happens to events that may have reached BIK without being confirmed: ``resend`` (at least
            once) or ``hold`` (at most once: they are rejected with the reason ``delivery_unknown``).
        max_attempts: After so many attempts on one batch without a definite answer, while other requests get theirs,
            delivery ends.
        give_up_after: Seconds of asking without any definite answer after which delivery ends. Time in which nothing is
            asked, such as a slow reading of the input, does not count.

    Raises:
        BikConfigError: A value is out of its range.
    """

    batch_size: int = MAX_BATCH_SIZE
    max_concurrency: int = 8
    max_requests_per_second: float | None = None
    on_unconfirmed: Literal["resend", "hold"] = "resend"
    max_attempts: int = 8
    give_up_after: float = 900.0

    def __post_init__(self) -> None:
        rate = self.max_requests_per_second
        rules = (
            ("batch_size", _is_whole(self.batch_size, 1, MAX_BATCH_SIZE), f"a whole number, 1 to {MAX_BATCH_SIZE}"),
            ("max_concurrency", _is_whole(self.max_concurrency, 1), "a whole number, 1 or more"),
            ("max_requests_per_second", rate is None or _is_positive(rate), "a number above 0, or None"),
            ("on_unconfirmed", self.on_unconfirmed in {"resend", "hold"}, "'resend' or 'hold'"),
            ("max_attempts", _is_whole(self.max_attempts, 1), "a whole number, 1 or more"),
            ("give_up_after", _is_positive(self.give_up_after), "a number of seconds above 0"),
        )
        for name, holds, wanted in rules:
            if not holds:
                message = f"Sending({name}=…) must be {wanted}, not {getattr(self, name)!r}. Nothing was sent."
                raise BikConfigError(message)

    @property
    def hold(self) -> bool:
        """Whether events that may have arrived are kept back instead of being sent again."""
        return self.on_unconfirmed == "hold"


def _is_whole(value: object, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def parse_max_rejected(value: object) -> int | Decimal:
    """Read how many rejected events still count as success.

    Args:
        value: A whole number of events, or a share of the events read as a float from 0 to 1.

    Returns:
        The number, or the exact share: of 100 events, 0.29 are 29.

    Raises:
        BikConfigError: It is neither.
    """
    share = Decimal(str(value)) if isinstance(value, float) else value
    if isinstance(share, Decimal) and share.is_finite() and 0 <= share <= 1:
        return share
    if isinstance(value, int) and _is_whole(value, 0):
        return value
    message = (
        f"max_rejected must be a whole number of events, or a share between 0.0 and 1.0, not {value!r}. "
        "Nothing was sent."
    )
    raise BikConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a delivery is going, for those who watch it.

    Attributes:
        seconds: Since this try began to deliver.
        counts: A copy of the counters, over all tries.
        read: Events read so far.
        settled: Events that are confirmed, rejected or skipped.
        in_flight: Requests that wait for their answer.
        retrying: Events that wait to be sent again.
        answers: Answers of this try, by their class.
        retries: Requests of this try whose events had been sent before in it.
        trouble: Whether BIK answers: empty if so, ``failing``, or ``throttled``.
        trouble_seconds: For how long there has been trouble.
        trouble_cause: The latest answer that shows it, in safe words.
        is_last: Whether delivery has ended, so that no other progress follows.
    """

    seconds: float
    counts: Counts
    read: int
    settled: int
    in_flight: int
    retrying: int
    answers: Mapping[AnswerClass, int] = field(default_factory=dict)
    retries: int = 0
    trouble: Literal["", "failing", "throttled"] = ""
    trouble_seconds: float = 0.0
    trouble_cause: str = ""
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Everything one delivery is made of but its events and the network.

    Args:
        sending: How events are sent.
        dry_run: Read and count; send nothing, and write no checkpoint.
        rejected: Where rejected events go.
        checkpoints: Writes checkpoints.
        resume_from: The checkpoint of an earlier try, or a blank one.
        progress: Called every few seconds, when trouble begins or ends, and once at the end; from the event loop, so it
            must neither block nor raise.
    """

    sending: Sending = field(default_factory=Sending)
    dry_run: bool = False
    rejected: RejectedSink = field(default_factory=NoRejectedSink)
    checkpoints: CheckpointWriter = field(default_factory=NoCheckpoints)
    resume_from: Checkpoint = field(default_factory=Checkpoint)
    progress: Callable[[Progress], None] | None = None
