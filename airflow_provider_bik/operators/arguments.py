"""Checks of the operators' arguments, with errors that name the argument and what it may be."""

from __future__ import annotations

import math
from datetime import timedelta, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import pendulum

from airflow_provider_bik.delivery import DeliverySettings, IfDelivered, OnUnconfirmed
from airflow_provider_bik.delivery.batching import MAX_BATCH_SIZE
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import Mode, PipelineRule
from airflow_provider_bik.sources.formats import format_named

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bik.operators.bik import BikSendEventsOperator

__all__ = ["check_arguments", "delivery_settings", "member", "pipeline_rule", "zone"]

_E = TypeVar("_E", bound=Enum)

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def check_arguments(operator: BikSendEventsOperator) -> None:
    """Refuse what cannot work while the DAG is parsed; templates are checked when they are rendered.

    Raises:
        BikConfigError: An argument is wrong; the text names it and what it may be.
    """
    if "{" not in str(operator.pipeline):
        member(Mode, "pipeline", operator.pipeline)
    format_named(operator.file_format)
    member(OnUnconfirmed, "on_unconfirmed", operator.on_unconfirmed)
    member(IfDelivered, "if_delivered", operator.if_delivered)
    named = operator.delivery_id is not None
    _require(not named or bool(operator.checkpoint_path), "delivery_id", "given together with a checkpoint_path")
    _require(operator.created_at in {"reject", "drop"}, "created_at", "'reject' or 'drop'")
    _require(
        _is_count(operator.batch_size, 1, MAX_BATCH_SIZE), "batch_size", f"a whole number from 1 to {MAX_BATCH_SIZE}"
    )
    _require(_is_count(operator.max_concurrency, 1, 1000), "max_concurrency", "a whole number from 1 to 1000")
    rate = operator.max_requests_per_second
    _require(rate is None or _is_positive(rate), "max_requests_per_second", "a number above 0, or None")
    share = isinstance(operator.max_rejected, float) and 0 <= operator.max_rejected <= 1
    _require(share or _is_count(operator.max_rejected, 0), "max_rejected", "a whole number, or a share from 0.0 to 1.0")
    if operator.max_rejected and not operator.dead_letter_path:
        message = (
            "max_rejected lets events be rejected while the task succeeds; give a dead_letter_path, so that "
            "they are not lost."
        )
        raise BikConfigError(message)
    age = operator.realtime_max_age
    _require(age is None or isinstance(age, timedelta), "realtime_max_age", "a timedelta, or None")
    if "{" not in str(operator.pipeline):
        dropping = operator.created_at == "drop"
        _require(not dropping or operator.pipeline == "realtime", "created_at='drop'", "given with pipeline='realtime'")
        _require(age is None or operator.pipeline == "auto", "realtime_max_age", "given with pipeline='auto' only")
    zone(operator.timezone)


def pipeline_rule(operator: BikSendEventsOperator, context: Context) -> PipelineRule:
    """The rule for this run: in an Airflow backfill, ``auto`` means ``migration``.

    Raises:
        BikConfigError: The pipeline was rendered to none.
    """
    mode = member(Mode, "pipeline", operator.pipeline)
    if mode is Mode.AUTO and getattr(context.get("dag_run"), "run_type", None) == "backfill":
        mode = Mode.MIGRATION
    dropping = operator.created_at == "drop"
    return PipelineRule(mode=mode, drop_created_at=dropping, realtime_max_age=operator.realtime_max_age)


def delivery_settings(operator: BikSendEventsOperator) -> DeliverySettings:
    """How to deliver.

    Raises:
        BikConfigError: ``dry_run`` was rendered to neither true nor false.
    """
    return DeliverySettings(
        batch_size=operator.batch_size,
        max_concurrency=operator.max_concurrency,
        max_requests_per_second=operator.max_requests_per_second,
        on_unconfirmed=OnUnconfirmed(operator.on_unconfirmed),
        dry_run=_truth("dry_run", operator.dry_run),
    )


def _require(holds: bool, argument: str, wanted: str) -> None:  # noqa: FBT001 - the condition comes first, as in assert
    if not holds:
        message = f"{argument} must be {wanted}. Mend the operator's arguments; nothing was sent."
        raise BikConfigError(message)


def member(kind: type[_E], argument: str, value: object) -> _E:
    """The member of an enumeration with this value."""
    try:
        return kind(value)
    except ValueError:
        _require(False, argument, " or ".join(repr(member.value) for member in kind))  # noqa: FBT003
        raise


def _is_count(value: object, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _truth(argument: str, value: object) -> bool:
    """Read a flag, which is text if it was rendered from a template."""
    truth = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else value
    _require(isinstance(truth, bool), argument, "true or false")
    return bool(truth)


def zone(timezone: str | tzinfo) -> tzinfo:
    """A time zone, by its name or as it is."""
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return pendulum.timezone(timezone)
    except (LookupError, ValueError):
        _require(False, "timezone", "a name of the time zone database such as 'Asia/Kolkata'")  # noqa: FBT003
        raise
