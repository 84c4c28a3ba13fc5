"""A fixture for the tests of your own DAGs.

Turn it on in ``conftest.py``: ``pytest_plugins = ["airflow_provider_bik.sandbox.pytest_plugin"]``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_bik.sandbox.server import Sandbox


@pytest.fixture
def bik_sandbox() -> Iterator[Sandbox]:
    """Give a fresh, empty sandbox to a test, with its default credentials and without faults."""
    with Sandbox() as sandbox:
        yield sandbox
