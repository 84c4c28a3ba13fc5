"""BIK's matrix of isMigration and createdAt, in each mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.pipeline import RULE, Mode, Pipeline, PipelineRule, Route
from airflow_provider_bik.events.reasons import Reason, Rejection

NOW = datetime(2026, 11, 24, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)

BOTH = ("2026-11-23T00:00:00.000Z", True)
NEITHER = (None, None)


@pytest.mark.parametrize(
    ("mode", "created_at", "expected"),
    [
        (Mode.AUTO, None, NEITHER),
        (Mode.AUTO, YESTERDAY, BOTH),
        (Mode.REALTIME, None, NEITHER),
        (Mode.REALTIME, YESTERDAY, Reason.CREATED_AT_NOT_ALLOWED),
        (Mode.MIGRATION, None, Reason.CREATED_AT_MISSING),
        (Mode.MIGRATION, YESTERDAY, BOTH),
    ],
)
def test_each_row_of_the_rule_gives_its_flags_or_its_reason(
    mode: Mode, created_at: datetime | None, expected: object
) -> None:
    outcome = PipelineRule(mode=mode).route(created_at, is_migration=None, now=NOW)
    assert (outcome.reason if isinstance(outcome, Rejection) else outcome.pair()) == expected


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
    outcome = PipelineRule(mode=mode).route(created_at, is_migration=said, now=NOW)
    if agrees:
        assert isinstance(outcome, Route)
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.reason is Reason.IS_MIGRATION_CONFLICT
        assert f"isMigration={str(said).lower()}" in outcome.detail
        assert f"pipeline={mode.value}" in outcome.detail


def test_realtime_can_be_told_to_drop_dates() -> None:
    outcome = PipelineRule(mode=Mode.REALTIME, on_dated="drop").route(YESTERDAY, is_migration=None, now=NOW)
    assert outcome == Route(created_at=None, dropped_created_at=True)


@pytest.mark.parametrize(
    ("age", "pipeline"),
    [(timedelta(minutes=59), Pipeline.REALTIME), (timedelta(hours=1), Pipeline.MIGRATION)],
)
def test_auto_sends_events_younger_than_realtime_max_age_without_their_date(age: timedelta, pipeline: Pipeline) -> None:
    outcome = PipelineRule(realtime_max_age=timedelta(hours=1)).route(NOW - age, is_migration=None, now=NOW)
    assert isinstance(outcome, Route)
    assert outcome.pipeline is pipeline
    assert outcome.dropped_created_at is (pipeline is Pipeline.REALTIME)


def test_an_event_that_should_have_a_date_is_never_an_event_of_now_unless_the_dag_says_so() -> None:
    def outcome(**rule: Any) -> Pipeline | Reason:
        routed = PipelineRule(**rule).route(None, is_migration=None, now=NOW, expects_date=True)
        return routed.reason if isinstance(routed, Rejection) else routed.pipeline

    assert outcome() is Reason.CREATED_AT_MISSING
    assert outcome(realtime_max_age=timedelta(hours=1)) is Reason.CREATED_AT_MISSING
    assert outcome(mode="migration") is Reason.CREATED_AT_MISSING
    assert outcome(on_undated="realtime") is Pipeline.REALTIME
    # Here the DAG has said in words that all of it is new.
    assert outcome(mode="realtime") is Pipeline.REALTIME
    assert outcome(mode="realtime", on_dated="drop") is Pipeline.REALTIME


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"mode": "sometimes"}, "one of auto, realtime, migration"),
        ({"mode": 5}, "one of auto, realtime, migration"),
        ({"on_dated": True}, "on_dated must be"),
        ({"on_undated": "drop"}, "on_undated must be"),
        ({"realtime_max_age": 60}, "realtime_max_age must be"),
        ({"on_dated": "drop"}, "given with mode='realtime'"),
        ({"mode": "migration", "on_dated": "drop"}, "given with mode='realtime'"),
        ({"mode": "realtime", "on_undated": "realtime"}, "given with mode='auto'"),
        ({"mode": "migration", "realtime_max_age": timedelta(1)}, "given with mode='auto'"),
    ],
)
def test_a_rule_that_cannot_work_fails_when_it_is_made(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        PipelineRule(**arguments)


def test_a_word_is_a_rule() -> None:
    assert PipelineRule(mode="migration") == PipelineRule(mode=Mode.MIGRATION)


def test_in_a_backfill_auto_means_migration_and_nothing_else_changes() -> None:
    auto = PipelineRule(on_undated="realtime", realtime_max_age=timedelta(1))
    assert auto.for_backfill() == PipelineRule(mode="migration")
    for mode in ("realtime", "migration"):
        assert PipelineRule(mode=mode).for_backfill() == PipelineRule(mode=mode)


def test_the_rule_covers_every_mode_with_and_without_a_date() -> None:
    assert set(RULE) == {(mode, dated) for mode in Mode for dated in (True, False)}


rules = (
    st.builds(PipelineRule, mode=st.sampled_from(Mode))
    | st.builds(PipelineRule, mode=st.just("realtime"), on_dated=st.sampled_from(["reject", "drop"]))
    | st.builds(
        PipelineRule, on_undated=st.sampled_from(["reject", "realtime"]), realtime_max_age=st.none() | st.timedeltas()
    )
)


@given(
    rule=rules,
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    is_migration=st.none() | st.booleans(),
    expects_date=st.booleans(),
)
def test_no_option_makes_a_wrong_combination(
    rule: PipelineRule, created_at: datetime | None, is_migration: bool | None, expects_date: bool
) -> None:
    outcome = rule.route(created_at, is_migration=is_migration, now=NOW, expects_date=expects_date)
    if isinstance(outcome, Route):
        assert outcome.pair() == (None, None) or outcome.pair()[1] is True
        assert (outcome.pipeline is Pipeline.MIGRATION) is (outcome.pair()[1] is True)
        assert outcome.dropped_created_at is (created_at is not None and outcome.pair() == (None, None))
