"""One file of any format as items of the input, each with its place."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikConfigError, BikInputError, BikStorageError
from airflow_provider_bik.events import Reason, Rejection
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.inputs import csv_rows
from airflow_provider_bik.inputs.compression import plain_bytes
from airflow_provider_bik.inputs.formats import FileFormat, format_of
from airflow_provider_bik.inputs.json_array import BrokenArrayError, items_of
from airflow_provider_bik.inputs.ndjson import input_event, read_line, read_lines
from airflow_provider_bik.inputs.paths import files_of, opened
from airflow_provider_bik.inputs.rows import NumberedRow, Unreadable

__all__ = ["read_files"]


def read_files(
    given: str | ObjectStoragePath, positions: Iterator[int], file_format: FileFormat | None
) -> Iterator[InputEvent]:
    """Stream the items of a file, or of all files that match a pattern.

    Args:
        given: A path or a pattern.
        positions: Numbers the items.
        file_format: None to go by each file's name.

    Raises:
        BikInputError: It is nothing that can be read, whenever.
        BikConfigError: It takes an extra, or a provider, that is not installed.
        BikStorageError: A file cannot be read, or not to its end.
    """
    name = str(given).rsplit("/", 1)[-1]
    try:
        for path in files_of(given):
            name = path.name
            with opened(path) as file:
                yield from _items(file, name, positions, file_format or format_of(name))
    except (OSError, EOFError, zlib.error) as error:
        cause = "it is cut short" if isinstance(error, EOFError) else type(error).__name__
        message = (
            f"{name} cannot be read ({cause}). Check that the upstream task wrote it where this "
            "worker can see it; a retry is safe once it is there."
        )
        raise BikStorageError(message) from error


def _items(file: IO[bytes], name: str, positions: Iterator[int], chosen: FileFormat) -> Iterator[InputEvent]:
    if chosen is FileFormat.PARQUET:
        yield from _table(_parquet_rows(file, name), name, positions)
        return
    plain = plain_bytes(file, name)
    match chosen:
        case FileFormat.CSV:
            yield from _table(csv_rows.rows_of(plain, delimiter=",", name=name), name, positions)
        case FileFormat.TSV:
            yield from _table(csv_rows.rows_of(plain, delimiter="\t", name=name), name, positions)
        case FileFormat.JSON if plain.peek().lstrip().startswith(b"["):
            yield from _array(plain, name, positions)
        case _:
            yield from read_lines(plain, name=name, positions=positions)


def _parquet_rows(file: IO[bytes], name: str) -> Iterator[NumberedRow]:
    try:
        from airflow_provider_bik.inputs import parquet  # noqa: PLC0415 - needs an optional extra
    except ImportError as error:
        message = (
            f"{name} is a Parquet file. Install the extra: airflow-provider-bik[parquet], on every worker. A retry "
            "cannot help before."
        )
        raise BikConfigError(message) from error
    return parquet.rows_of(file, name=name)


def _array(plain: IO[bytes], name: str, positions: Iterator[int]) -> Iterator[InputEvent]:
    number = 0
    try:
        for number, item in enumerate(items_of(plain), start=1):
            yield read_line(item, position=next(positions), place=f"{name}:{number}")
    except BrokenArrayError as error:
        # No rejection: once the file is mended, a retry finds the same items before this place, and goes on from there.
        message = (
            f"{name} is broken in item {number + 1}: {error}. What follows cannot be read. Mend the file and clear the "
            "task; a retry cannot help before."
        )
        raise BikInputError(message) from error


def _table(rows: Iterator[NumberedRow], name: str, positions: Iterator[int]) -> Iterator[InputEvent]:
    for number, row in rows:
        position, place = next(positions), f"{name}:{number}"
        if isinstance(row, Unreadable):
            problem = Rejection(reason=Reason.NOT_READABLE, detail=row.detail)
            yield InputEvent(position=position, place=place, raw=row.text, problem=problem)
        else:
            yield input_event(row, position=position, place=place)
