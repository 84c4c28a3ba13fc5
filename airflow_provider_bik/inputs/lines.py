"""The lines of a text file, of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

__all__ = ["BLOCK_BYTES", "MAX_LINE_BYTES", "lines_of"]

MAX_LINE_BYTES = 4 * 1024 * 1024
"""A longer line is one rejection; without a bound, a file without line ends would be read into memory whole."""

BLOCK_BYTES = 256 * 1024
"""Bytes read at a time: Airflow's files go through a wrapper that makes every call expensive."""


def lines_of(file: IO[bytes], end: bytes = b"\n") -> Iterator[bytes]:
    """Give the lines without their ends; of a line longer than `MAX_LINE_BYTES`, only a little more than that is kept.

    Args:
        file: Plain bytes.
        end: What ends a line.
    """
    rest = b""
    while block := file.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(end)
        yield from lines
        rest = rest[: MAX_LINE_BYTES + 1]
    if rest:
        yield rest
