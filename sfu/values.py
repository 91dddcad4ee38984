"""Values that the room model, the RPC and signaling share. Plain data, only validated."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from recording_policy.rules import RoomClass as RoomClass

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,64}$")]
"""A room or participant id: lower-case letters, digits and hyphens, at most 64."""

Mid = Annotated[str, msgspec.Meta(pattern=r"^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]{1,16}$")]
"""An a=mid token, at most 16 characters (RFC 8843, RFC 8285 one-byte form)."""


class Kind(StrEnum):
    """Media kind of an m-line."""

    AUDIO = "audio"
    VIDEO = "video"


class TrackSource(StrEnum):
    """What a participant publishes; at most one track of each."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"

    @property
    def kind(self) -> Kind:
        return Kind.AUDIO if self is TrackSource.MICROPHONE else Kind.VIDEO


class Role(StrEnum):
    """A participant's role in the room, from the signed token."""

    CHAIR = "chair"
    SECRETARY = "secretary"
    COORDINATOR = "coordinator"
    MEMBER = "member"
    GUEST = "guest"
    CITIZEN = "citizen"
    EMPLOYEE = "employee"
    INTERPRETER = "interpreter"


class Encryption(StrEnum):
    """Whether a participant's browser encrypts end to end (docs/end-to-end-encryption.md)."""

    ON = "on"
    OFF = "off"


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """What a participant may do now. Publishing grants are enforced at the engine's ingress."""

    microphone: bool = True
    camera: bool = True
    screen: bool = True
    chat: bool = True
    hand: bool = True
    moderate: bool = False
    """Mute, allow, remove others, lower their hands."""
    close_room: bool = False


class TrackInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A track a participant offers in the room."""

    source: TrackSource
    is_muted: bool = False
    """The participant muted it."""
    is_blocked: bool = False
    """The grant is missing: the engine drops its RTP at ingress."""
    is_flowing: bool = False
    """Its packets reach the media worker now. Told of cameras in kep rooms only: there a citizen is
    identified by what really arrives."""


class ParticipantInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody in the room sees of a participant."""

    participant: Identifier
    display_name: str
    role: Role
    tracks: tuple[TrackInfo, ...] = ()
    hand_raised_order: int | None = None
    """Rank among raised hands, 1 is first; None if not raised."""
    is_connected: bool = True
    """False while its socket is lost and may still resume."""
    encryption: Encryption = Encryption.OFF
    """What its browser said when it joined. `off` in council rooms."""
    grants: Grants = Grants()


class VideoWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants on one of its receive-only video m-lines."""

    mid: Mid
    participant: Identifier | None = None
    """Whose video; None with `speaker` false clears the m-line."""
    source: TrackSource = TrackSource.CAMERA
    speaker: bool = False
    """Follow the active speaker (never oneself) instead of a named participant."""
    max_height: Annotated[int, msgspec.Meta(ge=0, le=4320)] = 720
    """Highest picture worth sending, in pixels; 0 pauses the stream (hidden tab or tile)."""


class StreamSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a receive-only m-line carries now (or will, once its keyframe comes)."""

    mid: Mid
    kind: Kind
    participant: Identifier | None = None
    source: TrackSource | None = None


class TransportState(StrEnum):
    """State of one participant's media transport."""

    NEW = "new"
    CONNECTED = "connected"
    """ICE has a nominated, consenting pair and DTLS is done."""
    DISCONNECTED = "disconnected"
    """Consent expired (RFC 7675): an ICE restart revives it."""
    FAILED = "failed"
    """DTLS failed: fingerprint, profile or time."""
    CLOSED = "closed"


class ConnectionQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How one participant's transport does, over the last seconds."""

    participant: Identifier
    score: Annotated[int, msgspec.Meta(ge=0, le=5)]
    """5 excellent … 1 bad, 0 lost."""
    round_trip_ms: int | None = None
    loss_in_percent: float = 0.0
    """Loss of what the participant sends."""
    loss_out_percent: float = 0.0
    """Loss of what it receives, as it reports."""
