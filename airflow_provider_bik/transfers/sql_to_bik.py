"""`SqlToBikOperator`: the rows of a query into BIK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.inputs import Input
from airflow_provider_bik.transfers.query_input import QueryInput, table_datasets

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["SqlToBikOperator"]


class SqlToBikOperator(BikSendEventsOperator):
    """Send the rows of a query to BIK, as `BikSendEventsOperator` sends events.

    The events go into a file of the record first, so that a slow API does not hold the database, and every try sends
    the same events. What the query gives is neither logged nor stored by Airflow. The file is removed when all is
    delivered.

    Args:
        sql: One statement that gives rows, or the name of a ``.sql`` file. With a ``window`` it gets the parameters
            ``start`` and ``end``, ISO 8601 text in UTC, for ``WHERE … >= … AND … < …``. (template)
        conn_id: The Connection of the database; any whose hook is a ``DbApiHook``. (template)
        parameters: Values that the driver binds, in its own style; with a ``window``, by name. (template)
        fetch_size: Rows asked of the database at a time.
        kwargs: Those of `BikSendEventsOperator`, except for ``events``. A state path is needed, as an argument or as
            the Airflow option, unless it is a dry run.

    Returns:
        As `BikSendEventsOperator` does.

    Raises:
        BikConfigError: An argument is wrong; when the DAG is parsed.
        AirflowFailException: A retry cannot help.
        AirflowException: A retry can help.
    """

    template_fields: Sequence[str] = (
        "sql",
        "conn_id",
        "parameters",
        *(name for name in BikSendEventsOperator.template_fields if name != "events"),
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql", "parameters": "json"}

    def __init__(
        self,
        *,
        sql: str,
        conn_id: str,
        parameters: Mapping[str, object] | Sequence[object] | None = None,
        fetch_size: int = 5000,
        **kwargs: Any,
    ) -> None:
        if "events" in kwargs:
            message = f"{type(self).__name__} takes no events: they are the rows of sql."
            raise BikConfigError(message)
        super().__init__(events=(), **kwargs)
        self.sql = sql
        self.conn_id = conn_id
        self.parameters = parameters
        self.fetch_size = fetch_size
        if isinstance(fetch_size, bool) or not isinstance(fetch_size, int) or fetch_size < 1:
            message = "fetch_size must be a whole number from 1. Fix the operator's arguments; nothing was sent."
            raise BikConfigError(message)

    def _input(self, context: Context) -> Input:  # noqa: ARG002 - as in the base class
        return self._query_input()

    def _datasets_read(self) -> list[Any]:
        return table_datasets(self.sql, self.conn_id)

    def _query_input(self) -> QueryInput:
        if not isinstance(self.sql, str) or not self.sql.strip():
            message = "sql is empty, or no text. Give one statement that gives rows; nothing was sent."
            raise BikConfigError(message)
        return QueryInput(
            sql=self.sql,
            conn_id=self.conn_id,
            parameters=self.parameters,
            fetch_size=self.fetch_size,
            stopping=self._stopping,
        )
