"""The input of a generation in a file, where the source would not give the same twice: a query, say.

It holds events as they go out, and rejected ones with what they were made of, so that another try reads the same events
at a fraction of the cost, and nothing asks the database again. It is gzipped text: the first line says what the file
is, and each other is one event. Of most events there is nothing to say but what goes out, after a letter for the
pipeline; what is known of another is a JSON array. Being written whole or not at all, and checked by gzip's own sum, it
needs no other end.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, tzinfo
from itertools import chain, islice
from typing import IO, TypeAlias

import msgspec

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import REASONS, Rejection
from airflow_provider_bik.state.rejected_file import readable
from airflow_provider_bik.state.storage import Folder

__all__ = ["INPUT", "GenerationFile"]

INPUT = "input.ndjson.gz"
"""The name of the file in the folder of its generation."""

_VERSION = 2
_BLOCK_BYTES = 64 * 1024
_LINES_AT_ONCE = 500
_GZIP = 31  # zlib's word for gzip's header and checksum

_PIPELINES = {b"m": Pipeline.MIGRATION, b"r": Pipeline.REALTIME}
_LETTERS = {pipeline: letter for letter, pipeline in _PIPELINES.items()}


class _Header(msgspec.Struct, array_like=True, frozen=True):
    """Says what the file is."""

    version: int
    generation: str
    fingerprint: str


class _Sent(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """An event that goes out."""

    location: str
    pipeline: Pipeline
    dropped_nulls: int
    dropped_created_at: bool
    dropped_identity: str | None
    attempts: int
    body: msgspec.Raw


class _Rejected(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=2):
    """One that does not, with what it was made of."""

    location: str
    reason: str
    detail: str
    is_row: bool
    attempts: int
    raw: object


class _Skipped(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=3):
    """One that the DAG has said to skip."""

    location: str


class _End(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """What the input itself says of this reading, once it is read."""

    end: msgspec.Raw


_Line: TypeAlias = _Sent | _Rejected | _Skipped | _End

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


class GenerationFile:
    """The file of one generation.

    Args:
        folder: Of the generation.
        generation: Its id, which the file repeats.
        zone: In which naive times among rejected rows are read, as the contract does.

    Attributes:
        end: What `write` was given as ``end``, once `read` has given all events; None if it was given nothing.
        total: How many events it holds, once `write` or `fingerprint` has gone through it.
    """

    def __init__(self, folder: Folder, generation: str, zone: tzinfo = UTC) -> None:
        self._folder = folder
        self._generation = generation
        self._zone = zone
        self.end: bytes | None = None
        self.total: int | None = None

    def fingerprint(self) -> str | None:
        """What the file's events were shaped by; None if there is no whole file of this generation.

        It is unzipped to its end, for only there does gzip say whether all of it is what was written.

        Raises:
            BikStorageError: There may be one, and it cannot be read.
        """
        try:
            with self._folder.open(INPUT) as file:
                texts = _texts(file)
                first, _, text = next(texts, b"").partition(b"\n")
                header = msgspec.json.decode(first, type=_Header)
                self.total = _events_in(chain([text], texts))
        except (FileNotFoundError, zlib.error, msgspec.DecodeError):
            return None
        return header.fingerprint if header.generation == self._generation and header.version == _VERSION else None

    def write(
        self, events: Iterable[InputEvent], fingerprint: str, end: Callable[[], bytes | None] = lambda: None
    ) -> None:
        """Write the file; it is there whole or, if anything is raised, not at all.

        Args:
            events: All of them, in order.
            fingerprint: Of what shapes them.
            end: What is to be known of this reading and no other, as JSON; called after the last event.

        Raises:
            BikStorageError: It cannot be written.
        """
        header = _Header(version=_VERSION, generation=self._generation, fingerprint=fingerprint)

        def lines() -> Iterator[bytes]:
            yield _encode(header)
            total = 0
            for total, event in enumerate(events, start=1):
                yield _text(event, total, self._zone)
            self.total = total
            if (known := end()) is not None:
                yield _encode(_End(end=msgspec.Raw(known)))

        self._folder.write(INPUT, _zipped(lines()))

    def read(self) -> Iterator[InputEvent]:
        """The events, as they were written.

        Raises:
            BikStorageError: The file is gone, or damaged.
        """
        problem = ""
        try:
            with self._folder.open(INPUT) as file:
                texts = _texts(file)
                behind_header = next(texts, b"").partition(b"\n")[2]
                lines = chain.from_iterable(map(bytes.splitlines, chain([behind_header], texts)))
                for position, text in enumerate(lines):
                    if (pipeline := _PIPELINES.get(text[:1])) is not None:
                        result = EncodedEvent(body=text[1:], pipeline=pipeline)
                        yield InputEvent(position=position, location=_usual_location(position + 1), result=result)
                    elif isinstance(line := _decode(text), _End):
                        self.end = bytes(line.end)
                    else:
                        yield _event(position, line)
        except FileNotFoundError:
            problem = "is gone"
        except (zlib.error, msgspec.DecodeError):
            problem = "is damaged"
        if problem:
            message = (
                f"{INPUT} in {self._folder}, which holds the events of this delivery, {problem}. A retry is safe: it "
                "runs the query again, and names what may then be sent twice."
            )
            raise BikStorageError(message)

    def remove(self) -> None:
        """Remove it.

        Raises:
            BikStorageError: It cannot be removed.
        """
        self._folder.remove([INPUT])


def _zipped(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Fast rather than small: it lives for minutes."""
    zipper = zlib.compressobj(level=1, wbits=_GZIP)
    while some := list(islice(lines, _LINES_AT_ONCE)):
        yield zipper.compress(b"\n".join([*some, b""]))
    yield zipper.flush()


