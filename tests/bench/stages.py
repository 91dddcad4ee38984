"""Calls of two through the real service, and what is seen while they run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.cast import Cast, Target, open_cast
from loadtest.negotiation import Behaviour
from loadtest.participant import Participant
from loadtest.processes import ProcessUse, read_use
from loadtest.quantiles import histogram_quantile
from tests.bench.figures import median, step_forward
from tests.support.real_service import RealService, real_service

SETTLE_S = 6.0
"""After the last join: packet caches hold up to 2 s."""
MEASURE_S = 12.0
WINDOWS = 4
NATIONAL_CALLS = 870
"""Two-party calls of all trained employees of the country at once."""
MAX_BUCKET_S = 0.1
"""The engine's last bound; slower ones are told as this."""
CITIZEN = Behaviour(video_layers=("video-360",), role="citizen")
EMPLOYEE = Behaviour(video_layers=("video-360",), role="employee")


@dataclass(frozen=True)
class Stage:
    """What was seen while so many calls ran."""

    participants: int
    memory_bytes: int
    cpu_share: float
    """Cores that the worker process used."""
    engine_cpu_share: float
    agent_cpu_share: float
    machine_share: float
    """Of all cores' time that was not idle, whoever used it."""
    windows: list[dict[str, Any]]
    """The agent's statistics, of each measured window."""
    delay_buckets: list[tuple[float, int]]
    """The engine's own forwarding delay: (bound in s, count)."""


async def start_calls(
    cast: Cast, rooms: Sequence[str], joins_per_s: float, progress: Callable[[str], None]
) -> list[Participant]:
    """Fill `rooms`; return those who joined somebody, the ones whose joins are measured."""
    progress(f"{len(rooms)} citizens join, then as many employees, {joins_per_s:g} a second")
    citizens = await join_at_rate(cast, rooms, CITIZEN, joins_per_s)
    await asyncio.gather(*(each.connected.wait() for each in citizens if each.failure is None))
    employees = await join_at_rate(cast, rooms, EMPLOYEE, joins_per_s)
    await cast.wait_for_media(employees)
    await asyncio.sleep(SETTLE_S)
    return employees


async def join_at_rate(
    cast: Cast, rooms: Sequence[str], behaviour: Behaviour, joins_per_s: float
) -> list[Participant]:
    """Join one participant to each room, evenly spaced whether or not earlier ones are in."""
    started_s = time.monotonic()
    tasks = []
    for index, room in enumerate(rooms):
        await asyncio.sleep(max(0.0, started_s + index / joins_per_s - time.monotonic()))
        tasks.append(asyncio.create_task(cast.join(room, behaviour)))
    return list(await asyncio.gather(*tasks))


async def observe(cast: Cast, service: RealService, measure_s: float = MEASURE_S) -> Stage:
    """Watch for `measure_s` what goes on."""
    worker = service.worker_pid
    await cast.agent.report(resets=True)
    before, metrics_before = _use(worker), await _metrics(service.url)
    agent_before, busy_before = _use(cast.agent.pid), _busy_and_total()
    started_s = time.monotonic()
    windows = []
    for _ in range(WINDOWS):
        await asyncio.sleep(measure_s / WINDOWS)
        windows.append((await cast.agent.report(resets=True))["statistics"])
    after, metrics = _use(worker), await _metrics(service.url)
    seconds = time.monotonic() - started_s
    agent_after, busy = _use(cast.agent.pid), _busy_and_total()
    old_buckets = dict(_delay_buckets(metrics_before))
    cpu = [_value(text, "sfu_engine_cpu_seconds_total") for text in (metrics_before, metrics)]
    return Stage(
        participants=windows[-1]["connected"],
        memory_bytes=after.pss_bytes,
        cpu_share=(after.cpu_s - before.cpu_s) / seconds,
        engine_cpu_share=(cpu[1] - cpu[0]) / seconds,
        agent_cpu_share=(agent_after.cpu_s - agent_before.cpu_s) / seconds,
        machine_share=(busy[0] - busy_before[0]) / max(1, busy[1] - busy_before[1]),
        windows=windows,
        delay_buckets=[
            (bound, seen - old_buckets.get(bound, 0)) for bound, seen in _delay_buckets(metrics)
        ],
    )


