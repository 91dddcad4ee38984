"""A scenario of the load tester in several sizes, each against a fresh service."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.quantiles import quantile
from tests.bench.figures import step_forward
from tests.support.loadtests import run_loadtest
from tests.support.real_service import real_service

WORKER, CONTROL_PLANE = "media worker", "control plane"
MIN_POINTS = 4


@dataclass(frozen=True)
class Held:
    """What was seen in the seconds when everybody was in: means over them."""

    participants: int
    worker_cores: float
    control_plane_cores: float
    worker_memory_mb: float
    """At the end; spare workers are in it."""
    packets_per_s: float
    """Received by participants."""
    machine_busy: float


@dataclass(frozen=True)
class Size:
    """How a scenario is run."""

    room_class: str
    rooms: int
    changes: Sequence[str]
    settle_s: float
    """After the last join."""


async def run_size(name: str, size: Size) -> Held:
    """Run scenario `name` with `size.changes`.

    Raises:
        RuntimeError: somebody failed, or the run ended early: no figure.
    """
    with tempfile.TemporaryDirectory(prefix="synedrion-bench-") as folder:
        async with real_service(
            Path(folder), [], room_class=size.room_class, loadtest_rooms=size.rooms
        ) as service:
            step_forward(service.pids())
            report = await run_loadtest(service.url, name, *size.changes)
    run = report["run"]
    if report["failures"] or run["end"] != "complete":
        raise RuntimeError(f"{name}: {run['end']} {run['end_text']}: {report['failures'][:3]}")
    hold_s = report["scenario"]["hold_s"]
    begin_s = run["planned_seconds"] - hold_s + size.settle_s
    return held(report["series"], run["participants"], begin_s, run["planned_seconds"])


def held(series: Sequence[dict[str, Any]], participants: int, begin_s: float, end_s: float) -> Held:
    """Return the means of the points between `begin_s` and `end_s`.

    Raises:
        RuntimeError: there are too few, or not everybody was in.
    """
    points = [each for each in series if begin_s < each["at_s"] <= end_s]
    if len(points) < MIN_POINTS or any(each["people"] < participants for each in points):
        raise RuntimeError(f"{len(points)} points with all {participants} in: no figure")
    packets = [each["packets_per_s"] for each in points if each["packets_per_s"]]
    busy = [each["machine_busy"] for each in points if each["machine_busy"] is not None]
    return Held(
        participants=participants,
        worker_cores=_mean([each["cpu_cores"].get(WORKER, 0.0) for each in points]),
        control_plane_cores=_mean([each["cpu_cores"].get(CONTROL_PLANE, 0.0) for each in points]),
        worker_memory_mb=quantile([each["memory_mb"][WORKER] for each in points], 0.5) or 0.0,
        packets_per_s=_mean(packets),
        machine_busy=_mean(busy),
    )


def describe_held(seen: Held) -> str:
    """Return a line of progress."""
    return (
        f"{seen.participants} in: worker {seen.worker_cores:.1%} of a core and "
        f"{seen.worker_memory_mb:.0f} MB, control plane {seen.control_plane_cores:.1%}, "
        f"{seen.packets_per_s:.0f} packets/s out, both cores busy for {seen.machine_busy:.0%}"
    )


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise RuntimeError("nothing was seen: no figure")
    return sum(values) / len(values)
