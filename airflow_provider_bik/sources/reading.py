"""Where events come from: mappings in memory, or NDJSON files at any path that Airflow's object storage can open.

A source is read as a stream, in order, once for every try, and gives each item the same position every time.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import IO, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.sources.ndjson import input_event, read_lines
from airflow_provider_bik.storage import storage_path
from airflow_provider_bik.threads import in_thread

__all__ = ["CHUNK_SIZE", "in_chunks", "read_events"]

CHUNK_SIZE = 500
"""Items read at a time."""


def read_events(events: object) -> Iterator[InputEvent]:
    """Stream the items of an input.

    Args:
        events: A mapping (one event); a path (text or `ObjectStoragePath`) of an NDJSON file, gzipped if it ends in
            ``.gz``; or an iterable of these, also nested once, as the output of a mapped upstream task is.

    Raises:
        BikInputError: It is none of these.
        BikConfigError: A URL has a scheme that nothing installed can open.
        BikStorageError: A file cannot be read.
    """
    positions = count()
    for item, place in _flatten(events):
        if _is_path(item):
            yield from _read_file(cast("str | ObjectStoragePath", item), positions)
        else:
            yield input_event(item, position=next(positions), place=place)


def in_chunks(source: Iterator[InputEvent], size: int = CHUNK_SIZE) -> AsyncIterator[Sequence[InputEvent]]:
    """Read a source in another thread, a few hundred items at a time.

    Slow storage must not hold up the event loop: answers would look as if they had timed out.
    """
    return in_thread(iter(lambda: list(islice(source, size)), []))


def _flatten(events: object) -> Iterator[tuple[object, str]]:
    if _is_path(events):
        yield events, ""
    elif isinstance(events, Mapping):
        yield events, "[0]"
    elif _is_iterable(events):
        for index, item in enumerate(cast("Iterable[object]", events)):
            if _is_iterable(item):
                for inner_index, inner in enumerate(cast("Iterable[object]", item)):
                    yield inner, f"[{index}][{inner_index}]"
            else:
                yield item, f"[{index}]"
    else:
        message = f"events is of type {type(events).__name__}. Give event mappings or paths of NDJSON files."
        raise BikInputError(message)


def _is_iterable(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | ObjectStoragePath)


def _is_path(value: object) -> bool:
    return isinstance(value, str | ObjectStoragePath)


def _read_file(path: str | ObjectStoragePath, positions: Iterator[int]) -> Iterator[InputEvent]:
    text = str(path)
    if not text.strip():
        message = "events is an empty path. Check the template or the upstream task that should have given it."
        raise BikInputError(message)
    if "\n" in text or text.lstrip().startswith(("{", "[")):
        message = "events holds text that is not a path. Give mappings, or write the text to a file."
        raise BikInputError(message)
    name = text.rsplit("/", 1)[-1]
    try:
        with _open(storage_path(path)) as file:
            yield from read_lines(file, name=name, positions=positions)
    except (OSError, EOFError, zlib.error) as error:
        message = (
            f"{name} cannot be read ({type(error).__name__}). Check that the upstream task wrote it where this "
            "worker can see it; a retry is safe once it is there."
        )
        raise BikStorageError(message) from error


def _open(path: ObjectStoragePath) -> IO[bytes]:
    file = cast("IO[bytes]", path.open("rb"))  # type: ignore[no-untyped-call]
    if path.name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    return file
