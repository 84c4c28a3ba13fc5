"""What is known of a delivery, before a page makes words and pictures of it: values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from airflow_provider_bik.delivery.checkpoint import Counts
from airflow_provider_bik.state.progress import DeliveryProgress

__all__ = ["Details", "Report", "Sample", "Sources", "Task"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a page needs of a task's report; see `airflow_provider_bik.delivery.ReportDict`."""

    read: int
    confirmed: int
    rejected: int
    skipped: int
    unresolved: int
    deliverable: int = 0
    possible_duplicates: int = 0
    pipelines: dict[str, int] = msgspec.field(default_factory=dict)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    examples: dict[str, list[str]] = msgspec.field(default_factory=dict)
    details: dict[str, list[str]] = msgspec.field(default_factory=dict)
    requests: int = 0
    failed_requests: int = 0
    seconds: float = 0.0
    rejected_path: str | None = None
    record_path: str | None = None
    generation: str | None = None
    already_delivered: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task instance.

    Attributes:
        dag_id: Of the DAG.
        run_id: Of the run.
        task_id: Of the task.
        map_index: -1 unless it is mapped.
        label: What Airflow calls it among the mapped ones; empty if it has no name of its own.
        state: Airflow's word; empty if it has none yet.
        try_number: Counted from 1; 0 before the first.
        began: When its last try began.
        ended: When that ended.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    label: str = ""
    state: str = ""
    try_number: int = 0
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is known of the delivery of one task instance.

    Attributes:
        task: The task instance.
        progress: How far it has come, if it says so.
        report: Of its last try, if that has ended.
        record_path: Folder of its record, if it has named one.
        window: What it delivers of its stream, if that is known.
        is_bik: Whether it delivers to BIK, as far as anybody can tell.
    """

    task: Task
    progress: DeliveryProgress | None = None
    report: Report | None = None
    record_path: str | None = None
    window: tuple[datetime, datetime] | None = None
    is_bik: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One rejected event, without the event.

    Attributes:
        location: Where a person finds it.
        detail: Which field and which limit.
        message: BIK's own words, if they have the documented form, which names fields only.
    """

    location: str
    detail: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a record holds.

    Attributes:
        counts: So far; None if nothing is written down.
        samples: The first rejected events, by reason code.
        rejected_path: Of the file of rejected events, or the pattern of their files.
        delivery: In words.
    """

    counts: Counts | None = None
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    rejected_path: str | None = None
    delivery: str = ""
