"""Offers that are refused, mutated ones, and the worst that the limits let in."""

from __future__ import annotations

import contextlib
import dataclasses
import time

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import sdp_scan
from sfu.errors import BadSdp, FingerprintMissing, SfuError, TooManyStreams, UnsupportedSdp
from sfu.negotiation import Negotiator
from tests.support.samples import (
    CONFIG,
    OFFER_NAMES,
    ONE_AUDIO,
    audio_section,
    minimal_offer,
    negotiate,
    new_negotiator,
    read_offer,
    seeded_bytes,
    video_section,
)

FINGERPRINT_LINE = "a=fingerprint:sha-256 " + ":".join(["0A"] * 32)


class TestRefusedOffers:
    @pytest.mark.parametrize(
        ("sdp", "error"),
        [
            pytest.param("", BadSdp, id="empty"),
            pytest.param("v=0\r\n", BadSdp, id="no m-line"),
            pytest.param("v=1\r\nm=audio 9 X 0", BadSdp, id="version"),
            pytest.param(ONE_AUDIO + "nonsense\r\n", BadSdp, id="no SDP line"),
            pytest.param(ONE_AUDIO + "a=mid:\u202e\r\n", BadSdp, id="unicode"),
            pytest.param(ONE_AUDIO + "a=x\x00y\r\n", BadSdp, id="control"),
            pytest.param(
                minimal_offer(audio_section("a"), audio_section("a")), BadSdp, id="mid twice"
            ),
            pytest.param(minimal_offer(audio_section("a" * 17)), BadSdp, id="long mid"),
            pytest.param(ONE_AUDIO.replace("SAVPF 111", "SAVPF 255"), BadSdp, id="pt 255"),
            pytest.param(
                minimal_offer(audio_section("a"), bundle="a b"), BadSdp, id="bundle of nothing"
            ),
            pytest.param(
                minimal_offer(video_section("a", "a=ssrc:0 cname:x")), BadSdp, id="ssrc 0"
            ),
            pytest.param(
                minimal_offer(
                    audio_section("a", "a=ssrc:5 cname:x"), video_section("b", "a=ssrc:5 cname:x")
                ),
                BadSdp,
                id="ssrc of two lines",
            ),
            pytest.param(
                minimal_offer(video_section("a", "a=simulcast:send q")), BadSdp, id="rid unknown"
            ),
            pytest.param(
                minimal_offer(audio_section("a", "a=rtpmap:112 what")), BadSdp, id="rtpmap"
            ),
            pytest.param(ONE_AUDIO.replace("actpass", "holdconn"), BadSdp, id="holdconn"),
            pytest.param(
                ONE_AUDIO.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a b"), BadSdp, id="ufrag"
            ),
            pytest.param(
                ONE_AUDIO.replace("a=ice-pwd:0123456789012345678901\r\n", ""),
                UnsupportedSdp,
                id="no ice",
            ),
            pytest.param(
                ONE_AUDIO.replace("a=group:BUNDLE a\r\n", ""), UnsupportedSdp, id="no bundle"
            ),
            pytest.param(
                ONE_AUDIO.replace("a=setup:actpass\r\n", ""), UnsupportedSdp, id="no setup"
            ),
            pytest.param(ONE_AUDIO.replace("a=rtcp-mux\r\n", ""), UnsupportedSdp, id="no rtcp-mux"),
            pytest.param(
                minimal_offer(audio_section("a").replace("opus", "speex")),
                UnsupportedSdp,
                id="nothing usable",
            ),
            pytest.param(
                ONE_AUDIO.replace(FINGERPRINT_LINE + "\r\n", ""),
                FingerprintMissing,
                id="no fingerprint",
            ),
            pytest.param(
                ONE_AUDIO.replace("sha-256", "sha-1"), FingerprintMissing, id="sha-1 only"
            ),
            pytest.param(ONE_AUDIO.replace("0A:0A\r\n", "0A\r\n"), BadSdp, id="short fingerprint"),
        ],
    )
    def test_offer_is_refused_with_the_right_error(self, sdp: str, error: type[SfuError]) -> None:
        with pytest.raises(SfuError) as caught:
            negotiate(sdp)

        assert type(caught.value) is error

    def test_more_streams_than_configured_are_refused(self) -> None:
        config = dataclasses.replace(CONFIG, max_video_streams=2)
        offer = minimal_offer(*[video_section(f"v{i}", direction="recvonly") for i in range(3)])

        with pytest.raises(TooManyStreams) as caught:
            new_negotiator(config).handle_offer(offer, {})

        assert caught.value.limit == 2

    @pytest.mark.parametrize(
        "sdp",
        [
            pytest.param("v=0\r\n" + "m=a 9 X 0\r\n" * 81, id="m-lines"),
            pytest.param(minimal_offer(audio_section("a", *["a=x"] * 513)), id="attributes"),
            pytest.param(
                minimal_offer(audio_section("a", *[f"a=rtpmap:{n} x/1" for n in range(200, 265)])),
                id="codecs",
            ),
            pytest.param(
                minimal_offer(video_section("a", *[f"a=ssrc:{n} cname:x" for n in range(1, 34)])),
                id="ssrcs",
            ),
        ],
    )
    def test_every_bound_has_its_error(self, sdp: str) -> None:
        with pytest.raises(TooManyStreams):
            negotiate(sdp)

    def test_oversize_offer_is_refused(self) -> None:
        with pytest.raises(BadSdp, match="60000 are allowed"):
            negotiate(minimal_offer(audio_section("a")) + "a=x\r\n" * 12_000)


