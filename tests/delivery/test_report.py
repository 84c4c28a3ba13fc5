from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery import Counts, DeliveryReport, ReportDict, StopReason, task_error
from airflow_provider_bik.delivery.checkpoint import Intervals
from airflow_provider_bik.errors import (
    BikConfigError,
    BikDeliveryIncompleteError,
    BikEndpointError,
    BikInputError,
    BikStorageError,
    BikTooManyRejectedError,
)
from airflow_provider_bik.events.pipeline import Pipeline
from airflow_provider_bik.events.reasons import Reason

HOST = "bik.example"


def report(confirmed: int = 0, rejected: int = 0, skipped: int = 0, unresolved: int = 0, **more: Any) -> DeliveryReport:
    counts = Counts(
        pipelines={Pipeline.REALTIME: confirmed, Pipeline.MIGRATION: 0},
        reasons={Reason.FIELD_MISSING: rejected} if rejected else {},
        examples={Reason.FIELD_MISSING: ["[3]"]} if rejected else {},
        skipped=skipped,
    )
    read = confirmed + rejected + skipped + unresolved
    positions = Intervals([(read - unresolved, read)])
    return DeliveryReport(**{"counts": counts, "read": read, "unresolved": positions, "complete": True, **more})


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(-5, 5))
def test_a_report_whose_equation_does_not_hold_cannot_be_made(
    confirmed: int, rejected: int, skipped: int, unresolved: int, wrong: int
) -> None:
    right = confirmed + rejected + skipped + unresolved
    if wrong:
        with pytest.raises(ValueError, match="equation"):
            report(confirmed, rejected, skipped, unresolved, read=right + wrong)
    else:
        assert report(confirmed, rejected, skipped, unresolved).read == right


def test_the_report_for_xcom_has_the_keys_of_its_type_and_is_json() -> None:
    as_dict = report(3, 1, 2, 1, rejected_path="s3://x/rejected.ndjson", generation="g1").as_dict()
    assert as_dict.keys() == ReportDict.__annotations__.keys()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["unresolved_ranges"] == [[6, 7]]
    assert (as_dict["rejected_path"], as_dict["generation"]) == ("s3://x/rejected.ndjson", "g1")


@pytest.mark.parametrize(
    ("rejected", "read", "max_rejected", "succeeds"),
    [
        (0, 100, 0, True),
        (1, 100, 0, False),
        (1, 100, 1, True),
        (29, 100, 0.29, True),
        (30, 100, 0.29, False),
        (29, 100, Decimal("0.29"), True),
        (99, 100, 1.0, True),
        (100, 100, 1.0, False),
        (100, 100, 1000, False),
    ],
)
def test_so_many_rejections_are_allowed_but_never_all(
    rejected: int, read: int, max_rejected: float, succeeds: bool
) -> None:
    error = task_error(report(read - rejected, rejected), max_rejected=max_rejected, host=HOST)
    assert (error is None) is succeeds
    assert succeeds or isinstance(error, BikTooManyRejectedError)


def test_a_share_above_one_is_refused_even_if_nothing_was_rejected() -> None:
    with pytest.raises(BikConfigError):
        task_error(report(5), max_rejected=5.0, host=HOST)


@pytest.mark.parametrize(
    ("ended", "error", "says"),
    [
        ({"stop": StopReason.FATAL_ANSWER, "stop_detail": "HTTP 401. Check."}, BikEndpointError, "HTTP 401"),
        ({"stop": StopReason.NEARLY_ALL_REJECTED, "stop_detail": "no"}, BikTooManyRejectedError, "mapping"),
        ({"stop": StopReason.OUT_OF_REACH, "stop_detail": "no answer"}, BikDeliveryIncompleteError, "no answer"),
        ({"stop": StopReason.CANCELLED, "stop_detail": "told to"}, BikDeliveryIncompleteError, "told to"),
        ({"complete": False}, BikDeliveryIncompleteError, "did not confirm"),
        ({"stop": StopReason.FAILED, "failure": BikStorageError("disk full.")}, BikStorageError, "disk full"),
        ({"stop": StopReason.FAILED, "failure": BikInputError("no events.")}, BikInputError, "no events"),
    ],
)
def test_each_end_is_an_error_of_its_own_kind(ended: dict[str, Any], error: type[Exception], says: str) -> None:
    found = task_error(report(3, 1, 0, 2, **ended), max_rejected=5, host=HOST)
    assert type(found) is error
    assert says in str(found)


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize(
    "ended",
    [{}, {"unresolved": 2}, {"stop": StopReason.FATAL_ANSWER}, {"stop": StopReason.NEARLY_ALL_REJECTED}],
)
def test_errors_say_whether_a_retry_is_safe_and_use_todays_words(ended: dict[str, Any], resumable: bool) -> None:
    text = str(task_error(report(3, 1, **ended), max_rejected=0, host=HOST, resumable=resumable))
    assert "dead" not in text
    assert "checkpoint_path" not in text
    assert "again" in text or "retry" in text


def test_the_summary_names_what_there_is() -> None:
    assert report(3, 1, 2).summary().startswith("read 6, confirmed 3, rejected 1, skipped 2, unresolved 0, realtime 3;")
    assert "deliverable 3" in report(3, dry_run=True).summary()
