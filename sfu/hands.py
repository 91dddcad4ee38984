"""Raised hands of a room, in the order they went up. SANS-IO."""

from __future__ import annotations


class RaisedHands:
    """Who has a hand up. At most one entry a participant, so bounded by the room."""

    def __init__(self) -> None:
        self._raised: dict[str, None] = {}

    def rank(self, participant: str) -> int | None:
        """Return the place in the queue, 1 is first; None if not raised. O(hands)."""
        if participant not in self._raised:
            return None
        return list(self._raised).index(participant) + 1

    def handle_raise(self, participant: str) -> list[str]:
        """Raise a hand. Returns whose rank changed: nobody else's ever does."""
        if participant in self._raised:
            return []
        self._raised[participant] = None
        return [participant]

    def handle_lower(self, participant: str) -> list[str]:
        """Lower a hand. Returns whose rank changed: its own and all behind it."""
        if participant not in self._raised:
            return []
        behind = list(self._raised)
        behind = behind[behind.index(participant) :]
        del self._raised[participant]
        return behind
