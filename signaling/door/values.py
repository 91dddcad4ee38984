"""Who knocks, where a knock stands, and what a waiting room asks its shell to do. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from sfu.values import Role
from signaling.clock import Instant


@dataclass(frozen=True)
class Window:
    """When somebody may enter. Unix time."""

    opens_s: float
    closes_s: float

    def has_opened(self, now: Instant) -> bool:
        """Return whether it is open, or was."""
        return now.wall_s >= self.opens_s

    def is_over(self, now: Instant) -> bool:
        """Return whether nobody enters any more."""
        return now.wall_s >= self.closes_s


@dataclass(frozen=True)
class Caller:
    """Somebody who may knock at one room. Who that is was found out before: see `tickets.py`."""

    room: str
    subject: str = field(repr=False)
    """Pseudonymous id, the same for the same person at this room: one person has one place."""
    holder: str = field(repr=False)
    """Hash of the cookie that the ticket was given to; no other browser can use it."""
    display_name: str = field(repr=False)
    role: Role
    window: Window
    is_known: bool
    """Invited and signed in. False: the name is only what was typed."""
    enters_at_once: bool
    """Needs nobody's leave within the window: who runs the meeting."""


class KnockState(Enum):
    """Where a knock stands."""

    WAITING = "waiting"
    """In the queue, with a socket."""
    AWAY = "away"
    """The socket is lost; the place is kept for a while."""
    EXPECTED = "expected"
    """Admitted while away: enters on return."""
    ADMITTED = "admitted"
    """Has got the one token of this admission."""
    REFUSED = "refused"
    GONE = "gone"


class KnockStep(Enum):
    """What moves a knock from state to state."""

    LOST = "lost"
    RETURNED = "returned"
    ADMIT = "admit"
    REFUSE = "refuse"
    LEAVE = "leave"
    TIMED_OUT = "timed_out"
    DOOR_CLOSED = "door_closed"


KNOCK_TRANSITIONS = {
    (KnockState.WAITING, KnockStep.LOST): KnockState.AWAY,
    (KnockState.WAITING, KnockStep.RETURNED): KnockState.WAITING,  # on another socket
    (KnockState.WAITING, KnockStep.ADMIT): KnockState.ADMITTED,
    (KnockState.WAITING, KnockStep.REFUSE): KnockState.REFUSED,
    (KnockState.WAITING, KnockStep.LEAVE): KnockState.GONE,
    (KnockState.WAITING, KnockStep.DOOR_CLOSED): KnockState.GONE,
    (KnockState.AWAY, KnockStep.RETURNED): KnockState.WAITING,
    (KnockState.AWAY, KnockStep.ADMIT): KnockState.EXPECTED,
    (KnockState.AWAY, KnockStep.REFUSE): KnockState.REFUSED,
    (KnockState.AWAY, KnockStep.TIMED_OUT): KnockState.GONE,
    (KnockState.AWAY, KnockStep.DOOR_CLOSED): KnockState.GONE,
    (KnockState.EXPECTED, KnockStep.RETURNED): KnockState.ADMITTED,
    (KnockState.EXPECTED, KnockStep.ADMIT): KnockState.EXPECTED,
    (KnockState.EXPECTED, KnockStep.REFUSE): KnockState.REFUSED,
    (KnockState.EXPECTED, KnockStep.TIMED_OUT): KnockState.GONE,
    (KnockState.EXPECTED, KnockStep.DOOR_CLOSED): KnockState.GONE,
}
"""Admitted, refused and gone are ends: who knocks again begins another knock."""


class WaitingState(StrEnum):
    """What somebody who waits is told. It says nothing about who or how many are inside."""

    EARLY = "early"
    """The door does not open yet."""
    UNATTENDED = "unattended"
    """Nobody who could admit is there."""
    WAITING = "waiting"
    """Who admits has been told."""


class Outcome(StrEnum):
    """Why a knock ended without entry."""

    REFUSED = "refused"
    TOO_LATE = "too_late"
    """The time is over."""
    ENDED = "ended"
    """The meeting was ended."""
    CANCELLED = "cancelled"


@dataclass
class Knock:
    """One person at the door."""

    id: str
    caller: Caller
    knocked_at: Instant
    state: KnockState = KnockState.WAITING
    lost_s: float = 0.0
    """Monotonic time of the loss, while away."""
    told: Told | None = None
    """What was told last."""


@dataclass(frozen=True)
class Told:
    """What somebody who waits is told."""

    state: WaitingState
    position: int
    """1 is next."""
    opens_s: float


@dataclass(frozen=True)
class Issue:
    """Mint the one token of this admission and send it to who knocked."""

    knock: str
    caller: Caller


@dataclass(frozen=True)
class Tell:
    """Tell who waits how things are."""

    knock: str
    told: Told


@dataclass(frozen=True)
class Dismiss:
    """Tell who knocked that it is over, and close the socket."""

    knock: str
    outcome: Outcome
    reason: str = ""
    """What a moderator wrote."""
    retry_after_s: int | None = None
    """When another knock is heard; None: never."""


@dataclass(frozen=True)
class QueueChanged:
    """Those who may admit are to be shown the queue again."""


@dataclass(frozen=True)
class DoorRequest:
    """What a moderator in the room asks of its door."""

    room: str
    by: str
    """Participant id of the moderator."""


@dataclass(frozen=True)
class AdmitKnock(DoorRequest):
    """Let one in; everybody known without an id."""

    knock: str | None


@dataclass(frozen=True)
class RefuseKnock(DoorRequest):
    """Send one away."""

    knock: str
    reason: str


@dataclass(frozen=True)
class MoveBackParticipant(DoorRequest):
    """Back from the room into the waiting room."""

    participant: str
    reason: str


DoorOutput = Issue | Tell | Dismiss | QueueChanged


@dataclass(frozen=True)
class DoorLimits:
    """What a door allows. Documented in docs/signaling-protocol.md."""

    away_s: float = 30.0
    """How long a place is kept without a socket."""
    early_s: float = 3600.0
    """How long before the window one may wait already."""
    pause_s: float = 60.0
    """After a refusal no knock of the same person is heard for so long; doubled by each further."""
    longest_pause_s: float = 3600.0
    removal_pause_s: float = 300.0
    """The same after a removal from the room."""
    places: int = 500
    """Most people who wait at one room."""
    ticket_s: float = 60.0
    """Life of a ticket, and of the token that an admission gives."""
