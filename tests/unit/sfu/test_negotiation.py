"""Offers become answers that say what was agreed, and the engine gets the same."""

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
from sfu.media import CodecName, DtlsRole, Extension
from sfu.negotiation import Negotiated, Negotiator
from sfu.values import Kind, TrackSource
from tests.support.samples import (
    CONFIG,
    OFFER_NAMES,
    audio_section,
    minimal_offer,
    new_negotiator,
    read_offer,
    seeded_bytes,
    video_section,
)


def negotiate(sdp: str, tracks: dict[str, TrackSource] | None = None) -> Negotiated:
    return new_negotiator().handle_offer(sdp, tracks or {})


def section_of(sdp: str, mid: str) -> list[str]:
    """Return the lines of the m-section with `mid`."""
    sections = sdp.split("\r\nm=")
    (found,) = [section for section in sections[1:] if f"\r\na=mid:{mid}\r\n" in section + "\r\n"]
    return ("m=" + found).split("\r\n")


class TestOffersOfBrowsers:
    @pytest.mark.parametrize("name", OFFER_NAMES)
    def test_answer_mirrors_the_m_lines_of_the_offer(self, name: str) -> None:
        offer = read_offer(name)

        answer = SessionDescription.parse(negotiate(offer).sdp)

        offered = SessionDescription.parse(offer)
        assert [media.kind for media in answer.media] == [media.kind for media in offered.media]
        assert [m.rtp.muxId for m in answer.media] == [m.rtp.muxId for m in offered.media]

    @pytest.mark.parametrize("name", ["chromium-simulcast", "firefox-simulcast"])
    def test_client_offer_gives_two_published_and_seven_subscribed(self, name: str) -> None:
        result = negotiate(read_offer(name))

        assert [media.source for media in result.published] == ["microphone", "camera"]
        assert [media.kind for media in result.subscribed] == [Kind.AUDIO] * 3 + [Kind.VIDEO] * 4
        assert result.published[1].rids == ("q", "h", "f")
        assert result.published[1].codecs[0].name is CodecName.VP8
        assert result.dtls_role is DtlsRole.SERVER
        assert result.is_new_transport

    @pytest.mark.parametrize("name", ["chromium-simulcast", "firefox-simulcast"])
    def test_simulcast_is_echoed_in_the_order_of_the_offer(self, name: str) -> None:
        lines = section_of(negotiate(read_offer(name)).sdp, "1")

        assert lines[-4:] == [
            "a=rid:q recv",
            "a=rid:h recv",
            "a=rid:f recv",
            "a=simulcast:recv q;h;f",
        ]
        assert "a=recvonly" in lines

    def test_rids_bind_packets_so_listed_ssrcs_are_not_passed_on(self) -> None:
        assert negotiate(read_offer("firefox-simulcast")).published[1].ssrcs == ()
        assert negotiate(read_offer("chromium-single")).published[1].ssrcs != ()

    def test_red_is_agreed_where_offered_and_comes_first(self) -> None:
        chromium = negotiate(read_offer("chromium-single"))
        firefox = negotiate(read_offer("firefox-single"))

        assert chromium.published[0].codecs[0].red_payload_type == 63
        assert section_of(chromium.sdp, "0")[0].endswith("SAVPF 63 111")
        assert firefox.published[0].codecs[0].red_payload_type is None

    def test_data_channel_is_rejected_with_port_zero(self) -> None:
        for name in ["chromium-plain", "firefox-plain"]:
            lines = section_of(negotiate(read_offer(name)).sdp, "2")
            assert lines[0].startswith("m=application 0 ")

    @pytest.mark.parametrize("name", ["chromium-simulcast", "firefox-simulcast"])
    def test_published_extensions_have_the_ids_of_the_offer(self, name: str) -> None:
        result = negotiate(read_offer(name))

        ids = result.published[1].extensions
        expected = {
            "chromium-simulcast": {"mid": 4, "rid": 10, "repaired_rid": 11, "playout_delay": 5},
            "firefox-simulcast": {"mid": 3, "rid": 9, "repaired_rid": 10},
        }[name]
        assert {key: ids[Extension(key)] for key in expected} == expected
        assert Extension.TRANSPORT_SEQUENCE_NUMBER in ids
        assert Extension.DEPENDENCY_DESCRIPTOR in ids

    def test_extension_direction_of_the_offer_is_turned_round(self) -> None:
        result = negotiate(read_offer("firefox-simulcast"))

        assert Extension.PLAYOUT_DELAY not in result.published[1].extensions
        assert "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" in section_of(
            result.sdp, "1"
        )
        subscribed = result.subscribed[-1]
        assert Extension.PLAYOUT_DELAY in subscribed.extensions
        assert any("/sendonly http" in line for line in section_of(result.sdp, subscribed.mid))

    def test_subscriber_never_gets_rid_extensions(self) -> None:
        for name in OFFER_NAMES:
            for media in negotiate(read_offer(name)).subscribed:
                assert not {Extension.RID, Extension.REPAIRED_RID} & set(media.extensions)

    def test_retransmission_follows_apt(self) -> None:
        codecs = negotiate(read_offer("chromium-single")).published[1].codecs

        pairs = {codec.payload_type: codec.rtx_payload_type for codec in codecs}
        assert pairs[96] == 97
        assert pairs[45] == 46
        assert all(codec.has_nack for codec in codecs)

    def test_only_packetization_mode_one_of_h264_is_agreed(self) -> None:
        keys = [
            codec.format_key
            for codec in negotiate(read_offer("chromium-single")).published[1].codecs
            if codec.name is CodecName.H264
        ]

        assert keys
        assert all(key.endswith("packetization-mode=1") for key in keys)
        assert len(set(keys)) == len(keys)


