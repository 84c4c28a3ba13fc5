"""Old generations go after a while: their files hold personal data. Records stay, for they hold none."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta

import msgspec
from airflow.providers.common.compat.sdk import conf

from airflow_provider_bik.state.record import GENERATION, RECORD, Record
from airflow_provider_bik.state.storage import Folder

__all__ = ["keep_days", "tidy"]

NEIGHBOURS = 20
"""Other deliveries of the same stream or task that one run looks at, chosen by chance, so that in time all are."""

_WHOLE = r"(?:input\.ndjson\.gz|checkpoint\.[0-9a-f]+\.json|rejected(?:\.[0-9a-f]+-\d+)?\.ndjson|report\.json)"

_OURS = re.compile(rf"{_WHOLE}|\.{_WHOLE}\.[\w-]+")
"""Files of this package's own naming, and what a writer of one of them that was killed leaves beside it; not the copy
that a person saves as ``rejected.ndjson.fixed``."""


def keep_days() -> int:
    """Days for which the files of a closed generation are kept: the Airflow option ``[bik] keep_days``."""
    return int(conf.getint("bik", "keep_days", fallback=30))


def tidy(folder: Folder, *, now: datetime, rng: random.Random) -> None:
    """Remove old generations of a delivery, and of a few of its neighbours.

    Args:
        folder: Of the delivery's record.
        now: Aware.
        rng: Chooses the neighbours.

    Raises:
        BikStorageError: Something cannot be read or removed.
    """
    oldest = now - timedelta(days=keep_days())
    around = folder.parent
    others = around.names()
    for name in rng.sample(others, min(NEIGHBOURS, len(others))):
        _tidy_one(around.folder(name), oldest)
    _tidy_one(folder, oldest)


def _tidy_one(folder: Folder, oldest: datetime) -> None:
    content = folder.read(RECORD)
    try:
        record = None if content is None else msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError:
        # Whoever delivers it will say so.
        return
    if record is None:
        return
    ended = {each.id: each.ended_at for each in (*record.earlier, record.current)}
    for name in folder.names():
        if (begun := GENERATION.fullmatch(name)) is None:
            continue
        # Of a generation that the record does not name any more, the name says when it began.
        closed = ended.get(name, f"{begun[1]}T00:00:00+00:00")
        if closed and datetime.fromisoformat(closed) < oldest:
            _remove(folder.folder(name))


def _remove(generation: Folder) -> None:
    names = [name for name in generation.names() if _OURS.fullmatch(name)]
    if names:
        generation.remove(names)
    generation.remove_if_empty()
