"""Kep rooms: who must encrypt, what others are told of it, and how keys are handed on."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.values import Role
from signaling.errors import ErrorCode
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM, Socket, World

KEP = KEP_ROOM.room


def kep_pair(world: World) -> tuple[Socket, Socket]:
    employee = world.joined(room=KEP, role=Role.EMPLOYEE)
    citizen = world.joined(room=KEP, role=Role.CITIZEN)
    employee.sent.clear()
    return employee, citizen


def keys(to: str, payload: str = "x") -> dict[str, Any]:
    return {"type": "keys", "id": 1, "participant": to, "payload": payload}


def join_kep(world: World, **fields: Any) -> tuple[Socket, list[dict[str, Any]]]:
    socket = world.socket()
    token = world.token(room=KEP, role=Role.CITIZEN)
    return socket, socket.send(type="join", id=1, token=token, **fields)


@pytest.mark.parametrize("fields", [{}, {"encryption": "off"}], ids=["unsaid", "off"])
def test_kep_room_refuses_a_browser_that_does_not_encrypt(fields: dict[str, Any]) -> None:
    world = World()

    socket, replies = join_kep(world, **fields)

    assert replies[0]["code"] == ErrorCode.ENCRYPTION_REQUIRED
    assert world.workers[KEP_ROOM.room_class].rooms[KEP].participants == {}
    assert not socket.is_closed


def test_refused_browser_may_use_its_token_in_one_that_encrypts() -> None:
    world = World()
    token = world.token(room=KEP, role=Role.CITIZEN)
    world.socket().send(type="join", id=1, token=token)

    replies = world.socket().send(type="join", id=1, token=token, encryption="on")

    assert replies[0]["type"] == "joined"


def test_joined_says_what_the_room_asks_and_what_each_browser_said() -> None:
    world = World()
    employee, citizen = kep_pair(world)

    assert employee.joined["encryption"] == citizen.joined["encryption"] == "required"
    assert [info["encryption"] for info in citizen.joined["participants"]] == ["on", "on"]


def test_operators_exception_admits_and_is_told_to_everybody() -> None:
    world = World(allows_unencrypted=True)
    employee = world.joined(room=KEP, role=Role.EMPLOYEE)

    _, replies = join_kep(world)

    assert replies[0]["encryption"] == "optional"
    assert [info["encryption"] for info in replies[0]["participants"]] == ["on", "off"]
    assert employee.sent[-1]["participant"]["encryption"] == "off"


def test_council_rooms_are_not_encrypted_whatever_a_browser_says() -> None:
    socket = World().joined()

    assert socket.joined["encryption"] == "off"
    assert socket.joined["participants"][0]["encryption"] == "off"


def test_keys_are_handed_to_the_one_they_are_for_as_they_are() -> None:
    world = World()
    employee, citizen = kep_pair(world)
    interpreter = world.joined(room=KEP, role=Role.INTERPRETER)
    for socket in (employee, citizen):
        socket.sent.clear()

    replies = employee.send(**keys(citizen.participant, '{"t":"ασδ"}'))

    assert replies == [{"type": "done", "id": 1}]
    told = {"type": "peer_keys", "participant": employee.participant, "payload": '{"t":"ασδ"}'}
    assert citizen.sent == [told]
    assert interpreter.sent == []


def test_sender_of_keys_cannot_be_claimed() -> None:
    world = World()
    employee, citizen = kep_pair(world)

    replies = employee.send(**keys(citizen.participant), sender=citizen.participant)

    assert replies[0]["code"] == ErrorCode.BAD_MESSAGE
    assert citizen.sent == []


@pytest.mark.parametrize("length", [0, 1025])
def test_keys_are_bounded(length: int) -> None:
    employee, citizen = kep_pair(World())

    replies = employee.send(**keys(citizen.participant, "x" * length))

    assert replies[0]["code"] == ErrorCode.BAD_MESSAGE


def test_keys_go_neither_to_oneself_nor_to_strangers_nor_to_another_room() -> None:
    world = World()
    employee, _ = kep_pair(world)
    member = world.joined()

    for to, code in (
        (employee.participant, ErrorCode.NOT_ALLOWED),
        ("nobody", ErrorCode.UNKNOWN_PARTICIPANT),
        (member.participant, ErrorCode.UNKNOWN_PARTICIPANT),
    ):
        assert employee.send(**keys(to))[0]["code"] == code
    assert member.sent == []


def test_council_rooms_relay_no_keys() -> None:
    world = World()
    one, other = world.joined(room=COUNCIL_ROOM.room), world.joined(room=COUNCIL_ROOM.room)

    assert one.send(**keys(other.participant))[0]["code"] == ErrorCode.NOT_ALLOWED
    assert other.sent == []


def test_keys_are_limited_by_sender() -> None:
    world = World()
    employee, citizen = kep_pair(world)
    answers = []

    for count in range(45):
        if count % 40 == 39:
            world.clock.advance(0.2)  # the limit of all messages is another one
        answers.append(employee.send(**keys(citizen.participant))[0])

    refused = [answer for answer in answers if answer["type"] == "error"]
    assert {answer["code"] for answer in refused} == {ErrorCode.RATE_LIMITED}
    assert 3 <= len(refused) <= 5
    assert len(citizen.sent) == 45 - len(refused)
    assert citizen.send(**keys(employee.participant))[0]["type"] == "done"


def test_keys_for_a_participant_without_a_socket_are_not_kept() -> None:
    world = World()
    employee, citizen = kep_pair(world)
    citizen.lose()

    assert employee.send(**keys(citizen.participant))[-1]["type"] == "done"

    again = world.socket()
    resume = {key: citizen.joined[key] for key in ("room", "participant", "secret")}
    again.send(type="resume", id=1, **resume)
    assert "peer_keys" not in again.sent_types()
    assert again.sent[0]["participants"][1]["encryption"] == "on"
