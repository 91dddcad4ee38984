"""The offer of a simulated participant, and what its answer says. Only what the load agent can do.

The offer is a template: Opus, VP8 with retransmission, simulcast by rid; H.264 and RED if wanted.
RFC 8829, 8853, 8285, 6184, 2198.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

OPUS = 111
VP8 = 96
VP8_RTX = 97
H264 = 102
H264_RTX = 103
RED = 63

EXTENSIONS: Mapping[str, str] = {
    "mid": "urn:ietf:params:rtp-hdrext:sdes:mid",
    "rid": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "repaired_rid": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "absolute_send_time": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "transport_sequence_number": (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    ),
    "audio_level": "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
}
"""The agent's name of each header extension → its URI. Offered ids are 1, 2, … in this order."""


class BadAnswer(Exception):
    """The server's answer lacks something or cannot be read."""


@dataclass(frozen=True)
class OfferedStream:
    """An m-line to send on."""

    mid: str
    kind: str
    rids: tuple[str, ...] = ()
    """Simulcast encodings; empty for one stream."""
    ssrcs: tuple[tuple[int, int | None], ...] = ()
    """(SSRC, RTX SSRC) of each encoding. Told for a single stream only; rids bind others."""


@dataclass(frozen=True)
class OfferSpec:
    """What an offer is written from."""

    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    """sha-256, upper-case hex pairs with colons."""
    send: tuple[OfferedStream, ...]
    receive_audio: int
    """Receive-only audio m-lines: mids a0, a1, …"""
    receive_video: int
    """Receive-only video m-lines: mids v0, v1, …"""
    later: tuple[OfferedStream, ...] = ()
    """Sent too, on m-lines that a second offer adds at its end (RFC 8829 §5.2.2)."""
    has_h264: bool = False
    """Offers constrained baseline beside VP8."""
    has_red: bool = False
    """Offers redundant sound, first."""


@dataclass(frozen=True)
class AnsweredMedia:
    """One m-line of an answer."""

    mid: str
    kind: str
    direction: str
    """As the server sees it; `inactive` also if it was rejected."""
    payload_types: Mapping[str, int] = field(default_factory=dict)
    """Lower-case encoding name → payload type."""
    rtx: Mapping[int, int] = field(default_factory=dict)
    """Payload type → that of its retransmission."""
    feedback: frozenset[tuple[int, str]] = frozenset()
    extensions: Mapping[str, int] = field(default_factory=dict)
    """The agent's name of an agreed extension → id."""
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    rids: tuple[str, ...] = ()

    def receive_command(self) -> dict[str, Any]:
        """Return the agent's `ReceiveMedia` of an m-line that the server sends on."""
        h264 = self.payload_types.get("h264")
        both = [] if h264 is None else [h264, self.rtx.get(h264)]
        return {
            "mid": self.mid,
            "kind": self.kind,
            "ssrc": self.ssrc,
            "rtx_ssrc": self.rtx_ssrc,
            "h264_payload_types": [each for each in both if each is not None],
            "red_payload_type": self.payload_types.get("red"),
            "has_nack": any(word == "nack" for _, word in self.feedback),
            "extensions": self.extensions,
        }


@dataclass(frozen=True)
class Answer:
    """What the agent needs of an answer."""

    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    candidates: tuple[tuple[str, int], ...]
    media: tuple[AnsweredMedia, ...]

    def by_mid(self, mid: str) -> AnsweredMedia:
        """Return the m-line `mid`."""
        for media in self.media:
            if media.mid == mid:
                return media
        raise BadAnswer(f"the answer has no m-line {mid}")


def write_offer(spec: OfferSpec) -> str:
    """Return the offer's text."""
    sections = [_sent(spec, stream) for stream in spec.send]
    sections += [_received(spec, "audio", f"a{index}") for index in range(spec.receive_audio)]
    sections += [_received(spec, "video", f"v{index}") for index in range(spec.receive_video)]
    sections += [_sent(spec, stream) for stream in spec.later]
    mids = " ".join(mid for mid, _ in sections)
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mids}",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
    ]
    for mid, section in sections:
        lines += [section[0], "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0", f"a=mid:{mid}"]
        lines += [
            f"a=ice-ufrag:{spec.ice_ufrag}",
            f"a=ice-pwd:{spec.ice_pwd}",
            f"a=fingerprint:sha-256 {spec.fingerprint}",
            "a=setup:actpass",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            *section[1:],
        ]
    return "\r\n".join(lines) + "\r\n"


