"""The columns of rows that have no header: mappings in memory, and objects of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from airflow_provider_bik.events.item import Item
from airflow_provider_bik.inputs.rejected import decode_object
from airflow_provider_bik.inputs.tables import CheckColumns

__all__ = ["check_keys_of_first"]

_FIRST = 500
"""Items whose keys are looked at."""

_FIRST_BYTES = 16 * 1024 * 1024
"""Of text that is looked at, roughly."""


def check_keys_of_first(items: Iterator[Item], where: str, check_columns: CheckColumns | None) -> Iterator[Item]:
    """Give the same items, after a check of the keys that the first hundreds of rows have together.

    A key that some rows lack is null in these, whatever their order. One that none of many rows has is a mistake.

    Args:
        items: Each is a row, unless it is known to be an event.
        where: They stand, for messages.
        check_columns: Checks the keys; None if there is no mapping.

    Raises:
        BikConfigError: The mapping needs a key that is not there.
    """
    if check_columns is None:
        return items
    return _checked(items, where, check_columns)


def _checked(items: Iterator[Item], where: str, check_columns: CheckColumns) -> Iterator[Item]:
    first, keys, size, rows = list[Item](), dict[str, None](), 0, 0
    for item in items:
        first.append(item)
        size += len(item.line or b"")
        raw = item.raw if item.line is None else decode_object(item.line)
        if item.is_row is not False and item.problem is None and isinstance(raw, Mapping):
            rows += 1
            keys.update(dict.fromkeys(key for key in raw if isinstance(key, str)))
        if len(first) == _FIRST or size > _FIRST_BYTES:
            break
    if rows:
        check_columns(list(keys), where)
    yield from chain(first, items)
