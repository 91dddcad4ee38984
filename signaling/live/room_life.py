"""The life of one sitting's room: warned before its end, closed at its end. SANS-IO."""

from __future__ import annotations

from dataclasses import dataclass

from signaling.clock import Instant
from signaling.door.values import Outcome
from signaling.scheduling.values import SittingState

WARNING_MINUTES = (10, 2)
"""Before the end, the room is told."""

CLOSING_STATES = {
    SittingState.CANCELLED: Outcome.CANCELLED,
    SittingState.ENDED: Outcome.ENDED,
}


@dataclass(frozen=True)
class Warn:
    """Tell everybody in the room."""

    minutes: int
    closes_s: float


@dataclass(frozen=True)
class Close:
    """Close the door and the room."""

    outcome: Outcome


LifeOutput = Warn | Close


class RoomLife:
    """Calling rule: `handle_sitting` whenever the sitting was read, `handle_timeout` when due."""

    def __init__(self, closes_s: float, now: Instant) -> None:
        self._closes_s = closes_s
        self._is_closed = False
        self._seen_s = now.wall_s
        """Warnings from before are not given any more."""

    def handle_sitting(self, state: SittingState, closes_s: float, now: Instant
                       ) -> list[LifeOutput]:  # fmt: skip
        """Take how the sitting stands. Unix time."""
        if closes_s != self._closes_s:
            self._closes_s = closes_s
            self._seen_s = now.wall_s  # an extension: the warnings come again
        if state in CLOSING_STATES:
            return self._close(CLOSING_STATES[state])
        return self.handle_timeout(now)

    def handle_timeout(self, now: Instant) -> list[LifeOutput]:
        """Do what is due."""
        if now.wall_s >= self._closes_s:
            return self._close(Outcome.TOO_LATE)
        due = [
            minutes
            for minutes in WARNING_MINUTES
            if self._seen_s < self._closes_s - 60 * minutes <= now.wall_s
        ]
        self._seen_s = max(self._seen_s, now.wall_s)
        return [Warn(min(due), self._closes_s)] if due and not self._is_closed else []

    def next_timeout(self, now: Instant) -> float | None:
        """Return the Unix time at which `handle_timeout` is due; None once closed."""
        if self._is_closed:
            return None
        moments = [self._closes_s, *(self._closes_s - 60 * each for each in WARNING_MINUTES)]
        return min((each for each in moments if each > self._seen_s), default=now.wall_s)

    def _close(self, outcome: Outcome) -> list[LifeOutput]:
        if self._is_closed:
            return []
        self._is_closed = True
        return [Close(outcome)]
