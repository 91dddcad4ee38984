"""Offers become answers that say what was agreed, and the engine gets the same."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from sfu.media import CodecName, DtlsRole, Extension
from sfu.negotiation import Negotiator
from sfu.values import Kind
from tests.support.samples import (
    CONFIG,
    OFFER_NAMES,
    audio_section,
    minimal_offer,
    negotiate,
    new_negotiator,
    read_offer,
    section_of,
    video_section,
)


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
