"""What is written down while events are sent, so that another process can go on: small, readable JSON.

An admin sees it in Airflow's *Storage* tab, or in the file at ``checkpoint_path``, and may delete it to start over. It
holds positions, counts and a digest; no event and nothing personal.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, cast

import msgspec

from airflow_provider_bik.delivery.settings import IfDelivered
from airflow_provider_bik.errors import BikAlreadyDeliveredError, BikRecordError

__all__ = ["VERSION", "Checkpoint", "Journal", "NoJournal", "where_to_begin"]

VERSION = 1

Range = tuple[int, int]
"""Positions from the first number up to, not including, the second."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the delivery of one task instance has come.

    Attributes:
        version: Of this form.
        state: ``running``: its writer may still be sending, or was killed. ``stopped``: its writer ended in order, so
            ``in_doubt`` is exact. ``done``: nothing is left to do.
        note: The same in words.
        owner: The try that may write; an older try that finds another one here must stop.
        run: The task instance whose tries began this delivery: dag, run, task and map index.
        clears: Airflow's ``ti.max_tries`` when the try began; it grows when the task is cleared, not when it is
            retried.
        began_at: ISO 8601; when the first try began, which stays "now" for all tries.
        leased_to: Only events before this position can have been sent.
        digest_to: Events before this position have gone into ``digest``; every settled position is before it.
        digest: Of the encoded events, so that another try can tell whether it reads the same input.
        settled: Positions that are confirmed or rejected.
        in_doubt: Positions that may have arrived without an answer; None if every unsettled one before ``leased_to``
            is.
        pipelines: Confirmed events by pipeline.
        reasons: Rejected events by reason.
        examples: The first few places of each reason.
        possible_duplicates: Positions that may have arrived more than once.
        resent_after_refusal: Positions sent again because BIK refused a batch.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        seconds: Time spent.
        dead_letters: Names of the files that hold the rejected events.
        report: What the task returned, once it is done.
    """

    version: int = VERSION
    state: Literal["running", "stopped", "done"] = "running"
    note: str = ""
    owner: str
    run: str = ""
    clears: int = 0
    began_at: str
    leased_to: int = 0
    digest_to: int = 0
    digest: str = ""
    settled: list[Range] = msgspec.field(default_factory=list)
    in_doubt: list[Range] | None = None
    pipelines: dict[str, int] = msgspec.field(default_factory=dict)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    examples: dict[str, list[str]] = msgspec.field(default_factory=dict)
    possible_duplicates: list[Range] = msgspec.field(default_factory=list)
    resent_after_refusal: list[Range] = msgspec.field(default_factory=list)
    requests: int = 0
    failed_requests: int = 0
    seconds: float = 0.0
    dead_letters: list[str] = msgspec.field(default_factory=list)
    report: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON's own types: Airflow's store takes no tuples."""
        return cast("dict[str, Any]", msgspec.json.decode(msgspec.json.encode(self)))

    @classmethod
    def from_json(cls, value: object) -> Checkpoint:
        """Read what `to_json` wrote.

        Raises:
            BikRecordError: It is something else. That is never treated as "no checkpoint", for then everything
                would be sent again.
        """
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            message = (
                f"The checkpoint of this task cannot be read ({error}). Nothing was sent. Use the version of "
                "airflow-provider-bik that wrote it; or delete it to start over, which sends again what was confirmed."
            )
            raise BikRecordError(message) from error


def where_to_begin(
    found: Checkpoint | None,
    *,
    owner: str,
    run: str,
    clears: int,
    now: str,
    if_delivered: IfDelivered = IfDelivered.RESEND,
) -> Checkpoint:
    """Decide what a new try does with the checkpoint it finds.

    A retry, and whoever comes after a failure, go on. A retry that finds everything done, because its worker was lost
    at the very end, is done. Whoever else finds everything done (a task cleared after success, another run of the same
    delivery) would send it a second time, and does what the user has chosen for that.

    Args:
        found: The checkpoint of an earlier try, if any.
        owner: Names the new try.
        run: Names its task instance.
        clears: Airflow's ``ti.max_tries``, which a clear makes grow and a retry does not.
        now: ISO 8601.
        if_delivered: What to do with a delivery that is done.

    Returns:
        A blank checkpoint, in which everything sent before is a possible duplicate; or the found one with the new
        owner. With ``state`` done there is nothing to do but to return its report.

    Raises:
        BikAlreadyDeliveredError: It is done, and the user wants that to be a failure.
    """
    blank = Checkpoint(owner=owner, run=run, clears=clears, began_at=now)
    if found is None:
        return blank
    if found.state == "done" and (found.run, found.clears) != (run, clears):
        if if_delivered is IfDelivered.RESEND:
            return msgspec.structs.replace(blank, possible_duplicates=[(0, found.digest_to)] if found.digest_to else [])
        if if_delivered is IfDelivered.FAIL:
            raise BikAlreadyDeliveredError(_already(found))
        return msgspec.structs.replace(found, report={**(found.report or {}), "already_delivered": True})
    return msgspec.structs.replace(found, owner=owner, run=run, clears=clears)


def _already(found: Checkpoint) -> str:
    return (
        f"This delivery was completed before, by {found.run or 'an earlier run'}. Nothing was sent in this run, and a "
        "retry sends nothing either. To let it pass, set if_delivered='skip'; to send every event again, which "
        "customers may notice, if_delivered='resend'."
    )


class Journal(Protocol):
    """Where the checkpoint is kept. The engine sends nothing that is not covered by a lease that `save` has taken."""

    async def save(self, checkpoint: Checkpoint) -> None:
        """Write it down, durably.

        Raises:
            BikError: It cannot be written, or another try has taken over.
        """


class NoJournal:
    """Keeps nothing: another try starts over."""

    async def save(self, checkpoint: Checkpoint) -> None:
        """Let it go."""
