"""What a file is, by its name and by its first bytes: a format, or a form that no reader takes, with advice."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

__all__ = ["SIGNS", "SUFFIXES", "FileFormat", "Sign", "format_of", "is_named_compressed", "is_parquet", "unreadable"]


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


def format_of(name: str) -> FileFormat | None:
    """The format that a file's name tells, if it tells one; ``.gz`` and ``.zst`` at its end do not count."""
    path = PurePosixPath(name.lower())
    if path.suffix in _COMPRESSED:
        path = path.with_suffix("")
    return SUFFIXES.get(path.suffix)


def is_named_compressed(name: str) -> bool:
    """Tell by a file's name whether it should be compressed."""
    return name.lower().endswith(_COMPRESSED)


@dataclass(frozen=True, slots=True)
class Sign:
    """How a form of file begins, and what to do with such a file.

    Attributes:
        pattern: Matches its first bytes.
        what: It is, with an article.
        advice: A sentence.
    """

    pattern: re.Pattern[bytes]
    what: str
    advice: str


def _sign(pattern: bytes, what: str, advice: str) -> Sign:
    return Sign(re.compile(pattern, re.DOTALL | re.IGNORECASE), what, advice)


_UNPACK = "Unpack it before this task, or write it with gzip or zstd."
_EXPORT = "Export the sheet as CSV in UTF-8."
_WRITE = "Write it as Parquet, CSV or NDJSON."
_ANSWER = "It may be the page of an error or a login in place of the download. Check what the upstream task received."
_TEXT = "Export the data itself, as CSV, NDJSON or Parquet."

SIGNS = (
    _sign(rb"PK\x03\x04.*(?:\[Content_Types\]\.xml|xl/)", "an Excel or other Office file", _EXPORT),
    _sign(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument file", _EXPORT),
    _sign(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive", _UNPACK),
    _sign(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or other Office file", _EXPORT),
    _sign(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)", "compressed with bzip2", _UNPACK),
    _sign(rb"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    _sign(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _sign(rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    _sign(rb"\x04\x22\x4d\x18", "compressed with lz4", _UNPACK),
    _sign(rb"\xff\x06\x00\x00sNaPpY", "compressed with snappy", _UNPACK),
    _sign(rb"\x1f\x9d", "compressed with compress (.Z)", _UNPACK),
    _sign(rb".{257}ustar", "a tar archive", _UNPACK),
    _sign(rb"%PDF-", "a PDF document", _TEXT),
    _sign(rb"ORC.{0,60}[\x00-\x08\x0e-\x1f]", "an ORC file", _WRITE),
    _sign(rb"Obj\x01", "an Avro file", _WRITE),
    _sign(rb"ARROW1\x00", "an Arrow or Feather file", _WRITE),
    _sign(rb"FEA1\x00*", "a Feather file", _WRITE),
    _sign(rb"SQLite format 3\x00", "an SQLite database", "Read it with SqlToBikOperator, or export a table."),
    _sign(rb"\x80[\x02-\x05][^ -~]", "a Python pickle", _WRITE),
    _sign(rb"\{\\rtf", "an RTF document", _TEXT),
    _sign(rb"\s*<(?:!doctype html|html)", "an HTML page", _ANSWER),
    _sign(rb"\s*<(?:\?xml|!--|[a-z][\w:.-]*[\s>/])", "XML or HTML", _ANSWER),
    _sign(
        rb"version https://git-lfs\.github\.com/",
        "a pointer of Git LFS, not the file itself",
        "Check the file out with git lfs pull.",
    ),
)
"""The first that matches counts."""

_WIDE = (
    ("utf-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
)
_LOOKED_AT = 4096
_MOSTLY = 0.7
_SOME = 0.1

_parquet = re.compile(rb"PAR1(?![ -~\t\r\n])").match


def is_parquet(start: bytes) -> bool:
    """Tell whether this is Parquet; text that begins with the letters is none."""
    return _parquet(start) is not None


def unreadable(start: bytes, encoding: str) -> tuple[str, str] | None:
    """Say what a file is that no reader takes, and what to do.

    Args:
        start: Its first bytes, not compressed.
        encoding: That it is said to be in.
    """
    for sign in SIGNS:
        if sign.pattern.match(start.removeprefix(codecs.BOM_UTF8)):
            return sign.what, sign.advice
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    if not wide and (found := _wide_encoding(start[:_LOOKED_AT])):
        return f"text in {found.upper()}", f"Say encoding={found!r}, or write it in UTF-8."
    if not wide and _is_binary(start[:_LOOKED_AT]):
        return "no text, but binary data of an unknown kind", _WRITE
    return None


def _wide_encoding(start: bytes) -> str | None:
    """UTF-16 and UTF-32, by their mark or by where the zero bytes of simple letters stand."""
    for encoding, marks in _WIDE:
        if start.startswith(marks):
            return encoding
    if len(start) < 8 or b"\0" not in start:  # noqa: PLR2004 - too short to tell
        return None
    zeros = [start[offset::4].count(0) / len(start[offset::4]) for offset in range(4)]
    if min(zeros) > _MOSTLY:
        return None
    if zeros[1] > _MOSTLY and zeros[2] > _MOSTLY:
        return "utf-32-le" if zeros[3] > _MOSTLY else "utf-32-be"
    if zeros[1] > _MOSTLY and zeros[3] > _MOSTLY:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > _MOSTLY and zeros[2] > _MOSTLY else None


def _is_binary(start: bytes) -> bool:
    """One zero byte may be damage of one row; many, or some in what is no UTF-8 either, are no text."""
    zeros = start.count(0)
    if zeros == 0:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return True
    return zeros > _SOME * len(start)
