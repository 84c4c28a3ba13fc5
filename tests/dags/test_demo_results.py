from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from demo.legs import legs
from demo.results import Result, totals

GOOD = Result(
    leg=legs(date(2026, 2, 1))[0],
    rows=10,
    read=10,
    sent={"realtime": 2, "migration": 7},
    rejected=1,
    reasons={"phone_invalid": 1},
    received={"realtime": 2, "migration": 7},
    kept=1,
)


def test_counts_that_agree_are_not_mentioned() -> None:
    assert GOOD.disagreements() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(GOOD, rows=11), "rows in the shop 11, events read 10"),
        (replace(GOOD, sent={"migration": 7}), "events read 10, confirmed + rejected 8"),
        (replace(GOOD, kept=0), "events rejected 1, lines in the files of rejected events 0"),
        (replace(GOOD, received={"realtime": 2, "migration": 6}), "confirmed migration 7, received 6"),
        (replace(GOOD, received={**GOOD.received, "history_lost": 1}), "confirmed history_lost 0, received 1"),
        (replace(GOOD, received={**GOOD.received, "stream_rejected": 1}), "confirmed stream_rejected 0, received 1"),
    ],
)
def test_every_count_that_disagrees_is_named(wrong: Result, said: str) -> None:
    assert any(line.endswith(said) for line in wrong.disagreements())


def test_a_run_that_sends_once_more_what_was_sent_is_named() -> None:
    again = replace(GOOD, leg=replace(GOOD.leg, is_repeat=True))
    assert any(line.endswith("rows that were sent before 0, events read 10") for line in again.disagreements())
    nothing = replace(again, read=0, sent={}, rejected=0, reasons={}, received={}, kept=0)
    assert nothing.disagreements() == []


def test_the_totals_add_up_over_all_runs_and_pipelines() -> None:
    assert totals([GOOD, GOOD]) == {"read": 20, "confirmed": 18, "rejected": 2, "received": 18}
