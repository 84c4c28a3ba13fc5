"""The operator, executed directly against a local BIK; `test_in_airflow.py` runs it in a real Airflow."""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
import stat
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, ObjectStoragePath
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from backports import zstd

from airflow_provider_bik.delivery import Sending
from airflow_provider_bik.errors import BikConfigError, BikInputChangedError
from airflow_provider_bik.events import Mode, PipelineRule, Reading
from airflow_provider_bik.operators.bik import BikSendEventsOperator
from airflow_provider_bik.operators.retries import bik_error
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from airflow_provider_bik.transfers.sql_to_bik import SqlToBikOperator
from tests.operators.support import TaskInstance, connection, event, files_of, named, rejected_lines

ORDER = "eventProperties.orderId"
LONG_AGO = "2024-03-10T12:30:00Z"


def execute(
    events: object, *, run_type: str = "manual", ti: TaskInstance | None = None, **arguments: Any
) -> dict[str, Any]:
    operator = BikSendEventsOperator(task_id="send", events=events, **arguments)
    instance = ti or TaskInstance("../../run:2026-11-24T00:00:00+00:00", run_type=run_type)
    return instance.execute(operator)


def sizes(bik: Sandbox) -> list[int]:
    return sorted((request.events for request in bik.requests), reverse=True)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_events_go_out_in_batches_of_100(bik: Sandbox, number: int, expected: list[int]) -> None:
    report = execute([event(n) for n in range(number)])
    assert sizes(bik) == expected
    assert (report["read"], report["confirmed"], report["requests"]) == (number, number, len(expected))
    assert bik.ledger.count(pipeline="realtime") == number


def test_a_batch_of_one_uses_send_event(bik: Sandbox) -> None:
    execute([event(n) for n in range(101)])
    assert sorted(request.endpoint.rsplit("/", 1)[-1] for request in bik.requests) == ["sendEvent", "sendEvents"]


def test_every_event_gets_the_flags_of_its_pipeline(bik: Sandbox) -> None:
    report = execute([event(1), event(2, createdAt=LONG_AGO)])
    assert report["pipelines"] == {"realtime": 1, "migration": 1}
    assert bik.ledger.counts("pipeline") == {("realtime",): 1, ("migration",): 1}


def test_auto_means_migration_in_an_airflow_backfill(bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match="created_at_missing"):
        execute([event(1), event(2, createdAt=LONG_AGO)], run_type="backfill")
    assert bik.ledger.counts("pipeline") == {("migration",): 1}


def test_realtime_max_age_lets_young_events_trigger_journeys(bik: Sandbox) -> None:
    young = datetime.now(UTC) - timedelta(minutes=5)
    report = execute(
        [event(1, createdAt=young), event(2, createdAt=LONG_AGO)],
        pipeline=PipelineRule(realtime_max_age=timedelta(hours=1)),
    )
    assert report["pipelines"] == {"realtime": 1, "migration": 1}
    assert report["dropped_created_at"] == 1


def test_on_dated_drop_sends_dated_events_as_realtime_and_says_so(bik: Sandbox) -> None:
    report = execute([event(createdAt=LONG_AGO)], pipeline=PipelineRule(mode=Mode.REALTIME, on_dated="drop"))
    assert report["dropped_created_at"] == 1
    assert bik.ledger.counts("pipeline") == {("realtime",): 1}


def test_one_bad_event_in_100_is_found_and_its_neighbours_are_confirmed(tmp_path: Path, bik: Sandbox) -> None:
    events = [event(n) for n in range(100)]
    for item in events[:]:
        item["eventName"] = "purchasedAProduct"
        item["eventProperties"]["variantId"] = "v"
    del events[37]["eventProperties"]["variantId"]
    with Sandbox(
        api_key="key-of-the-tests",
        api_secret="secret-of-the-tests",
        required_properties={"purchasedAProduct": ["variantId"]},
    ) as strict:
        os.environ["AIRFLOW_CONN_BIK_STRICT"] = connection(strict)
        try:
            report = execute(events, bik_conn_id="bik_strict", state_path=str(tmp_path), max_rejected=1)
        finally:
            del os.environ["AIRFLOW_CONN_BIK_STRICT"]
        assert strict.ledger.count() == 99
        assert len(strict.requests) <= 15
    assert (report["confirmed"], report["rejected"], report["unresolved"]) == (99, 1, 0)
    assert report["reasons"] == {"rejected_by_bik": 1}
    (line,) = rejected_lines(report)
    assert line["position"] == 37
    assert line["event"] == events[37]
    assert line["message"] == "'eventProperties.variantId' is required"
    assert line["status"] == 400


