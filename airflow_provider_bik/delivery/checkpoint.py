"""How far a delivery has come, and what of it is written down before events are sent: small, readable JSON.

A checkpoint holds positions, counters and a digest; no event and nothing personal. Where it is kept, who may write it
and which input it belongs to is decided elsewhere. Its lease says how far events may be sent before the next one is
written: that keeps duplicates after a crash few and named.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, cast

import msgspec

from airflow_provider_bik.errors import BikRecordError
from airflow_provider_bik.events.item import EncodedEvent
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason, Rejection

__all__ = [
    "MAX_RANGES",
    "Checkpoint",
    "CheckpointWriter",
    "Counts",
    "Intervals",
    "Lease",
    "NoCheckpoints",
    "grouped_text",
]

INTERVAL = 1.0
"""Seconds between two checkpoints while all goes well."""

SHORTEST_INTERVAL = 0.25
"""Seconds: a used-up lease is not renewed sooner than this; the next one is made larger instead."""

FIRST_INTERVAL = 0.01
"""The same for the first lease, which is small because nothing is known of the speed; twice as long for each that
follows."""

AHEAD = 2.0
"""Seconds of sending that are read, and covered by a lease, in advance: it is then renewed before it is used up."""

MOST_AHEAD = 25_000
"""Events that are read in advance at most: so many are enough for any speed that one process reaches, and more would
only fill its memory."""

MAX_EXAMPLES = 5
"""Locations named for each reason."""

MAX_DETAILS = 3
"""Different details, which name fields, kept for each reason."""

LONGEST_DETAIL = 80
"""Characters of such a detail."""

MAX_RANGES = 100
"""Ranges of possible duplicates; with more, the closest are joined, so that they still contain every position."""

Range = tuple[int, int]
"""Positions from the first number up to, not including, the second."""


class Intervals:
    """A set of whole numbers, kept as sorted half-open intervals that never touch.

    Args:
        pairs: (start, end) pairs to begin with, end excluded; they may overlap.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in pairs:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Take in every number from ``start`` up to, not including, ``end``."""
        if start >= end:
            return
        # Neighbours that overlap or touch [start, end) become one with it.
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def add_all(self, positions: Iterable[int]) -> None:
        """Take in single numbers; runs of neighbours cost one step, and a range costs no more than that."""
        if isinstance(positions, range) and positions.step == 1:
            self.add(positions.start, positions.stop)
            return
        start = end = -1
        for position in positions:
            if position == end:
                end += 1
            else:
                self.add(start, end)
                start, end = position, position + 1
        self.add(start, end)

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, int):
            return False
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and position < self._ends[index]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Intervals({list(self)!r})"

    def gaps(self, end: int) -> Intervals:
        """What is missing between 0 and ``end``, ``end`` excluded."""
        missing, reached = Intervals(), 0
        for start, stop in self:
            missing.add(reached, min(start, end))
            reached = stop
        missing.add(reached, end)
        return missing

    def without(self, other: Intervals) -> Intervals:
        """What is in this set and not in the other."""
        kept, others, first = Intervals(), list(other), 0
        for start, end in self:
            while first < len(others) and others[first][1] <= start:
                first += 1
            reached, index = start, first
            while index < len(others) and others[index][0] < end:
                kept.add(reached, others[index][0])
                reached = others[index][1]
                index += 1
            kept.add(reached, end)
        return kept

    def coarse(self, most: int) -> list[tuple[int, int]]:
        """At most ``most`` intervals that contain this set, made by closing the smallest gaps."""
        pairs = list(self)
        if len(pairs) <= most:
            return pairs
        by_width = sorted(range(1, len(pairs)), key=lambda index: pairs[index][0] - pairs[index - 1][1], reverse=True)
        kept = sorted(by_width[: most - 1])
        bounds = [0, *kept, len(pairs)]
        return [(pairs[a][0], pairs[b - 1][1]) for a, b in pairwise(bounds)]


def _no_events() -> dict[Pipeline, int]:
    return dict.fromkeys(Pipeline, 0)


class Counts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The counters of a delivery, over all its tries. The engine, the checkpoint and the report hold the same struct.

    Attributes:
        pipelines: Confirmed events by pipeline; in a dry run, events that could be sent.
        reasons: Rejected events by reason.
        examples: The first few locations of each reason.
        details: The first few different details of each reason: which field, and which limit; never a value.
        skipped: Events that were left out because the DAG said so.
        dropped_nulls: Null values left out of events.
        dropped_created_at: Events whose date was left out, as the user asked.
        dropped_identities: Events whose e-mail address or telephone number was left out, by the reason.
        dropped_identity_examples: The first few locations of each of these reasons.
        possible_duplicates: Positions of events that may have reached BIK more than once.
        resent_after_rejection: Positions of events sent again, in smaller batches, because BIK rejected a batch. They
            are duplicates only if BIK stores a part of a batch that it rejects, which its documentation leaves open.
        requests: Requests made.
        failed_requests: Requests that were not confirmed.
        planned_requests: In a dry run, requests that sending would take at least.
        seconds: Time spent.
    """

    pipelines: dict[Pipeline, int] = msgspec.field(default_factory=_no_events)
    reasons: dict[Reason, int] = msgspec.field(default_factory=dict)
    examples: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    details: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    skipped: int = 0
    dropped_nulls: int = 0
    dropped_created_at: int = 0
    dropped_identities: dict[Reason, int] = msgspec.field(default_factory=dict)
    dropped_identity_examples: dict[Reason, list[str]] = msgspec.field(default_factory=dict)
    possible_duplicates: Intervals = msgspec.field(default_factory=Intervals)
    resent_after_rejection: Intervals = msgspec.field(default_factory=Intervals)
    requests: int = 0
    failed_requests: int = 0
    planned_requests: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> int:
        """Confirmed events; in a dry run, events that could be sent."""
        return sum(self.pipelines.values())

    @property
    def rejected(self) -> int:
        """Events that did not go out or that BIK rejected."""
        return sum(self.reasons.values())

    def warnings(self, *, dry_run: bool = False) -> list[str]:
        """What everybody should know although nothing is rejected for it; sentences without values.

        Args:
            dry_run: Whether nothing was sent.
        """
        said = []
        total = sum(self.dropped_identities.values())
        if total:
            reasons = grouped_text(self.dropped_identities, self.dropped_identity_examples)
            said.append(
                f"An e-mail address or telephone number that cannot be used is left out of {total} events, which go "
                f"out by the other one: {reasons}. With on_bad_identity='reject' they are rejected."
            )
        undated = self.pipelines[Pipeline.REALTIME] - self.dropped_created_at
        if self.pipelines[Pipeline.MIGRATION] and undated > 0:
            went = "would go" if dry_run else "went"
            said.append(
                f"{undated} of {self.passed} events had no date and {went} out as realtime, beside others with a date."
                " If all are history, use pipeline='migration', which rejects what has none."
            )
        return said

    def copy(self) -> Counts:
        """A copy that does not change any more, with ranges few enough to be written down."""
        return msgspec.structs.replace(
            self,
            pipelines=dict(self.pipelines),
            reasons=dict(self.reasons),
            examples={reason: list(locations) for reason, locations in self.examples.items()},
            details={reason: list(details) for reason, details in self.details.items()},
            dropped_identities=dict(self.dropped_identities),
            dropped_identity_examples={
                reason: list(locations) for reason, locations in self.dropped_identity_examples.items()
            },
            possible_duplicates=Intervals(self.possible_duplicates.coarse(MAX_RANGES)),
            resent_after_rejection=Intervals(self.resent_after_rejection.coarse(MAX_RANGES)),
        )

    def resumed(self) -> Counts:
        """The counts with which another try goes on: it reads the input again, and counts again what reading tells."""
        counts = self.copy()
        counts.pipelines = _no_events() | counts.pipelines
        counts.dropped_nulls = counts.dropped_created_at = counts.planned_requests = 0
        counts.dropped_identities, counts.dropped_identity_examples = {}, {}
        return counts

    def note_dropped(self, encoded: EncodedEvent, location: str) -> None:
        """Count what was left out of an event that goes out."""
        self.dropped_nulls += encoded.dropped_nulls
        self.dropped_created_at += encoded.dropped_created_at
        if (reason := encoded.dropped_identity) is not None:
            _note(self.dropped_identities, self.dropped_identity_examples, reason, location)

    def note_rejected(self, rejection: Rejection, location: str) -> None:
        """Count one rejected event."""
        _note(self.reasons, self.examples, rejection.reason, location)
        details = self.details.setdefault(rejection.reason, [])
        detail = rejection.detail.partition(";")[0][:LONGEST_DETAIL]
        if detail and len(details) < MAX_DETAILS and detail not in details:
            details.append(detail)


