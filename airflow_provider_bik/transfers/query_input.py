"""The rows of a query as the input of a delivery: they go into the file of its generation first."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from airflow_provider_bik.errors import BikConfigError, BikInputChangedError
from airflow_provider_bik.events.encoder import Encoder
from airflow_provider_bik.events.item import InputEvent
from airflow_provider_bik.inputs.sql import Query, database_hook, query_digest, sql_items, stoppable
from airflow_provider_bik.state.generation_file import GenerationFile
from airflow_provider_bik.state.record import OpenGeneration
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.threads import StopSignal
from airflow_provider_bik.windows import Window

__all__ = ["QueryInput", "bound", "table_datasets"]

log = logging.getLogger(__name__)

_PARAMETER = re.compile(r"%\(\w+\)s|%s")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryInput:
    """The rows of one query.

    A slow API does not hold the database, and every try reads the same events: mapping and contract run while the query
    runs, and the file holds what will be sent.

    Args:
        sql: One statement that gives rows.
        conn_id: The Connection of the database.
        parameters: Values that the driver binds, in its own style.
        fetch_size: Rows asked of the database at a time.
        stopping: Ends the query.
    """

    sql: str
    conn_id: str
    parameters: Any
    fetch_size: int
    stopping: StopSignal

    can_trim: ClassVar[bool] = True
    grows: ClassVar[bool] = False
    needs_folder: ClassVar[bool] = True

    def open(self, generation: OpenGeneration | None, window: Window | None, encoder: Encoder) -> Iterator[InputEvent]:
        """As `airflow_provider_bik.operators.inputs.Input.open`.

        Raises:
            BikConfigError: The query is wrong.
            BikDatabaseError: The database does not give its rows.
            BikInputChangedError: An earlier try has sent from another query.
        """
        parameters = self.parameters if window is None else bound(self.parameters, self.sql, window.parameters)
        query = Query(hook=database_hook(self.conn_id), sql=self.sql, parameters=parameters, fetch_size=self.fetch_size)
        if generation is None:
            return query_events(query, encoder)
        file = generation_file(generation)
        fingerprint = query_digest(self.conn_id, self.sql, parameters, encoder.fingerprint)
        if check_fingerprint(generation, file, fingerprint):
            log.info("Reading the events from the file of an earlier try; the database is not asked again.")
        else:
            extract(file, query, query_events(query, encoder), fingerprint, self.stopping)
        generation.total = file.total
        return file.read()

    def total(self, generation: OpenGeneration | None, encoder: Encoder) -> int | None:  # noqa: ARG002 - as the protocol has it
        """As `airflow_provider_bik.operators.inputs.Input.total`: known of a file that holds the rows."""
        return None if generation is None else generation.total

    def conclude(self, generation: OpenGeneration) -> None:
        """Remove the file: it holds personal data, and nobody needs it any more."""
        generation_file(generation).remove()


def generation_file(generation: OpenGeneration) -> GenerationFile:
    """The file of a generation; its record lies in a folder, as `QueryInput.needs_folder` demands."""
    documents = generation.record.documents
    if not isinstance(documents, Folder):
        message = f"{documents} cannot hold the rows of a query."
        raise TypeError(message)
    inner = generation.generation.id
    return GenerationFile(documents.folder(inner), inner, generation.record.attempt.zone)


def check_fingerprint(generation: OpenGeneration, file: GenerationFile, fingerprint: str) -> bool:
    """Whether the file of an earlier try holds the events of this query; if not, it is to be written anew.

    Raises:
        BikInputChangedError: It holds those of another query or mapping, and some of them may have been sent.
    """
    found = file.fingerprint()
    if found is not None and found != fingerprint and generation.has_positions:
        message = (
            "sql, its parameters, the mapping, or how rows are read has changed since an earlier try, which has sent "
            "events already. Nothing was sent in this try. To go on, undo the change and clear the task. To begin anew "
            "with the change, clear the task with if_delivered='resend': every event then counts as a possible "
            "duplicate."
        )
        raise BikInputChangedError(message)
    return found == fingerprint


def extract(
    file: GenerationFile,
    query: Query,
    events: Iterator[InputEvent],
    fingerprint: str,
    stopping: StopSignal,
    end: Callable[[], bytes | None] = lambda: None,
) -> None:
    """Run the query into the file; the arguments are those of `GenerationFile.write`.

    Raises:
        BikError: See `airflow_provider_bik.errors`.
    """
    began, counted = time.monotonic(), 0

    def counting() -> Iterator[InputEvent]:
        nonlocal counted
        for counted, event in enumerate(events, start=1):  # noqa: B007 - the last number counts
            yield event

    stoppable(lambda: file.write(counting(), fingerprint, end), stopping=stopping, cancel=query.cancel)
    log.info("The query gave %d events in %.1f s.", counted, time.monotonic() - began)


def query_events(query: Query, encoder: Encoder) -> Iterator[InputEvent]:
    """The events of a query, straight from the database."""
    with contextlib.closing(query.blocks()) as blocks:
        first = next(blocks)
        encoder.check_columns(query.columns, "sql")
        yield from encoder.encode_all(sql_items(query.columns, chain([first], blocks)))


def bound(given: object, sql: str, values: Mapping[str, object]) -> dict[str, object]:
    """The parameters of a query, with those that the operator adds.

    Args:
        given: Those of the user.
        sql: Must use each of the added ones.
        values: The added ones.

    Raises:
        BikConfigError: The user's have no names, or take one of these names; or sql does not use one.
    """
    if given is not None and not isinstance(given, Mapping):
        message = f"parameters must be a mapping, for {', '.join(values)} are added by name. Nothing was sent."
        raise BikConfigError(message)
    named = dict(given or {})
    for name in values:
        if name in named:
            message = f"parameters must not have the name {name}, which the operator adds. Nothing was sent."
            raise BikConfigError(message)
        if not re.search(rf"[:$@(]{name}\b", sql):
            message = (
                f"sql does not use the parameter {name}, so it would give rows of another stretch than the one asked "
                f"for. Compare a column with :{name} or %({name})s, as the driver writes it. Nothing was sent."
            )
            raise BikConfigError(message)
    return {**named, **values}


def table_datasets(sql: str, conn_id: str) -> list[Any]:
    """The tables of a query as datasets of OpenLineage, as far as its provider and that of the database know them.

    Args:
        sql: The query.
        conn_id: The Connection of its database.
    """
    try:
        from airflow.providers.common.compat.openlineage.utils.sql import (  # noqa: PLC0415 - OpenLineage's provider alone calls this
            get_openlineage_facets_with_sql,
        )

        # Its parser knows no parameters in the style of Python's drivers.
        plain = _PARAMETER.sub("NULL", sql)
        found = get_openlineage_facets_with_sql(database_hook(conn_id), plain, conn_id, None)
    except Exception as error:  # noqa: BLE001 - whatever a database raises now, what was written is told all the same
        log.info("OpenLineage does not learn of the tables that were read (%s).", type(error).__name__)
        return []
    # Nothing else of it: the query may hold personal data.
    return list(found.inputs) if found else []
