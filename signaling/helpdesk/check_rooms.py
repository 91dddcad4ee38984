"""Rooms of the device and network check: opened for one page, closed and forgotten a minute later.

No clock and no task of its own: `handle_timeout` is called from outside, with what time it is.
"""

from __future__ import annotations

from collections.abc import Callable

from sfu import rpc_messages as rpc
from sfu.values import RoomClass
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable

LIFETIME_S = 60.0
"""The check itself takes at most 45 s."""
PREFIX = "check-"
"""Of their ids: a new control plane tells them from sittings that way."""
TITLE = "Έλεγχος συσκευών"
CLOSE_REASON = "time_over"


class TooManyChecks(Exception):
    """As many run as may."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class CheckRooms:
    """At most `max_rooms` at once."""

    def __init__(
        self, rooms: RoomTable, max_rooms: int, post: Callable[[rpc.Request], None]
    ) -> None:
        self._rooms = rooms
        self._max_rooms = max_rooms
        self._post = post
        self._ends_s: dict[str, float] = {}
        """By room, in the order they end."""

    def __len__(self) -> int:
        return len(self._ends_s)

    def open(self, name: str, now_s: float) -> RoomDescription:
        """Let there be a room called after `name`, which nobody can guess.

        Raises:
            TooManyChecks: see above.
        """
        if len(self._ends_s) >= self._max_rooms:
            first_s = next(iter(self._ends_s.values()))
            raise TooManyChecks(max(1, round(first_s - now_s)))
        description = RoomDescription(f"{PREFIX}{name}", RoomClass.COUNCIL, TITLE)
        self._rooms.add(description)
        self._ends_s[description.room] = now_s + LIFETIME_S
        return description

    def handle_timeout(self, now_s: float) -> None:
        """Close what is due, and forget it once nobody is there; asked again until so."""
        self._adopt(now_s)
        for room, ends_s in list(self._ends_s.items()):
            if ends_s > now_s:
                continue
            if self._rooms.discard(room):
                del self._ends_s[room]
            else:
                self._post(rpc.CloseRoom(room=room, reason=CLOSE_REASON))

    def _adopt(self, now_s: float) -> None:
        """Take over rooms that ran when this process began."""
        for room, entry in self._rooms.rooms.items():
            if room.startswith(PREFIX) and not entry.is_listed:
                self._ends_s.setdefault(room, now_s + LIFETIME_S)
