"""The output of a mapped task below Airflow 3: a query in a database session that only the task's thread may use."""

from __future__ import annotations

__all__ = ["materialize"]


def materialize(events: object) -> object:
    """The same input, in a form that another thread can read.

    Args:
        events: What `airflow_provider_bik.inputs.read_items` takes; to be called in the task's own thread.
    """
    from airflow.utils.db import LazySelectSequence  # noqa: PLC0415 - Airflow below 3 only

    if isinstance(events, LazySelectSequence):
        return list(events)
    if isinstance(events, list):
        return [list(item) if isinstance(item, LazySelectSequence) else item for item in events]
    return events
