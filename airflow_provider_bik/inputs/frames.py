"""DataFrames of pandas and polars, and Arrow tables: rows without nulls of a kind of their own.

Known by the modules of their classes, so that none of these libraries is imported for those who do not use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.events.values import is_null, plain
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE, NumberedRow, Table, UnparsableRow

__all__ = ["frame_table", "is_frame"]

_FRAMES = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "pyarrow",
    ("pyarrow", "RecordBatch"): "pyarrow",
}
_AS_THEY_ARE = frozenset({str, int, bool, type(None), date, datetime})


def is_frame(value: object) -> bool:
    """Tell whether this is one of them."""
    return _library(value) is not None


def frame_table(frame: object, where: str) -> Table:
    """Read one, column by column, a block of rows at a time; rows are counted from 1.

    Args:
        frame: For which `is_frame` is true.
        where: It stands, for messages.

    Raises:
        BikInputError: A column's label is not text.
    """
    library = _library(frame)
    if library == "pyarrow":
        from airflow_provider_bik.inputs.parquet import arrow_table  # noqa: PLC0415 - the library is there if its table is

        table = arrow_table(frame, where)
        return Table(columns=table.columns, rows=_converted(table.rows), where=where)
    given: Any = frame
    labels = list(given.columns)
    for number, label in enumerate(labels, start=1):
        if not isinstance(label, str):
            message = (
                f"{where}: the label of column {number} is of type {type(label).__name__}. Give every column a name as "
                "text. A retry cannot help before."
            )
            raise BikInputError(message)
    blocks = _pandas_blocks(given) if library == "pandas" else _polars_blocks(given)
    rows = (row for block in blocks for row in zip(*block, strict=True))
    return Table(columns=labels, rows=_converted(enumerate(rows, start=1)), where=where)


def _library(value: object) -> str | None:
    if isinstance(value, str | bytes | dict | list | tuple):
        return None
    classes = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(value).__mro__)
    return next((_FRAMES[kind] for kind in classes if kind in _FRAMES), None)


def _pandas_blocks(frame: Any) -> Iterator[list[list[object]]]:  # noqa: ANN401 - a class that is not imported
    for begin in range(0, len(frame), ROWS_AT_ONCE):
        block = frame.iloc[begin : begin + ROWS_AT_ONCE]
        # By number: there may be several columns of one name.
        yield [block.iloc[:, number].tolist() for number in range(block.shape[1])]


def _polars_blocks(frame: Any) -> Iterator[list[list[object]]]:  # noqa: ANN401 - a class that is not imported
    for block in frame.iter_slices(ROWS_AT_ONCE):
        yield [column.to_list() for column in block.get_columns()]


def _converted(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    for number, row in rows:
        if isinstance(row, UnparsableRow):
            yield number, row
        else:
            yield number, [value if type(value) in _AS_THEY_ARE else _python(value) for value in row]


def _python(value: Any) -> object:  # noqa: ANN401 - whatever stands in a table
    """A value without anything of pandas or numpy; what these libraries call missing is None."""
    if is_null(value):
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()
    value = plain(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return None if isinstance(value, Decimal) and value.is_nan() else value
