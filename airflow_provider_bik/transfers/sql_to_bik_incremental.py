"""`SqlToBikIncrementalOperator`: the new rows of a growing table into BIK, run after run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_bik.errors import BikConfigError, BikRecordError
from airflow_provider_bik.events.encoder import Encoder
from airflow_provider_bik.events.item import InputEvent
from airflow_provider_bik.inputs.sql import Query, database_hook, query_digest, sql_items
from airflow_provider_bik.state.generation_file import GenerationFile
from airflow_provider_bik.state.record import OpenGeneration
from airflow_provider_bik.transfers.query_input import (
    QueryInput,
    bound,
    check_fingerprint,
    extract,
    generation_file,
)
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from airflow_provider_bik.transfers.watermark import Reached, SeenRowFilter, WatermarkColumn, WatermarkValue
from airflow_provider_bik.windows import Window

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["IncrementalInput", "SqlToBikIncrementalOperator"]


class SqlToBikIncrementalOperator(SqlToBikOperator):
    """Send the rows that a table has gained since the last run, by a column that grows.

    The rows from the watermark on are one generation of the stream's record. The watermark moves when every one of them
    has its outcome; until then no new generation begins: a run that finds the last one open ends it first.

    Args:
        watermark_column: Column by which the rows grow, such as an id or the time of the last change. No nulls.
        start: Where the first run begins: a number, date, datetime or text, of the column's kind.
        lookback: How far behind the watermark late rows are looked for: a timedelta, or a number for a column of
            numbers. Rows that were delivered before are known and not sent again.
        kwargs: Those of `SqlToBikOperator`, except for ``window`` and ``if_delivered``. ``stream`` is needed, and sql
            gets the parameter ``watermark``, for ``WHERE … >= …``.

    Returns:
        As `SqlToBikOperator` does.

    Raises:
        BikConfigError: An argument is wrong; when the DAG is parsed.
        AirflowFailException: A retry cannot help.
        AirflowException: A retry can help.
    """

    def __init__(
        self,
        *,
        watermark_column: str,
        start: WatermarkValue,
        lookback: timedelta | float | None = None,
        **kwargs: Any,
    ) -> None:
        for name in kwargs.keys() & {"window", "if_delivered"}:
            message = f"SqlToBikIncrementalOperator takes no {name}: it sends what no run has sent before."
            raise BikConfigError(message)
        super().__init__(**kwargs)
        if self.stream is None:
            message = "SqlToBikIncrementalOperator needs a stream, the name under which its runs know of each other."
            raise BikConfigError(message)
        self.watermark_column = watermark_column
        self.start = start
        self.lookback = lookback
        WatermarkColumn(name=watermark_column, start=start, lookback=lookback)

    def _input(self, context: Context) -> IncrementalInput:  # noqa: ARG002 - as in the base class
        column = WatermarkColumn(name=self.watermark_column, start=self.start, lookback=self.lookback)
        return IncrementalInput(query=self._query_input(), column=column)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalInput:
    """The rows of a query from the watermark on.

    Args:
        query: As for a delivery without a watermark.
        column: The watermark column.
    """

    query: QueryInput
    column: WatermarkColumn

    can_trim: ClassVar[bool] = False
    grows: ClassVar[bool] = True
    needs_folder: ClassVar[bool] = True

    def open(self, generation: OpenGeneration | None, window: Window | None, encoder: Encoder) -> Iterator[InputEvent]:  # noqa: ARG002 - as the protocol has it
        """As `airflow_provider_bik.operators.inputs.Input.open`.

        Raises:
            BikError: As for `QueryInput.open`.
            BikInputError: The watermark column holds what it must not.
        """
        given = self.query
        if generation is None:
            return _Rows(self, None, encoder).events()
        file = generation_file(generation)
        # Without the bound: a generation that is open goes on with what it has read.
        fingerprint = query_digest(
            given.conn_id, given.sql, given.parameters, self.column.name, self.column.start, encoder.fingerprint
        )
        if not check_fingerprint(generation, file, fingerprint):
            rows = _Rows(self, _last_delivered(generation), encoder)
            extract(file, rows.query, rows.events(), fingerprint, given.stopping, rows.reached_as_json)
        generation.total = file.total
        return _events(file, generation)

    def total(self, generation: OpenGeneration | None, encoder: Encoder) -> int | None:
        """As `QueryInput.total`."""
        return self.query.total(generation, encoder)

    def conclude(self, generation: OpenGeneration) -> None:
        """Remove the file, and what the generations before have said of how far they had come."""
        self.query.conclude(generation)
        found = generation.record.find()
        earlier = found.earlier[1:] if found else []
        generation.record.documents.remove(each.for_next for each in earlier)


def _events(file: GenerationFile, generation: OpenGeneration) -> Iterator[InputEvent]:
    """The events; at their end the generation knows how far just this reading has come."""
    yield from file.read()
    generation.for_next = file.end


class _Rows:
    """One reading of the rows from the watermark on."""

    def __init__(self, given: IncrementalInput, earlier: Reached | None, encoder: Encoder) -> None:
        column = given.column
        self._given, self._earlier, self._encoder = given, earlier, encoder
        self._since = column.since(earlier)
        query = given.query
        parameters = bound(query.parameters, query.sql, {"watermark": self._since})
        hook = database_hook(query.conn_id)
        self.query = Query(hook=hook, sql=query.sql, parameters=parameters, fetch_size=query.fetch_size)
        self._filter: SeenRowFilter | None = None

    def reached(self) -> Reached:
        """How far this reading has come, or the one before if there was nothing new."""
        found = self._filter.reached() if self._filter else None
        return found or self._earlier or Reached.of(self._given.column.name, self._since, self._since, [], [])

    def reached_as_json(self) -> bytes:
        """The same, to be kept with the rows."""
        return msgspec.json.encode(self.reached())

    def events(self) -> Iterator[InputEvent]:
        """The new rows as events."""
        blocks = self.query.blocks()
        try:
            first = next(blocks)
            columns = self.query.columns
            self._encoder.check_columns(columns, "sql")
            self._filter = seen = SeenRowFilter(self._given.column, columns, self._since, self._earlier)

            def new_rows() -> Iterator[Sequence[Sequence[object]]]:
                yield [row for row in first if seen.is_new(row)]
                for block in blocks:
                    yield [row for row in block if seen.is_new(row)]

            yield from self._encoder.encode_all(sql_items(columns, new_rows()))
        finally:
            blocks.close()


def _last_delivered(generation: OpenGeneration) -> Reached | None:
    """How far the last generation came that was delivered; None before the first.

    Raises:
        BikRecordError: There was one, and it does not say.
    """
    record = generation.record.find()
    delivered = [each for each in (record.earlier if record else ()) if each.state == "delivered"]
    if not delivered:
        return None
    name, documents = delivered[0].for_next, generation.record.documents
    found = documents.read(name)
    if found is None:
        message = (
            f"{name} in {documents}, which says how far the last run came, is gone. Nothing was sent. Restore it; or "
            "remove the whole folder of the stream to begin at start."
        )
        raise BikRecordError(message)
    try:
        return msgspec.json.decode(found, type=Reached)
    except msgspec.DecodeError as error:
        message = f"{name} in {documents} cannot be understood. Nothing was sent. Restore it."
        raise BikRecordError(message) from error
