"""Makes the pictures of Airflow's own UI for the docs: `python -m tests.ui.screenshots`; takes some minutes.

A real Airflow sends the past of the demo's shop to a sandbox that is slow, fails for a while, and gets events that it
rejects.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from demo import shop
from tests.sandbox.browser import chromium
from tests.scheduler.real_airflow import RealAirflow
from tests.ui.connection_form import ConnectionForm

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
DAG = "bik_historical_backfill"
SIZE = shop.Size(customers=60, carts=300, orders=1200)
SLOW = FaultPlan(latency=(0.7, 1.1))
CRAWLING = FaultPlan(latency=(5.0, 9.0))
DOWN = FaultPlan(rates=((Fault(kind="status", status=503), 1.0),))
OUTAGE = 12.0
"""Seconds."""

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1400, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What pictures are made of and with."""

    airflow: RealAirflow
    bik: Sandbox
    browser: Browser

    def run(self, first: int, end: int, days: int) -> str:
        """Start a backfill of days of the shop, by their numbers; returns the run."""
        dates = {name: str(shop.FIRST_DAY + timedelta(days=n)) for name, n in (("from", first), ("to", end))}
        body = {"logical_date": None, "conf": {**dates, "window_days": days, "dry_run": False}}
        return str(self.airflow.call("POST", f"/dags/{DAG}/dagRuns", body)["dag_run_id"])

    def wait_for_run(self, run: str) -> None:
        """Wait until a run has ended well."""
        found = self.airflow.wait("the end of the run", lambda: self._ended(run), patience=900)
        assert found == "success", found

    def _ended(self, run: str) -> str | None:
        state = str(self.airflow.get(f"/dags/{DAG}/dagRuns/{run}")["state"])
        return state if state in {"success", "failed"} else None

    def wait_for_orders(self, run: str, index: int, percent: int) -> None:
        """Wait until a window of the orders has come so far."""
        self.airflow.wait("the task to run", lambda: self._is_running(run, index), patience=600)
        whole = SIZE.orders * 7
        before = self.bik.ledger.count(eventName="ordered")
        self.airflow.wait(
            "events to arrive",
            lambda: self.bik.ledger.count(eventName="ordered") > before + whole * percent / 100,
            patience=300,
        )

    def _is_running(self, run: str, index: int) -> bool:
        path = f"/dags/{DAG}/dagRuns/{run}/taskInstances/send_orders/listMapped?map_index={index}"
        found: list[dict[str, Any]] = self.airflow.get(path)["task_instances"]
        return any(each["map_index"] == index and each["state"] == "running" for each in found)

    def picture(self, name: str, wide: str, narrow: str, ready: str) -> None:
        """Take four pictures of a page: wide and narrow, light and dark.

        Args:
            name: What the files' names begin with.
            wide: Path of the page in Airflow's UI, or by itself.
            narrow: Path of the page by itself: Airflow's own page of a run needs more room.
            ready: A selector of what must be there first.
        """
        for width, path in ((1400, wide), (400, narrow)):
            for scheme in SCHEMES:
                page = self.open(path, width, scheme)
                framed = "/plugin/" in f"/{path}"
                found = page.frame_locator("iframe").locator(ready) if framed else page.locator(ready)
                found.first.wait_for(timeout=60_000)
                page.wait_for_timeout(700)
                page.screenshot(path=IMAGES / f"{name}-{width}-{scheme}.png", full_page=not framed)
                page.context.close()

    def open(self, path: str, width: int, scheme: Literal["light", "dark"]) -> Page:
        """Open a page of Airflow, logged in."""
        context = self.browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        context.add_init_script(f"localStorage.setItem('theme', '{scheme}')")
        page = context.new_page()
        # It sets the cookie, without a form where everybody is an admin.
        page.goto(f"{self.airflow.url}/auth/token/login")
        page.goto(f"{self.airflow.url}/{path}", wait_until="domcontentloaded")
        return page


