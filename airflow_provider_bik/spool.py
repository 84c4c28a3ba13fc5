"""The spool: the result of a query in a file, so that every try reads the same rows and none asks the database again.

It is gzipped text with one JSON value a line: first an object that says what the rows are, then the rows as arrays,
last an object with the number of lines. A row that was left out, because an earlier run has settled it, stands in its
place as an object. A spool without its last line is none.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.storage import remove_leftovers, storage_path, write_private

__all__ = ["Spool", "SpoolHeader"]

_VERSION = 1
_BLOCK_BYTES = 64 * 1024
_LINES_AT_ONCE = 500
_GZIP = 31  # zlib's word for gzip's header and checksum

log = logging.getLogger(__name__)


class SpoolHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of a spool are.

    Attributes:
        bik_spool: The version of the form.
        query: Digest of the query and its parameters.
        columns: Their names.
        series: Names the tries that read it whatever happens: those of one run, up to the next clear.
        base: The state of the watermark that the query began from, if there is one.
    """

    bik_spool: int = _VERSION
    query: str
    columns: list[str]
    series: str = ""
    base: dict[str, Any] | None = None


class _End(msgspec.Struct, forbid_unknown_fields=True):
    lines: int


class _NotWholeError(Exception):
    """The file ends early, or is none of ours."""


class Spool:
    """The spool of one task instance, over all its tries.

    Args:
        directory: Path or URL that `ObjectStoragePath` understands.
        name: Of the task instance, made with `airflow_provider_bik.dead_letters.file_name`.
    """

    def __init__(self, directory: str, name: str) -> None:
        self._path = storage_path(directory) / f"{name}.spool.ndjson.gz"

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self._path.name

    def find(self) -> SpoolHeader | None:
        """What an earlier try has left, if it is whole.

        Raises:
            BikStorageError: There may be one, and it cannot be read.
        """
        try:
            lines = self._lines()
            header, number, last = msgspec.json.decode(next(lines), type=SpoolHeader), 0, b""
            for number, last in enumerate(lines):  # noqa: B007 - only the last pair is of interest
                pass
            if header.bik_spool == _VERSION and msgspec.json.decode(last, type=_End).lines == number:
                return header
        except FileNotFoundError:
            return None
        except (_NotWholeError, StopIteration, msgspec.DecodeError):
            pass
        except OSError as error:
            raise self._unreadable(error) from error
        log.warning("%s is not whole, so it does not count: the query is run again.", self.name)
        return None

    def write(self, header: SpoolHeader, lines: Iterable[bytes]) -> None:
        """Write a spool; it is there whole or, if anything is raised, not at all.

        Args:
            header: What the rows are.
            lines: Rows as JSON arrays, and objects for those that were left out, without line ends.

        Raises:
            BikStorageError: It cannot be written.
        """
        remove_leftovers(self._path)
        write_private(self._path, _zipped(_framed(header, lines)))

    def lines(self) -> Iterator[bytes]:
        """Everything between the first and the last line.

        Raises:
            BikStorageError: It cannot be read, or is not whole.
        """
        try:
            lines = self._lines()
            next(lines, None)
            waiting = next(lines, None)
            for line in lines:
                if waiting is not None:
                    yield waiting
                waiting = line
        except (OSError, _NotWholeError) as error:
            raise self._unreadable(error) from error

    def rows(self) -> Iterator[bytes]:
        """The rows that count, encoded.

        Raises:
            BikStorageError: As for `lines`.
        """
        return (line for line in self.lines() if line.startswith(b"["))

    def remove(self) -> None:
        """Remove it. A failure is only logged: whoever calls has done all that mattered."""
        remove_leftovers(self._path)
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed (%s). It holds personal data.", self.name, type(error).__name__)

    def _lines(self) -> Iterator[bytes]:
        unzip, rest = zlib.decompressobj(_GZIP), b""
        with self._path.open("rb") as file:  # type: ignore[no-untyped-call]
            while block := file.read(_BLOCK_BYTES):
                try:
                    *lines, rest = (rest + unzip.decompress(block)).split(b"\n")
                except zlib.error as error:
                    raise _NotWholeError from error
                yield from lines
        if rest or not unzip.eof:
            raise _NotWholeError

    def _unreadable(self, error: Exception) -> BikStorageError:
        what = "is not whole" if isinstance(error, _NotWholeError) else f"cannot be read ({type(error).__name__})"
        return BikStorageError(
            f"{self.name}, which holds the rows of the query, {what}. A retry is safe: it runs the query again if the "
            "file is broken. Check that every worker reaches spool_path."
        )


def _framed(header: SpoolHeader, lines: Iterable[bytes]) -> Iterator[bytes]:
    number = 0
    yield msgspec.json.encode(header)
    for line in lines:
        number += 1
        yield line
    yield msgspec.json.encode(_End(lines=number))


def _zipped(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Fast rather than small: it lives for minutes."""
    zipper, waiting = zlib.compressobj(level=1, wbits=_GZIP), []
    for line in lines:
        waiting.append(line)
        if len(waiting) == _LINES_AT_ONCE:
            yield zipper.compress(b"\n".join(waiting) + b"\n")
            waiting.clear()
    yield zipper.compress(b"\n".join(waiting) + b"\n" if waiting else b"")
    yield zipper.flush()
