"""How much the node carries and how far ahead it is promised (R11); what the invited are told."""

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


@dataclass(frozen=True)
class InvitationsConfig:
    """What goes to the invited."""

    reminder_minutes: int = 60
    """How long before the start the invited are reminded."""
    virus_scanner: tuple[str, ...] = ()
    """Program and arguments that read a document on standard input and exit with 0 (clean) or
    1 (infected), such as `["clamdscan", "--no-summary", "-"]`. Empty: documents are not scanned."""


def invitations_problems(config: InvitationsConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    if 1 <= config.reminder_minutes <= 7 * 24 * 60:
        return []
    return [f"invitations.reminder_minutes = {config.reminder_minutes}: use 1 to 10080"]
