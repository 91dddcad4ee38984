"""SDP offer as a value: `parse_offer` joins `sfu.sdp_scan` with `aiortc.sdp`.

Checks what must hold of any offer; what we agree to is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription, parameters_to_sdp

from sfu.errors import BadSdp, FingerprintMissing, UnsupportedSdp
from sfu.media import EXTENSION_URIS, Extension, Fingerprint, IceCredentials
from sfu.sdp_scan import ScannedSection, ScannedSession, scan

MAX_EXTENSION_ID = 14
"""One-byte header extensions (RFC 8285 §4.2), the form in which the engine writes ids."""


@dataclass(frozen=True)
class OfferedCodec:
    """One payload type of an m-line."""

    payload_type: int
    name: str
    """Lower case, as in a=rtpmap."""
    clock_rate: int
    channels: int | None
    format_text: str
    """a=fmtp's parameters, empty if none."""
    parameters: dict[str, str]
    """The same, by lower-case name."""
    feedback: frozenset[str]


@dataclass(frozen=True)
class OfferedExtension:
    id: int
    direction: str


@dataclass(frozen=True)
class OfferedMedia:
    """One m-line."""

    mid: str
    kind: str
    """audio, video, application, or what else was offered."""
    line: str
    """The m= line, for an answer that rejects it."""
    is_stopped: bool
    """Port 0 without bundle-only: the offerer gave it up."""
    direction: str
    has_rtcp_mux: bool
    codecs: tuple[OfferedCodec, ...]
    extensions: dict[Extension, OfferedExtension]
    allows_mixed_extmap: bool
    rids: tuple[str, ...]
    """Simulcast encodings it offers to send."""
    ssrcs: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True)
class Offer:
    """A well-formed offer."""

    media: tuple[OfferedMedia, ...]
    bundled: tuple[str, ...]
    """Mids of the BUNDLE group."""
    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]
    """sha-256 or stronger, at least one."""
    setup: str
    """actpass, active or passive."""


def parse_offer(sdp: str) -> Offer:
    """Return the offer that `sdp` states.

    Raises:
        BadSdp, TooManyStreams: malformed, or past a limit.
        UnsupportedSdp: no BUNDLE, no ICE, no DTLS role.
        FingerprintMissing: nothing to authenticate the handshake by.
    """
    scanned = scan(sdp)
    if not scanned.sections:
        raise BadSdp(detail="it has no m-line")
    parsed = _parse_with_aiortc(scanned)
    groups = [group for group in parsed.group if group.semantic == "BUNDLE"]
    if len(groups) != 1:
        raise UnsupportedSdp(detail="one BUNDLE group is required")
    pairs = list(zip(parsed.media, scanned.sections, strict=True))
    media = tuple(_media(description, section, scanned) for description, section in pairs)
    _check_unique(media)
    bundled = tuple(str(mid) for mid in groups[0].items)
    if not set(bundled) <= {offered.mid for offered in media}:
        raise BadSdp(detail="the BUNDLE group names an m-line that is not there")
    # RFC 9143 §7.2: the transport is that of the first bundled m-line that was not given up.
    for offered, description in zip(media, parsed.media, strict=True):
        if offered.mid in bundled and not offered.is_stopped:
            setup = _setup(description, offered.mid)
            return Offer(media, bundled, _ice(description), _fingerprints(description), setup)
    raise UnsupportedSdp(detail="no m-line is in the BUNDLE group")


_NEED_A_VALUE = frozenset(
    {
        *("a=candidate", "a=extmap", "a=fingerprint", "a=fmtp", "a=group", "a=ice-options"),
        *("a=ice-pwd", "a=ice-ufrag", "a=mid", "a=msid", "a=rid", "a=rtcp-fb", "a=rtpmap"),
        *("a=setup", "a=simulcast", "a=ssrc", "a=ssrc-group"),
    }
)


def _parse_with_aiortc(scanned: ScannedSession) -> SessionDescription:
    # aiortc takes an attribute without its value as None, and all who read it would have to know.
    for lines in (scanned.lines, *(section.lines for section in scanned.sections)):
        for line in lines:
            if line.strip() in _NEED_A_VALUE:
                raise BadSdp(detail=f"{line.strip()} without a value")
    try:
        return _parse_lines(scanned.lines, scanned.sections)
    except Exception as error:  # aiortc raises whatever its parsing trips over
        raise BadSdp(detail=_name_fault(scanned, error)) from error


def _parse_lines(session: list[str], sections: list[ScannedSection]) -> SessionDescription:
    lines = session + [line for section in sections for line in section.lines]
    return SessionDescription.parse("\r\n".join(lines) + "\r\n")


def _name_fault(scanned: ScannedSession, error: Exception) -> str:
    """Say which m-line cannot be parsed. Parses each once more: only after a failure, still
    linear."""
    for index, section in enumerate(scanned.sections):
        try:
            _parse_lines(scanned.lines[:1], [section])
        except Exception as fault:  # as above
            return f"m-line {index} ({section.kind}): {type(fault).__name__} {str(fault)[:80]}"
    return f"session part: {type(error).__name__} {str(error)[:80]}"


