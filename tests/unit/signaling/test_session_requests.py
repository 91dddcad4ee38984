"""What a session does with requests: order, limits, errors, and steps out of turn."""

from __future__ import annotations

import pytest

from sfu.errors import ErrorCode as SfuErrorCode
from sfu.errors import InternalError
from signaling.errors import WIRE_CODES, CloseCode, ErrorCode, request_error_of
from signaling.limits import SessionLimits
from signaling.session_values import TRANSITIONS, State, Step
from tests.support.session_steps import code_of
from tests.support.signaling_parts import SDP, World


def test_requests_are_answered_in_order_while_one_waits_for_the_worker() -> None:
    world = World()
    socket = world.joined()
    socket.holds_calls = True

    socket.send(type="offer", id=1, sdp=SDP)
    socket.send(type="ping", id=2)
    socket.send(type="layout", id=3, video=[])

    assert socket.sent == []
    assert len(socket.held) == 1
    socket.do_held()
    replies = [message for message in socket.sent if "id" in message]
    assert [(each["type"], each["id"]) for each in replies] == [
        ("answer", 1), ("done", 2), ("done", 3),
    ]  # fmt: skip


def test_more_requests_than_may_wait_are_refused() -> None:
    world = World(limits=SessionLimits(waiting_requests=2))
    socket = world.joined()
    socket.holds_calls = True
    for request_id in range(3):
        socket.send(type="mute", id=request_id, source="camera", muted=True)

    assert code_of(socket.send(type="ping", id=9)) == ErrorCode.RATE_LIMITED


def test_bad_sdp_is_told_to_its_sender() -> None:
    replies = World().joined().send(type="offer", id=1, sdp="x")

    assert code_of(replies) == ErrorCode.BAD_SDP


def test_offers_are_limited() -> None:
    socket = World().joined()

    codes = [socket.send(type="offer", id=n, sdp=SDP)[-1] for n in range(6)]

    assert [each["type"] for each in codes[:4]] == ["answer"] * 4
    assert (codes[4]["code"], codes[4]["retry_after_s"]) == (ErrorCode.RATE_LIMITED, 1)


def test_flood_is_refused_then_closed() -> None:
    world = World()
    socket = world.joined()

    for request_id in range(1000):
        if socket.closed is None:
            socket.send(type="ping", id=request_id)

    refused = [each for each in socket.sent if each["type"] == "error" and each["id"] is not None]
    assert len(refused) == SessionLimits().refusals
    assert socket.closed is not None and socket.closed.code is CloseCode.RATE_LIMITED
    assert sum(each["type"] == "done" for each in socket.sent) <= SessionLimits().message_burst


def test_allowed_rate_is_served_for_ever() -> None:
    world = World()
    socket = world.joined()

    for request_id in range(500):
        world.clock.advance(1 / SessionLimits().message_rate)
        assert socket.send(type="ping", id=request_id)[0]["type"] == "done"


def test_internal_failures_say_nothing_about_us() -> None:
    world = World()
    socket = world.joined()
    socket.holds_calls = True
    socket.send(type="layout", id=1, video=[])
    result = request_error_of(InternalError(detail="secret path"))
    socket.apply(socket.session.handle_call_result(result, world.clock()))

    assert result.code is ErrorCode.INTERNAL
    assert "secret" not in str(socket.sent[-1])


def test_identity_is_never_taken_from_a_message() -> None:
    world = World()
    victim, mallory = world.joined(), world.joined()

    for message in (
        {"type": "chat", "text": "x", "participant": victim.participant},
        {"type": "mute", "source": "camera", "muted": True, "participant": victim.participant},
        {"type": "offer", "sdp": SDP, "participant": victim.participant},
        {"type": "leave", "participant": victim.participant},
    ):
        assert code_of(mallory.send(id=1, **message)) == ErrorCode.BAD_MESSAGE

    assert victim.closed is None


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_illegal_steps_raise_with_both_names(state: State, step: Step) -> None:
    session = World().socket().session
    session.state = state

    if (state, step) in TRANSITIONS:
        session._step(step)
        assert session.state is TRANSITIONS[state, step]
    else:
        with pytest.raises(AssertionError, match=step.name):
            session._step(step)


def test_every_worker_error_has_a_wire_code() -> None:
    assert set(WIRE_CODES) == set(SfuErrorCode)
