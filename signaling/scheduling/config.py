"""How much the node carries, and how far ahead it is promised (R11)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CapacityConfig:
    """What sittings and calls may reserve together, in each quarter of an hour."""

    participants: int = 2000
    """People in all rooms at once."""
    streams: int = 16_000
    """Audio and video streams forwarded at once, to all listeners together."""
    videos_per_participant: int = 5
    """Pictures that one participant is reckoned to watch at once; sound is three streams more."""
    days_ahead: int = 400
    """How far ahead one may schedule, in days."""


def capacity_problems(config: CapacityConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    if config.participants < 2 or config.streams < 2:
        problems.append("capacity.participants, capacity.streams: a call needs at least 2")
    if not 1 <= config.videos_per_participant <= 49:
        problems.append(
            f"capacity.videos_per_participant = {config.videos_per_participant}: use 1 to 49"
        )
    if not 1 <= config.days_ahead <= 3660:
        problems.append(f"capacity.days_ahead = {config.days_ahead}: use 1 to 3660")
    return problems
