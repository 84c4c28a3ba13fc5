"""A run that reads from a watermark and moves it: between the pure decisions of `watermarks` and files or Airflow."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_bik.checkpoints import CheckpointFile, CheckpointStore, TaskState
from airflow_provider_bik.cursors import Cursor
from airflow_provider_bik.dead_letters import file_name
from airflow_provider_bik.delivery import DeliveryReport
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.rows import decode_row, decode_value, encode_row, encode_value
from airflow_provider_bik.spool import Spool, SpoolHeader
from airflow_provider_bik.storage import storage_path
from airflow_provider_bik.watermarks import Sieve, Watermark, advance, check_unmoved, columns_digest, row_digest

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["Incremental", "watermark_store"]

log = logging.getLogger(__name__)


class Incremental:
    """The watermark's part in one try.

    The look before a write is not atomic with it: neither a file nor Airflow's store compares and sets. If two runs
    write within one write's time, the later one wins, and the next run sends again what only the earlier had settled.

    Args:
        cursor: The cursor column.
        store: Where the watermark is kept.
        owner: Names the run, for all its tries.
    """

    def __init__(self, cursor: Cursor, store: CheckpointStore, owner: str) -> None:
        self._cursor, self._store, self._owner = cursor, store, owner
        self.left_out = 0

    def begin(self) -> Watermark:
        """The state from which a new query begins."""
        return self._found() or Watermark.blank(self._cursor)

    def resume(self, header: SpoolHeader) -> None:
        """A spool of an earlier try counts only if nobody else has moved the watermark since.

        Raises:
            BikWatermarkMovedError: Another run has.
        """
        self._check(_base(header), "This try has sent nothing.")

    @staticmethod
    def bound(state: Watermark) -> object:
        """The value of the parameter ``watermark``."""
        return decode_value(state.since)

    def sift(self, state: Watermark, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
        """The lines of the spool: the rows that are not settled, and a mark for each that is.

        Raises:
            BikConfigError: There is no cursor column.
            BikInputError: It is not in order, or holds nulls.
        """
        column = self._index(columns)
        if state.settled and state.columns != columns_digest(columns):
            log.warning(
                "The columns of the query have changed, so that the %d rows which earlier runs have settled behind the "
                "watermark cannot be known again. Those that the query still gives are sent a second time.",
                state.digests().total(),
            )
        sieve = Sieve(state, self._cursor)
        for row in rows:
            line = encode_row(row)
            digest = row_digest(line)
            if sieve.settled_before(row[column], digest):
                self.left_out += 1
                known = base64.b64encode(digest).decode("ascii")
                yield msgspec.json.encode({"settled": [encode_value(row[column]), known]})
            else:
                yield line

    def conclude(self, spool: Spool, header: SpoolHeader, report: DeliveryReport) -> None:
        """Move the watermark to what is settled, however the delivery ended.

        Raises:
            BikWatermarkMovedError: Another run has moved it since this run read it.
            BikStorageError: The spool cannot be read, or the state not written.
        """
        base = _base(header)
        moved = advance(
            base,
            self._cursor,
            self._outcomes(spool, header, report),
            columns=header.columns,
            owner=self._owner,
            now=datetime.now(UTC),
        )
        self._check(base, f"This run has sent {report.confirmed} rows.")
        if moved is base:
            log.info("The watermark stays where it is.")
            return
        self._store.write(msgspec.to_builtins(moved))
        log.info("The watermark has moved: %s.", moved.note)

    def _outcomes(
        self, spool: Spool, header: SpoolHeader, report: DeliveryReport
    ) -> Iterator[tuple[object, bytes, bool]]:
        column, position = self._index(header.columns), 0
        for line in spool.lines():
            if line.startswith(b"["):
                settled = position < report.read and position not in report.unresolved
                yield decode_row(line)[column], row_digest(line), settled
                position += 1
            else:
                value, known = msgspec.json.decode(line)["settled"]
                yield decode_value(value), base64.b64decode(known), True

    def _index(self, columns: Sequence[str]) -> int:
        try:
            return list(columns).index(self._cursor.column)
        except ValueError:
            message = (
                f"watermark_column {self._cursor.column!r} is not among the columns of sql: {', '.join(columns)}. "
                "Nothing was sent."
            )
            raise BikConfigError(message) from None

    def _found(self) -> Watermark | None:
        value = self._store.read()
        return None if value is None else Watermark.from_json(value)

    def _check(self, base: Watermark, told: str) -> None:
        check_unmoved(self._found(), base, owner=self._owner, told=told)


def watermark_store(context: Context, watermark_path: str | None, outlets: Sequence[Any]) -> CheckpointStore:
    """Where the watermark of a task is kept, over all its runs.

    Args:
        context: Airflow's.
        watermark_path: Directory for a file.
        outlets: Of the task; without a path, its asset's state store is used.

    Raises:
        BikConfigError: There is neither.
    """
    ti = context["ti"]
    name = file_name(ti.dag_id, ti.task_id, ti.map_index)
    if watermark_path:
        path = storage_path(watermark_path) / f"{name}.watermark.json"
        return CheckpointFile(path, what="watermark", without="begin at watermark_start, which sends all rows again")
    stores: Any = context.get("asset_state_store")
    assets = [outlet for outlet in outlets if isinstance(outlet, Asset)]
    if stores is None or len(assets) != 1:
        message = (
            "There is no place for the watermark. Give watermark_path, a directory that all workers reach; or, on "
            "Airflow 3.3 and later, one Asset among the outlets of the task. Nothing was sent."
        )
        raise BikConfigError(message)
    return TaskState(stores[assets[0]], key=f"bik_watermark_{name}")


def _base(header: SpoolHeader) -> Watermark:
    return Watermark.from_json(header.base)
