"""The packet engine alone in calls of two: what one forwarded packet costs on real sockets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signaling.main import HUGE_PAGES
from tests.bench.figures import Figure, median

PROGRAM = Path("sfu/native/target/release/calls_sockets")
CALLS = (50, 200, 400)
BAR_AT = 400
"""Half of what the bar is about: more needs the generator's core wholly."""
SECONDS = 3
ROUNDS = 5
PACKETS_PER_CALL = 180
"""Of both sides in a second."""
NATIONAL_CALLS = 870
OVERLOAD_ROUNDS = 3


def measure_packets(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Build nothing; medians of the engine thread's CPU time for each packet it forwarded."""
    costs: dict[int, list[float]] = {calls: [] for calls in CALLS}
    for number in range(1, ROUNDS + 1):
        for calls, found in costs.items():
            found.append(_cost(calls))
        latest = ", ".join(f"{calls} calls {found[-1]:.0f}" for calls, found in costs.items())
        progress(f"packets {number} of {ROUNDS}: {latest} ns a packet")
    served = [_share_served() for _ in range(OVERLOAD_ROUNDS)]
    bar = 1e9 / (NATIONAL_CALLS * PACKETS_PER_CALL)
    how = "engine thread's CPU for each packet of two-party calls, real sockets"
    return {
        f"call_cpu_{calls}": Figure(
            round(median(found)),
            "ns/packet",
            round(bar) if calls == BAR_AT else None,
            f"{how}; {calls} calls"
            + (f"; the bar is one core at {NATIONAL_CALLS} calls" if calls == BAR_AT else ""),
        )
        for calls, found in costs.items()
    } | {
        "overload_served": Figure(
            round(median(served), 2), "", None,
            f"share of the packets of {NATIONAL_CALLS} calls forwarded by a core that is too slow for them",
        )
    }  # fmt: skip


def _cost(calls: int) -> float:
    result = _play(calls)
    if result["forwarded"] < 0.95 * result["expected"]:
        raise RuntimeError(f"forwarded {result['forwarded']} of {result['expected']}: no figure")
    return float(result["cpu_nanoseconds_per_packet"])


def _share_served() -> float:
    result = _play(NATIONAL_CALLS)
    return float(result["forwarded"] / result["expected"])


def _play(calls: int) -> dict[str, Any]:
    output = subprocess.run(
        ["/usr/bin/env", HUGE_PAGES, PROGRAM, str(calls), str(SECONDS)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    result: dict[str, Any] = json.loads(output)
    return result
