"""A small shop in SQLite with the mess of real data. The same arguments always make the same rows."""

# ruff: noqa: PLR2004 - which row gets which mess is arbitrary
from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST_DAY = date(2025, 12, 2)
DAYS = 31
ZONE = ZoneInfo("Asia/Kolkata")
TABLES = ("customers", "carts", "orders")
"""What the daily DAG and the backfill send; the incremental one sends ``catalog_views``."""

DDL = """
CREATE TABLE customers (
    customer_id  TEXT PRIMARY KEY,
    full_name    TEXT,
    phone        TEXT,
    email        TEXT,
    source       TEXT,
    signed_up_at TEXT,
    recorded_at  TEXT NOT NULL
);
CREATE TABLE carts (
    cart_id      TEXT PRIMARY KEY,
    customer_id  TEXT REFERENCES customers,
    cart_value   NUMERIC(12, 2),
    item_count   INTEGER,
    currency     TEXT,
    url          TEXT,
    abandoned_at TEXT,
    recorded_at  TEXT NOT NULL
);
CREATE TABLE orders (
    order_id         TEXT PRIMARY KEY,
    order_name       TEXT NOT NULL,
    customer_id      TEXT REFERENCES customers,
    total            TEXT,
    currency         TEXT,
    payment_type     TEXT,
    item_count       INTEGER,
    shipping_address TEXT,
    billing_address  TEXT,
    placed_at        TEXT,
    recorded_at      TEXT NOT NULL
);
CREATE TABLE catalog_views (
    view_id    INTEGER PRIMARY KEY,
    email      TEXT,
    catalog_id TEXT NOT NULL,
    viewed_at  TEXT NOT NULL
);
CREATE INDEX customers_recorded_at ON customers (recorded_at);
CREATE INDEX carts_recorded_at ON carts (recorded_at);
CREATE INDEX orders_recorded_at ON orders (recorded_at);
"""

