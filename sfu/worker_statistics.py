"""What a worker counts outside its engine, and the snapshot that joins both."""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING

from recording_policy.sandbox import SandboxReport
from sfu.dtls import HandshakeFailure, SrtpKeys
from sfu.histogram import HistogramRecorder
from sfu.metrics import DURATION_BUCKETS_S, LAG_BUCKETS_S, SRTP_PROFILES, TLS_VERSIONS
from sfu.room_host import RoomHost
from sfu.rpc import RpcServer
from sfu.rpc_messages import Histogram, WorkerStatistics
from sfu.values import RoomClass

if TYPE_CHECKING:
    from sfu import _engine as native


class WorkerCounters:
    """Counters since the process started."""

    def __init__(
        self, worker: str, room_class: RoomClass, sandbox: SandboxReport | None = None
    ) -> None:
        self.incarnation = secrets.token_hex(8)
        self.handshake_failures: Counter[HandshakeFailure] = Counter()
        self.handshake_time = HistogramRecorder(DURATION_BUCKETS_S)
        self.join_time = HistogramRecorder(DURATION_BUCKETS_S)
        self.loop_lag = HistogramRecorder(LAG_BUCKETS_S)
        self._worker = worker
        self._room_class = room_class
        self._sandbox = sandbox
        self._started = time.monotonic()
        self._tls_versions: Counter[str] = Counter()
        self._srtp_profiles: Counter[str] = Counter()

    def note_handshake(self, keys: SrtpKeys, seconds: float) -> None:
        """Count a finished handshake. A version nobody foresaw becomes `other`."""
        is_known = keys.tls_version in TLS_VERSIONS
        self._tls_versions[keys.tls_version if is_known else "other"] += 1
        self._srtp_profiles[keys.profile] += 1
        self.handshake_time.observe(seconds)

    def read(self, host: RoomHost, rpc: RpcServer, snapshot: native.Snapshot) -> WorkerStatistics:
        return WorkerStatistics(
            worker=self._worker,
            incarnation=self.incarnation,
            room_class=self._room_class,
            uptime_s=time.monotonic() - self._started,
            rooms=len(host),
            participants=host.participant_count(),
            transports=host.transports(),
            tls_versions={version: self._tls_versions[version] for version in TLS_VERSIONS},
            srtp_profiles={profile: self._srtp_profiles[profile] for profile in SRTP_PROFILES},
            handshake_failures={kind: self.handshake_failures[kind] for kind in HandshakeFailure},
            handshake_time=self.handshake_time.read(),
            join_time=self.join_time.read(),
            loop_lag=self.loop_lag.read(),
            rpc_calls=dict(rpc.calls),
            rpc_failures=dict(rpc.failures),
            rpc_slow_readers=rpc.slow_readers,
            engine_counters=snapshot["counters"],
            engine_drops=snapshot["drops"],
            engine_gauges=snapshot["gauges"],
            forwarding_delay=_forwarding_delay(snapshot),
            engine_cpu_time_s=snapshot["cpu_time_s"],
            sandbox_prohibitions=len(self._sandbox.prohibitions) if self._sandbox else 0,
            sandbox_lock_down_s=self._sandbox.duration_s if self._sandbox else 0.0,
        )


def _forwarding_delay(snapshot: native.Snapshot) -> Histogram:
    """Return the engine's histogram with its last bucket at infinity."""
    buckets = [(bound, count) for bound, count in snapshot["forwarding_delay_buckets"]]
    if not buckets or buckets[-1][0] != math.inf:
        buckets.append((math.inf, snapshot["forwarding_delay_count"]))
    return Histogram(buckets=buckets, total=snapshot["forwarding_delay_sum_s"])
