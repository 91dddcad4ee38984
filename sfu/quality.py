"""Connection quality of a participant, as others are told of it. SANS-IO."""

from __future__ import annotations

import msgspec

from sfu.values import ConnectionQuality


class QualityMeter:
    """Puts the engine's scores and connectivity together and says when there is news."""

    def __init__(self, participant: str) -> None:
        self._latest = ConnectionQuality(participant=participant, score=0)
        """Of score 0 until the engine tells one."""
        self._is_lost = False
        self._told: ConnectionQuality | None = None

    def handle_report(self, quality: ConnectionQuality) -> None:
        """Take what the engine tells of a connection that is there."""
        self._latest = quality

    def handle_connectivity(self, is_lost: bool) -> None:
        self._is_lost = is_lost

    @property
    def told(self) -> ConnectionQuality | None:
        """What `poll_change` returned last."""
        return self._told

    def poll_change(self) -> ConnectionQuality | None:
        """Return the quality if it is another than at the last call that returned one."""
        quality = msgspec.structs.replace(self._latest, score=0) if self._is_lost else self._latest
        is_unknown = quality.score == 0 and not self._is_lost
        if is_unknown or quality == self._told:
            return None
        self._told = quality
        return quality
