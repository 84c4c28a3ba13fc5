from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_bik.events import Contract, EncodedEvent, Reading, Reason, Rejection
from docs.forms import FORMS, Form

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def event(form: Form) -> dict[str, Any]:
    """An event with this value, and with the identity that the value is not."""
    raw: dict[str, Any] = {"eventName": "ordered", "eventProperties": {}}
    if form.field == "property":
        return {**raw, "email": "a@example.com", "eventProperties": {"value": form.example}}
    other = {"phoneNumber": "+14155552671"} if form.field == "email" else {"email": "a@example.com"}
    return {**raw, **other, form.field: form.example}


@pytest.mark.parametrize("form", FORMS, ids=[f"{form.field}: {form.form}" for form in FORMS])
def test_each_form_becomes_what_the_table_says(form: Form) -> None:
    strict = Contract(now=NOW, reading=Reading(default_region="IN", on_bad_identity="reject"))
    outcome = strict.encode(event(form))
    if isinstance(form.result, Reason):
        assert isinstance(outcome, Rejection)
        assert outcome.reason is form.result
        lenient = Contract(now=NOW, reading=Reading(default_region="IN")).encode(event(form))
        if form.field in {"email", "phoneNumber"}:
            assert isinstance(lenient, EncodedEvent)
            assert lenient.dropped_identity is form.result
        else:
            assert lenient == outcome
        return
    assert isinstance(outcome, EncodedEvent)
    body = json.loads(outcome.body)
    found = body["eventProperties"].get("value") if form.field == "property" else body.get(form.field)
    assert found == form.result


def test_the_table_knows_all_four_outcomes() -> None:
    assert {form.outcome for form in FORMS} == {"accepted", "changed", "dropped", "rejected"}
