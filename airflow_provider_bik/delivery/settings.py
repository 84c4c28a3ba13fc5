"""The user's choices of how to deliver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_bik.delivery.batching import MAX_BATCH_SIZE

__all__ = ["DeliverySettings", "IfDelivered", "OnUnconfirmed"]


class OnUnconfirmed(StrEnum):
    """What to do with events that may have reached BIK without being confirmed."""

    RESEND = "resend"
    HOLD = "hold"


class IfDelivered(StrEnum):
    """What to do when a delivery is asked for that an earlier run, or the same one before it was cleared, completed."""

    RESEND = "resend"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How to deliver.

    Args:
        batch_size: Events a request, 1 to 100.
        max_concurrency: Requests in flight at most.
        max_requests_per_second: Ceiling of the rate; None for none.
        on_unconfirmed: Resend, or hold.
        max_attempts: After so many attempts without a clear answer, while others get theirs, delivery ends.
        give_up_after: Seconds without any clear answer after which delivery ends with the rest unresolved.
        dry_run: Read, check and count; send and write nothing.
    """

    batch_size: int = MAX_BATCH_SIZE
    max_concurrency: int = 8
    max_requests_per_second: float | None = None
    on_unconfirmed: OnUnconfirmed = OnUnconfirmed.RESEND
    max_attempts: int = 8
    give_up_after: float = 900.0
    dry_run: bool = False
