"""What the service adds to a packet's way at a quarter, half and three quarters of a core."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from tests.bench.figures import Figure
from tests.bench.stages import (
    Stage,
    check_all_in,
    describe,
    kep_calls,
    load,
    mark_to_kernel_ms,
    observe,
    server_delay_ms,
    start_calls,
)

SHARES = (0.25, 0.5, 0.75)
"""Of a core, of the worker."""
FIRST_CALLS = 50
"""From these it is told how many the shares need."""
MOST_CALLS = 400
"""What agent and service carry together on two cores, and more."""
PROBE_S, MEASURE_S = 4.0, 10.0
JOINS_PER_SECOND = 25.0
MOST_STEPS, NEAR = 3, 0.9
"""Calls are added so often at most, until so much of the share is reached."""
BAR_AT = 0.5
BARS_MS = {"p50": 0.3, "p99": 1.0}
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def measure_delay(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Add calls until the worker is as busy as wanted, three times."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    rooms = [f"call-{number}" for number in range(MOST_CALLS)]
    stages: dict[float, Stage] = {}
    async with kep_calls(rooms) as (service, cast):
        running = FIRST_CALLS
        await start_calls(cast, rooms[:running], JOINS_PER_SECOND, progress)
        seen = await observe(cast, service, PROBE_S)
        for share in SHARES:
            for _ in range(MOST_STEPS):  # the more calls, the less each costs
                wanted = calls_for(share, running, seen.cpu_share)
                if seen.cpu_share >= NEAR * share or wanted <= running:
                    break
                await start_calls(cast, rooms[running:wanted], JOINS_PER_SECOND, progress)
                running = wanted
                seen = await observe(cast, service, PROBE_S)
            seen = stages[share] = await observe(cast, service, MEASURE_S)
            progress(f"wanted {share:.0%} of a core: {describe(seen)}")
        check_all_in(cast)
    figures: dict[str, Figure] = {}
    for share, stage in stages.items():
        figures |= _figures(share, stage)
    return figures


def calls_for(share: float, running: int, cpu_share: float) -> int:
    """Return how many calls take `share` of a core if `running` take `cpu_share`."""
    if cpu_share <= 0:
        return MOST_CALLS
    return min(MOST_CALLS, math.ceil(running * share / cpu_share))


def _figures(share: float, stage: Stage) -> dict[str, Figure]:
    where = f"at {share:.0%} of a core wanted: {load(stage)}"
    how = f"kernel's receive stamp → handed to the kernel, by the server; {where}"
    figures = {
        f"added_delay_{name}_{share * 100:.0f}": Figure(
            server_delay_ms(stage, wanted),
            "ms",
            BARS_MS.get(name) if share == BAR_AT else None,
            how if name == "p50" else "the same",
        )
        for name, wanted in QUANTILES.items()
    }
    figures[f"mark_to_kernel_p99_{share * 100:.0f}"] = Figure(
        mark_to_kernel_ms(stage, 0.99),
        "ms",
        None,
        "sound, publisher's mark → stamp of the subscriber's kernel, with what the agent was late",
    )
    return figures