def test_rejections_within_the_limit_are_kept_privately_and_the_task_succeeds(tmp_path: Path, bik: Sandbox) -> None:
    events = [event(1), {"eventName": "ordered", "eventProperties": {}}, event(3)]
    report = execute(events, state_path=str(tmp_path / "new"), max_rejected=0.5)
    assert [line["reason"] for line in rejected_lines(report)] == ["identity_missing"]
    assert bik.ledger.count() == 2
    path = Path(report["rejected_path"])
    assert path.is_relative_to(tmp_path / "new" / "tasks" / "dag" / "send")
    [checkpoint, *others] = sorted(each.name for each in path.parent.iterdir())
    assert re.fullmatch(r"checkpoint\.[0-9a-f]{12}\.json", checkpoint)
    assert others == ["rejected.ndjson", "report.json"]
    assert path.parent.parent == Path(report["record_path"])
    assert path.parent.name == report["generation"]
    for each in (tmp_path / "new", *(tmp_path / "new").rglob("*")):
        assert stat.S_IMODE(each.stat().st_mode) == (0o700 if each.is_dir() else 0o600)


def test_the_name_of_a_run_cannot_lead_out_of_the_folder(tmp_path: Path, bik: Sandbox) -> None:
    execute([event(1)], state_path=str(tmp_path / "new"))
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
    [record] = files_of(tmp_path, "record.json")
    assert record.parent.parent == tmp_path / "new" / "tasks" / "dag" / "send"
    assert record.parent.name.startswith("run-2026-11-24T00-00-00-00-00.")


def test_more_rejections_than_allowed_fail_the_task_after_everything_good_was_delivered(bik: Sandbox) -> None:
    ti = TaskInstance()
    with pytest.raises(AirflowFailException) as caught:
        execute([event(1), event(2, email="", phoneNumber="n/a"), event(3, createdAt="never")], ti=ti)
    message = str(caught.value)
    assert "2 of 3 events were rejected, 0 allowed" in message
    assert "phone_invalid (at [1]: phoneNumber)" in message
    assert "created_at_invalid (at [2]" in message
    assert bik.ledger.count() == 1
    assert ti.pushed["report"]["rejected"] == 2


def test_all_rejected_is_a_failure_whatever_is_allowed(tmp_path: Path, bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match="2 of 2"):
        execute([event(email="", phoneNumber="x"), event(name=5)], max_rejected=1.0, state_path=str(tmp_path))
    assert bik.requests == []


def test_rejected_events_can_be_fixed_and_sent(tmp_path: Path, bik: Sandbox) -> None:
    report = execute([event(1), event(2, email="", phoneNumber="x")], max_rejected=1, state_path=str(tmp_path))
    (line,) = rejected_lines(report)
    line["event"]["email"] = "customer2@example.com"
    fixed = tmp_path / "fixed.ndjson"
    fixed.write_text(json.dumps(line) + "\n")
    assert execute(str(fixed))["confirmed"] == 1
    assert bik.ledger.counts("event.email") == {("customer1@example.com",): 1, ("customer2@example.com",): 1}


def test_a_generation_that_begins_anew_leaves_the_rejected_events_of_the_one_before(
    tmp_path: Path, bik: Sandbox
) -> None:
    ti = TaskInstance()
    options: dict[str, Any] = {"ti": ti, "max_rejected": 1, "state_path": str(tmp_path)}
    report = execute([event(1), event(2, email="", phoneNumber="x")], **options)
    ti.clear()
    again = execute([event(1), event(2)], **options)
    assert (again["rejected"], again["rejected_path"], again["possible_duplicates"]) == (0, None, 2)
    assert [line["position"] for line in rejected_lines(report)] == [1]


