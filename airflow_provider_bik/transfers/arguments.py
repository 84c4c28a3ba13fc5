"""Checks of the transfers' own arguments, with errors that name the argument and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from airflow_provider_bik.cursors import Cursor, Position
from airflow_provider_bik.errors import BikConfigError

if TYPE_CHECKING:
    from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator

__all__ = ["bound_parameters", "check_arguments", "cursor_of"]


def check_arguments(operator: SqlToBikOperator) -> None:
    """Refuse what cannot work while the DAG is parsed.

    Raises:
        BikConfigError: An argument is wrong; the text names it and what it may be.
    """
    size = operator.fetch_size
    counts = isinstance(size, int) and not isinstance(size, bool) and size > 0
    _require(counts, "fetch_size must be a whole number from 1")
    if cursor_of(operator) is not None:
        kept = "watermark_column needs a dead_letter_path: a rejected row counts as settled only if it is kept"
        _require(bool(operator.dead_letter_path), kept)
        named = "delivery_id does not go with watermark_column: each of its runs delivers something else"
        _require(operator.delivery_id is None, named)
        bound_parameters(operator.parameters, None)


def cursor_of(operator: SqlToBikOperator) -> Cursor | None:
    """The cursor column that the arguments describe, if any.

    Raises:
        BikConfigError: They do not belong together.
    """
    column, start = operator.watermark_column, operator.watermark_start
    if column is None:
        for name in ("watermark_start", "watermark_lookback", "watermark_path"):
            _require(getattr(operator, name) is None, f"{name} is given without watermark_column")
        return None
    _require(start is not None, "watermark_column needs a watermark_start, where the first run begins")
    return Cursor(column=column, start=cast("Position", start), lookback=operator.watermark_lookback)


def bound_parameters(given: object, bound: object) -> dict[str, object]:
    """The parameters of a query that reads from a watermark.

    Args:
        given: Those of the user.
        bound: Where the query begins.

    Raises:
        BikConfigError: They have no names, or the name is taken.
    """
    named = given is None or isinstance(given, Mapping)
    _require(named, "parameters must be a mapping, for watermark_column adds one by the name watermark")
    parameters = dict(cast("Mapping[str, object]", given or {}))
    _require("watermark" not in parameters, "parameters must not have the name watermark, which watermark_column adds")
    return {**parameters, "watermark": bound}


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - the condition comes first, as in assert
    if not holds:
        message = f"{what}. Mend the operator's arguments; nothing was sent."
        raise BikConfigError(message)
