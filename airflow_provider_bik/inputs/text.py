"""The text of a file: plain bytes in UTF-8, whatever its compression and encoding; and lines of bounded length."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, cast

from airflow_provider_bik.errors import BikConfigError

__all__ = [
    "BLOCK_BYTES",
    "MAX_LINE_BYTES",
    "DamagedError",
    "buffered",
    "in_utf8",
    "is_compressed",
    "lines_of",
    "uncompressed",
]

MAX_LINE_BYTES = 4 * 1024 * 1024
"""A longer line is one rejection; without a bound, a file without line ends would be read into memory whole."""

BLOCK_BYTES = 256 * 1024
"""Bytes read at a time: Airflow's files go through a wrapper that makes every call expensive."""

_UTF8_MARK = b"\xef\xbb\xbf"
_GZIP, _ZSTD, _ZSTD_SKIPPED = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"


class DamagedError(Exception):
    """The compressed data of a file is damaged."""


def buffered(file: IO[bytes]) -> io.BufferedReader:
    """Read a file through a buffer, whose `peek` shows a whole block, or all there is."""
    return _buffered(file.read)


def is_compressed(start: bytes) -> bool:
    """Tell by its first bytes whether this is gzip or zstd, or a frame that zstd skips, as pzstd writes it."""
    return start.startswith((_GZIP, _ZSTD)) or start[1:4] == _ZSTD_SKIPPED


def uncompressed(file: io.BufferedReader, where: str) -> io.BufferedReader:
    """Decompress a file while it is read.

    Its first bytes tell the compression, for a store may decompress on the way what is still called ``.gz``, and no
    text begins like that.

    Args:
        file: At its beginning; the caller closes it.
        where: File and directory, for messages.

    Raises:
        BikConfigError: It is compressed with zstd, and the library for that is not installed.
        EOFError: It is cut short; also while it is read.
        DamagedError: While it is read: it is damaged.
    """
    start = file.peek()
    if start.startswith(_GZIP):
        return _buffered(_undamaged(cast("IO[bytes]", gzip.GzipFile(fileobj=file)).read, zlib.error, gzip.BadGzipFile))
    if is_compressed(start):
        return _unzstd(file, where)
    return file


def in_utf8(file: io.BufferedReader, encoding: str) -> io.BufferedReader:
    """Read text of any encoding as UTF-8, without its byte order mark.

    Bytes that have no meaning in the encoding become bytes that have none in UTF-8, so that the line is one rejection.
    """
    if codecs.lookup(encoding).name not in {"utf-8", "utf-8-sig"}:
        file = _buffered(_transcoder(file, encoding))
    if file.peek().startswith(_UTF8_MARK):
        file.read(len(_UTF8_MARK))
    return file


def _unzstd(file: io.BufferedReader, where: str) -> io.BufferedReader:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - not in every build of Python
        else:
            from backports import zstd  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        message = (
            f"{where} is compressed with zstd. Install the extra airflow-provider-bik[zstd] on every worker. A retry "
            "cannot help before."
        )
        raise BikConfigError(message) from error
    return _buffered(_undamaged(zstd.ZstdFile(file).read, zstd.ZstdError))


def _undamaged(read: Callable[[int], bytes], *damage: type[Exception]) -> Callable[[int], bytes]:
    def checked(size: int) -> bytes:
        try:
            return read(size)
        except damage as error:
            raise DamagedError from error

    return checked


def _without_meaning(error: UnicodeError) -> tuple[str, int]:
    return "\udcff", cast("UnicodeDecodeError", error).end


codecs.register_error("bik-without-meaning", _without_meaning)


def _transcoder(file: IO[bytes], encoding: str) -> Callable[[int], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("bik-without-meaning")

    def read(size: int) -> bytes:
        while block := file.read(size):
            if text := decoder.decode(block):
                return text.encode("utf-8", "surrogatepass")
        return decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")

    return read


def lines_of(file: IO[bytes], end: bytes = b"\n") -> Iterator[Sequence[bytes]]:
    """Give the lines without their ends, as many at a time as are read at once.

    Args:
        file: Plain bytes.
        end: What ends a line; of one longer than `MAX_LINE_BYTES`, only a little more than that is kept.
    """
    rest = b""
    while block := file.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(end)
        yield lines
        rest = rest[: MAX_LINE_BYTES + 1]
    if rest:
        yield [rest]


class _Filling(io.RawIOBase):
    """Fills every buffer as far as the file goes."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        filled = 0
        while filled < len(buffer) and (read := self._rest or self._read(len(buffer) - filled)):
            # UTF-8 may take more bytes than were asked for.
            fits = read[: len(buffer) - filled]
            self._rest = read[len(fits) :]
            buffer[filled : filled + len(fits)] = fits
            filled += len(fits)
        return filled


def _buffered(read: Callable[[int], bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Filling(read), BLOCK_BYTES)
