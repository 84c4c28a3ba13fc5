"""A row of a database as one line of JSON, and back, with the types that the driver gave.

What the contract says of a value must not depend on whether it went through a file. JSON's own types stand as they are.
Anything else is an object with one key that begins with ``$``, such as ``{"$decimal": "9.90"}``. In JSON text the bytes
``{"$`` can be nothing else, for within a text a quotation mark is escaped; so a line without them needs no look at its
values.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, cast
from uuid import UUID

import msgspec

from airflow_provider_bik.events.values import MAX_DEPTH, plain

__all__ = ["OtherValue", "decode_row", "decode_value", "encode_row", "encode_value"]

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_NESTED = frozenset({dict, list})
_MARK = b'{"$'
_DEEPEST = 4 * MAX_DEPTH
"""Objects and arrays within each other; the contract takes a quarter of it."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class OtherValue:
    """Stands for a value of a type that no event can carry: the class has its type's name, and the value is gone.

    So a row that holds one is rejected, with that name, if the event uses it, and only then.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return f"(a value of type {type(self).__name__})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherValue) and type(other).__name__ == type(self).__name__

    def __hash__(self) -> int:
        return hash(type(self).__name__)


def encode_row(values: Sequence[object]) -> bytes:
    """Write a row as a JSON array, without a line end.

    Args:
        values: As the driver gave them. The same values give the same bytes.
    """
    if _AS_THEY_ARE.issuperset(map(type, values)):
        try:
            return _encode(values if type(values) is tuple else list(values))
        except UnicodeEncodeError:
            pass
    try:
        return _encode([value if type(value) in _AS_THEY_ARE else encode_value(value) for value in values])
    except UnicodeEncodeError:
        return _encode([encode_value(value) for value in values])


def decode_row(line: bytes) -> list[object]:
    """Read what `encode_row` wrote; a memoryview comes back as bytes."""
    values = cast("list[object]", _decode(line))
    if _MARK not in line:
        return values
    return [decode_value(value) if type(value) in _NESTED else value for value in values]


def encode_value(value: object, depth: int = 0) -> object:
    """Bring one value into JSON's types, tagged where it is of another one.

    Args:
        value: Any value that a driver gives.
        depth: How many objects and arrays it stands in.
    """
    if (write := _WRITE.get(type(value))) is not None:
        return write(value)
    value = plain(value)
    match value:
        case bool() | None:
            return value
        case Enum(value=inner):
            return encode_value(inner, depth)
        case Mapping() | list() | tuple() if depth < _DEEPEST:
            return _container(value, depth + 1)
        case _:
            # A class of its own that is one of these, as pandas' timestamp is a datetime.
            kinds = (write for kind, write in _WRITE.items() if isinstance(value, kind))
            return next(kinds, _nameless)(value)


def _nameless(value: object) -> object:
    return {"$other": type(value).__name__}


def _text(value: str) -> object:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"$text": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")}
    return text


def _bytes(value: bytes | bytearray | memoryview) -> object:
    return {"$bytes": base64.b64encode(value).decode("ascii")}


def _container(value: Mapping[Any, object] | list[object] | tuple[object, ...], depth: int) -> object:
    if isinstance(value, Mapping):
        # Half a surrogate pair, which has no UTF-8 form, is not printable.
        if all(type(key) is str and not key.startswith("$") and key.isprintable() for key in value):
            return {key: encode_value(item, depth) for key, item in value.items()}
        return {"$object": [[encode_value(key, depth), encode_value(item, depth)] for key, item in value.items()]}
    items = [encode_value(item, depth) for item in value]
    return items if isinstance(value, list) else {"$tuple": items}


def decode_value(value: object) -> object:
    """Read what `encode_value` gave."""
    if isinstance(value, list):
        return [decode_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    # Only a tagged value begins with such a key.
    tag = next(iter(value), "")
    if (read := _READ.get(tag)) is not None:
        return read(value[tag])
    return {key: decode_value(item) for key, item in value.items()}


@cache
def _other(name: str) -> OtherValue:
    kind = type(name, (OtherValue,), {"__slots__": ()})
    return cast("OtherValue", kind())


_WRITE: Mapping[type, Callable[[Any], object]] = {
    str: _text,
    Decimal: lambda value: {"$decimal": str(value)},
    datetime: lambda value: {"$datetime": value.isoformat()},
    date: lambda value: {"$date": value.isoformat()},
    time: lambda value: {"$time": value.isoformat()},
    timedelta: lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    UUID: lambda value: {"$uuid": value.hex},
    float: lambda value: float(value) if math.isfinite(value) else {"$float": repr(float(value))},
    int: int,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    **dict.fromkeys((IPv4Address, IPv6Address, IPv4Network, IPv6Network), str),
}
"""How a type is written; a datetime is a date, too, so it stands first. A truth value never gets here."""

_READ: Mapping[str, Callable[[Any], object]] = {
    "$float": float,
    "$text": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
    "$decimal": Decimal,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda parts: timedelta(*parts),
    "$uuid": UUID,
    "$bytes": base64.b64decode,
    "$object": lambda pairs: {decode_value(key): decode_value(item) for key, item in pairs},
    "$tuple": lambda items: tuple(decode_value(item) for item in items),
    "$other": _other,
}
