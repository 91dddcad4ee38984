"""SANS-IO: from readings, taken about once a second, to the points of the report's curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.quantiles import histogram_quantile, merge_histograms, merge_totals


@dataclass(frozen=True)
class ServerProcess:
    """One process of the service at one instant."""

    pid: int
    role: str
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True)
class Reading:
    """What was read at one instant."""

    at_s: float
    """Since the start of the run."""
    people: int
    """In now."""
    failures: int
    """So far."""
    agents: Sequence[Mapping[str, Any]] = ()
    """The newest statistics of each agent; empty before the first."""
    processes: Sequence[ServerProcess] | None = None
    """Of the service; None where it runs elsewhere."""
    machine: tuple[int, int] = (0, 0)
    """Ticks of all cores: busy, all."""
    metrics: Mapping[str, float] | None = None
    """Values of /metrics by name, added up over labels; None if not read this time."""


@dataclass
class Point:
    """One second of the run. None: not known."""

    at_s: float
    people: int
    failures: int
    received_mbps: float | None = None
    sent_mbps: float | None = None
    packets_per_s: float | None = None
    """Received by participants."""
    lost_per_s: float | None = None
    freezes_per_s: float | None = None
    frozen_s: float | None = None
    """Frozen time that ended in this second, of all pictures together."""
    audio_p50_ms: float | None = None
    audio_p99_ms: float | None = None
    video_p50_ms: float | None = None
    video_p99_ms: float | None = None
    lateness_p99_ms: float | None = None
    """Of the generator."""
    machine_busy: float | None = None
    """Share of all cores, 0 to 1, whoever used them."""
    cpu_cores: dict[str, float] = field(default_factory=dict)
    """Of the service, by role."""
    memory_mb: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """Rates a second of counters, values of gauges."""


RATES = (
    "sfu_rtp_packets_forwarded_total",
    "sfu_packets_dropped_total",
    "sfu_engine_cpu_seconds_total",
    "sfu_retransmissions_sent_total",
    "signaling_messages_received_total",
    "signaling_errors_sent_total",
)
GAUGES = ("sfu_rooms", "sfu_participants", "signaling_sockets")
METRICS = (*RATES, *GAUGES)
"""What of /metrics is kept."""


class Series:
    """Fed with readings, gives a point for each."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.most_memory: dict[str, float] = {}
        """Role → MB."""
        self.cpu_s: dict[str, float] = {}
        """Role → CPU time used since the first reading."""
        self._last: Reading | None = None
        self._last_metrics: tuple[float, Mapping[str, float]] | None = None

    def handle_reading(self, reading: Reading) -> Point:
        """Take a reading."""
        point = Point(round(reading.at_s, 2), reading.people, reading.failures)
        last = self._last
        if last is not None:
            self._add_media(point, last.agents, reading.agents)
            self._add_machine(point, last.machine, reading.machine)
            self._add_processes(point, last, reading)
        if reading.metrics is not None:
            self._add_metrics(point, reading.at_s, reading.metrics)
        self._last = reading
        self.points.append(point)
        return point

    def _add_media(
        self, point: Point, before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
    ) -> None:
        if not before or len(before) != len(now):
            return
        pairs = zip(before, now, strict=True)
        elapsed_s = max(float(new["at_us"] - old["at_us"]) / 1e6 for old, new in pairs)
        if elapsed_s <= 0:
            return  # no news since the last time
        old = merge_totals(each["totals"] for each in before)
        new = merge_totals(each["totals"] for each in now)

        def rate(name: str) -> float:
            return float(new.get(name, 0) - old.get(name, 0)) / elapsed_s

        point.received_mbps = round(rate("bytes_received") * 8 / 1e6, 3)
        point.sent_mbps = round(rate("bytes_sent") * 8 / 1e6, 3)
        point.packets_per_s = round(rate("packets_received"), 1)
        point.lost_per_s = round(rate("packets_lost"), 2)
        point.freezes_per_s = round(rate("freezes"), 2)
        point.frozen_s = round(rate("freeze_us") * elapsed_s / 1e6, 3)
        audio = _difference(old.get("audio_delay", []), new.get("audio_delay", []))
        video = _difference(old.get("video_delay", []), new.get("video_delay", []))
        point.audio_p50_ms, point.audio_p99_ms = _ms(audio, 0.5), _ms(audio, 0.99)
        point.video_p50_ms, point.video_p99_ms = _ms(video, 0.5), _ms(video, 0.99)
        late = [
            _difference(
                merge_histograms(each[name] for each in before),
                merge_histograms(each[name] for each in now),
            )
            for name in ("send_lateness", "receive_lateness")
        ]
        point.lateness_p99_ms = max(_ms(each, 0.99) or 0.0 for each in late)

    def _add_machine(self, point: Point, before: tuple[int, int], now: tuple[int, int]) -> None:
        ticks = now[1] - before[1]
        if ticks > 0:
            point.machine_busy = round((now[0] - before[0]) / ticks, 3)

    def _add_processes(self, point: Point, last: Reading, reading: Reading) -> None:
        if reading.processes is None or last.processes is None:
            return
        elapsed_s = reading.at_s - last.at_s
        before = {each.pid: each.cpu_s for each in last.processes}
        for each in reading.processes:
            used_s = max(0.0, each.cpu_s - before.get(each.pid, each.cpu_s))
            self.cpu_s[each.role] = self.cpu_s.get(each.role, 0.0) + used_s
            if elapsed_s > 0:
                cores = point.cpu_cores.get(each.role, 0.0) + used_s / elapsed_s
                point.cpu_cores[each.role] = round(cores, 3)
            memory = point.memory_mb.get(each.role, 0.0) + each.memory_bytes / 1e6
            point.memory_mb[each.role] = round(memory, 1)
        for role, megabytes in point.memory_mb.items():
            self.most_memory[role] = max(self.most_memory.get(role, 0.0), megabytes)

    def _add_metrics(self, point: Point, at_s: float, metrics: Mapping[str, float]) -> None:
        if self._last_metrics is not None and at_s > self._last_metrics[0]:
            before_s, before = self._last_metrics
            for name in RATES:
                if name in metrics and name in before:
                    rate = max(0.0, metrics[name] - before[name]) / (at_s - before_s)
                    point.metrics[name] = round(rate, 3)
        for name in GAUGES:
            if name in metrics:
                point.metrics[name] = metrics[name]
        self._last_metrics = (at_s, metrics)


def _difference(
    old: Sequence[Sequence[int]], new: Sequence[Sequence[int]]
) -> list[tuple[int, int]]:
    """Return the histogram of what was counted between two."""
    before = {bound: count for bound, count in old}
    rows = [(bound, count - before.get(bound, 0)) for bound, count in new]
    return [(bound, count) for bound, count in rows if count > 0]


def _ms(histogram: Sequence[Sequence[int]], quantile: float) -> float | None:
    micros = histogram_quantile(histogram, quantile)
    return None if micros is None else round(micros / 1000, 3)
