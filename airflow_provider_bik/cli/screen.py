"""Tables on a screen: with rich on a terminal, if it is there, which it is beside Airflow; else as plain text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

__all__ = ["show_table"]


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], file: TextIO | None = None
) -> None:
    """Write a table; nothing, if it has no rows.

    Args:
        title: Stands above it.
        columns: Their headings.
        rows: The cells.
        file: Where to; the standard output if None.
    """
    file = file or sys.stdout
    texts = [[str(cell) for cell in row] for row in rows]
    if texts and not (file.isatty() and _show_rich(title, columns, texts, file)):
        _show_plain(title, columns, texts, file)


def _show_rich(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO) -> bool:
    try:
        from rich.console import Console  # noqa: PLC0415 - a dependency of Airflow, not of this package
        from rich.table import Table  # noqa: PLC0415 - as above
    except ImportError:
        return False
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    # Without markup: a location such as [17] would be taken for it.
    Console(file=file, markup=False, highlight=False).print(table)
    return True


def _show_plain(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO) -> None:
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (columns, *rows))
    file.write("\n  ".join([title, *lines]) + "\n\n")
