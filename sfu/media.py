"""What a negotiation agrees on, as values: codecs, header extensions, published and subscribed
m-lines.

The engine's contract (`sfu/_engine.pyi`) has the same shapes as dictionaries; `sfu.engine`
converts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sfu.values import Kind, TrackSource


class CodecName(StrEnum):
    """Codecs that the engine forwards."""

    OPUS = "opus"
    VP8 = "vp8"
    VP9 = "vp9"
    H264 = "h264"
    AV1 = "av1"

    @property
    def kind(self) -> Kind:
        return Kind.AUDIO if self is CodecName.OPUS else Kind.VIDEO


class Extension(StrEnum):
    """Header extensions that the engine reads or writes; values are the keys of its
    `ExtensionIds`."""

    MID = "mid"
    RID = "rid"
    REPAIRED_RID = "repaired_rid"
    ABSOLUTE_SEND_TIME = "absolute_send_time"
    TRANSPORT_SEQUENCE_NUMBER = "transport_sequence_number"
    AUDIO_LEVEL = "audio_level"
    VIDEO_ORIENTATION = "video_orientation"
    PLAYOUT_DELAY = "playout_delay"
    DEPENDENCY_DESCRIPTOR = "dependency_descriptor"


EXTENSION_URIS: Mapping[str, Extension] = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": Extension.MID,
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id": Extension.RID,
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id": Extension.REPAIRED_RID,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": Extension.ABSOLUTE_SEND_TIME,
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": (
        Extension.TRANSPORT_SEQUENCE_NUMBER
    ),
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": Extension.AUDIO_LEVEL,
    "urn:3gpp:video-orientation": Extension.VIDEO_ORIENTATION,
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay": Extension.PLAYOUT_DELAY,
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension": (
        Extension.DEPENDENCY_DESCRIPTOR
    ),
}

PUBLISHED_ONLY = frozenset({Extension.RID, Extension.REPAIRED_RID})
"""Encodings are ours to choose: a subscriber never sees which one it gets."""


@dataclass(frozen=True)
class CodecParameters:
    """One codec as agreed, with the payload types of the offer."""

    payload_type: int
    name: CodecName
    clock_rate: int
    rtx_payload_type: int | None = None
    red_payload_type: int | None = None
    """Opus only: audio/red over it."""
    format_key: str = ""
    """Equal for codecs that one decoder takes: H.264 profile and packetization mode, VP9
    profile."""
    has_nack: bool = False


@dataclass(frozen=True)
class PublishedMedia:
    """An m-line on which the participant sends."""

    mid: str
    source: TrackSource
    codecs: tuple[CodecParameters, ...]
    rids: tuple[str, ...] = ()
    """Simulcast encodings in the order of the answer; empty for one stream."""
    ssrcs: tuple[tuple[int, int | None], ...] = ()
    """Signalled (ssrc, rtx ssrc) pairs; empty when mid and rid bind them."""
    extensions: Mapping[Extension, int] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return self.source.kind


@dataclass(frozen=True)
class SubscribedMedia:
    """A receive-only m-line of the participant: one send stream, whose SSRCs stay for life."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    codecs: tuple[CodecParameters, ...]
    extensions: Mapping[Extension, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IceCredentials:
    """One side's ufrag and password (RFC 8839 §5.4)."""

    ufrag: str
    password: str


@dataclass(frozen=True)
class Fingerprint:
    """A certificate's digest (RFC 8122): lower-case algorithm, upper-case hex pairs with colons."""

    algorithm: str
    value: str


class DtlsRole(StrEnum):
    """Which side of the handshake we are."""

    SERVER = "server"
    CLIENT = "client"
