"""What goes into a `RoomSession`, what comes out of it, and its table of states. Plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum

from sfu import rpc_messages as rpc
from sfu.values import Grants, Role, RoomClass
from signaling.door.values import DoorRequest
from signaling.errors import CloseCode, RequestError
from signaling.messages import ServerMessage
from signaling.tokens import Claims


class State(Enum):
    """Where a socket stands."""

    AWAITING_JOIN = "awaiting_join"
    """Open; only `join` and `resume` are answered."""
    ENTERING = "entering"
    """The media worker is asked to admit; later requests wait."""
    JOINED = "joined"
    """Attached to one participant of one room."""
    CLOSED = "closed"
    """Nothing is sent any more."""


class Step(Enum):
    """What moves a session from state to state."""

    ENTRY_ASKED = "entry_asked"
    ADMITTED = "admitted"
    REFUSED = "refused"
    ENDED = "ended"


TRANSITIONS = {
    (State.AWAITING_JOIN, Step.ENTRY_ASKED): State.ENTERING,
    (State.ENTERING, Step.ADMITTED): State.JOINED,
    (State.ENTERING, Step.REFUSED): State.AWAITING_JOIN,  # another token may be tried
    (State.AWAITING_JOIN, Step.ENDED): State.CLOSED,
    (State.ENTERING, Step.ENDED): State.CLOSED,
    (State.JOINED, Step.ENDED): State.CLOSED,
    (State.CLOSED, Step.ENDED): State.CLOSED,
}


@dataclass(frozen=True)
class Send:
    """Send this to the client."""

    message: ServerMessage


@dataclass(frozen=True)
class Call:
    """Do this at the media worker, or at the door, and hand the result to `handle_call_result`. One
    at a time."""

    request: rpc.Request | DoorRequest


@dataclass(frozen=True)
class Post:
    """Do this at the media worker; nobody waits for the result."""

    request: rpc.Detach | rpc.Leave | rpc.Resume


@dataclass(frozen=True)
class Enter:
    """From now on this socket hears the room's events, and those of the participant."""

    room: str
    participant: str


@dataclass(frozen=True)
class Attach:
    """The worker admitted: this socket is the participant's, and no other is."""

    room: str
    participant: str


@dataclass(frozen=True)
class Exit:
    """This socket hears the room no more. `is_resumable`: its participant waits for another."""

    room: str
    participant: str
    is_resumable: bool
    restore_secret: rpc.Resume | None = None
    """The client may not have got its new secret: make the one it came with valid again."""


@dataclass(frozen=True)
class Broadcast:
    """Send this to every socket in the room, this one too. It is kept nowhere."""

    room: str
    message: ServerMessage


@dataclass(frozen=True)
class Tell:
    """Send this to the socket of one participant, if it has one now. It is kept nowhere."""

    room: str
    participant: str
    message: ServerMessage


@dataclass(frozen=True)
class TellReason:
    """When `participant` is removed, this is the reason it is told."""

    room: str
    participant: str
    reason: str


@dataclass(frozen=True)
class IssueReceipt:
    """Who knows the secret of this digest may fetch the participant's receipt of the call."""

    room: str
    participant: str
    secret_digest: bytes = field(repr=False)


@dataclass(frozen=True)
class VerbRefused:
    """The participant asked for a verb that does not exist in its room."""

    room: str
    participant: str
    verb: str


@dataclass(frozen=True)
class CloseSocket:
    """Flush what was sent, then close with this code."""

    code: CloseCode
    reason: str = ""


AuditOutput = IssueReceipt | VerbRefused

RoomOutput = Enter | Attach | Exit | Broadcast | Tell | TellReason
Output = Send | Call | Post | RoomOutput | CloseSocket | AuditOutput

CallResult = rpc.Admission | rpc.NegotiationResult | None | RequestError


@dataclass(frozen=True)
class Membership:
    """What admits this participant again when its media worker restarted."""

    room: str
    participant: str
    subject: str = field(repr=False)
    display_name: str = field(repr=False)
    secret_digest: bytes = field(repr=False)


@dataclass
class Attachment:
    """The participant this socket is, or is about to be."""

    room: str
    participant: str
    secret: str = field(repr=False)
    """The next one to resume with."""
    claims: Claims | None = field(repr=False)
    """None after `resume`: there the worker knows the person."""
    presented_digest: bytes | None = field(default=None, repr=False)
    """After `resume`: digest of the secret the client came with."""
    is_confirmed: bool = False
    """The client has sent something since it was admitted, so it has the new secret."""
    room_class: RoomClass = RoomClass.KEP
    role: Role = Role.GUEST
    grants: Grants = field(default_factory=Grants)
    display_name: str = field(default="", repr=False)

    @property
    def is_resumed(self) -> bool:
        """Whether the socket came with a resume secret."""
        return self.presented_digest is not None

    @property
    def secret_digest(self) -> bytes:
        """SHA-256 of the secret: what the worker keeps."""
        return digest(self.secret)

    def restore_secret(self) -> rpc.Resume | None:
        """Return the call that makes the presented secret valid again, if that is needed."""
        if self.is_confirmed or self.presented_digest is None:
            return None
        return rpc.Resume(
            room=self.room,
            participant=self.participant,
            secret_digest=self.secret_digest,
            next_secret_digest=self.presented_digest,
        )


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a resume secret."""
    return hashlib.sha256(secret.encode()).digest()
