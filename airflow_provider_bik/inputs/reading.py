"""Where events come from: mappings in memory, or files at any path that Airflow's object storage can open.

A source is read as a stream, in order, once for every try, and gives each item the same position every time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.events.inputs import InputEvent
from airflow_provider_bik.inputs.files import read_files
from airflow_provider_bik.inputs.formats import format_named
from airflow_provider_bik.inputs.ndjson import input_event
from airflow_provider_bik.threads import in_thread

__all__ = ["CHUNK_SIZE", "SLICE_SIZE", "in_chunks", "read_events"]

CHUNK_SIZE = 500
"""Items read at a time."""

SLICE_SIZE = 100
"""Items of a lazy sequence fetched at a time, at most."""


def read_events(events: object, *, file_format: str | None = None) -> Iterator[InputEvent]:
    """Stream the items of an input.

    Args:
        events: A mapping (one event); a path (text or `ObjectStoragePath`) of a file, or a pattern of such paths; or an
            iterable of these, also nested once, as the output of a mapped upstream task is. An iterator of `InputEvent`
            is read already, and goes through as it is.
        file_format: Of all files: ``ndjson``, ``json``, ``csv``, ``tsv`` or ``parquet``; None to go by their names.

    Raises:
        BikInputError: It is none of these, or a file that can never be read.
        BikConfigError: There is no such format; or a file takes an extra or a provider that is not installed.
        BikStorageError: A file cannot be read.
    """
    positions, known_format = count(), format_named(file_format)
    for item, place in _flatten(events):
        if isinstance(item, InputEvent):
            yield item
        elif _is_path(item):
            yield from read_files(cast("str | ObjectStoragePath", item), positions, known_format)
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
        for index, item in enumerate(_each(events)):
            if _is_iterable(item):
                for inner_index, inner in enumerate(_each(item)):
                    yield inner, f"[{index}][{inner_index}]"
            else:
                yield item, f"[{index}]"
    else:
        message = f"events is of type {type(events).__name__}. Give event mappings or paths of files."
        raise BikInputError(message)


def _each(items: object) -> Iterator[object]:
    """Iterate once.

    The lazy sequence of a mapped task makes a call to Airflow's API for each item, but also one for each slice. Slices
    grow and shrink with what the items hold, so that large ones do not pile up in memory.
    """
    if not isinstance(items, Sequence) or isinstance(items, list | tuple | deque):
        yield from cast("Iterable[object]", items)
        return
    start, wanted = 0, 1
    while taken := items[start : start + wanted]:
        yield from taken
        start += len(taken)
        held = sum(len(item) if isinstance(item, list | tuple) else 1 for item in taken)
        wanted = min(SLICE_SIZE, max(1, SLICE_SIZE * len(taken) // max(1, held)))


def _is_iterable(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | ObjectStoragePath)


def _is_path(value: object) -> bool:
    return isinstance(value, str | ObjectStoragePath)
