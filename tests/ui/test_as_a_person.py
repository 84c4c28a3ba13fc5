"""What a person does at a terminal and in a browser, and sees: from the form of the Connection to the last event."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("playwright", reason="it looks at the pages in a browser")

from playwright.sync_api import FrameLocator, Page, expect

from demo import shop
from tests.sandbox.browser import chromium
from tests.scheduler.evidence import members
from tests.ui.connection_form import ConnectionForm
from tests.ui.standalone import PATIENCE, ROOT, LocalBik, Standalone

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

DAG = "bik_historical_backfill"
SIZE = shop.Size(customers=20, carts=20, orders=12_000)
SLOW: dict[str, object] = {"latency": [3.0, 5.0]}
"""So slow that much is left to be sent whenever something is done to BIK or to the task."""

CHANGES = (
    # The few customers have more than their share of trouble.
    ("bik_shop.py", '"max_rejected": 0.05', '"max_rejected": 0.5'),
    # Nobody waits for minutes to see the next try.
    (f"{DAG}.py", "timedelta(minutes=5)", "timedelta(seconds=2)"),
)

OUTAGE = 15_000
"""For so long BIK is away, once the page has said that it is. Milliseconds, as all of Playwright's times."""

BROWSERS_PATIENCE = PATIENCE * 1000


@pytest.fixture
def bik(tmp_path: Path) -> Iterator[LocalBik]:
    home = tmp_path / "bik"
    home.mkdir()
    with LocalBik(home, SLOW) as running:
        yield running


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    shop.seed(path, days=1, size=SIZE)
    return path


@pytest.fixture
def airflow(tmp_path: Path, database: Path) -> Iterator[Standalone]:
    """An Airflow with the sample DAGs, which somebody has made their own."""
    home = tmp_path / "airflow"
    shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    for name, theirs, mine in CHANGES:
        text = (home / "dags" / name).read_text(encoding="utf-8")
        assert text.count(theirs) == 1
        (home / "dags" / name).write_text(text.replace(theirs, mine), encoding="utf-8")
    environment = {
        "AIRFLOW__BIK__STATE_PATH": f"file://{tmp_path}/state",
        "AIRFLOW_CONN_SHOP_DB": json.dumps({"conn_type": "sqlite", "host": str(database)}),
    }
    with Standalone(home, environment) as running:
        running.wait_until_up(dags=2)
        yield running


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
        opened.set_default_timeout(BROWSERS_PATIENCE)
        expect.set_options(timeout=BROWSERS_PATIENCE)
        yield opened
        expect.set_options(timeout=5000)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in front of a browser.

    Attributes:
        page: The browser.
        airflow: Their Airflow.
    """

    page: Page
    airflow: Standalone

    def log_in(self) -> None:
        self.page.goto(self.airflow.url)
        self.page.locator("input[name=username]").fill("admin")
        self.page.locator("input[name=password]").fill(self.airflow.password())
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name="Home").first.wait_for()

    def trigger(self) -> str:
        """Fill in the form of the backfill; returns the run."""
        self.page.goto(f"{self.airflow.url}/dags/{DAG}")
        self.page.get_by_role("button", name="Trigger").first.click()
        form = self.page.get_by_role("dialog")
        form.locator("#element_from").fill(str(shop.FIRST_DAY))
        form.locator("#element_to").fill(str(shop.FIRST_DAY + timedelta(days=1)))
        form.get_by_text("Dry run").first.click()
        expect(form.locator("input[name=element_dry_run]")).not_to_be_checked()
        form.get_by_test_id("trigger-dag-submit").click()
        self.page.wait_for_url("**/runs/**")
        return str(self.airflow.get(f"/dags/{DAG}/dagRuns")["dag_runs"][0]["dag_run_id"])

    def watch(self, run: str, task: str) -> FrameLocator:
        """Open the tab "BIK delivery" of a window."""
        self.page.goto(f"{self.airflow.url}/dags/{DAG}/runs/{quote(run)}/tasks/{task}/mapped/0")
        self.page.get_by_role("link", name="BIK delivery").click()
        return self.page.frame_locator("iframe")


@dataclass(frozen=True, slots=True)
class Task:
    """The window of the orders, as Airflow's REST API and its log tell of it.

    Attributes:
        airflow: Where it runs.
        run: Its run.
    """

    airflow: Standalone
    run: str

    @property
    def _path(self) -> str:
        return f"/dags/{DAG}/dagRuns/{quote(self.run)}/taskInstances/send_orders"

    def wait_until_running(self) -> None:
        def is_running() -> bool:
            found = self.airflow.get(f"{self._path}/listMapped")["task_instances"]
            return any(each["state"] == "running" for each in found)

        self.airflow.wait("the orders to be sent", is_running)

    def kill(self) -> None:
        """Kill the process that runs the operator."""
        pid = self.airflow.wait("the task's process", lambda: self.airflow.get(f"{self._path}/0")["pid"])
        os.kill(int(pid), signal.SIGKILL)

    def report(self) -> dict[str, Any]:
        entry = self.airflow.get(f"{self._path}/xcomEntries/return_value?map_index=0&deserialize=true")
        found: dict[str, Any] = entry["value"]
        return found

    def log(self) -> str:
        """What all its tries have logged."""
        logs = sorted(self.airflow.home.glob("logs/*/*/task_id=send_orders/**/*.log"))
        return "\n".join(log.read_text("utf-8", "replace") for log in logs)


def settled(delivery: FrameLocator) -> int:
    """The number that the page shows in big."""
    return int(delivery.locator(".big").inner_text().replace(",", ""))


def expect_more_than(delivery: FrameLocator, number: int, page: Page) -> None:
    """Look at the page until more events than that have their outcome."""
    for _ in range(int(PATIENCE)):
        if settled(delivery) > number:
            return
        page.wait_for_timeout(1000)
    pytest.fail(f"the page stays at {settled(delivery)}")


def orders(database: Path) -> list[str]:
    """The orders by their positions in the delivery."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT order_id FROM orders ORDER BY recorded_at, order_id").fetchall()
    return [str(order) for (order,) in found]


