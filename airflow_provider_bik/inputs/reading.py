"""Where events come from: mappings in memory, tables in memory, or files at any path that Airflow can open.

An input is read as a stream, in order, once for every try, and gives each item the same position every time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby, islice
from typing import Literal, TypeVar, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikInputError
from airflow_provider_bik.events.item import Item, unwrapped
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.inputs.files import check_files, read_files
from airflow_provider_bik.inputs.frames import check_no_column, frame_table, is_frame
from airflow_provider_bik.inputs.paths import files_of
from airflow_provider_bik.inputs.tables import CheckColumns, check_keys_of_first
from airflow_provider_bik.threads import in_thread

__all__ = ["CHUNK_SIZE", "SLICE_SIZE", "in_chunks", "paths_in_memory", "read_items"]

CHUNK_SIZE = 500
"""Items read at a time."""

SLICE_SIZE = 100
"""Items of a lazy sequence fetched at a time, at most."""

_T = TypeVar("_T")


def read_items(events: object, reading: Reading, check_columns: CheckColumns | None = None) -> Iterator[Item]:
    """Stream the items of an input.

    Args:
        events: A mapping (one event or row); a DataFrame of pandas or polars, or an Arrow table; a path (text or
            `ObjectStoragePath`) of a file, or a pattern of such paths; or an iterable of these, also nested once, as
            the output of a mapped upstream task is.
        reading: How files are read.
        check_columns: Takes the columns of a table, and where they stand; raises BikConfigError if one that the
            mapping uses is not there. Headers of files are checked before the first item of any file; keys of objects,
            over the first hundreds, before the first item of their file. None if there is no mapping.

    Raises:
        BikInputError: It is none of these, or a file that can never be read.
        BikConfigError: `check_columns` raised it; or a file takes an extra or a provider that is not installed.
        BikStorageError: A file cannot be read.
    """
    positions = count()
    found = {location: files_of(path) for location, path in paths_in_memory(events)}
    if sum(map(len, found.values())) > 1:
        for files in found.values():
            check_files(files, reading, check_columns)
    for kind, group in groupby(_flatten(events), key=lambda pair: _kind(pair[0])):
        if kind == "item":
            items = (unwrapped(Item(position=next(positions), location=location, raw=item)) for item, location in group)
            yield from items if check_columns is None else check_keys_of_first(items, "events", check_columns)
            continue
        for item, location in group:
            if kind == "path":
                files = found.get(location) or files_of(cast("str | ObjectStoragePath", item))
                yield from read_files(files, positions, reading, check_columns)
            else:
                table = frame_table(item, f"events{location}")
                yield from table.items(positions, check_columns, f"{location} row ".lstrip())


def in_chunks(items: Iterator[_T], size: int = CHUNK_SIZE) -> AsyncIterator[Sequence[_T]]:
    """Read on in another thread, a few hundred items at a time.

    Slow storage must not hold up the event loop: answers would look as if they had timed out.

    Args:
        items: What is read.
        size: Items in a chunk, at most.
    """
    return in_thread(iter(lambda: list(islice(items, size)), []))


def paths_in_memory(events: object) -> Iterator[tuple[str, str | ObjectStoragePath]]:
    """The paths that are known before anything is read, with their locations; a lazy sequence is not asked for them.

    Args:
        events: What `read_items` takes.
    """
    if not isinstance(events, list | tuple):
        if _is_path(events):
            yield "", cast("str | ObjectStoragePath", events)
        return
    for index, item in enumerate(events):
        inner = item if isinstance(item, list | tuple) else [item]
        for inner_index, path in enumerate(inner):
            if _is_path(path):
                yield f"[{index}]" if inner is not item else f"[{index}][{inner_index}]", path


def _flatten(events: object) -> Iterator[tuple[object, str]]:
    if _is_path(events) or is_frame(events):
        yield events, ""
    elif isinstance(events, Mapping):
        yield events, "[0]"
    elif _is_iterable(events):
        for index, item in enumerate(_each(events)):
            # The first question is asked for its speed: nearly all items are mappings of this type.
            if type(item) is not dict and _is_iterable(item):
                for inner_index, inner in enumerate(_each(item)):
                    yield inner, f"[{index}][{inner_index}]"
            else:
                yield item, f"[{index}]"
    else:
        message = f"events is of type {type(events).__name__}. Give mappings, a DataFrame, or paths of files."
        raise BikInputError(message)


def _kind(item: object) -> Literal["path", "table", "item"]:
    if type(item) is dict:
        return "item"
    if _is_path(item):
        return "path"
    return "table" if is_frame(item) else "item"


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
    check_no_column(value)
    return (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes | Mapping | ObjectStoragePath)
        and not is_frame(value)
    )


def _is_path(value: object) -> bool:
    return isinstance(value, str | ObjectStoragePath)
