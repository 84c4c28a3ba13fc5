"""Rejected events as NDJSON at any object storage, one object an event, which can be sent again after mending."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import ClassVar, Protocol
from uuid import uuid4

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.delivery import DeadLetter
from airflow_provider_bik.delivery.outcomes import DeadLetterSink
from airflow_provider_bik.delivery.progress import Intervals
from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events.values import MAX_DEPTH, is_null, plain
from airflow_provider_bik.storage import storage_path, write_private

__all__ = ["DEAD_LETTER_KEY", "DeadLetterFile", "DeadLetters", "NoDeadLetters", "file_name"]

DEAD_LETTER_KEY = "dead_letter"
"""A JSON object with this key is a dead letter; the value is the version of its form."""

_VERSION = 1
_PART = ".part"
_BLOCK_BYTES = 256 * 1024
_LONGEST_NAME = 150
_MOST_ITEMS = 10_000
_ROUGHLY_64_BITS = 2**63


class DeadLetters(DeadLetterSink, Protocol):
    """Where dead letters go, and how they are made one file at the end."""

    def check(self) -> None:
        """Prove that dead letters can be written."""

    def join(self) -> str | None:
        """Make one file of what was written; returns where it is, if there is any."""

    def tidy(self) -> None:
        """Remove what no longer counts."""


class NoDeadLetters:
    """Keeps no dead letters: they are counted and named in the report only."""

    files: ClassVar[list[str]] = []

    def check(self) -> None:
        """Nothing will be written."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Let them go."""

    def join(self) -> str | None:
        """Nothing was written."""
        return None

    def tidy(self) -> None:
        """Nothing is left."""


class DeadLetterFile:
    """The dead letters of one task instance, over all its tries.

    Each write is a file of its own beside the target, so that nothing piles up in memory and what is written stays
    written. The checkpoint names the files that count: a try that goes on keeps these, and one that was written just
    before a crash, without the checkpoint knowing, is not among them, for its events are decided anew. `join` makes
    the target of them.

    Args:
        directory: Path or URL that `ObjectStoragePath` understands.
        name: The target's name, made with `file_name`.
        files: Names of the files that count, from the checkpoint of an earlier try.
    """

    def __init__(self, directory: str, name: str, files: Sequence[str] = ()) -> None:
        self._directory = storage_path(directory)
        self._name = name
        self._files = list(files)
        # A try that was given up for lost may still write: its parts must not replace those of the try that goes on.
        self._try = uuid4().hex[:12]
        self._next = 0

    @property
    def files(self) -> list[str]:
        """The names of the files that count, for the checkpoint."""
        return list(self._files)

    def check(self) -> None:
        """Prove, before anything is sent, that dead letters can be written.

        Raises:
            BikConfigError, BikStorageError: They cannot.
        """
        probe = self._directory / f"{self._name}.probe"
        write_private(probe, [])
        probe.unlink(missing_ok=True)

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these, durably.

        Raises:
            BikStorageError: The storage does not take them.
        """
        if not letters:
            return
        part = f"{self._name}{_PART}{self._try}-{self._next:05d}"
        now = datetime.now(UTC)
        content = [_encode(letter, now) for letter in letters]
        await asyncio.to_thread(write_private, self._directory / part, content)
        self._files.append(part)
        self._next += 1

    def join(self) -> str | None:
        """Make the target of what was written; returns its path, or None if nothing was rejected.

        From then on the target is the one file that counts; `tidy` removes the others once the checkpoint says so.

        Raises:
            BikStorageError: The storage does not take it.
        """
        if not self._files:
            return None
        target = self._directory / self._name
        if self._files != [self._name]:
            write_private(target, self._each_once())
            self._files = [self._name]
        return str(target)

    def _each_once(self) -> Iterator[bytes]:
        """The lines of all files; after a crash in `join` a part may be in the target already."""
        seen = Intervals()
        for file in self._files:
            for line in _lines(self._directory / file):
                position = _position_of(line).position
                if position not in seen:
                    seen.add(position, position + 1)
                    yield line

    def tidy(self) -> None:
        """Remove what no longer counts: parts that were joined, and leftovers of tries that ended early.

        Raises:
            BikStorageError: Something cannot be removed.
        """
        try:
            for path in self._directory.iterdir():
                if path.name.startswith(self._name) and path.name not in self._files:
                    path.unlink(missing_ok=True)
        except OSError as error:
            message = f"Old parts of {self._name} cannot be removed ({type(error).__name__}). A retry is safe."
            raise BikStorageError(message) from error


class _Position(msgspec.Struct):
    position: int


_position_of = msgspec.json.Decoder(_Position).decode


def _lines(path: ObjectStoragePath) -> Iterator[bytes]:
    rest = b""
    try:
        with path.open("rb") as file:  # type: ignore[no-untyped-call]
            # Below 3, Airflow's files cannot be iterated.
            while block := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                yield from (line + b"\n" for line in lines)
    except (OSError, msgspec.DecodeError) as error:
        message = (
            f"{path.name}, which holds dead letters of an earlier try, cannot be read ({type(error).__name__}). "
            "Restore it "
            "and retry, which is safe; or delete the task's checkpoint to start over, which sends again what was "
            "confirmed."
        )
        raise BikStorageError(message) from error


def file_name(*identifiers: object) -> str:
    """Name a task instance's files, so that no identifier, whatever it contains, leads out of the directory.

    Args:
        identifiers: Such as dag id, run id, task id and map index; different ones never get the same name.
    """
    exact = "\0".join(str(part) for part in identifiers)
    readable = "__".join(re.sub(r"[^A-Za-z0-9_-]+", "-", str(part)).strip("-") for part in identifiers)
    digest = hashlib.sha256(exact.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable[:_LONGEST_NAME]}.{digest}"


def _encode(letter: DeadLetter, now: datetime) -> bytes:
    source = letter.source.decoded()
    line = {
        DEAD_LETTER_KEY: _VERSION,
        "position": source.position,
        "place": source.place,
        "reason": letter.rejection.reason.value,
        "detail": letter.rejection.detail,
        "message": letter.message,
        "status": letter.status,
        "attempts": letter.attempts,
        "rejected_at": now.isoformat(timespec="milliseconds"),
        "row" if source.is_row else "event": _readable(source.raw),
    }
    return msgspec.json.encode(line) + b"\n"


def _readable(value: object, depth: int = 0) -> object:  # noqa: C901, PLR0911, PLR0912 - one line a type
    """Bring whatever was read into JSON; what JSON cannot carry becomes text, so that a person can see and mend it."""
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
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping() | list() | tuple() if depth > MAX_DEPTH:
            return "(deeper than allowed)"
        case Mapping():
            items = islice(value.items(), _MOST_ITEMS)
            return {str(_readable(str(key))): _readable(item, depth + 1) for key, item in items}
        case list() | tuple():
            return [_readable(item, depth + 1) for item in value[:_MOST_ITEMS]]
        case int():
            return "(integer of more than 64 bits)" if value.bit_length() > 10_000 else str(value)  # noqa: PLR2004
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _:
            return str(value)