def grouped_text(
    counts: Mapping[Reason, int],
    examples: Mapping[Reason, Sequence[str]],
    details: Mapping[Reason, Sequence[str]] | None = None,
) -> str:
    """The reasons, the most frequent first, with the first few locations and fields."""
    parts = []
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        fields = " | ".join((details or {}).get(reason, ()))
        parts.append(f"{count} x {reason.value} (at {', '.join(examples[reason])}{fields and f': {fields}'})")
    return "; ".join(parts)


def _note(counts: dict[Reason, int], examples: dict[Reason, list[str]], reason: Reason, location: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1
    first = examples.setdefault(reason, [])
    if len(first) < MAX_EXAMPLES:
        first.append(location)


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

    version: Literal[2] = 2
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


@dataclass(slots=True, kw_only=True)
class Lease:
    """The lease of one delivery. Pure: times come in as arguments, in the loop's time.

    A lease never goes beyond what was read: the checkpoint's digest covers every event that may be sent under it, so
    that another try can tell whether it reads the same events.

    Args:
        resumed_to: Positions before this one are covered already, by an earlier try.
        least: Events that are read in advance at least.

    Attributes:
        committed_to: Events before this position may be sent: a written checkpoint covers them.
        requested_to: What the checkpoint on its way will cover.
        ahead: Events that are read in advance.
    """

    resumed_to: int
    least: int
    committed_to: int = 0
    requested_to: int = 0
    ahead: int = 0
    _shortest: float = FIRST_INTERVAL
    _last_request: float = float("-inf")
    _last_sent_to: int = 0

    def __post_init__(self) -> None:
        # An earlier try's lease is not this one's: `committed_to` stays 0 until this try has written a checkpoint.
        self.requested_to = self._last_sent_to = self.resumed_to
        self.ahead = self.least

    def covers(self, end: int) -> bool:
        """Whether events up to this position, excluded, may be sent."""
        return end <= self.committed_to

    def wait(self, now: float) -> float:
        """Seconds until a used-up lease may be renewed."""
        return max(0.001, self._last_request + self._shortest - now)

    def due(self, now: float, *, sent_to: int, read: int) -> bool:
        """Whether a checkpoint should be written now.

        Args:
            now: The loop's time.
            sent_to: The position of the first event that waits to be sent for the first time.
            read: Events read so far.
        """
        is_running_out = min(read, sent_to + self.ahead // 4) > self.committed_to
        return now >= self._last_request + (self._shortest if is_running_out else INTERVAL)

    def extend(self, now: float, *, sent_to: int, read: int) -> None:
        """A checkpoint is about to be written: cover all that was read, and say how far to read in advance."""
        elapsed = now - self._last_request
        self._shortest = min(SHORTEST_INTERVAL, 2 * self._shortest)
        rate = (sent_to - self._last_sent_to) / elapsed if elapsed > 0 else 0.0
        self.ahead = max(self.least, min(MOST_AHEAD, int(rate * AHEAD)))
        self.requested_to = max(self.requested_to, read)
        self._last_request, self._last_sent_to = now, max(sent_to, self._last_sent_to)

    def commit(self, end: int) -> None:
        """A checkpoint that covers events up to this position, excluded, is written."""
        self.committed_to = max(self.committed_to, end)