def _media(
    description: MediaDescription, section: ScannedSection, scanned: ScannedSession
) -> OfferedMedia:
    mid = description.rtp.muxId
    if not _MID.fullmatch(mid):
        raise BadSdp(
            detail="an m-line without a=mid, or with one that is no token of 1–16 characters"
        )
    is_rtp = section.kind in ("audio", "video")
    rids = _simulcast_rids(section, mid)
    return OfferedMedia(
        mid=mid,
        kind=section.kind,
        line=section.lines[0],
        is_stopped=section.port == 0 and not section.is_bundle_only,
        direction=description.direction or "sendrecv",
        has_rtcp_mux=description.rtcp_mux,
        codecs=_codecs(description, section) if is_rtp else (),
        extensions=_extensions(section, scanned) if is_rtp else {},
        allows_mixed_extmap=section.allows_mixed_extmap or scanned.allows_mixed_extmap,
        rids=rids,
        # With rids the packets say which SSRC is which encoding; the order of a=ssrc lines does
        # not.
        ssrcs=() if rids else _ssrc_pairs(section),
    )


def _simulcast_rids(section: ScannedSection, mid: str) -> tuple[str, ...]:
    for rid in section.simulcast_send:
        if rid not in section.send_rids:
            raise BadSdp(detail="a=simulcast names a rid that no a=rid describes", mid=mid)
    return tuple(section.simulcast_send)


def _codecs(description: MediaDescription, section: ScannedSection) -> tuple[OfferedCodec, ...]:
    by_type = {codec.payloadType: codec for codec in description.rtp.codecs}
    return tuple(_codec(item, by_type[item]) for item in section.payload_types if item in by_type)


def _codec(payload_type: int, codec: RTCRtpCodecParameters) -> OfferedCodec:
    words = [f"{word.type} {word.parameter or ''}".strip() for word in codec.rtcpFeedback]
    return OfferedCodec(
        payload_type=payload_type,
        name=codec.mimeType.partition("/")[2].lower(),
        clock_rate=codec.clockRate,
        channels=codec.channels,
        format_text=parameters_to_sdp(codec.parameters),
        parameters={
            name.strip().lower(): "" if value is None else str(value)
            for name, value in codec.parameters.items()
        },
        feedback=frozenset(words),
    )


def _extensions(
    section: ScannedSection, scanned: ScannedSession
) -> dict[Extension, OfferedExtension]:
    """Return the extensions we know, the first id for each, without ids we cannot write."""
    found: dict[Extension, OfferedExtension] = {}
    ids: set[int] = set()
    for extmap in section.extmaps + scanned.extmaps:
        known = EXTENSION_URIS.get(extmap.uri)
        if known is None or known in found or not 1 <= extmap.id <= MAX_EXTENSION_ID:
            continue
        if extmap.id in ids:
            raise BadSdp(detail=f"extension id {extmap.id} for two extensions")
        ids.add(extmap.id)
        found[known] = OfferedExtension(extmap.id, extmap.direction)
    return found


def _ssrc_pairs(section: ScannedSection) -> tuple[tuple[int, int | None], ...]:
    repairs = set(section.rtx_of.values())
    primaries = [ssrc for ssrc in section.ssrcs if ssrc not in repairs]
    return tuple((ssrc, section.rtx_of.get(ssrc)) for ssrc in primaries)


def _check_unique(media: tuple[OfferedMedia, ...]) -> None:
    mids = [offered.mid for offered in media]
    if len(set(mids)) != len(mids):
        raise BadSdp(detail="two m-lines with one a=mid")
    ssrcs = [ssrc for offered in media for pair in offered.ssrcs for ssrc in pair if ssrc]
    if len(set(ssrcs)) != len(ssrcs):
        raise BadSdp(detail="one SSRC for two streams")


def _ice(description: MediaDescription) -> IceCredentials:
    ufrag = description.ice.usernameFragment if description.ice else None
    password = description.ice.password if description.ice else None
    if ufrag is None or password is None:
        raise UnsupportedSdp(detail="a=ice-ufrag and a=ice-pwd are required")
    # RFC 8839 §5.4: 4 to 256, and 22 to 256 ice-chars.
    if not _ICE_UFRAG.fullmatch(ufrag) or not _ICE_PASSWORD.fullmatch(password):
        raise BadSdp(detail="malformed a=ice-ufrag or a=ice-pwd")
    return IceCredentials(ufrag, password)


def _fingerprints(description: MediaDescription) -> tuple[Fingerprint, ...]:
    offered = description.dtls.fingerprints if description.dtls is not None else []
    usable = []
    for item in offered:
        fingerprint = Fingerprint(item.algorithm.lower(), item.value.upper())
        size = _DIGEST_BYTES.get(fingerprint.algorithm)
        if size is None:
            continue
        if not re.fullmatch(rf"[0-9A-F]{{2}}(:[0-9A-F]{{2}}){{{size - 1}}}", fingerprint.value):
            raise BadSdp(detail=f"malformed {fingerprint.algorithm} fingerprint")
        usable.append(fingerprint)
    if not usable:
        raise FingerprintMissing(offered=", ".join(item.algorithm[:16] for item in offered[:4]))
    return tuple(dict.fromkeys(usable))


def _setup(description: MediaDescription, mid: str) -> str:
    # aiortc drops the whole DTLS part when a=setup is missing.
    if description.dtls is None:
        raise UnsupportedSdp(detail="a=setup is required", mid=mid)
    return {"auto": "actpass", "client": "active", "server": "passive"}[description.dtls.role]


_MID = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]{1,16}")
_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
