"""What a participant sends and shows: as m-lines of its offer, and as the agent's command."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.media import LAYERS, VOICE, codec_of
from loadtest.sdp import Answer, OfferedStream
from sfu.values import TrackSource

RIDS = ("l", "m", "h")
SOURCES = {
    "mic": TrackSource.MICROPHONE,
    "cam": TrackSource.CAMERA,
    "scr": TrackSource.SCREEN,
}
"""Our mid → what it carries."""
MIDS = {source: mid for mid, source in SOURCES.items()}


class UnusableAnswer(Exception):
    """The answer lacks what was offered."""


@dataclass(frozen=True)
class Behaviour:
    """What a participant sends and shows."""

    sends_audio: bool = True
    video_layers: tuple[str, ...] = ()
    """Loops it sends, smallest first: one is a single stream, several are simulcast."""
    shows_video: int = 1
    """Receive-only video m-lines."""
    max_height: int = 720
    """Of each of them."""
    role: str = "member"
    voice: str = VOICE
    """The loop it speaks."""
    screen: str = "video-720"
    """The loop it shares once it shares its screen."""
    has_h264: bool = False
    """Takes H.264 beside VP8; needed to send it."""
    has_red: bool = False
    """Sends and takes redundant sound, if the service does."""
    srtp: str = "all"
    """Profiles to offer: "all", "aead_aes_128_gcm" or "aes128_cm_sha1_80"."""
    shows_speaker: bool = False
    """The first m-line follows who speaks."""
    muted: frozenset[TrackSource] = frozenset()
    """Sources that are off when it comes."""
    up: Mapping[str, float] = field(default_factory=dict)
    """The agent's `LinkSpec` for what it sends; empty is a perfect link."""
    down: Mapping[str, float] = field(default_factory=dict)
    """The same for what it receives."""

    @classmethod
    def simulcast(cls, shows_video: int, role: str = "member") -> Behaviour:
        """Return one that sends all three layers."""
        return cls(video_layers=ALL_LAYERS, shows_video=shows_video, role=role)


ALL_LAYERS = tuple(layer.name for layer in LAYERS)


def offered_streams(behaviour: Behaviour) -> tuple[OfferedStream, ...]:
    """Return the m-lines to send on, with fresh SSRCs."""
    streams = []
    if behaviour.sends_audio:
        streams.append(OfferedStream("mic", "audio", ssrcs=((_new_ssrc(), None),)))
    layers = behaviour.video_layers
    if layers:
        rids = RIDS[: len(layers)] if len(layers) > 1 else ()
        streams.append(OfferedStream("cam", "video", rids, _new_ssrcs(len(layers))))
    return tuple(streams)


def screen_stream() -> OfferedStream:
    """Return the m-line that a second offer adds for a screen."""
    return OfferedStream("scr", "video", (), _new_ssrcs(1))


def connect_command(
    number: int, answer: Answer, streams: Sequence[OfferedStream], behaviour: Behaviour
) -> dict[str, Any]:
    """Return the agent's command `connect`.

    Raises:
        UnusableAnswer: a codec or a simulcast layer was not taken.
    """
    return {
        "command": "connect",
        "id": number,
        "ice_ufrag": answer.ice_ufrag,
        "ice_pwd": answer.ice_pwd,
        "fingerprint": answer.fingerprint,
        # The agent's sockets are IPv4 unless it was told otherwise.
        "candidates": [f"{host}:{port}" for host, port in answer.candidates if ":" not in host],
        "send": [_sent(answer, stream, behaviour) for stream in streams],
        "receive": [
            media.receive_command()
            for media in answer.media
            if media.direction == "sendonly" and media.ssrc is not None
        ],
    }


def _sent(answer: Answer, stream: OfferedStream, behaviour: Behaviour) -> dict[str, Any]:
    media = answer.by_mid(stream.mid)
    loops = {
        "mic": (behaviour.voice,),
        "cam": behaviour.video_layers,
        "scr": (behaviour.screen,),
    }[stream.mid]
    codec = codec_of(loops[0])
    payload_type = media.payload_types.get(codec)
    if media.direction != "recvonly" or payload_type is None:
        raise UnusableAnswer(f"the server does not take {codec} on {stream.mid}")
    if stream.rids and media.rids != stream.rids:
        raise UnusableAnswer(f"offered rids {stream.rids}, answered {media.rids}")
    rids: Sequence[str | None] = stream.rids or [None]
    source = SOURCES[stream.mid]
    return {
        "mid": stream.mid,
        "kind": stream.kind,
        "source": source.value,
        "payload_type": payload_type,
        "rtx_payload_type": media.rtx.get(payload_type),
        "red_payload_type": media.payload_types.get("red"),
        "extensions": media.extensions,
        "is_active": source not in behaviour.muted,
        "encodings": [
            {"rid": rid, "ssrc": ssrc, "rtx_ssrc": rtx_ssrc, "media": loop}
            for rid, (ssrc, rtx_ssrc), loop in zip(rids, stream.ssrcs, loops, strict=True)
        ],
    }


def _new_ssrcs(count: int) -> tuple[tuple[int, int], ...]:
    return tuple((_new_ssrc(), _new_ssrc()) for _ in range(count))


def _new_ssrc() -> int:
    return secrets.randbelow(2**32 - 1) + 1
