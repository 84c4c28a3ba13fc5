"""``resend``: rejected events that somebody has fixed are sent again."""

from __future__ import annotations

import argparse

from airflow_provider_bik.cli import send
from airflow_provider_bik.cli.file_arguments import add_file_arguments

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
    """Whether the first line is one; a file that cannot be read is for others to tell about."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: PLC0415 - --help can do without

    from airflow_provider_bik.inputs.rejected import REJECTED_KEY, decode_object  # noqa: PLC0415 - as above

    try:
        with ObjectStoragePath(path).open("rb") as file:  # type: ignore[no-untyped-call]
            first = decode_object(file.readline())
    except OSError:
        return True
    return first is not None and REJECTED_KEY in first