@st.composite
def mutated_offers(draw: st.DrawFn) -> str:
    """A captured offer with lines dropped, doubled, moved, cut, or with characters replaced."""
    lines = read_offer(draw(st.sampled_from(OFFER_NAMES))).split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                del lines[at : at + draw(st.integers(1, 30))]
            case 1:
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case 2:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case 3:
                cut = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:cut] + draw(st.text(max_size=4)) + lines[at][cut + 1 :]
            case 4:
                numbers = ["-1", "0", "65536", "4294967296", "9" * 400, "127", "96", "x"]
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(numbers))
                lines[at] = " ".join(words)
            case _:
                name = draw(st.sampled_from(ATTRIBUTES))
                lines.insert(
                    at, f"a={name}" + draw(st.sampled_from(["", ":", ": ", ":1", ":1 2", ":* x"]))
                )
        if not lines:
            lines = ["v=0"]
    return draw(st.sampled_from(["\r\n", "\n"])).join(lines)


ATTRIBUTES = sorted(
    sdp_scan._SECTION_ATTRIBUTES
    | sdp_scan._SESSION_ATTRIBUTES
    | set(sdp_scan._SECTION_READERS)
    | {"extmap"}
)


@settings(max_examples=400)
@given(sdp=mutated_offers())
def test_mutated_offer_gives_an_answer_or_a_typed_error(sdp: str) -> None:
    negotiator = Negotiator(CONFIG, seeded_bytes(7))

    try:
        result = negotiator.handle_offer(sdp, {})
    except SfuError as error:
        assert str(error)
    else:
        SessionDescription.parse(result.sdp)
        assert result.sdp.isascii()


@pytest.mark.parametrize(
    "filler",
    [
        pytest.param("a=rtcp-fb:* nack", id="feedback for all"),
        pytest.param("a=ssrc:1 cname:x", id="ssrc"),
        pytest.param("a=extmap:1 urn:x", id="extmap"),
        pytest.param("a=fmtp:111 x=1", id="fmtp"),
        pytest.param("a=fingerprint:sha-256 " + ":".join(["0A"] * 32), id="fingerprints"),
    ],
)
def test_worst_offers_within_the_limits_take_bounded_time(filler: str) -> None:
    codecs = [f"a=rtpmap:{n} x/1" for n in range(35, 63)]
    room = sdp_scan.MAX_LINES_PER_SECTION - len(codecs) - 10
    sections: list[str] = []
    while len(minimal_offer(*sections)) < sdp_scan.MAX_SDP_BYTES - 14_000:
        sections.append(
            audio_section(f"a{len(sections)}", *codecs, *[filler] * room, direction="recvonly")
        )

    start = time.process_time()
    with contextlib.suppress(SfuError):
        negotiate(minimal_offer(*sections))

    # A bound on complexity, not on speed: quadratic handling took tens of seconds.
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("name", ["mid", "ice-ufrag", "setup", "fingerprint", "rtpmap"])
def test_attribute_without_its_value_is_named(name: str) -> None:
    sdp = read_offer("chromium-simulcast").replace(
        "a=rtcp-mux\r\n", f"a=rtcp-mux\r\na={name}\r\n", 1
    )

    with pytest.raises(BadSdp, match=f"a={name} without a value"):
        Negotiator(CONFIG, seeded_bytes(7)).handle_offer(sdp, {})
