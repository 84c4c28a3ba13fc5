"""Parquet: the rows of a file, a few hundred at a time, as values of Python. Needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import IO

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.inputs.compression import MAX_RATIO, UNCHECKED_BYTES
from airflow_provider_bik.inputs.rows import NumberedRow, Row, Unreadable

__all__ = ["rows_of"]

_ROWS_AT_ONCE = 500
_BUFFER_BYTES = 1024 * 1024
_MAGIC = b"PAR1"
_NO_VALUE = (ValueError, OverflowError, KeyError)  # a date after the year 9999, text that is no UTF-8, a key twice


def rows_of(file: IO[bytes], *, name: str) -> Iterator[NumberedRow]:
    """Give each row, or why there is none, with its number, counted from 1.

    Args:
        file: Open; it must be able to seek.
        name: For messages.

    Raises:
        BikInputError: It is not a Parquet file, or one that cannot be taken.
        BikStorageError: It is damaged or cut short.
        OSError: It cannot be read.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        message = f"{name} is not a Parquet file, by its first bytes. Check file_format; a retry cannot help."
        raise BikInputError(message)
    size = file.seek(0, 2)
    file.seek(0)
    number = 0
    try:
        # Without pre_buffer and with a buffer_size, a row group is not read into memory whole.
        table = ParquetFile(
            file,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )
        _check(table, size, name)
        wanted = pa.schema([field.with_type(_in_microseconds(field.type)) for field in table.schema_arrow])
        for batch in table.iter_batches(_ROWS_AT_ONCE, use_threads=False):
            for row in _rows(batch if batch.schema == wanted else batch.cast(wanted, safe=False)):
                number += 1
                yield number, row
    except pa.ArrowNotImplementedError as error:
        message = f"{name} holds something that pyarrow cannot read: write it in another way. A retry cannot help."
        raise BikInputError(message) from error
    except pa.ArrowException as error:
        if isinstance(error, MemoryError):
            raise
        message = (
            f"{name} is damaged or cut short, in or after row {number + 1} ({type(error).__name__}). Check that it was "
            "written to its end, or write it anew; a retry is safe once it is whole."
        )
        raise BikStorageError(message) from error


def _check(table: ParquetFile, size: int, name: str) -> None:
    twice = [column for column, times in Counter(table.schema_arrow.names).items() if times > 1]
    if twice:
        message = f"{name} has more than one column of the name {', '.join(twice)}. Rename; a retry cannot help before."
        raise BikInputError(message)
    groups = (table.metadata.row_group(index) for index in range(table.metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    if unpacked > max(UNCHECKED_BYTES, MAX_RATIO * size):
        message = (
            f"{name} unpacks to more than {MAX_RATIO} times its size, which events never do, so it is not read. Check "
            "what wrote it; a retry cannot help."
        )
        raise BikInputError(message)


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """The type with the finest times that Python knows; pyarrow's own way out depends on whether pandas is there."""
    types, coarser = pa.types, _in_microseconds
    if types.is_timestamp(kind) and kind.unit == "ns":
        kind = pa.timestamp("us", kind.tz)
    elif types.is_duration(kind) and kind.unit == "ns":
        kind = pa.duration("us")
    elif types.is_struct(kind):
        kind = pa.struct([field.with_type(coarser(field.type)) for field in kind])
    elif types.is_map(kind):
        kind = pa.map_(kind.key_type, coarser(kind.item_type))
    elif types.is_list(kind) or types.is_large_list(kind):
        remade = pa.list_ if types.is_list(kind) else pa.large_list
        kind = remade(kind.value_field.with_type(coarser(kind.value_type)))
    return kind


def _rows(batch: pa.RecordBatch) -> Iterator[Row | Unreadable]:
    try:
        yield from batch.to_pylist(maps_as_pydicts="strict")
    except _NO_VALUE:
        for index in range(batch.num_rows):
            try:
                yield from batch.slice(index, 1).to_pylist(maps_as_pydicts="strict")
            except _NO_VALUE as error:
                yield Unreadable(text=None, detail=f"a value that Python cannot hold ({type(error).__name__})")
