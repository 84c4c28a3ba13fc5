"""From what a user writes to files that can be opened: checks, patterns of names, one error for what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.inputs.formats import format_of
from airflow_provider_bik.state.storage import shown_path, storage_errors, storage_path

__all__ = ["check_path", "files_of", "lineage_uri", "names_of", "open_file", "shown", "what_is_no_path"]

_PATTERN = re.compile(r"[*?[]")
_LONGEST_PATH = 4096
_ADVICE = "Check that the upstream task wrote it where this worker can see it. A retry is safe once it is there."
_PERSON = re.compile(r"(?:mailto:)?[^/\s@]+@[^/\s@]+\.[^/\s@.]+|\+[0-9 ().-]{6,}")
_USER = re.compile(r"(?<=://)[^/@]*@")


def what_is_no_path(text: str) -> str | None:
    """Say what a text is that is no path, such as data that an upstream task has returned; None of one that may be."""
    kind = {"{": "JSON text", "[": "JSON text", "<": "XML or HTML text", '"': "quoted text"}.get(text.lstrip()[:1])
    if kind is None and len(text.splitlines()) > 1:
        kind = "several lines of text"
    if kind is None and len(text) > _LONGEST_PATH:
        kind = "text"
    if kind is None and format_of(text) is None and _PERSON.fullmatch(text.strip()):
        kind = "an e-mail address or a telephone number"
    return kind


def check_path(text: str) -> None:
    """Refuse text that is no path.

    Args:
        text: Not repeated in the message.

    Raises:
        BikInputError: It is none.
    """
    if not text.strip():
        message = "events is an empty path. Check the template or the upstream task that should have given it."
        raise BikInputError(message)
    if (kind := what_is_no_path(text)) is not None:
        message = (
            f"events is {kind} ({len(text)} characters), and not a path. Let the upstream task return the decoded "
            "mappings, or write the text to a file and return its path. Nothing was sent."
        )
        raise BikInputError(message)


def files_of(given: str | ObjectStoragePath) -> list[ObjectStoragePath]:
    """The files that a path means: itself, or, if it is a pattern and no file, those it matches, sorted by name.

    Raises:
        BikInputError: It is no path, or a pattern that matches nothing.
        BikConfigError: A URL has a scheme that nothing installed can open.
        BikStorageError: The storage does not answer.
    """
    check_path(str(given))
    with storage_errors(f"{shown(given)} cannot be looked up", _ADVICE):
        path = storage_path(given)
        if not _PATTERN.search(path.path) or path.fs.exists(path.path):
            return [path]
        return _matching(path)


def shown(path: str | ObjectStoragePath) -> str:
    """A file and its directory, for a message: without who opens it, and without the parameters of a signed URL."""
    text = _USER.sub("", str(path))
    if text.startswith(("http://", "https://")):
        text = text.partition("?")[0]
    directory, slash, name = text.rpartition("/")
    return f"{name} in {directory or slash}" if slash else name


def lineage_uri(path: str | ObjectStoragePath) -> str:
    """What a path stands for, as the URI by which others know it: a file, or the folder in which a pattern looks.

    Args:
        path: With or without a scheme, credentials, and the parameters of a signed URL.
    """
    text = shown_path(path)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "file", str(Path(text).absolute())
    if scheme in {"http", "https"}:
        rest = rest.partition("?")[0]
    if found := _PATTERN.search(rest):
        rest = rest[: found.start()].rpartition("/")[0] or "/"
    return f"{scheme}://{rest}"


def names_of(files: Sequence[ObjectStoragePath]) -> list[str]:
    """What to call each of several files: its name, with directories in front if two have the same name."""
    names = [path.name for path in files]
    if len(set(names)) == len(names):
        return names
    parts = [PurePosixPath(path.path).parts for path in files]
    common = next(
        (index for index, step in enumerate(zip(*parts, strict=False)) if len(set(step)) > 1), min(map(len, parts)) - 1
    )
    return ["/".join(steps[common:]) for steps in parts]


def _matching(path: ObjectStoragePath) -> list[ObjectStoragePath]:
    try:
        found = cast("dict[str, dict[str, object]]", path.fs.glob(path.path, detail=True))
    except ValueError as error:
        message = f"The pattern {shown(path)} is not understood. ** must stand alone between slashes. Fix it."
        raise BikInputError(message) from error
    hidden = path.name.startswith(".")
    names = sorted(
        name
        for name, info in found.items()
        if info["type"] != "directory" and (hidden or not name.rsplit("/", 1)[-1].startswith("."))
    )
    if not names:
        message = (
            f"No file matches the pattern {shown(path)}. Check the pattern, and that the upstream task wrote where "
            "this worker can see it. If there may be nothing to send, let the upstream task skip this one."
        )
        raise BikInputError(message)
    # Below Airflow 3 the Connection is one of the storage options; later it is not.
    options = {"conn_id": getattr(path, "conn_id", None), **path.storage_options}
    return [ObjectStoragePath(name, protocol=path.protocol or None, **options) for name in names]


@contextmanager
def open_file(path: ObjectStoragePath) -> Iterator[IO[bytes]]:
    """Open a file for reading.

    Raises:
        BikInputError: It is a directory.
        BikStorageError: It cannot be read, also while it is open.
    """
    with storage_errors(f"{shown(path)} cannot be read", _ADVICE):
        try:
            file = cast("IO[bytes]", path.open("rb"))  # type: ignore[no-untyped-call]
        except OSError as error:
            if path.fs.isdir(path.path):
                message = (
                    f"{shown(path)} is a directory. Give a pattern of the files in it, such as {path.name}/*.ndjson. A "
                    "retry cannot help before."
                )
                raise BikInputError(message) from error
            raise
        with file:
            yield file
