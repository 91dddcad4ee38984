"""The native packet engine. Import it through `sfu.engine` only.

Units: times in the names, rates in bit/s. Ids of rooms and participants are integers from 0 to 2**64 - 1 (`OverflowError`
otherwise) that the caller chooses and never uses again. No RTP crosses this border; DTLS datagrams do.

Methods may be called from any thread. Each hands a request to the engine's thread, which carries them out in order. All but
two wait for the result with the interpreter released (usually well below 100 µs: the rest of one turn of the thread) and raise
`EngineError` if it was refused. `send_dtls` and `set_source` return at once; their refusal is an event, `command_failed`. At
most 4,096 requests wait; past that every method raises `EngineError`, as it does after `close`.

If the engine's thread panics it ends the process: a worker that died is restarted, one without an engine would hang its calls.
"""

from typing import Literal, Self, TypedDict, final

Kind = Literal["audio", "video"]
CodecName = Literal["opus", "red", "vp8", "vp9", "h264", "av1"]
SrtpProfileName = Literal["aead_aes_128_gcm", "aead_aes_256_gcm", "aes128_cm_sha1_80"]

class EngineError(Exception):
    """The engine refused a command: unknown id, wrong state, value out of range. The text names which, as in
    `published[0].codecs[1].payload_type: 200 is not a payload type 0 to 127`."""

class CodecParameters(TypedDict):
    """All keys are needed; unknown keys are refused. So for every dict below."""

    payload_type: int
    """0 to 127."""
    codec: CodecName
    clock_rate: int
    rtx_payload_type: int | None
    red_payload_type: int | None
    """Opus only: the payload type of audio/red over it, if negotiated."""
    format_key: str
    """Two codecs are the same to a decoder if name and format_key are equal (H.264 profile and packetization mode, VP9
    profile); a track is only forwarded to who negotiated an equal pair. At most 128 bytes."""
    has_nack: bool

class ExtensionIds(TypedDict, total=False):
    """Ids that the m-line negotiated: 1 to 255, not 15 (RFC 8285)."""

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
QualityEvent = tuple[Literal["quality"], int, int, int | None, float, float]
"""(_, participant, score 1–5, round trip in ms or None, loss of what it sends 0–1, loss of what it receives 0–1). When it
changed."""
CommandFailedEvent = tuple[Literal["command_failed"], int, str]
"""(_, participant, why): a `send_dtls` or `set_source` was refused."""
Event = (
    DtlsEvent
    | IceStateEvent
    | SpeakersEvent
    | AudioSlotsEvent
    | TrackStateEvent
    | SourceStartedEvent
    | QualityEvent
    | CommandFailedEvent
)

class Snapshot(TypedDict):
    """Statistics of one instant, counters since the start."""

    counters: dict[str, int]
    """packets_received, bytes_received, packets_sent, bytes_sent, rtp_packets_forwarded, nacks_received, nacks_sent,
    retransmissions_sent, retransmissions_refused, retransmissions_received, keyframe_requests_received,
    ceilings_received, keyframe_requests_sent, keyframe_cache_starts, source_switches, stun_requests, events_lost; and of the shell:
    send_failures (datagrams the kernel refused), send_waits (times a full send buffer was waited for), send_messages,
    gso_messages (messages of several datagrams), gso_refusals, receive_failures, receive_queue_drops (datagrams lost in the
    kernel because the thread came too late), commands_refused, turns (of the thread), steps_back (times the thread gave up running in real time, because it had not
    slept for 500 ms)."""
    drops: dict[str, int]
    """By reason; every reason of `drop_reasons()` is present."""
    gauges: dict[str, int]
    """rooms, participants, transports_connected, send_streams, receive_streams, cached_bytes; and of the
    shell is_real_time (1 while the thread runs before all ordinary ones)."""
    forwarding_delay_buckets: list[tuple[float, int]]
    """(upper bound in s, count at or below it), bounds from 50 µs to 100 ms, slower ones in sum and count only. Sampled 1 in
    64 datagrams, where something was sent in the same turn: kernel receive → handed to the kernel."""
    forwarding_delay_sum_s: float
    forwarding_delay_count: int
    cpu_time_s: float
    """CPU time of the engine's thread."""

@final
class Engine:
    """The engine and its thread."""

    def __new__(
        cls, *, sockets: list[int], seed: bytes, is_kep: bool = False, use_gso: bool = True
    ) -> Self:
        """Start the thread on bound UDP sockets, 1 to 16 (file descriptors; the engine duplicates them and sets GRO, receive
        timestamps and drop counts). Buffer sizes are the caller's: several MiB for SO_RCVBUF and SO_SNDBUF.

        An IPv6 socket may be dual: IPv4 addresses are mapped and unmapped. `use_gso`: send runs of datagrams as one message
        where the kernel and the device can; falls back by itself.

        `seed`: 32 random bytes for SSRCs and initial sequence numbers. `is_kep` bounds packet caches to 1 s of audio and
        2 s of video and zeroes them on release.

        Raises:
            EngineError: a descriptor is not a UDP socket, or the seed is not 32 bytes.
        """

    def event_descriptor(self) -> int:
        """An eventfd that is readable while events wait: register it with the loop, then call `take_events`. It belongs to the
        engine and lives as long as this object: unregister it before dropping the engine."""

    def take_events(self, limit: int = 1024) -> list[Event]:
        """Take waiting events, oldest first. At most 65,536 wait; past that the oldest are lost and counted."""

    def add_room(self, room: int) -> None:
        """Make an empty room."""

    def remove_room(self, room: int) -> None:
        """Remove the room and everybody in it."""

    def add_participant(self, room: int, participant: int, ice_ufrag: str, ice_pwd: str) -> None:
        """Make a transport that answers STUN for our `ice_ufrag`."""

    def remove_participant(self, participant: int) -> None:
        """Send RTCP BYE if it can, forget everything, zero the keys."""

    def set_remote_ice(self, participant: int, remote_ufrag: str) -> None:
        """Accept checks whose USERNAME is `ours:remote_ufrag`."""

    def restart_ice(
        self, participant: int, ice_ufrag: str, ice_pwd: str, remote_ufrag: str
    ) -> None:
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
    ) -> None:
        """Give the handshake's outcome: 16-byte keys and 12-byte salts for AEAD_AES_128_GCM, 32 and 12 for _256_, 16 and 14
        for AES128_CM_SHA1_80. Media flows from here on."""

    def send_dtls(self, participant: int, datagram: bytes) -> None:
        """Send to the selected tuple; dropped (counted) if there is none. Returns at once."""

    def set_source(
        self,
        participant: int,
        mid: str,
        publisher: int | None,
        publisher_mid: str | None,
        max_height: int,
    ) -> None:
        """Choose what a receive-only video m-line carries. The switch happens at a keyframe; until then the old source
        goes on if it is still published. `publisher` and `publisher_mid`: both, or neither for nothing. `max_height`: 0 to
        65,535 pixels, 0 pauses. Returns at once."""

    def set_forwarding(self, participant: int, mid: str, is_allowed: bool) -> None:
        """Grant at ingress: without it every RTP packet of that published m-line is dropped (and counted).
        A new m-line has none."""

    def snapshot(self) -> Snapshot:
        """Wait for the engine's thread to copy its statistics (≤ one loop turn); releases the interpreter."""

    def close(self) -> None:
        """Say BYE in every room, stop the thread, zero keys, close the sockets. Safe to call twice; events that wait may still
        be taken."""

def drop_reasons() -> list[str]:
    """Every reason for which a packet may be dropped, as in the metric's label."""

def engine_version() -> str:
    """The native module's version."""
