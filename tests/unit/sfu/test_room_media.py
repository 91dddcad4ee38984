"""The room's rules of tracks, transports and quality, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from sfu import rpc_messages as messages
from sfu.errors import (
    BadSdp,
)
from sfu.participant import TransportEvent
from sfu.room import QUALITY_INTERVAL_S
from sfu.room_outputs import (
    AddTransport,
    RemoveTransport,
    RestartIce,
    SetForwarding,
    SetMedia,
)
from sfu.values import ConnectionQuality, Grants, TrackSource, TransportState, VideoWish
from tests.support.rooms import SPEAKER, RoomDriver, offer_of


def quality(participant: str, score: int, **details: Any) -> ConnectionQuality:
    return ConnectionQuality(participant=participant, score=score, **details)


class TestPublishing:
    def test_missing_grant_blocks_at_the_engine_and_clears_viewers(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.outputs.clear()

        driver.do(driver.room.handle_grants("babis", Grants(camera=False)))

        assert driver.take(SetForwarding) == [SetForwarding("babis", "c", False)]
        assert driver.shown("anna", "v0") is None
        (updated,) = driver.take(messages.ParticipantUpdated)
        assert [t.is_blocked for t in updated.participant.tracks] == [False, True]

    def test_own_mute_clears_viewers_but_not_the_ingress(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.outputs.clear()

        driver.do(driver.room.handle_mute("babis", TrackSource.CAMERA, True))

        assert driver.take(SetForwarding) == []
        assert driver.shown("anna", "v0") is None
        driver.do(driver.room.handle_mute("babis", TrackSource.CAMERA, False))
        assert driver.shown("anna", "v0") == "babis"

    def test_grant_back_does_not_undo_an_own_mute(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.do(driver.room.handle_mute("babis", TrackSource.CAMERA, True))

        driver.do(driver.room.handle_grants("babis", Grants(camera=False)))
        driver.do(driver.room.handle_grants("babis", Grants()))

        assert driver.shown("anna", "v0") is None

    def test_screen_offered_later_is_shown_where_wished_before(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis", source=TrackSource.SCREEN))
        assert driver.shown("anna", "v0") is None

        driver.offer("babis", list(TrackSource))

        assert driver.engine["anna", "v0"].publisher_mid == "s"

    def test_viewers_follow_a_camera_that_moved_to_another_m_line(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", SPEAKER, VideoWish(mid="v1", participant="babis"))
        sdp, tracks = offer_of([TrackSource.MICROPHONE, TrackSource.CAMERA])

        moved = sdp.replace("a=mid:c\r\n", "a=mid:c2\r\n").replace("BUNDLE m c ", "BUNDLE m c2 ")
        tracks["c2"] = tracks.pop("c")
        driver.do(driver.room.handle_offer("babis", moved, tracks)[1])

        assert driver.engine["anna", "v0"].publisher_mid == "c2"
        assert driver.engine["anna", "v1"].publisher_mid == "c2"

    def test_refused_offer_changes_nothing(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        before = driver.room.state()
        driver.outputs.clear()

        with pytest.raises(BadSdp):
            driver.room.handle_offer("anna", "v=0", {})

        assert driver.room.state() == before


class TestTransports:
    def test_viewers_see_a_publisher_once_it_is_connected(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.join("babis")
        driver.offer("babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        assert driver.shown("anna", "v0") is None

        driver.connect("babis")

        assert driver.shown("anna", "v0") == "babis"

    @pytest.mark.parametrize(
        ("events", "state", "shown"),
        [
            ([TransportEvent.ICE_LOST], TransportState.DISCONNECTED, "babis"),
            (
                [TransportEvent.ICE_LOST, TransportEvent.ICE_CONNECTED],
                TransportState.CONNECTED,
                "babis",
            ),
            ([TransportEvent.PEER_CLOSED], TransportState.CLOSED, None),
        ],
    )
    def test_short_loss_keeps_the_picture_and_the_end_clears_it(
        self, events: list[TransportEvent], state: TransportState, shown: str | None
    ) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))

        for event in events:
            driver.transport("babis", event)

        assert driver.room.admission("babis").transport is state
        assert driver.shown("anna", "v0") == shown
        assert driver.take(messages.TransportChanged)[-1].state is state

    def test_new_peer_connection_gets_a_new_transport_and_its_sources_again(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.layout("babis", VideoWish(mid="v0", participant="anna"))
        driver.outputs.clear()

        driver.offer("anna", identity="0B")

        kinds = [type(output) for output in driver.outputs]
        assert kinds.index(RemoveTransport) < kinds.index(AddTransport) < kinds.index(SetMedia)
        assert driver.shown("babis", "v0") is None
        assert driver.shown("anna", "v0") == "babis"
        driver.connect("anna")
        assert driver.shown("babis", "v0") == "anna"

    def test_ice_restart_touches_nothing_else(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        sdp, tracks = offer_of([TrackSource.MICROPHONE, TrackSource.CAMERA])
        driver.outputs.clear()

        driver.do(driver.room.handle_offer("anna", sdp.replace(":abcd", ":efgh"), tracks)[1])

        assert [type(output) for output in driver.outputs] == [RestartIce]

    def test_reports_about_who_has_left_are_ignored(self) -> None:
        driver = RoomDriver()

        assert driver.room.handle_transport("ghost", TransportEvent.KEYS_READY, 0.0) == []
        assert driver.room.handle_quality(quality("ghost", 5), 0.0) == []
        assert driver.room.handle_speakers(["ghost"]) == []
        assert driver.room.handle_audio_slots(["ghost", None, None]) == []

    def test_impossible_transport_event_names_both(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")

        with pytest.raises(ValueError, match="keys_ready in transport state connected"):
            driver.transport("anna", TransportEvent.KEYS_READY)


class TestQuality:
    def test_changed_scores_are_told_together_and_unchanged_ones_not(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.wait(QUALITY_INTERVAL_S)
        driver.outputs.clear()

        for _ in range(3):
            driver.room.handle_quality(quality("anna", 5), driver.now)
            driver.room.handle_quality(quality("babis", 1, loss_in_percent=20.0), driver.now)
            driver.wait(QUALITY_INTERVAL_S)

        (event,) = driver.take(messages.QualityChanged)
        assert [(q.participant, q.score) for q in event.participants] == [("anna", 5), ("babis", 1)]
        assert event.participants[1].loss_in_percent == 20.0
        assert driver.room.state().quality == event.participants

    def test_what_is_not_known_yet_is_not_told_to_who_asks(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.room.handle_quality(quality("anna", 5), driver.now)
        assert driver.room.state().quality == []

        driver.wait(QUALITY_INTERVAL_S)

        assert [each.participant for each in driver.room.state().quality] == ["anna"]

    def test_lost_transport_scores_zero(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.transport("anna", TransportEvent.ICE_LOST)

        driver.wait(QUALITY_INTERVAL_S)

        assert driver.take(messages.QualityChanged)[-1].participants[0].score == 0

    def test_regained_transport_has_the_score_it_had(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.room.handle_quality(quality("anna", 4, round_trip_ms=200), driver.now)
        driver.wait(QUALITY_INTERVAL_S)
        driver.transport("anna", TransportEvent.ICE_LOST)
        driver.wait(QUALITY_INTERVAL_S)
        driver.transport("anna", TransportEvent.ICE_CONNECTED)
        driver.wait(QUALITY_INTERVAL_S)

        told = [event.participants[0] for event in driver.take(messages.QualityChanged)]
        assert [(each.score, each.round_trip_ms) for each in told] == [(4, 200), (0, 200), (4, 200)]
