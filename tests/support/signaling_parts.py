"""Builders for signaling's tests: a session in virtual time, and a whole server on loopback."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sfu import rpc_messages as rpc
from sfu.errors import SfuError
from sfu.values import Role, RoomClass
from signaling.clock import Instant
from signaling.door.doors import DoorParts, Doors
from signaling.door.values import DoorRequest
from signaling.errors import RequestError, request_error_of
from signaling.limits import SessionLimits
from signaling.messages import ServerMessage
from signaling.mute_rule import MuteRule, NoMuteRule
from signaling.room_session import (
    RoomDescription,
    RoomSession,
    SessionServices,
)
from signaling.rooms import RoomTable
from signaling.session_values import (
    Attach,
    Broadcast,
    Call,
    CloseSocket,
    Enter,
    Exit,
    IssueReceipt,
    Membership,
    Output,
    Post,
    Send,
    Tell,
    TellReason,
    VerbRefused,
)
from signaling.tokens import TokenGate, TokenKey
from tests.support.fake_worker import FakeWorker

COUNCIL_ROOM = RoomDescription("council-room", RoomClass.COUNCIL, "Συμβούλιο")
KEP_ROOM = RoomDescription("kep-room", RoomClass.KEP, "ΚΕΠ")
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=setup:actpass\r\n"


class CountingRandomness:
    """Ids in order, so that tests can name them."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def participant_id(self) -> str:
        return f"p{next(self._next)}"

    def resume_secret(self) -> str:
        return f"secret-{next(self._next)}"

    def token_id(self) -> str:
        return f"token-id-{next(self._next):016d}"


