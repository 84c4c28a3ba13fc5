"""Parquet and Arrow: rows as values of Python, a few hundred at a time. Needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import IO, Any, cast

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE, NumberedRow, Table, UnparsableRow

__all__ = ["arrow_table", "parquet_table"]

_BUFFER_BYTES = 1024 * 1024
_BATCH_BYTES = 64 * 1024 * 1024
"""Of the values that are read at a time, roughly: there are fewer rows if they are large."""

_HAS_NUMPY = importlib.util.find_spec("numpy") is not None
"""pyarrow does without."""

_IN_NUMPY = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_integer),
    *(pa.types.is_float32, pa.types.is_float64, pa.types.is_timestamp),
)

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
    columns = [_values(column) for column in batch.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * batch.num_rows


def _values(column: pa.Array) -> list[object]:
    """What ``to_pylist`` gives, which makes an object of Arrow's own of each value and takes twenty times as long.

    A column of a type that is not known here, or with a value that numpy gives in another way, is left to it.
    """
    types, kind = pa.types, column.type
    if _HAS_NUMPY and types.is_decimal(kind):
        texts = column.cast(pa.string()).to_numpy(zero_copy_only=False).tolist()
        return [None if text is None else Decimal(text) for text in texts]
    if _HAS_NUMPY and any(is_kind(kind) for is_kind in _IN_NUMPY):
        # Text that is no UTF-8 is an error of another class here.
        with contextlib.suppress(pa.ArrowException):
            if (values := _by_numpy(column)) is not None:
                return values
    return cast("list[object]", column.to_pylist(maps_as_pydicts="strict"))


def _by_numpy(column: pa.Array) -> list[object] | None:
    kind, zone = column.type, None
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        zone = _zone(column)
        column = column.cast(pa.timestamp(kind.unit))
    # With a null, numpy would make floats of integers.
    has_gaps = column.null_count and not pa.types.is_string(kind) and not pa.types.is_large_string(kind)
    filled = column.fill_null(pa.scalar(0).cast(column.type)) if has_gaps else column
    values: list[Any] = filled.to_numpy(zero_copy_only=False).tolist()
    if pa.types.is_timestamp(kind) and not all(type(value) is datetime for value in values):
        return None  # a year that Python does not have is a number
    if zone is not None:
        local = zone.fromutc
        values = [local(value.replace(tzinfo=zone)) for value in values]
    if has_gaps:
        valid = column.is_valid().to_numpy(zero_copy_only=False).tolist()
        values = [value if there else None for value, there in zip(values, valid, strict=True)]
    return values


def _zone(column: pa.Array) -> tzinfo | None:
    """The zone of a column's times, as Arrow would give it with each; None if there are none."""
    if column.null_count == len(column):
        return None
    zone: tzinfo = column.drop_null()[0].as_py().tzinfo
    return UTC if str(zone) == "UTC" else zone
