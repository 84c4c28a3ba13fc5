"""The pages in a real browser: light and dark, wide and narrow, and that they refresh themselves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest

pytest.importorskip("playwright", reason="it looks at the pages in a browser")

import uvicorn
from playwright.sync_api import Browser, Page, expect

from tests.sandbox.browser import chromium
from tests.sandbox.test_page import BRIGHTNESS, CONTRASTS
from tests.ui.conftest import Delivered, TaskState
from tests.ui.situations import SITUATIONS
from tests.ui.test_pages import note_progress
from tests.versions import needs_pages

pytestmark = [pytest.mark.airflow, needs_pages]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

CUT_OFF = """() => [...document.querySelectorAll("main *")]
    .filter((each) => !each.closest(".hidden, svg") && each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).display !== "inline")
    .map((each) => each.outerHTML.slice(0, 200))"""
"""What does not fit into its place."""

SIDEWAYS = "() => document.documentElement.scrollWidth > innerWidth"
PATIENCE = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def address(pages: Any) -> Iterator[str]:
    """Of a server of the pages."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # So that nobody is turned away before the server takes over.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(pages.app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/bik"
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(browser: Browser, viewer: dict[str, str]) -> Iterator[Page]:
    """A tab of somebody who is logged in; what the console complains of fails the test."""
    opened = browser.new_page(extra_http_headers=viewer)
    opened.set_default_timeout(PATIENCE)
    said: list[str] = []
    opened.on("console", lambda line: said.append(line.text) if line.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    opened.close()
    assert said == []


def running(delivered: Delivered, task_state: TaskState, **changes: Any) -> None:
    task_state("running")
    note_progress(
        delivered,
        reasons={"identity_missing": 60, "email_invalid": 40},
        record_path=f"s3://bucket/{'a-long-name/' * 12}",
        rejected_path=f"s3://bucket/{'without-any-space-in-it-' * 12}",
        **changes,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["delivery", "run", "coverage"])
def test_a_page_is_readable_and_does_not_scroll_sideways(
    page: Page,
    address: str,
    delivered: Delivered,
    task_state: TaskState,
    state_path: object,
    name: str,
    scheme: Literal["light", "dark"],
) -> None:
    running(delivered, task_state)
    page.emulate_media(color_scheme=scheme)
    query = "&".join(f"{key}={value.replace('+', '%2B')}" for key, value in delivered.query.items())
    page.goto(f"{address}/{name}?{query}")
    expect(page.locator("h1")).to_be_visible()
    assert (page.evaluate(BRIGHTNESS) < 0.5) is (scheme == "dark")
    assert page.evaluate(CONTRASTS) == []
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        assert not page.evaluate(SIDEWAYS)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_page_stays_readable_whatever_it_has_to_show(browser: Browser, name: str) -> None:
    for scheme in SCHEMES:
        shown = browser.new_page(color_scheme=scheme)
        shown.set_content(SITUATIONS[name])
        assert shown.evaluate(CONTRASTS) == []
        for width in (400, 1400):
            shown.set_viewport_size({"width": width, "height": 900})
            assert not shown.evaluate(SIDEWAYS)
            assert shown.evaluate(CUT_OFF) == []
        shown.close()


def test_airflows_own_theme_goes_before_that_of_the_browser(page: Page, address: str, state_path: object) -> None:
    page.emulate_media(color_scheme="light")
    page.add_init_script("localStorage.setItem('theme', 'dark')")
    page.goto(f"{address}/coverage")
    assert page.evaluate(BRIGHTNESS) < 0.5


def test_a_page_of_a_running_task_looks_again_by_itself_and_ends_when_the_task_does(
    page: Page, address: str, delivered: Delivered, task_state: TaskState, state_path: object
) -> None:
    running(delivered, task_state)
    page.goto(
        f"{address}/delivery?dag_id={delivered.dag_id}&run_id={delivered.run_id.replace('+', '%2B')}&task_id=send"
    )
    expect(page.locator(".big")).to_have_text("1,000")
    running(delivered, task_state, confirmed=1500, read=1700)
    expect(page.locator(".big")).to_have_text("1,600", timeout=PATIENCE)
    task_state("success")
    expect(page.locator(".status")).to_contain_text("Delivered", timeout=PATIENCE)
    expect(page.locator("[data-again]")).to_have_count(0)


def test_a_day_is_read_by_the_keyboard(page: Page, address: str, delivered: Delivered, state_path: object) -> None:
    page.goto(f"{address}/coverage")
    page.locator("td.day").first.focus()
    expect(page.locator("#said")).to_contain_text("Monday, 5 January 2026: all of it is delivered")


def test_an_address_can_lead_to_the_rejected_events(
    page: Page, address: str, delivered: Delivered, state_path: object
) -> None:
    page.set_viewport_size({"width": 1000, "height": 300})
    query = f"dag_id={delivered.dag_id}&run_id={delivered.run_id.replace('+', '%2B')}&task_id=send"
    page.goto(f"{address}/delivery?{query}#rejected")
    expect(page.locator("#rejected-title")).to_be_in_viewport()
