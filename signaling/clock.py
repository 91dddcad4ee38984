"""The time as a value. Shells read the clocks; cores are given an `Instant`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, order=True)
class Instant:
    """One moment on both clocks, so that a wall-clock jump cannot close a socket."""

    monotonic_s: float
    """For limits and time-outs. Its zero means nothing."""
    wall_s: float
    """Unix time: for tokens and for what people read."""

    def rfc3339(self) -> str:
        """Return the wall time in UTC with milliseconds, such as `2026-01-31T08:00:00.000Z`."""
        moment = datetime.fromtimestamp(self.wall_s, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Clock = Callable[[], Instant]


def read_clocks() -> Instant:
    """Return the present moment of this machine."""
    return Instant(monotonic_s=time.monotonic(), wall_s=time.time())
