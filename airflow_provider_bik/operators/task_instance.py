"""What a delivery needs of the Airflow task instance that it runs in: a name, a checkpoint, a way to pause or fail."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

import pendulum
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_bik.checkpoints import CheckpointFile, CheckpointStore, StoreJournal, TaskState
from airflow_provider_bik.dead_letters import file_name
from airflow_provider_bik.delivery import Checkpoint, IfDelivered, where_to_begin
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.storage import storage_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["begin", "delivery_name", "for_airflow", "step_aside"]

log = logging.getLogger(__name__)


def delivery_name(context: Context, delivery_id: str | None) -> str:
    """Name the delivery, in a form that is safe as a file name: by its own id, or else by the task instance.

    Raises:
        BikConfigError: The id was rendered to nothing, so that unlike deliveries would be taken for one.
    """
    if delivery_id is None:
        ti = context["ti"]
        return file_name(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    if not delivery_id.strip():
        message = "delivery_id was rendered to nothing. Nothing was sent; mend the template."
        raise BikConfigError(message)
    return file_name("delivery", delivery_id)


def begin(
    context: Context, name: str, checkpoint_path: str | None, *, if_delivered: IfDelivered, dry_run: bool
) -> tuple[StoreJournal | None, Checkpoint]:
    """Decide where this try begins, and where it writes down how far it comes.

    Args:
        context: Airflow's.
        name: Of the delivery.
        checkpoint_path: Directory for a checkpoint file; without it, the task state store is used where there is one.
        if_delivered: What to do with a delivery that is done.
        dry_run: Whether nothing is sent, so that nothing is written down.

    Returns:
        The journal, or None if no checkpoint is kept; and the checkpoint to begin from.

    Raises:
        BikError: The checkpoint of an earlier try cannot be read or understood; or it says that all is delivered, and
            that is not to happen again.
    """
    ti = context["ti"]
    owner = f"try {getattr(ti, 'try_number', 1)} {uuid4().hex[:12]}"
    run = f"{ti.dag_id} {ti.run_id} {ti.task_id} {ti.map_index}"
    store = None if dry_run else _store(context, name, checkpoint_path)
    if store is None and not dry_run:
        log.info("No checkpoint is kept, so a retry starts over; set checkpoint_path.")
    journal = StoreJournal(store, owner=owner) if store else None
    found = journal.load() if journal else None
    clears, now = getattr(ti, "max_tries", 0), datetime.now(UTC).isoformat()
    start = where_to_begin(found, owner=owner, run=run, clears=clears, now=now, if_delivered=if_delivered)
    if found and found.state == "done" and start.state != "done":
        log.warning(
            "This delivery was completed before, by %s. Everything is sent again, as if_delivered='resend' says; each "
            "of its first %d events is a possible duplicate.",
            found.run,
            found.digest_to,
        )
    elif start.leased_to and start.state != "done":
        log.info("Going on from a checkpoint (%s): %s", start.state, start.note)
    if journal and found and found.state != "done":
        # At once: an older try that is not dead stops at its next lease, and what it has sent until then is in doubt.
        journal.save_now(start)
    return journal, start


def _store(context: Context, name: str, checkpoint_path: str | None) -> CheckpointStore | None:
    if checkpoint_path:
        return CheckpointFile(storage_path(checkpoint_path) / f"{name}.json")
    accessor = context.get("task_state_store")
    return None if accessor is None else TaskState(accessor)


def step_aside(operator: BaseOperator, seconds: float) -> NoReturn:
    """Free the worker slot for a pause that BIK asked for, and come back after it without using up a retry.

    Args:
        operator: The one that runs; below Airflow 3 it is called again by its ``execute_after_pause``.
        seconds: How long.
    """
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    log.info("BIK asks for a pause of %.0f s. Stepping aside until %s.", seconds, moment.isoformat())
    if AIRFLOW_V_3_0_PLUS:
        raise AirflowRescheduleException(moment)  # type: ignore[no-untyped-call]
    # Below 3, only sensors are rescheduled at the time they ask for.
    from airflow.triggers import temporal  # type: ignore[attr-defined]  # noqa: PLC0415 - Airflow below 3 only

    trigger = temporal.DateTimeTrigger(moment=pendulum.instance(moment))  # noqa: AIR312 - Airflow below 3 only
    operator.defer(trigger=trigger, method_name="execute_after_pause")
    raise AssertionError


def for_airflow(error: BikError) -> AirflowException:
    """The error as Airflow must see it to retry, or not to."""
    return (AirflowException if error.retry_can_help else AirflowFailException)(error.message)