@contextmanager
def studio() -> Iterator[Studio]:
    """Start everything, and end it."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airflow-", ignore_cleanup_errors=True)))
        shutil.copytree(ROOT / "dags", home / "dags")
        (home / "run").mkdir(mode=0o700)
        # Where the PostgreSQL that comes as a package keeps its socket.
        os.environ["XDG_RUNTIME_DIR"] = str(home / "run")
        # The pictures show its path, which should say nothing of the machine.
        state = Path(tempfile.gettempdir(), "bik")
        state.mkdir()
        stack.callback(shutil.rmtree, state)
        shop.seed(home / "shop.db", days=42, size=SIZE)
        bik = stack.enter_context(Sandbox(faults=SLOW))
        login = {"login": "sandbox-key", "password": "sandbox-secret", "extra": {"app_id": "sandbox-app"}}
        environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "AIRFLOW__BIK__STATE_PATH": f"file://{state}",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW_CONN_BIK_DEFAULT": json.dumps({"conn_type": "bik", "host": bik.url, **login}),
            "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(home / "shop.db")}),
        }
        airflow = stack.enter_context(RealAirflow(home, dags=3, environment=environment))
        browser = stack.enter_context(chromium())
        yield Studio(airflow=airflow, bik=bik, browser=browser)


def main() -> None:
    """Write docs/images/airflow-*.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with studio() as made:
        connection_form(made)
        connection_tests(made)
        made.bik.faults = FaultPlan()
        made.wait_for_run(made.run(0, 10, 1))
        made.bik.faults = SLOW
        run = made.run(12, 33, 7)
        made.wait_for_orders(run, 0, 40)
        made.bik.faults = DOWN
        time.sleep(OUTAGE)
        made.bik.faults = SLOW
        made.wait_for_orders(run, 0, 20)
        made.bik.faults = CRAWLING
        task = f"dags/{DAG}/runs/{run}/tasks/send_orders/mapped/0"
        query = urlencode({"dag_id": DAG, "run_id": run, "task_id": "send_orders", "map_index": 0})
        made.picture("airflow-running", f"{task}/plugin/bik-delivery", f"bik/delivery?{query}", ".bar")
        made.picture("airflow-run", f"dags/{DAG}/runs/{run}/plugin/bik-run", f"bik/run?{query}", ".row")
        made.bik.faults = FaultPlan()
        made.wait_for_run(run)
        made.picture("airflow-delivered", f"bik/delivery?{query}", f"bik/delivery?{query}", "#rejected .reason")
        coverage = "bik/coverage?stream=orders"
        made.picture("airflow-coverage", "plugin/bik-coverage", coverage, ".month")


def connection_form(made: Studio) -> None:
    """The form of a Connection of the type BIK."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            page = made.open("connections", width, scheme)
            ConnectionForm(page, made.airflow.url).begin()
            page.wait_for_timeout(800)
            page.screenshot(path=IMAGES / f"airflow-connection-{width}-{scheme}.png")
            page.context.close()


def connection_tests(made: Studio) -> None:
    """What Airflow says of a Connection with a wrong secret, and of one with the right one."""
    page = made.open("connections", 1400, "light")
    # One with the name of an environment variable would be tested with the secret that stands there.
    connection = ConnectionForm(page, made.airflow.url, "bik_sandbox")
    connection.add(int(made.bik.url.rpartition(":")[2]), "not-the-secret")
    _pictures_of_test(made, "failed", "BIK does not know this API key and secret")
    page.reload()
    connection.change_secret("sandbox-secret")
    _pictures_of_test(made, "good", "BIK accepts this API key and secret")
    page.context.close()


def _pictures_of_test(made: Studio, name: str, answer: str) -> None:
    for width, height in ((1400, 480), (400, 640)):
        for scheme in SCHEMES:
            page = made.open("connections", width, scheme)
            page.set_viewport_size({"width": width, "height": height})
            ConnectionForm(page, made.airflow.url).press_test(answer)
            page.wait_for_timeout(800)
            page.screenshot(path=IMAGES / f"airflow-connection-{name}-{width}-{scheme}.png")
            page.context.close()


if __name__ == "__main__":
    main()
