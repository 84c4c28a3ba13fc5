"""The inputs: the same made-up orders in each kind of input, the same bytes every time."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import msgspec

from benchmarks.orders import COLUMNS

__all__ = [
    "ARRAY",
    "ARROW",
    "CSV",
    "FLAT",
    "FRAME",
    "INPUTS",
    "PARQUET",
    "READ",
    "REPEATED",
    "RETRY",
    "SQL",
    "TABLE",
    "write_events",
]

FLAT = "NDJSON in BIK's form"
ARRAY = "NDJSON with an array in each event"
CSV = "CSV with a mapping"
PARQUET = "Parquet with a mapping"
ARROW = "Arrow table with a mapping"
FRAME = "pandas DataFrame with a mapping"
REPEATED = "CSV, 20 % distinct customers"
READ = "CSV, 20 % distinct customers, to be read by the libraries"
SQL = "PostgreSQL with a mapping"
RETRY = "PostgreSQL with a mapping, on a retry"

TABLE = """
CREATE TABLE IF NOT EXISTS {table} AS SELECT n AS id, 'Customer ' || n AS name, '+9198' || (10000000 + n) AS phone,
    'customer' || n || '@example.com' AS email, md5(n::text)::uuid AS product,
    (n % 100000 / 100.0)::numeric(10, 2) AS total,
    n % 5 AS quantity, n % 7 = 0 AS first, timestamptz '2024-01-01' + n * interval '10 seconds' AS placed_at
FROM generate_series(1, {rows}) AS n;
"""
"""The table of `SQL`, whose rows take every type that JSON lacks and a warehouse has."""

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_CATEGORIES = ("shoes", "books", "garden", "kitchen", "toys")


def write_events(kind: str, directory: Path, number: int) -> Path:
    """Write a file of events, unless it is there already.

    Args:
        kind: The kind of input.
        directory: Where.
        number: Events in it, about 350 bytes each.

    Returns:
        Its path; of a query, where a file would be, whose stem is the name of the table.
    """
    suffix, write = INPUTS[kind]
    path = directory / f"orders_{number}{suffix}"
    if not path.exists():
        write(path, number)
    return path


def _write_flat(path: Path, number: int) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.writelines(encode(event) + b"\n" for event in _events(number))


def _write_arrays(path: Path, number: int) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for index, event in enumerate(_events(number)):
            changed = {**event["eventProperties"], "sizes": [index % 7, index % 11]}  # type: ignore[dict-item]
            file.write(encode({**event, "eventProperties": changed}) + b"\n")


def _write_csv(path: Path, number: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((*row[:8], _milliseconds(row[8])) for row in _rows(number))


def _write_repeated(path: Path, number: int) -> None:
    _write_customers(path, number, phone="+91{0}{1}", email="customer{}@example.com")


def _write_to_be_read(path: Path, number: int) -> None:
    """The same rows as people type them: no country, a zero and a space in the number, capitals in the address."""
    _write_customers(path, number, phone="0{0} {1}", email="customer{}@Example.COM")


def _write_customers(path: Path, number: int, *, phone: str, email: str) -> None:
    rng = random.Random(number)  # noqa: S311 - the same input every time
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in _rows(number):
            customer = rng.randrange(number // 5)
            digits = f"98{10**7 + customer}"
            identity = (f"Customer {customer}", phone.format(digits[:5], digits[5:]), email.format(customer))
            writer.writerow((row[0], *identity, *row[4:8], _milliseconds(row[8])))


def _write_parquet(path: Path, number: int) -> None:
    import pyarrow as pa  # noqa: PLC0415 - it takes much memory, which is measured
    from pyarrow import parquet  # noqa: PLC0415 - as above

    rows = [(*row[:4], str(row[4]), *row[5:]) for row in _rows(number)]
    parquet.write_table(pa.table(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))), path)


def _no_file(path: Path, number: int) -> None:
    """The table is made with the database."""


INPUTS: Mapping[str, tuple[str, Callable[[Path, int], None]]] = MappingProxyType(
    {
        FLAT: (".ndjson", _write_flat),
        ARRAY: (".arrays.ndjson", _write_arrays),
        CSV: (".csv", _write_csv),
        PARQUET: (".parquet", _write_parquet),
        ARROW: (".parquet", _write_parquet),
        FRAME: (".parquet", _write_parquet),
        REPEATED: (".repeated.csv", _write_repeated),
        READ: (".read.csv", _write_to_be_read),
        SQL: ("", _no_file),
        RETRY: ("", _no_file),
    }
)
"""The ends of their names, and what writes them; what is in memory when a task begins is read from a file before."""


def _events(number: int) -> Iterator[dict[str, object]]:
    rng = random.Random(number)  # noqa: S311 - the same input every time
    for index in range(number):
        customer = rng.randrange(10**6)
        moment = _FIRST + timedelta(milliseconds=rng.randrange(10**10))
        yield {
            "name": f"Customer {customer}",
            "phoneNumber": f"+9198{10**7 + customer}",
            "email": f"customer{customer}@example.com",
            "eventName": "orderCompleted",
            "eventProperties": {
                "orderId": f"order-{index:08}",
                "productId": f"sku-{rng.randrange(10**5):05}",
                "category": rng.choice(_CATEGORIES),
                "itemPrice": rng.randrange(100, 10**6) / 100,
                "quantity": rng.randrange(1, 6),
                "currency": "INR",
                "firstOrder": customer % 5 == 0,
            },
            "createdAt": _milliseconds(moment),
        }


def _rows(number: int) -> Iterator[tuple[int, str, str, str, UUID, Decimal, int, bool, datetime]]:
    """As the table has them."""
    rng = random.Random(number)  # noqa: S311 - the same input every time
    for n in range(1, number + 1):
        product, total = UUID(int=rng.getrandbits(128)), Decimal(n % 100_000) / 100
        email, phone = f"customer{n}@example.com", f"+9198{10**7 + n}"
        placed_at = _FIRST + n * timedelta(seconds=10)
        yield n, f"Customer {n}", phone, email, product, total.quantize(Decimal("0.01")), n % 5, n % 7 == 0, placed_at


def _milliseconds(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
