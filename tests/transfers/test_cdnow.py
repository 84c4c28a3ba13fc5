"""A public data set that nobody here made: purchases at CDNOW, 1997 and 1998, as shipped by the package lifetimes."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.events.mapping import Column, Constant, EventMapping
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import TaskInstance
from tests.transfers.conftest import Database
from tests.transfers.support import Task

PURCHASES = EventMapping(
    event_name="purchasedAProduct",
    email="email",
    created_at="bought",
    properties={
        "customerId": Column("customer", cast="string"),
        "itemPrice": Column("amount", cast="number"),
        "quantity": Column("cds", cast="number"),
        "currency": Constant("USD"),
    },
)
QUERY = (
    "SELECT customer, bought, cds, amount, 'customer' || customer || '@example.com' AS email FROM purchases ORDER BY n"
)


class Purchase(NamedTuple):
    customer: str
    bought: date
    cds: int
    amount: Decimal

    def as_row(self) -> dict[str, Any]:
        return {**self._asdict(), "email": f"customer{self.customer}@example.com"}


@pytest.fixture(scope="module")
def purchases() -> list[Purchase]:
    # Its path is asked of pip's records: to import the package takes numpy, scipy and more.
    try:
        found = distribution("lifetimes")
    except PackageNotFoundError:
        pytest.skip("the package with the data set is not installed")
    path = Path(str(found.locate_file("lifetimes/datasets/CDNOW_sample.txt")))
    rows = [line.split() for line in path.read_text().splitlines()]
    return [Purchase(row[0], date.fromisoformat(row[2]), int(row[3]), Decimal(row[4])) for row in rows]


@pytest.fixture
def loaded(postgres: Database, purchases: list[Purchase]) -> Database:
    rows = ", ".join(f"({n}, '{p.customer}', '{p.bought}', {p.cds}, {p.amount})" for n, p in enumerate(purchases))
    postgres.run("CREATE TABLE purchases (n int, customer char(5), bought date, cds int, amount numeric(10, 2))")
    postgres.run(f"INSERT INTO purchases VALUES {rows}")
    return postgres


def test_one_operator_carries_it_all_with_its_dates_and_its_sums(
    bik: Sandbox, loaded: Database, purchases: list[Purchase], tmp_path: Path
) -> None:
    report = Task(tmp_path, sql=QUERY, mapping=PURCHASES).run()
    assert len(purchases) == 6919
    assert report["confirmed"] == report["pipelines"]["migration"] == 6919
    expected = loaded.rows(
        "SELECT to_char(bought, 'YYYY-MM'), count(*), sum(amount) FROM purchases GROUP BY 1 ORDER BY 1"
    )
    assert [month for month, _, _ in expected] == [f"{1997 + n // 12}-{n % 12 + 1:02}" for n in range(18)]
    found: dict[str, list[Decimal]] = {}
    for event in sent(bik):
        assert event["isMigration"] is True
        assert event["createdAt"].endswith("T00:00:00.000Z")
        found.setdefault(event["createdAt"][:7], []).append(Decimal(str(event["eventProperties"]["itemPrice"])))
    assert [(month, len(amounts), sum(amounts)) for month, amounts in sorted(found.items())] == expected
    ledger = bik.ledger.counts("createdAt", where={"eventName": "purchasedAProduct", "pipeline": "migration"})
    days = loaded.rows("SELECT to_char(bought, 'YYYY-MM-DD'), count(*) FROM purchases GROUP BY 1")
    assert {str(day)[:10]: count for (day,), count in ledger.items()} == dict(days)


def sent(bik: Sandbox) -> Iterator[dict[str, Any]]:
    for request in bik.requests:
        yield from json.loads(request.body or b"")["events"]


def as_csv(purchases: list[Purchase], path: Path, opener: Callable[..., Any] = open) -> None:
    with opener(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, purchases[0].as_row())
        writer.writeheader()
        writer.writerows(purchase.as_row() for purchase in purchases)


def as_ndjson(purchases: list[Purchase], path: Path) -> None:
    # Decimals as text, as BigQuery exports them; a float would go out as 12.0, which is no other number than 12.
    lines = [json.dumps({**p.as_row(), "bought": p.bought.isoformat(), "amount": str(p.amount)}) for p in purchases]
    path.write_text("\n".join(lines))


def as_parquet(purchases: list[Purchase], path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - needed here only
    import pyarrow.parquet as pq  # noqa: PLC0415 - needed here only

    pq.write_table(pa.Table.from_pylist([purchase.as_row() for purchase in purchases]), path)


FILES: dict[str, Callable[[list[Purchase], Path], None]] = {
    "purchases.csv": as_csv,
    "purchases.csv.gz": lambda purchases, path: as_csv(purchases, path, gzip.open),
    "purchases.ndjson": as_ndjson,
    "purchases.parquet": as_parquet,
}


def test_the_same_rows_from_any_source_are_the_same_bytes(
    bik: Sandbox, loaded: Database, purchases: list[Purchase], tmp_path: Path
) -> None:
    Task(tmp_path, sql=QUERY, mapping=PURCHASES, sending=Sending(max_concurrency=1)).run()
    from_sql = [request.body for request in bik.requests]
    assert len(from_sql) == 70
    for name, write in FILES.items():
        write(purchases, tmp_path / name)
        bik.clear()
        operator = BikSendEventsOperator(
            task_id="send", events=str(tmp_path / name), mapping=PURCHASES, sending=Sending(max_concurrency=1)
        )
        TaskInstance().execute(operator)
        assert [request.body for request in bik.requests] == from_sql, name
