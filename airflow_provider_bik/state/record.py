"""The record of one delivery, and its generations.

A record is one document that names the current *generation*: one reading of the input, and all that is known of it. A
generation is never rewritten by another one, so that a position always means the same event.

Several tries may be at work at once: Airflow starts a new one when it believes that the last one is dead. Each writes a
checkpoint of its own, and the only document that two of them write is the record. A try that takes over first adds its
name to the record and then reads the checkpoint of the try before; a try that goes on first writes its checkpoint and
then looks whether the record still names it last. Whatever the order, one of the two sees the other: either the older
one stops before it sends anything under its new lease, or the newer one has read that lease. This needs a store that
shows what was written, and nothing more: no lock and no comparison.

Of two tries that read the record at the same moment and replace it, the last one wins, so that it may fail to name a
try or a generation that has sent. So what lies in the folder counts, too: checkpoints of tries that the record does not
name, and generations that it does not know, which are those with a number that is not below that of the current one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Literal
from uuid import uuid4

import msgspec
from airflow.providers.common.compat.sdk import conf

from airflow_provider_bik.delivery import Checkpoint, ReportDict, empty_report
from airflow_provider_bik.delivery.checkpoint import Intervals
from airflow_provider_bik.errors import BikAlreadyDeliveredError, BikConfigError, BikRecordError, BikSupersededError
from airflow_provider_bik.events.reasons import Reason
from airflow_provider_bik.state.storage import Documents, Folder
from airflow_provider_bik.threads import call_in_thread

__all__ = [
    "RECORD",
    "Attempt",
    "Delivered",
    "DeliveryRecord",
    "Generation",
    "IfDelivered",
    "OpenGeneration",
    "Record",
    "tidy",
]

VERSION = 1

RECORD = "record.json"
"""The name of the document."""

GENERATION = re.compile(r"(\d{4}-\d{2}-\d{2})T[\d-]+-[0-9a-f]{6}-(\d+)")
"""The name of a generation's folder: the day on which it began, and its number."""


CHECKPOINT = "checkpoint."
"""What the names of checkpoints begin with."""

MOST_EARLIER = 20
"""Generations before the current one that a record names."""

NEIGHBOURS = 20
"""Other deliveries of the same stream or task that one run looks at, chosen by chance, so that in time all are."""

_WHOLE = r"(?:input\.ndjson\.gz|checkpoint\.[0-9a-f]+\.json|rejected(?:\.[0-9a-f]+-\d+)?\.ndjson|report\.json)"

_OURS = re.compile(rf"{_WHOLE}|\.{_WHOLE}\.[\w-]+")
"""Files of this package's own naming, and what a writer of one of them that was killed leaves beside it; not the copy
that a person saves as ``rejected.ndjson.fixed``."""


class IfDelivered(StrEnum):
    """What happens to a delivery, or to a part of a window, that was delivered before."""

    RESEND = "resend"
    SKIP = "skip"
    TRIM = "trim"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a task.

    Attributes:
        run: The task instance in words: DAG, task, run and map index.
        dag_run: The DAG and the run alone, in words.
        clears: Numbers that a clear of the task changes and a retry does not.
        now: Aware.
        zone: In which names and notes tell times.
        owner: Names the try; no two tries have the same.
    """

    run: str
    clears: tuple[int, ...]
    now: datetime
    dag_run: str = ""
    zone: tzinfo = UTC
    owner: str = field(default_factory=lambda: uuid4().hex[:12])

    @property
    def local_time(self) -> str:
        """When it began, as a part of a file's name."""
        return self.now.astimezone(self.zone).strftime("%Y-%m-%dT%H-%M-%S")


