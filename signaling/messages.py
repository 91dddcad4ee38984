"""The public WebSocket protocol's messages. Described with examples in docs/signaling-protocol.md.

JSON text frames, one object each, tagged by `type`. A request carries an `id` chosen by the client;
its one reply carries the same `id`. Everything else the server sends is a notification. Unknown
fields are refused.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from sfu.values import (
    ConnectionQuality,
    Encryption,
    Grants,
    Identifier,
    ParticipantInfo,
    Role,
    RoomClass,
    StreamSource,
    TrackSource,
    VideoWish,
)
from signaling.encryption import EncryptionPolicy
from signaling.errors import RequestError
from signaling.kep.call import CallView

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024

RequestId = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
ChatText = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
KeysPayload = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
ReasonText = Annotated[str, msgspec.Meta(max_length=500)]


class ClientMessage(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of what a client sends. Every one is a request."""

    id: RequestId


class Join(ClientMessage, frozen=True, kw_only=True, tag="join"):
    """First message of a socket: enter with a token minted for this room and person, used once."""

    token: Annotated[str, msgspec.Meta(max_length=4096)]
    protocol: int = PROTOCOL_VERSION
    encryption: Encryption = Encryption.OFF
    """Whether this browser encrypts end to end. Kep rooms admit nobody without."""


class Resume(ClientMessage, frozen=True, kw_only=True, tag="resume"):
    """First message of a new socket after a lost one: keep identity, hand and m-lines."""

    room: Identifier
    participant: Identifier
    secret: Annotated[str, msgspec.Meta(max_length=128)]
    protocol: int = PROTOCOL_VERSION


class Offer(ClientMessage, frozen=True, kw_only=True, tag="offer"):
    """JSEP offer: the first, a later one with more m-lines or a screen, or an ICE restart."""

    sdp: Annotated[str, msgspec.Meta(max_length=60_000)]
    tracks: dict[str, TrackSource] = {}
    """What each sending m-line carries: mid → source."""


class Layout(ClientMessage, frozen=True, kw_only=True, tag="layout"):
    """What to show: replaces all earlier wishes. M-lines not named are cleared."""

    video: Annotated[list[VideoWish], msgspec.Meta(max_length=64)]


class Mute(ClientMessage, frozen=True, kw_only=True, tag="mute"):
    """The client muted or unmuted a track of its own."""

    source: TrackSource
    muted: bool


class Hand(ClientMessage, frozen=True, kw_only=True, tag="hand"):
    """Raise or lower a hand; a moderator may lower another's."""

    raised: bool
    participant: Identifier | None = None


class Chat(ClientMessage, frozen=True, kw_only=True, tag="chat"):
    """Text to everybody in the room. Kept nowhere. Does not exist in kep rooms."""

    text: ChatText


class Keys(ClientMessage, frozen=True, kw_only=True, tag="keys"):
    """Hand another participant of a kep room what the browsers agree keys with.

    Relayed as it is and kept nowhere. What it says: docs/end-to-end-encryption.md."""

    participant: Identifier
    payload: KeysPayload


class Allow(ClientMessage, frozen=True, kw_only=True, tag="allow"):
    """A moderator allows or forbids a participant to publish a source. Enforced at the media."""

    participant: Identifier
    source: TrackSource
    allowed: bool


class Kick(ClientMessage, frozen=True, kw_only=True, tag="kick"):
    """A moderator removes a participant."""

    participant: Identifier
    reason: ReasonText = ""


class CloseRoom(ClientMessage, frozen=True, kw_only=True, tag="close_room"):
    """End the meeting for everybody."""

    reason: ReasonText = ""


class Leave(ClientMessage, frozen=True, kw_only=True, tag="leave"):
    """Leave for good: no resume."""


class Ping(ClientMessage, frozen=True, kw_only=True, tag="ping"):
    """Keep an idle socket open, measure the round trip."""


class Admit(ClientMessage, frozen=True, kw_only=True, tag="admit"):
    """A moderator lets somebody in who waits at the door."""

    knock: Identifier | None = None
    """None: everybody who was invited and has signed in. Others are admitted one by one."""


class Refuse(ClientMessage, frozen=True, kw_only=True, tag="refuse"):
    """A moderator sends somebody away who waits at the door."""

    knock: Identifier
    reason: ReasonText = ""


class MoveBack(ClientMessage, frozen=True, kw_only=True, tag="move_back"):
    """A moderator moves a participant from the room back to the waiting room."""

    participant: Identifier
    reason: ReasonText = ""


