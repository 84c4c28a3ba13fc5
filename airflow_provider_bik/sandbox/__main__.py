"""``python -m airflow_provider_bik.sandbox``: a local BIK in a terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_bik.sandbox.faults import FaultPlan

if TYPE_CHECKING:
    from airflow_provider_bik.sandbox.server import Sandbox


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(prog="python -m airflow_provider_bik.sandbox")
    describe(described)
    return described


def describe(described: argparse.ArgumentParser) -> None:
    """Describe the arguments, and set ``run``."""
    described.description = "A local BIK to try things on. It listens on 127.0.0.1 only and ends with Ctrl-C."
    described.set_defaults(run=run)
    option = described.add_argument
    option("--port", type=_port, default=8787, help="port to listen on; 0 takes a free one (default: %(default)s)")
    option("--api-key", default="sandbox-key", metavar="KEY", help="user name to ask for (default: %(default)s)")
    option(
        "--api-secret", default="sandbox-secret", metavar="SECRET", help="password to ask for (default: %(default)s)"
    )
    option("--app-id", default="sandbox-app", metavar="ID", help="app of the credential check (default: %(default)s)")
    option("--faults", type=Path, metavar="FILE", help="JSON file with a fault plan (default: no faults)")
    option("--ledger", type=Path, metavar="FILE", help="file to keep events in as well (default: in memory alone)")
    option(
        "--require",
        action="append",
        default=[],
        type=_requirement,
        metavar="EVENT:PROPERTY",
        help="reject events of this name without this property; may be given more than once",
    )
    option(
        "--max-body-bytes",
        type=int,
        default=1_048_576,
        metavar="BYTES",
        help="answer larger bodies with 413 (default: %(default)s)",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004 - TCP's range
        message = "0 to 65535"
        raise argparse.ArgumentTypeError(message)
    return port


def _requirement(text: str) -> tuple[str, str]:
    event, colon, name = text.partition(":")
    if not (event and colon and name):
        message = "an event name and a property, as in purchasedAProduct:variantId"
        raise argparse.ArgumentTypeError(message)
    return event, name


def sandbox(options: argparse.Namespace) -> Sandbox:
    """Make the sandbox that the options describe.

    Raises:
        ModuleNotFoundError: The extra is not installed.
        OSError: The fault plan cannot be read, or the ledger cannot be written.
        ValueError: The fault plan is wrong, or the file is no ledger.
    """
    from airflow_provider_bik.sandbox import Sandbox  # noqa: PLC0415 - its absence is told in one line by main

    required: dict[str, list[str]] = {}
    for event, name in options.require:
        required.setdefault(event, []).append(name)
    return Sandbox(
        api_key=options.api_key,
        api_secret=options.api_secret,
        app_id=options.app_id,
        faults=FaultPlan.from_json(options.faults.read_bytes()) if options.faults else None,
        port=options.port,
        required_properties=required,
        max_body_bytes=options.max_body_bytes,
        ledger_path=options.ledger,
    )


def _greeting(url: str, options: argparse.Namespace) -> str:
    connection = {
        "conn_type": "bik",
        "host": url,
        "login": options.api_key,
        "password": options.api_secret,
        "extra": {"app_id": options.app_id},
    }
    exported = shlex.quote(json.dumps(connection))
    lines = (f"BIK sandbox: {url}/", "", f"export AIRFLOW_CONN_BIK_DEFAULT={exported}", "", "Ctrl-C ends it.", "")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until SIGINT or SIGTERM.

    Args:
        arguments: The command line; that of the process unless given.

    Returns:
        The exit code: 0, or 1 if the sandbox could not start.
    """
    return run(parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Run the sandbox that the options describe, as `main` does."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with sandbox(options) as bik:
            sys.stdout.write(_greeting(bik.url, options))
            sys.stdout.flush()
            ended.wait()
    except (ModuleNotFoundError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
