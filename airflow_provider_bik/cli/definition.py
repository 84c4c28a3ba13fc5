"""The same commands as ``airflow bik …`` (Airflow 3.2 and later); every `airflow` command imports this module."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

from airflow_provider_bik.cli.commands import COMMANDS

__all__ = ["get_bik_cli_commands"]

_GROUP = "bik"


class _Described(Arg):
    """All arguments of a command, described by the command itself."""

    def __init__(self, describe: Callable[[argparse.ArgumentParser], None]) -> None:
        super().__init__(("arguments",))  # type: ignore[no-untyped-call]
        self._describe = describe

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        """Describe them, if they are asked for: that imports a good part of the package."""
        if _GROUP in (*sys.argv, *os.environ.get("COMP_LINE", "").split()):
            self._describe(parser)


def get_bik_cli_commands() -> list[GroupCommand]:
    """What Airflow adds to its command line."""
    commands = [
        ActionCommand(name=name, help=purpose, func=_run, args=(_Described(describe),))
        for name, (purpose, describe) in COMMANDS.items()
    ]
    return [GroupCommand(name=_GROUP, help="Send customer events to BIK", subcommands=commands)]


def _run(given: argparse.Namespace) -> None:
    sys.exit(given.run(given))
