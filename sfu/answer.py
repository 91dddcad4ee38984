"""The SDP answer's text, from what was agreed. Decides nothing.

RFC 8829 §5.3, RFC 8839, RFC 8853, RFC 9143.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.codec_choice import AnsweredCodec
from sfu.media import (
    EXTENSION_URIS,
    Extension,
    Fingerprint,
    IceCredentials,
    PublishedMedia,
    SubscribedMedia,
)
from sfu.offer import OfferedExtension, OfferedMedia


@dataclass(frozen=True)
class HostCandidate:
    """An address at which the engine's socket can be reached (RFC 8445 host candidate)."""

    address: str
    port: int


@dataclass(frozen=True)
class AnsweredMedia:
    """One m-line of the answer. With neither `published` nor `subscribed` it is inactive."""

    offered: OfferedMedia
    codecs: tuple[AnsweredCodec, ...]
    extensions: dict[Extension, OfferedExtension]
    published: PublishedMedia | None = None
    subscribed: SubscribedMedia | None = None


@dataclass(frozen=True)
class Answer:
    """All that the text states."""

    session_id: int
    session_version: int
    ice: IceCredentials
    fingerprint: Fingerprint
    setup: str
    candidates: tuple[HostCandidate, ...]
    cname: str
    media: tuple[AnsweredMedia | OfferedMedia, ...]
    """In the order of the offer; a bare `OfferedMedia` is rejected."""


def write_answer(answer: Answer) -> str:
    """Return the text, CRLF line ends."""
    accepted = [media for media in answer.media if isinstance(media, AnsweredMedia)]
    bundled = " ".join(media.offered.mid for media in accepted)
    lines = [
        "v=0",
        f"o=- {answer.session_id} {answer.session_version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {bundled}",
        "a=msid-semantic:WMS *",
    ]
    for media in answer.media:
        if isinstance(media, AnsweredMedia):
            lines += _accepted(media, answer)
        else:
            lines += _rejected(media)
    return "\r\n".join(lines) + "\r\n"


def _rejected(media: OfferedMedia) -> list[str]:
    kind, _, rest = media.line.partition(" ")
    return [
        f"{kind} 0 {rest.partition(' ')[2]}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{media.mid}",
        "a=inactive",
    ]


def _accepted(media: AnsweredMedia, answer: Answer) -> list[str]:
    payload_types = " ".join(str(codec.payload_type) for codec in media.codecs)
    profile = media.offered.line.split(" ")[2]
    lines = [
        f"m={media.offered.kind} 9 {profile} {payload_types}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=mid:{media.offered.mid}",
        f"a={_direction(media)}",
        f"a=ice-ufrag:{answer.ice.ufrag}",
        f"a=ice-pwd:{answer.ice.password}",
        f"a=fingerprint:{answer.fingerprint.algorithm} {answer.fingerprint.value}",
        f"a=setup:{answer.setup}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]
    # Departs from RFC 9143 §7.3.2 (transport attributes on the first bundled m-line only), as other
    # SFUs do: aiortc takes the candidates of the last m-line, and browsers ignore the repetition.
    lines += _candidates(answer.candidates)
    if media.offered.allows_mixed_extmap:
        lines.append("a=extmap-allow-mixed")
    lines += [_extmap(extension, item) for extension, item in media.extensions.items()]
    for codec in media.codecs:
        lines += _codec(codec)
    if media.published is not None and media.published.rids:
        lines += [f"a=rid:{rid} recv" for rid in media.published.rids]
        lines.append(f"a=simulcast:recv {';'.join(media.published.rids)}")
    if media.subscribed is not None:
        lines += _send_stream(media.subscribed, answer.cname)
    return lines


def _direction(media: AnsweredMedia) -> str:
    if media.published is not None:
        return "recvonly"
    return "sendonly" if media.subscribed is not None else "inactive"


def _candidates(candidates: Sequence[HostCandidate]) -> list[str]:
    # RFC 8445 §5.1.2.1: type preference 126, local preference falling, component 1.
    lines = [
        f"a=candidate:{index + 1} 1 udp {(126 << 24) | ((65535 - index) << 8) | 255} "
        f"{candidate.address} {candidate.port} typ host"
        for index, candidate in enumerate(candidates)
    ]
    return [*lines, "a=end-of-candidates"]


def _extmap(extension: Extension, offered: OfferedExtension) -> str:
    # RFC 8285 §6: the answer turns the offer's direction round, and names none if there was none.
    turned = {"sendonly": "/recvonly", "recvonly": "/sendonly", "sendrecv": ""}[offered.direction]
    return f"a=extmap:{offered.id}{turned} {_URIS[extension]}"


def _codec(codec: AnsweredCodec) -> list[str]:
    lines = [f"a=rtpmap:{codec.payload_type} {codec.encoding}"]
    if codec.format_text:
        lines.append(f"a=fmtp:{codec.payload_type} {codec.format_text}")
    return lines + [f"a=rtcp-fb:{codec.payload_type} {word}" for word in codec.feedback]


def _send_stream(media: SubscribedMedia, cname: str) -> list[str]:
    """Name the stream after its m-line: whom it shows changes, the names never do."""
    msid = f"stream-{media.mid} track-{media.mid}"
    ssrcs = [media.ssrc] if media.rtx_ssrc is None else [media.ssrc, media.rtx_ssrc]
    lines = [f"a=msid:{msid}"]
    if media.rtx_ssrc is not None:
        lines.append(f"a=ssrc-group:FID {media.ssrc} {media.rtx_ssrc}")
    for ssrc in ssrcs:
        lines += [f"a=ssrc:{ssrc} cname:{cname}", f"a=ssrc:{ssrc} msid:{msid}"]
    return lines


_URIS = {extension: uri for uri, extension in EXTENSION_URIS.items()}
