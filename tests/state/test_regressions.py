"""Stories that have once broken the promise, as short as they become."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.state.processes import Plan
from tests.state.stories import Story, step, tell
from tests.state.world import Setting

STORM = bool(os.environ.get("BIK_STORM"))

STORIES: dict[str, Story] = {
    "two runs begin a growing stream at the same moment": (
        Setting(kind="growing", policies=("skip", "resend"), seed=3877442335),
        (step("race", number=53658, plan=Plan(seed=1058254856)),),
    ),
    "a run is taken over as it ends what an earlier one has left open": (
        Setting(kind="growing", hold=True, policies=("skip", "trim", "refuse"), trouble=0.0, seed=2098045104),
        (step("race", number=3678, plan=Plan(seed=2129142549)),),
    ),
    "the record is deleted before another run": (
        Setting(kind="whole", policies=("resend", "skip"), trouble=0.0, seed=1616501842),
        (step("try", plan=Plan(seed=558201243)), step("delete record")),
    ),
    "the record is deleted before another run that holds": (
        Setting(kind="whole", hold=True, policies=("trim", "trim"), trouble=0.0, seed=3109356161),
        (step("try", task=1, plan=Plan(seed=2157471487)), step("delete record")),
    ),
    "the record of a growing stream that holds is deleted": (
        Setting(kind="growing", hold=True, policies=("refuse", "trim"), trouble=0.0, seed=1996373426),
        (step("try", task=1, plan=Plan(seed=3949128176)), step("delete record")),
    ),
    "the record of a window is deleted before one that overlaps": (
        Setting(
            kind="window of a query", hold=True, policies=("refuse", "trim"), days=((1, 3), (0, 2)), seed=4187945697
        ),
        (step("try", task=1, plan=Plan(seed=1708530754)), step("delete record")),
    ),
    "the record in the task state store is deleted": (
        Setting(kind="list", has_path=False, has_store=True, trouble=0.0, seed=1),
        (step("try", plan=Plan(fault="kill", at=14)), step("delete record")),
    ),
    "a run ends what an earlier one has left open": (
        Setting(kind="growing", policies=("resend", "resend"), trouble=0.0, seed=1751701631),
        (step("try", task=1, plan=Plan(fault="fail on", at=26, seed=20518531)),),
    ),
    "a run is killed after it has ended what an earlier one has left open": (
        Setting(kind="growing", policies=("resend", "resend"), trouble=0.0, seed=0),
        (
            step("try", plan=Plan(fault="kill", at=20)),
            step("late", number=3),
            step("try", task=1, plan=Plan(fault="kill", at=24)),
            step("try", task=1),
        ),
    ),
    "a try that was taken over reads the table after all": (
        Setting(kind="growing", policies=("resend", "resend"), trouble=0.0, seed=0),
        (
            step("try", plan=Plan(fault="pause", at=8)),
            step("try"),
            step("late", number=3),
            step("resume"),
        ),
    ),
    "a try that was taken over settles more than the newer one, which is killed": (
        Setting(kind="whole", trouble=0.0, seed=210978755),
        (
            step("try", plan=Plan(fault="pause", at=23, seed=2588817531)),
            step("try", plan=Plan(fault="kill", at=23, seed=1638283120)),
        ),
    ),
    "what hold has given up is in a window that overlaps": (
        Setting(kind="window of a list", hold=True, policies=("skip", "trim"), days=((0, 2), (1, 3)), seed=480305860),
        (step("late"), step("try", plan=Plan(fault="kill after", at=12, seed=1))),
    ),
    "the file of a generation is cut short": (
        Setting(kind="window of a query", trouble=0.0, seed=0),
        (step("try", plan=Plan(fault="kill", at=18)), step("damage input", number=1)),
    ),
}


@pytest.mark.parametrize("disks", ["local", "memory", *(["objects"] if STORM else [])], indirect=True)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_that_has_once_broken_the_promise_ends_well(name: str, disks: Any, shop: Path) -> None:
    tell(STORIES[name], disks, shop)
