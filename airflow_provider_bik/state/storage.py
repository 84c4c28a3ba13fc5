"""Where documents lie: in a folder on any object storage, or in Airflow's task state store (3.3 and later).

Files in a folder are whole or not there, and private on a local disk.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol, Self, TypeVar, cast
from uuid import uuid4

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_provider_bik.errors import BikConfigError, BikStorageError

__all__ = [
    "Documents",
    "Folder",
    "TaskStateStore",
    "is_storage_error",
    "safe_name",
    "shown_path",
    "storage_errors",
    "storage_path",
]

_T = TypeVar("_T")

_AT_ONCE = 8 * 1024 * 1024
"""Bytes of an object that are held in memory and written in one call; a larger one is streamed."""

_LIBRARIES = frozenset(
    {"adlfs", "aiobotocore", "aiohttp", "azure", "boto3", "botocore", "fsspec", "gcsfs", "google", "requests", "s3fs"}
    | {"urllib3"}
)
"""Where the errors of storages come from that are no `OSError`."""

_LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors that another attempt a moment later would meet again."""

_LOCAL = frozenset({"file", "local", ""})

_SAFE = re.compile(r"[a-z0-9_-]{1,80}")
_READABLE = 80

_ATTEMPTS = 4
_LONGEST_WAIT = 1.0
"""Seconds between two attempts at most: together they stay below the time that Airflow gives a task to end."""


def storage_path(path: str | ObjectStoragePath) -> ObjectStoragePath:
    """A path or URL as something that can be opened.

    Raises:
        BikConfigError: No installed package can open such a URL, or it is none.
    """
    scheme = str(path).partition("://")[0] if "://" in str(path) else "file"
    try:
        found = _object_path(path) if isinstance(path, str) else path
        # Below 3, only this looks whether there is such a storage; and always, whether Airflow has a provider for it.
        _ = found.fs
    except (ValueError, ImportError) as error:
        message = (
            f"A path of the scheme {scheme!r:.40} cannot be opened ({type(error).__name__}). Check the URL, and "
            "that the Airflow provider of that storage is installed on the worker. A retry cannot help before."
        )
        raise BikConfigError(message) from error
    return found


def _object_path(text: str) -> ObjectStoragePath:
    found = ObjectStoragePath(text)
    # universal_pathlib below 0.3, which Airflow below 3.2 has, takes a relative path for one at the root.
    return ObjectStoragePath(str(Path(text).absolute())) if found.path == f"/{text}" else found


def shown_path(path: str | ObjectStoragePath) -> str:
    """A path for messages, without the credentials that a URL may carry."""
    scheme, separator, rest = str(path).partition("://")
    if not separator:
        return scheme
    authority, slash, name = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{name}"


def safe_name(text: str) -> str:
    """A name for a folder: as it is if that is safe on every storage; else readable, and exact by a digest.

    Different texts never get the same name, also where upper and lower case are one, and none leads out of its folder.
    """
    if _SAFE.fullmatch(text):
        return text
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:_READABLE]
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}.{digest}"


def is_storage_error(error: BaseException) -> bool:
    """Whether an exception comes from a storage: not all of their libraries raise an `OSError`."""
    return isinstance(error, OSError | EOFError) or any(
        kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__
    )


@contextlib.contextmanager
def storage_errors(
    what: str, advice: str = "Check the storage and this worker's way to it; a retry is safe."
) -> Iterator[None]:
    """Translate what a storage raises.

    Args:
        what: What happened, such as ``"orders.csv cannot be read"``.
        advice: What to do.

    Raises:
        BikStorageError: In place of anything that a storage raises.
    """
    try:
        yield
    except Exception as error:  # is_storage_error decides; everything else goes on as it is
        if not is_storage_error(error):
            raise
        message = f"{what} ({type(error).__name__}). {advice}"
        raise BikStorageError(message) from error


def _persistently(act: Callable[[], _T]) -> _T:
    """Make a call that may be repeated, a few times if the storage fails for a moment."""
    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_WAIT),
        retry=retry_if_exception(lambda error: is_storage_error(error) and not isinstance(error, _LASTING)),
        reraise=True,
    )
    return attempts(act)


class Documents(Protocol):
    """Small JSON documents by name; `Folder` is one, too."""

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


