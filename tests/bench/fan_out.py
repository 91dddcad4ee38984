"""One camera to a hundred viewers on real sockets, against a loop that only encrypts and sends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signaling.main import HUGE_PAGES
from tests.bench.figures import Figure, median

BUILD_FOLDER = Path("sfu/native/target/release")
VIEWERS = 100
BURST = 10
"""Packets of a frame."""
FRAMES_PER_SECOND = 400
LOW_FRAMES_PER_SECOND = 100
"""The engine sleeps between frames and finds little of what it needs in the caches."""
SECONDS = 1.5
RAW_ROUNDS = 600
PACKET_BYTES = 1_100
TAG_BYTES = 16
ROUNDS = 7
"""Of each of the four, in turn: what else the machine does hits all alike."""


def measure_fan_out(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Build nothing, run both programs in turn, and compare medians of CPU time."""
    raw, raw_low, gcm, low, counter = [], [], [], [], []
    for number in range(1, ROUNDS + 1):
        raw.append(_raw(RAW_ROUNDS, 0))
        raw_low.append(_raw(round(SECONDS * LOW_FRAMES_PER_SECOND), LOW_FRAMES_PER_SECOND))
        gcm.append(_engine("gcm", FRAMES_PER_SECOND))
        low.append(_engine("gcm", LOW_FRAMES_PER_SECOND))
        counter.append(_engine("cm", FRAMES_PER_SECOND))
        progress(
            f"fan-out {number} of {ROUNDS}: raw {raw[-1]:.0f}, AES-GCM {gcm[-1]:.0f}, AES-CM "
            f"{counter[-1]:.0f}, at {LOW_FRAMES_PER_SECOND}/s raw {raw_low[-1]:.0f}, AES-GCM "
            f"{low[-1]:.0f} ns a packet"
        )
    limit, limit_low, cost, cost_low, cost_counter = (
        median(each) for each in (raw, raw_low, gcm, low, counter)
    )
    how = f"1 → {VIEWERS}, {PACKET_BYTES}-byte packets, {FRAMES_PER_SECOND} frames/s, real sockets"
    return {
        "fan_out_raw_limit": Figure(
            round(limit), "ns/packet", None, "CPU to encrypt (AES-GCM) and send only, same batching"
        ),
        "fan_out_cpu": Figure(
            round(cost), "ns/packet", 3000, f"engine thread's CPU for each forwarded packet, {how}"
        ),
        "fan_out_ratio": Figure(
            round(cost / limit, 2), "", 1.6, "that against the raw limit, medians of the same run"
        ),
        "fan_out_ratio_low": Figure(
            round(cost_low / limit_low, 2), "", 1.6,
            f"both at {LOW_FRAMES_PER_SECOND} frames/s, asleep between them",
        ),
        "fan_out_cpu_low": Figure(
            round(cost_low), "ns/packet", 3000, f"the engine at {LOW_FRAMES_PER_SECOND} frames/s"
        ),
        "fan_out_cm_ratio": Figure(
            round(cost_counter / cost, 2), "", 2.0, "AES_CM_128_HMAC_SHA1_80 against AES-GCM"
        ),
    }  # fmt: skip


def _raw(rounds: int, rate: int) -> float:
    result = _run(
        BUILD_FOLDER / "examples" / "raw_limit",
        *("--destinations", str(VIEWERS), "--burst", str(BURST)),
        *("--bytes", str(PACKET_BYTES + TAG_BYTES), "--rounds", str(rounds)),
        *("--rate", str(rate)),
    )
    return float(result["cpu_ns_per_packet"])


def _engine(profile: str, frames_per_second: int) -> float:
    result = _run(
        BUILD_FOLDER / "fan_out_sockets",
        *(str(VIEWERS), str(BURST), str(round(SECONDS * frames_per_second))),
        *(str(frames_per_second), profile),
    )
    if result["forwarded"] < 0.95 * result["expected"]:
        raise RuntimeError(f"forwarded {result['forwarded']} of {result['expected']}: no figure")
    return float(result["cpu_nanoseconds_per_packet"])


def _run(program: Path, *arguments: str) -> dict[str, Any]:
    output = subprocess.run(
        ["/usr/bin/env", HUGE_PAGES, program, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    result: dict[str, Any] = json.loads(output)
    return result
