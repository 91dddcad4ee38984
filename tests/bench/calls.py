"""Two-party calls through the real service: join times, added delay, the worker's memory, CPU."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.cast import Cast, Target, open_cast
from loadtest.negotiation import Behaviour
from loadtest.participant import Participant
from loadtest.processes import ProcessUse, read_use
from loadtest.quantiles import histogram_quantile, quantile
from tests.bench.figures import Figure, median, step_forward
from tests.support.real_service import RealService, real_service

SMALL_CALLS = 50
LARGE_CALLS = 200
JOINS_PER_SECOND = 10.0
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


def measure_calls(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Run the calls and return the figures."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    rooms = [f"call-{number}" for number in range(LARGE_CALLS)]
    with tempfile.TemporaryDirectory(prefix="synedrion-bench-") as name:
        async with real_service(Path(name), rooms, room_class="kep") as service:
            step_forward(service.pids())
            target = Target(service.url, agent_address="127.0.0.1")
            async with open_cast(target) as cast:
                joined = await _start_calls(cast, rooms[:SMALL_CALLS], progress)
                small = await _observe(cast, service)
                progress(_describe(small))
                joined += await _start_calls(cast, rooms[SMALL_CALLS:], progress)
                large = await _observe(cast, service)
                progress(_describe(large))
                failures = [each.failure for each in cast.participants if each.failure]
    if failures:
        raise RuntimeError(f"{len(failures)} participants failed, first: {failures[0]}")
    return _figures(joined, small, large)


async def _start_calls(
    cast: Cast, rooms: Sequence[str], progress: Callable[[str], None]
) -> list[Participant]:
    """Fill `rooms`; return those who joined somebody, the ones whose joins are measured."""
    progress(f"{len(rooms)} citizens join, then {len(rooms)} employees")
    citizens = await _join_at_rate(cast, rooms, CITIZEN)
    await asyncio.gather(*(each.connected.wait() for each in citizens if each.failure is None))
    employees = await _join_at_rate(cast, rooms, EMPLOYEE)
    await cast.wait_for_media(employees)
    await asyncio.sleep(SETTLE_S)
    return employees


async def _join_at_rate(
    cast: Cast, rooms: Sequence[str], behaviour: Behaviour
) -> list[Participant]:
    """Join one participant to each room, evenly spaced whether or not earlier ones are in."""
    started_s = time.monotonic()
    tasks = []
    for index, room in enumerate(rooms):
        await asyncio.sleep(max(0.0, started_s + index / JOINS_PER_SECOND - time.monotonic()))
        tasks.append(asyncio.create_task(cast.join(room, behaviour)))
    return list(await asyncio.gather(*tasks))


async def _observe(cast: Cast, service: RealService) -> Stage:
    worker = service.worker_pid
    await cast.agent.report(resets=True)
    before, metrics_before = _use(worker), await _metrics(service.url)
    agent_before, busy_before = _use(cast.agent.pid), _busy_and_total()
    started_s = time.monotonic()
    windows = []
    for _ in range(WINDOWS):
        await asyncio.sleep(MEASURE_S / WINDOWS)
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
            (bound, count - old_buckets.get(bound, 0)) for bound, count in _delay_buckets(metrics)
        ],
    )


def _figures(joined: Sequence[Participant], small: Stage, large: Stage) -> dict[str, Figure]:
    joins_s = [each.times.first_media_s - each.times.opened_s for each in joined]
    slope = (large.memory_bytes - small.memory_bytes) / (large.participants - small.participants)
    return {
        "worker_memory_per_participant": Figure(
            round(slope / 1e6, 3),
            "MB",
            0.6,
            f"slope of PSS from {small.participants} to {large.participants} participants in calls",
        ),
        "join_p95": Figure(
            round((quantile(joins_s, 0.95) or 0.0) * 1000, 1),
            "ms",
            250,
            f"WebSocket open → first media packet, {len(joins_s)} joins at "
            f"{JOINS_PER_SECOND:.0f}/s, loopback",
        ),
        "join_p50": Figure(round((quantile(joins_s, 0.5) or 0.0) * 1000, 1), "ms"),
        **_delay_figures(small, large),
        **_cost_figures(large),
    }


def _delay_figures(small: Stage, large: Stage) -> dict[str, Figure]:
    load = _load(large)
    return {
        "added_delay_p99": Figure(
            _server_delay_ms(large, 0.99),
            "ms",
            1.0,
            f"kernel's receive stamp → handed to the kernel, by the server; {load}",
        ),
        "added_delay_p50": Figure(_server_delay_ms(large, 0.5), "ms", 0.3, "the same"),
        "added_delay_p99_light": Figure(
            _server_delay_ms(small, 0.99), "ms", None, f"the same; {_load(small)}"
        ),
        "mark_to_kernel_p99": Figure(
            _mark_to_kernel_ms(large, 0.99),
            "ms",
            None,
            "sound, publisher's mark → stamp of the subscriber's kernel, with what the agent was "
            "late between mark and system call",
        ),
        "mark_to_kernel_p50": Figure(_mark_to_kernel_ms(large, 0.5), "ms", None, "the same"),
    }


def _cost_figures(large: Stage) -> dict[str, Figure]:
    calls = large.participants / 2
    load = _load(large)
    return {
        "packets_lost": Figure(_count(large, "packets_lost"), "packets", 0, load),
        "frames_of_a_wrong_source": Figure(_count(large, "frames_wrong_source"), "frames", 0, load),
        "agent_lateness_p99": Figure(
            round(median(_lateness_ms(each) for each in large.windows), 2),
            "ms",
            None,
            "of the load agent itself; it shares the cores with the service",
        ),
        "worker_cpu_per_call": Figure(
            round(1000 * large.cpu_share / calls, 3), "ms/s", None, f"at {load}"
        ),
        "national_peak_cpu": Figure(
            round(large.cpu_share / calls * NATIONAL_CALLS, 2),
            "cores",
            1.0,
            f"extrapolated in proportion to {NATIONAL_CALLS} calls",
        ),
    }


def _server_delay_ms(stage: Stage, wanted: float) -> float:
    return round(1000 * _bucket_quantile(stage.delay_buckets, wanted), 3)


def _mark_to_kernel_ms(stage: Stage, wanted: float) -> float:
    """Return the median over the windows: a neighbour's burst spoils one of them."""
    micros = [histogram_quantile(each["totals"]["audio_delay"], wanted) for each in stage.windows]
    return round(median(value or 0.0 for value in micros) / 1000, 3)


