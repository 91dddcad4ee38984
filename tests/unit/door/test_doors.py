"""Sockets at the door and moderators in the room, joined in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.values import Role
from signaling.door.door_session import DOOR_TRANSITIONS, DoorState
from signaling.door.values import Outcome
from signaling.errors import CloseCode, ErrorCode
from tests.support.door_parts import ROOM, DoorWorld
from tests.support.signaling_parts import Socket


def queue(socket: Socket) -> list[dict[str, Any]]:
    """Return the waiting room as the moderator was told last."""
    told = [each["knocks"] for each in socket.sent if each["type"] == "waiting_room"]
    knocks: list[dict[str, Any]] = told[-1]
    return knocks


def admit(chair: Socket, knock: str | None = None) -> dict[str, Any]:
    return chair.send(type="admit", id=7, **({} if knock is None else {"knock": knock}))[-1]


def test_who_waits_hears_of_the_own_place_only() -> None:
    world = DoorWorld()
    world.chair()
    anna = world.knocked("anna")

    assert anna.sent_types() == ["knocked", "waiting"]
    assert set(anna.sent[0]) == {"type", "id", "ticket", "ping_interval_s"}
    assert set(anna.sent[1]) == {"type", "state", "position", "opens_at"}
    assert anna.sent[1]["state"] == "waiting"


def test_the_chair_sees_who_knocks_and_lets_them_in() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna", name="Άννα")
    (knock,) = queue(chair)
    assert knock["display_name"] == "Άννα" and knock["is_known"] is True

    assert admit(chair, knock["knock"])["type"] == "done"

    assert anna.last["type"] == "admitted"
    assert anna.closed is not None and anna.closed.code is CloseCode.NORMAL
    assert world.journal.admitted == [("anna", "chair")]
    assert queue(chair) == []
    inside = world.entered(anna)
    assert inside.joined["role"] == "member"


def test_a_moderator_who_enters_later_is_shown_who_waits() -> None:
    world = DoorWorld()
    world.knocked("anna")
    chair = world.chair()
    assert [each["display_name"] for each in queue(chair)] == ["Anna"]


def test_members_are_told_nothing_of_the_waiting_room_and_may_admit_nobody() -> None:
    world = DoorWorld()
    chair = world.chair()
    world.knocked("anna")
    anna = world.knocked("anna")
    admit(chair)
    member = world.entered(anna)
    world.knocked("babis")

    assert "waiting_room" not in member.sent_types()
    for message in (
        {"type": "admit"},
        {"type": "refuse", "knock": "x"},
        {"type": "move_back", "participant": member.participant},
    ):
        assert member.send(id=1, **message)[0]["code"] == ErrorCode.NOT_ALLOWED


def test_one_admission_gives_one_token_and_a_token_enters_once() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    admit(chair)
    assert admit(chair)["type"] == "done"
    world.entered(anna)

    replay = world.socket().send(type="join", id=1, token=anna.token)
    assert replay[0]["code"] == ErrorCode.TOKEN_USED
    assert anna.sent_types().count("admitted") == 1


def test_the_token_lives_a_minute() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    admit(chair)
    world.clock.advance(66)
    late = world.socket().send(type="join", id=1, token=anna.token)
    assert late[0]["code"] == ErrorCode.TOKEN_EXPIRED


def test_a_ticket_is_good_once_and_in_its_own_browser_only() -> None:
    world = DoorWorld()
    anna = world.caller("anna")
    ticket = world.doors.give_ticket(anna)
    stolen = world.door("cookie-of-eve").send(type="knock", id=1, ticket=ticket)
    assert stolen[0]["code"] == ErrorCode.BAD_TICKET
    burnt = world.door(anna.holder).send(type="knock", id=1, ticket=ticket)
    assert burnt[0]["code"] == ErrorCode.BAD_TICKET

    old = world.doors.give_ticket(anna)
    world.clock.advance(60)
    expired = world.door(anna.holder).send(type="knock", id=1, ticket=old)
    assert expired[0]["code"] == ErrorCode.BAD_TICKET


def test_a_cookie_without_a_ticket_opens_nothing() -> None:
    socket = DoorWorld().door("cookie-of-anna")
    assert socket.send(type="ping", id=1)[0]["code"] == ErrorCode.NOT_JOINED
    assert socket.send(type="knock", id=2, ticket="")[0]["code"] == ErrorCode.BAD_TICKET


def test_three_bad_tickets_close_the_socket() -> None:
    socket = DoorWorld().door("cookie")
    for number in range(3):
        socket.send(type="knock", id=number, ticket="guess")
    assert socket.closed is not None and socket.closed.code is CloseCode.NOT_ADMITTED


def test_a_lost_socket_finds_its_place_again_with_the_ticket_it_was_given() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna, _ = world.knocked("anna"), world.knocked("babis")
    anna.lose()
    assert [each["is_connected"] for each in queue(chair)] == [False, True]

    back = world.door("cookie-of-anna")
    back.send(type="knock", id=1, ticket=anna.return_ticket)
    assert back.last["position"] == 1
    assert [each["is_connected"] for each in queue(chair)] == [True, True]
    spent = world.door("cookie-of-anna").send(type="knock", id=1, ticket=anna.return_ticket)
    assert spent[0]["code"] == ErrorCode.BAD_TICKET


def test_the_ticket_to_come_back_with_is_worth_nothing_without_the_place() -> None:
    world = DoorWorld()
    world.chair()
    anna = world.knocked("anna")
    anna.lose()
    world.tick(31)
    late = world.door("cookie-of-anna").send(type="knock", id=1, ticket=anna.return_ticket)
    assert late[0]["code"] == ErrorCode.BAD_TICKET


def test_the_same_person_on_another_device_takes_the_place_over() -> None:
    world = DoorWorld()
    chair = world.chair()
    phone = world.knocked("anna")
    world.knocked("anna", holder="cookie-of-her-laptop")

    assert phone.last["code"] == ErrorCode.REPLACED
    assert phone.closed is not None and phone.closed.code is CloseCode.REPLACED
    phone.lose()
    assert [each["is_connected"] for each in queue(chair)] == [True]


def test_the_refused_hears_why_and_is_closed_and_cannot_knock_at_once() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    chair.send(type="refuse", id=1, knock=queue(chair)[0]["knock"], reason="Δεν είστε μέλος")

    assert anna.last == {
        "type": "dismissed", "outcome": "refused", "reason": "Δεν είστε μέλος", "retry_after_s": 60,
    }  # fmt: skip
    assert anna.closed is not None and anna.closed.code is CloseCode.REFUSED
    assert world.journal.refused == [("anna", "chair")]
    again = world.door("cookie-of-anna")
    ticket = world.doors.give_ticket(world.caller("anna"))
    assert again.send(type="knock", id=1, ticket=ticket)[0]["code"] == ErrorCode.KNOCK_LATER


def test_the_kicked_cannot_knock_for_a_while() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    admit(chair)
    inside = world.entered(anna)
    chair.send(type="kick", id=1, participant=inside.participant)

    again = world.door("cookie-of-anna")
    ticket = world.doors.give_ticket(world.caller("anna"))
    refused = again.send(type="knock", id=1, ticket=ticket)[0]
    assert (refused["code"], refused["retry_after_s"]) == (ErrorCode.KNOCK_LATER, 300)


def test_who_is_moved_back_is_out_at_once_and_waits_again() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    admit(chair)
    inside = world.entered(anna)
    chair.send(type="move_back", id=1, participant=inside.participant, reason="Διάλειμμα")

    assert inside.sent[-1] == {"type": "moved_back", "reason": "Διάλειμμα"}
    assert inside.closed is not None and inside.closed.code is CloseCode.MOVED_BACK
    room = world.workers[next(iter(world.workers))].rooms[ROOM]
    assert inside.participant not in room.participants
    assert [each["is_connected"] for each in queue(chair)] == [False]
    secret = inside.joined["secret"]
    resume = {"type": "resume", "room": ROOM, "participant": inside.participant, "secret": secret}
    assert world.socket().send(id=1, **resume)[0]["code"] == ErrorCode.RESUME_REFUSED
    waits = world.knocked("anna")
    assert waits.last["type"] == "waiting"
    assert world.journal.moved_back == [("anna", "chair")]


def test_a_token_from_before_the_move_back_is_worth_nothing() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    admit(chair)
    inside = world.entered(anna)
    second = world.knocked("anna")
    admit(chair)
    chair.send(type="move_back", id=1, participant=inside.participant)
    late = world.socket().send(type="join", id=1, token=second.token)
    assert late[0]["code"] == ErrorCode.NOT_ALLOWED


def test_who_moderates_cannot_be_moved_back() -> None:
    world = DoorWorld()
    chair = world.chair()
    secretary = world.entered(world.knocked("sec", role=Role.SECRETARY, at_once=True))
    reply = chair.send(type="move_back", id=1, participant=secretary.participant)
    assert reply[0]["code"] == ErrorCode.NOT_ALLOWED


def test_without_the_journal_nobody_is_admitted_but_everybody_can_be_refused() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    world.journal.is_away = True

    reply = admit(chair)
    assert (reply["code"], reply["retry_after_s"]) == (ErrorCode.ROOM_UNAVAILABLE, 5)
    assert anna.last["type"] == "waiting"
    chair.send(type="refuse", id=1, knock=queue(chair)[0]["knock"])
    assert anna.last["type"] == "dismissed"


def test_who_is_not_entitled_any_more_is_not_admitted() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna, babis = world.knocked("anna"), world.knocked("babis")
    world.journal.revoked.add("anna")

    assert admit(chair, queue(chair)[0]["knock"])["code"] == ErrorCode.NOT_ALLOWED
    admit(chair)
    assert anna.last["type"] == "waiting" and babis.last["type"] == "admitted"


def test_a_closed_door_sends_everybody_away() -> None:
    world = DoorWorld()
    anna = world.knocked("anna")
    world.doors.close(ROOM, Outcome.CANCELLED)
    assert anna.last["outcome"] == "cancelled"
    assert anna.closed is not None and anna.closed.code is CloseCode.ROOM_CLOSED


def test_a_door_that_closes_while_the_journal_writes_admits_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    write = world.journal.admit

    async def close_meanwhile(callers: Any, by: str) -> Any:
        world.doors.close(ROOM, Outcome.ENDED)
        return await write(callers, by)

    monkeypatch.setattr(world.journal, "admit", close_meanwhile)
    assert admit(chair)["code"] == ErrorCode.TOO_LATE
    assert anna.sent_types()[-1] == "dismissed" and "admitted" not in anna.sent_types()


def test_a_place_is_given_up_and_gone() -> None:
    world = DoorWorld()
    chair = world.chair()
    anna = world.knocked("anna")
    assert anna.send(type="leave", id=9)[-1]["type"] == "done"
    assert anna.closed is not None and anna.closed.code is CloseCode.NORMAL
    assert queue(chair) == []


@pytest.mark.parametrize(
    ("seconds", "code"), [(11.0, CloseCode.JOIN_TIMEOUT), (151.0, CloseCode.IDLE)]
)
def test_a_silent_socket_is_closed(seconds: float, code: CloseCode) -> None:
    world = DoorWorld()
    socket = world.door("cookie") if code is CloseCode.JOIN_TIMEOUT else world.knocked("anna")
    socket.tick(seconds)
    assert socket.closed is not None and socket.closed.code is code


def test_a_flood_is_cut_off() -> None:
    socket = DoorWorld().knocked("anna")
    for number in range(200):
        if socket.closed is None:
            socket.send(type="ping", id=number)
    assert socket.closed is not None and socket.closed.code is CloseCode.RATE_LIMITED


def test_a_closed_session_answers_nothing() -> None:
    world = DoorWorld()
    anna = world.knocked("anna")
    anna.lose()
    assert anna.send(type="ping", id=1) == []
    assert anna.session.handle_binary(world.clock()) == []
    assert anna.session.handle_shutdown(500, world.clock()) == []
    assert not any(state is DoorState.CLOSED for state, _ in DOOR_TRANSITIONS)
