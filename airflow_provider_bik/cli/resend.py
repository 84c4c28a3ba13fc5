"""``resend``: rejected events that somebody has fixed are sent again."""

from __future__ import annotations

import argparse

from airflow_provider_bik.cli import send
from airflow_provider_bik.cli.file_arguments import add_file_arguments
from airflow_provider_bik.errors import BikError

__all__ = ["describe"]


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.description = (
        "Send a file of rejected events again, once they are fixed in it. With --mapping, if they were rejected as "
        "rows of a table. It can go on after a failure, as send can."
    )
    parser.set_defaults(run=_run, parser=parser)
    add_file_arguments(
        parser, name="REJECTED", meaning="the file that rejected_path of a report names, or a copy of it"
    )
    send.add_delivery_arguments(parser)


def _run(given: argparse.Namespace) -> int:
    if not _holds_rejected_events(given.file):
        given.parser.error(
            f"{given.file} does not begin with a rejected event, as a file that rejected_path names does. Use send for "
            "files of events or rows; nothing was sent."
        )
    return send.run(given)


def _holds_rejected_events(path: str) -> bool:
    """Whether the first item is one; a file that cannot be read is for others to tell about."""
    from airflow_provider_bik.events import Reading  # noqa: PLC0415 - --help can do without
    from airflow_provider_bik.inputs import read_items  # noqa: PLC0415 - as above

    try:
        first = next(read_items(path, Reading()), None)
    except BikError:
        return True
    return first is None or first.is_row is not None
