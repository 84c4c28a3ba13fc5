"""Where a record's documents lie: in a folder, or in Airflow's task state store (3.3 and later)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.state.storage import is_storage_error

__all__ = ["Documents", "TaskStateStore"]


class Documents(Protocol):
    """Small JSON documents by name; `airflow_provider_bik.state.storage.Folder` is one, too."""

    def read(self, name: str) -> bytes | None:
        """The document; None if there is none.

        Raises:
            BikStorageError: There may be one, and it cannot be read.
        """

    def names(self, folder: str = "") -> Sequence[str]:
        """The names of the documents in it, or in a folder of it; none if there is no such folder.

        Raises:
            BikStorageError: It cannot be listed.
        """

    def write(self, name: str, content: Iterable[bytes]) -> None:
        """Replace the document.

        Raises:
            BikStorageError: It cannot be written.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Remove documents; those that are not there count as removed.

        Raises:
            BikStorageError: One cannot be removed.
        """


class TaskStateStore:
    """Airflow's task state store: one task instance, all its tries. An admin sees it in the *Storage* tab.

    Args:
        accessor: ``context["task_state_store"]``.
        prefix: What the keys begin with; plain ASCII.
    """

    def __init__(self, accessor: Any, prefix: str = "bik") -> None:  # noqa: ANN401 - its class is of Airflow 3.3
        self._accessor = accessor
        self._prefix = prefix

    def __str__(self) -> str:
        return "Airflow's task state store"

    def read(self, name: str) -> bytes | None:
        """As `Documents.read`."""
        with self._translated():
            value = self._accessor.get(f"{self._prefix}/{name}")
        return None if value is None else msgspec.json.encode(value)

    def names(self, folder: str = "") -> Sequence[str]:  # noqa: ARG002 - as the protocol has it
        """None: it cannot be listed, and Airflow takes nothing from a try that is no longer the newest."""
        return ()

    def write(self, name: str, content: Iterable[bytes]) -> None:
        """As `Documents.write`."""
        with self._translated():
            self._accessor.set(f"{self._prefix}/{name}", msgspec.json.decode(b"".join(content)))

    def remove(self, names: Iterable[str]) -> None:
        """As `Documents.remove`."""
        with self._translated():
            for name in names:
                self._accessor.delete(f"{self._prefix}/{name}")

    @staticmethod
    @contextlib.contextmanager
    def _translated() -> Iterator[None]:
        from airflow.sdk.exceptions import AirflowRuntimeError  # noqa: PLC0415 - Airflow 3 and later only

        try:
            yield
        except Exception as error:
            if not isinstance(error, AirflowRuntimeError) and not is_storage_error(error):
                raise
            message = (
                f"Airflow's task state store does not answer ({type(error).__name__}). Nothing is sent that it has not "
                "noted. A retry is safe: it goes on from the last checkpoint."
            )
            raise BikStorageError(message) from error
