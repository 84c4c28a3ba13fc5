"""Makes the screenshots of the sandbox's page again: ``python -m tests.sandbox.screenshots``."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.sandbox.browser import chromium
from tests.sandbox.calls import Caller

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LIVELY_SECONDS = 66
NAMES = ("ordered", "purchasedAProduct", "abandonedCartCreated", "customerCreated", "catalogViewed")
PEOPLE = ("ada", "björn", "chiara", "dev", "emeka", "fatima", "goran", "hana", "ines", "jun")
SHOPS = ("example.com", "mail.example", "shop.example.org")


def lively_event(chance: random.Random, serial: int) -> dict[str, object]:
    """Make up an event of a shop, with a few that are wrong in the ways that events are."""
    person = {"email": f"{chance.choice(PEOPLE)}{serial}@{chance.choice(SHOPS)}", "name": "Somebody"}
    if chance.random() < 0.2:
        person = {"phoneNumber": f"+4917{chance.randrange(10**8):08}"}
    event: dict[str, object] = {**person, "eventName": chance.choice(NAMES), "eventProperties": {"orderId": serial}}
    slip = chance.random()
    if slip < 0.010:
        del event["eventProperties"]
    elif slip < 0.016:
        event = {"eventName": "ordered", "eventProperties": {}}
    elif slip < 0.018:
        event["eventName"] = ""
    return event


def send_lively(bik: Sandbox, seconds: int) -> None:
    """Keep a sandbox busy: a backfill that swells and ebbs, and single events of a shop that is open."""
    chance = random.Random(7)
    bik.faults = FaultPlan(
        seed=3,
        rates=((Fault(kind="status", status=429, retry_after="1"), 0.03), (Fault(kind="reset", when="after"), 0.012)),
        on_bad_event="accept_others",
    )
    caller = Caller(bik)
    serial = 0
    for tick in range(seconds * 4):
        swell = max(0.0, 1 - abs(tick / (seconds * 4) - 0.62) * 2.4)
        for size in (1 + chance.randrange(3), round(swell * chance.randrange(30, 95))):
            events = [lively_event(chance, serial + place) for place in range(size)]
            serial += size
            if size > 3:
                for event in events:
                    event |= {
                        "isMigration": True,
                        "createdAt": f"2024-0{chance.randrange(1, 9)}-1{serial % 10}T09:30:00Z",
                    }
            if events:
                caller.send_whatever_happens(events)
                if chance.random() < 0.02:
                    caller.send_whatever_happens(events[:3])
        time.sleep(0.25)
    caller.close()


@contextmanager
def busy_sandbox() -> Iterator[Sandbox]:
    """Give a sandbox that is busy and has been so for a while."""
    with Sandbox() as bik:
        busy = threading.Thread(target=send_lively, args=(bik, LIVELY_SECONDS))
        busy.start()
        time.sleep(LIVELY_SECONDS * 0.78)
        try:
            yield bik
        finally:
            busy.join()


def picture(browser: Browser, bik: Sandbox, scheme: Literal["light", "dark"], target: Path) -> None:
    """Take one screenshot of the whole page."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.goto(bik.url)
    page.wait_for_selector("#latest tr td")
    page.wait_for_timeout(1500)
    page.screenshot(path=target, full_page=True)
    page.close()


def main() -> None:
    """Write docs/images/sandbox-light.png and sandbox-dark.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with busy_sandbox() as bik, chromium() as browser:
        picture(browser, bik, "light", IMAGES / "sandbox-light.png")
        picture(browser, bik, "dark", IMAGES / "sandbox-dark.png")


if __name__ == "__main__":
    main()
