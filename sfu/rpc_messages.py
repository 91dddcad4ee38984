"""What signaling and a media worker say to each other over the worker's UNIX socket.

msgpack frames behind a 4-byte big-endian length (≤ 1 MiB). `Call` → `Result`, matched by `id`;
`Event`s flow up unasked.
The worker owns the room's state, so that a control plane may die and another adopt what runs.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from recording_policy.sandbox import SandboxStatement
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
    TransportState,
    VideoWish,
)

RPC_VERSION = 1
MAX_FRAME_BYTES = 1 << 20


class Request(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="method", forbid_unknown_fields=True
):
    """Base of all calls."""


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """First call of a connection. A version mismatch is refused with `rpc_version`."""

    version: int


class OpenRoom(Request, frozen=True, kw_only=True, tag="open_room"):
    """Create the room unless it is there already with the same class (else `room_class_fixed`)."""

    room: Identifier
    room_class: RoomClass
    title: str


class CloseRoom(Request, frozen=True, kw_only=True, tag="close_room"):
    room: Identifier
    reason: str


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Add a participant. One of the same subject is replaced (it leaves with reason `replaced`)."""

    room: Identifier
    participant: Identifier
    subject: str
    """Pseudonymous id of the person, from the token; never logged."""
    display_name: str
    role: Role
    grants: Grants
    secret_digest: bytes
    """SHA-256 of the resume secret."""
    encryption: Encryption = Encryption.OFF
    """Whether the browser encrypts end to end: the worker only tells the others."""


class Resume(Request, frozen=True, kw_only=True, tag="resume"):
    """Attach a new socket to a participant whose digest matches; sets the next digest."""

    room: Identifier
    participant: Identifier
    secret_digest: bytes
    next_secret_digest: bytes


class Detach(Request, frozen=True, kw_only=True, tag="detach"):
    """The socket is lost; the participant is removed after RESUME_WINDOW_S unless it resumes."""

    room: Identifier
    participant: Identifier


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    room: Identifier
    participant: Identifier
    reason: str


class Negotiate(Request, frozen=True, kw_only=True, tag="negotiate"):
    room: Identifier
    participant: Identifier
    sdp: str
    tracks: dict[str, TrackSource]


class SetLayout(Request, frozen=True, kw_only=True, tag="set_layout"):
    room: Identifier
    participant: Identifier
    video: list[VideoWish]


class SetMuted(Request, frozen=True, kw_only=True, tag="set_muted"):
    room: Identifier
    participant: Identifier
    source: TrackSource
    muted: bool


class SetGrants(Request, frozen=True, kw_only=True, tag="set_grants"):
    room: Identifier
    participant: Identifier
    grants: Grants


class SetHand(Request, frozen=True, kw_only=True, tag="set_hand"):
    room: Identifier
    participant: Identifier
    raised: bool


class ListRooms(Request, frozen=True, kw_only=True, tag="list_rooms"):
    """All rooms, for a control plane that starts and adopts them."""


class Statistics(Request, frozen=True, kw_only=True, tag="statistics"):
    """The worker's metrics as one coherent snapshot."""


class Attest(Request, frozen=True, kw_only=True, tag="attest"):
    """What the worker's sandbox answers now: asked at the end of each kep call."""


Commands = CloseRoom | Detach | Leave | SetLayout | SetMuted | SetGrants | SetHand
"""Calls whose result is None."""

PERISHABLE = (Join, Negotiate, Statistics)
"""Calls that cost the worker much and that nobody wants any more once the caller gave up."""