def server_delay_ms(stage: Stage, wanted: float) -> float:
    """Return the quantile of the server's own delay."""
    return round(1000 * bucket_quantile(stage.delay_buckets, wanted), 3)


def mark_to_kernel_ms(stage: Stage, wanted: float) -> float:
    """Return the median over the windows: a neighbour's burst spoils one of them."""
    micros = [histogram_quantile(each["totals"]["audio_delay"], wanted) for each in stage.windows]
    return round(median(value or 0.0 for value in micros) / 1000, 3)


def lateness_ms(statistics: dict[str, Any]) -> float:
    """Return the p99 of how late the agent sent."""
    return (histogram_quantile(statistics["send_lateness"], 0.99) or 0.0) / 1000


def count(stage: Stage, name: str) -> int:
    """Return the sum of a count over the windows."""
    return sum(int(each["totals"][name]) for each in stage.windows)


def load(stage: Stage) -> str:
    """Return how busy who was, for a row."""
    return (
        f"{stage.participants / 2:.0f} calls, the worker at {stage.cpu_share:.0%} of a core, "
        f"the agent at {stage.agent_cpu_share:.0%}, both cores busy for {stage.machine_share:.0%}"
    )


def _busy_and_total() -> tuple[int, int]:
    """Return jiffies of all cores: not idle, and all."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def describe(stage: Stage) -> str:
    """Return a line of progress."""
    return (
        f"worker {stage.memory_bytes / 1e6:.1f} MB, engine {stage.engine_cpu_share:.0%} of a core; "
        f"{load(stage)}"
    )


def _use(pid: int) -> ProcessUse:
    use = read_use(pid)
    if use is None:
        raise RuntimeError("the media worker ended during the measurement")
    return use


async def _metrics(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        return await response.text()


def _value(metrics: str, name: str) -> float:
    return sum(
        float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", metrics, re.M)
    )


def _delay_buckets(metrics: str) -> list[tuple[float, int]]:
    pattern = r'^sfu_forwarding_delay_seconds_bucket{[^}]*le="([^"]+)"[^}]*} (\S+)$'
    return [(float(le), int(float(seen))) for le, seen in re.findall(pattern, metrics, re.M)]


def bucket_quantile(buckets: Sequence[tuple[float, int]], wanted: float) -> float:
    """Return the quantile in s of cumulative buckets, in proportion within the bucket it is in."""
    rank = wanted * buckets[-1][1] if buckets else 0.0
    low, below = 0.0, 0
    for bound, seen in buckets:
        if seen >= rank > 0:
            high = min(bound, MAX_BUCKET_S)
            return low + (high - low) * (rank - below) / (seen - below)
        low, below = bound, seen
    return 0.0


@contextlib.asynccontextmanager
async def kep_calls(rooms: Sequence[str]) -> AsyncIterator[tuple[RealService, Cast]]:
    """Run a service with one kep worker and `rooms`, and a cast that nobody is in yet."""
    with tempfile.TemporaryDirectory(prefix="synedrion-bench-") as name:
        async with real_service(Path(name), rooms, room_class="kep") as service:
            step_forward(service.pids())
            async with open_cast(Target(service.url, agent_address="127.0.0.1")) as cast:
                yield service, cast


def check_all_in(cast: Cast) -> None:
    """Refuse a figure if somebody failed.

    Raises:
        RuntimeError: see there.
    """
    failures = [each.failure for each in cast.participants if each.failure]
    if failures:
        raise RuntimeError(f"{len(failures)} participants failed, first: {failures[0]}")
