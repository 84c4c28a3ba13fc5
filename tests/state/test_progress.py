"""The document that tells how far a delivery has come."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from airflow_provider_bik.delivery import Counts, Progress
from airflow_provider_bik.delivery.narration import Narrator
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason
from airflow_provider_bik.state.progress import MOST_RATES, DeliveryProgress, Rates, progress_now

BEGAN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_points_stay_few_even_and_end_with_the_latest_however_many_come() -> None:
    rates = Rates()
    for step in range(10_000):
        rates.add(5.0 * step, 100 * step)
        assert len(rates.points) <= MOST_RATES
        assert rates.points[-1] == (5.0 * step, 100 * step)
    gaps = [later[0] - earlier[0] for earlier, later in zip(rates.points, rates.points[1:], strict=False)][:-1]
    assert max(gaps) <= 4 * min(gaps)
    assert rates.points[0] == (0.0, 0)
    assert len(rates.points) > MOST_RATES / 4


def test_the_largest_document_stays_below_16_kib() -> None:
    narrator, rates = Narrator(total=10**9), Rates()
    counts = Counts(reasons=dict.fromkeys(Reason, 10**8), examples={reason: ["x"] for reason in Reason})
    for step in range(2000):
        rates.add(3.0 * step, 10**8 + step)
        kind = "failing" if step % 4 < 2 else ""
        progress = Progress(
            seconds=3.0 * step,
            counts=counts,
            read=10**9,
            settled=10**8 + step,
            in_flight=8,
            retrying=800,
            trouble=kind,  # type: ignore[arg-type]
            trouble_seconds=2.0,
            trouble_cause="no answer for 60 s, after the request was sent" if kind else "",
        )
        narrator.tell(progress)
    base = DeliveryProgress(
        began_at=BEGAN.isoformat(), delivery="d" * 500, record_path="p" * 800, rejected_path="r" * 800
    )
    document = progress_now(base, progress, began=BEGAN, narrator=narrator, rates=rates)
    assert len(document.outages) == 20
    assert len(msgspec.json.encode(document)) < 16 * 1024


def test_an_older_page_reads_what_a_newer_task_has_written() -> None:
    written = msgspec.json.encode({"version": 2, "state": "sending", "confirmed": 7, "something_new": [1]})
    assert msgspec.json.decode(written, type=DeliveryProgress).confirmed == 7


def test_trouble_and_its_times_are_told_in_the_zone_of_the_clock() -> None:
    narrator, rates = Narrator(), Rates()
    counts = Counts(pipelines={Pipeline.MIGRATION: 4, Pipeline.REALTIME: 1}, requests=3)
    common = {"counts": counts, "read": 9, "settled": 5, "in_flight": 1, "retrying": 2}
    failing = {"trouble": "failing", "trouble_seconds": 2.0, "trouble_cause": "HTTP 503"}
    progress = Progress(seconds=62.0, **common, **failing)  # type: ignore[arg-type]
    narrator.tell(progress)
    document = progress_now(DeliveryProgress(), progress, began=BEGAN, narrator=narrator, rates=rates)
    assert document.state == "failing"
    assert msgspec.to_builtins(document.trouble) == {
        "kind": "failing",
        "since": "2026-01-05T10:01:00+00:00",
        "what": "HTTP 503",
    }
    assert (document.confirmed, document.unresolved, document.pipelines) == (5, 4, {"migration": 4, "realtime": 1})
    progress = Progress(seconds=70.0, **common)  # type: ignore[arg-type]
    narrator.tell(progress)
    document = progress_now(DeliveryProgress(), progress, began=BEGAN, narrator=narrator, rates=rates)
    assert document.state == "sending"
    assert msgspec.to_builtins(document.outages) == [
        {
            "kind": "failing",
            "from": "2026-01-05T10:01:00+00:00",
            "to": "2026-01-05T10:01:10+00:00",
            "what": "HTTP 503",
        }
    ]
