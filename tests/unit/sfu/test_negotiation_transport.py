"""The transport of an answer, its tracks, and the m-lines that are turned down."""

from __future__ import annotations

import pytest

from sfu.errors import BadSdp, SfuError, UnsupportedSdp
from sfu.media import DtlsRole
from sfu.negotiation import Negotiator
from sfu.values import TrackSource
from tests.support.samples import (
    CONFIG,
    ONE_AUDIO,
    audio_section,
    minimal_offer,
    negotiate,
    new_negotiator,
    section_of,
    seeded_bytes,
    video_section,
)


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