def test_a_dry_run_checks_and_counts_sends_nothing_and_writes_no_record(tmp_path: Path, bik: Sandbox) -> None:
    events = [event(1), event(2, createdAt=LONG_AGO), event(3, email="", phoneNumber="x")]
    report = execute(events, dry_run="True", max_rejected=1, state_path=str(tmp_path))
    assert (report["read"], report["deliverable"], report["rejected"], report["confirmed"]) == (3, 2, 1, 0)
    assert report["pipelines"] == {"realtime": 1, "migration": 1}
    assert bik.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["dry-runs"]


@pytest.mark.parametrize("number", [0, 1, 100, 101, 250])
def test_a_dry_run_tells_how_many_requests_sending_takes_and_how_long(bik: Sandbox, number: int) -> None:
    events = [event(n) for n in range(number)]
    dry = execute(events, dry_run=True, sending=Sending(max_requests_per_second=2))
    real = execute(events)
    assert dry["planned_requests"] == real["requests"] == len(bik.requests)
    assert dry["planned_seconds"] == real["requests"] / 2
    assert (real["planned_requests"], real["planned_seconds"]) == (0, None)


def test_what_fails_for_a_moment_is_sent_again_and_named(bik: Sandbox) -> None:
    bik.faults = FaultPlan(
        script=(
            Fault(kind="status", status=500, when="before"),
            Fault(kind="reset", when="after"),
            Fault(kind="status", status=429, when="before", retry_after="0.1"),
        )
    )
    report = execute([event(n) for n in range(150)])
    assert report["confirmed"] == 150
    assert report["failed_requests"] == 3
    stored_twice = [
        int(copy.example.removeprefix("order-")) for copy in bik.ledger.duplicates(key=ORDER) if copy.example
    ]
    assert stored_twice
    assert named(report) >= set(stored_twice)
    assert report["possible_duplicates"] == len(named(report))


def test_hold_never_sends_again_what_may_have_arrived(tmp_path: Path, bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="reset", when="after"),))
    report = execute(
        [event(n) for n in range(150)],
        sending=Sending(on_unconfirmed="hold"),
        max_rejected=100,
        state_path=str(tmp_path),
    )
    assert bik.ledger.duplicates() == []
    assert report["reasons"] == {"delivery_unknown": 100}
    assert (report["confirmed"], report["possible_duplicates"]) == (50, 0)


def test_a_wrong_key_costs_one_request_and_says_what_to_check(bik: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BIK_DEFAULT", connection(bik, password="wrong-secret"))
    with pytest.raises(AirflowFailException) as caught:
        execute([event(n) for n in range(5000)])
    assert len(bik.requests) == 1
    assert "check both in the Connection" in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    assert "key-of-the-tests" not in str(caught.value)


def test_a_pause_longer_than_the_cap_leaves_the_rest_unresolved_for_a_retry(bik: Sandbox) -> None:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=429, when="before", retry_after="3600"),))
    ti = TaskInstance()
    with pytest.raises(AirflowException, match="Retry-After 3600 s") as caught:
        execute([event(n) for n in range(250)], ti=ti)
    assert not isinstance(caught.value, AirflowFailException)
    report = ti.pushed["report"]
    assert report["read"] == report["unresolved"] > 0
    assert len(bik.requests) == 1


def test_ndjson_files_are_streamed_in_order(tmp_path: Path, bik: Sandbox) -> None:
    plain, zipped = tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz"
    plain.write_text("".join(json.dumps(event(n)) + "\n" for n in range(150)) + "\n\n")
    zipped.write_bytes(gzip.compress(json.dumps(event(150)).encode()))
    assert execute([str(plain), str(zipped)])["confirmed"] == 151
    assert execute(ObjectStoragePath(str(plain)))["confirmed"] == 150
    assert execute(f"file://{zipped}")["confirmed"] == 1


def test_a_broken_line_is_a_rejection_with_its_place(tmp_path: Path, bik: Sandbox) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_bytes(json.dumps(event(1)).encode() + b"\n{broken\n\xff\n[1]\n" + json.dumps(event(2)).encode())
    report = execute(str(path), max_rejected=3, state_path=str(tmp_path / "dead"))
    assert report["confirmed"] == 2
    assert report["examples"] == {"unparsable": ["orders.ndjson:2", "orders.ndjson:3", "orders.ndjson:4"]}


