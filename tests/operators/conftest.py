from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_bik.sandbox import Sandbox
from tests.operators.support import APP_ID, KEY, SECRET, connection


@pytest.fixture
def bik(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A local BIK to which `bik_default` points."""
    with Sandbox(api_key=KEY, api_secret=SECRET, app_id=APP_ID, keep_bodies=True) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(sandbox))
        yield sandbox
