"""What a session answers, in virtual time against a worker with real room semantics."""

from __future__ import annotations

from typing import Any

import pytest

from sfu import rpc_messages as rpc
from sfu.errors import ErrorCode as SfuErrorCode
from sfu.errors import InternalError, RoomFull, WorkerUnavailable
from sfu.values import Role
from signaling.errors import WIRE_CODES, CloseCode, ErrorCode, request_error_of
from signaling.limits import SessionLimits
from signaling.session_values import TRANSITIONS, State, Step
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM, SDP, Socket, World

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


def code_of(replies: list[dict[str, Any]]) -> str:
    assert replies and replies[0]["type"] == "error", replies
    return str(replies[0]["code"])


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


def resume(world: World, lost: Socket, secret: str | None = None
           ) -> tuple[Socket, list[dict[str, Any]]]:  # fmt: skip
    socket = world.socket()
    replies = socket.send(
        type="resume", id=1, room=lost.joined["room"], participant=lost.participant,
        secret=secret or lost.joined["secret"],
    )  # fmt: skip
    if replies[0]["type"] == "joined":
        socket.joined = replies[0]
    return socket, replies


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