def test_a_table_whose_columns_are_the_fields_of_an_event_is_sent(tmp_path: Path, bik: Sandbox) -> None:
    import pyarrow as pa  # noqa: PLC0415 - used here only
    from pyarrow import parquet  # noqa: PLC0415 - used here only

    events = [event(n, createdAt=datetime(2024, 3, 10, 12, n, tzinfo=UTC)) for n in range(5)]
    parquet.write_table(pa.Table.from_pylist(events), tmp_path / "orders")
    assert execute(str(tmp_path / "orders"), reading=Reading(file_format="parquet"))["pipelines"] == {
        "realtime": 0,
        "migration": 5,
    }
    assert bik.ledger.counts("createdAt")[("2024-03-10T12:04:00.000Z",)] == 1


def test_a_row_of_csv_is_no_event_for_its_properties_are_text(tmp_path: Path, bik: Sandbox) -> None:
    (tmp_path / "orders.csv").write_text('email,eventName,eventProperties\nasha@example.com,ordered,"{}"\n')
    with pytest.raises(AirflowFailException, match=r"field_type \(at orders.csv:2: eventProperties is of type str\)"):
        execute(str(tmp_path / "orders.csv"))
    assert bik.requests == []


def test_a_pattern_that_matches_nothing_is_no_success(tmp_path: Path, bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"No file matches the pattern orders-\*.csv"):
        execute(f"{tmp_path}/orders-*.csv")
    assert bik.requests == []


@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_a_retry_goes_on_where_a_file_was_cut_short_once_it_is_whole(tmp_path: Path, bik: Sandbox, packed: str) -> None:
    lines = [json.dumps(event(zlib.crc32(b"%d" % n))).encode() + b"\n" for n in range(20_000)]
    path, whole = tmp_path / f"orders.ndjson{packed}", b"".join(lines)
    whole = gzip.compress(whole) if packed == ".gz" else zstd.compress(whole)
    path.write_bytes(whole[: len(whole) // 2])
    state, ti = str(tmp_path / "state"), TaskInstance()
    with pytest.raises(AirflowException, match="it is cut short") as caught:
        execute(str(path), ti=ti, state_path=state)
    assert not isinstance(caught.value, AirflowFailException)
    report = ti.pushed["report"]
    assert report["read"] == report["confirmed"] + report["unresolved"] > 0
    path.write_bytes(whole)
    assert execute(str(path), ti=ti, state_path=state)["confirmed"] == 20_000
    assert bik.ledger.count() == 20_000


def test_a_retry_goes_on_where_an_array_was_broken_once_it_is_fixed(tmp_path: Path, bik: Sandbox) -> None:
    path, items = tmp_path / "orders.json", [json.dumps(event(n)) for n in range(5000)]
    path.write_text("[" + ",".join(items[:4000]) + "}," + ",".join(items[4000:]) + "]")
    state, ti = str(tmp_path / "state"), TaskInstance()
    with pytest.raises(
        AirflowFailException, match=r"orders.json in .* is broken in item 400[01]: its brackets do not match"
    ):
        execute(str(path), ti=ti, state_path=state)
    path.write_text("[" + ",".join(items) + "]")
    assert execute(str(path), ti=ti, state_path=state)["confirmed"] == 5000
    assert bik.ledger.count() == 5000


def test_a_missing_file_says_so_and_a_retry_is_safe(tmp_path: Path, bik: Sandbox) -> None:
    with pytest.raises(AirflowException, match=r"missing.ndjson in .* cannot be read \(FileNotFoundError\)") as caught:
        execute(str(tmp_path / "missing.ndjson"))
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("events", [None, 5, '{"email": "asha@example.com"}', "a\nb"])
def test_an_input_that_holds_no_events_is_an_error_without_its_content(bik: Sandbox, events: object) -> None:
    with pytest.raises(AirflowFailException) as caught:
        execute(events)
    assert "asha" not in str(caught.value)
    assert bik.requests == []


def test_nested_lists_and_generators_are_taken(bik: Sandbox) -> None:
    assert execute([[event(1), event(2)], [event(3)]])["confirmed"] == 3
    assert execute(event(n) for n in range(3))["confirmed"] == 3
    assert execute(event())["confirmed"] == 1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"pipeline": "both"}, "pipeline"),
        ({"if_delivered": "fail"}, "if_delivered must be one of 'resend', 'skip', 'trim', 'refuse'"),
        (
            {"if_delivered": "resend", "sending": Sending(on_unconfirmed="hold")},
            "if_delivered='resend' and on_unconfirmed='hold' contradict each other",
        ),
        ({"max_rejected": -1}, "max_rejected"),
        ({"max_rejected": 1.5}, "max_rejected"),
        ({"window": "2026-01-01T00:00Z/2026-01-02T00:00Z"}, "window is given without stream"),
    ],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(arguments: dict[str, Any], names: str) -> None:
    with pytest.raises(BikConfigError, match=names):
        BikSendEventsOperator(task_id="send", events=[], **arguments)