class Generation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of the input and what has become of it.

    Attributes:
        id: The name of its folder: when it began, a few digits that make it unlike any other, and its number.
        number: One more than that of the generation before.
        state: ``open``: not all events have an outcome. ``delivered``: they have, and the task has succeeded.
            ``replaced``: another generation was begun in its place.
        note: The same in words.
        run: The task instance that works, or has worked, at it.
        dag_run: The run that this task instance belongs to.
        clears: Numbers that a clear of the task changes and a retry does not, as its last try saw them.
        owners: Its tries, the newest last; only that one may send.
        began_at: ISO 8601; what is "now" for every event of the generation.
        ended_at: ISO 8601; empty while it is open.
        everything_in_doubt: Whether BIK may have any of its events from somewhere else already.
        pauses: How often it has stepped aside because BIK asked for a long pause.
        counts: Read, confirmed, rejected, skipped and possible duplicates, once it has ended.
    """

    id: str
    number: int
    state: Literal["open", "delivered", "replaced"] = "open"
    note: str = ""
    run: str
    dag_run: str = ""
    clears: list[int]
    owners: list[str]
    began_at: str
    ended_at: str = ""
    everything_in_doubt: bool = False
    pauses: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)

    def file(self, name: str) -> str:
        """The name of one of its files, within the record's folder."""
        return f"{self.id}/{name}"

    @property
    def for_next(self) -> str:
        """The name of the file for the generation after it, by the try that has delivered it and by no other."""
        return self.file(f"seen.{self.owners[-1]}.json")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``record.json`` holds; no event and nothing personal.

    Attributes:
        version: Of this form.
        delivery: What is delivered, in words.
        current: The current generation.
        sent_before: Whether anything of an earlier one may have reached BIK.
        earlier: The last few before it, the newest first.
    """

    version: int = VERSION
    delivery: str
    current: Generation
    sent_before: bool = False
    earlier: list[Generation] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Nothing is left to do.

    Attributes:
        report: What the task returns.
        by: Who has delivered it; empty if it was an earlier try of the same task instance.
    """

    report: dict[str, Any]
    by: str = ""


