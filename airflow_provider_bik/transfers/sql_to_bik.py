"""`SqlToBikOperator`: the rows of a query into BIK."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_bik.checkpoints import StoreJournal
from airflow_provider_bik.cursors import Position
from airflow_provider_bik.dead_letters import DeadLetters
from airflow_provider_bik.delivery import Checkpoint, DeliveryReport, DeliverySettings, ReportDict
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.events.rows import encode_row
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.arguments import delivery_settings
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.task_instance import delivery_name
from airflow_provider_bik.sources.sql import Query
from airflow_provider_bik.spool import Spool, SpoolHeader
from airflow_provider_bik.transfers.arguments import bound_parameters, check_arguments, cursor_of
from airflow_provider_bik.transfers.extraction import database_hook, input_events, query_digest, stoppable
from airflow_provider_bik.transfers.incremental import Incremental, watermark_store

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["SqlToBikOperator"]


class SqlToBikOperator(BikSendEventsOperator):
    """Send the rows of a query to BIK, as `BikSendEventsOperator` sends events.

    The result goes into a file first, the spool: a slow API does not hold the database, and every try reads the same
    rows. What the query gives is neither logged nor stored by Airflow.

    Args:
        sql: One statement that gives rows, or the name of a ``.sql`` file. (template)
        conn_id: The Connection of the database; any whose hook is a ``DbApiHook``. (template)
        spool_path: Directory, at any object storage that all workers reach, for the spool. It holds personal data, is
            removed after success, and kept after a failure, for the retry. (template)
        parameters: Values that the driver binds, in its own style. (template)
        fetch_size: Rows asked of the database at a time.
        watermark_column: Column by which the rows grow and are ordered. Each run reads from where the last one ended:
            sql gets the bound as the parameter ``watermark``, for ``WHERE … >= …``. Needs a ``dead_letter_path``, and
            takes no ``delivery_id``.
        watermark_start: Where the first run begins: a number, date, datetime or text, of the column's kind.
        watermark_lookback: How far behind the watermark late rows are looked for: a timedelta, or a number for a column
            of numbers.
        watermark_path: Directory, at any object storage, for the watermark. Without it, on Airflow 3.3 and later, it is
            kept in the state store of the one Asset among the task's outlets. (template)
        kwargs: Those of `BikSendEventsOperator`, except for ``events`` and ``file_format``.

    Returns:
        As `BikSendEventsOperator` does.

    Raises:
        BikConfigError: An argument is wrong; when the DAG is parsed.
        AirflowFailException: A retry cannot help.
        AirflowException: A retry can help.
    """

    template_fields: Sequence[str] = (
        "sql",
        "parameters",
        "conn_id",
        "spool_path",
        "watermark_path",
        *(name for name in BikSendEventsOperator.template_fields if name not in {"events", "file_format"}),
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql", "parameters": "json"}

    def __init__(
        self,
        *,
        sql: str,
        conn_id: str,
        spool_path: str,
        parameters: Mapping[str, object] | Sequence[object] | None = None,
        fetch_size: int = 5000,
        watermark_column: str | None = None,
        watermark_start: Position | None = None,
        watermark_lookback: timedelta | float | None = None,
        watermark_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        for name in kwargs.keys() & {"events", "file_format"}:
            message = f"SqlToBikOperator takes no {name}: its events are the rows of sql."
            raise BikConfigError(message)
        super().__init__(events=(), **kwargs)
        self.sql = sql
        self.conn_id = conn_id
        self.spool_path = spool_path
        self.parameters = parameters
        self.fetch_size = fetch_size
        self.watermark_column = watermark_column
        self.watermark_start = watermark_start
        self.watermark_lookback = watermark_lookback
        self.watermark_path = watermark_path
        self._header: SpoolHeader | None = None
        check_arguments(self)

    def _deliver(self, context: Context, hook: BikHook, settings: DeliverySettings) -> ReportDict:
        spool = self._spool(context, settings)
        try:
            report = super()._deliver(context, hook, settings)
        except BaseException:
            if settings.dry_run:
                spool.remove()
            raise
        spool.remove()
        return report

    def _spool(self, context: Context, settings: DeliverySettings) -> Spool:
        """A dry run has a spool of its own, so that it never takes away what a retry needs."""
        if not str(self.spool_path or "").strip():
            message = "spool_path was rendered to nothing. Give a directory that all workers reach; nothing was sent."
            raise BikConfigError(message)
        return Spool(
            str(self.spool_path), f"{delivery_name(context, self.delivery_id)}{'.dry' if settings.dry_run else ''}"
        )

    def _incremental(self, context: Context) -> Incremental | None:
        """The watermark's part, if there is one."""
        cursor = cursor_of(self)
        if cursor is None:
            return None
        if not self.dead_letter_path:
            message = "dead_letter_path was rendered to nothing, but a watermark needs it. Nothing was sent."
            raise BikConfigError(message)
        store = watermark_store(context, self.watermark_path, self.outlets)
        return Incremental(cursor, store, delivery_name(context, self.delivery_id))

    def _input(self, context: Context, start: Checkpoint) -> object:
        if not isinstance(self.sql, str) or not self.sql.strip():
            message = "sql is empty, or no text. Give one statement that gives rows; nothing was sent."
            raise BikConfigError(message)
        spool, incremental = self._spool(context, delivery_settings(self)), self._incremental(context)
        query = query_digest(self.conn_id, self.sql, self.parameters, self.watermark_column)
        series = f"{context['ti'].run_id} {start.clears}"
        header = spool.find()
        if header is not None and self._counts(header, query, series, start):
            self._check_columns(header.columns)
            if incremental is not None:
                incremental.resume(header)
        else:
            header = self._extract(spool, query, series, incremental)
        self._header = header
        return input_events(spool, header.columns)

    def _check_columns(self, columns: Sequence[str]) -> None:
        if self.mapping is not None:
            self.mapping.check_columns(columns)

    def _counts(self, header: SpoolHeader, query: str, series: str, start: Checkpoint) -> bool:
        """Whether a spool is this try's input: that of the same query, and of the same delivery."""
        if header.query != query:
            self.log.warning("The spool is that of another query: sql or its parameters have changed. It is replaced.")
            return False
        # A clear after success starts over, with what the database holds by then; after a failure it goes on.
        if header.series != series and not start.digest_to:
            return False
        self.log.info("Reading the rows from the spool of an earlier try; the database is not asked again.")
        return True

    def _extract(self, spool: Spool, digest: str, series: str, incremental: Incremental | None) -> SpoolHeader:
        """Run the query into the spool."""
        began, state, parameters, counted = time.monotonic(), None, self.parameters, 0
        if incremental is not None:
            state = incremental.begin()
            parameters = bound_parameters(self.parameters, incremental.bound(state))
        query = Query(hook=database_hook(self.conn_id), sql=self.sql, parameters=parameters, fetch_size=self.fetch_size)

        def rows(block: Sequence[Sequence[object]], blocks: Iterator[Sequence[Sequence[object]]]) -> Iterator[Any]:
            nonlocal counted
            while block:
                counted += len(block)
                yield from block
                block = next(blocks, ())

        def work() -> SpoolHeader:
            with contextlib.closing(query.blocks()) as blocks:
                result = rows(next(blocks), blocks)
                self._check_columns(query.columns)
                base = None if state is None else msgspec.to_builtins(state)
                header = SpoolHeader(query=digest, columns=query.columns, series=series, base=base)
                if incremental is None or state is None:
                    lines: Iterator[bytes] = map(encode_row, result)
                else:
                    lines = incremental.sift(state, query.columns, result)
                spool.write(header, lines)
                return header

        header = stoppable(work, stopping=self._stopping, cancel=query.cancel)
        left_out = f", {incremental.left_out} of them settled by earlier runs and left out" if incremental else ""
        self.log.info(
            "The query gave %d rows%s. They are in %s after %.1f s.",
            counted,
            left_out,
            spool.name,
            time.monotonic() - began,
        )
        return header

    def _conclude(
        self,
        context: Context,
        hook: BikHook,
        report: DeliveryReport,
        journal: StoreJournal | None,
        dead_letters: DeadLetters,
    ) -> ReportDict:
        """Move the watermark before anything says that the task is done: a kill in between must not leave it behind."""
        incremental = self._incremental(context)
        if incremental is not None and self._header is not None and not report.dry_run:
            try:
                incremental.conclude(self._spool(context, delivery_settings(self)), self._header, report)
            except BikError:
                context["ti"].xcom_push(key="report", value=report.as_dict())
                raise
        return super()._conclude(context, hook, report, journal, dead_letters)
