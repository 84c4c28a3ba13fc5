"""What every contestant knows of the orders and of BIK, with the standard library alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["BATCH", "COLUMNS", "KEY", "QUERY", "SECRET", "SEND_EVENT", "SEND_EVENTS", "check_answer", "event_of"]

BATCH = 100
"""Events a request, for all but the contestant that sends them one by one."""

SEND_EVENT = "/integrations/bikPlatformFunctions-events/sendEvent"
SEND_EVENTS = "/integrations/bikPlatformFunctions-events/sendEvents"
KEY, SECRET = "key-of-the-benchmark", "secret-of-the-benchmark"

COLUMNS = ("id", "name", "phone", "email", "product", "total", "quantity", "first", "placed_at")

QUERY = f"SELECT {', '.join(COLUMNS)} FROM {{table}} ORDER BY id"  # noqa: S608 - our own names


def event_of(row: Any) -> dict[str, Any]:  # noqa: ANN401 - as each library gives them
    """The event of a row with the values of `COLUMNS`."""
    order, name, phone, email, product, total, quantity, first, placed_at = row
    return {
        "eventName": "orderCompleted",
        "name": name,
        "phoneNumber": phone,
        "email": email,
        "createdAt": placed_at,
        "eventProperties": {
            "orderId": order,
            "productId": product,
            "total": total,
            "quantity": quantity,
            "first": first,
        },
    }


def check_answer(answer: Mapping[str, object]) -> None:
    """Raise RuntimeError if BIK's answer to a request does not say that all is well."""
    if answer.get("status") != 200:  # noqa: PLR2004 - BIK's word for good
        message = f"the server answered {answer!r}"
        raise RuntimeError(message)
