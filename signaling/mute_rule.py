"""What limits muting one's own tracks: the seam between sockets and the calls of appointments."""

from __future__ import annotations

from typing import Protocol

from sfu.values import Role, TrackSource


class MuteRule(Protocol):
    """What limits muting one's own tracks."""

    def check_mute(self, room: str, role: Role, source: TrackSource, is_muted: bool) -> None:
        """Refuse what may not be muted now.

        Raises:
            RequestError: see above.
        """


class NoMuteRule:
    """Everybody mutes what they like."""

    def check_mute(self, room: str, role: Role, source: TrackSource, is_muted: bool) -> None:
        """Allow it."""
