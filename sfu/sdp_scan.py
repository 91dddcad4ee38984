"""First look at an SDP offer: bounds, characters, and what `aiortc.sdp` loses or trips over.

Takes text, gives `ScannedSession`: per m-line our own reading of rid, simulcast, extmap (with
direction), ssrc and ssrc-group, and the remaining lines in a form that aiortc parses. Linear in the
size of the text. RFC 8866.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sfu.errors import BadSdp, TooManyStreams

MAX_SDP_BYTES = 60_000
"""LIMIT: as the `offer` message of the protocol. A browser's offer of 9 m-lines has 30,000."""
MAX_MEDIA_LINES = 80
MAX_LINES_PER_SECTION = 512
"""LIMIT: attributes of one m-line. Chromium's longest has about 200."""
MAX_LINE_CHARACTERS = 2048
MAX_CODECS_PER_SECTION = 64
"""LIMIT: rtpmaps of one m-line; aiortc looks each fmtp up among them."""
MAX_SSRCS_PER_SECTION = 32


@dataclass(frozen=True)
class ExtmapLine:
    """`a=extmap` of RFC 8285 §5; direction as the offerer sees it."""

    id: int
    direction: str
    uri: str


@dataclass
class ScannedSection:
    """One m-line and what stands under it."""

    kind: str
    port: int
    payload_types: tuple[int, ...]
    """Empty unless kind is audio or video."""
    lines: list[str]
    """The m= line and the attributes left for aiortc."""
    is_bundle_only: bool = False
    allows_mixed_extmap: bool = False
    extmaps: list[ExtmapLine] = field(default_factory=list)
    send_rids: list[str] = field(default_factory=list)
    simulcast_send: list[str] = field(default_factory=list)
    """First alternative of each simulcast stream, in order, without the `~` of a paused one."""
    ssrcs: list[int] = field(default_factory=list)
    rtx_of: dict[int, int] = field(default_factory=dict)
    """Primary SSRC → retransmission SSRC, from FID groups (RFC 5576)."""
    rtpmaps: set[str] = field(default_factory=set)
    feedback: set[str] = field(default_factory=set)


@dataclass
class ScannedSession:
    lines: list[str]
    """Session-level lines left for aiortc."""
    allows_mixed_extmap: bool
    extmaps: list[ExtmapLine]
    sections: list[ScannedSection]


def scan(sdp: str) -> ScannedSession:
    """Return the parts of `sdp`.

    Raises:
        BadSdp: too long, not printable ASCII, not SDP, or a line of ours is malformed.
        TooManyStreams: more m-lines, attributes, codecs or SSRCs than the limits.
    """
    if len(sdp) > MAX_SDP_BYTES:
        raise BadSdp(detail=f"{len(sdp)} characters, {MAX_SDP_BYTES} are allowed")
    lines = [line.removesuffix("\r") for line in sdp.removesuffix("\n").split("\n")]
    if lines[0] != "v=0":
        raise BadSdp(detail="it does not begin with v=0")
    session = ScannedSession(["v=0"], False, [], [])
    attribute_count = 0
    for line in lines[1:]:
        _check_characters(line)
        if line.startswith("m="):
            if len(session.sections) >= MAX_MEDIA_LINES:
                raise TooManyStreams(what="m-lines", limit=MAX_MEDIA_LINES)
            session.sections.append(_media_line(line))
            attribute_count = 0
        elif line.startswith("a="):
            attribute_count += 1
            if attribute_count > MAX_LINES_PER_SECTION:
                raise TooManyStreams(what="attributes on one m-line", limit=MAX_LINES_PER_SECTION)
            _attribute(session, line)
        # Others (o= s= t= c= b= i= k=) say nothing that a bundled ICE session needs.
    return session


def _check_characters(line: str) -> None:
    if len(line) > MAX_LINE_CHARACTERS:
        raise BadSdp(detail=f"a line of {len(line)} characters, {MAX_LINE_CHARACTERS} are allowed")
    if len(line) < 2 or line[1] != "=" or not "a" <= line[0] <= "z":
        raise BadSdp(detail="a line that is not of the form x=…")
    if line[0] in "am" and not (line.isascii() and line.isprintable()):
        raise BadSdp(detail=f"unprintable or non-ASCII characters in an {line[:2]} line")


def _media_line(line: str) -> ScannedSection:
    match = _MEDIA.fullmatch(line)
    if match is None or int(match["port"]) > 65535:
        raise BadSdp(detail="malformed m= line")
    kind, formats = match["kind"], match["formats"].split(" ")
    payload_types: tuple[int, ...] = ()
    if kind in ("audio", "video"):
        if not all(_PAYLOAD_TYPE.fullmatch(item) and int(item) <= 127 for item in formats):
            raise BadSdp(detail="a payload type that is no number from 0 to 127")
        payload_types = tuple(int(item) for item in formats)
        if len(set(payload_types)) != len(payload_types):
            raise BadSdp(detail="a payload type twice on one m-line")
    return ScannedSection(kind, int(match["port"]), payload_types, [line])