class Folder:
    """A folder at any object storage.

    Every file is written whole or not at all. On a local disk files get mode 0600, and directories 0700.

    Args:
        path: Where; it need not exist.
    """

    def __init__(self, path: str | ObjectStoragePath) -> None:
        self._path = storage_path(path)

    def __str__(self) -> str:
        return shown_path(self._path)

    @property
    def path(self) -> str:
        """The path or URL, as it was given."""
        return str(self._path)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can see it, unless its disk is shared."""
        return self._path.protocol in {*_LOCAL, "memory"}

    def folder(self, name: str) -> Self:
        """A folder within this one."""
        return self._at(self._path / name)

    @property
    def parent(self) -> Self:
        """The folder that it lies in."""
        return self._at(self._path.parent)

    def _at(self, path: ObjectStoragePath) -> Self:
        """Another folder of the same class, so that what is made of one that is watched is watched, too."""
        other = copy.copy(self)
        other._path = path  # noqa: SLF001 - of the same class
        return other

    def file(self, name: str) -> str:
        """The path of a file in it, as a user can give it to an operator."""
        return str(self._path / name)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none.

        Raises:
            BikStorageError: There may be one, and it cannot be read.
        """
        path = self._path / name
        with storage_errors(f"{name} in {self} cannot be read"):
            try:
                # Not by opening it: that asks a cache for the size, which another worker may have changed.
                return cast("bytes", _persistently(partial(path.fs.cat_file, path.path)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading; what goes wrong while it is read is translated, too.

        Raises:
            FileNotFoundError: There is none.
            BikStorageError: It cannot be read.
        """
        path = self._path / name
        path.fs.invalidate_cache(self._path.path)
        with storage_errors(f"{name} in {self} cannot be read"):
            try:
                file = _persistently(lambda: cast("IO[bytes]", path.open("rb")))  # type: ignore[no-untyped-call]
            except FileNotFoundError:
                missing = True
            else:
                missing = False
                with file:
                    yield file
        if missing:
            raise FileNotFoundError(name)

    def write(self, name: str, content: Iterable[bytes]) -> None:
        """Write a file so that a reader, also after a crash, finds all of it or nothing. Memory stays bounded.

        Args:
            name: Of the file.
            content: In pieces; what it raises is raised, and nothing is written.

        Raises:
            BikStorageError: It cannot be written.
        """
        target = self._path / name
        advice = "Check that this worker may write there; a retry is safe once it may."
        with storage_errors(f"{name} in {self} cannot be written", advice):
            if self._path.protocol in _LOCAL:
                _write_local(Path(target.path), content)
            else:
                _write_object(target, content)

    def names(self, folder: str = "") -> list[str]:
        """The names of the files and folders in it, or in a folder of it, sorted; none if it does not exist.

        Raises:
            BikStorageError: It cannot be listed.
        """
        if folder:
            return self.folder(folder).names()
        fs: Any = self._path.fs
        fs.invalidate_cache(self._path.path)
        with storage_errors(f"{self} cannot be listed"):
            try:
                found = _persistently(partial(fs.ls, self._path.path, detail=False))
            except (FileNotFoundError, NotADirectoryError):
                return []
        own = self._path.path.rstrip("/").rpartition("/")[2]
        names = {str(each).rstrip("/").rpartition("/")[2] for each in found}
        # A store without directories may list the folder itself as an empty object.
        return sorted(name for name in names if name not in {"", own})

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are not there count as removed.

        Raises:
            BikStorageError: One cannot be removed.
        """
        for name in names:
            path = self._path / name
            with storage_errors(f"{name} in {self} cannot be removed"), contextlib.suppress(FileNotFoundError):
                _persistently(partial(path.fs.rm_file, path.path))

    def remove_if_empty(self) -> None:
        """Remove a local directory that holds nothing any more; elsewhere there are no directories."""
        if self._path.protocol in _LOCAL:
            with contextlib.suppress(OSError):
                Path(self._path.path).rmdir()


def _beside(name: str) -> str:
    """What the names of files that become this one begin with."""
    return f".{name}."


def _write_local(target: Path, content: Iterable[bytes]) -> None:
    missing = [part for part in (target.parent, *target.parent.parents) if not part.exists()]
    for part in reversed(missing):
        # `Path.mkdir` applies a mode to the last directory only.
        part.mkdir(mode=0o700, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=_beside(target.name))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write_object(path: ObjectStoragePath, content: Iterable[bytes]) -> None:
    """Small objects in one call, which stores show whole or not at all; large ones under another name first.

    Not every store can give up an object that it has begun (fsspec's ``discard`` does nothing in most of them), so that
    an exception half-way would leave a part of it under its name. Moving it costs a copy, within the store.
    """
    pieces, size, rest = [], 0, iter(content)
    for piece in rest:
        pieces.append(piece)
        size += len(piece)
        if size > _AT_ONCE:
            break
    else:
        _persistently(partial(path.fs.pipe_file, path.path, b"".join(pieces)))
        return
    temporary = path.parent / f"{_beside(path.name)}{uuid4().hex[:12]}"
    try:
        with temporary.open("wb") as file:  # type: ignore[no-untyped-call]
            for piece in chain([b"".join(pieces)], rest):
                file.write(piece)
        path.fs.mv(temporary.path, path.path)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one that counts
            temporary.unlink(missing_ok=True)
        raise


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
        try:
            yield
        except Exception as error:
            if not _is_airflows_answer(error) and not is_storage_error(error):
                raise
            message = (
                f"Airflow's task state store does not answer ({type(error).__name__}). Nothing is sent that it has not "
                "noted. A retry is safe: it goes on from the last checkpoint."
            )
            raise BikStorageError(message) from error


def _is_airflows_answer(error: Exception) -> bool:
    """Whether Airflow's API has answered with an error."""
    if not AIRFLOW_V_3_0_PLUS:
        return False
    from airflow.sdk.exceptions import AirflowRuntimeError  # noqa: PLC0415 - Airflow 3 and later only

    return isinstance(error, AirflowRuntimeError)
