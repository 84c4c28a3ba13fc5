from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_bik.sandbox import FaultPlan, Sandbox
from tests.sandbox.calls import Caller


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(required_properties={"ordered": ["orderId"]}, keep_bodies=True) as bik:
        yield bik


@pytest.fixture
def bik(shared_sandbox: Sandbox) -> Sandbox:
    """A sandbox as good as new."""
    shared_sandbox.faults = FaultPlan()
    shared_sandbox.clear()
    return shared_sandbox


@pytest.fixture
def caller(bik: Sandbox) -> Iterator[Caller]:
    made = Caller(bik)
    yield made
    made.close()
