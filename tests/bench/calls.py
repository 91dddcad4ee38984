"""Two-party calls through the real service: the worker's memory, its CPU, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.bench.figures import Figure, median
from tests.bench.stages import (
    NATIONAL_CALLS,
    Stage,
    check_all_in,
    count,
    describe,
    kep_calls,
    lateness_ms,
    load,
    observe,
    start_calls,
)

SMALL_CALLS = 50
LARGE_CALLS = 200
JOINS_PER_SECOND = 20.0


def measure_calls(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Run the calls and return the figures."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    rooms = [f"call-{number}" for number in range(LARGE_CALLS)]
    async with kep_calls(rooms) as (service, cast):
        stages = []
        for some in (rooms[:SMALL_CALLS], rooms[SMALL_CALLS:]):
            await start_calls(cast, some, JOINS_PER_SECOND, progress)
            stages.append(await observe(cast, service))
            progress(describe(stages[-1]))
        check_all_in(cast)
    small, large = stages
    slope = (large.memory_bytes - small.memory_bytes) / (large.participants - small.participants)
    return {
        "worker_memory_per_participant": Figure(
            round(slope / 1e6, 3),
            "MB",
            0.6,
            f"slope of PSS from {small.participants} to {large.participants} participants in calls",
        ),
        **_cost_figures(large),
    }


def _cost_figures(large: Stage) -> dict[str, Figure]:
    calls = large.participants / 2
    where = load(large)
    return {
        "packets_lost": Figure(count(large, "packets_lost"), "packets", 0, where),
        "frames_of_a_wrong_source": Figure(count(large, "frames_wrong_source"), "frames", 0, where),
        "agent_lateness_p99": Figure(
            round(median(lateness_ms(each) for each in large.windows), 2),
            "ms",
            None,
            "of the load agent itself; it shares the cores with the service",
        ),
        "worker_cpu_per_call": Figure(
            round(1000 * large.cpu_share / calls, 3), "ms/s", None, f"at {where}"
        ),
        "national_peak_cpu": Figure(
            round(large.cpu_share / calls * NATIONAL_CALLS, 2),
            "cores",
            None,
            f"in proportion to {NATIONAL_CALLS} calls: an upper bound; the bar is that of `kep_peak_cpu`",
        ),
    }
