"""Rooms that exist for load tests alone: the table [loadtest] of the configuration. Pure.

See docs/loadtest.md. Their ids follow a pattern that no other room has.
"""

from __future__ import annotations

from dataclasses import dataclass

from sfu.values import RoomClass
from signaling.room_session import RoomDescription

MAX_ROOMS = 5000
"""LIMIT: of each class; the country's trained employees are 870."""


@dataclass(frozen=True)
class LoadTestConfig:
    """Rooms that exist for load tests alone."""

    enabled: bool = False
    """Whether there are such rooms at all. Only while somebody tests."""
    council_rooms: int = 0
    """How many of class council: `loadtest-council-1` and on. At most 5000."""
    kep_rooms: int = 0
    """How many of class kep: `loadtest-kep-1` and on. At most 5000."""
    secret: str = ""
    """Name of the secret that opens the entrance, 16 characters or more. Empty: none is asked for,
    which is refused where people from other machines may reach us."""

    def rooms(self) -> list[RoomDescription]:
        """Return the rooms; none unless enabled."""
        if not self.enabled:
            return []
        counts = {RoomClass.COUNCIL: self.council_rooms, RoomClass.KEP: self.kep_rooms}
        return [
            RoomDescription(f"loadtest-{room_class}-{number}", room_class, f"Load test {number}")
            for room_class, count in counts.items()
            for number in range(1, count + 1)
        ]


def loadtest_problems(
    config: LoadTestConfig, classes: frozenset[RoomClass], is_public: bool
) -> list[str]:
    """Return what is wrong; `classes` are those that have a worker."""
    if not config.enabled:
        return []
    problems = []
    counts = {"council_rooms": config.council_rooms, "kep_rooms": config.kep_rooms}
    for key, count in counts.items():
        if not 0 <= count <= MAX_ROOMS:
            problems.append(f"loadtest.{key} = {count}: use 0 to {MAX_ROOMS}")
        room_class = RoomClass(key.removesuffix("_rooms"))
        if count and room_class not in classes:
            problems.append(
                f"loadtest.{key} = {count}: no worker of class {room_class}, add one to [[workers]]"
            )
    if not any(counts.values()):
        problems.append("loadtest.enabled: without rooms, set loadtest.council_rooms or kep_rooms")
    if is_public and not config.secret:
        problems.append(
            'loadtest.secret = "": others may reach us: name a secret of secrets_folder, or set '
            "loadtest.enabled = false"
        )
    return problems
