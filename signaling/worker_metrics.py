"""From the statistics of media workers to Prometheus' text. Label values are closed sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sfu.rpc_messages import Histogram, WorkerStatistics
from signaling.worker_link import WorkerLink

Snapshot = tuple[WorkerLink, WorkerStatistics | None]


class WorkerCollector(Collector):
    """Yields the metrics of one scrape."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with one sample per worker that answered."""
        yield self._links("sfu_worker_up", "Whether the worker answered.", lambda link, is_up: is_up)
        restarts = CounterMetricFamily(
            "sfu_worker_restarts", "Restarts seen by this process.", labels=LABELS
        )
        for link, _ in self._snapshots:
            restarts.add_metric(_labels(link), link.restarts)
        yield restarts
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    def _links(self, name: str, text: str, value) -> Metric:  # type: ignore[no-untyped-def]
        family = GaugeMetricFamily(name, text, labels=LABELS)
        for link, statistics in self._snapshots:
            family.add_metric(_labels(link), float(value(link, statistics is not None)))
        return family

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
        yield self._by("sfu_transports", "Transports by state.", "state", lambda k: k.transports)
        yield self._by(
            "sfu_engine", "Gauges of the engine, by name.", "gauge", lambda k: k.engine_gauges
        )

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

    def _histograms(self) -> Iterable[Metric]:
        for name, text, value in HISTOGRAMS:
            family = HistogramMetricFamily(name, text, labels=LABELS)
            for labels, known in self._known:
                histogram = value(known)
                buckets = [(floatToGoString(le), float(n)) for le, n in histogram.buckets]
                family.add_metric(labels, buckets, histogram.total)
            yield family

    def _by(self, name: str, text: str, label: str, values) -> Metric:  # type: ignore[no-untyped-def]
        family = GaugeMetricFamily(name, text, labels=[*LABELS, label])
        for labels, known in self._known:
            for value, count in values(known).items():
                family.add_metric([*labels, str(value)], count)
        return family


def _labels(link: WorkerLink) -> list[str]:
    return [link.address.name, link.address.room_class.value]


LABELS = ("worker", "room_class")
