"""`Reading`: how the user wants what is read to be understood."""

from __future__ import annotations

import codecs
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.regions import is_region

__all__ = ["DEFAULT_NULL_VALUES", "FILE_FORMATS", "Reading", "time_zone"]

DEFAULT_NULL_VALUES = (r"\N", "NULL", "null", "NaN", "nan", "NaT", "<NA>")
"""Texts that programs write for null: MySQL and BigQuery, database clients, pandas. A text counts only if it is nothing
else and in just these letters, so that the surname Null, the discount None and the country NA stay what they are."""

FILE_FORMATS = ("ndjson", "json", "csv", "tsv", "parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    r"""How what is read is understood; the value of ``reading``.

    Args:
        timezone: What times without a zone are in: a name of the time zone database such as ``Asia/Kolkata``, or a
            ``tzinfo``.
        default_region: ISO 3166 code, such as ``IN``, of the country of telephone numbers that do not say theirs. None
            rejects such numbers.
        on_bad_identity: What to do with an event of which one of e-mail address and telephone number is good and the
            other is not: ``drop`` the bad one and send the event, or ``reject`` the event.
        null_values: Texts that mean null wherever they stand, properties included. ``\N`` always does.
        file_format: Of all files: ``ndjson``, ``json``, ``csv``, ``tsv`` or ``parquet``; None to go by their names.
        encoding: Of text files, as Python names it, such as ``utf-8`` or ``cp1252``.
        delimiter: What stands between the cells of CSV files, one character; None for a comma, or what is certain.
        decimal_comma: Whether the casts to a number read ``1.234,50`` as 1234.5.
        json_path: In a JSON file whose events stand within an object, the names that lead to them, joined by dots.

    Raises:
        BikConfigError: A value is none of these; the text names the argument.
    """

    timezone: str | tzinfo = "UTC"
    default_region: str | None = None
    on_bad_identity: Literal["drop", "reject"] = "drop"
    null_values: tuple[str, ...] = DEFAULT_NULL_VALUES
    file_format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    decimal_comma: bool = False
    json_path: str | None = None

    def __post_init__(self) -> None:
        time_zone(self.timezone)
        region, delimiter, path = self.default_region, self.delimiter, self.json_path
        _require(
            region is None or (isinstance(region, str) and is_region(region)),
            "default_region",
            "an ISO 3166 code such as 'IN', or None",
        )
        _require(self.on_bad_identity in ("drop", "reject"), "on_bad_identity", "'drop' or 'reject'")
        object.__setattr__(self, "null_values", _texts(self.null_values))
        _require(
            self.file_format is None or self.file_format in FILE_FORMATS,
            "file_format",
            f"one of {', '.join(FILE_FORMATS)}, or None",
        )
        _require(_is_text_encoding(self.encoding), "encoding", "the name of a text encoding such as 'utf-8'")
        _require(
            delimiter is None or (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n'),
            "delimiter",
            "one character that is neither a quotation mark nor a line end, or None",
        )
        _require(isinstance(self.decimal_comma, bool), "decimal_comma", "true or false")
        _require(
            path is None or (isinstance(path, str) and all(part.strip() for part in path.split("."))),
            "json_path",
            "names joined by dots, or None",
        )

    @property
    def zone(self) -> tzinfo:
        """The time zone itself."""
        return time_zone(self.timezone)

    @property
    def nulls(self) -> frozenset[str]:
        """Every text that means null."""
        return frozenset({*self.null_values, r"\N"})


def time_zone(timezone: object) -> tzinfo:
    """A time zone, by its name or as it is.

    Raises:
        BikConfigError: There is no such zone.
    """
    if isinstance(timezone, tzinfo):
        return timezone
    if timezone == "UTC":
        return UTC
    found = None
    if isinstance(timezone, str):
        try:
            found = zoneinfo.ZoneInfo(timezone)
        except (LookupError, ValueError, OSError):  # OSError: the name of a directory of zones, such as "Asia"
            found = None
    _require(found is not None, "timezone", "a name of the time zone database such as 'Asia/Kolkata', or a tzinfo")
    return found or UTC


def _texts(given: object) -> tuple[str, ...]:
    texts = tuple(given) if isinstance(given, tuple | list | set | frozenset) else ()
    fits = isinstance(given, tuple | list | set | frozenset) and all(isinstance(text, str) for text in texts)
    _require(fits, "null_values", "a tuple of texts")
    return texts


def _is_text_encoding(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(codecs.lookup(name)) and "".encode(name) is not None
    except (LookupError, ValueError):
        return False


def _require(holds: bool, argument: str, wanted: str) -> None:  # noqa: FBT001 - the condition comes first, as in assert
    if not holds:
        message = f"{argument} must be {wanted}. Fix the argument where the DAG makes it; nothing was sent."
        raise BikConfigError(message)
