"""Every Prometheus metric of the product, in one table, and how a worker's statistics fill it.

Label values are bounded sets: classes, states, reasons, worker names; never a room's or a person's
id. docs/metrics.md is written by `document`; a test fails when it is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from sfu.rpc_messages import Histogram, WorkerStatistics

DURATION_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
FORWARDING_BUCKETS_S = (
    *(50e-6, 0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005),
    *(0.01, 0.02, 0.05, 0.1),
)
"""The engine's; `tests/integration/test_native_engine.py` holds both together."""
TLS_VERSIONS = ("DTLSv1.2", "DTLSv1.3", "other")
SRTP_PROFILES = ("aead_aes_128_gcm", "aead_aes_256_gcm", "aes128_cm_sha1_80")


class MetricType(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class MetricRow:
    """One metric. `labels` gives for each label its set of values, as said in the document."""

    name: str
    type: MetricType
    help: str
    labels: Mapping[str, str]
    buckets: tuple[float, ...] | str = ()


_WORKER = {"worker": "name of a configured worker"}
_BY_CLASS = {**_WORKER, "room_class": "council, kep"}


def _engine_counter(name: str, what: str) -> MetricRow:
    return MetricRow(f"sfu_{name}_total", MetricType.COUNTER, what, _WORKER)


ENGINE_COUNTERS: Mapping[str, MetricRow] = {
    "packets_received": _engine_counter("packets_received", "UDP datagrams received."),
    "bytes_received": _engine_counter("bytes_received", "UDP payload bytes received."),
    "packets_sent": _engine_counter("packets_sent", "UDP datagrams sent."),
    "bytes_sent": _engine_counter("bytes_sent", "UDP payload bytes sent."),
    "rtp_packets_forwarded": _engine_counter(
        "rtp_packets_forwarded", "RTP packets sent to subscribers, one per subscriber."
    ),
    "nacks_received": _engine_counter(
        "nacks_received", "Packets that subscribers asked for again."
    ),
    "nacks_sent": _engine_counter("nacks_sent", "Packets that we asked publishers for again."),
    "retransmissions_sent": _engine_counter("retransmissions_sent", "Packets sent again."),
    "retransmissions_refused": _engine_counter(
        "retransmissions_refused", "Packets asked for again and not sent: too old, too often."
    ),
    "retransmissions_received": _engine_counter(
        "retransmissions_received", "Packets that publishers sent again."
    ),
    "keyframe_requests_received": _engine_counter(
        "keyframe_requests_received", "PLI and FIR from subscribers."
    ),
    "ceilings_received": _engine_counter(
        "ceilings_received", "REMB from subscribers: what their paths carry at most."
    ),
    "keyframe_requests_sent": _engine_counter(
        "keyframe_requests_sent", "PLI to publishers, after the limiter."
    ),
    "keyframe_cache_starts": _engine_counter(
        "keyframe_cache_starts", "Switches that a cached keyframe served at once."
    ),
    "source_switches": _engine_counter("source_switches", "Switches of what a stream carries."),
    "stun_requests": _engine_counter("stun_requests", "Authenticated STUN binding requests."),
    "send_failures": _engine_counter("send_failures", "Datagrams that the kernel refused."),
    "send_waits": _engine_counter("send_waits", "Times a full send buffer was waited for."),
    "send_messages": _engine_counter("send_messages", "Messages given to the kernel."),
    "gso_messages": _engine_counter("gso_messages", "Messages of several datagrams (GSO)."),
    "gso_refusals": _engine_counter("gso_refusals", "Times the kernel refused GSO."),
    "receive_failures": _engine_counter("receive_failures", "Failed receive calls."),
    "receive_queue_drops": _engine_counter(
        "receive_queue_drops", "Datagrams lost in the kernel: the engine came too late."
    ),
    "commands_refused": _engine_counter("commands_refused", "Commands that the engine refused."),
    "turns": _engine_counter("engine_turns", "Turns of the engine's thread."),
    "steps_back": _engine_counter(
        "engine_steps_back",
        "Times the engine had more to do than a processor can, and gave up running in real time.",
    ),
    "events_lost": _engine_counter("events_lost", "Engine events lost: the loop was too slow."),
}
"""By the engine's name of the counter."""

ROOMS = MetricRow("sfu_rooms", MetricType.GAUGE, "Open rooms.", _BY_CLASS)
PARTICIPANTS = MetricRow(
    "sfu_participants", MetricType.GAUGE, "Participants, those who may resume included.", _BY_CLASS
)
TRANSPORTS = MetricRow(
    "sfu_transports",
    MetricType.GAUGE,
    "Media transports by state.",
    {**_WORKER, "state": "new, connected, disconnected, failed, closed"},
)
HANDSHAKES = MetricRow(
    "sfu_dtls_handshakes_total",
    MetricType.COUNTER,
    "Finished DTLS handshakes by version.",
    {**_WORKER, "tls_version": ", ".join(TLS_VERSIONS)},
)
SRTP = MetricRow(
    "sfu_srtp_profiles_total",
    MetricType.COUNTER,
    "Finished DTLS handshakes by SRTP profile.",
    {**_WORKER, "srtp_profile": ", ".join(SRTP_PROFILES)},
)
HANDSHAKE_FAILURES = MetricRow(
    "sfu_dtls_handshake_failures_total",
    MetricType.COUNTER,
    "Failed DTLS handshakes.",
    {**_WORKER, "reason": "timeout, tls, fingerprint, no_srtp_profile"},
)
HANDSHAKE_TIME = MetricRow(
    "sfu_dtls_handshake_seconds",
    MetricType.HISTOGRAM,
    "First datagram to keys.",
    _WORKER,
    DURATION_BUCKETS_S,
)
JOIN_TIME = MetricRow(
    "sfu_join_seconds",
    MetricType.HISTOGRAM,
    "Join accepted to media transport connected.",
    _BY_CLASS,
    DURATION_BUCKETS_S,
)
FORWARDING_DELAY = MetricRow(
    "sfu_forwarding_delay_seconds",
    MetricType.HISTOGRAM,
    "Kernel receive to handed to the kernel, one packet in 64.",
    _WORKER,
    FORWARDING_BUCKETS_S,
)
LOOP_LAG = MetricRow(
    "sfu_event_loop_lag_seconds",
    MetricType.HISTOGRAM,
    "How late the worker's event loop wakes.",
    _WORKER,
    LAG_BUCKETS_S,
)
DROPS = MetricRow(
    "sfu_packets_dropped_total",
    MetricType.COUNTER,
    "Packets dropped by the engine.",
    {**_WORKER, "reason": "as sfu._engine.drop_reasons()"},
)
CACHED_BYTES = MetricRow(
    "sfu_cached_bytes", MetricType.GAUGE, "Bytes in the engine's packet caches.", _WORKER
)
STREAMS = MetricRow(
    "sfu_streams",
    MetricType.GAUGE,
    "RTP streams in the engine.",
    {**_WORKER, "direction": "send, receive"},
)
ENGINE_CPU = MetricRow(
    "sfu_engine_cpu_seconds_total", MetricType.COUNTER, "CPU time of the engine's thread.", _WORKER
)
ENGINE_REAL_TIME = MetricRow(
    "sfu_engine_real_time",
    MetricType.GAUGE,
    "1 while the engine's thread runs before all ordinary ones; 0: it may not, or stepped back.",
    _WORKER,
)
UPTIME = MetricRow("sfu_worker_uptime_seconds", MetricType.GAUGE, "Age of the process.", _WORKER)
WORKER_UP = MetricRow("sfu_worker_up", MetricType.GAUGE, "1 if its RPC answers, else 0.", _WORKER)
WORKER_RESTARTS = MetricRow(
    "sfu_worker_restarts_total",
    MetricType.COUNTER,
    "Times that signaling met another incarnation of the worker.",
    _WORKER,
)
SANDBOX_PROHIBITIONS = MetricRow(
    "sfu_sandbox_prohibitions",
    MetricType.GAUGE,
    "Prohibitions that the worker tried on itself and the kernel refused; 0: not locked down.",
    _WORKER,
)
SANDBOX_LOCK_DOWN = MetricRow(
    "sfu_sandbox_lock_down_seconds",
    MetricType.GAUGE,
    "How long the worker took to lock itself down and to try each prohibition.",
    _WORKER,
)
RPC_CALLS = MetricRow(
    "sfu_rpc_calls_total",
    MetricType.COUNTER,
    "RPC calls served.",
    {**_WORKER, "method": "methods of sfu.rpc_messages"},
)
RPC_FAILURES = MetricRow(
    "sfu_rpc_failures_total",
    MetricType.COUNTER,
    "RPC calls refused.",
    {**_WORKER, "code": "codes of sfu.errors"},
)
RPC_SLOW_READERS = MetricRow(
    "sfu_rpc_slow_readers_total",
    MetricType.COUNTER,
    "Control-plane connections closed because they did not read.",
    _WORKER,
)

SIGNALING: tuple[MetricRow, ...] = (
    MetricRow("signaling_sockets", MetricType.GAUGE, "WebSockets open now.", {}),
    MetricRow(
        "signaling_messages_received_total", MetricType.COUNTER, "Text frames from clients.", {}
    ),
    MetricRow(
        "signaling_joins_total",
        MetricType.COUNTER,
        "Participants admitted, by whether they resumed.",
        {"resumed": "true, false"},
    ),
    MetricRow(
        "signaling_errors_sent_total",
        MetricType.COUNTER,
        "Error messages, by wire code.",
        {"code": "codes of docs/signaling-protocol.md"},
    ),
    MetricRow(
        "signaling_sockets_closed_total",
        MetricType.COUNTER,
        "WebSockets closed by the server, by reason.",
        {"reason": "close reasons of docs/signaling-protocol.md"},
    ),
    MetricRow(
        "signaling_http_requests_total",
        MetricType.COUNTER,
        "HTTP requests answered, by route and status class.",
        {"route": "patterns of our routes", "status": "1xx to 5xx"},
    ),
    MetricRow(
        "signaling_loop_lag_seconds",
        MetricType.HISTOGRAM,
        "How late the event loop wakes.",
        {},
        (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    ),
)
"""Of the control plane itself; `signaling.metrics` counts them."""

METRICS: tuple[MetricRow, ...] = (
    *SIGNALING,
    ROOMS,
    PARTICIPANTS,
    TRANSPORTS,
    HANDSHAKES,
    SRTP,
    HANDSHAKE_FAILURES,
    HANDSHAKE_TIME,
    JOIN_TIME,
    FORWARDING_DELAY,
    LOOP_LAG,
    *ENGINE_COUNTERS.values(),
    DROPS,
    CACHED_BYTES,
    STREAMS,
    ENGINE_CPU,
    ENGINE_REAL_TIME,
    UPTIME,
    WORKER_UP,
    WORKER_RESTARTS,
    SANDBOX_PROHIBITIONS,
    SANDBOX_LOCK_DOWN,
    RPC_CALLS,
    RPC_FAILURES,
    RPC_SLOW_READERS,
)


@dataclass(frozen=True)
class WorkerReport:
    """One worker as signaling sees it at a scrape."""

    worker: str
    restarts: int
    """Incarnations met after the first."""
    statistics: WorkerStatistics | None
    """None: it did not answer."""


def families(reports: Iterable[WorkerReport]) -> list[Metric]:
    """Return all metrics of these workers, each family once, for a `prometheus_client`
    collector."""
    table = _Families()
    for report in reports:
        worker = report.worker
        table.add(WORKER_UP, float(report.statistics is not None), worker)
        table.add(WORKER_RESTARTS, report.restarts, worker)
        if report.statistics is not None:
            _add_rooms(table, worker, report.statistics)
            _add_engine(table, worker, report.statistics)
            _add_rpc(table, worker, report.statistics)
    return table.families()


def _add_rooms(table: _Families, worker: str, statistics: WorkerStatistics) -> None:
    room_class = statistics.room_class.value
    table.add(ROOMS, statistics.rooms, worker, room_class)
    table.add(PARTICIPANTS, statistics.participants, worker, room_class)
    transports = {state.value: count for state, count in statistics.transports.items()}
    table.add_each(TRANSPORTS, transports, worker)
    table.add_each(HANDSHAKES, statistics.tls_versions, worker)
    table.add_each(SRTP, statistics.srtp_profiles, worker)
    table.add_each(HANDSHAKE_FAILURES, statistics.handshake_failures, worker)
    table.add_histogram(HANDSHAKE_TIME, statistics.handshake_time, worker)
    table.add_histogram(JOIN_TIME, statistics.join_time, worker, room_class)
    table.add_histogram(LOOP_LAG, statistics.loop_lag, worker)
    table.add(UPTIME, statistics.uptime_s, worker)
    table.add(SANDBOX_PROHIBITIONS, statistics.sandbox_prohibitions, worker)
    table.add(SANDBOX_LOCK_DOWN, statistics.sandbox_lock_down_s, worker)


def _add_engine(table: _Families, worker: str, statistics: WorkerStatistics) -> None:
    for name, row in ENGINE_COUNTERS.items():
        table.add(row, statistics.engine_counters.get(name, 0), worker)
    table.add_each(DROPS, statistics.engine_drops, worker)
    table.add_histogram(FORWARDING_DELAY, statistics.forwarding_delay, worker)
    table.add(ENGINE_CPU, statistics.engine_cpu_time_s, worker)
    gauges = statistics.engine_gauges
    table.add(ENGINE_REAL_TIME, gauges.get("is_real_time", 0), worker)
    table.add(CACHED_BYTES, gauges.get("cached_bytes", 0), worker)
    table.add(STREAMS, gauges.get("send_streams", 0), worker, "send")
    table.add(STREAMS, gauges.get("receive_streams", 0), worker, "receive")


def _add_rpc(table: _Families, worker: str, statistics: WorkerStatistics) -> None:
    table.add_each(RPC_CALLS, statistics.rpc_calls, worker)
    table.add_each(RPC_FAILURES, statistics.rpc_failures, worker)
    table.add(RPC_SLOW_READERS, statistics.rpc_slow_readers, worker)


class _Families:
    """One family per row, in the order of the table, filled worker by worker."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, row: MetricRow, value: float, *labels: str) -> None:
        family = self._family(row)
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
        family.add_metric(labels, value)

    def add_each(self, row: MetricRow, values: Mapping[str, int], *labels: str) -> None:
        for last_label, value in sorted(values.items()):
            self.add(row, value, *labels, str(last_label))

    def add_histogram(self, row: MetricRow, histogram: Histogram, *labels: str) -> None:
        family = self._family(row)
        assert isinstance(family, HistogramMetricFamily)
        buckets = [(_bound(bound), float(count)) for bound, count in histogram.buckets]
        family.add_metric(labels, buckets, histogram.total)

    def families(self) -> list[Metric]:
        return [self._families[row.name] for row in METRICS if row.name in self._families]

    def _family(self, row: MetricRow) -> Metric:
        if row.name not in self._families:
            kind = {
                MetricType.COUNTER: CounterMetricFamily,
                MetricType.GAUGE: GaugeMetricFamily,
                MetricType.HISTOGRAM: HistogramMetricFamily,
            }[row.type]
            self._families[row.name] = kind(row.name, row.help, labels=list(row.labels))
        return self._families[row.name]


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)


def document() -> str:
    """Return docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Served at `/metrics`. Written from the table in `sfu/metrics.py`; change it there.",
        "Labels have the values listed and no others: never the id of a room or a person.",
        "",
        "| name | type | labels | what it says | buckets |",
        "|---|---|---|---|---|",
    ]
    for row in METRICS:
        labels = "; ".join(f"`{name}`: {values}" for name, values in row.labels.items())
        buckets = row.buckets if isinstance(row.buckets, str) else ", ".join(map(str, row.buckets))
        lines.append(f"| `{row.name}` | {row.type} | {labels} | {row.help} | {buckets} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
