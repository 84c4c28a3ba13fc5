"""What the daily DAG and the backfill know about the shop. This is the only file that you change for your own.

Each kind of event has a query, which chooses rows, and a mapping, which says what becomes of their columns.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from typing import Any

from airflow_provider_bik.events import Column, EventMapping, Reading

TIMEZONE = "Asia/Kolkata"
"""Whose calendar days are meant. The schedule, the windows and the dates in the form all follow it."""

FIRST_DAY = date.fromisoformat(os.environ["BIK_FIRST_DAY"]) if "BIK_FIRST_DAY" in os.environ else None
"""The first day that the daily DAG sends, such as `date(2026, 1, 1)`. Until it is set, that DAG has no schedule."""

TO_BIK: dict[str, Any] = {
    # A shop always has some customers that cannot be reached, and they must not fail every night. A broken query
    # rejects far more than one in twenty, and does fail. The rejected events are kept, to be fixed.
    "max_rejected": 0.05,
    # BIK cannot recognise an event that it has: what was delivered, by whatever run, is left out.
    "if_delivered": "trim",
    "reading": Reading(timezone=TIMEZONE, default_region="IN"),
}
"""Arguments of every operator that sends. Where records are kept is an option of Airflow: `[bik] state_path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event: which rows, and what becomes of them."""

    sql: str
    mapping: EventMapping


CUSTOMER: dict[str, Any] = {"name": "full_name", "phone_number": "phone", "email": "email"}
"""The columns that say whose event it is; the queries give them the same names for each kind."""

# The window is taken from recorded_at, which the database sets when it stores the row. The customer's own time may be
# missing, wrong, or days older than the row, and a row that no window selects would never be sent.
# `:start` is how SQLite binds a value; with PostgreSQL write `%(start)s`.
CUSTOMERS = Kind(
    sql="""
        SELECT *, COALESCE(signed_up_at, recorded_at) AS happened_at
        FROM customers
        WHERE recorded_at >= :start AND recorded_at < :end
        ORDER BY recorded_at, customer_id
    """,
    mapping=EventMapping(
        event_name="customerCreated",
        **CUSTOMER,
        created_at="happened_at",
        properties={"customerId": "customer_id", "customerSource": "source"},
    ),
)

CARTS = Kind(
    sql="""
        SELECT k.*, c.full_name, c.phone, c.email, COALESCE(k.abandoned_at, k.recorded_at) AS happened_at
        FROM carts AS k LEFT JOIN customers AS c ON c.customer_id = k.customer_id
        WHERE k.recorded_at >= :start AND k.recorded_at < :end
        ORDER BY k.recorded_at, k.cart_id
    """,
    mapping=EventMapping(
        event_name="abandonedCartCreated",
        **CUSTOMER,
        created_at="happened_at",
        properties={
            "cartId": "cart_id",
            "customerId": "customer_id",
            "cartValue": "cart_value",
            "totalNumberOfItems": "item_count",
            "currency": "currency",
            "url": "url",
        },
    ),
)

ORDERS = Kind(
    sql="""
        SELECT o.*, c.full_name, c.phone, c.email, COALESCE(o.placed_at, o.recorded_at) AS happened_at
        FROM orders AS o LEFT JOIN customers AS c ON c.customer_id = o.customer_id
        WHERE o.recorded_at >= :start AND o.recorded_at < :end
        ORDER BY o.recorded_at, o.order_id
    """,
    mapping=EventMapping(
        event_name="ordered",
        **CUSTOMER,
        created_at="happened_at",
        properties={
            "orderId": "order_id",
            "orderName": "order_name",
            "customerId": "customer_id",
            # BIK's sample has it as text.
            "orderValue": Column("total", cast="string"),
            "currency": "currency",
            "type": "payment_type",
            "totalNumberOfItems": "item_count",
            "orderDate": "happened_at",
            "shippingAddress": "shipping_address",
            "billingAddress": "billing_address",
        },
    ),
)

KINDS = {"customers": CUSTOMERS, "carts": CARTS, "orders": ORDERS}
"""Customers first, so that BIK knows them when their carts and orders arrive."""
