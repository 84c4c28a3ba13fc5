"""Which command is meant; importing this imports neither Airflow nor anything that reads or sends."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["COMMANDS", "main", "parser"]


def _lazy(module: str) -> Callable[[argparse.ArgumentParser], None]:
    """The ``describe`` of a module, imported when it is called: each `airflow` command imports this."""

    def describe(parser: argparse.ArgumentParser) -> None:
        import_module(f"airflow_provider_bik.cli.{module}").describe(parser)

    return describe


COMMANDS: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "check": ("test a Connection; nothing is sent", _lazy("check")),
    "resend": ("send rejected events again, once they are fixed", _lazy("resend")),
    "sandbox": ("run a local BIK to try things on", _lazy("sandbox")),
    "send": ("send a file of events or rows", _lazy("send")),
    "status": ("say which days of each stream are delivered", _lazy("status")),
    "validate": ("check a file as the operator would read it; nothing is sent", _lazy("validate")),
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
