"""The table of versions in the docs holds what was seen, of combinations that are supported."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

from tests.compat.matrix import COMBINATIONS, PYTHONS, RELEASES, key, seen
from tests.conftest import REPOSITORY


def test_what_was_seen_was_good_and_is_of_a_combination_that_is_supported() -> None:
    supported = {key(combination): combination for combination in COMBINATIONS}
    assert seen().keys() <= supported.keys()
    for name, result in seen().items():
        assert (result["airflow"], result["python"]) == (supported[name].release.airflow, supported[name].python)
        assert (result["dags"], result["failed"]) == (True, 0), name


def test_the_pythons_are_those_that_the_package_names() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    named = [line.rpartition(" ")[2] for line in project["classifiers"] if line.startswith("Programming Language")]
    assert tuple(version for version in named if version.startswith("3.")) == PYTHONS
    assert project["dependencies"][0] == f"apache-airflow>={RELEASES[0].minor}"


def test_a_ci_service_gets_all_combinations_as_json() -> None:
    command = [sys.executable, "-m", "tests.compat.matrix", "--list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    pairs = [(item["airflow"], item["python"]) for item in json.loads(listed.stdout)["include"]]
    assert pairs == [(each.release.minor, each.python) for each in COMBINATIONS]
