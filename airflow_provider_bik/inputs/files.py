"""Files of any format as items of the input, each with its location. Here alone is a file opened and recognized."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, TypeAlias

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikConfigError, BikInputError, BikStorageError
from airflow_provider_bik.events.item import REJECTED_EVENT_KEY, Item, opened, unwrapped
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.inputs import csv_rows
from airflow_provider_bik.inputs.formats import FileFormat, format_of, is_named_compressed, is_parquet, unreadable
from airflow_provider_bik.inputs.json_items import LocatedText, texts_of
from airflow_provider_bik.inputs.paths import names_of, open_file, shown
from airflow_provider_bik.inputs.tables import CheckColumns, Table, check_keys_of_first
from airflow_provider_bik.inputs.text import (
    MAX_LINE_BYTES,
    DamagedError,
    buffered,
    in_utf8,
    is_compressed,
    uncompressed,
)

__all__ = ["check_files", "item_of_text", "read_files"]

_Content: TypeAlias = Table | Iterator[LocatedText]

_NO_PARQUET = "not a Parquet file, by its first bytes", "Check its name and file_format."
_COMPRESSED_PARQUET = "a compressed Parquet file", "Unpack it: Parquet is compressed within."
_COMPRESSED_TWICE = "compressed twice", "Compress it once."
_OF_NO_FORMAT = (
    "of an unknown format: neither its name nor its beginning tells",
    "Give it a known ending, such as .csv, or say file_format='csv'.",
)
"""What a file is, and the advice."""

# No CSV has a colon behind a closing quotation mark.
_looks_like_json = re.compile(rb'(?:\[[ \r\n]*)?\{[ \r\n]*(?:"[^"]*" *:|\})').match

_KEY_IN_TEXT = f'"{REJECTED_EVENT_KEY}"'.encode()
_KEPT_OF_A_LONG_TEXT = 1000

_TABLES_OF_TEXT = frozenset({FileFormat.CSV, FileFormat.TSV})


def check_files(files: Sequence[ObjectStoragePath], reading: Reading, check_columns: CheckColumns | None) -> None:
    """Open each file and find out what it is, so that one that cannot be read is known before any item of another.

    Args:
        files: All that will be read.
        reading: How.
        check_columns: Checks the columns of each table; None if there is no mapping.

    Raises:
        BikInputError, BikConfigError, BikStorageError: As for `read_files`.
    """
    for path in files:
        with _recognized(path, reading, check_columns) as content:
            if isinstance(content, Table):
                content.check(check_columns)


def read_files(
    files: Sequence[ObjectStoragePath], positions: Iterator[int], reading: Reading, check_columns: CheckColumns | None
) -> Iterator[Item]:
    """Stream the items of files, one after the other.

    Args:
        files: In this order.
        positions: Numbers the items.
        reading: How.
        check_columns: Checks the columns of each file before its first row; None if there is no mapping.

    Raises:
        BikInputError: A file cannot be read, however often the task is retried.
        BikConfigError: It takes an extra, or a provider, that is not installed; or it lacks a column.
        BikStorageError: A file cannot be read, or not to its end.
    """
    for path, name in zip(files, names_of(files), strict=True):
        with _recognized(path, reading, check_columns) as content:
            if isinstance(content, Table):
                yield from content.items(positions, check_columns, f"{name}:")
            else:
                items = (item_of_text(text, next(positions), f"{name}:{where}") for where, text in content)
                yield from check_keys_of_first(items, shown(path), check_columns)


def item_of_text(text: bytes, position: int, location: str) -> Item:
    """Take the JSON text of an item, not decoded if it can stay so.

    Args:
        text: What is not JSON, or no object, is found out when it is decoded.
        position: Of the item in the whole input.
        location: Where a person finds it.
    """
    if len(text) > MAX_LINE_BYTES:
        problem = Rejection(reason=Reason.UNPARSABLE, detail=f"longer than {MAX_LINE_BYTES} bytes")
        kept = text[:_KEPT_OF_A_LONG_TEXT].decode("utf-8", "backslashreplace")
        return Item(position=position, location=location, raw=kept, problem=problem)
    item = Item(position=position, location=location, line=text)
    if _KEY_IN_TEXT in text and (whole := opened(item)).problem is None:
        return unwrapped(whole)
    return item


@contextmanager
def _recognized(path: ObjectStoragePath, reading: Reading, check_columns: CheckColumns | None) -> Iterator[_Content]:
    with open_file(path) as file:
        try:
            yield _File(path=path, reading=reading, check_columns=check_columns).content(file)
        except (EOFError, DamagedError) as error:
            what = "cut short" if isinstance(error, EOFError) else "damaged"
            message = (
                f"{shown(path)} cannot be read: it is {what}. Check that the upstream task wrote it to its end. A "
                "retry is safe once it is whole."
            )
            raise BikStorageError(message) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: ObjectStoragePath
    reading: Reading
    check_columns: CheckColumns | None

    @property
    def where(self) -> str:
        return shown(self.path)

    @property
    def format(self) -> FileFormat | None:
        named = self.reading.file_format
        return format_of(self.path.name) if named is None else FileFormat(named)

    def content(self, file: IO[bytes]) -> _Content:
        """Recognize a file, and give what reads it.

        Raises:
            BikInputError: It is not what it is said to be, or nothing that can be read.
        """
        packed = buffered(file)
        start = packed.peek()
        if is_parquet(start) or self.format is FileFormat.PARQUET:
            self._check_parquet(start)
            file.seek(0)
            return self._parquet(file)
        if not start and is_named_compressed(self.path.name):
            raise EOFError
        plain = uncompressed(packed, self.where)
        self._check_plain(plain.peek())
        return self._text(in_utf8(plain, self.reading.encoding))

    def _check_parquet(self, start: bytes) -> None:
        if is_compressed(start):
            raise self._refused(*_COMPRESSED_PARQUET)
        if not is_parquet(start):
            self._refuse_unreadable(start)
            raise self._refused(*_NO_PARQUET)
        if self.format not in {None, FileFormat.PARQUET}:
            what = f"a Parquet file, by its first bytes, and not {self.format}"
            raise self._refused(what, "Name it .parquet, or say file_format='parquet'.")

    def _check_plain(self, start: bytes) -> None:
        if is_compressed(start):
            raise self._refused(*_COMPRESSED_TWICE)
        if is_parquet(start):
            raise self._refused(*_COMPRESSED_PARQUET)
        self._refuse_unreadable(start)

    def _refuse_unreadable(self, start: bytes) -> None:
        if found := unreadable(start, self.reading.encoding):
            raise self._refused(*found)

    def _refused(self, what: str, advice: str) -> BikInputError:
        return BikInputError(f"{self.where} is {what}. {advice} A retry cannot help before; nothing of it was sent.")

    def _text(self, plain: BufferedReader) -> _Content:
        start = plain.peek().lstrip()
        if self.format is None and start and not start.startswith((b"{", b"[")):
            raise self._refused(*_OF_NO_FORMAT)
        if self.format not in _TABLES_OF_TEXT:
            return texts_of(plain, self.where, self.reading.json_path, self.check_columns)
        if _looks_like_json(start):
            what = f"JSON, by its beginning, and not {self.format}"
            raise self._refused(what, "Name it .ndjson, or say file_format='ndjson'.")
        delimiter = self.reading.delimiter or ("\t" if self.format is FileFormat.TSV else None)
        return csv_rows.table_of(plain, self.where, delimiter=delimiter, encoding=self.reading.encoding)

    def _parquet(self, file: IO[bytes]) -> Table:
        try:
            from airflow_provider_bik.inputs import parquet  # noqa: PLC0415 - needs an optional extra
        except ImportError as error:
            message = (
                f"{self.where} is a Parquet file. Install the extra airflow-provider-bik[parquet] on every worker. A "
                "retry cannot help before."
            )
            raise BikConfigError(message) from error
        return parquet.parquet_table(file, self.where)
