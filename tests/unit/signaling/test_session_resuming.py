"""A lost socket and the one that takes its place."""

from __future__ import annotations

from signaling.errors import CloseCode, ErrorCode
from tests.support.session_steps import code_of, resume
from tests.support.signaling_parts import COUNCIL_ROOM, World


def test_lost_socket_is_resumed_with_identity_hand_and_streams() -> None:
    world = World()
    other, lost = world.joined(), world.joined()
    lost.send(type="hand", id=1, raised=True)
    lost.send(type="layout", id=2, video=[{"mid": "3", "participant": other.participant}])
    lost.lose()
    assert other.sent[-1]["participant"]["is_connected"] is False

    resumed, replies = resume(world, lost)

    joined = replies[0]
    assert (joined["resumed"], joined["participant"]) == (True, lost.participant)
    assert joined["secret"] != lost.joined["secret"]
    assert joined["sources"][0]["mid"] == "3"
    own = next(p for p in joined["participants"] if p["participant"] == lost.participant)
    assert (own["hand_raised_order"], own["is_connected"]) == (1, True)
    assert replies[1] == {"type": "media_state", "state": "new"}
    assert resumed.send(type="ping", id=2) == [{"type": "done", "id": 2}]


def test_wrong_secret_is_refused_and_hurts_nobody() -> None:
    world = World()
    owner = world.joined()

    _, replies = resume(world, owner, secret="guess")

    assert code_of(replies) == ErrorCode.RESUME_REFUSED
    assert owner.closed is None
    assert owner.send(type="ping", id=1) == [{"type": "done", "id": 1}]


def test_resume_while_the_old_socket_lingers_replaces_it_without_detaching() -> None:
    world = World()
    old = world.joined()

    new, replies = resume(world, old)

    assert replies[0]["type"] == "joined"
    assert old.closed is not None and old.closed.code is CloseCode.REPLACED
    info = world.table.participant(COUNCIL_ROOM.room, new.participant)
    assert info is not None and info.is_connected


def test_old_socket_lost_while_its_resume_is_under_way_does_not_detach() -> None:
    world = World()
    old = world.joined()
    new = world.socket()
    new.holds_calls = True
    new.send(type="resume", id=1, room=COUNCIL_ROOM.room, participant=old.participant,
             secret=old.joined["secret"])  # fmt: skip

    # The worker has resumed; its result is on the way when the old socket is found lost.
    admission = world.workers[COUNCIL_ROOM.room_class].resume(new.held.pop())  # type: ignore[arg-type]
    old.lose()
    new.apply(new.session.handle_call_result(admission, world.clock()))

    info = world.table.participant(COUNCIL_ROOM.room, old.participant)
    assert info is not None and info.is_connected


def test_old_socket_lost_while_a_false_resume_fails_is_detached_then() -> None:
    world = World()
    old = world.joined()
    thief = world.socket()
    thief.holds_calls = True
    thief.send(type="resume", id=1, room=COUNCIL_ROOM.room, participant=old.participant,
               secret="guess")  # fmt: skip

    old.lose()
    thief.do_held()

    info = world.table.participant(COUNCIL_ROOM.room, old.participant)
    assert info is not None and not info.is_connected


def test_secret_stays_good_when_the_reply_to_resume_never_arrived() -> None:
    world = World()
    lost = world.joined()
    lost.lose()
    resumed, _ = resume(world, lost)
    resumed.lose()

    _, replies = resume(world, lost)

    assert replies[0]["type"] == "joined"


def test_secret_is_used_up_once_the_client_has_shown_it_got_the_next() -> None:
    world = World()
    lost = world.joined()
    lost.lose()
    resumed, _ = resume(world, lost)
    resumed.send(type="ping", id=2)
    resumed.lose()

    assert code_of(resume(world, lost)[1]) == ErrorCode.RESUME_REFUSED
    assert resume(world, resumed)[1][0]["type"] == "joined"


def test_socket_lost_during_a_join_leaves_nobody_behind() -> None:
    world = World()
    socket = world.socket()
    socket.holds_calls = True
    socket.send(type="join", id=1, token=world.token())

    socket.lose()
    socket.do_held()

    assert world.workers[COUNCIL_ROOM.room_class].rooms[COUNCIL_ROOM.room].participants == {}
