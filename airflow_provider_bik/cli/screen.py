"""What is shown on a screen: tables, with rich where it is there; and events whose form is seen, but no person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

__all__ = ["masked", "show_table"]

_STARS = "***"
_LARGEST_SHOWN = 999_999
"""A longer number may be that of a telephone."""

_LONGEST_KEY = 64
_FEW_DIGITS = 6


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], file: TextIO | None = None
) -> None:
    """Write a table: with rich on a terminal, if it is there, which it is beside Airflow; else as plain text.

    Without rows, nothing is written.

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


def masked(event: Mapping[str, object]) -> dict[str, object]:
    """Mask name, e-mail address, telephone number, and every text and long number among the properties.

    Args:
        event: As it goes out.
    """
    masks = {"name": _name, "email": _email, "phoneNumber": _phone, "eventProperties": _value}
    return {field: masks[field](value) if field in masks else value for field, value in event.items()}


def _name(value: object) -> str:
    return " ".join(f"{word[0]}{_STARS}" for word in str(value).split())


def _email(value: object) -> str:
    """``k***@e***.com``."""
    local, _, domain = str(value).rpartition("@")
    host, _, top = domain.rpartition(".")
    return f"{local[:1]}{_STARS}@{host[:1]}{_STARS}.{top}"


def _phone(value: object) -> str:
    """``+91***70``."""
    text = str(value)
    return f"{text[:3]}{_STARS}{text[-2:] if len(text) > _FEW_DIGITS else ''}"


def _value(value: object) -> object:
    match value:
        case str():
            return "".join(map(_shape, value))
        case Mapping():
            return {_key(key, number): _value(item) for number, (key, item) in enumerate(value.items(), start=1)}
        case list():
            return [_value(item) for item in value]
        case int() | float() if not isinstance(value, bool) and abs(value) > _LARGEST_SHOWN:
            return _value(str(value))
        case _:
            return value


def _key(key: str, number: int) -> str:
    """A key as it is, unless it could be somebody's data itself."""
    return key if len(key) <= _LONGEST_KEY and key.isidentifier() else f"{_STARS}{number}"


def _shape(character: str) -> str:
    """A letter or digit that stands for all of its kind; other characters show how the text is written."""
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character