@pytest.mark.parametrize(
    ("value", "arguments", "names"),
    [
        (Sending, {"on_unconfirmed": "drop"}, "on_unconfirmed"),
        (Sending, {"batch_size": 0}, "batch_size"),
        (Sending, {"batch_size": 101}, "batch_size"),
        (Sending, {"max_concurrency": 0}, "max_concurrency"),
        (Sending, {"max_requests_per_second": 0}, "max_requests_per_second"),
        (PipelineRule, {"mode": "both"}, "pipeline"),
        (PipelineRule, {"on_dated": "keep"}, "on_dated"),
        (PipelineRule, {"realtime_max_age": 5}, "realtime_max_age"),
        (PipelineRule, {"realtime_max_age": timedelta(1), "mode": Mode.MIGRATION}, "realtime_max_age"),
        (PipelineRule, {"on_dated": "drop"}, "on_dated='drop'"),
        (Reading, {"timezone": "Mars/Base"}, "timezone"),
        (Reading, {"file_format": "xml"}, "file_format must be one of "),
        (Reading, {"file_format": 5}, "file_format"),
    ],
)
def test_a_wrong_value_fails_where_the_dag_makes_it(value: Any, arguments: dict[str, Any], names: str) -> None:
    with pytest.raises(BikConfigError, match=names):
        value(**arguments)


def test_rejections_may_only_pass_where_they_are_kept(bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match="Give a state_path, or set the Airflow option"):
        execute([event(1)], max_rejected=1)
    assert bik.requests == []


def test_a_ceiling_of_requests_per_second_is_kept(bik: Sandbox) -> None:
    execute([event(n) for n in range(8)], sending=Sending(batch_size=1, max_requests_per_second=20, max_concurrency=8))
    times = sorted(request.received_at for request in bik.requests)
    assert times[-1] - times[0] >= 7 / 20 - 0.05


def test_event_data_is_never_described_by_its_content() -> None:
    operator = BikSendEventsOperator(task_id="send", events=[event(1)])
    assert "customer1" not in repr(operator.events)
    assert str(operator.events) == "<event data: list of 1>"


def test_a_dry_run_with_rejections_says_that_nothing_was_sent(bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"Dry run: 1 of 2 .* Nothing was sent"):
        execute([event(1), event(2, email="", phoneNumber="x")], dry_run=True)
    assert bik.requests == []


def test_a_file_that_is_not_there_is_found_out_before_another_one_is_sent(tmp_path: Path, bik: Sandbox) -> None:
    first = tmp_path / "first.ndjson"
    first.write_text("".join(json.dumps(event(n)) + "\n" for n in range(1200)))
    with pytest.raises(AirflowException, match=r"missing.ndjson in .* cannot be read") as caught:
        execute([str(first), str(tmp_path / "missing.ndjson")])
    assert not isinstance(caught.value, AirflowFailException)
    assert bik.requests == []


def test_a_file_that_fails_half_way_leaves_a_report_of_what_was_sent(tmp_path: Path, bik: Sandbox) -> None:
    lines = [json.dumps(event(zlib.crc32(b"%d" % n))).encode() + b"\n" for n in range(20_000)]
    path = tmp_path / "orders.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(lines))[:-100_000])
    ti = TaskInstance()
    with pytest.raises(AirflowException, match=r"it is cut short.* Confirmed so far: ") as caught:
        execute(str(path), ti=ti)
    assert not isinstance(caught.value, AirflowFailException)
    report = ti.pushed["report"]
    assert report["stopped_by"] == "failed"
    assert report["confirmed"] == bik.ledger.count()
    assert report["read"] == report["confirmed"] + report["unresolved"]


