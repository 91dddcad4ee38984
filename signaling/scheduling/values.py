"""Words of the domain, as they are stored. Plain data."""

from __future__ import annotations

from enum import StrEnum


class CollectiveKind(StrEnum):
    """What a collective body is (R37)."""

    COUNCIL = "council"
    COMMITTEE = "committee"
    LOCAL_COUNCIL = "local_council"
    BOARD = "board"


class Office(StrEnum):
    """What a member is in the collective body. In the room there are roles (sfu.values.Role)."""

    CHAIR = "chair"
    SECRETARY = "secretary"
    MAYOR = "mayor"
    """Must be invited, speaks with priority, does not vote."""
    MEMBER = "member"
    SERVICE = "service"
    """An official who reports on a subject (R3)."""


class SittingKind(StrEnum):
    """What a sitting is for."""

    COUNCIL_SESSION = "council_session"
    COMMITTEE = "committee"
    HEARING = "hearing"
    """Of citizens."""
    REHEARSAL = "rehearsal"
    """Δοκιμαστική (R35): invites nobody by itself, counts in no statistics."""


class SittingMode(StrEnum):
    """How people are present (R2, R32)."""

    IN_PERSON = "in_person"
    """Δια ζώσης, with remote members."""
    REMOTE = "remote"
    """Τηλεδιάσκεψη."""
    MIXED = "mixed"
    """Μεικτή."""


class SittingState(StrEnum):
    """Where a sitting stands. Whether its room is open is a matter of the clock, not of this."""

    PLANNED = "planned"
    CANCELLED = "cancelled"
    ENDED = "ended"
    """Closed by its coordinator, or its time is over."""