class TestSendStreams:
    def test_stream_is_described_by_its_m_line_and_ssrcs_only(self) -> None:
        result = negotiate(minimal_offer(video_section("v", direction="recvonly")))

        (stream,) = result.subscribed
        lines = section_of(result.sdp, "v")
        assert "a=sendonly" in lines
        assert "a=msid:stream-v track-v" in lines
        assert f"a=ssrc-group:FID {stream.ssrc} {stream.rtx_ssrc}" in lines
        assert sum(line.startswith(f"a=ssrc:{stream.ssrc} cname:") for line in lines) == 1

    def test_ssrcs_stay_when_more_m_lines_are_offered(self) -> None:
        negotiator = new_negotiator()
        first = negotiator.handle_offer(
            minimal_offer(
                audio_section("a", direction="recvonly"), video_section("b", direction="recvonly")
            ),
            {},
        )

        second = negotiator.handle_offer(
            minimal_offer(
                audio_section("a", direction="recvonly"),
                video_section("b", direction="recvonly"),
                video_section("c", direction="recvonly"),
            ),
            {},
        )

        assert [(s.mid, s.ssrc, s.rtx_ssrc) for s in second.subscribed[:2]] == [
            (s.mid, s.ssrc, s.rtx_ssrc) for s in first.subscribed
        ]
        assert not second.is_new_transport
        assert not second.is_ice_restart

    def test_all_ssrcs_of_a_participant_differ_even_if_the_random_source_repeats(self) -> None:
        values = iter([b"\0" * 4, b"\1" * 4, b"\1" * 4, b"\2" * 4, b"\3" * 4, b"\2" * 4, b"\4" * 4])

        def repeating(count: int) -> bytes:
            return next(values) if count == 4 else bytes(count)

        result = Negotiator(CONFIG, repeating).handle_offer(
            minimal_offer(
                video_section("a", direction="recvonly"), video_section("b", direction="recvonly")
            ),
            {},
        )

        ssrcs = [x for stream in result.subscribed for x in (stream.ssrc, stream.rtx_ssrc)]
        assert len(set(ssrcs)) == 4
        assert 0 not in ssrcs


