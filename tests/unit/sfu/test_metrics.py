"""The table of metrics is complete, bounded, documented, and filled from statistics."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sfu import _engine, metrics
from sfu.histogram import HistogramRecorder
from sfu.metrics import METRICS, SIGNALING, MetricType, WorkerReport, families
from sfu.rpc_messages import Histogram, WorkerStatistics
from sfu.values import RoomClass, TransportState

ROOT = Path(__file__).parents[3]


def statistics() -> WorkerStatistics:
    recorder = HistogramRecorder(metrics.DURATION_BUCKETS_S)
    recorder.observe(0.2)
    some = recorder.read()
    return WorkerStatistics(
        worker="council-0",
        incarnation="x",
        room_class=RoomClass.COUNCIL,
        uptime_s=5.0,
        rooms=1,
        participants=2,
        transports={state: 1 for state in TransportState},
        tls_versions={version: 1 for version in metrics.TLS_VERSIONS},
        srtp_profiles={profile: 1 for profile in metrics.SRTP_PROFILES},
        handshake_failures={"timeout": 1},
        handshake_time=some,
        join_time=some,
        loop_lag=some,
        rpc_calls={"join": 3},
        rpc_failures={"room_full": 1},
        rpc_slow_readers=0,
        engine_counters={name: 1 for name in metrics.ENGINE_COUNTERS},
        engine_drops={"no_grant": 4},
        engine_gauges={"cached_bytes": 10, "send_streams": 3, "receive_streams": 2},
        forwarding_delay=some,
        engine_cpu_time_s=1.0,
    )


def exposition(*reports: WorkerReport) -> str:
    class Collector:
        def collect(self) -> Any:
            return families(reports)

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry).decode()


def test_every_row_of_the_table_is_exposed_as_described() -> None:
    text = exposition(WorkerReport("council-0", 1, statistics()))

    exposed = {family.name: family for family in text_string_to_metric_families(text)}
    for row in METRICS[len(SIGNALING) :]:
        family = exposed[row.name.removesuffix("_total")]
        assert family.type == row.type
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels == set(row.labels)
    assert len(exposed) == len(METRICS) - len(SIGNALING)


def test_two_workers_share_each_family() -> None:
    text = exposition(
        WorkerReport("council-0", 0, statistics()), WorkerReport("kep-0", 2, statistics())
    )

    assert text.count("# TYPE sfu_rooms gauge") == 1
    assert 'sfu_rooms{room_class="council",worker="kep-0"} 1.0' in text
    assert 'sfu_worker_restarts_total{worker="kep-0"} 2.0' in text


def test_worker_that_does_not_answer_is_down_and_nothing_else() -> None:
    text = exposition(WorkerReport("council-0", 3, None))

    assert 'sfu_worker_up{worker="council-0"} 0.0' in text
    assert "sfu_rooms" not in text


def test_names_are_unique_and_follow_the_conventions() -> None:
    names = [row.name for row in METRICS]

    assert len(set(names)) == len(names)
    for row in METRICS:
        assert row.name.startswith(("sfu_", "signaling_"))
        assert row.name.endswith("_total") == (row.type is MetricType.COUNTER)
        assert row.help.endswith(".")
        assert bool(row.buckets) == (row.type is MetricType.HISTOGRAM)


def test_engine_counters_are_those_of_the_engine() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        engine = _engine.Engine(sockets=[media.fileno()], seed=bytes(32))
        counters = engine.snapshot()["counters"]
        engine.close()

    assert counters.keys() == metrics.ENGINE_COUNTERS.keys()


@pytest.mark.parametrize(
    ("value", "counts"), [(0.5, [1, 1, 1]), (1.0, [1, 1, 1]), (1.5, [0, 1, 1]), (9.0, [0, 0, 1])]
)
def test_histogram_counts_are_cumulative(value: float, counts: list[int]) -> None:
    recorder = HistogramRecorder((1.0, 2.0))

    recorder.observe(value)

    read = recorder.read()
    assert [count for _, count in read.buckets] == counts
    assert read.total == value
    wire = msgspec.msgpack.encode(read)
    assert msgspec.msgpack.decode(wire, type=Histogram) == read
