"""The command line: measures, and prints Markdown tables."""

from __future__ import annotations

import argparse
import sys

from benchmarks.plan import plan
from benchmarks.run import measure
from benchmarks.tables import markdown

__all__ = ["main", "parser"]


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = arguments.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="half a minute; shows that it works, figures mean nothing")
    size.add_argument("--full", action="store_true", help="also 1 and 5 million events of each kind, for their memory")
    arguments.add_argument("--peers", action="store_true", help="also dlt and drt, which it installs below build/peers")
    arguments.add_argument("--repeats", type=int, help="measurements of each case; 3 if absent")
    return arguments


def main() -> None:
    """Measure and print."""
    given = parser().parse_args()
    chosen = plan(quick=given.quick, full=given.full, peers=given.peers, repeats=given.repeats)
    sys.stdout.write(markdown(chosen, measure(chosen)))


if __name__ == "__main__":
    main()