class TestTransport:
    def test_every_m_line_has_our_candidates_and_the_session_is_ice_lite(self) -> None:
        sdp = negotiate(minimal_offer(audio_section("a"), video_section("v"))).sdp

        assert "\r\na=ice-lite\r\n" in sdp
        assert sdp.count("a=candidate:") == 2 * 2
        assert "a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\n" in sdp
        assert " ::1 40000 typ host\r\na=end-of-candidates\r\n" in sdp

    @pytest.mark.parametrize(
        ("offered", "answered", "role"),
        [
            ("actpass", "passive", DtlsRole.SERVER),
            ("active", "passive", DtlsRole.SERVER),
            ("passive", "active", DtlsRole.CLIENT),
        ],
    )
    def test_we_are_passive_whenever_we_may(
        self, offered: str, answered: str, role: DtlsRole
    ) -> None:
        result = negotiate(minimal_offer(audio_section("a")).replace("actpass", offered))

        assert f"a=setup:{answered}\r\n" in result.sdp
        assert result.dtls_role is role

    def test_changed_ufrag_restarts_ice_and_nothing_else(self) -> None:
        negotiator = new_negotiator()
        offer = minimal_offer(audio_section("a"), video_section("v", direction="recvonly"))
        first = negotiator.handle_offer(offer, {})

        second = negotiator.handle_offer(offer.replace("ice-ufrag:abcd", "ice-ufrag:efgh"), {})

        assert second.is_ice_restart
        assert not second.is_new_transport
        assert second.local_ice != first.local_ice
        assert second.remote_ice.ufrag == "efgh"
        assert second.subscribed == first.subscribed
        assert f"a=ice-ufrag:{second.local_ice.ufrag}\r\n" in second.sdp

    def test_changed_fingerprint_is_a_new_transport(self) -> None:
        negotiator = new_negotiator()
        offer = minimal_offer(video_section("v", direction="recvonly"))
        first = negotiator.handle_offer(offer, {})

        second = negotiator.handle_offer(offer.replace("0A:0A:0A", "0B:0B:0B"), {})

        assert second.is_new_transport
        assert second.local_ice != first.local_ice
        assert second.subscribed[0].ssrc != first.subscribed[0].ssrc

    def test_refused_offer_changes_nothing(self) -> None:
        negotiator = Negotiator(CONFIG, seeded_bytes(1))
        offer = minimal_offer(audio_section("a"), video_section("v", direction="recvonly"))
        first = negotiator.handle_offer(offer, {})

        with pytest.raises(SfuError):
            negotiator.handle_offer(offer.replace("abcd", "efgh").replace("a=rtcp-mux\r\n", ""), {})

        assert negotiator.handle_offer(offer, {}).local_ice == first.local_ice

    def test_roles_of_a_running_association_cannot_be_swapped(self) -> None:
        negotiator = new_negotiator()
        negotiator.handle_offer(minimal_offer(audio_section("a")), {})

        with pytest.raises(UnsupportedSdp, match="roles"):
            negotiator.handle_offer(ONE_AUDIO.replace("actpass", "passive"), {})

    def test_session_version_grows_by_one(self) -> None:
        negotiator = new_negotiator()
        versions = [
            negotiator.handle_offer(minimal_offer(audio_section("a")), {}).sdp.split(" ")[2]
            for _ in range(3)
        ]

        assert versions == ["1", "2", "3"]


class TestTracks:
    def test_named_tracks_are_taken(self) -> None:
        offer = minimal_offer(video_section("s"), video_section("c"))

        result = negotiate(offer, {"s": TrackSource.SCREEN})

        assert [(m.mid, m.source) for m in result.published] == [("s", "screen"), ("c", "camera")]

    @pytest.mark.parametrize(
        "tracks",
        [
            pytest.param({"x": TrackSource.CAMERA}, id="unknown m-line"),
            pytest.param({"a": TrackSource.CAMERA}, id="camera on audio"),
            pytest.param({"v": TrackSource.CAMERA, "w": TrackSource.CAMERA}, id="two cameras"),
        ],
    )
    def test_impossible_tracks_are_refused(self, tracks: dict[str, TrackSource]) -> None:
        offer = minimal_offer(audio_section("a"), video_section("v"), video_section("w"))

        with pytest.raises(BadSdp):
            negotiate(offer, tracks)


class TestRejectedLines:
    @pytest.mark.parametrize(
        "unusable",
        [
            pytest.param(video_section("x").replace("VP8", "H265"), id="no common codec"),
            pytest.param(video_section("x").replace("m=video 9", "m=video 0"), id="stopped"),
            pytest.param(video_section("x").replace("m=video", "m=text"), id="not audio or video"),
        ],
    )
    def test_unusable_line_is_rejected_and_the_others_answered(self, unusable: str) -> None:
        result = negotiate(minimal_offer(audio_section("a"), unusable))

        assert section_of(result.sdp, "x")[0].split(" ")[1] == "0"
        assert "a=group:BUNDLE a\r\n" in result.sdp
        assert [media.mid for media in result.published] == ["a"]

    def test_line_outside_the_bundle_is_rejected(self) -> None:
        offer = minimal_offer(audio_section("a"), video_section("v"), bundle="a")

        assert [media.mid for media in negotiate(offer).published] == ["a"]

    def test_bundle_only_line_with_port_zero_is_accepted(self) -> None:
        section = video_section("v", "a=bundle-only").replace("m=video 9", "m=video 0")

        assert len(negotiate(minimal_offer(audio_section("a"), section)).published) == 2

    def test_inactive_line_is_answered_inactive(self) -> None:
        result = negotiate(
            minimal_offer(audio_section("a"), video_section("v", direction="inactive"))
        )

        assert "a=inactive" in section_of(result.sdp, "v")
        assert [media.mid for media in result.published] == ["a"]

    def test_paused_encoding_is_accepted_without_its_mark(self) -> None:
        offer = minimal_offer(
            video_section(
                "v",
                "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
                "a=rid:q send",
                "a=rid:h send",
                "a=simulcast:send q;~h",
            )
        )

        result = negotiate(offer)

        assert result.published[0].rids == ("q", "h")
        assert "a=simulcast:recv q;h" in section_of(result.sdp, "v")


ONE_AUDIO = minimal_offer(audio_section("a"))
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
