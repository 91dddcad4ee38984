"""The room's rules, in virtual time."""

from __future__ import annotations

import pytest

from sfu import rpc_messages as messages
from sfu.errors import (
    BadLayout,
    BadRequest,
    BadSdp,
    NotAllowed,
    ResumeRefused,
    RoomFull,
    UnknownParticipant,
)
from sfu.participant import TransportEvent
from sfu.room import QUALITY_INTERVAL_S, RESUME_WINDOW_S
from sfu.room_outputs import (
    AddTransport,
    JoinTimed,
    RemoveTransport,
    RestartIce,
    SetForwarding,
    SetMedia,
    SetSource,
)
from sfu.values import Grants, Kind, StreamSource, TrackSource, TransportState, VideoWish
from tests.support.rooms import RoomDriver, digest, offer_of

SPEAKER = VideoWish(mid="v0", speaker=True)


def resume(
    driver: RoomDriver, participant: str, secret: str, next_secret: str = "next"
) -> list[object]:
    request = messages.Resume(
        room="plenary",
        participant=participant,
        secret_digest=digest(secret),
        next_secret_digest=digest(next_secret),
    )
    return list(driver.do(driver.room.handle_resume(request, driver.now)))


class TestJoining:
    def test_join_tells_everybody_and_admits_with_the_whole_state(self) -> None:
        driver = RoomDriver()

        driver.join("anna")

        (joined,) = driver.take(messages.ParticipantJoined)
        assert joined.participant.participant == "anna"
        admission = driver.room.admission("anna")
        assert admission.state.participants == [joined.participant]
        assert admission.transport is TransportState.NEW

    def test_first_offer_adds_transport_media_and_grants_in_that_order(self) -> None:
        driver = RoomDriver()
        driver.join("anna", grants=Grants(camera=False))
        driver.outputs.clear()

        driver.offer("anna")

        kinds = [type(output) for output in driver.outputs]
        assert kinds[:4] == [AddTransport, SetMedia, SetForwarding, SetForwarding]
        assert driver.allowed == {("anna", "m"): True, ("anna", "c"): False}
        (updated,) = driver.take(messages.ParticipantUpdated)
        assert [(t.source, t.is_blocked) for t in updated.participant.tracks] == [
            ("microphone", False),
            ("camera", True),
        ]

    def test_full_room_refuses_with_a_time_to_retry(self) -> None:
        driver = RoomDriver(capacity=2)
        driver.enter("anna", "babis")

        with pytest.raises(RoomFull) as caught:
            driver.join("kostas")

        assert caught.value.capacity == 2
        assert caught.value.retry_after_seconds

    def test_same_subject_is_replaced_even_in_a_full_room(self) -> None:
        driver = RoomDriver(capacity=2)
        driver.enter("anna", "babis")

        driver.join("anna-again", subject="subject-anna")

        (left,) = driver.take(messages.ParticipantLeft)
        assert (left.participant, left.reason) == ("anna", "replaced")
        assert "anna" not in driver.transports

    def test_id_of_another_subject_is_refused(self) -> None:
        driver = RoomDriver()
        driver.join("anna")

        with pytest.raises(BadRequest):
            driver.join("anna", subject="somebody-else")

    def test_join_time_is_measured_once(self) -> None:
        driver = RoomDriver()
        driver.join("anna")
        driver.offer("anna")
        driver.wait(0.2)
        driver.connect("anna")
        driver.transport("anna", TransportEvent.ICE_LOST)
        driver.transport("anna", TransportEvent.ICE_CONNECTED)

        assert [timed.seconds for timed in driver.take(JoinTimed)] == [pytest.approx(0.2)]