def _usual_location(number: int) -> str:
    """Where the event of that number stands, counted from 1, if every row of a query makes one."""
    return f"row {number}"


def _text(event: InputEvent, number: int, zone: tzinfo) -> bytes:
    result = event.result
    if (
        isinstance(result, EncodedEvent)
        and event.location == _usual_location(number)
        and not (event.attempts or result.dropped_nulls or result.dropped_created_at or result.dropped_identity)
    ):
        return _LETTERS[result.pipeline] + result.body
    return _encode(_line(event, zone))


def _line(event: InputEvent, zone: tzinfo) -> _Sent | _Rejected | _Skipped:
    result = event.result
    if isinstance(result, EncodedEvent):
        return _Sent(
            location=event.location,
            pipeline=result.pipeline,
            dropped_nulls=result.dropped_nulls,
            dropped_created_at=result.dropped_created_at,
            dropped_identity=result.dropped_identity,
            attempts=event.attempts,
            body=msgspec.Raw(result.body),
        )
    if result is None:
        return _Skipped(location=event.location)
    return _Rejected(
        location=event.location,
        reason=result.reason.value,
        detail=result.detail,
        is_row=event.is_row,
        attempts=event.attempts,
        raw=readable(event.raw, zone),
    )


def _event(position: int, line: _Sent | _Rejected | _Skipped) -> InputEvent:
    if isinstance(line, _Sent):
        result = EncodedEvent(
            body=bytes(line.body),
            pipeline=line.pipeline,
            dropped_nulls=line.dropped_nulls,
            dropped_created_at=line.dropped_created_at,
            dropped_identity=REASONS[line.dropped_identity] if line.dropped_identity else None,
        )
        return InputEvent(position=position, location=line.location, result=result, attempts=line.attempts)
    if isinstance(line, _Skipped):
        return InputEvent(position=position, location=line.location, result=None)
    return InputEvent(
        position=position,
        location=line.location,
        result=Rejection(reason=REASONS[line.reason], detail=line.detail),
        raw=line.raw,
        is_row=line.is_row,
        attempts=line.attempts,
    )


def _events_in(texts: Iterable[bytes]) -> int:
    """The number of lines, without the one at the end that is no event."""
    number, last = 0, b""
    for text in texts:
        number += text.count(b"\n")
        last = text or last
    return number - last[last.rfind(b"\n", 0, -1) + 1 :].startswith(b"[4,")


def _texts(file: IO[bytes]) -> Iterator[bytes]:
    """The text of the file, whole lines at a time."""
    unzip, rest = zlib.decompressobj(_GZIP), b""
    while block := file.read(_BLOCK_BYTES):
        text = rest + unzip.decompress(block)
        end = text.rfind(b"\n") + 1
        yield text[:end]
        rest = text[end:]
    if rest or not unzip.eof:
        message = "the file ends too early"
        raise zlib.error(message)
