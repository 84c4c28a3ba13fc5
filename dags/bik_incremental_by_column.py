"""Every hour, send the customers that the shop has gained since the last run, by the column `recorded_at`.

Use this where no window tells which rows are new. The record of the stream knows how far the last run came. With
a `lookback`, rows that come late are sent too; what was sent before is known, and left out.

Needs the connections `shop_db` (any SQL database) and `bik_default`.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import dag
from bik_shop import CUSTOMERS, TIMEZONE, TO_BIK

from airflow_provider_bik.transfers.sql_to_bik_incremental import SqlToBikIncrementalOperator

SETTINGS = {name: value for name, value in TO_BIK.items() if name != "if_delivered"}

# With a column of times give a datetime here, and a lookback. In SQLite, which has none, both are text.
START = "2026-01-01T00:00:00.000+00:00"


@dag(
    description="Sends new customers to BIK, by a watermark",
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz=TIMEZONE),
    # A run sends all that is new, so missed runs need not be made up for.
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["bik"],
    doc_md=__doc__,
)
def bik_incremental_by_column() -> None:
    """Send what is new."""
    SqlToBikIncrementalOperator(
        task_id="send_new_customers",
        conn_id="shop_db",
        sql="""
            SELECT *, COALESCE(signed_up_at, recorded_at) AS happened_at
            FROM customers
            WHERE recorded_at >= :watermark
        """,
        watermark_column="recorded_at",
        start=START,
        mapping=CUSTOMERS.mapping,
        stream="new customers",
        **SETTINGS,
    )


incremental = bik_incremental_by_column()

if __name__ == "__main__":
    incremental.test()
