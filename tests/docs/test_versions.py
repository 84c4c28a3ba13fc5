"""The table of versions in the docs holds what was seen, of combinations that are supported."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

from tests.compat.matrix import COMBINATIONS, PYTHONS, RELEASES, key, seen
from tests.conftest import REPOSITORY


def test_every_airflow_was_seen_on_a_python_and_no_combination_with_a_failure() -> None:
    supported = {key(combination): combination for combination in COMBINATIONS}
    assert seen().keys() <= supported.keys()
    for name, result in seen().items():
        combination = supported[name]
        assert (result.airflow, result.python) == (combination.release.airflow, combination.python)
        assert result.failed == 0, f"{combination}: {result.failed} tests failed"
        assert result.passed > 1000, f"{combination}: only {result.passed} tests"
    assert {result.airflow for result in seen().values()} == {release.airflow for release in RELEASES}


def test_the_sample_dags_did_the_same_with_every_combination_that_was_tried_on_a_day() -> None:
    counted = {(result.day, tuple(result.events.items())): result.events for result in seen().values()}
    assert len(counted) == len({result.day for result in seen().values()})
    for events in counted.values():
        assert events["read"] == events["confirmed"] + events["rejected"]
        assert events["received"] == events["confirmed"] > 20_000


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


def test_the_page_quotes_what_the_log_says_where_no_record_is_kept() -> None:
    line = "No record is kept, so a retry sends everything again; set state_path."
    source = (REPOSITORY / "airflow_provider_bik" / "operators" / "delivering.py").read_text("utf-8")
    page = (REPOSITORY / "docs" / "install.md").read_text("utf-8")
    assert line in source
    assert f"\n{line}\n" in page
