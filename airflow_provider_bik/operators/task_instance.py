"""What a delivery needs of the Airflow task instance that it runs in: its record, a way to pause, a way to fail."""

from __future__ import annotations

import logging
import socket
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NoReturn

import msgspec
import pendulum
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import BaseOperator, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_bik.errors import BikConfigError, BikDeliveryIncompleteError, BikRecordError
from airflow_provider_bik.state.record import RECORD, Attempt, DeliveryRecord
from airflow_provider_bik.state.storage import Folder, TaskStateStore, safe_name

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["TaskRun", "state_folder", "step_aside"]

MOST_PAUSES = 24
"""How often one generation may step aside before the task fails."""

POINTER = "record_at"
"""The key under which the task state store names the folders of the records, for a try on another worker."""

RECORD_AT = "bik_record"
"""The key of the XCom that names the folder of the record while the task runs, where there is no such store."""

log = logging.getLogger(__name__)


class _Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the records of a task instance are.

    Attributes:
        note: The same in words.
        worker: The machine that made them.
        folders: Their folders.
        kept_here: Whether there is one in the task state store itself.
    """

    note: str = ""
    worker: str
    folders: list[str]
    kept_here: bool = False


def state_folder(state_path: str | None) -> Folder | None:
    """Where state is kept: the argument, else the option ``[bik] state_path``, else nowhere.

    Raises:
        BikConfigError: The argument was rendered to nothing, or nothing can open it.
    """
    if state_path is not None and not str(state_path).strip():
        message = "state_path was rendered to nothing. Fix the template; nothing was sent."
        raise BikConfigError(message)
    path = state_path or conf.get("bik", "state_path", fallback=None)
    if not path:
        return None
    folder = Folder(path)
    executor = str(conf.get("core", "executor", fallback=""))
    if folder.is_local and any(name in executor for name in ("Celery", "Kubernetes", "Ecs", "Batch", "Edge")):
        log.warning(
            "state_path %s is on this worker's own disk, and the executor (%s) has several workers: a retry on another "
            "one cannot see what this one has sent. Give a path that all workers reach, such as s3://… .",
            folder,
            executor,
        )
    return folder


class TaskRun:
    """One try of a task instance.

    Args:
        context: Airflow's.
        task_id: Of the operator that runs; unlike that of the task instance if one operator calls another.
        zone: In which names and notes tell times.
        folder: Where state is kept; None for nowhere.
    """

    def __init__(self, context: Context, *, task_id: str, zone: tzinfo, folder: Folder | None) -> None:
        ti = context["ti"]
        dag_run = context.get("dag_run")
        self.folder = folder
        nested = () if task_id == ti.task_id else (task_id,)
        # Mapped task instances run side by side.
        self._task = (
            str(ti.dag_id),
            str(ti.task_id),
            *nested,
            *([_index(ti.map_index)] if _index(ti.map_index) else []),
        )
        self._identity = (ti.dag_id, ti.task_id, *nested, f"{ti.run_id}{_index(ti.map_index)}")
        self.attempt = Attempt(
            run=" ".join(self._identity),
            dag_run=f"{ti.dag_id} {ti.run_id}",
            # Airflow makes the first grow with a clear unless `retries` has shrunk; the second, if the run had ended.
            clears=(int(getattr(ti, "max_tries", 0)), int(getattr(dag_run, "clear_number", None) or 0)),
            now=datetime.now(UTC),
            zone=zone,
        )
        self.tags = {"dag_id": str(ti.dag_id), "task_id": str(ti.task_id)}
        self._is_later_try = int(getattr(ti, "try_number", 1) or 1) > 1
        self._context = context
        accessor = context.get("task_state_store")
        self.store = None if accessor is None else TaskStateStore(accessor, prefix="/".join(("bik", *nested)))

    def own_folder(self) -> Folder | None:
        """The folder of a delivery that belongs to this task instance alone."""
        if self.folder is None:
            return None
        folder = self.folder.folder("tasks")
        for part in self._identity:
            folder = folder.folder(safe_name(part))
        return folder

    def dry_run_folder(self) -> Folder | None:
        """The folder for what dry runs of this task leave, whatever the run."""
        if self.folder is None:
            return None
        folder = self.folder.folder("dry-runs")
        for part in self._task:
            folder = folder.folder(safe_name(part))
        return folder

    @property
    def one_at_a_time(self) -> bool:
        """Whether only one thread at a time may talk to Airflow: so it is in ``dag.test()``, but not in a worker."""
        module = sys.modules.get("airflow.sdk.execution_time.task_runner")
        return hasattr(getattr(module, "SUPERVISOR_COMMS", None), "supervisor")

    @property
    def has_earlier_run(self) -> bool:
        """Whether a run of the DAG has succeeded before."""
        return bool(self._context.get("prev_start_date_success"))

    def past_is_lost(self, folder: Folder | None, *, in_windows: bool) -> bool:
        """Whether an earlier try may have sent events that the record of a delivery, which is not there, would name.

        Args:
            folder: Where that record would be; None if it would be in the task state store, or nowhere.
            in_windows: Whether the delivery is a window of its stream.

        Raises:
            BikRecordError: The record is where this worker cannot reach it.
        """
        pointer = self._pointer()
        if self.store is None or pointer is None:
            return self._is_later_try
        if folder is None:
            if pointer.folders:
                raise _out_of_reach(pointer, Folder(pointer.folders[0]), "state_path is no longer set")
            return pointer.kept_here
        if self.store.read(RECORD) is not None:
            # An earlier try had no state_path and kept its record in the store itself.
            return True
        lost = False
        for other in map(Folder, pointer.folders):
            record = self._record(other)
            found = record.find()
            if found is None and other.is_local and pointer.worker != _worker():
                raise _out_of_reach(pointer, other, f"this is worker {_worker()}")
            if found is not None and in_windows and other.parent.path == folder.parent.path:
                # Another window of the same stream, which knows what overlaps.
                continue
            # state_path or stream have changed since.
            lost = lost or found is None or record.may_have_sent(found)
        return lost

    def note_record(self, folder: Folder | None = None, *, kept_here: bool = False) -> None:
        """Let later tries, on whatever worker, know where the record is.

        What is noted comes before anything is sent, so that its absence means something.

        Args:
            folder: Where it is; None if it is in no folder, so far or at all.
            kept_here: Whether it is in the task state store.
        """
        if self.store is None:
            if folder is not None:
                self._context["ti"].xcom_push(key=RECORD_AT, value=folder.path)
            return
        before = self._pointer()
        known = before.folders if before else []
        added = [folder.path] if folder is not None and folder.path not in known else []
        kept_here = kept_here or (before is not None and before.kept_here)
        if before is not None and not added and kept_here == before.kept_here:
            return
        pointer = _Pointer(
            note="Where the records of this task's deliveries are. A try that does not find this key names every event "
            "as a possible duplicate.",
            worker=_worker(),
            folders=[*known, *added],
            kept_here=kept_here,
        )
        self.store.write(POINTER, [msgspec.json.encode(pointer)])

    def _pointer(self) -> _Pointer | None:
        found = self.store.read(POINTER) if self.store else None
        try:
            return None if found is None else msgspec.json.decode(found, type=_Pointer)
        except msgspec.ValidationError as error:
            message = (
                f"The key {POINTER} in the task's Storage tab cannot be understood ({error}). Nothing was sent. "
                "Restore it, or delete it to begin anew."
            )
            raise BikRecordError(message) from error

    def _record(self, folder: Folder) -> DeliveryRecord:
        return DeliveryRecord(folder, str(folder), self.attempt)


def step_aside(operator: BaseOperator, seconds: float, *, pauses: int) -> NoReturn:
    """Free the worker slot for a pause that BIK asked for, and come back after it without using up a retry.

    Args:
        operator: The one that runs; below Airflow 3 it is called again by its ``execute_after_pause``.
        seconds: How long.
        pauses: How often this delivery has stepped aside before.

    Raises:
        BikDeliveryIncompleteError: It has done so too often.
    """
    if pauses >= MOST_PAUSES:
        message = (
            f"BIK has asked for a long pause {pauses + 1} times in this delivery. Ask BIK why; a retry is safe: it "
            "goes on from the checkpoint."
        )
        raise BikDeliveryIncompleteError(message, retry_after=seconds)
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    log.info("BIK asks for a pause of %.0f s. Stepping aside until %s.", seconds, moment.isoformat(timespec="seconds"))
    if AIRFLOW_V_3_0_PLUS:
        raise AirflowRescheduleException(moment)  # type: ignore[no-untyped-call]
    # Below 3, only sensors are rescheduled at the time they ask for.
    from airflow.triggers import temporal  # type: ignore[attr-defined]  # noqa: PLC0415 - Airflow below 3 only

    trigger = temporal.DateTimeTrigger(moment=pendulum.instance(moment))  # noqa: AIR312 - Airflow below 3 only
    operator.defer(trigger=trigger, method_name="execute_after_pause")
    raise AssertionError


def _out_of_reach(pointer: _Pointer, folder: Folder, why: str) -> BikRecordError:
    return BikRecordError(
        f"An earlier try of this task kept its record in {folder} on worker {pointer.worker}, and it cannot be "
        f"reached: {why}. Nothing was sent in this try, for nobody could tell what would be sent twice. Let the task "
        "run on that worker, or copy the folder to a place that all workers reach and set state_path to it. To begin "
        f"anew, delete the key bik/{POINTER} in the task's Storage tab and clear the task: every event then counts as "
        "a possible duplicate."
    )


def _worker() -> str:
    return socket.gethostname()


def _index(map_index: int | None) -> str:
    return "" if map_index is None or map_index < 0 else f" [{map_index}]"
