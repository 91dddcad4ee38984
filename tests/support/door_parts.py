"""A door in virtual time: people with tickets, their sockets, and a journal that can be away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sfu.values import Role
from signaling.clock import Instant
from signaling.door.door_session import Begin, DoorSession, DoorSessionOutput
from signaling.door.values import Caller, Outcome, Told, Window
from signaling.errors import ErrorCode, RequestError
from signaling.session_values import CloseSocket, Send
from tests.support.signaling_parts import COUNCIL_ROOM, Socket, World

ROOM = COUNCIL_ROOM.room


@dataclass
class RecordingJournal:
    """Keeps what it is told."""

    admitted: list[tuple[str, str]] = field(default_factory=list)
    """(subject, by whom)."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    moved_back: list[tuple[str, str]] = field(default_factory=list)
    queues: list[list[str]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    is_away: bool = False

    async def admit(self, callers: Sequence[Caller], by: str) -> Sequence[Caller]:
        if self.is_away:
            raise RequestError(ErrorCode.ROOM_UNAVAILABLE, "no database", retry_after_s=5)
        entitled = [each for each in callers if each.subject not in self.revoked]
        self.admitted += [(each.subject, by) for each in entitled]
        return entitled

    def note_refused(self, caller: Caller, by: str) -> None:
        self.refused.append((caller.subject, by))

    def note_moved_back(self, subject: str, by: str) -> None:
        self.moved_back.append((subject, by))

    def note_queue(self, waiting: Sequence[Caller]) -> None:
        self.queues.append([each.subject for each in waiting])


def caller(
    subject: str, *, role: Role = Role.MEMBER, is_known: bool = True, at_once: bool = False,
    window: Window, holder: str = "", name: str = "", room: str = ROOM,
) -> Caller:  # fmt: skip
    return Caller(
        room=room, subject=subject, holder=holder or f"cookie-of-{subject}",
        display_name=name or subject.title(), role=role, window=window, is_known=is_known,
        enters_at_once=at_once,
    )  # fmt: skip


class DoorWorld(World):
    """A world whose council room has a door, open from now for two hours."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.journal = RecordingJournal()
        self.doors.open(COUNCIL_ROOM, self.journal)

    def window(self, opens_in_s: float = 0.0, closes_in_s: float = 7200.0) -> Window:
        wall_s = self.clock().wall_s
        return Window(wall_s + opens_in_s, wall_s + closes_in_s)

    def caller(self, subject: str, **options: Any) -> Caller:
        options.setdefault("window", self.window())
        return caller(subject, **options)

    def door(self, *cookies: str) -> DoorSocket:
        return DoorSocket(self, frozenset(cookies))

    def knocked(self, subject: str, **options: Any) -> DoorSocket:
        """Return the socket of somebody who has knocked."""
        who = self.caller(subject, **options)
        socket = self.door(who.holder)
        replies = socket.send(type="knock", id=0, ticket=self.doors.give_ticket(who))
        assert replies[0]["type"] == "knocked", replies
        return socket

    def entered(self, socket: DoorSocket) -> Socket:
        """Join with the token that the door gave."""
        room = self.socket()
        room.send(type="join", id=0, token=socket.token)
        assert room.sent[0]["type"] == "joined", room.sent
        room.joined = room.sent[0]
        return room

    def chair(self) -> Socket:
        """Return the chair, who entered through the door."""
        return self.entered(self.knocked("chair", role=Role.CHAIR, at_once=True))

    def tick(self, seconds: float) -> None:
        """Let time pass, waking the doors as their shell would."""
        end_s = self.clock.seconds + seconds
        while (due_s := self._due_s()) is not None and due_s <= end_s:
            self.clock.seconds = max(due_s, self.clock.seconds)
            self.doors.handle_timeout()
        self.clock.seconds = end_s

    def _due_s(self) -> float | None:
        waiting_room = self.doors._doors[ROOM].waiting_room
        return waiting_room.next_timeout(self.clock())


class DoorSocket:
    """A door's session, carried out at once. Implements `door_session.Knocker`."""

    def __init__(self, world: DoorWorld, holders: frozenset[str]) -> None:
        self.world = world
        self.holders = holders
        self.session = DoorSession(world.doors, self, world.limits, world.clock())
        self.sent: list[dict[str, Any]] = []
        self.closed: CloseSocket | None = None

    @property
    def token(self) -> str:
        assert self.sent[-1]["type"] == "admitted", self.sent
        return str(self.sent[-1]["token"])

    @property
    def last(self) -> dict[str, Any]:
        return self.sent[-1]

    @property
    def return_ticket(self) -> str:
        return next(str(each["ticket"]) for each in self.sent if each["type"] == "knocked")

    def sent_types(self) -> list[str]:
        return [str(message["type"]) for message in self.sent]

    def send(self, **message: Any) -> list[dict[str, Any]]:
        return self.send_text(msgspec.json.encode(message).decode())

    def send_text(self, text: str) -> list[dict[str, Any]]:
        before = len(self.sent)
        self.apply(self.session.handle_message(text, self._now()))
        return self.sent[before:]

    def lose(self) -> None:
        self.apply(self.session.handle_socket_lost(self._now()))

    def tick(self, seconds: float) -> None:
        end_s = self.world.clock.seconds + seconds
        while (at_s := self.session.next_timeout()) is not None and at_s <= end_s:
            self.world.clock.seconds = at_s
            self.apply(self.session.handle_timeout(self._now()))
        self.world.clock.seconds = end_s

    def handle_told(self, told: Told) -> None:
        self.apply(self.session.handle_told(told))

    def handle_admitted(self, room: str, token: str) -> None:
        self.apply(self.session.handle_admitted(room, token))

    def handle_dismissed(self, outcome: Outcome, reason: str, retry_after_s: int | None) -> None:
        self.apply(self.session.handle_dismissed(outcome, reason, retry_after_s))

    def handle_superseded(self) -> None:
        self.apply(self.session.handle_superseded())

    def apply(self, outputs: Sequence[DoorSessionOutput]) -> None:
        for output in outputs:
            match output:
                case Send(message):
                    assert self.closed is None, f"{message} after the close"
                    self.sent.append(msgspec.json.decode(msgspec.json.encode(message)))
                case CloseSocket():
                    self.closed = output
                case Begin():
                    self.world.doors.begin(self)

    def _now(self) -> Instant:
        return self.world.clock()
