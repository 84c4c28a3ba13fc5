from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.delivery import Sending, parse_max_rejected
from airflow_provider_bik.errors import BikConfigError


@given(percent=st.integers(0, 100), hundreds=st.integers(0, 10_000))
def test_a_share_in_percent_is_exact(percent: int, hundreds: int) -> None:
    share = parse_max_rejected(percent / 100)
    assert isinstance(share, Decimal)
    assert int(share * 100 * hundreds) == percent * hundreds


@given(st.floats(0, 1))
def test_a_share_is_the_number_that_was_written(share: float) -> None:
    assert Fraction(parse_max_rejected(share)) == Fraction(str(share))


@given(st.integers(0))
def test_a_whole_number_is_a_number_of_events(number: int) -> None:
    parsed = parse_max_rejected(number)
    assert (parsed, type(parsed)) == (number, int)


@pytest.mark.parametrize("value", [0, 7, 0.0, 0.29, 1.0])
def test_what_was_parsed_can_be_parsed_again(value: float) -> None:
    parsed = parse_max_rejected(value)
    assert parse_max_rejected(parsed) == parsed


@pytest.mark.parametrize("value", [-1, -0.1, 1.0001, 5.0, math.nan, math.inf, True, None, "0.1", "5", Decimal(2), [1]])
def test_what_is_neither_a_number_nor_a_share_is_refused(value: Any) -> None:
    with pytest.raises(BikConfigError, match="max_rejected must be"):
        parse_max_rejected(value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"batch_size": 101},
        {"batch_size": 1.0},
        {"max_concurrency": 0},
        {"max_concurrency": True},
        {"max_requests_per_second": 0},
        {"max_requests_per_second": math.nan},
        {"on_unconfirmed": "drop"},
        {"max_attempts": 0},
        {"give_up_after": -1},
    ],
    ids=str,
)
def test_sending_that_can_never_work_is_an_error_that_names_the_argument(wrong: dict[str, Any]) -> None:
    with pytest.raises(BikConfigError, match=next(iter(wrong))):
        Sending(**wrong)


def test_sending_at_its_limits_is_taken() -> None:
    assert Sending(batch_size=1, max_concurrency=1, max_requests_per_second=0.01, on_unconfirmed="hold").hold
    assert not Sending(batch_size=100, max_concurrency=500, give_up_after=1).hold
