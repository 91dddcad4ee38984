"""One participant of a room: presence, transport, published tracks, receive-only m-lines. SANS-IO.

Changes come from `sfu.room` only. The two state machines are the tables at the top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sfu.media import PublishedMedia, SubscribedMedia
from sfu.negotiation import Negotiator
from sfu.quality import QualityMeter
from sfu.room_outputs import SetSource
from sfu.values import (
    Encryption,
    Grants,
    Kind,
    ParticipantInfo,
    Role,
    StreamSource,
    TrackInfo,
    TrackSource,
    TransportState,
    VideoWish,
)


class Presence(StrEnum):
    """Whether a signalling socket stands for the participant."""

    ATTACHED = "attached"
    DETACHED = "detached"
    """The socket is lost; the participant stays for RESUME_WINDOW_S, its media goes on."""


class PresenceEvent(StrEnum):
    SOCKET_LOST = "socket_lost"
    RESUMED = "resumed"


PRESENCE = {
    (Presence.ATTACHED, PresenceEvent.SOCKET_LOST): Presence.DETACHED,
    (Presence.ATTACHED, PresenceEvent.RESUMED): Presence.ATTACHED,  # faster than we saw the loss
    (Presence.DETACHED, PresenceEvent.SOCKET_LOST): Presence.DETACHED,
    (Presence.DETACHED, PresenceEvent.RESUMED): Presence.ATTACHED,
}


class TransportEvent(StrEnum):
    """What the engine and the handshake report about a transport."""

    ICE_CONNECTED = "ice_connected"
    ICE_LOST = "ice_lost"
    KEYS_READY = "keys_ready"
    HANDSHAKE_FAILED = "handshake_failed"
    PEER_CLOSED = "peer_closed"
    REPLACED = "replaced"
    """The client offered from a new RTCPeerConnection."""


_NEW, _CONNECTED, _DISCONNECTED, _FAILED, _CLOSED = TransportState
TRANSPORT = {
    (_NEW, TransportEvent.ICE_CONNECTED): _NEW,  # connected needs keys too
    (_NEW, TransportEvent.ICE_LOST): _NEW,
    (_NEW, TransportEvent.KEYS_READY): _CONNECTED,
    (_NEW, TransportEvent.HANDSHAKE_FAILED): _FAILED,
    (_NEW, TransportEvent.PEER_CLOSED): _CLOSED,
    (_CONNECTED, TransportEvent.ICE_CONNECTED): _CONNECTED,  # another pair was nominated
    (_CONNECTED, TransportEvent.ICE_LOST): _DISCONNECTED,
    (_CONNECTED, TransportEvent.PEER_CLOSED): _CLOSED,
    (_DISCONNECTED, TransportEvent.ICE_CONNECTED): _CONNECTED,
    (_DISCONNECTED, TransportEvent.ICE_LOST): _DISCONNECTED,
    (_DISCONNECTED, TransportEvent.PEER_CLOSED): _CLOSED,
    (_FAILED, TransportEvent.ICE_CONNECTED): _FAILED,
    (_FAILED, TransportEvent.ICE_LOST): _FAILED,
    (_CLOSED, TransportEvent.ICE_CONNECTED): _CLOSED,
    (_CLOSED, TransportEvent.ICE_LOST): _CLOSED,
} | {(state, TransportEvent.REPLACED): _NEW for state in TransportState}

CARRYING = frozenset({TransportState.CONNECTED, TransportState.DISCONNECTED})
"""States in which a publisher may be shown. A short loss of consent keeps the last picture rather
than flicker; failed and closed do not."""


@dataclass
class Participant:
    """State of one participant. INVARIANT: `applied` is what the engine was last told."""

    id: str
    subject: str
    display_name: str
    role: Role
    grants: Grants
    secret_digest: bytes
    joined_at: float
    negotiator: Negotiator
    quality: QualityMeter
    encryption: Encryption = Encryption.OFF
    presence: Presence = Presence.ATTACHED
    detached_at: float = 0.0
    """Meaningful while DETACHED."""
    transport: TransportState = TransportState.NEW
    has_transport: bool = False
    """The engine has one, whatever its state."""
    was_connected: bool = False
    published: tuple[PublishedMedia, ...] = ()
    subscribed: tuple[SubscribedMedia, ...] = ()
    muted: set[TrackSource] = field(default_factory=set)
    """Own mutes. They outlive the tracks: a camera muted before it is offered starts muted."""
    flowing: set[TrackSource] = field(default_factory=set)
    """Whose packets arrive, as far as it is told (`TrackInfo.is_flowing`)."""
    wishes: dict[str, VideoWish] = field(default_factory=dict)
    applied: dict[str, SetSource] = field(default_factory=dict)
    told_sources: list[StreamSource] = field(default_factory=list)

    def handle_presence(self, event: PresenceEvent) -> bool:
        """Tell whether presence changed."""
        before, self.presence = self.presence, PRESENCE[self.presence, event]
        return self.presence is not before

    def handle_transport(self, event: TransportEvent) -> bool:
        """Tell whether the state changed.

        Raises:
            ValueError: the pair is not in the table: a defect of ours.
        """
        before = self.transport
        try:
            self.transport = TRANSPORT[before, event]
        except KeyError:
            raise ValueError(f"{event} in transport state {before}") from None
        return self.transport is not before

    def media_of(self, source: TrackSource) -> PublishedMedia | None:
        return next((media for media in self.published if media.source is source), None)

    def may_publish(self, source: TrackSource) -> bool:
        return bool(getattr(self.grants, source.value))

    def live_mid(self, source: TrackSource) -> str | None:
        """Return the m-line on which viewers may be shown this source now, if any."""
        media = self.media_of(source)
        may_show = (
            self.transport in CARRYING and source not in self.muted and self.may_publish(source)
        )
        return media.mid if media is not None and may_show else None

    def mids(self, kind: Kind) -> list[str]:
        """Return the receive-only m-lines of `kind`, in order."""
        return [media.mid for media in self.subscribed if media.kind is kind]

    def info(self, hand_raised_order: int | None) -> ParticipantInfo:
        """Return what everybody may see."""
        tracks = [
            TrackInfo(
                source=source,
                is_muted=source in self.muted,
                is_blocked=not self.may_publish(source),
                is_flowing=source in self.flowing,
            )
            for source in TrackSource
            if self.media_of(source) is not None
        ]
        return ParticipantInfo(
            participant=self.id,
            display_name=self.display_name,
            role=self.role,
            tracks=tuple(tracks),
            hand_raised_order=hand_raised_order,
            is_connected=self.presence is Presence.ATTACHED,
            encryption=self.encryption,
            grants=self.grants,
        )
