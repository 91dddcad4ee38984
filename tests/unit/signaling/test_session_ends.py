"""Why a session ends by itself."""

from __future__ import annotations

from sfu import rpc_messages as rpc
from signaling.errors import CloseCode, ErrorCode
from tests.support.session_steps import resume
from tests.support.signaling_parts import COUNCIL_ROOM, World


def test_socket_that_never_joins_is_closed_in_ten_seconds() -> None:
    socket = World().socket()

    socket.tick(9.9)
    assert not socket.is_closed
    socket.tick(0.2)

    assert socket.sent[0]["code"] == ErrorCode.JOIN_TIMEOUT
    assert socket.closed is not None and socket.closed.code is CloseCode.JOIN_TIMEOUT


def test_idle_socket_is_closed_and_may_resume() -> None:
    world = World()
    socket = world.joined()

    socket.tick(140)
    socket.send(type="ping", id=1)
    socket.tick(149)
    assert not socket.is_closed
    socket.tick(2)

    assert socket.closed is not None and socket.closed.code is CloseCode.IDLE
    assert resume(world, socket)[1][0]["type"] == "joined"


def test_slow_reader_is_closed_and_may_resume() -> None:
    world = World()
    socket = world.joined()

    socket.apply(socket.session.handle_slow_reader())

    assert socket.sent[-1]["code"] == ErrorCode.SLOW_READER
    assert resume(world, socket)[1][0]["type"] == "joined"


def test_shutdown_says_when_to_come_back_and_keeps_the_participant() -> None:
    world = World()
    socket = world.joined()

    socket.apply(socket.session.handle_shutdown(750))

    assert socket.sent[-1] == {"type": "going_away", "retry_after_ms": 750}
    assert socket.closed is not None and socket.closed.code is CloseCode.GOING_AWAY
    assert resume(world, socket)[1][0]["type"] == "joined"


def test_binary_frames_are_refused() -> None:
    socket = World().joined()

    socket.apply(socket.session.handle_binary())

    assert socket.closed is not None and socket.closed.code is CloseCode.UNSUPPORTED_DATA


def test_oversize_message_is_named_and_closes() -> None:
    socket = World().joined()

    socket.send(type="chat", id=1, text="a" * 70_000)

    assert socket.sent[-1]["code"] == ErrorCode.TOO_LARGE
    assert socket.closed is not None and socket.closed.code is CloseCode.TOO_LARGE


def test_participant_removed_by_the_worker_is_closed() -> None:
    world = World()
    socket = world.joined()

    left = rpc.ParticipantLeft(
        room=COUNCIL_ROOM.room, participant=socket.participant, reason="lost"
    )
    world.table.handle_event(left)

    assert socket.closed is not None and socket.closed.code is CloseCode.REMOVED