class DeliveryRecord:
    """The record of one delivery, as one try sees it.

    Args:
        documents: Where it is.
        delivery: What is delivered, in words.
        attempt: The try.
    """

    def __init__(self, documents: Documents, delivery: str, attempt: Attempt) -> None:
        self.documents = documents
        self.delivery = delivery
        self.attempt = attempt

    def find(self) -> Record | None:
        """The record as it is; None if there is none.

        Raises:
            BikRecordError: There is one and it cannot be understood. That is never taken for "none", for then
                everything would be sent again.
            BikStorageError: It cannot be read.
        """
        found: Record | None = self._read(RECORD, Record)
        return found

    def begin(
        self, if_delivered: IfDelivered, *, everything_in_doubt: bool = False, grows: bool = False
    ) -> OpenGeneration | Delivered:
        """Decide what this try does with what it finds.

        A retry, and whoever comes after a failure, go on. A retry that finds everything delivered, because its worker
        was lost at the very end, is done. Whoever else finds that would send it a second time, and does what the user
        has chosen.

        Args:
            if_delivered: That choice.
            everything_in_doubt: Whether BIK may have events of this delivery from somewhere else.
            grows: Whether each run delivers what has come since the last one.

        Raises:
            BikAlreadyDeliveredError: It is delivered, and the user wants that to be an error.
            BikConfigError: Another task of the same run delivers the same.
            BikRecordError, BikStorageError: As for `find`.
            BikSupersededError: Another try began at the same moment.
        """
        found = self.find()
        if found is None:
            return self._new(None, everything_in_doubt=everything_in_doubt)
        current = found.current
        self._check_alone_in_run(current)
        if current.state == "delivered":
            if self._is_mine(current):
                return Delivered(report=self._report(current))
            if grows:
                return self.begin_next()
            if if_delivered is IfDelivered.RESEND:
                return self._new(found, everything_in_doubt=everything_in_doubt)
            if if_delivered is IfDelivered.REFUSE:
                raise BikAlreadyDeliveredError(_already(self.delivery, current))
            return Delivered(report={**self._report(current), "already_delivered": True}, by=current.run)
        return self._take_over(found, everything_in_doubt=everything_in_doubt, grows=grows)

    def begin_next(self) -> OpenGeneration:
        """Begin the generation after one that is delivered, with other events.

        Raises:
            BikRecordError, BikStorageError: As for `find`.
            BikSupersededError: Another try began at the same moment.
        """
        found = self.find()
        if found is None or found.current.state != "delivered":
            # Its try had read the record before it was delivered.
            other = "Another try has taken over what was just delivered"
            raise self._superseded(other)
        return self._new(found, everything_in_doubt=False, other_events=True)

    def may_have_sent(self, record: Record | None) -> bool:
        """Whether anything of a delivery may have reached BIK, in any of its generations.

        Args:
            record: As `find` gives it; None if there is none, or none any more.
        """
        if record is None:
            return self._has_sent_since(0)
        if record.sent_before:
            return True
        if record.current.state == "delivered":
            # Its checkpoints go after a while.
            return record.current.counts.get("read", 1) > 0
        return _may_have_sent(self.checkpoint_of(record.current))

    def checkpoint_of(self, generation: Generation) -> Checkpoint:
        """How far the generation has come, by the checkpoints of all tries.

        A try goes on from the checkpoint of the one before, so that the newest says all, unless two tries have gone on
        from the same: then what the other one may have sent is in doubt.
        """
        found = [
            checkpoint
            for name in self._checkpoint_names(generation)
            if (checkpoint := self._checkpoint(generation.file(name))) is not None
        ]
        if not found:
            return Checkpoint()
        base = max(reversed(found), key=lambda checkpoint: len(Intervals(checkpoint.settled)))
        return _doubting(base, found)

    def _checkpoint_names(self, generation: Generation) -> list[str]:
        named = [_checkpoint_name(owner) for owner in generation.owners]
        others = [name for name in self.documents.names(generation.id) if name.startswith(CHECKPOINT)]
        return [*(name for name in others if name not in named), *named]

    def _checkpoint(self, name: str) -> Checkpoint | None:
        found = self._read(name, Any)
        return None if found is None else Checkpoint.from_json(found)

    def _generations(self) -> Iterator[tuple[int, str]]:
        """Those that lie in the folder, with their numbers, whatever the record says."""
        for name in self.documents.names():
            if found := GENERATION.fullmatch(name):
                yield int(found[2]), name

    def _has_sent_since(self, number: int, *, without: str = "") -> bool:
        """Whether a generation from this number on has a checkpoint, without which nothing is sent."""
        return any(
            name.startswith(CHECKPOINT)
            for each, generation in self._generations()
            if each >= number and generation != without
            for name in self.documents.names(generation)
        )

    def write(self, record: Record) -> None:
        """Replace the record.

        Raises:
            BikStorageError: It cannot be written.
        """
        self.documents.write(RECORD, [msgspec.json.format(msgspec.json.encode(record), indent=2)])

    def check_mine(self, generation_id: str) -> Record:
        """The record, if it still names this try.

        Raises:
            BikSupersededError: It names another one, or is gone.
        """
        found = self.find()
        if found is None or found.current.id != generation_id or found.current.owners[-1] != self.attempt.owner:
            other = "The record was removed" if found is None else f"Another try ({found.current.run}) has taken over"
            raise self._superseded(other)
        return found

    def _check_alone_in_run(self, current: Generation) -> None:
        """Two tasks of one run that deliver the same are a mistake: one of them would be skipped, unseen."""
        attempt = self.attempt
        if attempt.dag_run and current.dag_run == attempt.dag_run and current.run != attempt.run:
            message = (
                f"{self.delivery} is delivered by another task of the same run: {current.run}. This task, "
                f"{attempt.run}, would find it done and send nothing. Give each task a stream or a window of its own. "
                "Nothing was sent."
            )
            raise BikConfigError(message)

    def _superseded(self, why: str) -> BikSupersededError:
        return BikSupersededError(
            f"{why} while this try worked at {self.delivery}. It has stopped, and sent nothing beyond its lease. "
            "Nothing is to be done if another try is running; else clear the task."
        )

    def _is_mine(self, generation: Generation) -> bool:
        return (generation.run, tuple(generation.clears)) == (self.attempt.run, self.attempt.clears)

    def _new(self, found: Record | None, *, everything_in_doubt: bool, other_events: bool = False) -> OpenGeneration:
        """Begin a generation, in place of the current one if there is one."""
        attempt = self.attempt
        before, sent = self._before() if found is None else (found.current.number, self.may_have_sent(found))
        earlier = [] if found is None else [_closed(found.current, attempt.now), *found.earlier]
        generation = Generation(
            id=f"{attempt.local_time}-{attempt.owner[:6]}-{before + 1}",
            number=before + 1,
            run=attempt.run,
            dag_run=attempt.dag_run,
            clears=list(attempt.clears),
            owners=[attempt.owner],
            began_at=attempt.now.isoformat(),
            everything_in_doubt=everything_in_doubt or (sent and not other_events),
        )
        record = Record(delivery=self.delivery, current=generation, sent_before=sent, earlier=_kept(earlier))
        generation = self._claim(record)
        return OpenGeneration(self, generation, Checkpoint(everything_in_doubt=generation.everything_in_doubt))

    def _before(self) -> tuple[int, bool]:
        """The number of the last generation from before the record was deleted, and whether there is one."""
        numbers = [number for number, _ in self._generations()]
        if numbers and self.find() is not None:
            other = "Another try began at the same moment"
            raise self._superseded(other)
        return max(numbers, default=-1), bool(numbers)

    def _take_over(self, found: Record, *, everything_in_doubt: bool, grows: bool) -> OpenGeneration:
        attempt, before = self.attempt, found.current
        current = msgspec.structs.replace(
            before,
            owners=[*before.owners, attempt.owner],
            everything_in_doubt=before.everything_in_doubt or everything_in_doubt,
        )
        if not grows or before.run == attempt.run:
            # Else this run is not done with it: its own generation comes after.
            current = msgspec.structs.replace(
                current, run=attempt.run, dag_run=attempt.dag_run, clears=list(attempt.clears)
            )
        # In this order: see the docstring of the module.
        current = self._claim(msgspec.structs.replace(found, current=current))
        checkpoint = self.checkpoint_of(before)
        return OpenGeneration(
            self,
            current,
            msgspec.structs.replace(checkpoint, everything_in_doubt=current.everything_in_doubt),
            before=before,
        )

    def _claim(self, record: Record) -> Generation:
        """Write the record with this try as the last owner of its current generation; then look for others.

        Returns:
            The generation; all of it is in doubt if there is one that the record does not know, begun from the same
            record by a try that has replaced it, or been replaced, at the same moment.

        Raises:
            BikSupersededError: Another try began at the same moment.
        """
        self.write(record)
        self.check_mine(record.current.id)
        generation = record.current
        if not generation.everything_in_doubt and self._has_sent_since(generation.number, without=generation.id):
            generation = msgspec.structs.replace(generation, everything_in_doubt=True)
            self.write(msgspec.structs.replace(record, current=generation))
            self.check_mine(generation.id)
        return generation

    def _report(self, generation: Generation) -> dict[str, Any]:
        found = self.documents.read(generation.file("report.json"))
        # It goes after a while, with the generation's other files; the counts stay.
        report: dict[str, Any] = msgspec.json.decode(found) if found else {}
        return {**empty_report(), **generation.counts, **report}

    def _read(self, name: str, kind: Any) -> Any:  # noqa: ANN401 - as the type that is asked for
        content = self.documents.read(name)
        try:
            return None if content is None else msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = (
                f"{name} in {self.documents} cannot be understood ({error}). Nothing was sent. Restore it, or use the "
                "version of airflow-provider-bik that wrote it; or delete it to begin anew: every event then counts as "
                "a possible duplicate."
            )
            raise BikRecordError(message) from error


