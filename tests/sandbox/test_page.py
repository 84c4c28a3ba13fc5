from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.sandbox.browser import chromium
from tests.sandbox.calls import Caller, event

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
DATED = {"isMigration": True, "createdAt": "2024-05-01T10:00:00Z"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@dataclass(slots=True)
class Witness:
    """What a page said and asked for that it should not have."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str | None] = field(default_factory=set)


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def page(browser: Browser, witness: Witness) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(20_000)
    opened.on("console", lambda said: witness.errors.append(said.text) if said.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: witness.errors.append(str(error)))
    opened.on("request", lambda asked: witness.hosts.add(urlsplit(asked.url).hostname))
    yield opened
    opened.close()
    assert witness.errors == []
    assert witness.hosts <= {"127.0.0.1", None}


def see(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector)).to_contain_text(text, timeout=20_000)


def test_an_empty_sandbox_tells_how_to_send_a_first_event(page: Page, bik: Sandbox) -> None:
    page.goto(bik.url)
    see(page, "#sample", f"curl -u 'sandbox-key:sandbox-secret' \\\n  {bik.url}/integrations/")
    expect(page.locator("#chart-card")).to_be_hidden()
    expect(page.locator("#latest-title")).to_be_hidden()


def test_counts_events_rejections_duplicates_and_requests_appear(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_events([{**event(serial), **DATED} for serial in range(100)])
    caller.send_events([event(1), event(1), event(2)])
    caller.send_event(event(3, eventName=""))
    bik.faults = FaultPlan(script=(Fault(kind="status", status=503),))
    caller.send_event(event(4))
    page.goto(bik.url)
    see(page, "#total-migration", "100")
    see(page, "#total-realtime", "3")
    see(page, "#latest tr:first-child", "purchasedAProduct")
    see(page, "#latest tr:first-child", "t•••@b•••.ai")
    see(page, "#latest tr:nth-child(4)", "May 1, 2024")
    see(page, "#rejections", "'eventName' is required")
    see(page, "#duplicates", "\u00d7 2")
    see(page, "#statuses", "503")
    see(page, "#faults", "status 1")
    see(page, "#announce", "Migration: 100")
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#chart path[d^=M]").first).to_be_visible(timeout=20_000)


def test_the_wrong_pipelines_alarm_only_when_something_went_there(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_event(event())
    page.goto(bik.url)
    see(page, "#total-realtime", "1")
    expect(page.locator(".watch.alarm")).to_have_count(0)
    caller.send_event({**event(), "isMigration": True})
    caller.send_event({**event(), "createdAt": "2024-05-01"})
    see(page, "#watch-history_lost.alarm .figure", "1")
    see(page, "#watch-stream_rejected.alarm .figure", "1")
    see(page, "#note-stream_rejected", "send isMigration with it")


def test_the_text_of_a_hostile_event_is_shown_and_does_nothing(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_events([event(1, eventName=HOSTILE, email=f"{HOSTILE}@<b>.<i>")] * 2)
    page.goto(bik.url)
    see(page, "#latest tr:first-child td.event", "<img src=x onerror=")
    see(page, "#duplicates", "<img src=x onerror=")
    assert page.locator("main img, main script, main b b, main td i").count() == 0
    assert page.title() == "BIK sandbox"


def test_starting_over_asks_once_and_then_forgets(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_event(event())
    page.goto(bik.url)
    see(page, "#total-realtime", "1")
    page.click("#clear")
    assert bik.ledger.count() == 1
    page.click("#clear.sure")
    expect(page.locator("#empty")).to_be_visible(timeout=20_000)
    assert bik.ledger.count() == 0


@pytest.mark.parametrize(("scheme", "darker"), [("light", False), ("dark", True)])
def test_it_follows_the_colour_scheme_and_stays_readable(
    page: Page, bik: Sandbox, caller: Caller, scheme: Literal["light", "dark"], *, darker: bool
) -> None:
    caller.send_event(event())
    caller.send_event(event(1, eventName=""))
    caller.send_event({**event(), "isMigration": True})
    page.emulate_media(color_scheme=scheme)
    page.goto(bik.url)
    see(page, "#total-realtime", "1")
    assert (page.evaluate(BRIGHTNESS) < 0.5) is darker
    assert page.evaluate(CONTRASTS) == []


def test_nothing_sticks_out_at_any_width(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_events([{**event(eventName="aVeryLongEventName" * 9), **DATED}] * 20)
    page.goto(bik.url)
    see(page, "#total-migration", "20")
    for width in (1280, 820, 560, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(STICKING_OUT) == []


@pytest.mark.parametrize("width", [1400, 400])
def test_a_number_of_six_digits_does_not_run_into_its_curve(
    page: Page, bik: Sandbox, caller: Caller, width: int
) -> None:
    def many(route: Route) -> None:
        # So many would take long to send.
        answer = route.fetch()
        stats = answer.json()
        for each in stats["pipelines"].values():
            each["total"] = 987_650
        route.fulfill(response=answer, json=stats)

    caller.send_events([event(1)])
    page.route("**/stats", many)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(bik.url)
    see(page, "#total-realtime", "987,650")
    for name in ("realtime", "migration"):
        assert page.evaluate(GAP, name) > 0
    assert page.evaluate(STICKING_OUT) == []


def test_an_event_is_shown_with_its_people_masked(page: Page, bik: Sandbox, caller: Caller) -> None:
    addresses = {"shippingAddress": "12 MG Road", "billingAddress": {"street": "12 MG Road"}}
    caller.send_event(event(7, name="Asha Rao", email="asha@example.com", eventProperties={"orderId": 7, **addresses}))
    page.goto(bik.url)
    page.click("#latest tr:first-child button")
    see(page, "#details-title", "purchasedAProduct")
    see(page, "#details-about", "Real-time. Number ")
    shown = json.loads(page.locator("#details-event").inner_text())
    assert (shown["name"], shown["email"]) == ("A•••", "a•••@e•••.com")
    assert shown["eventProperties"] == {"orderId": 7, "shippingAddress": "•••", "billingAddress": "•••"}
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    assert "Rao" not in page.content()


def test_the_focus_stays_on_an_event_while_the_page_looks_again(page: Page, bik: Sandbox, caller: Caller) -> None:
    caller.send_event(event(1))
    page.goto(bik.url)
    page.locator("#latest tr:first-child button").focus()
    caller.send_event(event(2))
    see(page, "#total-realtime", "2")
    expect(page.locator("#latest tr")).to_have_count(2)
    expect(page.locator("#latest tr:first-child button")).to_be_focused()


def test_buttons_switch_faults_on_and_off(page: Page, bik: Sandbox, caller: Caller) -> None:
    page.goto(bik.url)
    outage, throttle, slow = (page.get_by_role("button", name=name) for name in ("Outage", "Throttle", "Slow"))
    outage.click()
    expect(outage).to_have_attribute("aria-pressed", "true", timeout=20_000)
    assert caller.send_event(event()).status == 503
    throttle.click()
    expect(throttle).to_have_attribute("aria-pressed", "true", timeout=20_000)
    expect(outage).to_have_attribute("aria-pressed", "false", timeout=20_000)
    assert (bik.faults.requests_per_second, bik.faults.retry_after) == (1, "1")
    slow.click()
    expect(slow).to_have_attribute("aria-pressed", "true", timeout=20_000)
    assert list(bik.faults.latency) == [2, 4]
    slow.click()
    expect(slow).to_have_attribute("aria-pressed", "false", timeout=20_000)
    assert bik.faults == FaultPlan()
    bik.faults = FaultPlan(seed=3)
    expect(page.locator("#other-plan")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-plan][aria-pressed=true]")).to_have_count(0)


GAP = """(name) => document.querySelector(`#spark-${name}`).getBoundingClientRect().left
  - (() => { const all = document.createRange(); all.selectNodeContents(document.querySelector(`#total-${name}`));
    return all.getBoundingClientRect().right; })()"""
STICKING_OUT = """() => [...document.querySelectorAll("body *")].filter((element) =>
  element.getBoundingClientRect().right > innerWidth && !element.closest("pre, .hidden, svg, td, th"))
  .map((element) => element.outerHTML)"""
LUMINANCE = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
"""
BRIGHTNESS = f"() => {{ {LUMINANCE} return luminance(getComputedStyle(document.body).backgroundColor); }}"
CONTRASTS = f"""() => {{
  {LUMINANCE}
  const background = (element) => {{
    for (let at = element; at; at = at.parentElement) {{
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }}
    return "rgb(255, 255, 255)";
  }};
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return [...document.querySelectorAll("body *")].filter((element) => hasText(element) && element.offsetParent)
    .map((element) => {{
      const pair = [luminance(getComputedStyle(element).color), luminance(background(element))].sort((a, b) => b - a);
      return [element.textContent, (pair[0] + 0.05) / (pair[1] + 0.05)];
    }}).filter(([, contrast]) => contrast < 4.5);
}}"""