def test_a_record_that_cannot_be_written_is_found_out_before_anything_is_sent(tmp_path: Path, bik: Sandbox) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AirflowException, match="cannot be written"):
        execute([event(1)], state_path=str(tmp_path / "file" / "below"))
    assert bik.requests == []


@pytest.mark.parametrize("name", ["state_path", "stream"])
@pytest.mark.parametrize("rendered", ["", "  "])
def test_a_template_that_is_rendered_to_nothing_is_no_argument_that_was_left_out(
    bik: Sandbox, tmp_path: Path, name: str, rendered: str
) -> None:
    operator = BikSendEventsOperator(task_id="send", events=[event(1)], state_path=str(tmp_path), stream="orders")
    setattr(operator, name, rendered)
    with pytest.raises(AirflowFailException, match=f"{name} was rendered to nothing"):
        TaskInstance().execute(operator)
    assert bik.requests == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "broken.ndjson.gz",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage",
            "broken.ndjson.gz in .* cannot be read: it is damaged",
        ),
        ("cut.ndjson.gz", b"\x1f\x8b\x08\x00", "cut.ndjson.gz in .* cannot be read: it is cut short"),
    ],
)
def test_a_damaged_archive_is_named(tmp_path: Path, bik: Sandbox, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AirflowException, match=says):
        execute(str(tmp_path / name))
    assert bik.requests == []


@pytest.mark.parametrize(("path", "says"), [("nosuch://bucket/key", "scheme 'nosuch'"), ("", "empty path")])
def test_a_path_that_nothing_can_open_is_refused_for_good(bik: Sandbox, path: str, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        execute(path)
    assert bik.requests == []


@pytest.mark.parametrize("rendered", ["", "None", "maybe", None])
def test_a_dry_run_that_is_neither_true_nor_false_sends_nothing(bik: Sandbox, rendered: object) -> None:
    with pytest.raises(AirflowFailException, match="dry_run must be true or false"):
        execute([event(1)], dry_run=rendered)
    assert bik.requests == []


def test_a_share_of_rejected_events_is_exact(tmp_path: Path, bik: Sandbox) -> None:
    events = [event(n, **({"email": ""} if n < 29 else {})) for n in range(100)]
    assert execute(events, max_rejected=0.29, state_path=str(tmp_path))["rejected"] == 29
    with pytest.raises(AirflowFailException, match="30 of 100 events were rejected, 29 allowed"):
        execute([*events[:99], event(1, email="")], max_rejected=0.29, state_path=str(tmp_path / "other"))


def test_an_operator_that_was_once_told_to_stop_can_run_again(bik: Sandbox) -> None:
    operator = BikSendEventsOperator(task_id="send", events=[event(1)])
    operator.on_kill()
    assert TaskInstance().execute(operator)["confirmed"] == 1
    assert TaskInstance().execute(copy.copy(operator))["confirmed"] == 1


def test_a_file_that_was_fixed_after_a_failure_begins_anew_once_the_task_is_cleared(
    tmp_path: Path, bik: Sandbox
) -> None:
    path, ti = tmp_path / "orders.ndjson", TaskInstance()
    path.write_text("\n".join([json.dumps(event(1)), "{broken", json.dumps(event(3))]))
    options: dict[str, Any] = {"ti": ti, "state_path": str(tmp_path / "state")}
    with pytest.raises(AirflowFailException, match="1 of 3 events were rejected, 0 allowed"):
        execute(str(path), **options)
    path.write_text(path.read_text().replace("{broken", json.dumps(event(2))))
    with pytest.raises(AirflowFailException) as caught:
        execute(str(path), **options)
    assert isinstance(bik_error(caught.value), BikInputChangedError)
    assert "To begin anew with the input as it is now, clear the task" in str(caught.value)
    assert bik.ledger.count() == 2
    ti.clear()
    report = execute(str(path), **options)
    assert (report["confirmed"], named(report)) == (3, {0, 1, 2})
    assert len(bik.ledger.counts("event.email")) == 3


def test_a_checkpoint_stays_small_however_many_events_are_rejected(tmp_path: Path, bik: Sandbox) -> None:
    events = [event(n, **({"email": ""} if n % 2 else {})) for n in range(5000)]
    bik.faults = FaultPlan(script=(*[None] * 40, Fault(kind="status", status=401, when="before")))
    sending = Sending(batch_size=50, max_concurrency=1)
    with pytest.raises(AirflowFailException, match="rejects every request"):
        execute(events, state_path=str(tmp_path), sending=sending)
    [checkpoint] = files_of(tmp_path, "checkpoint.*")
    assert json.loads(checkpoint.read_text())["counts"]["reasons"]["identity_missing"] > 1000
    assert checkpoint.stat().st_size < 32 * 1024, "half of what the store of Airflow takes"
    assert len(files_of(tmp_path, "rejected.*-*.ndjson")) > 1


def test_a_line_longer_than_the_bound_is_one_rejection(tmp_path: Path, bik: Sandbox) -> None:
    path = tmp_path / "long.ndjson"
    path.write_bytes(json.dumps(event(1)).encode() + b"\n" + b"x" * 9_000_000)
    report = execute(str(path), max_rejected=1, state_path=str(tmp_path / "dead"))
    assert (report["confirmed"], report["reasons"]) == (1, {"unparsable": 1})


class _BrokenStore:
    """Airflow's task state store while its API server does not answer."""

    def get(self, key: str, default: object = None) -> object:  # noqa: ARG002 - Airflow's form
        return default

    def set(self, key: str, value: object) -> None:  # noqa: ARG002 - Airflow's form
        message = f"no answer for {key}"
        raise ConnectionResetError(message)


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="it has no task state store")
def test_a_record_that_the_state_store_does_not_take_ends_the_task_before_anything_is_sent(bik: Sandbox) -> None:
    with pytest.raises(AirflowException, match="state store does not answer") as caught:
        execute([event(1)], ti=TaskInstance(store=_BrokenStore()))
    assert not isinstance(caught.value, AirflowFailException)
    assert bik.requests == []