ClientMessages = (
    Join
    | Resume
    | Offer
    | Layout
    | Mute
    | Hand
    | Chat
    | Keys
    | Allow
    | Kick
    | CloseRoom
    | Leave
    | Ping
    | Admit
    | Refuse
    | MoveBack
)


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what the server sends."""


class Joined(ServerMessage, frozen=True, kw_only=True, tag="joined"):
    """Reply to `join` and `resume`."""

    id: RequestId
    room: Identifier
    room_class: RoomClass
    title: str
    participant: Identifier
    role: Role
    grants: Grants
    secret: str
    """Present it with `resume` within 30 s of losing the socket. A new one each time."""
    resumed: bool
    participants: list[ParticipantInfo]
    """All others and oneself."""
    sources: list[StreamSource]
    """Empty unless resumed."""
    audio_streams: int
    """How many receive-only audio m-lines to offer."""
    max_video_streams: int
    """Most receive-only video m-lines the server accepts."""
    encryption: EncryptionPolicy
    """Whether media are encrypted end to end in this room."""
    ping_interval_s: int


class Answer(ServerMessage, frozen=True, kw_only=True, tag="answer"):
    """Reply to `offer`."""

    id: RequestId
    sdp: str


class Done(ServerMessage, frozen=True, kw_only=True, tag="done"):
    """Reply to every other request that succeeded."""

    id: RequestId


class Error(ServerMessage, frozen=True, kw_only=True, tag="error"):
    """Reply to a request that failed, or (without id) why the server is about to close."""

    id: RequestId | None
    code: str
    """Stable, snake_case, from the table in docs/signaling-protocol.md."""
    message: str
    """English, for developers; pages translate by code."""
    retry_after_s: int | None = None


def error_of(request_id: int | None, error: RequestError) -> Error:
    """Return the message that tells `error`."""
    return Error(
        id=request_id, code=error.code, message=error.detail, retry_after_s=error.retry_after_s
    )


class ParticipantJoined(ServerMessage, frozen=True, kw_only=True, tag="participant_joined"):
    participant: ParticipantInfo


class ParticipantUpdated(ServerMessage, frozen=True, kw_only=True, tag="participant_updated"):
    participant: ParticipantInfo


class ParticipantLeft(ServerMessage, frozen=True, kw_only=True, tag="participant_left"):
    participant: Identifier
    reason: str
    """left, lost, kicked, replaced, moved_back."""


class Speakers(ServerMessage, frozen=True, kw_only=True, tag="speakers"):
    """Who speaks now, loudest first."""

    participants: list[Identifier]


class Sources(ServerMessage, frozen=True, kw_only=True, tag="sources"):
    """What this client's receive-only m-lines carry, whenever it changes. The whole list."""

    sources: list[StreamSource]


class ChatMessage(ServerMessage, frozen=True, kw_only=True, tag="chat_message"):
    participant: Identifier
    text: str
    sent_at: str
    """UTC, RFC 3339."""


class PeerKeys(ServerMessage, frozen=True, kw_only=True, tag="peer_keys"):
    """What another participant handed to this one with `keys`, as it was."""

    participant: Identifier
    """Who: taken from the sender's socket, never from a message."""
    payload: str


class GrantsChanged(ServerMessage, frozen=True, kw_only=True, tag="grants_changed"):
    """Your own grants changed."""

    grants: Grants


class Quality(ServerMessage, frozen=True, kw_only=True, tag="quality"):
    """Connection quality of the room's participants: after `joined` of all that is known, then, every
    few seconds, of those whose it changed."""

    participants: list[ConnectionQuality]


class MediaState(ServerMessage, frozen=True, kw_only=True, tag="media_state"):
    """This client's transport as the server sees it: a `sfu.values.TransportState`."""

    state: str


class MediaLost(ServerMessage, frozen=True, kw_only=True, tag="media_lost"):
    """The media worker restarted: make a new RTCPeerConnection and offer again."""


class Receipt(ServerMessage, frozen=True, kw_only=True, tag="receipt"):
    """After `joined` in a kep room: who has the secret may fetch the receipt of this participant's
    call after its end, with `POST /receipts`. A new one after `resume`; the earlier ones stay good."""

    secret: str


class Kicked(ServerMessage, frozen=True, kw_only=True, tag="kicked"):
    reason: str


class RoomClosed(ServerMessage, frozen=True, kw_only=True, tag="room_closed"):
    reason: str


class GoingAway(ServerMessage, frozen=True, kw_only=True, tag="going_away"):
    """The signalling server restarts: reconnect and resume after this time. Media goes on."""

    retry_after_ms: int


class KnockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who waits at the door, as moderators see them."""

    knock: Identifier
    display_name: str
    role: Role
    """The role in the room after the admission."""
    is_known: bool
    """Invited and signed in. False: a guest, whose name is only what was typed."""
    is_connected: bool
    """False: the socket is lost; the place is kept for a while."""
    is_early: bool
    """Cannot be admitted yet."""
    is_expected: bool
    """Admitted while away: enters on return."""
    knocked_at: str
    """UTC, RFC 3339."""


class WaitingRoom(ServerMessage, frozen=True, kw_only=True, tag="waiting_room"):
    """Who waits at the door, in order. The whole list, to moderators only."""

    knocks: list[KnockInfo]


class MovedBack(ServerMessage, frozen=True, kw_only=True, tag="moved_back"):
    """You are in the waiting room again: knock. The socket is closed."""

    reason: str


class ClosingSoon(ServerMessage, frozen=True, kw_only=True, tag="closing_soon"):
    """The room closes when its time is over, unless it is extended."""

    minutes: int
    closes_at: str
    """UTC, RFC 3339."""


class CallState(ServerMessage, frozen=True, kw_only=True, tag="call_state"):
    """How the call of an appointment stands. Kep rooms only."""

    call: CallView


ServerMessages = (
    Joined
    | Answer
    | Done
    | Error
    | ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | Speakers
    | Sources
    | ChatMessage
    | PeerKeys
    | GrantsChanged
    | Quality
    | MediaState
    | MediaLost
    | Receipt
    | Kicked
    | RoomClosed
    | GoingAway
    | WaitingRoom
    | MovedBack
    | ClosingSoon
    | CallState
)