def _lateness_ms(statistics: dict[str, Any]) -> float:
    return (histogram_quantile(statistics["send_lateness"], 0.99) or 0.0) / 1000


def _count(stage: Stage, name: str) -> int:
    return sum(int(each["totals"][name]) for each in stage.windows)


def _load(stage: Stage) -> str:
    return (
        f"{stage.participants / 2:.0f} calls, the worker at {stage.cpu_share:.0%} of a core, "
        f"the agent at {stage.agent_cpu_share:.0%}, both cores busy for {stage.machine_share:.0%}"
    )


def _busy_and_total() -> tuple[int, int]:
    """Return jiffies of all cores: not idle, and all."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _describe(stage: Stage) -> str:
    return (
        f"worker {stage.memory_bytes / 1e6:.1f} MB, engine {stage.engine_cpu_share:.0%} of a core; "
        f"{_load(stage)}"
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
    return [(float(le), int(float(count))) for le, count in re.findall(pattern, metrics, re.M)]


def _bucket_quantile(buckets: Sequence[tuple[float, int]], wanted: float) -> float:
    """Return the quantile in s of cumulative buckets, in proportion within the bucket it is in."""
    rank = wanted * buckets[-1][1] if buckets else 0.0
    low, below = 0.0, 0
    for bound, count in buckets:
        if count >= rank > 0:
            high = min(bound, MAX_BUCKET_S)
            return low + (high - low) * (rank - below) / (count - below)
        low, below = bound, count
    return 0.0
