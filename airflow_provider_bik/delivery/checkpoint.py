"""What is written down while events are sent, so that another process can go on: small, readable JSON.

It holds positions, counts and a digest; no event and nothing personal. Where it is kept, who may write it and which
input it belongs to is decided elsewhere.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol, cast

import msgspec

from airflow_provider_bik.delivery.counts import Counts
from airflow_provider_bik.delivery.intervals import Intervals, Range
from airflow_provider_bik.errors import BikRecordError

__all__ = ["VERSION", "Checkpoint", "CheckpointWriter", "NoCheckpoints"]

VERSION: Final = 2


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a delivery has come.

    Attributes:
        version: Of this form.
        owner: The try that may write; delivery only hands it on.
        state: ``running``: its writer may still be sending, or was killed. ``stopped``: its writer ended in order, so
            ``in_doubt`` is exact.
        note: The same in words.
        leased_to: Only events before this position can have been sent.
        digest_to: Events before this position have gone into ``digest``; every settled position is before it.
        digest: Of the encoded events, so that another try can tell whether it reads the same input.
        settled: Positions that are confirmed, rejected or skipped.
        in_doubt: Positions that may have arrived without an answer; None if every unsettled one before ``leased_to``
            is.
        everything_in_doubt: BIK may have any of these events already, sent by an earlier generation, an overlapping
            window or a try whose record is lost: each event that is sent is a possible duplicate. ``hold`` does not
            keep these back.
        counts: The counters.
        rejected_files: Names of the files that hold the rejected events.
    """

    version: Literal[2] = VERSION
    owner: str = ""
    state: Literal["running", "stopped"] = "running"
    note: str = ""
    leased_to: int = 0
    digest_to: int = 0
    digest: str = ""
    settled: list[Range] = msgspec.field(default_factory=list)
    in_doubt: list[Range] | None = None
    everything_in_doubt: bool = False
    counts: Counts = msgspec.field(default_factory=Counts)
    rejected_files: list[str] = msgspec.field(default_factory=list)

    def doubt(self) -> Intervals:
        """Positions that the try which wrote this, or one before it, may have sent without an answer."""
        if self.in_doubt is not None:
            return Intervals(self.in_doubt)
        return Intervals(self.settled).gaps(self.leased_to)

    def to_json(self) -> dict[str, Any]:
        """As JSON's own types, which every store takes."""
        return cast("dict[str, Any]", msgspec.json.decode(msgspec.json.encode(self, enc_hook=_encode)))

    @classmethod
    def from_json(cls, value: object) -> Checkpoint:
        """Read what `to_json` wrote.

        Raises:
            BikRecordError: It is something else. That is never treated as "no checkpoint", for then everything
                would be sent again.
        """
        try:
            return msgspec.convert(value, cls, dec_hook=_decode)
        except msgspec.ValidationError as error:
            message = (
                f"The checkpoint of this delivery cannot be read ({error}). Nothing was sent. Use the version of "
                "airflow-provider-bik that wrote it; or remove the delivery's record under state_path to start over, "
                "which sends the confirmed events again."
            )
            raise BikRecordError(message) from error


def _encode(value: object) -> object:
    if isinstance(value, Intervals):
        return list(value)
    raise NotImplementedError


def _decode(kind: type, value: object) -> object:
    if kind is Intervals:
        return Intervals(msgspec.convert(value, list[Range]))
    raise NotImplementedError


class CheckpointWriter(Protocol):
    """Writes checkpoints. The engine sends nothing that is not covered by a lease in a written checkpoint."""

    async def write(self, checkpoint: Checkpoint) -> None:
        """Write it down, durably.

        Raises:
            BikError: It cannot be written, or another try has taken over.
        """


class NoCheckpoints:
    """Writes none: another try starts over."""

    async def write(self, checkpoint: Checkpoint) -> None:
        """Let it go."""