class TestResuming:
    def test_participant_is_kept_for_the_window_and_no_longer(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.do(driver.room.handle_detach("anna", driver.now))
        driver.outputs.clear()

        driver.wait(RESUME_WINDOW_S - 0.01)
        assert driver.take(messages.ParticipantLeft) == []

        driver.wait(0.01)
        (left,) = driver.take(messages.ParticipantLeft)
        assert (left.participant, left.reason) == ("anna", "lost")
        assert driver.take(RemoveTransport) == [RemoveTransport("anna")]

    def test_resume_keeps_hand_media_and_layout(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.do(driver.room.handle_hand("anna", True))
        before = driver.room.admission("anna").sources
        driver.do(driver.room.handle_detach("anna", driver.now))
        driver.wait(RESUME_WINDOW_S - 1)
        driver.outputs.clear()

        resume(driver, "anna", "anna")
        driver.wait(2 * RESUME_WINDOW_S)

        admission = driver.room.admission("anna")
        assert admission.sources == before
        assert admission.state.participants[0].hand_raised_order == 1
        assert driver.take(SetSource) == []

    def test_detached_participant_is_shown_as_such(self) -> None:
        driver = RoomDriver()
        driver.join("anna")

        driver.do(driver.room.handle_detach("anna", driver.now))
        resume(driver, "anna", "anna")

        shown = [
            event.participant.is_connected for event in driver.take(messages.ParticipantUpdated)
        ]
        assert shown == [False, True]

    def test_each_secret_serves_once(self) -> None:
        driver = RoomDriver()
        driver.join("anna")

        resume(driver, "anna", "anna", "second")
        with pytest.raises(ResumeRefused):
            resume(driver, "anna", "anna")
        resume(driver, "anna", "second")

    @pytest.mark.parametrize("participant", ["anna", "nobody"])
    def test_wrong_secret_and_unknown_participant_are_refused_alike(self, participant: str) -> None:
        driver = RoomDriver()
        driver.join("anna")

        with pytest.raises(ResumeRefused):
            resume(driver, participant, "guess")

    def test_resume_after_the_window_is_refused_even_before_the_timer_ran(self) -> None:
        driver = RoomDriver()
        driver.join("anna")
        driver.do(driver.room.handle_detach("anna", driver.now))
        driver.now += RESUME_WINDOW_S

        with pytest.raises(ResumeRefused):
            resume(driver, "anna", "anna")


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
        assert driver.room.handle_quality("ghost", 1.0, 0.0, 0.0, 0.0) == []
        assert driver.room.handle_speakers(["ghost"]) == []
        assert driver.room.handle_audio_slots(["ghost", None, None]) == []

    def test_impossible_transport_event_names_both(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")

        with pytest.raises(ValueError, match="keys_ready in transport state connected"):
            driver.transport("anna", TransportEvent.KEYS_READY)


class TestLayouts:
    @pytest.mark.parametrize(
        "wish",
        [
            pytest.param(VideoWish(mid="v9"), id="no such m-line"),
            pytest.param(VideoWish(mid="a0"), id="audio m-line"),
            pytest.param(VideoWish(mid="c"), id="sending m-line"),
            pytest.param(VideoWish(mid="v0", source=TrackSource.MICROPHONE), id="sound"),
            pytest.param(VideoWish(mid="v0", participant="babis", speaker=True), id="both"),
        ],
    )
    def test_wish_that_cannot_be_meant_is_refused(self, wish: VideoWish) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        with pytest.raises(BadLayout) as caught:
            driver.layout("anna", VideoWish(mid="v1", participant="babis"), wish)

        assert caught.value.mid == wish.mid
        assert driver.shown("anna", "v1") is None

    def test_m_line_named_twice_is_refused(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")

        with pytest.raises(BadLayout, match="twice"):
            driver.layout("anna", VideoWish(mid="v0"), VideoWish(mid="v0"))

    def test_m_lines_not_named_are_cleared_and_unchanged_ones_left_alone(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", *[VideoWish(mid=mid, participant="babis") for mid in ("v0", "v1")])
        driver.outputs.clear()

        driver.layout("anna", VideoWish(mid="v1", participant="babis"))

        assert driver.take(SetSource) == [SetSource("anna", "v0", None, None, 0)]

    def test_height_goes_to_the_engine_and_zero_still_names_the_source(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.layout("anna", VideoWish(mid="v0", participant="babis", max_height=0))

        assert driver.engine["anna", "v0"] == SetSource("anna", "v0", "babis", "c", 0)
        assert driver.told["anna"][3].participant == "babis"

    def test_wish_for_who_comes_later_is_kept(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))

        driver.enter("babis")

        assert driver.shown("anna", "v0") == "babis"

    def test_source_is_cleared_before_its_publisher_goes(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.outputs.clear()

        driver.do(driver.room.handle_leave("babis", "left"))

        commands = [o for o in driver.outputs if isinstance(o, SetSource | RemoveTransport)]
        assert commands == [SetSource("anna", "v0", None, None, 0), RemoveTransport("babis")]


class TestSpeaker:
    def test_m_line_follows_the_speaker_but_never_shows_the_viewer(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        for viewer in ["anna", "babis", "kostas"]:
            driver.layout(viewer, SPEAKER)

        driver.do(driver.room.handle_speakers(["babis"]))
        driver.do(driver.room.handle_speakers(["kostas"]))

        assert {viewer: driver.shown(viewer, "v0") for viewer in ["anna", "babis", "kostas"]} == {
            "anna": "kostas",
            "babis": "kostas",
            "kostas": "babis",
        }

    def test_who_joins_while_somebody_speaks_is_told_who(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.do(driver.room.handle_speakers(["anna"]))
        driver.take(messages.SpeakersChanged)

        driver.enter("babis")

        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [["anna"]]

    def test_speaker_stays_while_speaking_and_when_all_fall_silent(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)

        for speaking in [["kostas"], ["babis", "kostas"], ["kostas", "babis"], []]:
            driver.do(driver.room.handle_speakers(speaking))
            assert driver.shown("anna", "v0") == "kostas"

        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [
            ["kostas"],
            ["babis", "kostas"],
            ["kostas", "babis"],
            [],
        ]

    def test_before_anybody_spoke_the_longest_live_other_is_shown(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")

        driver.layout("anna", SPEAKER)
        driver.layout("babis", SPEAKER)

        assert driver.shown("anna", "v0") == "babis"
        assert driver.shown("babis", "v0") == "anna"

    def test_speaker_without_live_video_is_passed_over(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)
        driver.do(driver.room.handle_speakers(["kostas"]))

        driver.do(driver.room.handle_mute("kostas", TrackSource.CAMERA, True))

        assert driver.shown("anna", "v0") == "babis"

    def test_speaker_may_be_shown_on_another_m_line_as_well(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.layout("anna", SPEAKER, VideoWish(mid="v1", participant="babis"))

        assert driver.shown("anna", "v0") == driver.shown("anna", "v1") == "babis"

    def test_leaving_speaker_is_told_and_followed_no_more(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)
        driver.do(driver.room.handle_speakers(["kostas", "babis"]))
        driver.outputs.clear()

        driver.do(driver.room.handle_leave("kostas", "left"))

        assert driver.shown("anna", "v0") == "babis"
        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [["babis"]]


class TestAudio:
    def test_slots_are_told_to_each_without_oneself(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.do(driver.room.handle_audio_slots(["anna", "babis", None]))

        heard = {
            viewer: [s.participant for s in driver.told[viewer] if s.kind is Kind.AUDIO]
            for viewer in ["anna", "babis"]
        }
        assert heard == {"anna": [None, "babis", None], "babis": ["anna", None, None]}
        assert driver.told["anna"][1] == StreamSource(
            mid="a1", kind=Kind.AUDIO, participant="babis", source=TrackSource.MICROPHONE
        )

    def test_who_leaves_leaves_the_slots(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.do(driver.room.handle_audio_slots(["babis", None, None]))

        driver.do(driver.room.handle_leave("babis", "left"))

        assert driver.told["anna"][0].participant is None


class TestHands:
    def ranks(self, driver: RoomDriver) -> dict[str, int | None]:
        state = driver.room.state()
        return {info.participant: info.hand_raised_order for info in state.participants}

    def test_hands_rank_in_the_order_they_went_up(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        for participant in ["kostas", "anna", "kostas"]:
            driver.do(driver.room.handle_hand(participant, True))

        assert self.ranks(driver) == {"anna": 2, "babis": None, "kostas": 1}

    def test_lowering_moves_those_behind_and_tells_them_only(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        for participant in ["anna", "babis", "kostas"]:
            driver.do(driver.room.handle_hand(participant, True))
        driver.outputs.clear()

        driver.do(driver.room.handle_hand("babis", False))

        assert self.ranks(driver) == {"anna": 1, "babis": None, "kostas": 2}
        updated = [e.participant.participant for e in driver.take(messages.ParticipantUpdated)]
        assert updated == ["babis", "kostas"]

    def test_hand_needs_its_grant_and_falls_with_it(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.do(driver.room.handle_hand("anna", True))

        driver.do(driver.room.handle_grants("anna", Grants(hand=False)))

        assert self.ranks(driver) == {"anna": None}
        with pytest.raises(NotAllowed):
            driver.room.handle_hand("anna", True)

    def test_leaving_lowers_the_hand(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.do(driver.room.handle_hand("anna", True))
        driver.do(driver.room.handle_hand("babis", True))

        driver.do(driver.room.handle_leave("anna", "left"))

        assert self.ranks(driver) == {"babis": 1}


class TestQuality:
    def test_changed_scores_are_told_together_and_unchanged_ones_not(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.wait(QUALITY_INTERVAL_S)
        driver.outputs.clear()

        for _ in range(3):
            driver.room.handle_quality("anna", 30.0, 0.0, 0.0, driver.now)
            driver.room.handle_quality("babis", 900.0, 0.2, 0.0, driver.now)
            driver.wait(QUALITY_INTERVAL_S)

        (event,) = driver.take(messages.QualityChanged)
        assert [(q.participant, q.score) for q in event.participants] == [("anna", 5), ("babis", 1)]
        assert event.participants[1].loss_in_percent == 20.0

    def test_lost_transport_scores_zero(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.transport("anna", TransportEvent.ICE_LOST)

        driver.wait(QUALITY_INTERVAL_S)

        assert driver.take(messages.QualityChanged)[-1].participants[0].score == 0


class TestClosing:
    def test_close_removes_every_transport_and_says_so_once(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.outputs.clear()

        driver.do(driver.room.handle_close("over"))

        assert driver.transports == set()
        assert driver.outputs[-1] == messages.RoomClosed(room="plenary", reason="over")
        assert len(driver.room) == 0

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda room: room.handle_leave("ghost", "left"), id="leave"),
            pytest.param(lambda room: room.handle_detach("ghost", 0.0), id="detach"),
            pytest.param(lambda room: room.handle_layout("ghost", []), id="layout"),
            pytest.param(lambda room: room.handle_hand("ghost", True), id="hand"),
            pytest.param(lambda room: room.handle_grants("ghost", Grants()), id="grants"),
            pytest.param(lambda room: room.handle_offer("ghost", "", {}), id="offer"),
        ],
    )
    def test_unknown_participant_is_an_error_for_people(self, call) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(UnknownParticipant):
            call(RoomDriver().room)
