"""Where checkpoints live: Airflow's task state store (3.3 and later), or a file on any object storage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.delivery import Checkpoint
from airflow_provider_bik.errors import BikRecordError, BikStorageError, BikSupersededError
from airflow_provider_bik.storage import write_private

__all__ = ["KEY", "CheckpointFile", "CheckpointStore", "StoreJournal", "TaskState"]

KEY = "bik_delivery"
"""The key in Airflow's task state store."""


class CheckpointStore(Protocol):
    """Keeps one JSON value for one task instance, over all its tries."""

    def read(self) -> object:
        """The value; None if there is none.

        Raises:
            BikError: There is one and it cannot be read.
        """

    def write(self, value: dict[str, Any]) -> None:
        """Replace it.

        Raises:
            BikError: It cannot be written.
        """


class TaskState:
    """Airflow's task state store; an admin sees the value in the *Storage* tab of the task instance.

    Args:
        accessor: ``context["task_state_store"]``, or that of an asset, which has the same methods.
        key: Of the value; plain ASCII.
    """

    def __init__(self, accessor: Any, key: str = KEY) -> None:  # noqa: ANN401 - its class exists on Airflow 3.3 and later only
        self._accessor = accessor
        self._key = key

    def read(self) -> object:
        """The value under the key; None if there is none.

        Raises:
            BikStorageError: Airflow's API server does not answer, or this process is no longer its task.
        """
        with self._translated():
            return self._accessor.get(self._key)

    def write(self, value: dict[str, Any]) -> None:
        """Replace the value under the key.

        Raises:
            BikStorageError: As for `read`.
        """
        with self._translated():
            self._accessor.set(self._key, value)

    @staticmethod
    @contextlib.contextmanager
    def _translated() -> Iterator[None]:
        from airflow.sdk.exceptions import AirflowRuntimeError  # noqa: PLC0415 - Airflow 3 and later only

        try:
            yield
        except (AirflowRuntimeError, OSError, EOFError) as error:
            message = (
                f"Airflow's state store does not answer ({type(error).__name__}). Nothing is sent that it has not "
                "noted. A retry is safe: it goes on from the last checkpoint."
            )
            raise BikStorageError(message) from error


class CheckpointFile:
    """A JSON file.

    Args:
        path: On any object storage.
        what: What the file is, for messages.
        without: What deleting it means, for messages.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        *,
        what: str = "checkpoint",
        without: str = "start over, which sends again what was confirmed",
    ) -> None:
        self._path, self._what, self._without = path, what, without

    def read(self) -> object:
        """The file's content; None if there is no file.

        Raises:
            BikRecordError: The file is not JSON.
            BikStorageError: It cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            what = f"The {self._what} {self._path.name} cannot be read ({type(error).__name__})"
            message = f"{what}. Nothing was sent; a retry is safe."
            raise BikStorageError(message) from error
        except msgspec.DecodeError as error:
            message = (
                f"The {self._what} {self._path.name} is not JSON. Nothing was sent. Restore it; or delete it to "
                f"{self._without}."
            )
            raise BikRecordError(message) from error

    def write(self, value: dict[str, Any]) -> None:
        """Replace the file, whole or not at all.

        Raises:
            BikStorageError: It cannot be written.
        """
        write_private(self._path, [msgspec.json.encode(value)])


class StoreJournal:
    """The journal of one try over a store. A try that finds another one's checkpoint there has been superseded.

    The look before each write is not atomic with it. What it leaves open is one write's time, once: the newer try
    begins by writing its name, and from then on the older one stops.

    Args:
        store: Where the checkpoint is.
        owner: Names this try; no two tries have the same.

    Attributes:
        latest: What this try wrote last.
    """

    def __init__(self, store: CheckpointStore, *, owner: str) -> None:
        self._store = store
        self._owner = owner
        self.latest: Checkpoint | None = None
        self._loaded: Checkpoint | None = None

    def load(self) -> Checkpoint | None:
        """The checkpoint that an earlier try left; None if there is none.

        Raises:
            BikRecordError: There is one and it cannot be understood.
            BikStorageError: It cannot be read.
        """
        self._loaded = self._found()
        return self._loaded

    async def save(self, checkpoint: Checkpoint) -> None:
        """Write it down; called from the event loop.

        Raises:
            BikSupersededError: A newer try has taken over.
            BikStorageError: It cannot be written.
        """
        # In a thread: the store blocks, and on the loop its calls can meet another of Airflow's and fail.
        await asyncio.to_thread(self.save_now, checkpoint)

    def save_now(self, checkpoint: Checkpoint) -> None:
        """Write it down; called from ordinary code."""
        found = self._found()
        # An older try that is not dead may have gone on since this one looked; what it sent then is not in doubt here.
        ours = found == self._loaded if self.latest is None else found is not None and found.owner == self._owner
        if not ours:
            message = (
                "Another try has taken over the checkpoint, or the task was cleared, or somebody deleted it, while "
                "this try was sending. It has stopped; it sent nothing beyond its lease. Nothing is to be done if "
                "another try is running; else clear the task."
            )
            raise BikSupersededError(message)
        self._store.write(checkpoint.to_json())
        self.latest = checkpoint

    def _found(self) -> Checkpoint | None:
        value = self._store.read()
        return None if value is None else Checkpoint.from_json(value)
