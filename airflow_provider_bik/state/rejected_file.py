"""Rejected events as NDJSON, one object an event, which can be sent again once they are fixed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal

import msgspec

from airflow_provider_bik.delivery.intake import RejectedEvent
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events.item import REJECTED_EVENT_KEY, EncodedEvent
from airflow_provider_bik.events.times import to_bik_text
from airflow_provider_bik.events.values import is_null, plain
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.threads import call_in_thread

__all__ = ["PARTS", "REJECTED", "RejectedFile", "readable"]

REJECTED = "rejected.ndjson"
"""The one file that a generation leaves once it has ended."""

PARTS = "rejected*.ndjson"
"""A pattern of the files that hold rejected events, while it has not."""

_PART = re.compile(r"rejected\.[0-9a-f]+-\d+\.ndjson")
_VERSION = 1
_BLOCK_BYTES = 256 * 1024
_DEEPEST = 200
"""Levels of a value that are written down: far below what Python can descend, and more than the contract takes, so that
what is cut off cannot be sent by mistake."""
_ROUGHLY_64_BITS = 2**63


class RejectedFile:
    """The rejected events of one generation, over all its tries; this is the engine's `RejectedSink`.

    Each write is a file of its own, so that nothing piles up in memory and what is written stays written. The
    checkpoint names the files that count: a file that was written just before a crash, without the checkpoint knowing,
    does not, for its events are decided anew.

    Args:
        folder: Of the generation.
        owner: Names the try: its files are none of another try's.
        zone: In which naive times are read, as the contract does.
        files: What counts, from the checkpoint of an earlier try: ``owner:number`` each.
    """

    def __init__(self, folder: Folder, owner: str, zone: tzinfo = UTC, files: Sequence[str] = ()) -> None:
        self._folder = folder
        self._owner = owner
        self._zone = zone
        self._earlier = list(files)
        self._written = 0

    @property
    def files(self) -> list[str]:
        """What counts, for the checkpoint: for each try, its name and the number of its files."""
        return [*self._earlier, f"{self._owner}:{self._written}"] if self._written else list(self._earlier)

    @property
    def pattern(self) -> str | None:
        """Where the rejected events are while the generation has not ended; None if there are none."""
        return self._folder.file(PARTS) if self.files else None

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        """Keep these, durably.

        Raises:
            BikStorageError: The storage does not take them.
        """
        if not events:
            return
        content = b"".join(self._encode(event) for event in events)
        # In a thread that nobody waits for: a storage that hangs must not hold up the end of the task.
        await call_in_thread(lambda: self._folder.write(_part(self._owner, self._written), [content]))
        self._written += 1

    def join(self) -> str | None:
        """Make one file of what was written, once everything has its outcome.

        Returns:
            Its path; None if nothing was rejected.

        Raises:
            BikStorageError: A file is gone, or the storage does not take the new one.
        """
        parts = self._parts()
        if not parts:
            return None
        # A person may have fixed the events in a file that an earlier try has made.
        if self._written or REJECTED not in self._folder.names():
            self._folder.write(REJECTED, self._content(parts))
        return self._folder.file(REJECTED)

    def remove_parts(self) -> None:
        """Remove what `join` has made one file of, and what does not count because its try was killed.

        Raises:
            BikStorageError: One cannot be removed.
        """
        self._folder.remove(name for name in self._folder.names() if _PART.fullmatch(name))

    def _parts(self) -> list[str]:
        counted = (entry.rpartition(":") for entry in self.files)
        return [_part(owner, number) for owner, _, count in counted for number in range(int(count))]

    def _content(self, parts: Sequence[str]) -> Iterator[bytes]:
        for part in parts:
            try:
                with self._folder.open(part) as file:
                    last = b"\n"
                    while block := file.read(_BLOCK_BYTES):
                        yield block
                        last = block[-1:]
            except FileNotFoundError:
                message = (
                    f"{part}, which holds rejected events of an earlier try, is not in {self._folder} any more. "
                    "Restore it and retry, which is safe: nothing is sent again."
                )
                raise BikStorageError(message) from None
            # A person may have edited the file with something that leaves the last line without an end.
            if last != b"\n":
                yield b"\n"

    def _encode(self, rejected: RejectedEvent) -> bytes:
        event = rejected.event
        line = {
            REJECTED_EVENT_KEY: _VERSION,
            "position": event.position,
            "location": event.location,
            "reason": rejected.rejection.reason.value,
            "detail": rejected.rejection.detail,
            "message": rejected.message,
            "status": rejected.status,
            "attempts": rejected.attempts,
        }
        if isinstance(event.result, EncodedEvent):
            # As it was sent: sending it once more gives the same bytes.
            line["event"] = msgspec.Raw(event.result.body)
        else:
            line["row" if event.is_row else "event"] = readable(event.raw, self._zone)
        return msgspec.json.encode(line) + b"\n"


def _part(owner: str, number: int) -> str:
    return f"rejected.{owner}-{number:05d}.ndjson"


def readable(value: object, zone: tzinfo, depth: int = 0) -> object:  # noqa: C901, PLR0911, PLR0912 - one line a type
    """Bring whatever was read into JSON; what JSON cannot carry becomes text, so that a person can see and fix it.

    Args:
        value: A row, an event, or text.
        zone: In which naive times are read.
        depth: How many objects and arrays it stands in.
    """
    value = plain(value)
    match value:
        case bool() | None:
            return value
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case int() if abs(value) < _ROUGHLY_64_BITS:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Decimal() if value.is_finite() and value.copy_abs() < _ROUGHLY_64_BITS:
            # As text it would go out as text when it is sent again.
            return int(value) if value == value.to_integral_value() else float(value)
        case _ if is_null(value):
            return None
        case datetime():
            return _time_text(value, zone)
        case date() | time():
            return value.isoformat()
        case Mapping() | list() | tuple() if depth > _DEEPEST:
            return "(deeper than a file can hold)"
        case Mapping():
            return {str(readable(str(key), zone)): readable(item, zone, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [readable(item, zone, depth + 1) for item in value]
        case int():
            return "(integer of more than 64 bits)" if value.bit_length() > 10_000 else str(value)  # noqa: PLR2004
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _:
            return str(value)


def _time_text(value: datetime, zone: tzinfo) -> str:
    """As the contract would write it, so that the zone in which it was read is not lost."""
    try:
        return to_bik_text(value if value.tzinfo else value.replace(tzinfo=zone))
    except OverflowError:
        return value.isoformat()
