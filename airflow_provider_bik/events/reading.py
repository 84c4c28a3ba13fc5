"""`Reading`: how what is read is understood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How what is read is understood.

    Args:
        timezone: Of times without a zone.
        default_region: The country of telephone numbers without a country code.
        on_bad_identity: What becomes of an invalid e-mail address or number beside a valid one.
        null_values: Texts that mean null.
        file_format: Of all files; None to go by each file's name and content.
        encoding: Of text files.
        delimiter: Between the cells of CSV; None to go by the header line.
        decimal_comma: Whether numbers in text have a comma before their decimals.
        json_path: Where the array of items stands in a JSON document, such as ``data.orders``.
    """

    timezone: str | tzinfo = "UTC"
    default_region: str | None = None
    on_bad_identity: Literal["drop", "reject"] = "drop"
    null_values: tuple[str, ...] = ()
    file_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    decimal_comma: bool = False
    json_path: str | None = None
