"""The stores of the model: a disk of each worker, objects in memory, and objects on a real S3 server."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from tests.state.stories import LocalDisks, MemoryDisks, Objects
from tests.versions import attach


@pytest.fixture(scope="session")
def shop() -> Iterator[Path]:
    """A directory for the shop's files."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of stories say little worth keeping."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session")
def local() -> Iterator[LocalDisks]:
    with tempfile.TemporaryDirectory() as directory:
        yield LocalDisks(Path(directory))


@pytest.fixture(scope="session")
def memory() -> MemoryDisks:
    attach(MemoryFileSystem())
    return MemoryDisks("memory://model")


@pytest.fixture(scope="session")
def objects(request: pytest.FixtureRequest) -> Objects:
    for name in ("moto", "s3fs"):
        pytest.importorskip(name, reason=f"the S3 server needs {name}")
    return Objects(request.getfixturevalue("s3_server").path("model"))


@pytest.fixture
def disks(request: pytest.FixtureRequest) -> Any:
    """The store that a test is parametrised with."""
    return request.getfixturevalue(request.param)
