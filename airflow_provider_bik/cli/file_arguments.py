"""The arguments that every command about a file takes: what it is, how it is read, what becomes of its rows."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import EventMapping, Mode, Reading
from airflow_provider_bik.events.reading import FILE_FORMATS

__all__ = ["add_file_arguments", "mapping_of", "reading_of"]

_READING = ("timezone", "default_region", "file_format", "encoding", "delimiter", "json_path")


def add_file_arguments(
    parser: argparse.ArgumentParser,
    *,
    name: str = "FILE",
    meaning: str = "a file of events or rows, or a pattern of files in quotes",
) -> None:
    """Describe them; without an option, the operator's own default counts.

    Args:
        parser: Of the command.
        name: What the help calls the file.
        meaning: What it says of it.
    """
    option = parser.add_argument
    option("file", metavar=name, help=meaning)
    option("--mapping", metavar="M.json", help="the JSON form of an EventMapping, if the file holds rows")
    option("--pipeline", choices=[mode.value for mode in Mode], default="auto", help="(default: %(default)s)")
    option("--timezone", metavar="ZONE", help="what times without a zone are in, such as Asia/Kolkata (default: UTC)")
    option("--default-region", metavar="CODE", help="country of telephone numbers that do not say it, such as IN")
    option("--file-format", choices=FILE_FORMATS, help="(default: what the file's name or beginning says)")
    option("--encoding", metavar="NAME", help="of a text file, such as cp1252 (default: utf-8)")
    option("--delimiter", metavar="CHARACTER", type=_character, help=r"between the cells of CSV; \t for a tab")
    option("--json-path", metavar="PATH", help="the keys that lead to the events in a JSON file, joined by dots")


def _character(text: str) -> str:
    return {r"\t": "\t"}.get(text, text)


def reading_of(given: argparse.Namespace) -> Reading:
    """How the file is read.

    Raises:
        BikConfigError: An argument is wrong.
    """
    return Reading(**{name: getattr(given, name) for name in _READING if getattr(given, name) is not None})


def mapping_of(given: argparse.Namespace) -> EventMapping | None:
    """What makes events of rows; None if the file holds events.

    Raises:
        BikConfigError: The mapping cannot be read, or is none.
    """
    if given.mapping is None:
        return None
    try:
        return EventMapping.of(json.loads(Path(given.mapping).read_text("utf-8")))
    except (OSError, ValueError) as error:
        message = f"--mapping: {given.mapping} cannot be read as JSON ({type(error).__name__}). Nothing was sent."
        raise BikConfigError(message) from error
