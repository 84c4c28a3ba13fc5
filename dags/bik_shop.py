"""What both DAGs know about the shop: its days, its tables, and where files lie. Change this file for your own shop.

The three queries are the mapping: their column aliases are BIK's field names, and every column that is not a field of
the event itself becomes one of its `eventProperties`.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

from airflow_provider_bik.windows import first_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_bik.windows import Window

TIMEZONE = "Asia/Kolkata"
"""Whose calendar days are meant. The schedule, the windows and the dates in the form all follow it."""

FIRST_DAY = date(2026, 1, 1)
"""The cut-over: the daily DAG sends this day and every later one, the backfill sends the days before it."""

STAGING = os.environ.get("BIK_STAGING", f"file://{os.environ.get('AIRFLOW_HOME', Path.home() / 'airflow')}/bik")
"""Where files wait between two tasks. With more than one worker this must be storage that all of them reach, such as
`s3://aws_default@bucket/bik`. The files hold personal data: keep others out, and let them expire after some weeks."""

# The window is taken from recorded_at, which the database sets when it stores the row. The customer's own time may be
# missing, wrong, or days older than the row, and a row that no window selects would never be sent.
CUSTOMERS = """
SELECT c.full_name AS "name", c.phone AS "phoneNumber", c.email AS "email",
       'customerCreated' AS "eventName", COALESCE(c.signed_up_at, c.recorded_at) AS "createdAt",
       c.customer_id AS "customerId", c.source AS "customerSource"
FROM customers AS c
WHERE c.recorded_at >= ? AND c.recorded_at < ?
ORDER BY c.recorded_at, c.customer_id
"""

CARTS = """
SELECT c.full_name AS "name", c.phone AS "phoneNumber", c.email AS "email",
       'abandonedCartCreated' AS "eventName", COALESCE(k.abandoned_at, k.recorded_at) AS "createdAt",
       k.cart_id AS "cartId", k.customer_id AS "customerId", k.cart_value AS "cartValue",
       k.item_count AS "totalNumberOfItems", k.currency AS "currency", k.url AS "url"
FROM carts AS k LEFT JOIN customers AS c ON c.customer_id = k.customer_id
WHERE k.recorded_at >= ? AND k.recorded_at < ?
ORDER BY k.recorded_at, k.cart_id
"""

ORDERS = """
SELECT c.full_name AS "name", c.phone AS "phoneNumber", c.email AS "email",
       'ordered' AS "eventName", COALESCE(o.placed_at, o.recorded_at) AS "createdAt",
       o.order_id AS "orderId", o.order_name AS "orderName", o.customer_id AS "customerId",
       CAST(o.total AS TEXT) AS "orderValue", o.currency AS "currency", o.payment_type AS "type",
       o.item_count AS "totalNumberOfItems", COALESCE(o.placed_at, o.recorded_at) AS "orderDate",
       o.shipping_address AS "shippingAddress", o.billing_address AS "billingAddress"
FROM orders AS o LEFT JOIN customers AS c ON c.customer_id = o.customer_id
WHERE o.recorded_at >= ? AND o.recorded_at < ?
ORDER BY o.recorded_at, o.order_id
"""

EVENT_FIELDS = ("name", "phoneNumber", "email", "eventName", "createdAt")

Event = dict[str, object]


def read_events(query: str, between: Window) -> Iterator[Event]:
    """Run one of the queries for a window and yield an event per row. Works with any DbApiHook."""
    hook = BaseHook.get_connection("shop_db").get_hook()  # type: ignore[no-untyped-call]
    # Drivers differ in how they mark a bound value: ? or %s.
    marked = query.replace("?", hook.placeholder)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(marked, (between["start"], between["end"]))
        columns = [column[0] for column in cursor.description]
        for row in cursor:
            yield to_event(dict(zip(columns, map(plain, row), strict=True)))


def to_event(row: Event) -> Event:
    """Sort the columns of a row into the event's own fields and its properties."""
    event = {field: row.pop(field) for field in EVENT_FIELDS}
    return {**event, "eventProperties": row}


def plain(value: object) -> object:
    """Bring a database value to what JSON can hold."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def staging_file(kind: str, between: Window, run_id: str, map_index: str = "") -> ObjectStoragePath:
    """Where one task instance writes. A retry gets the same name, another run or map index gets another one."""
    # A run id may be chosen freely when a run is triggered, so it must not become part of a path as it is.
    run = hashlib.sha256(f"{run_id}/{map_index}".encode()).hexdigest()[:12]
    return ObjectStoragePath(f"{STAGING}/{kind}_{first_day(between, timezone=TIMEZONE)}_{run}.ndjson")


def write_ndjson(target: ObjectStoragePath, events: Iterable[Event]) -> str:
    """Write one event a line and return the path. The file appears when it is complete, over an earlier one."""
    lines = (json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    if target.protocol != "file":
        # An object store shows an object only once it is closed.
        with target.open("w", encoding="utf-8") as stream:  # type: ignore[no-untyped-call]
            stream.writelines(lines)
        return str(target)
    final = Path(target.path)
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.writelines(lines)
    part.replace(final)
    return str(target)
