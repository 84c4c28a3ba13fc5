"""`SqlToBikOperator`: the rows of a query into BIK."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_bik.delivery import Checkpoint, DeliverySettings, ReportDict
from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.rows import encode_row
from airflow_provider_bik.hooks.bik import BikHook
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.task_instance import instance_name
from airflow_provider_bik.sources.sql import Query
from airflow_provider_bik.spool import Spool, SpoolHeader
from airflow_provider_bik.transfers.extraction import database_hook, input_events, query_digest, stoppable

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["SqlToBikOperator"]


class SqlToBikOperator(BikSendEventsOperator):
    """Send the rows of a query to BIK, as `BikSendEventsOperator` sends events.

    The result goes into a file first, the spool: a slow API does not hold the database, and every try reads the same
    rows. What the query gives is neither logged nor stored by Airflow.

    Args:
        sql: One statement that gives rows, or the name of a ``.sql`` file. (template)
        conn_id: The Connection of the database; any whose hook is a `DbApiHook`. (template)
        spool_path: Directory, at any object storage that all workers reach, for the spool. It holds personal data, is
            removed after success, and kept after a failure, for the retry. (template)
        parameters: Values that the driver binds, in its own style. (template)
        fetch_size: Rows asked of the database at a time.
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
        **kwargs: Any,
    ) -> None:
        for name in ("events", "file_format"):
            if name in kwargs:
                message = f"SqlToBikOperator takes no {name}: its events are the rows of sql."
                raise BikConfigError(message)
        super().__init__(events=(), **kwargs)
        self.sql = sql
        self.conn_id = conn_id
        self.spool_path = spool_path
        self.parameters = parameters
        self.fetch_size = fetch_size
        if isinstance(fetch_size, bool) or not isinstance(fetch_size, int) or fetch_size < 1:
            message = "fetch_size must be a whole number from 1. Mend the operator's arguments; nothing was sent."
            raise BikConfigError(message)

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
        return Spool(str(self.spool_path), f"{instance_name(context)}{'.dry' if settings.dry_run else ''}")

    def _input(self, context: Context, start: Checkpoint) -> object:
        spool = self._spool(context, self._settings())
        query = query_digest(self.conn_id, self.sql, self.parameters)
        header = spool.find()
        if header is None or not self._counts(header, query, start):
            header = self._extract(spool, query, start)
        return input_events(spool, header.columns)

    def _counts(self, header: SpoolHeader, query: str, start: Checkpoint) -> bool:
        """Whether a spool is this try's input: that of the same query, and of the same delivery."""
        if header.query != query:
            self.log.warning("The spool is that of another query: sql or its parameters have changed. It is replaced.")
            return False
        # A clear after success starts over, with what the database holds by then; after a failure it goes on.
        if header.clears != start.clears and not start.digest_to:
            return False
        self.log.info("Reading the rows from the spool of an earlier try; the database is not asked again.")
        return True

    def _extract(self, spool: Spool, digest: str, start: Checkpoint) -> SpoolHeader:
        """Run the query into the spool."""
        began, counted = time.monotonic(), 0
        query = Query(
            hook=database_hook(self.conn_id), sql=self.sql, parameters=self.parameters, fetch_size=self.fetch_size
        )

        def lines(first: Sequence[Sequence[object]], blocks: Iterator[Sequence[Sequence[object]]]) -> Iterator[bytes]:
            nonlocal counted
            block = first
            while block:
                counted += len(block)
                yield from map(encode_row, block)
                block = next(blocks, ())

        def work() -> SpoolHeader:
            blocks = query.blocks()
            first = next(blocks)
            header = SpoolHeader(query=digest, columns=query.columns, clears=start.clears)
            spool.write(header, lines(first, blocks))
            return header

        header = stoppable(work, stopping=self._stopping, cancel=query.cancel)
        self.log.info(
            "%d rows of %d columns are in the spool %s after %.1f s",
            counted,
            len(header.columns),
            spool.name,
            time.monotonic() - began,
        )
        return header
