"""The input: made-up events as NDJSON, the same bytes every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

__all__ = ["write_events"]

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_CATEGORIES = ("shoes", "books", "garden", "kitchen", "toys")


def write_events(path: Path, number: int) -> Path:
    """Write a file of events, unless it is there already.

    Args:
        path: The file.
        number: Events in it, about 350 bytes each.

    Returns:
        The same path.
    """
    if not path.exists():
        encode = msgspec.json.Encoder().encode
        with path.open("wb") as file:
            file.writelines(encode(event) + b"\n" for event in _events(number))
    return path


def _events(number: int) -> Iterator[dict[str, object]]:
    chance = random.Random(number)  # noqa: S311 - the same input every time
    for index in range(number):
        customer = chance.randrange(10**6)
        moment = _FIRST + timedelta(milliseconds=chance.randrange(10**10))
        yield {
            "name": f"Customer {customer}",
            "phoneNumber": f"+9198{10**7 + customer}",
            "email": f"customer{customer}@example.com",
            "eventName": "orderCompleted",
            "eventProperties": {
                "orderId": f"order-{index:08}",
                "productId": f"sku-{chance.randrange(10**5):05}",
                "category": chance.choice(_CATEGORIES),
                "itemPrice": chance.randrange(100, 10**6) / 100,
                "quantity": chance.randrange(1, 6),
                "currency": "INR",
                "firstOrder": customer % 5 == 0,
            },
            "createdAt": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