def _attribute(session: ScannedSession, line: str) -> None:
    name, _, value = line[2:].partition(":")
    section = session.sections[-1] if session.sections else None
    if name == "extmap":
        (section or session).extmaps.append(_extmap(value))
    elif name == "extmap-allow-mixed":
        (section or session).allows_mixed_extmap = True
    elif section is None:
        if name in _SESSION_ATTRIBUTES:
            session.lines.append(line)
    elif (reader := _SECTION_READERS.get(name)) is not None:
        reader(section, value)
    elif name in _SECTION_ATTRIBUTES and _is_useful(section, name, value):
        section.lines.append(line)


def _is_useful(section: ScannedSection, name: str, value: str) -> bool:
    """Tell whether aiortc needs the line; bounds what it would do per line times per codec."""
    if name == "rtpmap":
        payload_type = value.split(" ", 1)[0]
        if payload_type in section.rtpmaps:
            raise BadSdp(detail=f"two rtpmaps of payload type {payload_type[:5]}")
        if len(section.rtpmaps) >= MAX_CODECS_PER_SECTION:
            raise TooManyStreams(what="codecs on one m-line", limit=MAX_CODECS_PER_SECTION)
        section.rtpmaps.add(payload_type)
    elif name == "rtcp-fb":
        payload_type, _, feedback = value.partition(" ")
        if feedback not in FEEDBACK or value in section.feedback:
            return False
        section.feedback.add(value)
    return True


def _extmap(value: str) -> ExtmapLine:
    match = _EXTMAP.fullmatch(value)
    if match is None:
        raise BadSdp(detail="malformed a=extmap")
    return ExtmapLine(int(match["id"]), match["direction"] or "sendrecv", match["uri"])


def _read_rid(section: ScannedSection, value: str) -> None:
    match = _RID.fullmatch(value)
    if match is None:
        raise BadSdp(detail="malformed a=rid")
    if match["direction"] == "send":
        if match["rid"] in section.send_rids:
            raise BadSdp(detail=f"rid {match['rid']} twice on one m-line")
        section.send_rids.append(match["rid"])


def _read_simulcast(section: ScannedSection, value: str) -> None:
    """Read `send q;~h,g;f recv …` (RFC 8853 §5.1)."""
    words = value.split()
    if len(words) not in (2, 4) or any(word not in ("send", "recv") for word in words[::2]):
        raise BadSdp(detail="malformed a=simulcast")
    for direction, streams in zip(words[::2], words[1::2], strict=True):
        if direction == "send":
            firsts = [stream.split(",", 1)[0].removeprefix("~") for stream in streams.split(";")]
            if len(set(firsts)) != len(firsts):
                raise BadSdp(detail="a rid twice in a=simulcast")
            section.simulcast_send = firsts


def _read_ssrc(section: ScannedSection, value: str) -> None:
    ssrc = _ssrc(value.split(" ", 1)[0])
    if ssrc not in section.ssrcs:
        if len(section.ssrcs) >= MAX_SSRCS_PER_SECTION:
            raise TooManyStreams(what="SSRCs on one m-line", limit=MAX_SSRCS_PER_SECTION)
        section.ssrcs.append(ssrc)


def _read_ssrc_group(section: ScannedSection, value: str) -> None:
    words = value.split()
    if words[:1] == ["FID"]:
        if len(words) != 3 or len(section.rtx_of) >= MAX_SSRCS_PER_SECTION:
            raise BadSdp(detail="an FID group that is no pair, or too many of them")
        primary, repair = _ssrc(words[1]), _ssrc(words[2])
        section.rtx_of[primary] = repair


def _read_bundle_only(section: ScannedSection, _: str) -> None:
    section.is_bundle_only = True


def _ssrc(word: str) -> int:
    if not _SSRC.fullmatch(word) or not 0 < int(word) < 1 << 32:
        raise BadSdp(detail="an SSRC that is no number from 1 to 2^32 - 1")
    return int(word)


_MEDIA = re.compile(r"m=(?P<kind>[a-z]{1,16}) (?P<port>[0-9]{1,5}) [A-Z/]{1,32} (?P<formats>\S.*)")
_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_EXTMAP = re.compile(
    r"(?P<id>[0-9]{1,5})(/(?P<direction>sendrecv|sendonly|recvonly|inactive))? (?P<uri>\S+)( .*)?"
)
_RID = re.compile(r"(?P<rid>[A-Za-z0-9_-]{1,16}) (?P<direction>send|recv)( .*)?")
_SSRC = re.compile(r"[0-9]{1,10}")

FEEDBACK = ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb")
"""RTCP feedback that the engine does, in the order of the answer."""

_SESSION_ATTRIBUTES = frozenset(
    {"group", "fingerprint", "setup", "ice-ufrag", "ice-pwd", "ice-lite", "ice-options"}
)
_SECTION_ATTRIBUTES = frozenset(
    {"fingerprint", "setup", "ice-ufrag", "ice-pwd", "ice-options", "mid", "rtcp-mux", "rtpmap"}
    | {"fmtp", "rtcp-fb", "sendrecv", "sendonly", "recvonly", "inactive"}
)
_SECTION_READERS: dict[str, Callable[[ScannedSection, str], None]] = {
    "rid": _read_rid,
    "simulcast": _read_simulcast,
    "ssrc": _read_ssrc,
    "ssrc-group": _read_ssrc_group,
    "bundle-only": _read_bundle_only,
}
