"""The demo from end to end: shop, Airflow, sandbox, the runs of three DAGs, and a table that must add up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time as clock
from collections import Counter
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from demo import results, shop
from demo.ledger import Ledger
from demo.legs import Leg, Outcome, legs
from demo.processes import ROOT, DemoError, environment, sandbox, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from types import FrameType

    from rich.status import Status

HOME = ROOT / ".demo"
LOGS = HOME / "logs"
TOTALS = HOME / "totals.json"
"""What was counted, once every count agrees."""
MARK = HOME / "made-by-the-demo"
POLL = 0.2
PATIENCE = 300
"""Seconds for a DAG run, which takes about ten. A task that waits for its next try would take longer."""

REAL_BIK = """\
To send to the real BIK with the same DAGs, in your Airflow:
  AIRFLOW_CONN_BIK_DEFAULT='{"conn_type":"bik","login":"<API key>","password":"<API secret>"}'"""

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demo; 0 if every count agrees."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _demo()
    except DemoError as error:
        console.print(f"\nThe demo failed: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _demo() -> int:
    today = datetime.now(tz=shop.ZONE).date()
    database = _fresh_home()
    with step("Seeding the shop") as current:
        rows = shop.seed(database)
        shop.add_fresh_carts(database, legs(today)[1].first)
        shop.add_views(
            database, datetime.combine(shop.FIRST_DAY, time.min, tzinfo=shop.ZONE), 2000, timedelta(minutes=20)
        )
        current.done = ", ".join(f"{number:,} {name}" for name, number in rows.items())
    with contextlib.ExitStack() as stack:
        with step("Starting the sandbox, a local BIK") as current:
            url = stack.enter_context(sandbox(LOGS / "sandbox.log"))
            current.done = url
        env = environment(HOME, url)
        with step("Making Airflow's database"):
            _migrate(env)
        outcomes = _run_dags(env, url, today)
        status = _conclude(outcomes, database)
        console.print(f"\n{REAL_BIK}", markup=False)
        if os.environ.get("KEEP") == "1":
            console.print(f"\nThe sandbox stays up at {url} until Ctrl-C.")
            _wait_for_interrupt()
    return status


def _fresh_home() -> Path:
    if HOME.exists() and not MARK.exists():
        message = f"{HOME} exists and is not from an earlier demo. Move it away."
        raise DemoError(message)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(mode=0o700)
    MARK.touch()
    LOGS.mkdir()
    return HOME / "shop.db"


class Step:
    """One line of progress: what goes on now, and the words that it ends with."""

    def __init__(self, title: str, status: Status) -> None:
        """Remember the title; `done` may be set until the step ends."""
        self.title = title
        self.done = ""
        self._status = status

    def now(self, text: str) -> None:
        """Say how far it has come; seen on a terminal only."""
        self._status.update(f"{self.title} … {text}")


@contextlib.contextmanager
def step(title: str) -> Iterator[Step]:
    """Show that something is going on, and then what came out of it and how long it took."""
    begin = clock.monotonic()
    line = f"  {title:<46}"
    if not console.is_terminal:
        console.print(line, end="", markup=False)
        console.file.flush()
    with console.status(f"{title} …") as status:
        current = Step(title, status)
        yield current
    begun = line if console.is_terminal else ""
    console.print(f"{begun}{clock.monotonic() - begin:6.1f} s   {current.done}", markup=False)


def _migrate(env: dict[str, str]) -> None:
    log = LOGS / "airflow-db.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        if subprocess.run(command, env=env, cwd=HOME, stdout=output, stderr=output, check=False).returncode:
            message = f"`airflow db migrate` failed. See {log}"
            raise DemoError(message)


def _run_dags(env: dict[str, str], url: str, today: date) -> list[tuple[Leg, Outcome]]:
    outcomes = []
    log = LOGS / "airflow.log"
    command = [sys.executable, "-m", "demo.dag_runs", str(HOME), url, today.isoformat()]
    with started(command, log, env) as process:
        for leg in legs(today):
            with step(f"{leg.dag_id}, {leg.title}") as current:
                _await_outcome(HOME / f"{leg.name}.json", process, lambda: current.now(_received(url)))
                outcome = _read_outcome(HOME / f"{leg.name}.json", log)
                current.done = f"{sum(outcome.ledger.values()):,} events in the sandbox"
            outcomes.append((leg, outcome))
        process.wait(timeout=60)
    return outcomes


def _received(url: str) -> str:
    return f"{sum(Ledger(url).counts().values()):,} events in the sandbox"


def _await_outcome(path: Path, process: subprocess.Popen[bytes], tell: Callable[[], None]) -> None:
    until = clock.monotonic() + PATIENCE
    while not path.exists() and process.poll() is None and clock.monotonic() < until:
        tell()
        clock.sleep(POLL)


def _read_outcome(path: Path, log: Path) -> Outcome:
    if not path.exists():
        message = f"Airflow ended without a result, or took too long. See {log}"
        raise DemoError(message)
    outcome = Outcome(**json.loads(path.read_text(encoding="utf-8")))
    if outcome.state != "success":
        message = f"The DAG run ended as {outcome.state}. See {log}"
        raise DemoError(message)
    return outcome


def _conclude(outcomes: list[tuple[Leg, Outcome]], database: Path) -> int:
    counted = []
    before: dict[str, int] = {}
    for leg, outcome in outcomes:
        counted.append(results.result(leg, outcome, before, database))
        before = outcome.ledger
    console.print(
        "\nWhat the shop holds, what Airflow read and BIK confirmed, and what the sandbox says it received:\n"
    )
    console.print(results.table(counted))
    console.print("\nOnce more: these days were sent already, by the other DAG or in other windows. Nothing went out.")
    _tell_what_was_rejected(outcomes, counted)
    wrong = [line for each in counted for line in each.disagreements()]
    if wrong:
        console.print("\nThe counts disagree:", *wrong, sep="\n  ", markup=False)
        return 1
    TOTALS.write_text(json.dumps(results.totals(counted)), encoding="utf-8")
    console.print("\nEvery count agrees: read = confirmed + rejected, and the sandbox received what was confirmed.")
    console.print("0 events were rejected by the data stream, 0 lost their history.")
    return 0


def _tell_what_was_rejected(outcomes: list[tuple[Leg, Outcome]], counted: list[results.Result]) -> None:
    reasons: Counter[str] = Counter()
    for each in counted:
        reasons.update(each.reasons)
    console.print("Why events were rejected:", ", ".join(f"{reason} {number:,}" for reason, number in reasons.items()))
    files = [path for _, outcome in outcomes for path in results.rejected_files(outcome)]
    console.print(f"They are in {len(files)} files, ready to be fixed and sent again. The first one:\n  {files[0]}")


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            signal.pause()