@dataclass
class VirtualClock:
    """Both clocks, moved by hand."""

    seconds: float = 1000.0

    def __call__(self) -> Instant:
        return Instant(monotonic_s=self.seconds, wall_s=1_800_000_000.0 + self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class World:
    """Sessions of one process and one worker per class, joined without any I/O."""

    limits: SessionLimits = field(default_factory=SessionLimits)
    clock: VirtualClock = field(default_factory=VirtualClock)
    allows_unencrypted: bool = False
    mute_rule: MuteRule = field(default_factory=NoMuteRule)

    def __post_init__(self) -> None:
        self.randomness = CountingRandomness()
        self.key = TokenKey.generate()
        self.gate = TokenGate(self.key, started=self.clock())
        self.table = RoomTable([COUNCIL_ROOM, KEP_ROOM])
        self.workers = {each: FakeWorker(room_class=each, name=each.value) for each in RoomClass}
        for description in (COUNCIL_ROOM, KEP_ROOM):
            worker = self.workers[description.room_class]
            worker.publish = self.table.handle_event
            worker.open_room(
                rpc.OpenRoom(
                    room=description.room,
                    room_class=description.room_class,
                    title=description.title,
                )
            )
        self.doors = Doors(
            DoorParts(
                rooms=self.table, key=self.key, randomness=self.randomness, clock=self.clock,
                call=self.call,
            )
        )  # fmt: skip
        self.services = self._services()

    def limit_muting(self, rule: MuteRule) -> None:
        """Let sockets that are opened from now on follow the rule."""
        self.mute_rule = rule
        self.services = self._services()

    def _services(self) -> SessionServices:
        return SessionServices(
            gate=self.gate,
            rooms=self.table,
            board=self.doors,
            randomness=self.randomness,
            limits=self.limits,
            max_video_streams=20,
            allows_unencrypted=self.allows_unencrypted,
            mute_rule=self.mute_rule,
        )

    def token(
        self, *, room: str = COUNCIL_ROOM.room, name: str = "Άννα", role: Role = Role.MEMBER,
        subject: str | None = None,
    ) -> str:  # fmt: skip
        return self.key.mint(
            room=room,
            subject=subject or self.randomness.token_id(),
            display_name=name,
            role=role,
            token_id=self.randomness.token_id(),
            now=self.clock(),
        )

    async def call(self, request: Any) -> Any:
        """Do a call at the worker of its room."""
        description = self.table.describe(request.room)
        assert description is not None
        return await self.workers[description.room_class].handle(request)

    def socket(self) -> Socket:
        return Socket(self)

    def joined(self, *, encryption: str = "on", **token: Any) -> Socket:
        """Return a socket that has joined, with what it was sent forgotten."""
        socket = self.socket()
        socket.send(type="join", id=0, token=self.token(**token), encryption=encryption)
        assert socket.sent and socket.sent[0]["type"] == "joined", socket.sent
        socket.joined = socket.sent[0]
        socket.sent.clear()
        return socket


class Socket:
    """A session, carried out at once against the fake worker. Implements `rooms.Listener`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.session = RoomSession(world.services, world.clock())
        self.sent: list[dict[str, Any]] = []
        self.closed: CloseSocket | None = None
        self.audited: list[IssueReceipt | VerbRefused] = []
        self.joined: dict[str, Any] = {}
        self.holds_calls = False
        """Calls wait in `held` until `do_held`."""
        self.held: list[rpc.Request | DoorRequest] = []

    @property
    def is_closed(self) -> bool:
        return self.closed is not None

    @property
    def participant(self) -> str:
        return str(self.joined["participant"])

    def send(self, **message: Any) -> list[dict[str, Any]]:
        """Send a message and return what came back."""
        return self.send_text(msgspec.json.encode(message).decode())

    def send_text(self, text: str) -> list[dict[str, Any]]:
        before = len(self.sent)
        self.apply(self.session.handle_message(text, self.world.clock()))
        return self.sent[before:]

    def lose(self) -> None:
        self.apply(self.session.handle_socket_lost())

    def tick(self, seconds: float) -> None:
        """Let time pass, waking the session as its shell would."""
        end_s = self.world.clock.seconds + seconds
        while (at_s := self.session.next_timeout()) is not None and at_s <= end_s:
            self.world.clock.seconds = at_s
            self.apply(self.session.handle_timeout(self.world.clock()))
        self.world.clock.seconds = end_s

    def do_held(self) -> None:
        self.holds_calls = False
        held, self.held = self.held, []
        for request in held:
            self._do(request)

    def sent_types(self) -> list[str]:
        return [str(message["type"]) for message in self.sent]

    # ---- rooms.Listener

    def handle_event(self, event: rpc.Event, notification: ServerMessage | None) -> None:
        self.apply(self.session.handle_event(event, notification, self.world.clock()))

    def handle_broadcast(self, message: ServerMessage) -> None:
        self.apply([Send(message)])

    def handle_for_moderators(self, message: ServerMessage) -> None:
        self.apply(self.session.handle_for_moderators(message))

    def handle_superseded(self) -> None:
        self.apply(self.session.handle_superseded())

    def handle_media_lost(self) -> None:
        self.apply(self.session.handle_media_lost())

    def handle_rejoin_refused(self) -> None:
        self.apply(self.session.handle_rejoin_refused())

    def membership(self) -> Membership | None:
        return self.session.membership()

    # ---- the shell's work

    def apply(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(message):
                    assert self.closed is None, f"{message} after the close"
                    self.sent.append(msgspec.json.decode(msgspec.json.encode(message)))
                case Call(request) if self.holds_calls:
                    self.held.append(request)
                case Call(request):
                    self._do(request)
                case Post(request):
                    self._post(request)
                case CloseSocket():
                    self.closed = output
                case IssueReceipt() | VerbRefused():
                    self.audited.append(output)
                case _:
                    self._apply_in_room(output)

    def _apply_in_room(self, output: Enter | Attach | Exit | Broadcast | Tell | TellReason) -> None:
        table = self.world.table
        match output:
            case Enter(room, participant):
                table.enter(room, participant, self)
            case Attach(room, participant):
                table.attach(room, participant, self)
            case Exit(room, participant, is_resumable, restore):
                if restore is not None:
                    self._post(restore)
                if table.exit(room, participant, self, is_resumable):
                    self._post(rpc.Detach(room=room, participant=participant))
            case Broadcast(room, message):
                table.broadcast(room, message)
            case Tell(room, participant, message):
                table.tell(room, participant, message)
            case TellReason(room, participant, reason):
                table.tell_reason(room, participant, reason)

    def _do(self, request: Any) -> None:
        try:
            result = self._call(request)
        except RequestError as error:
            result = error
        except SfuError as error:
            result = request_error_of(error)
        self.apply(self.session.handle_call_result(result, self.world.clock()))

    def _call(self, request: Any) -> Any:
        is_for_door = isinstance(request, DoorRequest)
        coroutine = self.world.doors.do(request) if is_for_door else self.world.call(request)
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("the fake worker never waits")

    def _post(self, request: Any) -> None:
        with contextlib.suppress(SfuError):
            self._call(request)
