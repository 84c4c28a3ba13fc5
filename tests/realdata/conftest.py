from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import APP_ID, KEY, SECRET, connection
from tests.realdata.support import Shop


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID, keep_bodies=True) as sandbox:
        yield sandbox


@pytest.fixture
def bik(_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A local BIK to which `bik_default` points."""
    _sandbox.clear()
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(_sandbox))
    return _sandbox


@pytest.fixture
def shop(bik: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Shop:
    """A shop with its exports."""
    return Shop(bik=bik, directory=tmp_path, log=caplog)
