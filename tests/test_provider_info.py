"""A mistake in the provider info breaks every `airflow` command."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_bik import __version__
from airflow_provider_bik.get_provider_info import get_provider_info
from airflow_provider_bik.hooks.bik import EXTRAS, BikHook
from tests.versions import needs_cli_of_providers


@pytest.mark.parametrize(
    "schema",
    [
        "provider_info.schema.json",
        # Airflow uses it when it releases its own providers; older ones forbid what is newer.
        pytest.param("provider.yaml.schema.json", marks=[needs_cli_of_providers]),
    ],
)
def test_it_is_valid_against_airflows_schema(schema: str) -> None:
    jsonschema.validate(get_provider_info(), json.loads(files("airflow").joinpath(schema).read_text()))


def test_airflow_finds_the_provider_and_its_connection_type() -> None:
    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    assert manager.providers["airflow-provider-bik"].version == __version__
    command = [sys.executable, "-m", "airflow", "providers", "hooks", "--output", "json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    (table,) = (line for line in listed.stdout.splitlines() if line.startswith("[{"))
    hooks = {hook["connection_type"]: hook for hook in json.loads(table)}
    assert hooks["bik"]["class"] == f"{BikHook.__module__}.{BikHook.__qualname__}"
    assert hooks["bik"]["hook_name"] == "BIK"


def test_the_distribution_has_the_version_of_the_package() -> None:
    assert importlib.metadata.version("airflow-provider-bik") == __version__


def test_every_field_of_the_form_is_an_extra_that_the_hook_takes() -> None:
    form = get_provider_info()["connection-types"][0]["conn-fields"]
    assert form.keys() <= EXTRAS.keys()
    assert EXTRAS.keys() - form.keys() == {"verify"}


def test_the_form_of_older_airflow_says_the_same() -> None:
    form = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    older = BikHook.get_ui_field_behaviour()
    assert older["relabeling"] == form["relabeling"]
    assert older["hidden_fields"] == form["hidden-fields"]


@pytest.mark.parametrize("module", ["operators", "hooks", "transfers"])
def test_every_module_that_is_named_can_be_imported(module: str) -> None:
    for listed in get_provider_info()[module]:
        for name in [listed["python-module"]] if "python-module" in listed else listed["python-modules"]:
            assert importlib.import_module(name).__doc__


def airflow_config(*arguments: str, **environment: str) -> str:
    """What a real `airflow config` command says."""
    command = [sys.executable, "-m", "airflow", "config", *arguments]
    # Airflow keeps what it has read of a configuration file in its home.
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    return done.stdout


def test_airflow_knows_the_options_with_their_defaults_and_from_the_environment() -> None:
    assert airflow_config("get-value", "bik", "keep_days").strip().splitlines()[-1] == "30"
    given = {"AIRFLOW__BIK__STATE_PATH": "s3://aws_default@bucket/bik", "AIRFLOW__BIK__KEEP_DAYS": "7"}
    assert (
        airflow_config("get-value", "bik", "state_path", **given).strip().splitlines()[-1]
        == given["AIRFLOW__BIK__STATE_PATH"]
    )
    assert airflow_config("get-value", "bik", "keep_days", **given).strip().splitlines()[-1] == "7"
    listed = airflow_config("list", "--section", "bik", "--include-descriptions")
    assert "Folder at any object storage that all workers reach" in listed
