"""What the pages say in the situations in which people look at them."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.ui.situations import SITUATIONS

UGLY = re.compile(
    r"\b0 of 0\b|\b0\.0+ events|\b(?:NaN|inf)\b|\bNone\b(?!\.| are| so)"
    r"|(?<![\d,])1 (?:events|windows|gaps|overlaps|possible duplicates)\b"
)


def text_of(name: str) -> str:
    """What a person reads on a page, on one line."""
    page = SITUATIONS[name].partition("<main>")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split()).replace(" ,", ",").replace(" .", ".")


@pytest.mark.parametrize("name", SITUATIONS)
def test_numbers_words_and_bars_go_together(name: str) -> None:
    text = text_of(name)
    assert UGLY.search(text) is None
    for bar in re.findall(r'<svg class="bar.*?</svg>', SITUATIONS[name], re.DOTALL):
        lengths = [float(each) for each in re.findall(r'width="([\d.]+)%"', bar)]
        assert 0 < sum(lengths) <= 100.01


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_page_with_a_time_names_its_zone(name: str) -> None:
    text = text_of(name)
    if re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        assert re.search(r"[Tt]imes in (?:Asia/Kolkata|Europe/Berlin|UTC)", text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing_to_send", ["Delivered", "The input held no event."]),
        ("one_event", ["1 of 1 event", "with 1 stretch in which", "0.0083 events a second"]),
        ("nothing_but_rejections", ["1,000 of 1,000 events", "Rejected events: 1,000", "identity_missing 500"]),
        ("dry_run_with_rejections", ["to look at. Fix the mapping", "Fields: email and phoneNumber"]),
        ("failed_at_once", ["The log says why", "ended before there was anything to count", "None are known."]),
        ("not_begun", ["Waiting", "Nothing is known of this delivery yet", "None so far."]),
        ("backfill", ["Failed 3", "Delivered 37", "40 windows, times in Asia/Kolkata", "nothing counted"]),
        ("run_of_a_dry_run", ["Dry run ended 1", "Dry run: everything is read and checked", "could be sent"]),
        ("run_that_failed_at_once", ["Failed 1", "No event was read.", "nothing counted"]),
        ("windows_of_two_zones", ["2 windows 2026", "times in Europe/Berlin", "times in Asia/Kolkata"]),
        ("stream_with_a_gap_and_an_overlap", ["1 overlap", "1 gap", "In no delivery: 2026-01-21 00:00"]),
        ("stream_without_windows", ["Nothing missing", "Times in Asia/Kolkata", "1 confirmed"]),
    ],
)
def test_it_is_said_in_words_how_things_stand(name: str, said: list[str]) -> None:
    text = text_of(name) + SITUATIONS[name]
    assert [each for each in said if each not in text] == []


def test_a_window_that_airflow_only_numbers_is_named_by_its_dates() -> None:
    assert re.search("2026-01-01 00:00 . 2026-01-02 00:00</a>", SITUATIONS["backfill"])
