"""What the guarantee for kep calls costs: locking down, system calls of a locked process, the audit."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_policy.audit import AuditLog
from recording_policy.verify import verify
from tests.bench.figures import Figure

LOCK_DOWNS = 20
AUDIT_ENTRIES = 1_000_000
SYSTEM_CALLS = """
import os, time
from recording_policy.sandbox import lock_down
def best(count=200_000):
    times = []
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(count):
            os.getppid()
        times.append((time.perf_counter() - started) / count)
    return min(times) * 1e9
best()
unlocked = best()
lock_down()
print(best() - unlocked)
"""


def measure_guarantee(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Measure and return the figures."""
    lock_downs = sorted(_lock_down_ms() for _ in range(LOCK_DOWNS))
    progress(f"{LOCK_DOWNS} lock-downs")
    extra_ns = float(_output("-c", SYSTEM_CALLS))
    written_s, verified_s = _audit()
    progress(f"audit of {AUDIT_ENTRIES} entries written in {written_s:.1f} s")
    return {
        "lock_down": Figure(
            lock_downs[-1], "ms", 200, f"slowest of {LOCK_DOWNS}, every prohibition tried"
        ),
        "lock_down_median": Figure(lock_downs[LOCK_DOWNS // 2], "ms"),
        "locked_system_call": Figure(
            round(extra_ns), "ns", None, "what a system call costs more in a locked process"
        ),
        "audit_verified": Figure(
            round(verified_s, 1), "s", 60, f"{AUDIT_ENTRIES:,} entries, by the stand-alone verifier"
        ),
    }


def _lock_down_ms() -> float:
    found = re.search(r"([\d.]+) ms$", _output("-m", "recording_policy.sandbox").strip())
    assert found, "invariant: the report ends with its duration"
    return float(found[1])


def _output(*arguments: str) -> str:
    # Through pipes: a locked process may hold no file.
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def _audit() -> tuple[float, float]:
    """Return the seconds to write the entries, without waiting for the disk, and to verify them."""
    key, ticks = Ed25519PrivateKey.generate(), itertools.count(1)
    with tempfile.TemporaryDirectory(prefix="synedrion-bench-") as name:
        path = Path(name, "audit.log")
        started = time.monotonic()
        with AuditLog(path, key, lambda: next(ticks)) as log:
            for number in range(AUDIT_ENTRIES):
                facts = {"call": f"c{number}", "actor": "p" * 16, "is_end_to_end": True}
                log.append("call_started", facts, is_durable=False)
        written = time.monotonic()
        with path.open("rb") as lines:
            result = verify(lines, key.public_key().public_bytes_raw())
        assert result.kinds["call_started"] == AUDIT_ENTRIES
        return written - started, time.monotonic() - written
