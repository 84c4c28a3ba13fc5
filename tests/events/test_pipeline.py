"""BIK's matrix of isMigration and createdAt, in each mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.events.pipeline import RULE, Mode, Pipeline, PipelineRule, Route
from airflow_provider_bik.events.reasons import Reason, Rejection

NOW = datetime(2026, 11, 24, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)

BOTH = {"createdAt": "2026-11-23T00:00:00.000Z", "isMigration": True}
NEITHER: dict[str, object] = {}


@pytest.mark.parametrize(
    ("mode", "created_at", "expected"),
    [
        (Mode.AUTO, None, NEITHER),
        (Mode.AUTO, YESTERDAY, BOTH),
        (Mode.REALTIME, None, NEITHER),
        (Mode.REALTIME, YESTERDAY, Reason.CREATED_AT_UNWANTED),
        (Mode.MIGRATION, None, Reason.CREATED_AT_MISSING),
        (Mode.MIGRATION, YESTERDAY, BOTH),
    ],
)
def test_each_row_of_the_rule_gives_its_flags_or_its_reason(
    mode: Mode, created_at: datetime | None, expected: object
) -> None:
    outcome = PipelineRule(mode=mode).route(created_at, said=None, now=NOW)
    assert (outcome.reason if isinstance(outcome, Rejection) else outcome.fields()) == expected


@pytest.mark.parametrize(
    ("mode", "created_at", "said", "agrees"),
    [
        (Mode.AUTO, None, False, True),
        (Mode.AUTO, None, True, False),
        (Mode.AUTO, YESTERDAY, True, True),
        (Mode.AUTO, YESTERDAY, False, False),
        (Mode.REALTIME, None, False, True),
        (Mode.REALTIME, None, True, False),
        (Mode.MIGRATION, YESTERDAY, True, True),
        (Mode.MIGRATION, YESTERDAY, False, False),
    ],
)
def test_an_event_that_says_is_migration_must_agree_with_its_pipeline(
    mode: Mode, created_at: datetime | None, said: bool, agrees: bool
) -> None:
    outcome = PipelineRule(mode=mode).route(created_at, said=said, now=NOW)
    if agrees:
        assert isinstance(outcome, Route)
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.reason is Reason.FLAG_CONFLICT
        assert f"isMigration={str(said).lower()}" in outcome.detail
        assert f"pipeline={mode.value}" in outcome.detail


def test_realtime_can_be_told_to_drop_dates() -> None:
    outcome = PipelineRule(mode=Mode.REALTIME, drop_created_at=True).route(YESTERDAY, said=None, now=NOW)
    assert outcome == Route(created_at=None, dropped_created_at=True)


@pytest.mark.parametrize(
    ("age", "pipeline"),
    [(timedelta(minutes=59), Pipeline.REALTIME), (timedelta(hours=1), Pipeline.MIGRATION)],
)
def test_auto_sends_events_younger_than_realtime_max_age_without_their_date(age: timedelta, pipeline: Pipeline) -> None:
    outcome = PipelineRule(realtime_max_age=timedelta(hours=1)).route(NOW - age, said=None, now=NOW)
    assert isinstance(outcome, Route)
    assert outcome.pipeline is pipeline
    assert outcome.dropped_created_at is (pipeline is Pipeline.REALTIME)


def test_dropping_dates_never_touches_the_other_modes() -> None:
    for mode in (Mode.AUTO, Mode.MIGRATION):
        outcome = PipelineRule(mode=mode, drop_created_at=True).route(YESTERDAY, said=None, now=NOW)
        assert outcome == Route(created_at=YESTERDAY)


def test_the_rule_covers_every_mode_with_and_without_a_date() -> None:
    assert set(RULE) == {(mode, dated) for mode in Mode for dated in (True, False)}


@given(
    mode=st.sampled_from(Mode),
    drop=st.booleans(),
    max_age=st.none() | st.timedeltas(),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    said=st.none() | st.booleans(),
)
def test_no_option_makes_a_wrong_combination(
    mode: Mode, drop: bool, max_age: timedelta | None, created_at: datetime | None, said: bool | None
) -> None:
    rule = PipelineRule(mode=mode, drop_created_at=drop, realtime_max_age=max_age)
    outcome = rule.route(created_at, said=said, now=NOW)
    if isinstance(outcome, Route):
        fields = outcome.fields()
        assert fields.keys() in ({"createdAt", "isMigration"}, set())
        assert fields.get("isMigration", True) is True
