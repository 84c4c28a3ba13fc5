"""Items of JSON, and those among them that an earlier delivery has written into its file of rejected events."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from airflow_provider_bik.events.item import Item
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.inputs.lines import MAX_LINE_BYTES

__all__ = ["REJECTED_KEY", "decode_object", "item_of", "item_of_text"]

REJECTED_KEY = "bik_rejected"
"""An object with this key, and either ``event`` or ``row``, is a rejected event; the value is the form's version."""

_VERSION = 1
_KEY_IN_TEXT = f'"{REJECTED_KEY}"'.encode()
_KEPT_OF_A_LONG_TEXT = 1000

_decode = msgspec.json.Decoder().decode


def item_of(raw: object, position: int, location: str) -> Item:
    """Take an item as it is; of a rejected event, the event or the row that it holds.

    Args:
        raw: What was read.
        position: Of the item in the whole input.
        location: Where a person finds it.
    """
    if not isinstance(raw, Mapping) or not _is_rejected(raw):
        return Item(position=position, location=location, raw=raw)
    attempts = raw.get("attempts")
    is_row = "event" not in raw
    return Item(
        position=position,
        location=location,
        raw=raw["row" if is_row else "event"],
        attempts=attempts if type(attempts) is int else 0,
        is_row=is_row,
    )


def item_of_text(text: bytes, position: int, location: str) -> Item:
    """Take the JSON text of an item, not decoded if it can stay so.

    Args:
        text: What is not JSON, or no object, is found out when it is decoded.
        position: As for `item_of`.
        location: As for `item_of`.
    """
    if len(text) > MAX_LINE_BYTES:
        problem = Rejection(reason=Reason.UNPARSABLE, detail=f"longer than {MAX_LINE_BYTES} bytes")
        kept = text[:_KEPT_OF_A_LONG_TEXT].decode("utf-8", "backslashreplace")
        return Item(position=position, location=location, raw=kept, problem=problem)
    if _KEY_IN_TEXT in text and (raw := decode_object(text)) is not None:
        return item_of(raw, position, location)
    return Item(position=position, location=location, line=text)


def decode_object(text: bytes) -> dict[str, object] | None:
    """Decode a JSON object; None if it is not one."""
    try:
        raw = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _is_rejected(raw: Mapping[object, object]) -> bool:
    """Tell by more than the key, which a table may have as a column."""
    version = raw.get(REJECTED_KEY)
    return type(version) is int and version == _VERSION and ("event" in raw) is not ("row" in raw)
