"""What Airflow's own database knows of deliveries: task instances, the task state store (3.3 and later) and XCom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_bik.state.coverage import BETWEEN, time_in
from airflow_provider_bik.state.progress import PROGRESS, DeliveryProgress
from airflow_provider_bik.state.storage import shown_path
from airflow_provider_bik.ui.known import Report, Sources, Task

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["sources_of"]

OPERATORS = frozenset({"BikSendEventsOperator", "SqlToBikOperator", "SqlToBikIncrementalOperator"})
"""Operators whose tasks are shown before they have left anything."""

RETURNED, REPORT, RECORD = "return_value", "report", "bik_record"
"""XCom keys: the report of a task that has succeeded, of one that has failed, and the folder of the record."""


@dataclass(slots=True)
class _Left:
    """What one task instance has left behind."""

    documents: list[DeliveryProgress] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)


def sources_of(dag_id: str, run_id: str, task_id: str | None = None, map_index: int | None = None) -> list[Sources]:
    """Read what is known of the task instances of a run; those that have nothing to do with BIK are marked.

    Args:
        dag_id: Of the DAG.
        run_id: Of the run.
        task_id: One task alone.
        map_index: One mapped instance of it alone; -1 if it is not mapped.
    """
    with create_session() as session:
        tasks = list(_tasks(session, dag_id, run_id, task_id, map_index))
        names = {task.task_id for task, _ in tasks}
        left: Mapping[tuple[str, int], _Left] = defaultdict(_Left)
        _add_documents(session, dag_id, run_id, names, left)
        deliver = {task.task_id for task, operator in tasks if operator in OPERATORS}
        deliver |= {name for (name, _), each in left.items() if each.documents}
        deliver |= _with_record(session, dag_id, run_id, names)
        _add_values(session, dag_id, run_id, deliver, left)
    return [_source(task, left[task.task_id, task.map_index], is_bik=task.task_id in deliver) for task, _ in tasks]


def _tasks(
    session: Session, dag_id: str, run_id: str, task_id: str | None, map_index: int | None
) -> Iterator[tuple[Task, str | None]]:
    query = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    if task_id is not None:
        query = query.where(TaskInstance.task_id == task_id)
    if map_index is not None:
        query = query.where(TaskInstance.map_index == map_index)
    for found in session.scalars(query.order_by(TaskInstance.task_id, TaskInstance.map_index)):
        label = getattr(found, "rendered_map_index", None)
        task = Task(
            dag_id=found.dag_id,
            run_id=found.run_id,
            task_id=found.task_id,
            map_index=found.map_index,
            label="" if label is None else str(label),
            state="" if found.state is None else str(getattr(found.state, "value", found.state)),
            try_number=found.try_number or 0,
            began=found.start_date,
            ended=found.end_date,
        )
        yield task, found.operator


def _add_documents(
    session: Session, dag_id: str, run_id: str, names: Collection[str], left: Mapping[tuple[str, int], _Left]
) -> None:
    if not AIRFLOW_V_3_3_PLUS:
        return
    from airflow.models.task_state_store import TaskStateStoreModel  # noqa: PLC0415 - Airflow 3.3 and later only

    store = TaskStateStoreModel
    query = select(store.task_id, store.map_index, store.value).where(
        store.dag_id == dag_id,
        store.run_id == run_id,
        store.task_id.in_(names),
        # In between, an operator that another one calls has its name.
        store.key.like(f"bik/%{PROGRESS}"),
    )
    for task_id, map_index, value in session.execute(query):
        try:
            found = msgspec.json.decode(value, type=DeliveryProgress)
        except msgspec.MsgspecError:
            continue  # of another version, or no longer what the task has written
        # Of an older version, which noted a sentence alone, nothing else is known.
        left[task_id, map_index].documents += [found] if found.began_at else []


def _with_record(session: Session, dag_id: str, run_id: str, names: Collection[str]) -> set[str]:
    query = select(XComModel.task_id).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id.in_(names),
        XComModel.key == RECORD,
    )
    return set(session.scalars(query.distinct()))


def _add_values(
    session: Session, dag_id: str, run_id: str, names: Collection[str], left: Mapping[tuple[str, int], _Left]
) -> None:
    query = select(XComModel).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.task_id.in_(names),
        XComModel.key.in_((RETURNED, REPORT, RECORD)),
    )
    for row in session.scalars(query):
        try:
            value = XComModel.deserialize_value(row)
        except (ValueError, TypeError):
            continue  # no JSON: a custom backend keeps it elsewhere
        left[row.task_id, row.map_index].values[row.key] = value


def _source(task: Task, left: _Left, *, is_bik: bool) -> Sources:
    progress = max(left.documents, key=lambda each: each.updated_at, default=None)
    report = _report(left.values.get(RETURNED)) or _report(left.values.get(REPORT))
    found = (progress and progress.record_path, report and report.record_path, _path(left.values.get(RECORD)))
    record_path = next((shown_path(each) for each in found if each), None)
    return Sources(
        task=task,
        progress=progress,
        report=report,
        record_path=record_path,
        window=_window(progress, record_path),
        is_bik=is_bik,
    )


def _window(progress: DeliveryProgress | None, record_path: str | None) -> tuple[datetime, datetime] | None:
    """As the task has noted it, or else as the folder of its record is named."""
    if progress is not None and progress.window is not None:
        moments = [_moment(text) for text in progress.window]
    else:
        name = (record_path or "").rstrip("/").rpartition("/")[2]
        moments = [time_in(text) for text in name.split(BETWEEN)]
    match moments:
        case [datetime() as start, datetime() as end]:
            return start, end
        case _:
            return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _report(value: object) -> Report | None:
    try:
        found = None if value is None else msgspec.convert(value, Report)
    except msgspec.ValidationError:
        return None
    if found is None or found.rejected_path is None:
        return found
    return msgspec.structs.replace(found, rejected_path=shown_path(found.rejected_path))


def _path(value: object) -> str | None:
    """A folder; of several, the last one that was begun."""
    if isinstance(value, Mapping):
        value = value.get("record_path") or value.get("folders")
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        value = value[-1]
    return value if isinstance(value, str) else None
