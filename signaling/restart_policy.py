"""When to start a process again that ended: pauses double, and start over after a healthy time.

Pure: `now_s` comes in, the pause goes out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RestartTimes:
    """The bounds of a policy."""

    first_pause_s: float = 0.05
    """A worker's rooms must be back within 5 s, so the first try comes at once."""
    last_pause_s: float = 5.0
    healthy_s: float = 60.0
    """A process that ran so long is started as if it had never failed."""


class RestartPolicy:
    """One process's history."""

    def __init__(self, times: RestartTimes | None = None) -> None:
        self._times = times or RestartTimes()
        self._failures = 0
        self._started_s: float | None = None

    def handle_started(self, now_s: float) -> None:
        """The process runs."""
        self._started_s = now_s

    def handle_ended(self, now_s: float) -> float:
        """The process ended. Return how long to wait before the next start."""
        times = self._times
        if self._started_s is not None and now_s - self._started_s >= times.healthy_s:
            self._failures = 0
        self._started_s = None
        # 2**30 is past any bound: keeps the power small whatever the history.
        pause_s = times.first_pause_s * 2.0 ** min(self._failures, 30)
        self._failures += 1
        return min(pause_s, times.last_pause_s)