def test_a_dry_run_keeps_its_rejected_events_apart_and_the_next_one_replaces_them(bik: Sandbox, tmp_path: Path) -> None:
    bad = [event(1), event(2, email="", phoneNumber="x"), {**event(3), "event_name": "x"}]
    options: dict[str, Any] = {"state_path": str(tmp_path), "max_rejected": 2}
    dry = execute(bad, dry_run=True, **options)
    lines = rejected_lines(dry)
    assert [line["reason"] for line in lines] == ["phone_invalid", "unknown_field"]
    assert Path(dry["rejected_path"]).is_relative_to(tmp_path / "dry-runs")
    assert not files_of(tmp_path, "record.json")
    again = execute(bad[:2], dry_run=True, **options)
    assert again["rejected_path"] == dry["rejected_path"]
    assert [line["reason"] for line in rejected_lines(again)] == ["phone_invalid"]
    assert execute(bad[:1], dry_run=True, **options)["rejected_path"] is None
    assert files_of(tmp_path, "rejected*") == []
    assert bik.requests == []


def test_the_field_that_is_unknown_and_bik_s_own_words_are_named(bik: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"1 x unknown_field \(at \[0\]: 'event_name'\)"):
        execute([{**event(3), "event_name": "secret value"}])


def test_the_path_of_rejected_events_stands_on_a_line_of_its_own(
    bik: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = execute([event(1), event(2, email="", phoneNumber="x")], state_path=str(tmp_path), max_rejected=1)
    texts = [record.getMessage() for record in caplog.records]
    assert f"The rejected events: {report['rejected_path']}" in texts
    assert not any("None" in text for text in texts)


@pytest.mark.parametrize("operator", [BikSendEventsOperator, SqlToBikOperator])
def test_a_connection_that_is_missing_is_no_reason_to_try_again(
    bik: Sandbox, tmp_path: Path, operator: type[BikSendEventsOperator]
) -> None:
    given: dict[str, Any] = {"events": [event(1)], "bik_conn_id": "missing"}
    if operator is SqlToBikOperator:
        given = {"sql": "SELECT 1", "conn_id": "missing", "state_path": str(tmp_path)}
    with pytest.raises(AirflowFailException, match=r"There is no Connection 'missing'\."):
        TaskInstance().execute(operator(task_id="send", **given))
    assert bik.requests == []
