"""The room's rules of who is in it, in virtual time."""

from __future__ import annotations

import pytest

from sfu import rpc_messages as messages
from sfu.errors import (
    BadRequest,
    NotAllowed,
    ResumeRefused,
    RoomFull,
    UnknownParticipant,
)
from sfu.participant import TransportEvent
from sfu.room import RESUME_WINDOW_S
from sfu.room_outputs import (
    AddTransport,
    JoinTimed,
    RemoveTransport,
    SetForwarding,
    SetMedia,
    SetSource,
)
from sfu.values import Grants, TransportState, VideoWish
from tests.support.rooms import RoomDriver, digest


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
