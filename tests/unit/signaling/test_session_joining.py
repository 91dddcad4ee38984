"""Who a session admits and what it tells them, in virtual time against a worker with real room semantics."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from sfu import rpc_messages as rpc
from sfu.errors import RoomFull, WorkerUnavailable
from sfu.values import ConnectionQuality, Role, RoomClass
from signaling.errors import CloseCode, ErrorCode, request_error_of
from signaling.limits import SessionLimits
from tests.support.session_steps import code_of
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM, SDP, World

BEFORE_JOIN = [
    {"type": "offer", "sdp": SDP},
    {"type": "layout", "video": []},
    {"type": "mute", "source": "camera", "muted": True},
    {"type": "hand", "raised": True},
    {"type": "chat", "text": "x"},
    {"type": "allow", "participant": "p", "source": "camera", "allowed": True},
    {"type": "kick", "participant": "p"},
    {"type": "close_room"},
    {"type": "leave"},
    {"type": "ping"},
]


def test_join_tells_identity_grants_and_who_is_there() -> None:
    world = World()
    anna = world.joined(name="Άννα", role=Role.CHAIR)

    vasilis = world.joined(name="Βασίλης")

    assert vasilis.joined["room"] == COUNCIL_ROOM.room
    assert vasilis.joined["resumed"] is False
    assert vasilis.joined["grants"]["moderate"] is False
    names = [info["display_name"] for info in vasilis.joined["participants"]]
    assert names == ["Άννα", "Βασίλης"]
    assert anna.sent[0]["participant"]["display_name"] == "Βασίλης"
    assert vasilis.sent == []


def test_who_joins_is_told_how_connections_do_that_change_no_more() -> None:
    world = World()
    anna = world.joined(name="Άννα")
    quality = ConnectionQuality(participant=anna.joined["participant"], score=4, round_trip_ms=38)
    world.workers[RoomClass.COUNCIL].tell_quality(COUNCIL_ROOM.room, quality)

    sent = world.socket().send(type="join", id=0, token=world.token(name="Βασίλης"))

    assert [message["type"] for message in sent] == ["joined", "quality"]
    assert sent[1]["participants"] == [msgspec.to_builtins(quality)]


def test_adopted_room_tells_how_connections_do_that_change_no_more() -> None:
    world = World()
    anna = world.joined(name="Άννα")
    worker = world.workers[RoomClass.COUNCIL]
    quality = ConnectionQuality(participant=anna.joined["participant"], score=4, round_trip_ms=38)
    worker.publish = lambda event: None  # nobody listens: the control plane is being restarted
    worker.tell_quality(COUNCIL_ROOM.room, quality)
    states = asyncio.run(worker.handle(rpc.ListRooms()))

    for _ in range(2):  # the second time it is known
        world.table.reconcile("council", states)

    (told,) = [message for message in anna.sent if message["type"] == "quality"]
    assert told["participants"] == [msgspec.to_builtins(quality)]
    assert list(world.table.rooms[COUNCIL_ROOM.room].quality.values()) == [quality]


@pytest.mark.parametrize("message", BEFORE_JOIN, ids=lambda message: str(message["type"]))
def test_everything_but_join_and_resume_is_refused_before(message: dict[str, Any]) -> None:
    assert code_of(World().socket().send(id=1, **message)) == ErrorCode.NOT_JOINED


def test_second_join_is_refused() -> None:
    world = World()
    socket = world.joined()

    replies = socket.send(type="join", id=1, token=world.token())

    assert code_of(replies) == ErrorCode.ALREADY_JOINED
    assert not socket.is_closed


def test_other_protocol_version_is_refused() -> None:
    world = World()

    replies = world.socket().send(type="join", id=1, token=world.token(), protocol=2)

    assert code_of(replies) == ErrorCode.UNSUPPORTED_PROTOCOL


def test_token_admits_once() -> None:
    world = World()
    token = world.token()
    world.socket().send(type="join", id=1, token=token)

    assert code_of(world.socket().send(type="join", id=1, token=token)) == ErrorCode.TOKEN_USED


def test_token_of_unknown_room_is_refused() -> None:
    world = World()

    replies = world.socket().send(type="join", id=1, token=world.token(room="elsewhere"))

    assert code_of(replies) == ErrorCode.WRONG_ROOM


def test_role_that_the_class_does_not_know_is_refused() -> None:
    world = World()
    token = world.token(room=KEP_ROOM.room, role=Role.CHAIR)

    assert code_of(world.socket().send(type="join", id=1, token=token)) == ErrorCode.NOT_ALLOWED


def test_expired_token_is_refused() -> None:
    world = World()
    token = world.token()
    world.clock.advance(400)

    assert code_of(world.socket().send(type="join", id=1, token=token)) == ErrorCode.TOKEN_EXPIRED


def test_third_refused_join_closes_the_socket() -> None:
    socket = World().socket()

    for request_id in range(3):
        assert code_of(socket.send(type="join", id=request_id, token="x")) == ErrorCode.BAD_TOKEN

    assert socket.closed is not None and socket.closed.code is CloseCode.NOT_ADMITTED


def test_token_may_be_used_again_when_the_worker_was_not_there() -> None:
    world = World()
    socket, token = world.socket(), world.token()
    socket.holds_calls = True
    socket.send(type="join", id=1, token=token)
    unavailable = request_error_of(WorkerUnavailable(detail="restarting", retry_after_s=2))
    socket.apply(socket.session.handle_call_result(unavailable, world.clock()))
    socket.holds_calls = False

    replies = socket.send(type="join", id=2, token=token)

    error = socket.sent[0]
    assert (error["code"], error["retry_after_s"]) == (ErrorCode.ROOM_UNAVAILABLE, 2)
    assert replies[0]["type"] == "joined"


def test_join_that_is_admitted_after_we_gave_up_leaves_nobody_behind() -> None:
    world = World()
    socket = world.socket()
    socket.holds_calls = True
    socket.send(type="join", id=1, token=world.token())
    (join,) = socket.held

    socket._call(join)  # by the worker, too late
    late = request_error_of(WorkerUnavailable(detail="no answer in time"))
    socket.apply(socket.session.handle_call_result(late, world.clock()))

    assert world.workers[COUNCIL_ROOM.room_class].rooms[COUNCIL_ROOM.room].participants == {}


def test_resume_that_is_done_after_we_gave_up_may_be_tried_again() -> None:
    world = World()
    anna = world.joined()
    anna.lose()
    socket = world.socket()
    socket.holds_calls = True
    fields = {"room": COUNCIL_ROOM.room, "participant": anna.participant}
    socket.send(type="resume", id=1, secret=anna.joined["secret"], **fields)
    (resume,) = socket.held

    socket._call(resume)  # by the worker, too late
    late = request_error_of(WorkerUnavailable(detail="no answer in time"))
    socket.apply(socket.session.handle_call_result(late, world.clock()))
    room = world.workers[COUNCIL_ROOM.room_class].rooms[COUNCIL_ROOM.room]
    assert not room.participants[anna.participant].info.is_connected, "its window runs on"
    socket.holds_calls = False

    replies = socket.send(type="resume", id=2, secret=anna.joined["secret"], **fields)
    assert replies[0]["type"] == "joined"


def test_join_that_takes_long_at_the_worker_is_not_taken_for_a_silent_client() -> None:
    world = World()
    socket, token = world.socket(), world.token()
    socket.holds_calls = True
    socket.tick(9)
    socket.send(type="join", id=1, token=token)
    socket.tick(9)
    late = request_error_of(WorkerUnavailable(detail="no answer in time"))
    socket.apply(socket.session.handle_call_result(late, world.clock()))
    socket.held.clear()
    socket.tick(9)
    assert not socket.is_closed
    socket.holds_calls = False

    assert socket.send(type="join", id=2, token=token)[0]["type"] == "joined"


def test_full_room_says_when_to_come_again() -> None:
    error = request_error_of(RoomFull(room="r", capacity=5))

    assert error.code is ErrorCode.ROOM_FULL
    assert error.retry_after_s == 30


def test_events_during_a_join_are_told_after_joined_in_order() -> None:
    world = World()
    late = world.socket()
    late.holds_calls = True
    late.send(type="join", id=1, token=world.token())
    world.joined(name="Γ")

    late.do_held()

    assert late.sent_types() == ["joined", "participant_joined"]


def test_room_that_changes_too_fast_during_a_join_closes_the_socket() -> None:
    world = World(limits=SessionLimits(held_events=2))
    late = world.socket()
    late.holds_calls = True
    late.send(type="join", id=1, token=world.token())

    for _ in range(3):
        world.table.handle_event(rpc.SpeakersChanged(room=COUNCIL_ROOM.room, participants=[]))

    assert late.closed is not None and late.closed.code is CloseCode.SLOW_READER


def test_a_room_closed_for_emptiness_is_opened_again_by_the_join_under_way() -> None:
    world = World()
    socket = world.socket()
    socket.holds_calls = True
    socket.send(type="join", id=1, token=world.token())

    # The worker closes the empty room just before the join reaches it; the link opens it again.
    world.table.handle_event(rpc.RoomClosed(room=COUNCIL_ROOM.room, reason="empty"))
    socket.do_held()

    assert socket.sent_types() == ["joined"]
    assert not socket.is_closed


def test_a_room_closed_right_after_the_join_was_admitted_is_told() -> None:
    world = World()
    socket = world.socket()
    socket.holds_calls = True
    socket.send(type="join", id=1, token=world.token())
    (request,) = socket.held
    assert isinstance(request, rpc.Join)

    admission = world.workers[COUNCIL_ROOM.room_class].join(request)
    world.table.handle_event(rpc.RoomClosed(room=COUNCIL_ROOM.room, reason="over"))
    socket.apply(socket.session.handle_call_result(admission, world.clock()))

    assert socket.sent_types() == ["joined", "room_closed"]
    assert socket.is_closed
