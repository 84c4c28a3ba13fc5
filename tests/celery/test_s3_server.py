"""What the S3 server of the tests does to whoever uses it by Airflow's paths."""

from __future__ import annotations

import pytest
import requests
from airflow.providers.common.compat.sdk import ObjectStoragePath

from tests.s3 import S3, SIGNED, S3Faults


def test_objects_outlive_a_time_out_of_reach(s3: S3) -> None:
    path = ObjectStoragePath(s3.path("a folder", "object"))
    path.write_bytes(b"before")
    s3.stop()
    with pytest.raises(Exception, match="Could not connect"):
        path.write_bytes(b"meanwhile")
    s3.start()
    assert path.read_bytes() == b"before"
    assert (s3.keys(), s3.read("a folder/object")) == (["a folder/object"], b"before")


def test_a_lost_answer_is_of_a_call_that_was_carried_out(s3: S3) -> None:
    s3.faults = S3Faults(share=1.0, kinds=("lost_answer",))
    with requests.Session() as session:
        session.trust_env = False
        # Not by Airflow, which would ask again and again, for most of a minute.
        with pytest.raises(requests.ConnectionError):
            session.put(f"{s3.url}/bucket/object", b"content", headers={"Authorization": SIGNED}, timeout=10)
    assert s3.read("object") == b"content"
    assert [(call.method, call.fault) for call in s3.calls] == [("PUT", "lost_answer")]


def test_one_call_in_ten_fails_and_each_test_begins_with_an_empty_store(s3: S3) -> None:
    assert not s3.keys()
    s3.faults = S3Faults(share=0.1, latency=(0.0, 0.01))
    for number in range(60):
        ObjectStoragePath(s3.path(f"object-{number}")).write_bytes(b"content")
    assert len(s3.keys()) == 60
    assert 2 <= sum(call.fault is not None for call in s3.calls) <= 20
