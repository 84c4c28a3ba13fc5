"""Paths of any storage, and files that hold personal data: whole or not there, and private on a local disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from uuid import uuid4

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikConfigError, BikStorageError

__all__ = ["remove_leftovers", "storage_path", "write_private"]

_AT_ONCE = 8 * 1024 * 1024
"""Bytes of an object that are held in memory and written in one call; a larger one is streamed."""


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

    On a local disk it gets mode 0600, and directories made for it 0700. Memory stays bounded whatever the size.

    Args:
        path: Where to.
        content: Its bytes, in pieces; what it raises is raised, and nothing is written.

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


def remove_leftovers(path: ObjectStoragePath) -> None:
    """Remove what writers of this file that were killed have left beside it; another writer would then fail.

    Args:
        path: As for `write_private`.
    """
    with contextlib.suppress(OSError):
        for leftover in path.parent.glob(f"{_beside(path.name)}*"):
            leftover.unlink(missing_ok=True)


def _beside(name: str) -> str:
    """What the names of files that become this one begin with."""
    return f".{name}."


def _write(path: ObjectStoragePath, content: Iterable[bytes]) -> None:
    if path.protocol not in {"file", "local", ""}:
        _write_object(path, content)
        return
    target = Path(path.path)
    _make_private_directories(target.parent)
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
        with path.open("wb") as file:  # type: ignore[no-untyped-call]
            file.write(b"".join(pieces))
        return
    temporary = path.parent / f"{_beside(path.name)}{uuid4().hex[:12]}"
    try:
        with temporary.open("wb") as file:  # type: ignore[no-untyped-call]
            for piece in chain([b"".join(pieces)], rest):
                file.write(piece)
        path.fs.mv(temporary.path, path.path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _make_private_directories(directory: Path) -> None:
    """`Path.mkdir` applies a mode to the last directory only."""
    missing = [part for part in (directory, *directory.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
