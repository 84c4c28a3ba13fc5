"""Paths of any storage, and files that hold personal data: whole or not there, and private on a local disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikConfigError, BikStorageError

__all__ = ["storage_path", "write_private"]


def storage_path(path: str | ObjectStoragePath) -> ObjectStoragePath:
    """A path or URL as something that can be opened.

    Raises:
        BikConfigError: No installed package can open such a URL, or it is none.
    """
    scheme = str(path).partition("://")[0] if "://" in str(path) else "file"
    try:
        found = ObjectStoragePath(path) if isinstance(path, str) else path
        # Below 3, only this looks whether there is such a storage; and always, whether Airflow has a provider for it.
        _ = found.fs
    except (ValueError, ImportError) as error:
        message = (
            f"A path of the scheme {scheme!r:.40} cannot be opened ({type(error).__name__}). Check the URL, and "
            "that the Airflow provider of that storage is installed on the worker. A retry cannot help before."
        )
        raise BikConfigError(message) from error
    return found


def write_private(path: ObjectStoragePath, content: Iterable[bytes]) -> None:
    """Write a file so that a reader, also after a crash, finds all of it or nothing.

    On a local disk it gets mode 0600, and directories made for it 0700. An object store makes an object visible only
    once it is complete.

    Args:
        path: Where to.
        content: Its bytes, in pieces.

    Raises:
        BikStorageError: It cannot be written.
    """
    try:
        _write(path, content)
    except OSError as error:
        message = (
            f"{path.name} cannot be written ({type(error).__name__}). Check that this worker may write to its "
            "directory; a retry is safe once it may."
        )
        raise BikStorageError(message) from error


def _write(path: ObjectStoragePath, content: Iterable[bytes]) -> None:
    if path.protocol not in {"file", "local", ""}:
        # Whole first: the content may come from the very object that is to be replaced.
        whole = b"".join(content)
        with path.open("wb") as file:  # type: ignore[no-untyped-call]
            file.write(whole)
        return
    target = Path(path.path)
    _make_private_directories(target.parent)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _make_private_directories(directory: Path) -> None:
    """`Path.mkdir` applies a mode to the last directory only."""
    missing = [part for part in (directory, *directory.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
