"""What this process measures of itself, in Prometheus' terms. Labels are closed sets, never ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LOOP_LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class SignalingMetrics:
    """The control plane's own metrics; its rows stand in the table of `sfu.metrics`, with the workers'."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sockets = Gauge("signaling_sockets", "WebSockets open now.", registry=registry)
        self.messages_received = Counter(
            "signaling_messages_received", "Text frames from clients.", registry=registry
        )
        self.joins = Counter(
            "signaling_joins",
            "Participants admitted, by whether they resumed.",
            ["resumed"],
            registry=registry,
        )
        self.errors_sent = Counter(
            "signaling_errors_sent", "Error messages, by wire code.", ["code"], registry=registry
        )
        self.sockets_closed = Counter(
            "signaling_sockets_closed",
            "WebSockets closed by the server, by reason.",
            ["reason"],
            registry=registry,
        )
        self.requests = Counter(
            "signaling_http_requests",
            "HTTP requests answered, by route and status class.",
            ["route", "status"],
            registry=registry,
        )
        self.loop_lag = Histogram(
            "signaling_loop_lag_seconds",
            "How late the event loop wakes.",
            buckets=LOOP_LAG_BUCKETS_S,
            registry=registry,
        )
