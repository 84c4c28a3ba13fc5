"""How the fields of an event are named in questions to the ledger, and what that is in SQL."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_bik.sandbox.contract import ADDRESSES, IDENTITY

FilterValue = str | int | float | bool | None

_COLUMNS = {
    "pipeline": "pipeline",
    "eventName": "event_name",
    "content_hash": "lower(hex(events.content_hash))",
    "sequence": "CAST(sequence AS TEXT)",
}
_PERSONAL = {*IDENTITY, *(f"eventProperties.{name}" for name in ADDRESSES)}


def expression(field: str) -> tuple[str, list[str]]:
    """Turn a field's name into SQL that gives its value as text, with the values to bind.

    Args:
        field: A name with dots, such as ``eventProperties.currency``.

    Raises:
        ValueError: The name is empty somewhere, or has a character that no path can carry.
    """
    name = field.removeprefix("event.")
    if name in _COLUMNS:
        return _COLUMNS[name], []
    steps = name.split(".")
    if not all(steps) or any(character in name for character in '"\\\x00'):
        message = f"{field!r} is not the name of a field: names are joined by dots, as in eventProperties.orderId"
        raise ValueError(message)
    column = "personal" if name in _PERSONAL or ".".join(steps[:2]) in _PERSONAL else "event"
    path = "$" + "".join(f'."{step}"' for step in steps)
    # SQLite reads true as 1, which could not be told from the number.
    sql = (
        f"CASE json_type({column}, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
        f" ELSE CAST(json_extract({column}, ?) AS TEXT) END"
    )
    return sql, [path, path]


def condition(filters: Mapping[str, FilterValue]) -> tuple[str, list[str]]:
    """Turn filters into a SQL condition, with the values to bind.

    Args:
        filters: Values by field; an event must match all of them.

    Raises:
        ValueError: As for `expression`.
    """
    parts = ["TRUE"]
    bound: list[str] = []
    for field, value in filters.items():
        sql, paths = expression(field)
        bound += paths
        if value is None:
            parts.append(f"({sql}) IS NULL")
        else:
            parts.append(f"({sql}) = ?")
            bound.append(str(value).lower() if isinstance(value, bool) else str(value))
    return " AND ".join(parts), bound
