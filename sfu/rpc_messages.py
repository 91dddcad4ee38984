"""What signaling and a media worker say to each other over the worker's UNIX socket.

msgpack frames behind a 4-byte big-endian length (≤ 1 MiB). `Call` → `Result`, matched by `id`; `Event`s flow up unasked.
The worker owns the room's state, so that a control plane may die and another adopt what runs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sfu.values import (
    ConnectionQuality,
    Grants,
    Identifier,
    ParticipantInfo,
    Role,
    RoomClass,
    StreamSource,
    TrackSource,
    TransportState,
    VideoWish,
)

RPC_VERSION = 1
MAX_FRAME_BYTES = 1 << 20


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="method", forbid_unknown_fields=True):
    """Base of all calls."""


class Hello(Request, tag="hello"):
    """First call of a connection. A version mismatch is refused with `rpc_version`."""

    version: int


class OpenRoom(Request, tag="open_room"):
    """Create the room unless it is there already with the same class (`room_class_fixed` otherwise)."""

    room: Identifier
    room_class: RoomClass
    title: str


class CloseRoom(Request, tag="close_room"):
    room: Identifier
    reason: str


class Join(Request, tag="join"):
    """Add a participant. A participant of the same subject is replaced (left with reason `replaced`)."""

    room: Identifier
    participant: Identifier
    subject: str
    """Pseudonymous id of the person, from the token; never logged."""
    display_name: str
    role: Role
    grants: Grants
    secret_digest: bytes
    """SHA-256 of the resume secret."""


class Resume(Request, tag="resume"):
    """Attach a new socket to a participant whose digest matches; sets the next digest."""

    room: Identifier
    participant: Identifier
    secret_digest: bytes
    next_secret_digest: bytes


class Detach(Request, tag="detach"):
    """The socket is lost; the participant is removed after RESUME_WINDOW_S unless it resumes."""

    room: Identifier
    participant: Identifier


class Leave(Request, tag="leave"):
    room: Identifier
    participant: Identifier
    reason: str


class Negotiate(Request, tag="negotiate"):
    room: Identifier
    participant: Identifier
    sdp: str
    tracks: dict[str, TrackSource]


class SetLayout(Request, tag="set_layout"):
    room: Identifier
    participant: Identifier
    video: list[VideoWish]


class SetMuted(Request, tag="set_muted"):
    room: Identifier
    participant: Identifier
    source: TrackSource
    muted: bool


class SetGrants(Request, tag="set_grants"):
    room: Identifier
    participant: Identifier
    grants: Grants


class SetHand(Request, tag="set_hand"):
    room: Identifier
    participant: Identifier
    raised: bool


class ListRooms(Request, tag="list_rooms"):
    """All rooms, for a control plane that starts and adopts them."""


class Statistics(Request, tag="statistics"):
    """The worker's metrics as one coherent snapshot."""


Requests = (
    Hello | OpenRoom | CloseRoom | Join | Resume | Detach | Leave | Negotiate | SetLayout | SetMuted
    | SetGrants | SetHand | ListRooms | Statistics
)


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `hello`."""

    version: int
    worker: str
    incarnation: str
    """New at every start of the process: tells a restarted worker from a kept one."""
    room_class: RoomClass
    capacity: int
    """Most participants admitted."""


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `list_rooms` (a list) and of `open_room`."""

    room: Identifier
    room_class: RoomClass
    title: str
    participants: list[ParticipantInfo]


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `join` and `resume`."""

    state: RoomState
    role: Role
    grants: Grants
    sources: list[StreamSource]
    transport: TransportState


class NegotiationResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `negotiate`."""

    sdp: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call failed: a stable code of `sfu.errors`, text, and facts."""

    code: str
    message: str
    retry_after_s: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of what a worker reports."""

    room: Identifier


class ParticipantJoined(Event, tag="participant_joined"):
    participant: ParticipantInfo


class ParticipantUpdated(Event, tag="participant_updated"):
    participant: ParticipantInfo


class ParticipantLeft(Event, tag="participant_left"):
    participant: Identifier
    reason: str
    """left, lost, kicked, replaced, closed."""


class SpeakersChanged(Event, tag="speakers_changed"):
    participants: list[Identifier]


class SourcesChanged(Event, tag="sources_changed"):
    """What `participant`'s receive-only m-lines carry now."""

    participant: Identifier
    sources: list[StreamSource]


class TransportChanged(Event, tag="transport_changed"):
    participant: Identifier
    state: TransportState


class QualityChanged(Event, tag="quality_changed"):
    participants: list[ConnectionQuality]


class RoomClosed(Event, tag="room_closed"):
    reason: str


Events = (
    ParticipantJoined | ParticipantUpdated | ParticipantLeft | SpeakersChanged | SourcesChanged
    | TransportChanged | QualityChanged | RoomClosed
)


class CallFrame(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    id: int
    request: Requests


class ResultFrame(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    id: int
    value: Any = None
    failure: Failure | None = None


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    event: Events