def check_the_ledger(bik: LocalBik, database: Path, report: dict[str, Any]) -> None:
    """Nothing is lost, the counts agree, and each duplicate is one that the report names."""
    counts = bik.counts("eventProperties.orderId")
    # Customers and carts have none.
    counts.pop("None", None)
    all_orders = orders(database)
    rejected = Path(report["rejected_path"].removeprefix("file://")).read_text(encoding="utf-8").splitlines()
    rejected_orders = {all_orders[json.loads(line)["position"]] for line in rejected}
    assert report["read"] == SIZE.orders == report["confirmed"] + report["rejected"]
    assert (report["skipped"], report["unresolved"]) == (0, 0)
    assert len(rejected_orders) == len(rejected) == report["rejected"]
    assert counts.keys() == set(all_orders) - rejected_orders
    named = {all_orders[position] for position in members(report["possible_duplicate_ranges"])}
    assert {order for order, count in counts.items() if count > 1} <= named
    assert sum(counts.values()) - len(counts) <= report["possible_duplicates"] < SIZE.orders


def test_a_person_makes_the_connection_sends_the_past_and_watches_it_through_an_outage_and_a_kill(
    page: Page, airflow: Standalone, bik: LocalBik, database: Path
) -> None:
    person = Person(page, airflow)
    person.log_in()
    bik.plan({})
    connection = ConnectionForm(page, airflow.url)
    connection.add(bik.port, "not-the-secret")
    connection.press_test("BIK does not know this API key and secret")
    connection.change_secret("sandbox-secret")
    connection.press_test("BIK accepts this API key and secret for this app_id.")

    bik.plan(SLOW)
    task = Task(airflow, person.trigger())
    task.wait_until_running()
    delivery = person.watch(task.run, "send_orders")
    expect(delivery.locator(".status")).to_contain_text("Sending")
    expect_more_than(delivery, 0, page)

    bik.stop()
    expect(delivery.locator(".status")).to_contain_text("BIK fails")
    expect(delivery.locator(".notice.warn")).to_contain_text("The task goes on by itself.")
    page.wait_for_timeout(OUTAGE)
    expect(delivery.locator(".status")).to_contain_text("BIK fails")
    before = settled(delivery)
    bik.start()
    expect(delivery.locator(".status")).to_contain_text("Sending")
    expect(delivery.locator("#outages")).to_have_text("When BIK did not take events")
    expect(delivery.locator(".chart .band")).not_to_have_count(0)
    expect_more_than(delivery, before, page)

    task.kill()
    expect(delivery.locator(".facts", has_text="Try 2")).to_be_visible()
    expect(delivery.locator(".status")).to_contain_text("Sending")
    before = settled(delivery)
    assert 0 < before < SIZE.orders
    expect_more_than(delivery, before, page)
    bik.plan({})
    expect(delivery.locator(".status")).to_contain_text(re.compile("Delivered|Failed"))
    assert "Delivered" in delivery.locator(".status").inner_text(), task.log()[-5000:]

    report = task.report()
    expect(delivery.locator(".big")).to_have_text(f"{SIZE.orders:,}")
    expect(delivery.locator("#rejected-title")).to_contain_text(f"{report['rejected']:,}")
    check_the_ledger(bik, database, report)
    log = task.log()
    for line in ("BIK is failing: ", "BIK answers again", "Going on from a checkpoint"):
        assert line in log
