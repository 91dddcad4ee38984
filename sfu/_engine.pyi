"""The native packet engine. Import it through `sfu.engine` only.

Units: times in the names, rates in bit/s. Ids of rooms and participants are integers that the caller chooses and never uses
again. Methods may be called from any one thread; each hands a command to the engine's thread and returns at once, except
`snapshot` and `close`. No RTP crosses this border; DTLS datagrams do.
"""

from typing import Literal, TypedDict, final

Kind = Literal["audio", "video"]
CodecName = Literal["opus", "red", "vp8", "vp9", "h264", "av1"]
SrtpProfileName = Literal["aead_aes_128_gcm", "aead_aes_256_gcm", "aes128_cm_sha1_80"]

class EngineError(Exception):
    """The engine refused a command: unknown id, wrong state, value out of range. The text names which."""

class CodecParameters(TypedDict):
    payload_type: int
    codec: CodecName
    clock_rate: int
    rtx_payload_type: int | None
    red_payload_type: int | None
    """Opus only: the payload type of audio/red over it, if negotiated."""
    format_key: str
    """Two codecs are the same to a decoder if name and format_key are equal (H.264 profile and packetization mode, VP9
    profile); a track is only forwarded to who negotiated an equal pair."""
    has_nack: bool

class ExtensionIds(TypedDict, total=False):
    mid: int
    rid: int
    repaired_rid: int
    absolute_send_time: int
    transport_sequence_number: int
    audio_level: int
    video_orientation: int
    playout_delay: int
    dependency_descriptor: int

class PublishedMedia(TypedDict):
    """An m-line on which the participant sends."""

    mid: str
    kind: Kind
    codecs: list[CodecParameters]
    rids: list[str]
    """Simulcast encodings in the order of the answer; empty for one stream."""
    ssrcs: list[tuple[int, int | None]]
    """Signalled (ssrc, rtx ssrc) pairs, may be empty: then mid and rid bind them."""
    extensions: ExtensionIds

class SubscribedMedia(TypedDict):
    """A receive-only m-line of the participant: one send stream of the engine."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    codecs: list[CodecParameters]
    extensions: ExtensionIds

# Events, each a tuple whose first item names it.
DtlsEvent = tuple[Literal["dtls"], int, bytes]
"""(_, participant, datagram) from a tuple that ICE validated."""
IceStateEvent = tuple[Literal["ice_state"], int, Literal["connected", "disconnected"]]
"""(_, participant, state): a pair was nominated, or consent expired."""
SpeakersEvent = tuple[Literal["speakers"], int, list[int]]
"""(_, room, participants who speak, loudest first). At most every 300 ms and only on change."""
AudioSlotsEvent = tuple[Literal["audio_slots"], int, list[int | None]]
"""(_, room, who is carried on the first, second, third audio stream)."""
TrackStateEvent = tuple[Literal["track_state"], int, str, bool]
"""(_, participant, mid, whether RTP flows): the first packet, and silence of 2 s."""
SourceStartedEvent = tuple[Literal["source_started"], int, str, int | None, str | None]
"""(_, subscriber, its mid, publisher, publisher's mid): the stream now really carries it, from a keyframe on."""
QualityEvent = tuple[Literal["quality"], int, int | None, float, float]
"""(_, participant, round trip in ms or None, loss of what it sends 0–1, loss of what it receives 0–1). Every 2 s."""
Event = (
    DtlsEvent | IceStateEvent | SpeakersEvent | AudioSlotsEvent | TrackStateEvent | SourceStartedEvent | QualityEvent
)

class Snapshot(TypedDict):
    """Statistics of one instant, counters since the start."""

    counters: dict[str, int]
    """packets_received, bytes_received, packets_sent, bytes_sent, rtp_packets_forwarded, nacks_received, nacks_sent,
    retransmissions_sent, retransmissions_refused, retransmissions_received, keyframe_requests_received,
    keyframe_requests_sent, keyframe_cache_starts, source_switches, stun_requests, send_failures, gso_messages,
    events_lost."""
    drops: dict[str, int]
    """By reason; every reason of `drop_reasons()` is present."""
    gauges: dict[str, int]
    """rooms, participants, transports_connected, send_streams, receive_streams, cached_bytes."""
    forwarding_delay_buckets: list[tuple[float, int]]
    """(upper bound in s, count at or below it), sampled 1 in 64 packets: kernel receive → handed to the kernel."""
    forwarding_delay_sum_s: float
    forwarding_delay_count: int
    cpu_time_s: float
    """CPU time of the engine's thread."""

@final
class Engine:
    """The engine and its thread."""

    def __init__(self, *, sockets: list[int], seed: bytes, is_kep: bool = False, use_gso: bool = True) -> None:
        """Start the thread on bound UDP sockets (file descriptors; the engine duplicates them).

        `seed`: 32 random bytes for SSRCs and initial sequence numbers. `is_kep` bounds packet caches to 1 s of audio and
        2 s of video and zeroes them on release.

        Raises:
            EngineError: a descriptor is not a UDP socket, or the seed is not 32 bytes.
        """

    def event_descriptor(self) -> int:
        """An eventfd that is readable while events wait: register it with the loop, then call `take_events`."""

    def take_events(self, limit: int = 1024) -> list[Event]:
        """Take waiting events, oldest first. At most 65,536 wait; past that the oldest are lost and counted."""

    def add_room(self, room: int) -> None: ...
    def remove_room(self, room: int) -> None:
        """Remove the room and everybody in it."""

    def add_participant(self, room: int, participant: int, ice_ufrag: str, ice_pwd: str) -> None:
        """Make a transport that answers STUN for our `ice_ufrag`."""

    def remove_participant(self, participant: int) -> None:
        """Send RTCP BYE if it can, forget everything, zero the keys."""

    def set_remote_ice(self, participant: int, remote_ufrag: str) -> None:
        """Accept checks whose USERNAME is `ours:remote_ufrag`."""

    def restart_ice(self, participant: int, ice_ufrag: str, ice_pwd: str, remote_ufrag: str) -> None:
        """New credentials; the old pair serves until a new one is nominated (at most 30 s)."""

    def set_media(
        self, participant: int, published: list[PublishedMedia], subscribed: list[SubscribedMedia]
    ) -> None:
        """Apply a negotiation's whole result. Streams whose mid and SSRC stay keep running untouched."""

    def set_srtp_keys(
        self,
        participant: int,
        profile: SrtpProfileName,
        local_key: bytes,
        local_salt: bytes,
        remote_key: bytes,
        remote_salt: bytes,
    ) -> None: ...
    def send_dtls(self, participant: int, datagram: bytes) -> None:
        """Send to the selected tuple; dropped (counted) if there is none."""

    def set_source(
        self, participant: int, mid: str, publisher: int | None, publisher_mid: str | None, max_height: int
    ) -> None:
        """Choose what a receive-only video m-line carries. The switch happens at a keyframe; until then the old source
        goes on if it is still published. `max_height` 0 pauses."""

    def set_forwarding(self, participant: int, mid: str, is_allowed: bool) -> None:
        """Grant at ingress: without it every RTP packet of that published m-line is dropped (and counted)."""

    def snapshot(self) -> Snapshot:
        """Wait for the engine's thread to copy its statistics (≤ one loop turn); releases the interpreter."""

    def close(self) -> None:
        """Stop the thread, say BYE, zero keys, close descriptors. Safe to call twice."""

def drop_reasons() -> list[str]:
    """Every reason for which a packet may be dropped, as in the metric's label."""

def engine_version() -> str: ...
