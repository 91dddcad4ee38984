"""The offer of the simulated is one the server takes; its answer is read whole."""

from __future__ import annotations

import pytest

from loadtest.sdp import (
    H264,
    H264_RTX,
    OPUS,
    RED,
    VP8,
    VP8_RTX,
    BadAnswer,
    OfferedStream,
    OfferSpec,
    parse_answer,
    write_offer,
)
from sfu.answer import HostCandidate
from sfu.media import Extension, Fingerprint
from sfu.negotiation import Negotiated, NegotiationConfig, Negotiator
from sfu.offer import parse_offer
from sfu.values import TrackSource

FINGERPRINT = ":".join(["AB"] * 32)
MICROPHONE = OfferedStream("mic", "audio", ssrcs=((1001, None),))
CAMERA = OfferedStream("cam", "video", ("l", "m", "h"), ((1, 2), (3, 4), (5, 6)))
SINGLE = OfferedStream("cam", "video", (), ((7, 8),))


def offer(*send: OfferedStream, audio: int = 3, video: int = 2) -> str:
    return write_offer(OfferSpec("ufrag", "p" * 24, FINGERPRINT, send, audio, video))


def answer(sdp: str) -> Negotiated:
    config = NegotiationConfig(
        candidates=(HostCandidate("127.0.0.1", 7882), HostCandidate("::1", 7882)),
        fingerprint=Fingerprint("sha-256", ":".join(["CD"] * 32)),
    )
    numbers = iter(range(1, 1000))
    negotiator = Negotiator(config, lambda count: next(numbers).to_bytes(count))
    return negotiator.handle_offer(
        sdp, {"mic": TrackSource.MICROPHONE, "cam": TrackSource.CAMERA} if "cam" in sdp else {}
    )


def test_offer_says_to_the_servers_parser_what_was_meant() -> None:
    parsed = parse_offer(offer(MICROPHONE, CAMERA))

    assert parsed.bundled == ("mic", "cam", "a0", "a1", "a2", "v0", "v1")
    assert (parsed.ice.ufrag, parsed.setup) == ("ufrag", "actpass")
    assert [each.value for each in parsed.fingerprints] == [FINGERPRINT]
    microphone, camera = parsed.media[:2]
    assert microphone.ssrcs == ((1001, None),)
    assert Extension.AUDIO_LEVEL in microphone.extensions
    assert camera.rids == ("l", "m", "h") and camera.ssrcs == ()
    assert {Extension.RID, Extension.REPAIRED_RID} <= set(camera.extensions)
    assert [media.direction for media in parsed.media] == ["sendonly"] * 2 + ["recvonly"] * 5


def test_single_stream_tells_its_ssrcs() -> None:
    assert parse_offer(offer(SINGLE)).media[0].ssrcs == ((7, 8),)


def test_answer_of_the_server_is_read_whole() -> None:
    negotiated = answer(offer(MICROPHONE, CAMERA))
    read = parse_answer(negotiated.sdp)

    assert read.ice_ufrag == negotiated.local_ice.ufrag
    assert read.ice_pwd == negotiated.local_ice.password
    assert read.fingerprint == ":".join(["CD"] * 32)
    assert read.candidates == (("127.0.0.1", 7882), ("::1", 7882))
    camera = read.by_mid("cam")
    assert camera.direction == "recvonly" and camera.rids == ("l", "m", "h")
    assert camera.payload_types["vp8"] == VP8 and camera.rtx == {VP8: VP8_RTX}
    assert (VP8, "nack") in camera.feedback
    assert read.by_mid("mic").payload_types == {"opus": OPUS}
    assert read.by_mid("mic").extensions["audio_level"] == 6
    streams = {media.mid: (media.ssrc, media.rtx_ssrc) for media in negotiated.subscribed}
    assert len(streams) == 5
    for mid, ssrcs in streams.items():
        media = read.by_mid(mid)
        assert (media.ssrc, media.rtx_ssrc) == ssrcs and media.direction == "sendonly"


def test_rejected_m_line_is_inactive() -> None:
    sdp = answer(offer(MICROPHONE)).sdp.replace("m=audio 9", "m=audio 0", 1)
    assert parse_answer(sdp).by_mid("mic").direction == "inactive"


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("m=", "no m-line"),
        ("a=ice-pwd", "credentials"),
        ("a=fingerprint", "fingerprint"),
        ("a=candidate", "candidate"),
    ],
)
def test_answer_without_a_needed_line_says_which(prefix: str, words: str) -> None:
    lines = answer(offer(MICROPHONE)).sdp.split("\r\n")
    sdp = "\r\n".join(line for line in lines if not line.startswith(prefix))
    with pytest.raises(BadAnswer, match=words):
        parse_answer(sdp)


def test_garbled_answer_is_refused() -> None:
    with pytest.raises(BadAnswer, match="cannot be read"):
        parse_answer("v=0\r\nm=audio\r\na=candidate:1\r\n")


def test_h264_and_redundant_sound_are_offered_if_wanted_and_read_back() -> None:
    spec = OfferSpec(
        "ufrag", "p" * 24, FINGERPRINT, (MICROPHONE, CAMERA), 3, 2, has_h264=True, has_red=True
    )
    read = parse_answer(answer(write_offer(spec)).sdp)

    assert read.by_mid("mic").payload_types == {"red": RED, "opus": OPUS}
    camera = read.by_mid("cam")
    assert camera.payload_types["h264"] == H264 and camera.rtx[H264] == H264_RTX
    video = read.by_mid("v0").receive_command()
    assert video["h264_payload_types"] == [H264, H264_RTX] and video["has_nack"]
    sound = read.by_mid("a0").receive_command()
    assert sound["red_payload_type"] == RED and sound["h264_payload_types"] == []
