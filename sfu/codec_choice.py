"""Which codecs and header extensions of an offered m-line we agree to, in our order of preference.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiortc.sdp import parse_h264_profile_level_id

from sfu.media import PUBLISHED_ONLY, CodecName, CodecParameters, Extension
from sfu.offer import OfferedCodec, OfferedExtension, OfferedMedia
from sfu.sdp_scan import FEEDBACK
from sfu.values import Kind

OPUS_FORMAT = "minptime=10;useinbandfec=1;usedtx=1"
"""RFC 7587 §6.1: in-band FEC against loss; DTX, so that silence costs nothing."""

MAX_RIDS = 3
"""Simulcast encodings agreed to per m-line, the first ones offered. More is of no use to a
viewer."""


@dataclass(frozen=True)
class AnsweredCodec:
    """One payload type of the answer."""

    payload_type: int
    encoding: str
    """As in a=rtpmap after the payload type."""
    format_text: str
    feedback: tuple[str, ...]


@dataclass(frozen=True)
class CodecChoice:
    """What was agreed for one m-line: for the engine, and for the answer, in the same order."""

    parameters: tuple[CodecParameters, ...]
    answered: tuple[AnsweredCodec, ...]


def choose_codecs(
    media: OfferedMedia, preference: Sequence[CodecName], has_red: bool
) -> CodecChoice:
    """Return the offered codecs that we forward, most preferred first; empty if there is none.

    O(codecs · preferences), both bounded by the scan and the configuration.
    """
    parameters: list[CodecParameters] = []
    answered: list[AnsweredCodec] = []
    rtx = _by_apt(media)
    for name in preference:
        for codec in media.codecs:
            if name.kind != media.kind or not _is_acceptable(codec, name):
                continue
            red = _red_over(media, codec) if has_red and name is CodecName.OPUS else None
            repair = rtx.get(codec.payload_type)
            feedback = _feedback(codec)
            parameters.append(
                CodecParameters(
                    payload_type=codec.payload_type,
                    name=name,
                    clock_rate=codec.clock_rate,
                    rtx_payload_type=repair.payload_type if repair else None,
                    red_payload_type=red.payload_type if red else None,
                    format_key=_format_key(codec, name),
                    has_nack="nack" in feedback,
                )
            )
            if red is not None:  # first: a sender takes the first codec of the answer
                answered.append(_answered(red, red.format_text, ()))
            format_text = OPUS_FORMAT if name is CodecName.OPUS else codec.format_text
            answered.append(_answered(codec, format_text, feedback))
            if repair is not None:
                answered.append(_answered(repair, repair.format_text, ()))
    return CodecChoice(tuple(parameters), tuple(answered))


def choose_extensions(media: OfferedMedia, is_published: bool) -> dict[Extension, OfferedExtension]:
    """Return the extensions agreed for an m-line that the client sends on (or receives on).

    RFC 8285 §6: a direction in the offer is the offerer's; one that does not flow our way is left
    out.
    """
    flows = ("sendrecv", "sendonly") if is_published else ("sendrecv", "recvonly")
    return {
        extension: offered
        for extension, offered in media.extensions.items()
        if offered.direction in flows
        and (is_published or extension not in PUBLISHED_ONLY)
        and not (media.kind == Kind.AUDIO and extension in _VIDEO_ONLY)
        and not (media.kind == Kind.VIDEO and extension is Extension.AUDIO_LEVEL)
    }


def choose_rids(media: OfferedMedia, agreed: dict[Extension, OfferedExtension]) -> tuple[str, ...]:
    """Return the simulcast encodings to receive; none if the packets could not tell them apart."""
    return media.rids[:MAX_RIDS] if Extension.RID in agreed else ()


def _is_acceptable(codec: OfferedCodec, name: CodecName) -> bool:
    if codec.name != name.value or codec.clock_rate != _CLOCK_RATES[name]:
        return False
    match name:
        case CodecName.OPUS:
            return codec.channels == 2  # RFC 7587 §7: always declared so
        case CodecName.H264:
            return codec.parameters.get("packetization-mode") == "1" and bool(_h264_profile(codec))
        case CodecName.VP9:
            return codec.parameters.get("profile-id", "0") == "0"
        case CodecName.AV1:
            return codec.parameters.get("profile", "0") == "0"
        case CodecName.VP8:
            return True


def _format_key(codec: OfferedCodec, name: CodecName) -> str:
    if name is CodecName.H264:
        return f"{_h264_profile(codec)};packetization-mode=1"
    if name in (CodecName.VP9, CodecName.AV1):
        return "profile=0"
    return ""


def _h264_profile(codec: OfferedCodec) -> str:
    """Return the profile's name, or nothing for one that does not exist."""
    try:
        # RFC 6184 §8.1: without the parameter, Baseline at level 1 is meant.
        profile, _ = parse_h264_profile_level_id(codec.parameters.get("profile-level-id", "42000a"))
    except (ValueError, KeyError):
        return ""
    return profile.name.removeprefix("PROFILE_").lower().replace("_", "-")


def _by_apt(media: OfferedMedia) -> dict[int, OfferedCodec]:
    """Return RTX codecs by the payload type they repair (RFC 4588 §8.6)."""
    found: dict[int, OfferedCodec] = {}
    for codec in media.codecs:
        apt = codec.parameters.get("apt", "")
        if codec.name == "rtx" and apt.isdecimal():
            found.setdefault(int(apt), codec)
    return found


def _red_over(media: OfferedMedia, opus: OfferedCodec) -> OfferedCodec | None:
    """Return the RED codec (RFC 2198) whose primary and redundant blocks are all `opus`."""
    for codec in media.codecs:
        blocks = codec.format_text.split("/")
        if codec.name == "red" and len(blocks) > 1 and set(blocks) == {str(opus.payload_type)}:
            return codec
    return None


def _feedback(codec: OfferedCodec) -> tuple[str, ...]:
    has_transport_feedback = "transport-cc" in codec.feedback
    return tuple(
        word
        for word in FEEDBACK
        if word in codec.feedback and not (word == "goog-remb" and has_transport_feedback)
    )


def _answered(codec: OfferedCodec, format_text: str, feedback: tuple[str, ...]) -> AnsweredCodec:
    channels = "" if codec.channels in (None, 1) else f"/{codec.channels}"
    name = _ENCODING_NAMES.get(codec.name, codec.name)
    return AnsweredCodec(
        codec.payload_type, f"{name}/{codec.clock_rate}{channels}", format_text, feedback
    )


_CLOCK_RATES = {name: 48_000 if name is CodecName.OPUS else 90_000 for name in CodecName}
_ENCODING_NAMES = {"vp8": "VP8", "vp9": "VP9", "h264": "H264", "av1": "AV1"}
_VIDEO_ONLY = frozenset(
    {
        Extension.VIDEO_ORIENTATION,
        Extension.PLAYOUT_DELAY,
        Extension.DEPENDENCY_DESCRIPTOR,
        Extension.RID,
        Extension.REPAIRED_RID,
    }
)