class OpenGeneration:
    """A generation that this try works at.

    Args:
        record: Of its delivery.
        generation: As the record has it.
        resume_from: The checkpoint to begin from.
        before: The generation as this try found it; None if it has begun it.

    Attributes:
        is_after_clear: Whether a person has cleared the task after a try that failed.
        is_of_another_run: Whether another run has begun it, and left it open.
        before_first_lease: Called once, after the first lease is written and before anything is sent under it.
        total: How many events its input has, if that is known.
        for_next: What the generation after this one must know of just the reading that this try has made; written down
            once it is delivered.
    """

    def __init__(
        self,
        record: DeliveryRecord,
        generation: Generation,
        resume_from: Checkpoint,
        *,
        before: Generation | None = None,
    ) -> None:
        self.record = record
        self.generation = generation
        self.resume_from = msgspec.structs.replace(resume_from, owner=record.attempt.owner)
        run, clears = record.attempt.run, list(record.attempt.clears)
        self.is_after_clear = before is not None and before.run == run and before.clears != clears
        self.is_of_another_run = before is not None and before.run != run
        self.before_first_lease: Callable[[], None] = lambda: None
        self.total: int | None = None
        self.for_next: bytes | None = None
        self.latest = self.resume_from
        self._leased = False

    @property
    def now(self) -> datetime:
        """What is "now" for every event of the generation."""
        return datetime.fromisoformat(self.generation.began_at)

    async def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint down, durably; this is the engine's `CheckpointWriter`.

        Raises:
            BikSupersededError: A newer try has taken over.
            BikStorageError: It cannot be written.
        """
        # In a thread that nobody waits for: a store that hangs must not hold up the end of the task.
        await call_in_thread(lambda: self._write(checkpoint))

    def _write(self, checkpoint: Checkpoint) -> None:
        name = self.generation.file(_checkpoint_name(self.record.attempt.owner))
        # In this order: see the docstring of the module.
        self.record.documents.write(name, [msgspec.json.encode(checkpoint.to_json())])
        self.record.check_mine(self.generation.id)
        if not self._leased:
            self.before_first_lease()
            self._leased = True
        self.latest = checkpoint

    @property
    def has_positions(self) -> bool:
        """Whether anything is known of positions of its input, so that another input must not take its place."""
        return _may_have_sent(self.resume_from) or bool(self.resume_from.settled)

    def begin_anew(self) -> OpenGeneration:
        """Give this generation up and begin another one, in which all that this one may have sent is in doubt.

        Raises:
            BikSupersededError: A newer try has taken over.
            BikStorageError: It cannot be written.
        """
        return self.record._new(self.record.check_mine(self.generation.id), everything_in_doubt=False)  # noqa: SLF001 - of the same module

    def conclude(self, report: ReportDict, *, delivered: bool, pauses: bool = False) -> None:
        """Write down how this try ended; with ``delivered`` the generation is closed, with ``pauses`` it is paused.

        Raises:
            BikSupersededError: A newer try has taken over.
            BikStorageError: It cannot be written.
        """
        found = self.record.check_mine(self.generation.id)
        counts = {name: int(report[name]) for name in _COUNTS}  # type: ignore[literal-required]
        self.record.documents.write(self.generation.file("report.json"), [msgspec.json.encode(report)])
        if not delivered and not pauses:
            # The record stays as it is: the fewer tries replace it, the fewer can undo what another has written.
            return
        if delivered and self.for_next is not None:
            self.record.documents.write(found.current.for_next, [self.for_next])
        self.generation = msgspec.structs.replace(
            found.current,
            state="delivered" if delivered else "open",
            note=", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()),
            ended_at=datetime.now(UTC).isoformat(timespec="seconds") if delivered else "",
            pauses=found.current.pauses + pauses,
            counts=counts,
        )
        self.record.write(msgspec.structs.replace(found, current=self.generation))


_COUNTS = ("read", "confirmed", "rejected", "skipped", "unresolved", "possible_duplicates")


def _closed(generation: Generation, now: datetime) -> Generation:
    """A generation as it is named once another one has taken its place."""
    if generation.state == "delivered":
        return generation
    return msgspec.structs.replace(generation, state="replaced", ended_at=now.isoformat(timespec="seconds"))


def _kept(earlier: list[Generation]) -> list[Generation]:
    """The last few; and the last that is delivered, for what comes next begins where it has ended."""
    kept, rest = earlier[:MOST_EARLIER], earlier[MOST_EARLIER:]
    if not any(each.state == "delivered" for each in kept):
        kept += [each for each in rest if each.state == "delivered"][:1]
    return kept


def _may_have_sent(checkpoint: Checkpoint) -> bool:
    # Of a try that was killed, nobody counts the requests; what it may have sent is in doubt, or given up since.
    held = checkpoint.counts.reasons.get(Reason.DELIVERY_UNKNOWN, 0)
    return checkpoint.counts.requests + held > 0 or bool(len(checkpoint.doubt()))


def _doubting(base: Checkpoint, others: Iterable[Checkpoint]) -> Checkpoint:
    """A checkpoint to go on from, that doubts what others of the same generation say was sent, and names it.

    Of those from which it has itself gone on, it knows all of that.
    """
    settled, in_doubt, counts = Intervals(base.settled), Intervals(base.doubt()), base.counts.copy()
    for other in others:
        sent = Intervals([*other.settled, *other.doubt()])
        in_doubt = Intervals([*in_doubt, *sent.without(settled)])
        # What both may have sent: the other one names what it knew of.
        twice = other.doubt().without(other.doubt().without(settled)) if other is not base else Intervals()
        named = [*counts.possible_duplicates, *other.counts.possible_duplicates, *twice]
        counts = msgspec.structs.replace(counts, possible_duplicates=Intervals(named))
        if other.digest_to > base.digest_to:
            # It covers all that may have been sent.
            base = msgspec.structs.replace(base, digest_to=other.digest_to, digest=other.digest)
    return msgspec.structs.replace(base, in_doubt=list(in_doubt.without(settled)), counts=counts)


def _checkpoint_name(owner: str) -> str:
    return f"{CHECKPOINT}{owner}.json"


def _already(delivery: str, generation: Generation) -> str:
    return (
        f"{delivery} was delivered before, by {generation.run}. Nothing was sent in this run, and a retry sends none "
        "either. To let it pass, set if_delivered='skip'; to send every event again, which customers may notice, "
        "if_delivered='resend'."
    )


def tidy(folder: Folder, *, now: datetime, rng: random.Random) -> None:
    """Remove old generations of a delivery, and of a few of its neighbours: their files hold personal data.

    Records stay, for they hold none. The Airflow option ``[bik] keep_days`` says when a closed generation is old.

    Args:
        folder: Of the delivery's record.
        now: Aware.
        rng: Chooses the neighbours.

    Raises:
        BikStorageError: Something cannot be read or removed.
    """
    oldest = now - timedelta(days=int(conf.getint("bik", "keep_days", fallback=30)))
    around = folder.parent
    others = around.names()
    for name in rng.sample(others, min(NEIGHBOURS, len(others))):
        _tidy_one(around.folder(name), oldest)
    _tidy_one(folder, oldest)


def _tidy_one(folder: Folder, oldest: datetime) -> None:
    content = folder.read(RECORD)
    try:
        record = None if content is None else msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError:
        # Whoever delivers it will say so.
        return
    if record is None:
        return
    ended = {each.id: each.ended_at for each in (*record.earlier, record.current)}
    for name in folder.names():
        if (begun := GENERATION.fullmatch(name)) is None:
            continue
        # Of a generation that the record does not name any more, the name says when it began.
        closed = ended.get(name, f"{begun[1]}T00:00:00+00:00")
        if closed and datetime.fromisoformat(closed) < oldest:
            _remove(folder.folder(name))


def _remove(generation: Folder) -> None:
    names = [name for name in generation.names() if _OURS.fullmatch(name)]
    if names:
        generation.remove(names)
    generation.remove_if_empty()
