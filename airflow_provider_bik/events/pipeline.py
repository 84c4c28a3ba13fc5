"""Realtime or migration: the rule of isMigration and createdAt, and nothing else.

BIK documents four combinations of the two fields; two of them lose or misroute data, and its API takes all four:

=============  =========  =======================================================
isMigration    createdAt  what BIK does (its documentation)
=============  =========  =======================================================
false/omitted  omitted    real-time stream, time of ingestion
true           given      migration pipeline, the date is kept
true           omitted    time of ingestion is used, the history is lost
false/omitted  given      sent to the real-time stream, which rejects it
=============  =========  =======================================================

`Route` can express the first two only, and `Route.pair` is the one place that says what either field holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, Self, cast

import msgspec

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.events.times import to_bik_text

__all__ = ["RULE", "Mode", "Pipeline", "PipelineRule", "Route"]


class Pipeline(StrEnum):
    """Where BIK takes an event."""

    REALTIME = "realtime"
    MIGRATION = "migration"


class Mode(StrEnum):
    """What the user asks for."""

    AUTO = "auto"
    REALTIME = "realtime"
    MIGRATION = "migration"


# Python 3.11 looks the members of an enum up in Python code, which is too expensive for every event.
_AUTO, _REALTIME, _MIGRATION = Mode.AUTO, Pipeline.REALTIME, Pipeline.MIGRATION

RULE: Mapping[tuple[Mode, bool], Pipeline | Reason] = MappingProxyType(
    {
        (Mode.AUTO, False): Pipeline.REALTIME,
        (Mode.AUTO, True): Pipeline.MIGRATION,
        (Mode.REALTIME, False): Pipeline.REALTIME,
        (Mode.REALTIME, True): Reason.CREATED_AT_NOT_ALLOWED,
        (Mode.MIGRATION, False): Reason.CREATED_AT_MISSING,
        (Mode.MIGRATION, True): Pipeline.MIGRATION,
    }
)
"""(mode, does the event carry createdAt) -> its pipeline, or why it is rejected. An event that should carry a date and
does not is `Reason.CREATED_AT_MISSING` in auto mode as well. Each option of `PipelineRule` moves one row."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two right combinations: a migration has a date, a realtime event has none.

    Attributes:
        created_at: The aware time that goes out with ``isMigration``; None for a realtime event.
        dropped_created_at: Whether the event carried a date that is left out.
    """

    created_at: datetime | None = None
    dropped_created_at: bool = False

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline, which follows from the date."""
        return _REALTIME if self.created_at is None else _MIGRATION

    def pair(self, written: str | None = None) -> tuple[str, bool] | tuple[None, None]:
        """What ``createdAt`` and ``isMigration`` say: both or neither.

        Args:
            written: The date as `to_bik_text` writes it, if it came like that.
        """
        return (None, None) if self.created_at is None else (written or to_bik_text(self.created_at), True)


_REALTIME_ROUTE, _DATE_DROPPED = Route(), Route(dropped_created_at=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRule:
    """Which pipeline an event takes; the value of ``pipeline`` where a word is not enough.

    Args:
        mode: ``auto`` (dated events are migrated, undated ones are realtime), ``realtime`` or ``migration``.
        on_dated: In realtime mode, what to do with a dated event: ``reject`` it, or ``drop`` its date and send it.
        on_undated: In auto mode, what to do with an event that should have a date and has none, because the mapping
            names ``created_at`` or the event has an empty ``createdAt``: ``reject`` it, or send it as ``realtime``.
        realtime_max_age: In auto mode, an event younger than this goes out as realtime, without its date.

    Raises:
        BikConfigError: A value is none of these, or is given with a mode that does not use it.
    """

    mode: Mode | Literal["auto", "realtime", "migration"] = Mode.AUTO
    on_dated: Literal["reject", "drop"] = "reject"
    on_undated: Literal["reject", "realtime"] = "reject"
    realtime_max_age: timedelta | None = None
    _dated: Pipeline | Reason = field(init=False, repr=False, compare=False)
    _undated: Pipeline | Reason = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = [mode.value for mode in Mode]
        _require(self.mode in words, "pipeline", f"one of {', '.join(words)}")
        _require(self.on_dated in {"reject", "drop"}, "on_dated", "'reject' or 'drop'")
        _require(self.on_undated in {"reject", "realtime"}, "on_undated", "'reject' or 'realtime'")
        age = self.realtime_max_age
        _require(age is None or isinstance(age, timedelta), "realtime_max_age", "a timedelta or None")
        mode = Mode(self.mode)
        _require(mode is Mode.REALTIME or self.on_dated == "reject", "on_dated='drop'", "given with mode='realtime'")
        _require(mode is _AUTO or self.on_undated == "reject", "on_undated='realtime'", "given with mode='auto'")
        _require(mode is _AUTO or age is None, "realtime_max_age", "given with mode='auto'")
        object.__setattr__(self, "mode", mode)
        object.__setattr__(self, "_dated", RULE[mode, True])
        object.__setattr__(self, "_undated", RULE[mode, False])

    @classmethod
    def of(cls, value: str | Self) -> Self:
        """A rule, also where a word is enough.

        Raises:
            BikConfigError: The word is none of the modes.
        """
        return value if isinstance(value, cls) else cls(mode=cast("Mode", value))

    def for_backfill(self) -> PipelineRule:
        """The rule in an Airflow backfill: what it sends is history, so ``auto`` means ``migration``."""
        return PipelineRule(mode=Mode.MIGRATION) if self.mode is _AUTO else self

    def route(
        self, created_at: datetime | None, *, is_migration: bool | None, now: datetime, expects_date: bool = False
    ) -> Route | Rejection:
        """Decide where one event goes.

        Args:
            created_at: The event's own aware time, if it has one.
            is_migration: The event's own ``isMigration``, if it has one.
            now: The aware time at which the run began.
            expects_date: Whether the event should have a date.

        Returns:
            A route, or a rejection if the event has no right combination under this rule.
        """
        if created_at is None:
            verdict = self._undated
            if expects_date and self.mode is _AUTO and self.on_undated == "reject":
                verdict = Reason.CREATED_AT_MISSING
            route = _REALTIME_ROUTE
        elif self._sends_without_date(created_at, now):
            verdict, route = _REALTIME, _DATE_DROPPED
        else:
            verdict, route = self._dated, Route(created_at=created_at)
        if isinstance(verdict, Reason):
            return Rejection(reason=verdict, detail=f"createdAt, with pipeline={self.mode}")
        if is_migration is not None and is_migration is not (verdict is _MIGRATION):
            sent_as = f"pipeline={self.mode} makes it {verdict.value}"
            detail = f"the event says isMigration={str(is_migration).lower()}, {sent_as}"
            return Rejection(reason=Reason.IS_MIGRATION_CONFLICT, detail=detail)
        return route

    def _sends_without_date(self, created_at: datetime, now: datetime) -> bool:
        if self.realtime_max_age is not None:
            return now - created_at < self.realtime_max_age
        return self.on_dated == "drop"


def _require(holds: bool, argument: str, wanted: str) -> None:  # noqa: FBT001 - the condition comes first, as in assert
    if not holds:
        message = f"{argument} must be {wanted}. Fix the pipeline where the DAG makes it; nothing was sent."
        raise BikConfigError(message)
