"""Read the samples of tests/samples."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from sfu.answer import HostCandidate
from sfu.media import Fingerprint
from sfu.negotiation import Negotiated, NegotiationConfig, Negotiator
from sfu.values import TrackSource

OFFERS = Path(__file__).parent.parent / "samples" / "offers"
OFFER_NAMES = sorted(path.stem for path in OFFERS.glob("*.sdp"))

OUR_FINGERPRINT = Fingerprint("sha-256", ":".join(["AB"] * 32))
CONFIG = NegotiationConfig(
    candidates=(HostCandidate("127.0.0.1", 40000), HostCandidate("::1", 40000)),
    fingerprint=OUR_FINGERPRINT,
)


def read_offer(name: str) -> str:
    """Return the captured offer without its provenance line."""
    provenance, _, sdp = (OFFERS / f"{name}.sdp").read_bytes().decode().partition("\n")
    assert provenance.startswith("# ")
    return sdp


def seeded_bytes(seed: int) -> Callable[[int], bytes]:
    """Return a source of random bytes that repeats."""
    return random.Random(seed).randbytes


def new_negotiator(config: NegotiationConfig = CONFIG) -> Negotiator:
    return Negotiator(config, os.urandom)


def negotiate(sdp: str, tracks: dict[str, TrackSource] | None = None) -> Negotiated:
    return new_negotiator().handle_offer(sdp, tracks or {})


def section_of(sdp: str, mid: str) -> list[str]:
    """Return the lines of the m-section with `mid`."""
    sections = sdp.split("\r\nm=")
    (found,) = [section for section in sections[1:] if f"\r\na=mid:{mid}\r\n" in section + "\r\n"]
    return ("m=" + found).split("\r\n")


def minimal_offer(*sections: str, session: str = "", bundle: str | None = None) -> str:
    """Return an offer of the given m-sections (each begins with m=, ends without a line end)."""
    mids = [line[6:] for part in sections for line in part.split("\r\n") if line[:6] == "a=mid:"]
    group = " ".join(mids) if bundle is None else bundle
    head = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {group}",
        "a=fingerprint:sha-256 " + ":".join(["0A"] * 32),
        "a=setup:actpass",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
    ]
    return "\r\n".join([*head, *([session] if session else []), *sections]) + "\r\n"


def video_section(mid: str, *lines: str, direction: str = "sendonly") -> str:
    return "\r\n".join(
        [
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 nack",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            *lines,
        ]
    )


def audio_section(mid: str, *lines: str, direction: str = "sendonly") -> str:
    return "\r\n".join(
        [
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            "a=rtpmap:111 opus/48000/2",
            *lines,
        ]
    )


ONE_AUDIO = minimal_offer(audio_section("a"))
