"""From the statistics of media workers to Prometheus' text. Label values are closed sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sfu.rpc_messages import Histogram, WorkerStatistics
from signaling.worker_link import WorkerLink

Snapshot = tuple[WorkerLink, WorkerStatistics | None]


class WorkerCollector(Collector):
    """Yields the metrics of one scrape."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with one sample per worker that answered."""
        up = GaugeMetricFamily("sfu_worker_up", "Whether the worker answered.", labels=LABELS)
        restarts = CounterMetricFamily(
            "sfu_worker_restarts", "Restarts seen by this process.", labels=LABELS
        )
        for link, known in self._snapshots:
            up.add_metric(_labels(link), float(known is not None))
            restarts.add_metric(_labels(link), link.restarts)
        yield from (up, restarts)
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    @property
    def _known(self) -> list[tuple[list[str], WorkerStatistics]]:
        return [(_labels(link), known) for link, known in self._snapshots if known is not None]

    def _gauges(self) -> Iterator[Metric]:
        rooms = GaugeMetricFamily("sfu_rooms", "Rooms open.", labels=LABELS)
        people = GaugeMetricFamily("sfu_participants", "Participants.", labels=LABELS)
        for labels, known in self._known:
            rooms.add_metric(labels, known.rooms)
            people.add_metric(labels, known.participants)
        yield from (rooms, people)
        for name, text, label, values in GAUGES:
            family = GaugeMetricFamily(name, text, labels=[*LABELS, label])
            for labels, known in self._known:
                for value, count in values(known).items():
                    family.add_metric([*labels, str(value)], count)
            yield family

    def _counters(self) -> Iterator[Metric]:
        for name, text, label, values in COUNTERS:
            family = CounterMetricFamily(name, text, labels=[*LABELS, label])
            for labels, known in self._known:
                for value, count in values(known).items():
                    family.add_metric([*labels, str(value)], count)
            yield family
        cpu = CounterMetricFamily("sfu_engine_cpu_seconds", "CPU of the engine.", labels=LABELS)
        for labels, known in self._known:
            cpu.add_metric(labels, known.engine_cpu_time_s)
        yield cpu

    def _histograms(self) -> Iterator[Metric]:
        for name, text, value in HISTOGRAMS:
            family = HistogramMetricFamily(name, text, labels=LABELS)
            for labels, known in self._known:
                histogram = value(known)
                buckets = [(_bound(le), float(n)) for le, n in histogram.buckets]
                family.add_metric(labels, buckets, histogram.total)
            yield family


def _bound(value: float) -> str:
    return "+Inf" if math.isinf(value) else repr(value)


def _labels(link: WorkerLink) -> list[str]:
    return [link.address.name, link.address.room_class.value]


LABELS = ("worker", "room_class")
ByLabel = tuple[str, str, str, Callable[[WorkerStatistics], Mapping[Any, int]]]
"""Name, help, label, and the counts by the label's values."""
GAUGES: tuple[ByLabel, ...] = (
    ("sfu_transports", "Transports by state.", "state", lambda known: known.transports),
    ("sfu_engine", "Gauges of the engine.", "gauge", lambda known: known.engine_gauges),
)
COUNTERS: tuple[ByLabel, ...] = (
    (
        "sfu_handshakes",
        "DTLS handshakes done, by version.",
        "tls",
        lambda known: known.tls_versions,
    ),
    ("sfu_srtp", "Handshakes done, by SRTP profile.", "profile", lambda known: known.srtp_profiles),
    (
        "sfu_handshake_failures",
        "DTLS handshakes failed, by reason.",
        "reason",
        lambda known: known.handshake_failures,
    ),
    ("sfu_rpc_calls", "Calls of control planes.", "method", lambda known: known.rpc_calls),
    ("sfu_rpc_failures", "Calls refused, by code.", "code", lambda known: known.rpc_failures),
    (
        "sfu_packets_dropped",
        "Packets dropped, by reason.",
        "reason",
        lambda known: known.engine_drops,
    ),
    (
        "sfu_engine_events",
        "Counters of the engine.",
        "counter",
        lambda known: known.engine_counters,
    ),
)
HISTOGRAMS: tuple[tuple[str, str, Callable[[WorkerStatistics], Histogram]], ...] = (
    ("sfu_handshake_seconds", "DTLS handshake.", lambda known: known.handshake_time),
    ("sfu_join_seconds", "Join until the transport is up.", lambda known: known.join_time),
    ("sfu_worker_loop_lag_seconds", "Lag of the worker's loop.", lambda known: known.loop_lag),
    (
        "sfu_forwarding_delay_seconds",
        "Receive until handed to the kernel, 1 packet in 64.",
        lambda known: known.forwarding_delay,
    ),
)
