"""From what a user writes to files that can be opened: checks, patterns of names, one error for what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.storage import storage_path

__all__ = ["files_of", "opened"]

_PATTERN = re.compile(r"[*?[]")


def files_of(given: str | ObjectStoragePath) -> list[ObjectStoragePath]:
    """The files that a path means: itself, or, if it is a pattern and no file, those it matches, sorted by name.

    Raises:
        BikInputError: It is no path, or a pattern that matches nothing.
        BikConfigError: A URL has a scheme that nothing installed can open.
        OSError: The storage does not answer.
    """
    text = str(given)
    if not text.strip():
        message = "events is an empty path. Check the template or the upstream task that should have given it."
        raise BikInputError(message)
    if "\n" in text or text.lstrip().startswith(("{", "[")):
        message = "events holds text that is not a path. Give mappings, or write the text to a file."
        raise BikInputError(message)
    path = storage_path(given)
    if not _PATTERN.search(path.path) or path.fs.exists(path.path):
        return [path]
    return _matching(path)


def _matching(path: ObjectStoragePath) -> list[ObjectStoragePath]:
    try:
        found = cast("dict[str, dict[str, object]]", path.fs.glob(path.path, detail=True))
    except ValueError as error:
        message = f"The pattern {path.name} is not understood. ** must stand alone between slashes. Mend it."
        raise BikInputError(message) from error
    hidden = path.name.startswith(".")
    names = sorted(
        name
        for name, info in found.items()
        if info["type"] != "directory" and (hidden or not name.rsplit("/", 1)[-1].startswith("."))
    )
    if not names:
        message = (
            f"No file matches the pattern {path.name}. Check the pattern, and that the upstream task wrote where this "
            "worker can see it; if there may be nothing to send, let the upstream task skip this one."
        )
        raise BikInputError(message)
    # Below Airflow 3 the Connection is one of the storage options; later it is not.
    options = {"conn_id": getattr(path, "conn_id", None), **path.storage_options}
    return [ObjectStoragePath(name, protocol=path.protocol or None, **options) for name in names]


@contextmanager
def opened(path: ObjectStoragePath) -> Iterator[IO[bytes]]:
    """Open a file for reading.

    Raises:
        BikInputError: It is a directory.
        OSError: It cannot be opened.
    """
    try:
        file = cast("IO[bytes]", path.open("rb"))  # type: ignore[no-untyped-call]
    except OSError as error:
        if path.fs.isdir(path.path):
            message = (
                f"{path.name} is a directory. Give a pattern of the files in it, such as {path.name}/*.ndjson. A retry "
                "cannot help before."
            )
            raise BikInputError(message) from error
        raise
    with file:
        yield file
