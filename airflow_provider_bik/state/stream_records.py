"""Reads what the records of streams tell, for an overview; it writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from airflow_provider_bik.errors import BikError
from airflow_provider_bik.state.coverage import BETWEEN, GROWING, WHOLE, time_in, window_in
from airflow_provider_bik.state.overview import Run, StreamRecords, WindowCounts, zone_of
from airflow_provider_bik.state.record import Attempt, DeliveryRecord, Generation, Record
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.threads import call_in_thread
from airflow_provider_bik.windows import Window, zone_named

__all__ = ["STREAMS", "read_streams"]

STREAMS = "streams"
"""The folder of all streams below a state path."""

AT_ONCE = 8
"""Records that are read at the same time."""

_LIKELY = ("Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Los_Angeles")
"""Zones that are tried first where windows are named with the offsets of summer and winter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One folder of a stream: what its record tells, and what its name says."""

    stream: str
    run: Run
    offsets: Sequence[tuple[datetime, timedelta]] = ()


def read_streams(state: Folder, *, zone: tzinfo | None = None) -> list[StreamRecords]:
    """Read the records of all streams below a state path.

    Args:
        state: The folder that ``state_path`` names.
        zone: In which days are told; by default that in which a stream's windows are named.

    Raises:
        BikStorageError: The folder, or that of a stream, cannot be listed. What is wrong with one record stands in its
            `Run`.
    """
    folder = state.folder(STREAMS)
    return [found for name in folder.names() if (found := _stream(folder.folder(name), name, zone)) is not None]


def _stream(folder: Folder, name: str, zone: tzinfo | None) -> StreamRecords | None:
    windows = [each for each in folder.names() if window_in(each) or each in {WHOLE, GROWING}]
    if not windows:
        return None
    read = asyncio.run(_read_all(folder, windows))
    names = (each.stream for each in read if each.stream)
    offsets = [offset for each in read for offset in each.offsets]
    return StreamRecords(
        name=next(names, name),
        runs=[each.run for each in read],
        zone=zone or zone_of(offsets, _zones()),
    )


async def _read_all(folder: Folder, names: Iterable[str]) -> list[_Read]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(name: str) -> _Read:
        async with gate:
            return await call_in_thread(partial(_read, folder.folder(name), name))

    return await asyncio.gather(*map(read, names))


def _read(folder: Folder, name: str) -> _Read:
    window = window_in(name)
    offsets = list(_offsets(name))
    # Whoever only looks has no try of his own.
    record = DeliveryRecord(folder, name, Attempt(run="", clears=(), now=datetime.now(UTC)))
    try:
        found = record.find()
        run = _lost(window) if found is None else _run(record, found.current, window)
    except BikError as error:
        return _Read(
            stream="", run=Run(window=window, is_delivered=False, problem=type(error).__name__), offsets=offsets
        )
    return _Read(stream="" if found is None else _stream_name(found), run=run, offsets=offsets)


def _run(record: DeliveryRecord, current: Generation, window: Window | None) -> Run:
    is_delivered = current.state == "delivered"
    return Run(
        window=window,
        is_delivered=is_delivered,
        counts=_ended(current) if is_delivered else _so_far(record, current),
        by=current.run,
        at=current.ended_at or current.began_at,
    )


def _lost(window: Window | None) -> Run:
    return Run(window=window, is_delivered=False, problem="its record is gone")


def _ended(current: Generation) -> WindowCounts:
    return WindowCounts(**{name: current.counts.get(name, 0) for name in WindowCounts.__slots__})


def _so_far(record: DeliveryRecord, current: Generation) -> WindowCounts:
    counts = record.checkpoint_of(current).counts
    return WindowCounts(
        confirmed=counts.passed,
        rejected=counts.rejected,
        skipped=counts.skipped,
        possible_duplicates=len(counts.possible_duplicates),
    )


def _stream_name(record: Record) -> str:
    """The name as the user gave it; that of the folder may be changed so that any storage takes it."""
    return record.delivery.removeprefix("stream ").rpartition(", window ")[0] or record.delivery.removeprefix("stream ")


def _offsets(name: str) -> Iterator[tuple[datetime, timedelta]]:
    """Both ends of a window, each with the offset from UTC that the folder's name gives it."""
    for moment in map(time_in, name.split(BETWEEN)):
        offset = None if moment is None else moment.utcoffset()
        if moment is not None and offset is not None:
            yield moment, offset


def _zones() -> Iterator[tzinfo]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - it looks for the names of all zones, which is rare

    yield from map(zone_named, _LIKELY)
    yield from map(zone_named, sorted(available_timezones()))
