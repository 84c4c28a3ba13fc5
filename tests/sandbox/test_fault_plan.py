from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_bik.sandbox import Fault, FaultPlan


def test_a_plan_is_read_from_json() -> None:
    plan = FaultPlan.from_json(
        """{"seed": 7, "script": [null, {"kind": "status", "status": 429, "retry_after": "3"}],
            "rates": [{"kind": "reset", "when": "after", "probability": 0.25}], "latency": [0.1, 0.2],
            "requests_per_second": 5, "max_concurrent": 2, "over_limit_status": 429, "on_bad_event": "accept_others"}"""
    )
    assert plan == FaultPlan(
        seed=7,
        script=(None, Fault(kind="status", status=429, retry_after="3")),
        rates=((Fault(kind="reset", when="after"), 0.25),),
        latency=(0.1, 0.2),
        requests_per_second=5,
        max_concurrent=2,
        over_limit_status=429,
        on_bad_event="accept_others",
    )


def test_an_empty_object_is_a_plan_without_faults() -> None:
    assert FaultPlan.from_json(b"{}") == FaultPlan()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "plan: Invalid JSON"),
        ("[]", "plan: .* an object"),
        ('{"sed": 1}', "sed: Unexpected"),
        ('{"seed": "1"}', "seed"),
        ('{"script": {}}', "script: .* array"),
        ('{"script": [5]}', "script.0: .* an object"),
        ('{"script": [{}]}', "script.0.kind: Field required"),
        ('{"script": [{"kind": "flood"}]}', "script.0.kind: .* 'status', 'reset'"),
        ('{"script": [{"kind": "reset", "wen": "after"}]}', "script.0.wen: Unexpected"),
        ('{"script": [{"kind": "reset", "when": "during"}]}', "script.0.when: .* 'before' or 'after'"),
        ('{"script": [{"kind": "status", "status": 99}]}', "script.0.status: .* 200"),
        ('{"script": [{"kind": "hang", "seconds": -1}]}', "script.0.seconds: .* 0"),
        ('{"script": [{"kind": "status", "retry_after": 3}]}', "script.0.retry_after: .* string"),
        ('{"script": [{"kind": "status", "retry_after": "3\\r\\nx: y"}]}', "script.0.retry_after: .* pattern"),
        ('{"rates": [{"kind": "reset"}]}', "rates.0: .* probability"),
        ('{"rates": [{"kind": "reset", "probability": 1.5}]}', "add up to 1"),
        ('{"latency": [0.2, 0.1]}', "latency"),
        ('{"latency": 3}', "latency: .* array"),
        ('{"requests_per_second": 0}', "requests_per_second"),
        ('{"max_concurrent": 0}', "max_concurrent"),
        ('{"over_limit_status": 7}', "over_limit_status"),
        ('{"on_bad_event": "ignore"}', "on_bad_event"),
        ('{"retry_after": 7}', "retry_after"),
    ],
)
def test_a_wrong_plan_is_an_error_that_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaultPlan.from_json(text)


@pytest.mark.parametrize("wrong", [{"kind": "flood"}, {"kind": "hang", "seconds": float("nan")}])
def test_a_wrong_fault_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind|seconds"):
        Fault(**wrong)
