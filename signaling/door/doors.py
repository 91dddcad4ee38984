"""All doors of this process: joins waiting rooms, tickets, sockets and rooms. In memory.

What is decided is decided by `WaitingRoom`; here it is carried out. The domain (sittings, kep
calls) opens a door with its journal, and gives tickets to whom it found entitled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sfu import rpc_messages as rpc
from sfu.logs import Log
from sfu.values import Role
from signaling.clock import Clock, Instant
from signaling.door.door_session import Knocker, Place
from signaling.door.tickets import TicketGate
from signaling.door.values import (
    AdmitKnock,
    Caller,
    Dismiss,
    DoorLimits,
    DoorOutput,
    DoorRequest,
    Issue,
    Knock,
    KnockState,
    MoveBackParticipant,
    Outcome,
    QueueChanged,
    RefuseKnock,
    Tell,
    Window,
)
from signaling.door.waiting_room import WaitingRoom
from signaling.errors import ErrorCode, RequestError
from signaling.messages import KnockInfo
from signaling.messages import WaitingRoom as WaitingRoomMessage
from signaling.randomness import Randomness
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable
from signaling.tokens import TokenKey

log = Log(__name__)

DEFECT_PAUSE_S = 1.0


class DoorJournal(Protocol):
    """What the domain keeps of a door, and the last word it has on an admission."""

    async def admit(self, callers: Sequence[Caller], by: str) -> Sequence[Caller]:
        """Write down that `by` (a subject) admits, before it happens; return who still may enter.

        Raises:
            RequestError: it cannot be written now, so nobody is admitted.
        """

    def note_refused(self, caller: Caller, by: str) -> None:
        """`by` sent `caller` away. Returns at once; written when it can be."""

    def note_moved_back(self, subject: str, by: str) -> None:
        """`by` moved a person back. Returns at once; written when it can be."""

    def note_queue(self, waiting: Sequence[Caller]) -> None:
        """These wait now, in order. Returns at once."""


@dataclass(frozen=True)
class DoorParts:
    """What doors work with."""

    rooms: RoomTable
    key: TokenKey
    randomness: Randomness
    clock: Clock
    call: Callable[[rpc.Request], Any]
    """Does a call at the media worker of its room (`RoomDirectory.call`)."""
    limits: DoorLimits = field(default_factory=DoorLimits)


@dataclass
class Door:
    """The door of one room."""

    description: RoomDescription
    journal: DoorJournal
    waiting_room: WaitingRoom
    listeners: dict[str, Knocker] = field(default_factory=dict)
    """Knock → its one socket."""
    return_tickets: dict[str, str] = field(default_factory=dict)
    """Knock → the ticket to come back with."""
    admitted: dict[str, Caller] = field(default_factory=dict)
    """Subject → who got a token since this process started."""


class Doors:
    """Implements `door_session.DoorKeeper`, `room_session.WaitingBoard`, `rooms.Observer`."""

    def __init__(self, parts: DoorParts) -> None:
        self._parts = parts
        self._doors: dict[str, Door] = {}
        self._tickets = TicketGate(parts.randomness.resume_secret)
        self._knocks: dict[Knocker, tuple[str, str]] = {}
        """Socket → its room and knock."""
        self._held: dict[Knocker, tuple[str, list[DoorOutput]]] = {}
        """What follows from a knock, until its reply is sent."""
        self._changed = asyncio.Event()
        parts.rooms.observe(self)

    # ---- what the domain does

    def open(self, description: RoomDescription, journal: DoorJournal) -> None:
        """Let the room have a door, if it has none."""
        if description.room not in self._doors:
            waiting_room = WaitingRoom(self._parts.limits)
            self._doors[description.room] = Door(description, journal, waiting_room)
            self._tell_attendance(description.room)
            self._carry_out(description.room, [QueueChanged()])

    def close(self, room: str, outcome: Outcome) -> None:
        """The meeting is over: who waits is told, nobody can knock."""
        door = self._doors.get(room)
        if door is not None:
            self._carry_out(room, door.waiting_room.handle_close(outcome))
            del self._doors[room]

    @property
    def rooms(self) -> list[str]:
        """The rooms that have a door."""
        return list(self._doors)

    def handle_windows(self, room: str, windows: Mapping[Role, Window]) -> None:
        """The meeting was moved."""
        if room in self._doors:
            waiting_room = self._doors[room].waiting_room
            self._carry_out(room, waiting_room.handle_windows(windows, self._now()))

    def give_ticket(self, caller: Caller) -> str:
        """Return a ticket for the browser of `caller`.

        Raises:
            RequestError: there is no such door, or too many tickets are out.
        """
        self._door(caller.room)
        return self._tickets.issue(caller, self._parts.limits.ticket_s, self._now())

    def waiting(self, room: str) -> list[Knock]:
        """Return who waits, in order."""
        return self._doors[room].waiting_room.knocks if room in self._doors else []

    # ---- door_session.DoorKeeper

    def handle_knock(self, ticket: str, listener: Knocker, now: Instant) -> Place:
        """Spend the ticket for a place. `begin` follows.

        Raises:
            RequestError: why not.
        """
        found = self._tickets.redeem(ticket, listener.holders, now)
        caller = found.caller
        door = self._door(caller.room)
        known = door.waiting_room.knock_of(caller.subject)
        if found.is_return and known is None:
            raise RequestError(ErrorCode.BAD_TICKET, "the place is gone")
        knock = known.id if known is not None else self._parts.randomness.participant_id()
        outputs = door.waiting_room.handle_knock(knock, caller, now)
        previous = door.listeners.get(knock)
        if previous is not None:
            del self._knocks[previous]
            previous.handle_superseded()
        door.listeners[knock] = listener
        self._knocks[listener] = (caller.room, knock)
        self._held[listener] = (caller.room, outputs)
        self._tickets.withdraw(door.return_tickets.pop(knock, ""))
        life_s = max(1.0, caller.window.closes_s - now.wall_s)
        ticket = self._tickets.issue(caller, life_s, now, is_return=True)
        if door.waiting_room.knock_of(caller.subject) is not None:
            door.return_tickets[knock] = ticket
        return Place(knock, ticket)

    def begin(self, listener: Knocker) -> None:
        """Tell what follows from a knock: its reply is sent."""
        room, outputs = self._held.pop(listener)
        self._carry_out(room, outputs)

    def handle_leave(self, listener: Knocker, now: Instant) -> None:
        """The place is given up."""
        place = self._forget(listener)
        if place is not None:
            room, knock = place
            self._carry_out(room, self._doors[room].waiting_room.handle_leave(knock, now))

    def handle_lost(self, listener: Knocker, now: Instant) -> None:
        """The socket is lost; the place is kept for a while."""
        place = self._forget(listener)
        if place is not None:
            room, knock = place
            self._carry_out(room, self._doors[room].waiting_room.handle_lost(knock, now))

    # ---- room_session.WaitingBoard

    def waiting_room(self, room: str) -> WaitingRoomMessage | None:
        """Return who waits, as moderators are told; None if the room has no door."""
        if room not in self._doors:
            return None
        now = self._now()
        return WaitingRoomMessage(knocks=[_info(each, now) for each in self.waiting(room)])

    # ---- rooms.Observer

    def handle_event(self, event: rpc.Event) -> None:
        """Note who is removed, and whether anybody who admits is in the room."""
        door = self._doors.get(event.room)
        if door is None:
            return
        if isinstance(event, rpc.ParticipantLeft) and event.reason == "kicked":
            subject = self._parts.rooms.subject_of(event.room, event.participant)
            if subject is not None:
                outputs = door.waiting_room.handle_removed(subject, self._now())
                self._carry_out(event.room, outputs)
        if isinstance(event, _WHO_IS_THERE):
            self._tell_attendance(event.room, is_closed=isinstance(event, rpc.RoomClosed))

    # ---- what moderators ask

    async def do(self, request: DoorRequest) -> None:
        """Carry out what a moderator asks; that it is one was checked.

        Raises:
            RequestError, SfuError: it was not done.
        """
        door = self._door(request.room)
        by = self._parts.rooms.subject_of(request.room, request.by) or ""
        match request:
            case AdmitKnock():
                await self._admit(door, request, by)
            case RefuseKnock():
                caller = door.waiting_room.find(request.knock).caller
                outputs = door.waiting_room.handle_refuse(
                    request.knock, request.reason, self._now()
                )
                self._carry_out(request.room, outputs)
                door.journal.note_refused(caller, by)
            case MoveBackParticipant():
                await self._move_back(door, request, by)

    async def take_in(self, room: str, by: str) -> None:
        """Admit everybody known who waits, in the name of `by` (a subject), who need not be in the
        room: the domain has found that they may.

        Raises:
            RequestError: it was not done.
        """
        door = self._door(room)
        await self._admit_knocks(door, door.waiting_room.admissible(self._now()), by)

    async def _admit(self, door: Door, request: AdmitKnock, by: str) -> None:
        now = self._now()
        if request.knock is None:
            knocks = door.waiting_room.admissible(now)
        else:
            knocks = [door.waiting_room.check_admit(request.knock, now)]
        may_enter = await self._admit_knocks(door, knocks, by)
        if request.knock is not None and not may_enter:
            raise RequestError(ErrorCode.NOT_ALLOWED, "not entitled any more")

    async def _admit_knocks(self, door: Door, knocks: Sequence[Knock], by: str) -> set[str]:
        """Return the subjects that enter."""
        if not knocks:
            return set()
        admitted = await door.journal.admit([each.caller for each in knocks], by)
        self._check_open(door)
        may_enter = {each.subject for each in admitted}
        ids = [each.id for each in knocks if each.caller.subject in may_enter]
        outputs = door.waiting_room.handle_admit(ids, self._now())
        self._carry_out(door.description.room, outputs)
        return may_enter

    async def _move_back(self, door: Door, request: MoveBackParticipant, by: str) -> None:
        rooms = self._parts.rooms
        subject = rooms.subject_of(request.room, request.participant)
        if subject is None:
            raise RequestError(ErrorCode.UNKNOWN_PARTICIPANT, "nobody has that id here")
        rooms.tell_reason(request.room, request.participant, request.reason)
        leave = rpc.Leave(room=request.room, participant=request.participant, reason="moved_back")
        await self._parts.call(leave)
        door.journal.note_moved_back(subject, by)
        self._check_open(door)
        caller = door.admitted.pop(subject, None)
        if caller is not None:  # None: admitted before a restart; a new knock makes a new place
            knock = self._parts.randomness.participant_id()
            outputs = door.waiting_room.handle_moved_back(knock, caller, self._now())
            self._carry_out(request.room, outputs)

    # ---- time

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._changed.clear()
            now = self._now()
            due = [door.waiting_room.next_timeout(now) for door in self._doors.values()]
            waits_s = [each - now.monotonic_s for each in due if each is not None]
            try:
                async with asyncio.timeout(max(0.0, min(waits_s)) if waits_s else None):
                    await self._changed.wait()
            except TimeoutError:
                try:
                    self.handle_timeout()
                except Exception:  # task root: one door's defect must not stop the others' clocks
                    log.exception("a door could not do what was due")
                    await asyncio.sleep(DEFECT_PAUSE_S)

    def handle_timeout(self) -> None:
        """Do what is due now."""
        for room, door in list(self._doors.items()):
            self._carry_out(room, door.waiting_room.handle_timeout(self._now()))

    # ---- inner

    def _carry_out(self, room: str, outputs: Sequence[DoorOutput]) -> None:
        door = self._doors[room]
        for output in outputs:
            match output:
                case Issue():
                    self._issue(door, output)
                case Tell(knock, told):
                    door.listeners[knock].handle_told(told)
                case Dismiss(knock):
                    self._dismiss(door, output)
        if QueueChanged() in outputs:
            message = self.waiting_room(room)
            assert message is not None, "invariant: the door is open"
            self._parts.rooms.tell_moderators(room, message)
            door.journal.note_queue([each.caller for each in door.waiting_room.knocks])
        self._changed.set()

    def _issue(self, door: Door, issue: Issue) -> None:
        caller, now = issue.caller, self._now()
        self._parts.rooms.add(door.description)
        door.admitted[caller.subject] = caller
        token = self._parts.key.mint(
            room=caller.room, subject=caller.subject, display_name=caller.display_name,
            role=caller.role, token_id=self._parts.randomness.token_id(), now=now,
            lifetime_s=self._parts.limits.ticket_s,
        )  # fmt: skip
        listener = self._release(door, issue.knock)
        if listener is not None:
            listener.handle_admitted(caller.room, token)

    def _dismiss(self, door: Door, dismissal: Dismiss) -> None:
        listener = self._release(door, dismissal.knock)
        if listener is not None:
            listener.handle_dismissed(dismissal.outcome, dismissal.reason, dismissal.retry_after_s)

    def _release(self, door: Door, knock: str) -> Knocker | None:
        """Return the socket of a knock that has ended, and forget both."""
        self._tickets.withdraw(door.return_tickets.pop(knock, ""))
        listener = door.listeners.pop(knock, None)
        if listener is not None:
            del self._knocks[listener]
        return listener

    def _forget(self, listener: Knocker) -> tuple[str, str] | None:
        """Take the socket from its place; None if it has none any more."""
        self._held.pop(listener, None)
        place = self._knocks.pop(listener, None)
        if place is not None:
            del self._doors[place[0]].listeners[place[1]]
        return place

    def _tell_attendance(self, room: str, is_closed: bool = False) -> None:
        entry, door = self._parts.rooms.entry(room), self._doors[room]
        people = entry.roster.values() if entry is not None and not is_closed else ()
        is_attended = any(each.grants.moderate for each in people)
        self._carry_out(room, door.waiting_room.handle_attendance(is_attended, self._now()))

    def _door(self, room: str) -> Door:
        door = self._doors.get(room)
        if door is None:
            raise RequestError(ErrorCode.TOO_LATE, "the room has no door, or it is closed")
        return door

    def _check_open(self, door: Door) -> None:
        """Refuse to go on with a door that was closed while something was awaited."""
        if self._doors.get(door.description.room) is not door:
            raise RequestError(ErrorCode.TOO_LATE, "the door was closed")

    def _now(self) -> Instant:
        return self._parts.clock()


_WHO_IS_THERE = (
    rpc.ParticipantJoined, rpc.ParticipantUpdated, rpc.ParticipantLeft, rpc.RoomClosed,
)  # fmt: skip


def _info(knock: Knock, now: Instant) -> KnockInfo:
    caller = knock.caller
    return KnockInfo(
        knock=knock.id,
        display_name=caller.display_name,
        role=caller.role,
        is_known=caller.is_known,
        is_connected=knock.state is KnockState.WAITING,
        is_early=not caller.window.has_opened(now),
        is_expected=knock.state is KnockState.EXPECTED,
        knocked_at=knock.knocked_at.rfc3339(),
    )
