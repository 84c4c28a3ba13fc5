"""Which command is meant; importing this imports neither Airflow nor anything that reads or sends."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from airflow_provider_bik.cli import status, validate

__all__ = ["COMMANDS", "main", "parser"]

COMMANDS: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "status": ("say which days of each stream are delivered", status.describe),
    "validate": ("check a file as the operator would read it; nothing is sent", validate.describe),
}
"""The name of a command -> what it does, and what describes its arguments and sets ``run``."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="python -m airflow_provider_bik", description="Commands for BIK and Airflow."
    )
    commands = described.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (purpose, describe) in COMMANDS.items():
        describe(commands.add_parser(name, help=purpose))
    return described


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Of the command line; those of the process if None.

    Returns:
        The exit code of the process. Wrong arguments end it with 2.
    """
    given = parser().parse_args(arguments)
    code: int = given.run(given)
    return code
