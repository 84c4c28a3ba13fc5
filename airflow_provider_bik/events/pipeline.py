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

`Route` can express the first two only, and `Route.fields` is the one place where either field is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import msgspec

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


# Python 3.11 looks the members of an enum up in Python code, which is too dear for every event.
_AUTO, _REALTIME_ONLY = Mode.AUTO, Mode.REALTIME
_REALTIME, _MIGRATION = Pipeline.REALTIME, Pipeline.MIGRATION

RULE: Mapping[tuple[Mode, bool], Pipeline | Reason] = MappingProxyType(
    {
        (Mode.AUTO, False): Pipeline.REALTIME,
        (Mode.AUTO, True): Pipeline.MIGRATION,
        (Mode.REALTIME, False): Pipeline.REALTIME,
        (Mode.REALTIME, True): Reason.CREATED_AT_UNWANTED,
        (Mode.MIGRATION, False): Reason.CREATED_AT_MISSING,
        (Mode.MIGRATION, True): Pipeline.MIGRATION,
    }
)
"""(mode, does the event carry createdAt) -> its pipeline, or why it is rejected. Two options move one row each:
``drop_created_at`` makes (realtime, True) a realtime event without its date; ``realtime_max_age`` does the same to
(auto, True) for events younger than that."""


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

    @property
    def pair(self) -> tuple[str, bool] | tuple[None, None]:
        """What ``createdAt`` and ``isMigration`` say: both or neither."""
        return (None, None) if self.created_at is None else (to_bik_text(self.created_at), True)

    def fields(self) -> dict[str, str | bool]:
        """Both fields or neither, ready to be put into the event."""
        created_at, is_migration = self.pair
        return (
            {} if created_at is None or is_migration is None else {"createdAt": created_at, "isMigration": is_migration}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRule:
    """The rule with the user's options.

    Args:
        mode: What the user asks for.
        drop_created_at: In realtime mode, send a dated event without its date instead of rejecting it.
        realtime_max_age: In auto mode, an event younger than this goes out as realtime, without its date.
    """

    mode: Mode = Mode.AUTO
    drop_created_at: bool = False
    realtime_max_age: timedelta | None = None

    def route(self, created_at: datetime | None, *, said: bool | None, now: datetime) -> Route | Rejection:
        """Decide where one event goes.

        Args:
            created_at: The event's own aware time, if it has one.
            said: The event's own ``isMigration``, if it has one.
            now: The aware time at which the run began.

        Returns:
            A route, or a rejection if the event has no right combination under this rule.
        """
        verdict = RULE[self.mode, created_at is not None]
        if created_at is not None and self._sent_without_date(created_at, now):
            route = Route(dropped_created_at=True)
        elif isinstance(verdict, Reason):
            return Rejection(reason=verdict, detail=f"createdAt, with pipeline={self.mode.value}")
        else:
            route = Route(created_at=created_at)
        if said is not None and said is not (route.pipeline is _MIGRATION):
            sent_as = f"pipeline={self.mode.value} makes it {route.pipeline.value}"
            detail = f"the event says isMigration={str(said).lower()}, {sent_as}"
            return Rejection(reason=Reason.FLAG_CONFLICT, detail=detail)
        return route

    def _sent_without_date(self, created_at: datetime, now: datetime) -> bool:
        if self.mode is _REALTIME_ONLY:
            return self.drop_created_at
        return self.realtime_max_age is not None and self.mode is _AUTO and now - created_at < self.realtime_max_age
