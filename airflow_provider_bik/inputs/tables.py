"""What the readers of tables give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

__all__ = ["NumberedRow", "Row", "Unreadable"]


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be read.

    Attributes:
        text: As it stands in the file, if it is text.
        detail: Why, without anything of its content.
    """

    text: str | None
    detail: str


Row: TypeAlias = Mapping[str, object]
"""The values of a row by the names of their columns."""

NumberedRow: TypeAlias = tuple[int, Row | Unreadable]
"""A row after the number, counted from 1, by which a person finds it in the file."""
