"""How long people wait who join a call: at ten and at fifty joins a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loadtest.quantiles import quantile
from tests.bench.figures import Figure
from tests.bench.stages import check_all_in, kep_calls, start_calls

CALLS = {10.0: 80, 50.0: 150}
"""Joins a second → calls."""
BAR_AT = 10.0
BAR_P95_MS = 250.0
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def measure_joins(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Fill a fresh service at each rate."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for rate, calls in CALLS.items():
        rooms = [f"call-{number}" for number in range(calls)]
        async with kep_calls(rooms) as (_, cast):
            joined = await start_calls(cast, rooms, rate, progress)
            check_all_in(cast)
        late = [each for each in joined if each.times.first_media_s <= 0]
        if late:
            raise RuntimeError(f"{len(late)} of {calls} who joined got no media")
        times = [each.times.first_media_s - each.times.opened_s for each in joined]
        figures |= join_figures(rate, times)
    return figures


def join_figures(rate: float, times_s: list[float]) -> dict[str, Figure]:
    """Return the rows of one rate."""
    how = (
        f"WebSocket open → first media packet, {len(times_s)} joins at {rate:g}/s to calls where "
        "somebody waits, loopback"
    )
    return {
        f"join_{name}_{rate:g}": Figure(
            round((quantile(times_s, wanted) or 0.0) * 1000, 1),
            "ms",
            BAR_P95_MS if name == "p95" and rate == BAR_AT else None,
            how,
        )
        for name, wanted in QUANTILES.items()
    }
