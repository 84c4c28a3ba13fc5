from __future__ import annotations

import pickle
from datetime import UTC, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events import Reading
from airflow_provider_bik.events.reading import DEFAULT_NULL_VALUES


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone must be"),
        ({"timezone": "Asia"}, "timezone must be"),
        ({"timezone": "../UTC"}, "timezone must be"),
        ({"timezone": ""}, "timezone must be"),
        ({"timezone": 5.5}, "timezone must be"),
        ({"default_region": "XX"}, "default_region must be an ISO 3166 code"),
        ({"default_region": "in"}, "default_region must be an ISO 3166 code"),
        ({"default_region": 91}, "default_region must be an ISO 3166 code"),
        ({"on_bad_identity": "ignore"}, "on_bad_identity must be 'drop' or 'reject'"),
        ({"null_values": "NULL"}, "null_values must be"),
        ({"null_values": (None,)}, "null_values must be"),
        ({"file_format": "xlsx"}, "file_format must be one of ndjson, json, csv, tsv, parquet"),
        ({"encoding": "utf-9"}, "encoding must be"),
        ({"encoding": "base64"}, "encoding must be"),
        ({"encoding": "a\0b"}, "encoding must be"),
        ({"delimiter": ""}, "delimiter must be"),
        ({"delimiter": "||"}, "delimiter must be"),
        ({"delimiter": '"'}, "delimiter must be"),
        ({"delimiter": "\n"}, "delimiter must be"),
        ({"decimal_comma": "yes"}, "decimal_comma must be"),
        ({"json_path": ""}, "json_path must be"),
        ({"json_path": "a..b"}, "json_path must be"),
    ],
)
def test_a_value_that_cannot_be_meant_is_an_error_that_names_the_argument(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BikConfigError, match=says):
        Reading(**arguments)


def test_a_time_zone_is_a_name_or_an_object() -> None:
    assert Reading().zone is UTC
    assert Reading(timezone="Asia/Kolkata").zone == ZoneInfo("Asia/Kolkata")
    offset = timezone(timedelta(hours=5, minutes=30))
    assert Reading(timezone=offset).zone is offset


def test_the_null_of_mysql_is_null_whatever_the_user_says() -> None:
    assert set(DEFAULT_NULL_VALUES) == Reading().nulls
    assert Reading(null_values=()).nulls == {r"\N"}
    assert Reading(null_values=["-"]).null_values == ("-",)  # type: ignore[arg-type]


def test_names_that_people_and_things_have_are_no_nulls_by_default() -> None:
    assert not {"Null", "None", "NA", "N/A", "nil", "Nan", "0", "", "-"} & Reading().nulls


def test_it_is_a_value() -> None:
    given = Reading(timezone="Asia/Kolkata", default_region="IN", delimiter=";", json_path="data.orders")
    assert pickle.loads(pickle.dumps(given)) == given  # noqa: S301 - what the test itself has pickled
    assert hash(given) == hash(
        Reading(timezone="Asia/Kolkata", default_region="IN", delimiter=";", json_path="data.orders")
    )
    assert " at 0x" not in repr(given)
