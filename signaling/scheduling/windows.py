"""When the room of a sitting is open, and for whom. Pure.

Half-open: one may enter from `opens_at` until before `closes_at`. Whoever is inside stays until
the sitting is ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sfu.values import Role
from signaling.scheduling.values import SittingState

GRACE = timedelta(minutes=15)
"""After the planned end: sittings seldom end to the minute."""
PREPARATION = timedelta(minutes=15)
"""Before the invited: who runs the sitting sets up and welcomes."""
RUNS_THE_SITTING = frozenset({Role.COORDINATOR, Role.CHAIR, Role.SECRETARY})
"""Roles in the room that enter earlier (R12)."""


@dataclass(frozen=True)
class SittingTimes:
    """A sitting as far as the clock is concerned."""

    starts_at: datetime
    ends_at: datetime
    """Planned end; later after an extension."""
    open_before_min: int
    """Minutes before the start from which the invited may knock."""
    state: SittingState = SittingState.PLANNED


class Entry(StrEnum):
    """What the door answers to somebody who comes now."""

    TOO_EARLY = "too_early"
    OPEN = "open"
    OVER = "over"
    """Its time is over, or its coordinator has ended it."""
    CANCELLED = "cancelled"


def entry_window(sitting: SittingTimes, role: Role) -> tuple[datetime, datetime]:
    """Return when the room opens and closes for a role in the room, whatever the state."""
    opens_at = sitting.starts_at - timedelta(minutes=sitting.open_before_min)
    if role in RUNS_THE_SITTING:
        opens_at -= PREPARATION
    return opens_at, sitting.ends_at + GRACE


def room_window(sitting: SittingTimes) -> tuple[datetime, datetime]:
    """Return from when to when the room may be in use by anybody: what capacity is reserved for."""
    return entry_window(sitting, Role.CHAIR)


def decide_entry(sitting: SittingTimes, role: Role, now: datetime) -> Entry:
    """Return whether somebody in `role` may enter at `now`."""
    if sitting.state is SittingState.CANCELLED:
        return Entry.CANCELLED
    opens_at, closes_at = entry_window(sitting, role)
    if sitting.state is SittingState.ENDED or now >= closes_at:
        return Entry.OVER
    return Entry.OPEN if now >= opens_at else Entry.TOO_EARLY
