"""Every wire error code is answered in some real situation: the list is closed, none is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sfu.errors import (
    BadLayout,
    InternalError,
    RoomFull,
    SfuError,
    TooManyStreams,
    UnsupportedSdp,
    WorkerUnavailable,
)
from sfu.values import Role
from signaling.audit.calls import not_audited
from signaling.door.values import DoorLimits, Window
from signaling.errors import ErrorCode, request_error_of
from signaling.kep.calls import KepCalls
from signaling.kep.values import AppointmentState
from signaling.storage.models import Appointment
from tests.support.door_parts import DoorSocket, DoorWorld
from tests.support.signaling_parts import KEP_ROOM, SDP, Socket, World


def refused_entry(world: World) -> Socket:
    socket = world.socket()
    socket.holds_calls = True
    token = world.token(room=KEP_ROOM.room, role=Role.CITIZEN)
    socket.send(type="join", id=1, token=token, encryption="on")
    socket.apply(socket.session.handle_call_result(not_audited("disk full"), world.clock()))
    return socket


def refused_by_worker(error: SfuError) -> Callable[[World], Socket]:
    def provoke(world: World) -> Socket:
        socket = world.joined()
        socket.holds_calls = True
        socket.send(type="offer", id=1, sdp=SDP)
        socket.apply(socket.session.handle_call_result(request_error_of(error), world.clock()))
        return socket

    return provoke


def sent_when_joined(**message: Any) -> Callable[[World], Socket]:
    def provoke(world: World) -> Socket:
        socket = world.joined(role=Role.CHAIR)
        socket.send(id=1, **message)
        return socket

    return provoke


def sent_first(make: Callable[[World], dict[str, Any]]) -> Callable[[World], Socket]:
    def provoke(world: World) -> Socket:
        socket = world.socket()
        message = make(world)
        socket.send(id=1, **message)
        return socket

    return provoke


def used_token(world: World) -> dict[str, Any]:
    token = world.token()
    world.socket().send(type="join", id=1, token=token)
    return {"type": "join", "token": token}


def expired_token(world: World) -> dict[str, Any]:
    token = world.token()
    world.clock.advance(400)
    return {"type": "join", "token": token}


def after(seconds: float, *, joined: bool) -> Callable[[World], Socket]:
    def provoke(world: World) -> Socket:
        socket = world.joined() if joined else world.socket()
        socket.tick(seconds)
        return socket

    return provoke


def slow_reader(world: World) -> Socket:
    socket = world.joined()
    socket.apply(socket.session.handle_slow_reader())
    return socket


def muted_before_the_identity_is_confirmed(world: World) -> Socket:
    calls = KepCalls(
        world.table, world.clock, lambda _: None, lambda *_: None,
        allows_unencrypted=False, weak_network_s=8,
    )  # fmt: skip
    calls.begin(
        Appointment(id="a", room=KEP_ROOM.room, state=AppointmentState.IDENTIFYING.value), None
    )
    world.limit_muting(calls)
    socket = world.joined(room=KEP_ROOM.room, role=Role.CITIZEN)
    socket.send(id=1, type="mute", source="camera", muted=True)
    return socket


def replaced(world: World) -> Socket:
    socket = world.joined(subject="anna")
    world.joined(subject="anna")
    return socket


def flooding(world: World) -> Socket:
    socket = world.joined()
    for request_id in range(60):
        socket.send(type="ping", id=request_id)
    return socket


def knocking(window: Window) -> Callable[[World], DoorSocket]:
    return lambda _: knocking_at(DoorWorld(), window=window)


def with_a_used_ticket(_: World) -> DoorSocket:
    socket = DoorWorld().door("cookie")
    socket.send(type="knock", id=1, ticket="unknown")
    return socket


def after_a_refusal(_: World) -> DoorSocket:
    world = DoorWorld()
    world.knocked("anna")
    chair = world.chair()
    knock = next(each for each in chair.sent if each["type"] == "waiting_room")["knocks"][0]
    chair.send(type="refuse", id=1, knock=knock["knock"])
    return knocking_at(world)


def at_a_full_waiting_room(_: World) -> DoorSocket:
    world = DoorWorld()
    for number in range(DoorLimits().places):
        world.knocked(f"guest-{number}")
    return knocking_at(world)


def knocking_at(world: DoorWorld, **options: Any) -> DoorSocket:
    socket = world.door("cookie-of-anna")
    ticket = world.doors.give_ticket(world.caller("anna", **options))
    socket.send(type="knock", id=1, ticket=ticket)
    return socket


RESUME = {"type": "resume", "room": "council-room", "participant": "p", "secret": "s"}

PROVOKE: dict[ErrorCode, Callable[[World], Socket | DoorSocket]] = {
    ErrorCode.BAD_MESSAGE: sent_when_joined(type="chat"),
    ErrorCode.TOO_LARGE: sent_when_joined(type="chat", text="x" * 70_000),
    ErrorCode.UNKNOWN_TYPE: sent_when_joined(type="dance"),
    ErrorCode.UNSUPPORTED_PROTOCOL: sent_first(lambda world: {**RESUME, "protocol": 9}),
    ErrorCode.NOT_JOINED: sent_first(lambda world: {"type": "ping"}),
    ErrorCode.ALREADY_JOINED: sent_when_joined(**RESUME),
    ErrorCode.JOIN_TIMEOUT: after(11, joined=False),
    ErrorCode.BAD_TOKEN: sent_first(lambda world: {"type": "join", "token": "x.y.z"}),
    ErrorCode.TOKEN_EXPIRED: sent_first(expired_token),
    ErrorCode.TOKEN_USED: sent_first(used_token),
    ErrorCode.WRONG_ROOM: sent_first(
        lambda world: {"type": "join", "token": world.token(room="elsewhere")}
    ),
    ErrorCode.RESUME_REFUSED: sent_first(lambda world: RESUME),
    ErrorCode.NOT_ALLOWED: sent_first(
        lambda world: {"type": "join", "token": world.token(room=KEP_ROOM.room)}
    ),
    ErrorCode.UNKNOWN_PARTICIPANT: sent_when_joined(type="kick", participant="nobody"),
    ErrorCode.RATE_LIMITED: flooding,
    ErrorCode.ROOM_UNAVAILABLE: refused_by_worker(WorkerUnavailable(detail="restarting")),
    ErrorCode.AUDIT_UNAVAILABLE: refused_entry,
    ErrorCode.ROOM_FULL: refused_by_worker(RoomFull(room="r", capacity=1)),
    ErrorCode.ENCRYPTION_REQUIRED: sent_first(
        lambda world: {
            "type": "join",
            "token": world.token(room=KEP_ROOM.room, role=Role.CITIZEN),
        }
    ),
    ErrorCode.CAMERA_OBLIGATORY: muted_before_the_identity_is_confirmed,
    ErrorCode.BAD_SDP: sent_when_joined(type="offer", sdp="x"),
    ErrorCode.UNSUPPORTED_SDP: refused_by_worker(UnsupportedSdp(detail="no codec")),
    ErrorCode.TOO_MANY_STREAMS: refused_by_worker(TooManyStreams(what="m-lines", limit=80)),
    ErrorCode.BAD_LAYOUT: refused_by_worker(BadLayout(mid="9", detail="unknown")),
    ErrorCode.IDLE: after(151, joined=True),
    ErrorCode.SLOW_READER: slow_reader,
    ErrorCode.REPLACED: replaced,
    ErrorCode.BAD_TICKET: with_a_used_ticket,
    ErrorCode.KNOCK_LATER: after_a_refusal,
    ErrorCode.TOO_EARLY: knocking(window=Window(2e9, 2e9 + 7200)),
    ErrorCode.TOO_LATE: knocking(window=Window(1e9, 1e9 + 7200)),
    ErrorCode.WAITING_ROOM_FULL: at_a_full_waiting_room,
    ErrorCode.UNKNOWN_KNOCK: lambda _: sent_when_joined(type="refuse", knock="nobody")(DoorWorld()),
    ErrorCode.INTERNAL: refused_by_worker(InternalError()),
}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_code_is_answered(code: ErrorCode) -> None:
    socket = PROVOKE[code](World())

    errors = [message for message in socket.sent if message["type"] == "error"]
    assert code in [error["code"] for error in errors]
    closing = [error for error in errors if error["id"] is None]
    assert bool(closing) == (socket.closed is not None)
