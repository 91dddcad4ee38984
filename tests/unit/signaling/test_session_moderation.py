"""Chat, hands, moderation and leaving, as a session answers them."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.values import Role
from signaling.errors import CloseCode, ErrorCode
from tests.support.session_steps import code_of, resume
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM, World


def test_chat_reaches_everybody_with_the_senders_identity() -> None:
    world = World()
    anna, vasilis = world.joined(), world.joined()
    anna.sent.clear()

    replies = anna.send(type="chat", id=5, text="Καλημέρα <b>")

    line = {
        "type": "chat_message",
        "participant": anna.participant,
        "text": "Καλημέρα <b>",
        "sent_at": "2027-01-15T08:16:40.000Z",
    }
    assert vasilis.sent == [line]
    assert replies == [line, {"type": "done", "id": 5}]


def test_chat_does_not_exist_in_kep_rooms() -> None:
    world = World()
    for role in (Role.EMPLOYEE, Role.CITIZEN):
        socket = world.joined(room=KEP_ROOM.room, role=role)
        assert code_of(socket.send(type="chat", id=1, text="x")) == ErrorCode.NOT_ALLOWED


def test_chat_is_limited_and_refuses_control_characters() -> None:
    socket = World().joined()

    assert code_of(socket.send(type="chat", id=1, text="a\u0000")) == ErrorCode.BAD_MESSAGE
    last = [socket.send(type="chat", id=n, text="x")[-1] for n in range(11)][-1]
    assert last["code"] == ErrorCode.RATE_LIMITED


def test_hand_of_another_may_be_lowered_by_a_moderator_only() -> None:
    world = World()
    chair, member = world.joined(role=Role.CHAIR), world.joined()
    member.send(type="hand", id=1, raised=True)
    raised = world.table.participant(COUNCIL_ROOM.room, member.participant)
    assert raised is not None and raised.hand_raised_order == 1

    lower = {"type": "hand", "raised": False, "participant": chair.participant}
    assert code_of(member.send(id=2, **lower)) == ErrorCode.NOT_ALLOWED
    raise_other = {"type": "hand", "raised": True, "participant": member.participant}
    assert code_of(chair.send(id=2, **raise_other)) == ErrorCode.NOT_ALLOWED
    assert chair.send(type="hand", id=3, raised=False, participant=member.participant)[-1] == {
        "type": "done", "id": 3,
    }  # fmt: skip
    lowered = world.table.participant(COUNCIL_ROOM.room, member.participant)
    assert lowered is not None and lowered.hand_raised_order is None


MODERATION: list[dict[str, Any]] = [
    {"type": "allow", "participant": "p1", "source": "microphone", "allowed": False},
    {"type": "kick", "participant": "p1"},
    {"type": "close_room"},
    {"type": "hand", "participant": "p1", "raised": False},
]


@pytest.mark.parametrize("message", MODERATION, ids=lambda message: str(message["type"]))
def test_moderation_needs_the_grant(message: dict[str, Any]) -> None:
    world = World()
    other = world.joined()
    message = {**message}
    if "participant" in message:
        message["participant"] = other.participant
    member = world.joined()
    done_before = len(world.workers[COUNCIL_ROOM.room_class].requests)

    assert code_of(member.send(id=1, **message)) == ErrorCode.NOT_ALLOWED
    assert len(world.workers[COUNCIL_ROOM.room_class].requests) == done_before


def test_floor_is_given_and_taken_and_its_owner_is_told() -> None:
    world = World()
    chair, guest = world.joined(role=Role.CHAIR), world.joined(role=Role.GUEST)
    give = {"type": "allow", "participant": guest.participant, "source": "microphone"}
    assert guest.joined["grants"]["microphone"] is False

    chair.send(id=1, allowed=True, **give)

    assert guest.sent[-1]["type"] == "grants_changed"
    assert guest.sent[-1]["grants"]["microphone"] is True
    assert guest.sent[-1]["grants"]["camera"] is False


def test_citizen_can_never_be_allowed_a_screen() -> None:
    world = World()
    employee = world.joined(room=KEP_ROOM.room, role=Role.EMPLOYEE)
    citizen = world.joined(room=KEP_ROOM.room, role=Role.CITIZEN)
    request = {"type": "allow", "participant": citizen.participant, "source": "screen"}

    assert code_of(employee.send(id=1, allowed=True, **request)) == ErrorCode.NOT_ALLOWED


def test_unknown_participant_is_named_as_such() -> None:
    chair = World().joined(role=Role.CHAIR)

    for message in MODERATION:
        if "participant" in message:
            replies = chair.send(id=1, **{**message, "participant": "nobody"})
            assert code_of(replies) == ErrorCode.UNKNOWN_PARTICIPANT


def test_kicked_participant_is_told_why_and_cannot_come_back_with_an_older_token() -> None:
    world = World()
    chair = world.joined(role=Role.CHAIR)
    noisy = world.joined(subject="noisy")
    second_token = world.token(subject="noisy")

    chair.send(type="kick", id=1, participant=noisy.participant, reason="φωνές")

    assert noisy.sent[-1] == {"type": "kicked", "reason": "φωνές"}
    assert noisy.closed is not None and noisy.closed.code is CloseCode.KICKED
    assert chair.sent[-2]["reason"] == "kicked"
    refused = world.socket().send(type="join", id=1, token=second_token)
    assert code_of(refused) == ErrorCode.NOT_ALLOWED


def test_moderator_cannot_remove_oneself() -> None:
    chair = World().joined(role=Role.CHAIR)

    replies = chair.send(type="kick", id=1, participant=chair.participant)

    assert code_of(replies) == ErrorCode.NOT_ALLOWED


def test_closing_the_room_tells_everybody_and_answers_who_asked() -> None:
    world = World()
    chair, member = world.joined(role=Role.CHAIR), world.joined()
    chair.sent.clear()

    chair.send(type="close_room", id=7, reason="τέλος")

    assert member.sent[-1] == {"type": "room_closed", "reason": "τέλος"}
    assert member.closed is not None and member.closed.code is CloseCode.ROOM_CLOSED
    own = [each for each in chair.sent if each["type"] != "participant_left"]
    assert own == [{"type": "done", "id": 7}, {"type": "room_closed", "reason": "τέλος"}]


def test_leaving_is_answered_then_closed_and_cannot_be_resumed() -> None:
    world = World()
    stays, leaves = world.joined(), world.joined()

    leaves.send(type="leave", id=3)

    assert leaves.sent == [{"type": "done", "id": 3}]
    assert leaves.closed is not None and leaves.closed.code is CloseCode.NORMAL
    assert stays.sent[-1]["reason"] == "left"
    assert code_of(resume(world, leaves)[1]) == ErrorCode.RESUME_REFUSED


def test_same_person_joining_again_replaces_the_first() -> None:
    world = World()
    first = world.joined(subject="anna")

    world.joined(subject="anna")

    assert first.sent[-1]["code"] == ErrorCode.REPLACED
    assert first.closed is not None and first.closed.code is CloseCode.REPLACED