NAMES = (
    "Asha Rao", "Rahul Sharma", "प्रिया शर्मा", "கவிதா முருகன்", "Siobhán O'Brien", "Zoë Müller", "José Núñez",
    "李小龍", "Anjali 🌸 Iyer", "{{ ds }}", "Robert'); DROP TABLE orders;--", "{{ conn.bik_default.password }}",
    "मीरा देशपांडे", "சுரேஷ் குமார்", "فاطمة خان", "  Neha  Gupta ", "{% raw %} Kiran", "Ravi\tVerma", None,
)  # fmt: skip
STREETS = ("MG Road", "அண்ணா சாலை", "गांधी मार्ग", "Rue de l'Église", "{# Main #} Street", "Park Street")
SOURCES = ("web", "app", "instagram", "referral", None)
IMPOSSIBLE = ("1970-01-01T00:00:00.000+00:00", "1899-12-30T00:00:00.000+00:00", "2999-12-31T23:59:59.000+00:00")

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows a day gets."""

    customers: int = 65
    carts: int = 180
    orders: int = 420


def seed(path: Path, *, first_day: date = FIRST_DAY, days: int = DAYS, size: Size | None = None) -> dict[str, int]:
    """Make the shop.

    Args:
        path: The database file, which must not exist yet.
        first_day: The first calendar day that has rows.
        days: How many days have rows.
        size: How many rows a day gets.

    Returns:
        The number of rows in each table.
    """
    size = size or Size()
    dates = [first_day + timedelta(days=number) for number in range(days)]
    rng = random.Random(20260101)  # noqa: S311 - the same rows each time are the point
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executescript(DDL)
        customers = list(_customers(rng, dates, size.customers))
        shop.executemany(f"INSERT INTO customers VALUES ({_marks(7)})", customers)  # noqa: S608 - only marks
        known = [str(row[0]) for row in customers]
        shop.executemany(f"INSERT INTO carts VALUES ({_marks(8)})", _carts(rng, dates, size.carts, known))  # noqa: S608 - only marks
        shop.executemany(f"INSERT INTO orders VALUES ({_marks(11)})", _orders(rng, dates, size.orders, known))  # noqa: S608 - only marks
        return {table: shop.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # noqa: S608 - constants


def add_fresh_carts(path: Path, day: date, number: int = 30) -> None:
    """Add carts that the first, reachable customers abandoned in the evening of a day: young enough for a reminder.

    Args:
        path: The database file.
        day: A calendar day, other than those of the shop.
        number: How many carts, at most 30.
    """
    evening = datetime.combine(day, time(18), tzinfo=ZONE)
    moments = [evening + timedelta(minutes=11 * n) for n in range(number)]
    rows = [
        (
            f"CART-NEW-{n:02d}",
            f"CUST-{1 + n % 16:05d}",
            499 + 125 * n,
            1 + n % 4,
            "INR",
            None,
            _text(moment),
            _text(moment),
        )
        for n, moment in enumerate(moments)
    ]
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executemany(f"INSERT INTO carts VALUES ({_marks(8)})", rows)  # noqa: S608 - only marks


def add_views(path: Path, first: datetime, number: int, every: timedelta) -> None:
    """Add views of the catalogue.

    Args:
        path: The database file.
        first: When the first one was.
        number: How many.
        every: The time from one to the next.
    """
    rows = [(f"customer{1 + n % 16}@example.com", f"C-{n % 40}", _text(first + n * every)) for n in range(number)]
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.executemany("INSERT INTO catalog_views (email, catalog_id, viewed_at) VALUES (?, ?, ?)", rows)


def _marks(number: int) -> str:
    return ", ".join("?" * number)


def _text(moment: datetime) -> str:
    # One fixed form, so that SQLite, which has no type for times, compares them rightly as text.
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _moments(rng: random.Random, day: date, number: int) -> list[datetime]:
    """Times of one day in order, with its very first and last millisecond among them: windows must get both right."""
    start = datetime.combine(day, time.min, tzinfo=ZONE)
    last = 24 * 60 * 60 * 1000 - 1
    offsets = [0, *(int(rng.triangular(0, last, 0.8 * last)) for _ in range(number - 2)), last]
    return [start + timedelta(milliseconds=offset) for offset in sorted(offsets[:number])]


def _happened(n: int, recorded: datetime, lag: float) -> str | None:
    """The customer's own time: mostly seconds before the row, sometimes days, sometimes missing or impossible."""
    if n % 200 == 77:
        return IMPOSSIBLE[n // 200 % len(IMPOSSIBLE)]
    if n % 150 == 31:
        return None
    if n % 90 == 44:
        return _text(recorded - timedelta(days=2, hours=3))
    return _text(recorded - timedelta(seconds=lag))


def _phone(n: int) -> str | None:
    start, end = f"{90000 + n * 7 % 9999:05d}", f"{n * 7919 % 100000:05d}"
    odd = {
        8: f"{start} {end}",
        17: None,
        29: f"0{start}-{end}",
        43: None,
        44: None,
        58: f"{start} {end}",
        61: "n/a",
        71: f"0091 ({start}) {end}",
        83: f"+91-{start}-{end}",
    }
    return odd.get(n % 100, f"+91{start}{end}")


def _email(n: int) -> str | None:
    odd = {17: None, 22: "", 35: f"shop.குமார்.{n}@example.com", 52: "", 82: ""}
    return odd.get(n % 100, f"customer{n}@example.com")


def _customers(rng: random.Random, dates: list[date], number: int) -> Iterator[Row]:
    ids = count(1)
    for day in dates:
        for recorded in _moments(rng, day, number):
            n = next(ids)
            # Every so often somebody registers a second time.
            person = n - 40 if n % 120 == 90 else n
            name = NAMES[person % len(NAMES)]
            signed_up = _happened(n, recorded, rng.uniform(0, 5))
            source = rng.choice(SOURCES)
            yield f"CUST-{n:05d}", name, _phone(person), _email(person), source, signed_up, _text(recorded)


def _carts(rng: random.Random, dates: list[date], number: int, known: list[str]) -> Iterator[Row]:
    ids = count(1)
    for day in dates:
        for recorded in _moments(rng, day, number):
            n = next(ids)
            items = rng.randint(1, 9)
            value = None if n % 170 == 5 else round(items * rng.uniform(49, 1999), 2)
            currency = None if n % 60 == 12 else "INR"
            url = None if n % 3 else f"https://shop.example.com/cart/{n}?utm_source=mail&q=%7B%7B"
            abandoned = _happened(n, recorded, 1800)
            yield f"CART-{n:06d}", rng.choice(known), value, items, currency, url, abandoned, _text(recorded)


def _orders(rng: random.Random, dates: list[date], number: int, known: list[str]) -> Iterator[Row]:
    ids = count(1)
    previous: Row = ()
    for day in dates:
        for recorded in _moments(rng, day, number):
            n = next(ids)
            # A double click makes a second order of the same content, which is an event of its own.
            if previous and n % 110 == 60:
                yield f"ORD-{n:06d}", f"#{n}", *previous[2:-2], _happened(n, recorded, 1), _text(recorded)
                continue
            items = rng.randint(1, 6)
            total = None if n % 400 == 9 else f"{items * rng.uniform(99, 2999):.2f}"
            payment = "COD" if rng.random() < 0.4 else "Prepaid"
            address = f"{rng.randint(1, 400)} {STREETS[n % len(STREETS)]}, {600001 + n % 90}"
            billing = address if n % 7 else None
            placed = _happened(n, recorded, rng.uniform(0, 20))
            previous = (
                f"ORD-{n:06d}", f"#{n}", rng.choice(known), total, "INR", payment, items, address, billing, placed,
                _text(recorded),
            )  # fmt: skip
            yield previous
