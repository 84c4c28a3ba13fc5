"""A local BIK to try things on: an independent witness that shares no code with the client.

Its behaviour follows BIK's public documentation as its authors read it; what the documentation leaves open is decided
strictly, and said where it is decided. Needs the extra ``airflow-provider-bik[sandbox]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_bik.sandbox.faults import Fault, FaultPlan
from airflow_provider_bik.sandbox.ledger import Duplicate, Ledger, StoredEvent
from airflow_provider_bik.sandbox.request_log import RequestRecord

if TYPE_CHECKING:
    from airflow_provider_bik.sandbox.server import Sandbox

__all__ = ["Duplicate", "Fault", "FaultPlan", "Ledger", "RequestRecord", "Sandbox", "StoredEvent"]


def __getattr__(name: str) -> object:
    # Sandbox is loaded on demand, so that `python -m` can say in one line that the extra is missing.
    if name != "Sandbox":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    try:
        from airflow_provider_bik.sandbox.server import Sandbox  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name not in {"starlette", "uvicorn"}:
            raise
        message = f"The sandbox needs {error.name}: pip install 'airflow-provider-bik[sandbox]'"
        raise ModuleNotFoundError(message, name=error.name) from error
    return Sandbox
