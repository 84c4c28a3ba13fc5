"""The plugin, which Airflow imports in every process."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_provider_bik.ui import plugin
from airflow_provider_bik.ui.plugin import BikPlugin
from tests.conftest import REPOSITORY
from tests.versions import needs_pages

GROUP = "airflow.plugins"

NEW_MODULES = """
import json, sys
import airflow.plugins_manager
from airflow.providers.common.compat.sdk import AirflowPlugin
before = set(sys.modules)
import airflow_provider_bik.ui.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_importing_it_imports_nothing_but_itself() -> None:
    done = subprocess.run([sys.executable, "-c", NEW_MODULES], check=True, capture_output=True, text=True, timeout=120)
    assert set(json.loads(done.stdout.splitlines()[-1])) <= {
        "airflow.providers.common.compat.version_compat",
        "airflow_provider_bik",
        "airflow_provider_bik.ui",
        "airflow_provider_bik.ui.plugin",
    }


def test_the_package_names_it_as_an_entry_point() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    entries = [
        importlib.metadata.EntryPoint(name=name, value=value, group=GROUP)
        for name, value in project["entry-points"][GROUP].items()
    ]
    assert [entry.load() for entry in entries] == [BikPlugin]


@needs_pages
def test_airflow_takes_it_for_a_plugin_and_its_api_can_tell_of_it() -> None:
    place = "_shared.plugins_manager.plugins_manager" if AIRFLOW_V_3_2_PLUS else "plugins_manager"
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse  # noqa: PLC0415 - Airflow 3

    assert importlib.import_module(f"airflow.{place}").is_valid_plugin(BikPlugin)
    views = [ExternalViewResponse(**view) for view in BikPlugin.external_views]  # type: ignore[arg-type]
    assert {view.destination for view in views} == {"task_instance", "dag_run", "nav"}
    assert len({view.url_route for view in views}) == len(views)


@needs_pages
def test_its_addresses_are_relative_so_that_airflow_may_lie_below_a_path() -> None:
    assert all(not view["href"].startswith("/") for view in BikPlugin.external_views)


OLDER = """
import sys, types
import airflow.providers.common.compat.version_compat as versions
versions.AIRFLOW_V_3_1_PLUS = False
from airflow_provider_bik.ui.plugin import BikPlugin
print(BikPlugin.name, list(getattr(BikPlugin, "fastapi_apps", [])), list(getattr(BikPlugin, "external_views", [])))
"""


def test_below_airflow_3_1_it_adds_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", OLDER], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "bik [] []"


@pytest.mark.parametrize("kind", ["http:", "https:", "@import", "url("])
def test_the_pages_ask_nothing_of_other_servers(kind: str) -> None:
    templates = sorted(Path(plugin.__file__).with_name("templates").glob("*.html"))
    assert templates
    assert not [path.name for path in templates if kind in Path(path).read_text("utf-8")]
