"""DataFrames of pandas and polars, and Arrow tables: rows without nulls of a kind of their own.

Known by the modules of their classes, so that none of these libraries is imported for those who do not use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.events.values import is_null, plain
from airflow_provider_bik.inputs.tables import ROWS_AT_ONCE, NumberedRow, Table, UnparsableRow

__all__ = ["check_no_column", "frame_table", "is_frame"]

_FRAMES = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "pyarrow",
    ("pyarrow", "RecordBatch"): "pyarrow",
}
_NO_TABLES = {
    ("pandas", "Series"): "Make a DataFrame of it: series.to_frame().",
    ("polars", "Series"): "Make a DataFrame of it: series.to_frame().",
    ("polars", "LazyFrame"): "Give what its collect() returns.",
    ("pyarrow", "ChunkedArray"): "Give the Table that it is a column of.",
    ("pyarrow", "Array"): "Give the Table that it is a column of.",
    ("numpy", "ndarray"): "Make a DataFrame of it: pandas.DataFrame(array).",
}
"""What is often taken for a table, with the advice that helps: without it, each value would be taken for a path."""

_AS_THEY_ARE = frozenset({str, int, bool, type(None), date, datetime})


def is_frame(value: object) -> bool:
    """Tell whether this is one of them."""
    return _of(value, _FRAMES) is not None


def check_no_column(value: object) -> None:
    """Refuse a column, an array or a query that has not run.

    Raises:
        BikInputError: It is one.
    """
    if (advice := _of(value, _NO_TABLES)) is not None:
        message = f"events is of type {type(value).__name__}, which is no table. {advice} A retry cannot help before."
        raise BikInputError(message)


def frame_table(frame: object, where: str) -> Table:
    """Read one, column by column, a block of rows at a time; rows are counted from 1.

    Args:
        frame: For which `is_frame` is true.
        where: It stands, for messages.

    Raises:
        BikInputError: A column's label is not text.
    """
    library = _of(frame, _FRAMES)
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
    if library == "pandas" and (index := [repr(name) for name in given.index.names if isinstance(name, str)]):
        where = f"{where} (its index {', '.join(index)} is no column; reset_index() makes one of it)"
    blocks = _pandas_blocks(given) if library == "pandas" else _polars_blocks(given)
    rows = (row for block in blocks for row in zip(*map(_in_python, block), strict=True))
    return Table(columns=labels, rows=enumerate(rows, start=1), where=where)


def _of(value: object, classes: Mapping[tuple[str, str], str]) -> str | None:
    if isinstance(value, str | bytes | dict | list | tuple):
        return None
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(value).__mro__)
    return next((classes[kind] for kind in kinds if kind in classes), None)


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
            yield number, _in_python(row)


def _in_python(values: Sequence[object]) -> Sequence[object]:
    if set(map(type, values)) <= _AS_THEY_ARE:
        return values
    return [value if type(value) in _AS_THEY_ARE else _python(value) for value in values]


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