Requests = Hello | OpenRoom | Join | Resume | Negotiate | ListRooms | Statistics | Attest | Commands


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `hello`."""

    version: int
    worker: str
    incarnation: str
    """New at every start of the process: tells a restarted worker from a kept one."""
    room_class: RoomClass
    capacity: int
    """Most participants admitted."""
    statement: SandboxStatement | None = None
    """What the worker tried on itself and how the kernel refused it; None for workers that are not
    locked down. A kep worker whose statement has a fault is given no call."""


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `attest`."""

    incarnation: str
    tried_again: dict[str, str] = {}
    """Prohibition → what the kernel answered just now; empty for workers that are not locked
    down."""


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `list_rooms` (a list) and of `open_room`."""

    room: Identifier
    room_class: RoomClass
    title: str
    participants: list[ParticipantInfo]
    subjects: dict[str, str] = {}
    """Participant → pseudonymous id of the person, as `Join` had it. Never told to clients."""
    quality: list[ConnectionQuality] = []
    """How connections do, as told last; it is told again when it changes only."""


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
    facts: dict[str, Any] = {}
    """The error's fields by name, so that the caller raises an equal one."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of observations, cumulative as Prometheus wants them."""

    buckets: list[tuple[float, int]]
    """(upper bound, count at or below it), ascending; the last bound is +Inf."""
    total: float
    """Sum of the observed values, in the histogram's unit."""


class WorkerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Result of `statistics`: one coherent snapshot. Counters since the process started."""

    worker: str
    incarnation: str
    room_class: RoomClass
    uptime_s: float
    rooms: int
    participants: int
    transports: dict[TransportState, int]
    tls_versions: dict[str, int]
    """Handshakes done, by negotiated version: `DTLSv1.2`, `DTLSv1.3`, `other`."""
    srtp_profiles: dict[str, int]
    """Handshakes done, by profile as in the engine's `SrtpProfileName`."""
    handshake_failures: dict[str, int]
    """By `sfu.dtls.HandshakeFailure`."""
    handshake_time: Histogram
    """Start of the handshake → keys, in seconds."""
    join_time: Histogram
    """`join` accepted → transport connected, in seconds."""
    loop_lag: Histogram
    """How late the worker's event loop wakes, in seconds."""
    rpc_calls: dict[str, int]
    """By method."""
    rpc_failures: dict[str, int]
    """By error code."""
    rpc_slow_readers: int
    """Control-plane connections closed because they did not read."""
    engine_counters: dict[str, int]
    engine_drops: dict[str, int]
    engine_gauges: dict[str, int]
    forwarding_delay: Histogram
    """Kernel receive → handed to the kernel, in seconds; one packet in 64 is sampled."""
    engine_cpu_time_s: float
    sandbox_prohibitions: int = 0
    """How many prohibitions the worker has proved on itself; 0: it is not locked down."""
    sandbox_lock_down_s: float = 0.0
    """How long locking and proving took."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of what a worker reports."""

    room: Identifier


class ParticipantJoined(Event, frozen=True, kw_only=True, tag="participant_joined"):
    participant: ParticipantInfo
    subject: str = ""
    """As `Join` had it. Never told to clients."""


class ParticipantUpdated(Event, frozen=True, kw_only=True, tag="participant_updated"):
    participant: ParticipantInfo


class ParticipantLeft(Event, frozen=True, kw_only=True, tag="participant_left"):
    participant: Identifier
    reason: str
    """left, lost, kicked, replaced, moved_back, closed."""


class SpeakersChanged(Event, frozen=True, kw_only=True, tag="speakers_changed"):
    participants: list[Identifier]


class SourcesChanged(Event, frozen=True, kw_only=True, tag="sources_changed"):
    """What `participant`'s receive-only m-lines carry now."""

    participant: Identifier
    sources: list[StreamSource]


class TransportChanged(Event, frozen=True, kw_only=True, tag="transport_changed"):
    participant: Identifier
    state: TransportState


class QualityChanged(Event, frozen=True, kw_only=True, tag="quality_changed"):
    participants: list[ConnectionQuality]


class RoomClosed(Event, frozen=True, kw_only=True, tag="room_closed"):
    reason: str


Events = (
    ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | SpeakersChanged
    | SourcesChanged
    | TransportChanged
    | QualityChanged
    | RoomClosed
)


class CallFrame(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    id: int
    request: Requests
    deadline_s: float = math.inf
    """When the caller gives up, by the machine's CLOCK_MONOTONIC. One of `PERISHABLE` is not begun
    after it."""


class ResultFrame(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    id: int
    value: Any = None
    failure: Failure | None = None


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    event: Events
