"""Metrics arrive where Airflow sends its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.providers.common.compat.sdk import Stats
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from airflow_provider_bik.delivery import AnswerClass, Counts, Progress
from airflow_provider_bik.events.reasons import Reason
from airflow_provider_bik.operators.metrics import METRICS, DeliveryMetrics
from airflow_provider_bik.sandbox import Fault, FaultPlan, Sandbox
from tests.versions import needs_opentelemetry_in_tasks

EXPECTED = {
    "bik.events.confirmed.migration": 2,
    "bik.events.confirmed.realtime": 2,
    "bik.events.rejected.identity_missing": 1,
    "bik.events.possible_duplicates": 4,
    "bik.requests.confirmed": 1,
    "bik.requests.unknown": 1,
    "bik.retries": 1,
    "bik.deliveries.failed": 1,
}


def run(**environment: str) -> None:
    """One try of a task in a process of its own."""
    command = [sys.executable, "-m", "tests.operators.metrics_process"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def statsd() -> Iterator[tuple[int, list[str]]]:
    """A StatsD server: its port, and the lines that it gets."""
    lines: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def listen() -> None:
            while (packet := server.recv(65536)) != b"end":
                lines.extend(packet.decode().splitlines())

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield server.getsockname()[1], lines
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", server.getsockname())
            thread.join()


def statsd_counts(lines: list[str]) -> dict[str, int]:
    """The counters of this package."""
    found: Counter[str] = Counter()
    for line in lines:
        name, _, value = line.partition(":")
        if name.startswith("airflow.bik.") and value.endswith("|c"):
            found[name.removeprefix("airflow.")] += int(value.removesuffix("|c"))
    return found


@pytest.fixture
def failing_once(bik: Sandbox) -> Sandbox:
    bik.faults = FaultPlan(script=(Fault(kind="status", status=500, when="before"),))
    return bik


def test_they_arrive_at_a_statsd_server(failing_once: Sandbox) -> None:
    pytest.importorskip("statsd", reason="Airflow needs it to send metrics to StatsD")
    with statsd() as (port, lines):
        run(AIRFLOW__METRICS__STATSD_ON="True", AIRFLOW__METRICS__STATSD_PORT=str(port))
    assert statsd_counts(lines) == EXPECTED
    assert any(line.startswith("airflow.bik.delivery.duration:") and line.endswith("|ms") for line in lines)
    assert not any("customer" in line or "order-" in line for line in lines)


def test_a_dry_run_counts_nothing(bik: Sandbox) -> None:
    pytest.importorskip("statsd", reason="Airflow needs it to send metrics to StatsD")
    with statsd() as (port, lines):
        run(AIRFLOW__METRICS__STATSD_ON="True", AIRFLOW__METRICS__STATSD_PORT=str(port), DRY_RUN="true")
    assert not statsd_counts(lines)


@needs_opentelemetry_in_tasks
def test_they_arrive_at_an_opentelemetry_collector_with_dag_and_task(failing_once: Sandbox) -> None:
    received: list[ExportMetricsServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run(
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"http://127.0.0.1:{server.server_port}/v1/metrics",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            AIRFLOW__METRICS__OTEL_ON="True",
            AIRFLOW__METRICS__OTEL_HOST="127.0.0.1",
            AIRFLOW__METRICS__OTEL_PORT=str(server.server_port),
        )
        server.shutdown()
    points = {
        metric.name.removeprefix("airflow."): point
        for request in received
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.sum.data_points
        if metric.name.startswith("airflow.bik.")
    }
    assert {name: point.as_int or round(point.as_double) for name, point in points.items()} == EXPECTED
    tags = {tag.key: tag.value.string_value for tag in points["bik.retries"].attributes}
    assert tags == {"dag_id": "dag", "task_id": "send"}


def progress(**changes: object) -> Progress:
    given: dict[str, object] = {"seconds": 5.0, "read": 0, "settled": 0, "in_flight": 0, "retrying": 0, **changes}
    return Progress(**given)  # type: ignore[arg-type]


def sent(metrics: DeliveryMetrics, given: Progress, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is sent for a progress."""
    found: Counter[str] = Counter()
    monkeypatch.setattr(Stats, "incr", lambda name, number, **_: found.update({name: number}), raising=False)
    metrics.of_progress(given)()
    return found


def test_what_an_earlier_try_has_counted_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Counts(reasons={Reason.FIELD_TYPE: 3}, skipped=2)
    metrics = DeliveryMetrics(before=before.copy(), tags={})
    counts = Counts(reasons={Reason.FIELD_TYPE: 5}, skipped=2)
    answers = {AnswerClass.CONFIRMED: 4}
    first = sent(metrics, progress(counts=counts, answers=answers), monkeypatch)
    assert first == {"bik.events.rejected.field_type": 2, "bik.requests.confirmed": 4}
    assert sent(metrics, progress(counts=counts, answers=answers), monkeypatch) == {}


def test_an_outage_counts_once_and_what_is_left_without_an_outcome_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = DeliveryMetrics(before=Counts(), tags={})
    failing = {"counts": Counts(), "trouble": "failing", "trouble_seconds": 2.0}
    assert sent(metrics, progress(**failing), monkeypatch) == {"bik.outages.failing": 1}
    assert sent(metrics, progress(**failing), monkeypatch) == {}
    end = progress(counts=Counts(), read=10, settled=4, is_last=True)
    assert sent(metrics, end, monkeypatch)["bik.events.unresolved"] == 6


def test_every_metric_that_can_be_sent_is_in_the_table() -> None:
    named = {f"{metric.name}.{ending}" for metric in METRICS for ending in metric.endings}
    named |= {metric.name for metric in METRICS if not metric.endings}
    assert named >= EXPECTED.keys()
    assert {"bik.outages.failing", "bik.events.unresolved", "bik.delivery.duration", "bik.events.skipped"} <= named
