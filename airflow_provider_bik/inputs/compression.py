"""The plain bytes of a text file, whether it is compressed or not; a file that unpacks without end is refused."""

from __future__ import annotations

import gzip
import io
from typing import IO, Protocol

from airflow_provider_bik.errors import BikConfigError, BikInputError

__all__ = ["MAX_RATIO", "UNCHECKED_BYTES", "plain_bytes"]

MAX_RATIO = 1000
"""Unpacked bytes for one packed byte, at most; what people write stays far below 100."""

UNCHECKED_BYTES = 100_000_000
"""Unpacked bytes up to which no ratio is too high: they do no harm, and small files may be of one repeated line."""

_BLOCK_BYTES = 256 * 1024
_ZSTD_PIECE = 1024  # one packed byte of zstd can become 32 KiB, and all of a piece is unpacked at once
_GZIP, _ZSTD, _UTF8_MARK = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def plain_bytes(file: IO[bytes], name: str) -> io.BufferedReader:
    """Unpack a file as it is read, and leave out a byte order mark.

    Its first bytes tell the compression, for a store may unpack on the way what is still called ``.gz``, and no text
    begins like that.

    Args:
        file: Open, at its beginning; the caller closes it.
        name: For messages.

    Raises:
        BikConfigError: It is compressed with zstd, and the library for that is not installed.
        BikInputError: While reading: it unpacks to far more than events can.
        EOFError, OSError, zlib.error: While reading: it is damaged.
    """
    packed = _Counted(file)
    buffered: io.BufferedReader = io.BufferedReader(packed, _BLOCK_BYTES)
    start = buffered.peek()[:4]
    if start.startswith(_GZIP):
        buffered = io.BufferedReader(_Unpacked(gzip.GzipFile(fileobj=buffered), packed, name), _BLOCK_BYTES)
    elif start == _ZSTD or start[1:] == b"\x2a\x4d\x18":  # the latter begins a frame to be skipped, as pzstd writes it
        buffered = io.BufferedReader(_Unpacked(_Zstd(buffered, name), packed, name), _BLOCK_BYTES)
    elif not start and name.lower().endswith((".gz", ".zst")):
        raise EOFError
    if buffered.peek().startswith(_UTF8_MARK):
        buffered.read(len(_UTF8_MARK))
    return buffered


class _Counted(io.RawIOBase):
    """Fills every buffer as far as the file goes, so that a peek shows all there is, and counts."""

    def __init__(self, file: _Reader) -> None:
        super().__init__()
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        filled = 0
        while filled < len(buffer) and (read := self._file.read(len(buffer) - filled)):
            buffer[filled : filled + len(read)] = read
            filled += len(read)
        self.count += filled
        return filled


class _Unpacked(_Counted):
    def __init__(self, file: _Reader, packed: _Counted, name: str) -> None:
        super().__init__(file)
        self._packed = packed
        self._name = name

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        filled = super().readinto(buffer)
        if self.count > UNCHECKED_BYTES and self.count > MAX_RATIO * self._packed.count:
            message = (
                f"{self._name} unpacks to more than {MAX_RATIO} times its size, which events never do, so it is not "
                "read to its end. Check what wrote it; a retry cannot help."
            )
            raise BikInputError(message)
        return filled


class _Zstd:
    """Unpacks zstd, frame after frame; unlike the library's own reader it notices that a file is cut short."""

    def __init__(self, file: _Reader, name: str) -> None:
        try:
            import zstandard  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            message = (
                f"{name} is compressed with zstd. Install the extra: airflow-provider-bik[zstd], on every worker. "
                "A retry cannot help before."
            )
            raise BikConfigError(message) from error
        self._file = file
        self._library = zstandard
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._plain = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._plain:
            piece = self._packed or self._file.read(_ZSTD_PIECE)
            if not piece:
                if self._frame is not None:
                    raise EOFError
                return b""
            self._unpack(piece)
        plain, self._plain = self._plain[:size], self._plain[size:]
        return bytes(plain)

    def _unpack(self, piece: bytes) -> None:
        frame = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            self._plain = memoryview(frame.decompress(piece))
        except self._library.ZstdError as error:
            message = "damaged zstd data"
            raise OSError(message) from error
        self._frame, self._packed = (None, frame.unused_data) if frame.eof else (frame, b"")
