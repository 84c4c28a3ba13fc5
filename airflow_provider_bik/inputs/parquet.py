"""Parquet and Arrow: rows as values of Python, a few hundred at a time. Needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE, NumberedRow, Table, UnparsableRow

__all__ = ["arrow_table", "parquet_table"]

_BUFFER_BYTES = 1024 * 1024
_BATCH_BYTES = 64 * 1024 * 1024
"""Of the values that are read at a time, roughly: there are fewer rows if they are large."""

_NO_VALUE = (ValueError, OverflowError, KeyError)  # a date after the year 9999, text that is no UTF-8, a key twice


def parquet_table(file: IO[bytes], name: str) -> Table:
    """Read a file up to its schema; its rows are counted from 1.

    Args:
        file: Open, at its beginning; it must be able to seek.
        name: For messages.

    Raises:
        BikInputError: Something in it cannot be read by pyarrow; also while its rows are read.
        BikStorageError: It is damaged or cut short; also while its rows are read.
        OSError: It cannot be read.
    """
    try:
        # Without pre_buffer and with a buffer_size, a row group is not read into memory whole.
        table = ParquetFile(
            file,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )
        columns = table.schema_arrow.names
    except pa.ArrowException as error:
        raise _translated(error, name, 1) from error
    return Table(columns=columns, rows=_parquet_rows(table, name), where=name)


def arrow_table(given: pa.Table | pa.RecordBatch, where: str) -> Table:
    """Read a table in memory; its rows are counted from 1."""
    table = pa.Table.from_batches([given]) if isinstance(given, pa.RecordBatch) else given
    batches = iter(table.to_batches(max_chunksize=ROWS_AT_ONCE))
    return Table(columns=table.schema.names, rows=_numbered(batches, table.schema), where=where)


def _parquet_rows(table: ParquetFile, name: str) -> Iterator[NumberedRow]:
    number = 0
    groups = (table.metadata.row_group(index) for index in range(table.metadata.num_row_groups))
    bytes_of_a_row = sum(group.total_byte_size for group in groups) // max(1, table.metadata.num_rows)
    at_once = min(ROWS_AT_ONCE, max(1, _BATCH_BYTES // max(1, bytes_of_a_row)))
    try:
        for number, row in _numbered(table.iter_batches(at_once, use_threads=False), table.schema_arrow):
            yield number, row
    except pa.ArrowException as error:
        raise _translated(error, name, number + 1) from error


def _translated(error: pa.ArrowException, name: str, row: int) -> Exception:
    if isinstance(error, MemoryError):
        return error
    if isinstance(error, pa.ArrowNotImplementedError):
        message = f"{name} holds something that pyarrow cannot read. Write it in another way; a retry cannot help."
        return BikInputError(message)
    return BikStorageError(
        f"{name} is damaged or cut short, in or after row {row} ({type(error).__name__}). Check that it was written to "
        "its end, or write it anew. A retry is safe once it is whole."
    )


def _numbered(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[NumberedRow]:
    wanted = pa.schema([field.with_type(_in_microseconds(field.type)) for field in schema])
    number = 0
    for batch in batches:
        for row in _rows(batch if batch.schema == wanted else batch.cast(wanted, safe=False)):
            number += 1
            yield number, row


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
    elif types.is_fixed_size_list(kind):
        kind = pa.list_(kind.value_field.with_type(coarser(kind.value_type)), kind.list_size)
    elif types.is_list(kind) or types.is_large_list(kind):
        remade = pa.list_ if types.is_list(kind) else pa.large_list
        kind = remade(kind.value_field.with_type(coarser(kind.value_type)))
    return kind


def _rows(batch: pa.RecordBatch) -> Iterator[Sequence[object] | UnparsableRow]:
    try:
        yield from _cells(batch)
    except _NO_VALUE:
        for index in range(batch.num_rows):
            try:
                yield from _cells(batch.slice(index, 1))
            except _NO_VALUE as error:
                yield UnparsableRow(text=None, detail=f"a value that Python cannot hold ({type(error).__name__})")


def _cells(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    columns = [column.to_pylist(maps_as_pydicts="strict") for column in batch.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * batch.num_rows
