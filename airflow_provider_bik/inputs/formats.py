"""The formats that a file may have, and how its name or the user says which."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from airflow_provider_bik.errors import BikConfigError

__all__ = ["SUFFIXES", "FileFormat", "format_named", "format_of", "is_named_compressed"]


class FileFormat(StrEnum):
    """What is in a file, apart from its compression."""

    NDJSON = "ndjson"
    """Objects, one a line or one behind the other, or an array; the file's beginning decides."""
    JSON = "json"
    """The same."""
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


SUFFIXES = {f".{member.value}": member for member in FileFormat} | {".jsonl": FileFormat.NDJSON}
"""The end of a file's name, without that of its compression -> what is in it."""

_COMPRESSED = (".gz", ".zst")


def format_named(value: str | None) -> FileFormat | None:
    """The format that an argument ``file_format`` means; None leaves it to the files.

    Raises:
        BikConfigError: There is no such format.
    """
    try:
        return None if value is None else FileFormat(value)
    except ValueError as error:
        known = ", ".join(repr(member.value) for member in FileFormat)
        message = f"file_format must be one of {known}, or None to go by each file. Nothing was sent."
        raise BikConfigError(message) from error


def format_of(name: str) -> FileFormat | None:
    """The format that a file's name tells, if it tells one; ``.gz`` and ``.zst`` at its end do not count."""
    path = PurePosixPath(name.lower())
    if path.suffix in _COMPRESSED:
        path = path.with_suffix("")
    return SUFFIXES.get(path.suffix)


def is_named_compressed(name: str) -> bool:
    """Tell by a file's name whether it should be compressed."""
    return name.lower().endswith(_COMPRESSED)
