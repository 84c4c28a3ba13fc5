"""What the provider adds to a task process before anything is sent: ``python -m benchmarks.startup``.

Each measurement is a process of its own, turn by turn with the others. It first imports what the operator is made of,
which belongs to Airflow and its providers, and then the operator; the difference counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["IMPORTS", "LIMIT_MB", "LIMIT_SECONDS", "Cost", "Imports", "added_modules", "main", "measured"]

LIMIT_SECONDS, LIMIT_MB = 0.15, 10.0
"""CPU time and memory that the provider may add."""

ROUNDS = 9

_SDK = "from airflow.providers.common.compat.sdk import BaseOperator, BaseOperatorLink, ObjectStoragePath, Stats, XCom"
_HTTP = "from airflow.providers.http.hooks.http import HttpHook"
_SQL = "from airflow.providers.common.sql.hooks.sql import DbApiHook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """What a process imports.

    Attributes:
        bases: Statements that import the base classes.
        own: The statement that imports this package's class.
    """

    bases: tuple[str, ...]
    own: str


IMPORTS: Mapping[str, Imports] = {
    "BikSendEventsOperator": Imports(
        bases=(_SDK, _HTTP), own="from airflow_provider_bik.operators.bik import BikSendEventsOperator"
    ),
    "SqlToBikIncrementalOperator": Imports(
        bases=(_SDK, _HTTP, _SQL),
        own="from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator",
    ),
}
"""The title -> what is imported."""

_PROBE = """
import json, os, sys, time
{bases}
def memory():
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
modules, megabytes, seconds = set(sys.modules), memory(), time.process_time()
{own}
seconds, megabytes = time.process_time() - seconds, memory() - megabytes
print("\\n" + json.dumps([seconds, megabytes, sorted(set(sys.modules) - modules)]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process has paid for the import.

    Attributes:
        seconds: CPU time.
        megabytes: Memory that is in use afterwards and was not before.
        modules: What was imported.
    """

    seconds: float
    megabytes: float
    modules: tuple[str, ...]


def added_modules(imports: Imports) -> set[str]:
    """The modules that the package imports over its base classes, its own included."""
    with tempfile.TemporaryDirectory() as home:
        return set(_cost(imports, home).modules)


def measured(rounds: int) -> dict[str, list[Cost]]:
    """Measure all of `IMPORTS` in turn; the first round, which compiles the source, does not count."""
    found: dict[str, list[Cost]] = {title: [] for title in IMPORTS}
    with tempfile.TemporaryDirectory() as home:
        for number in range(rounds + 1):
            for title, imports in IMPORTS.items():
                cost = _cost(imports, home)
                found[title] += [cost] if number else []
    return found


def _cost(imports: Imports, home: str) -> Cost:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # As installed by pip, which compiles; Airflow writes its configuration into its home.
    environment |= {"PYTHONPYCACHEPREFIX": f"{home}/compiled", "AIRFLOW_HOME": f"{home}/airflow"}
    probe = _PROBE.format(bases="\n".join(imports.bases), own=imports.own)
    done = subprocess.run(  # noqa: S603 - this module's own program
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, env=environment
    )
    seconds, megabytes, modules = json.loads(done.stdout.splitlines()[-1])
    return Cost(seconds=seconds, megabytes=megabytes, modules=tuple(modules))


def main() -> None:
    """Measure and print a Markdown table."""
    lines = [
        "| operator | CPU s, median | least and most | MB, median | modules | within the limits |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for title, costs in measured(ROUNDS).items():
        seconds = sorted(cost.seconds for cost in costs)
        median, megabytes = statistics.median(seconds), statistics.median(cost.megabytes for cost in costs)
        verdict = "yes" if median <= LIMIT_SECONDS and megabytes <= LIMIT_MB else "no"
        lines.append(
            f"| `{title}` | {median:.3f} | {seconds[0]:.3f} to {seconds[-1]:.3f} | {megabytes:.1f} | "
            f"{len(costs[0].modules)} | {verdict} |"
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
