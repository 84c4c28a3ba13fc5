"""The watermark: how far the rows of a growing table are settled, from one run to the next.

The decisions are pure. Rows come ordered by a cursor column; a row is known by the digest of all its values. What is
kept from run to run is the watermark, the bound from which the next run reads, and the digests of the rows from that
bound on that are settled, so that a row that came late is sent and one that was sent before is not.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from airflow_provider_bik.cursors import Cursor
from airflow_provider_bik.errors import BikRecordError, BikInputError, BikWatermarkMovedError
from airflow_provider_bik.events.rows import decode_value, encode_value

__all__ = ["Sieve", "Watermark", "advance", "check_unmoved", "columns_digest", "row_digest"]

VERSION = 1
DIGEST_BYTES = 8


class Watermark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state that is kept; an admin may read it, set it, or delete it to begin at ``watermark_start``.

    Attributes:
        version: Of this form.
        note: The same in words.
        watermark: The highest value that a run has passed: every row up to it that was read is settled.
        since: From here on the next run reads: the watermark less the lookback, but never past an unsettled row.
        settled: Digests of the settled rows from ``since`` on, joined, in base64.
        columns: Digest of the columns' names; rows with others have other digests.
        generation: Counts the runs that have moved it.
        owner: The run that moved it last.
        moved_at: ISO 8601.
    """

    version: int = VERSION
    note: str = ""
    watermark: Any
    since: Any
    settled: str = ""
    columns: str = ""
    generation: int = 0
    owner: str = ""
    moved_at: str = ""

    @classmethod
    def blank(cls, cursor: Cursor) -> Watermark:
        """The state before the first run."""
        start = encode_value(cursor.position(cursor.start, "watermark_start"))
        return cls(watermark=start, since=start)

    @classmethod
    def from_json(cls, value: object) -> Watermark:
        """Read what was kept.

        Raises:
            BikRecordError: It is something else. That is never treated as "none", for then all rows would be sent
                again.
        """
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            message = (
                f"The state of the watermark cannot be read ({error}). Nothing was sent. Use the version of "
                "airflow-provider-bik that wrote it, or restore it; deleting it begins again at watermark_start, which "
                "sends again what was sent."
            )
            raise BikRecordError(message) from error

    def digests(self) -> Counter[bytes]:
        """The settled rows; two rows with the same values count twice."""
        joined = base64.b64decode(self.settled)
        return Counter(joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES))


class Sieve:
    """Tells which rows of a result an earlier run has settled.

    Args:
        state: Where the query began.
        cursor: The column by which its rows are ordered.
    """

    def __init__(self, state: Watermark, cursor: Cursor) -> None:
        self._cursor = cursor
        self._settled = state.digests()
        self._rows = 0
        self._last = decode_value(state.since)

    def settled_before(self, value: object, digest: bytes) -> bool:
        """Take the next row.

        Args:
            value: Of the cursor column.
            digest: Of the row.

        Raises:
            BikInputError: The rows are not in order, or begin before the bound; or the value is null.
        """
        self._rows += 1
        position: Any = self._cursor.position(value, f"row {self._rows} of the result")
        if position < self._last:
            what = "comes before the one above it: add ORDER BY " + self._cursor.column
            if self._rows == 1:
                what = "is below the bound: does sql compare the column with the parameter watermark?"
            message = f"{self._cursor.column} of row {self._rows} of the result {what}. Mend sql; nothing was sent."
            raise BikInputError(message)
        self._last = position
        if self._settled[digest] > 0:
            self._settled[digest] -= 1
            return True
        return False


def row_digest(line: bytes) -> bytes:
    """Know an encoded row again: 64 bits, so that among a million rows two are taken for one once in 10^7 times."""
    return hashlib.blake2b(line, digest_size=DIGEST_BYTES).digest()


def columns_digest(columns: Sequence[str]) -> str:
    """Know the columns again."""
    return row_digest(msgspec.json.encode(list(columns))).hex()


def advance(
    base: Watermark,
    cursor: Cursor,
    rows: Iterable[tuple[object, bytes, bool]],
    *,
    columns: Sequence[str],
    owner: str,
    now: datetime,
) -> Watermark:
    """Where the watermark stands after a run.

    Args:
        base: Where the run's query began.
        cursor: The column by which the rows are ordered.
        rows: All rows of the result, in order: value, digest, and whether it is settled now.
        columns: The columns of the result.
        owner: Names the run.
        now: Aware.

    Returns:
        The new state; ``base`` itself if nothing has changed.
    """
    passed: Any = decode_value(base.watermark)
    since: Any = decode_value(base.since)
    kept: deque[tuple[Any, bytes]] = deque()
    group = unsettled = None
    for value, digest, is_settled in rows:
        position: Any = cursor.position(value, "a row of the spool")
        if unsettled is None and group is not None and position > group:
            passed = max(passed, group)
            # Nothing below will be read again, whatever comes.
            _forget(kept, cursor.less_lookback(passed))
        group = position
        if is_settled:
            kept.append((position, digest))
        elif unsettled is None:
            unsettled = position
    if unsettled is None and group is not None:
        passed = max(passed, group)
    bound: Any = cursor.less_lookback(passed)
    since = max(since, bound if unsettled is None else min(bound, unsettled))
    _forget(kept, since)
    moved = msgspec.structs.replace(
        base,
        watermark=encode_value(passed),
        since=encode_value(since),
        settled=base64.b64encode(b"".join(sorted(digest for _, digest in kept))).decode("ascii"),
        columns=columns_digest(columns),
        note=f"read from since on; {len(kept)} rows from there on are settled",
    )
    if group is None or (moved.watermark, moved.since, moved.settled) == (base.watermark, base.since, base.settled):
        return base
    return msgspec.structs.replace(
        moved, generation=base.generation + 1, owner=owner, moved_at=now.isoformat(timespec="seconds")
    )


def check_unmoved(found: Watermark | None, base: Watermark, *, owner: str, told: str) -> None:
    """Refuse to go on if another run has moved the watermark since this run read it.

    Args:
        found: The state as it is.
        base: The state that this run's query began from.
        owner: Names this run, whose earlier tries may have moved it.
        told: What this run has sent, for the error's text.

    Raises:
        BikWatermarkMovedError: It has been moved, or deleted.
    """
    if found is None and base.generation == 0:
        return
    if found is not None and (found == base or found.owner == owner):
        return
    by = "Somebody has deleted the watermark" if found is None else f"The run {found.owner} has moved the watermark"
    message = (
        f"{by} since this run read it. Nothing is lost: it never passes a row that is not settled. {told} Rows that "
        "both runs read may have been sent twice. Let one run of this DAG work at a time (max_active_runs=1). Do not "
        "clear this run: the next one reads what is left."
    )
    raise BikWatermarkMovedError(message)


def _forget(kept: deque[tuple[Any, bytes]], bound: Any) -> None:  # noqa: ANN401 - a `Position`, which mypy cannot compare
    while kept and kept[0][0] < bound:
        kept.popleft()
