"""One room of 50 to 400: whether a packet costs more in a larger room, and where 500 would be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tests.bench.figures import Figure
from tests.bench.fit import fit_line
from tests.bench.scenario_runs import Held, Size, describe_held, run_size

PEOPLE = (50, 100, 200, 400)
PANEL = 20
"""On camera, whatever the size: each gets the same number of packets."""
LARGEST = 500
JOINS_PER_SECOND = 20.0
HOLD_S, SETTLE_S = 14.0, 4.0
GROWTH_BAR = 1.2


def measure_big_room(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Run configs/loadtest/big_room.toml in four sizes."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    seen = {}
    for people in PEOPLE:
        changes = (f"groups.panel.per_room={PANEL}", f"groups.audience.per_room={people - PANEL}",
                   f"ramp.joins_per_s={JOINS_PER_SECOND}", f"hold_s={HOLD_S}")  # fmt: skip
        seen[people] = await run_size("big_room", Size("council", 1, changes, SETTLE_S))
        progress(f"big_room: {describe_held(seen[people])}")
    return room_figures(seen)


def room_figures(seen: Mapping[int, Held]) -> dict[str, Figure]:
    """Return the rows from people → what was seen."""
    costs = {
        people: (each.worker_cores + each.control_plane_cores) / each.packets_per_s * 1e6
        for people, each in seen.items()
    }
    first = min(costs)
    line = fit_line(
        [(people, each.worker_cores + each.control_plane_cores) for people, each in seen.items()]
    )
    growth = max(cost / costs[first] for people, cost in costs.items() if people != first)
    return {
        **{
            f"big_room_packet_{people}": Figure(
                round(cost, 2), "µs", None,
                f"CPU of worker and control plane for each packet out, {people} people, "
                f"{PANEL} on camera, both cores busy for {seen[people].machine_busy:.0%}",
            )
            for people, cost in costs.items()
        },
        "big_room_growth": Figure(
            round(growth, 2), "", GROWTH_BAR,
            f"the dearest of the larger rooms against that of {first}",
        ),
        "big_room_cpu": Figure(
            round(line.at(LARGEST), 2), "cores", 1.0,
            f"EXTRAPOLATED to {LARGEST} people along the line through {', '.join(map(str, seen))}, "
            f"the farthest {line.worst:.0%} off it; worker and control plane",
        ),
    }  # fmt: skip
