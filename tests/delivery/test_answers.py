from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery.answers import (
    ANSWERS,
    BACKOFF_BASE,
    BACKOFF_CAP,
    MAX_RETRY_AFTER,
    Answer,
    AnswerClass,
    backoff,
    classify,
    parse_retry_after,
)

GOOD = b'{"status": 200, "success": true}'
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        b'{"status": "200"}',
        b'{"status": 200, "success": null, "more": [1]}',
        b'{"status": 200, "success": "true"}',
        b'{"status": 200, "success": true, "errors": {}}',
        b'{"status": 200, "success": true, "errors": [1, {"message": 2}]}',
        b'{"status": 200, "message": {"text": "ok"}}',
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_status_and_body_that_agree_confirm(status: int, body: bytes) -> None:
    assert classify(status, body).means is AnswerClass.CONFIRMED


@pytest.mark.parametrize(
    ("status", "means"),
    [
        *((status, AnswerClass.UNKNOWN) for status in (408, 409, 425, 500, 501, 502, 503, 504, 524, 599)),
        (429, AnswerClass.THROTTLED),
        (400, AnswerClass.REJECTED_BY_BIK),
        (422, AnswerClass.REJECTED_BY_BIK),
        (413, AnswerClass.TOO_LARGE),
        *((status, AnswerClass.FATAL) for status in (301, 302, 303, 307, 308, 304)),
        *((status, AnswerClass.FATAL) for status in (401, 402, 403, 404, 405, 407, 410, 415, 431, 451)),
        *((status, AnswerClass.UNKNOWN) for status in (100, 199, 600, 999)),
    ],
)
@pytest.mark.parametrize("body", [GOOD, b"", b"<html>"])
def test_a_status_that_is_not_good_counts_whatever_the_body_says(status: int, means: AnswerClass, body: bytes) -> None:
    assert classify(status, body).means is means


@pytest.mark.parametrize(
    ("body", "means"),
    [
        (b'{"status": 400, "errors": [{"message": "m"}]}', AnswerClass.REJECTED_BY_BIK),
        (b'{"status": "422"}', AnswerClass.REJECTED_BY_BIK),
        (b'{"status": "400", "errors": ["x"]}', AnswerClass.REJECTED_BY_BIK),
        (b'{"status": 400, "errors": {}, "message": []}', AnswerClass.REJECTED_BY_BIK),
        (b'{"status": 200, "success": "false"}', AnswerClass.UNKNOWN),
        (b'{"status": true}', AnswerClass.UNKNOWN),
        (b'{"status": 2000000000000000000000}', AnswerClass.UNKNOWN),
        (b'{"status": 200, "more": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", AnswerClass.UNKNOWN),
        (b"[" * 40_000, AnswerClass.UNKNOWN),
        (b'{"status": 401}', AnswerClass.FATAL),
        (b'{"status": 413}', AnswerClass.TOO_LARGE),
        (b'{"status": 429}', AnswerClass.THROTTLED),
        (b'{"status": 500}', AnswerClass.UNKNOWN),
        (b'{"status": 302}', AnswerClass.UNKNOWN),
        (b'{"status": 204}', AnswerClass.UNKNOWN),
        (b'{"status": 200, "success": false}', AnswerClass.UNKNOWN),
        (b'{"success": true}', AnswerClass.UNKNOWN),
        (b'{"status": "2e2"}', AnswerClass.UNKNOWN),
        (b'{"status": [200]}', AnswerClass.UNKNOWN),
        (b'"200"', AnswerClass.UNKNOWN),
        (b"<html>OK</html>", AnswerClass.UNKNOWN),
        (b"\xff\xfe", AnswerClass.UNKNOWN),
        (b"", AnswerClass.UNKNOWN),
    ],
)
def test_a_200_is_worth_no_more_than_the_body_inside(body: bytes, means: AnswerClass) -> None:
    assert classify(200, body).means is means


@pytest.mark.parametrize("inner", [401, 403, 404, 410])
def test_a_fatal_status_inside_a_200_gets_the_advice_of_that_status(inner: int) -> None:
    inside = classify(200, b'{"status": %d}' % inner)
    assert inside.means is AnswerClass.FATAL
    assert inside.advice == classify(inner, b"").advice
    assert (inside.status, inside.inner_status) == (200, inner)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"status": 400, "errors": [{"message": "a"}, {"message": "b"}]}', "a; b"),
        (b'{"status": 400, "errors": ["a", {"message": "b"}, 3, {}]}', "a; b"),
        (b'{"status": 400, "errors": {}, "message": "c"}', "c"),
        (b'{"status": 400, "message": {"text": "c"}}', ""),
        (b"no JSON", ""),
    ],
)
def test_biks_words_are_found_in_each_form(body: bytes, message: str) -> None:
    assert classify(400, body).message == message


@given(status=st.integers(0, 999), body=st.binary() | st.text().map(str.encode), retry_after=st.none() | st.floats())
def test_whatever_comes_back_has_a_meaning(status: int, body: bytes, retry_after: float | None) -> None:
    answer = classify(status, body, retry_after=retry_after)
    assert answer.cause.startswith("HTTP")
    assert answer.advice


def test_503_with_retry_after_throttles_and_may_have_arrived() -> None:
    answer = classify(503, b"", retry_after=2.0)
    assert answer.means is AnswerClass.THROTTLED
    assert answer.may_have_arrived
    assert not classify(429, b"", retry_after=2.0).may_have_arrived


def test_only_answers_that_leave_it_open_may_have_arrived() -> None:
    assert classify(500, b"").may_have_arrived
    assert Answer.lost("no answer").may_have_arrived
    assert not Answer.not_sent("no connection").may_have_arrived
    assert not classify(400, b"").may_have_arrived


def test_each_status_has_one_meaning() -> None:
    statuses = [status for row in ANSWERS for status in row.statuses]
    assert len(statuses) == len(set(statuses))
    assert set(statuses) == set(range(200, 600))


def test_biks_messages_are_kept_and_shown_only_in_their_documented_shape() -> None:
    documented = classify(400, b'{"status": 400, "errors": [{"message": "\'eventProperties.variantId\' is required"}]}')
    assert documented.safe_message == "'eventProperties.variantId' is required"
    quoting = classify(400, b'{"status": 400, "errors": [{"message": "asha@example.com is no email"}]}')
    assert quoting.message == "asha@example.com is no email"
    assert quoting.safe_message == ""


@pytest.mark.parametrize("status", [301, 401, 403, 404, 407, 410, 415])
def test_a_fatal_answer_says_what_to_check(status: int) -> None:
    assert len(classify(status, b"").advice) > 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 400, None),
        ("999999999", MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


DATE_LIKE = st.text("MonTueJanDc,: +-0123456789GMT", max_size=40)


@given(st.text() | DATE_LIKE)
def test_whatever_retry_after_says_it_is_seconds_within_a_day_or_nothing(header: str) -> None:
    seconds = parse_retry_after(header, now=NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_grows_with_full_jitter_up_to_a_cap(attempt: int, seed: int) -> None:
    ceiling = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** (attempt - 1)) if attempt < 20 else BACKOFF_CAP
    assert 0 <= backoff(attempt, random.Random(seed)) <= ceiling
