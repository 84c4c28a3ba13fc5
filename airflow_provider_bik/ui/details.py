"""What a record says of a delivery beyond Airflow's database: counts, and of rejected events all but the events.

Only what lies below the option ``[bik] state_path`` of the API server is read: whoever writes a DAG can name any path,
and must not be able to let the API server open it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

import msgspec

from airflow_provider_bik.delivery.answers import Answer, AnswerClass
from airflow_provider_bik.events.reasons import REASONS
from airflow_provider_bik.state.record import Attempt, DeliveryRecord
from airflow_provider_bik.state.rejected_file import PARTS, REJECTED
from airflow_provider_bik.state.storage import Folder, shown_path
from airflow_provider_bik.ui.known import Details, Sample

__all__ = ["folder_below", "read_details"]

SAMPLES = 3
"""Rejected events shown of each reason."""

MOST_FILES = 4
"""Files of rejected events that are looked into."""

MOST_BYTES = 512 * 1024
"""Bytes of each that are."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a rejected event: neither the event nor the row."""

    location: str
    reason: str
    detail: str = ""
    message: str = ""


def folder_below(root: Folder, path: str) -> Folder | None:
    """The folder that a task has named, opened by way of the root; None if it is not below it.

    Args:
        root: The state path, as the API server knows it.
        path: With or without credentials.
    """
    above, named = _bare(str(root)), _bare(shown_path(path))
    parts = named.removeprefix(f"{above}/").split("/")
    if not named.startswith(f"{above}/") or not all(parts) or {".", ".."} & set(parts):
        return None
    folder = root
    for part in parts:
        folder = folder.folder(part)
    return folder


def read_details(folder: Folder, generation: str | None) -> Details:
    """Read what a record holds.

    Args:
        folder: Of the record.
        generation: One of its generations; None for the current one.

    Raises:
        BikError: It cannot be read.
    """
    # Whoever only looks has no try of his own.
    record = DeliveryRecord(folder, str(folder), Attempt(run="", clears=(), now=datetime.now(UTC)))
    found = record.find()
    if found is None:
        return Details()
    known = {each.id: each for each in (found.current, *found.earlier)}
    chosen = known.get(generation or "", found.current)
    counts = record.checkpoint_of(chosen).counts
    files = folder.folder(chosen.id)
    names = _rejected_files(files.names())
    return Details(
        counts=counts,
        samples=_samples(files, names),
        rejected_path=f"{files}/{REJECTED if names == [REJECTED] else PARTS}" if names else None,
        delivery=found.delivery,
    )


def _bare(path: str) -> str:
    return path.removeprefix("file://").rstrip("/")


def _rejected_files(names: Sequence[str]) -> list[str]:
    if REJECTED in names:
        return [REJECTED]
    return [name for name in names if fnmatch.fnmatchcase(name, PARTS)]


def _samples(folder: Folder, names: Sequence[str]) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    for line in _lines(folder, names):
        found = samples.setdefault(line.reason, [])
        if line.reason in REASONS and len(found) < SAMPLES:
            found.append(Sample(location=line.location, detail=line.detail, message=_safe(line.message)))
    return samples


def _lines(folder: Folder, names: Sequence[str]) -> Iterator[_Line]:
    decode = msgspec.json.Decoder(_Line).decode
    for name in islice(names, MOST_FILES):
        try:
            with folder.open(name) as file:
                text = file.read(MOST_BYTES)
        except FileNotFoundError:
            continue  # the parts have just become one file
        # What comes after the last line end may be half a line.
        for line in text[: text.rfind(b"\n") + 1].splitlines():
            try:
                yield decode(line)
            except msgspec.MsgspecError:
                continue  # a person may have edited the file


def _safe(message: str) -> str:
    return Answer(means=AnswerClass.REJECTED_BY_BIK, cause="", message=message).safe_message
