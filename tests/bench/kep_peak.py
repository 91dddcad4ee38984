"""The worst minute of the service centres in three sizes, and where a straight line leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tests.bench.figures import Figure
from tests.bench.fit import fit_line
from tests.bench.scenario_runs import Held, Size, describe_held, run_size
from tests.bench.stages import NATIONAL_CALLS

CALLS = (50, 100, 200, 400)
RAMP_S, HOLD_S, SETTLE_S = 15.0, 16.0, 5.0
"""Half of the calls go on with sound alone 20 s after both are in: all have pictures here."""


def measure_kep_peak(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Run configs/loadtest/kep_peak.toml in three sizes."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    seen = {}
    for calls in CALLS:
        changes = (f"rooms.count={calls}", f"ramp.within_s={RAMP_S}", "ramp.order=rooms",
                   "audio_only.share=0.0", f"hold_s={HOLD_S}")  # fmt: skip
        seen[calls] = await run_size("kep_peak", Size("kep", calls, changes, SETTLE_S))
        progress(f"kep_peak, {calls} calls: {describe_held(seen[calls])}")
    return kep_figures(seen)


def kep_figures(seen: Mapping[int, Held]) -> dict[str, Figure]:
    """Return the rows from calls → what was seen."""
    worker = fit_line([(calls, each.worker_cores) for calls, each in seen.items()])
    control = fit_line([(calls, each.control_plane_cores) for calls, each in seen.items()])
    memory = fit_line([(each.participants, each.worker_memory_mb) for each in seen.values()])
    sizes = ", ".join(map(str, seen))
    line = f"line through {sizes} calls, the farthest {worker.worst:.0%} off it"
    told = f"EXTRAPOLATED to {NATIONAL_CALLS} calls along the {line}"
    return {
        **{
            f"kep_peak_cpu_{calls}": Figure(
                round(1000 * each.worker_cores / calls, 3), "ms/s", None,
                f"media worker's CPU for each of {calls} calls, all with pictures, all joined",
            )
            for calls, each in seen.items()
        },
        "kep_peak_cpu": Figure(round(worker.at(NATIONAL_CALLS), 2), "cores", 1.0, told),
        "kep_peak_control_plane": Figure(
            round(control.at(NATIONAL_CALLS), 2), "cores", None, "control plane's, the same way"
        ),
        "kep_peak_memory": Figure(
            round(memory.slope, 3), "MB", 0.6,
            f"media worker's PSS for each participant more, slope through {sizes} calls",
        ),
    }  # fmt: skip