def parse_answer(sdp: str) -> Answer:
    """Return what `sdp` says.

    Raises:
        BadAnswer: no m-line, or no ICE credentials, sha-256 fingerprint or UDP candidate.
    """
    lines = sdp.split("\r\n")
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise BadAnswer("the answer has no m-line")
    sections = [
        lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    try:
        media = tuple(_answered(section) for section in sections)
        candidates = tuple(dict.fromkeys(_candidates(lines)))  # once for each m-line
    except (ValueError, IndexError) as error:
        raise BadAnswer(f"the answer cannot be read: {error}") from error
    fingerprints = [value for value in _values(lines, "fingerprint") if value[:8] == "sha-256 "]
    ufrag, pwd = next(_values(lines, "ice-ufrag"), ""), next(_values(lines, "ice-pwd"), "")
    if not ufrag or not pwd or not fingerprints:
        raise BadAnswer("the answer has no ICE credentials or no sha-256 fingerprint")
    if not candidates:
        raise BadAnswer("the answer has no UDP candidate")
    return Answer(ufrag, pwd, fingerprints[0][8:].strip(), candidates, media)


def _sent(spec: OfferSpec, stream: OfferedStream) -> tuple[str, list[str]]:
    lines = [*_codec_lines(spec, stream.kind), "a=sendonly", f"a=msid:- {stream.mid}"]
    if stream.rids:
        lines += [f"a=rid:{rid} send" for rid in stream.rids]
        lines.append(f"a=simulcast:send {';'.join(stream.rids)}")
        return stream.mid, lines
    for ssrc, rtx_ssrc in stream.ssrcs:
        if rtx_ssrc is not None:
            lines.append(f"a=ssrc-group:FID {ssrc} {rtx_ssrc}")
        lines += [
            f"a=ssrc:{each} cname:load-agent" for each in (ssrc, rtx_ssrc) if each is not None
        ]
    return stream.mid, lines


def _received(spec: OfferSpec, kind: str, mid: str) -> tuple[str, list[str]]:
    return mid, [*_codec_lines(spec, kind), "a=recvonly"]


def _codec_lines(spec: OfferSpec, kind: str) -> list[str]:
    """Return the m= line, then header extensions and codecs."""
    names = ["mid", "absolute_send_time", "transport_sequence_number"]
    names += ["audio_level"] if kind == "audio" else ["rid", "repaired_rid"]
    ids = {name: index for index, name in enumerate(EXTENSIONS, start=1)}
    extmaps = [f"a=extmap:{ids[name]} {EXTENSIONS[name]}" for name in names]
    types, codecs = (_sound if kind == "audio" else _pictures)(spec)
    return [f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, types))}", *extmaps, *codecs]


def _sound(spec: OfferSpec) -> tuple[list[int], list[str]]:
    opus = [
        f"a=rtpmap:{OPUS} opus/48000/2",
        f"a=fmtp:{OPUS} minptime=10;useinbandfec=1;usedtx=1",
        f"a=rtcp-fb:{OPUS} transport-cc",
    ]
    if not spec.has_red:
        return [OPUS], opus
    return [RED, OPUS], [f"a=rtpmap:{RED} red/48000/2", f"a=fmtp:{RED} {OPUS}/{OPUS}", *opus]


def _pictures(spec: OfferSpec) -> tuple[list[int], list[str]]:
    vp8 = _with_rtx(VP8, "VP8", VP8_RTX)
    if not spec.has_h264:
        return [VP8, VP8_RTX], vp8
    profile = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
    h264 = [*_with_rtx(H264, "H264", H264_RTX), f"a=fmtp:{H264} {profile}"]
    return [VP8, VP8_RTX, H264, H264_RTX], [*vp8, *h264]


def _with_rtx(payload_type: int, name: str, rtx: int) -> list[str]:
    words = ("transport-cc", "ccm fir", "nack", "nack pli")
    return [
        f"a=rtpmap:{payload_type} {name}/90000",
        *(f"a=rtcp-fb:{payload_type} {word}" for word in words),
        f"a=rtpmap:{rtx} rtx/90000",
        f"a=fmtp:{rtx} apt={payload_type}",
    ]


def _answered(section: list[str]) -> AnsweredMedia:
    kind, port = section[0].removeprefix("m=").split(" ")[:2]
    mid = next(_values(section, "mid"), "")
    directions = [line[2:] for line in section if line[2:] in _DIRECTIONS]
    if port == "0" or not directions:
        return AnsweredMedia(mid, kind, "inactive")
    uris = {uri: name for name, uri in EXTENSIONS.items()}
    extensions = {}
    for value in _values(section, "extmap"):
        identifier, uri = value.split(" ")[:2]
        if uri in uris:
            extensions[uris[uri]] = int(identifier.partition("/")[0])
    ssrc, rtx_ssrc = _stream_ssrcs(section)
    return AnsweredMedia(
        mid=mid,
        kind=kind,
        direction=directions[0],
        payload_types={
            value.split(" ")[1].partition("/")[0].lower(): int(value.split(" ")[0])
            for value in _values(section, "rtpmap")
        },
        rtx={
            int(value.partition("apt=")[2]): int(value.split(" ")[0])
            for value in _values(section, "fmtp")
            if " apt=" in value
        },
        feedback=frozenset(
            (int(value.split(" ", 1)[0]), value.split(" ", 1)[1])
            for value in _values(section, "rtcp-fb")
        ),
        extensions=extensions,
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        rids=tuple(value.split(" ")[0] for value in _values(section, "rid")),
    )


def _stream_ssrcs(section: list[str]) -> tuple[int | None, int | None]:
    for value in _values(section, "ssrc-group"):
        semantics, *ssrcs = value.split(" ")
        if semantics == "FID":
            return int(ssrcs[0]), int(ssrcs[1])
    first = next(_values(section, "ssrc"), None)
    return (None if first is None else int(first.split(" ")[0])), None


def _candidates(lines: list[str]) -> Iterator[tuple[str, int]]:
    for value in _values(lines, "candidate"):
        fields = value.split(" ")
        if fields[1] == "1" and fields[2].lower() == "udp":
            yield fields[4], int(fields[5])


def _values(lines: list[str], name: str) -> Iterator[str]:
    prefix = f"a={name}:"
    return (line.removeprefix(prefix) for line in lines if line.startswith(prefix))


_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
