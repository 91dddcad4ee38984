"""All rooms of a worker: RPC requests → rooms. SANS-IO; `sfu.worker` is its shell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from recording_policy.sandbox import SandboxReport
from sfu import rpc_messages as messages
from sfu.config import WorkerConfig
from sfu.errors import (
    BadRequest,
    RoomClassFixed,
    RoomFull,
    UnknownRoom,
    WrongWorkerClass,
)
from sfu.negotiation import Negotiator
from sfu.room import Outputs, Room, RoomConfig
from sfu.values import RoomClass, TransportState

EMPTY_ROOM_S = 60.0
"""How long a room without participants is kept: longer than any page takes from its token to its
join, short enough that rooms do not pile up. The next join opens it again."""


@dataclass(frozen=True)
class RoomOpened:
    """The engine needs the room before anybody joins."""

    room: str


@dataclass(frozen=True)
class RoomGone:
    """The engine may forget the room and whoever was in it."""

    room: str


HostOutput = RoomOpened | RoomGone | tuple[str, Outputs]
"""The last: what a room asks for, with the room's name."""


class RoomHost:
    """The rooms by name. Bounded: rooms and participants by the worker's capacity."""

    def __init__(
        self,
        config: WorkerConfig,
        incarnation: str,
        new_negotiator: Callable[[], Negotiator],
        sandbox: SandboxReport | None = None,
    ) -> None:
        self._config = config
        self._incarnation = incarnation
        self._new_negotiator = new_negotiator
        self._sandbox = sandbox
        self._rooms: dict[str, Room] = {}
        self._empty_since: dict[str, float] = {}

    @property
    def room_class(self) -> RoomClass:
        """The class of all its rooms."""
        return self._config.room_class

    def room(self, name: str) -> Room | None:
        return self._rooms.get(name)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def __len__(self) -> int:
        return len(self._rooms)

    def participant_count(self) -> int:
        return sum(len(room) for room in self._rooms.values())

    def transports(self) -> dict[TransportState, int]:
        """Return how many transports are in each state; every state is present."""
        counts = Counter(
            state for room in self._rooms.values() for state in room.transport_states()
        )
        return {state: counts[state] for state in TransportState}

    def handle_request(self, request: messages.Request, now: float) -> tuple[Any, list[HostOutput]]:
        """Return the call's result and what follows from it.

        Raises:
            SfuError: the call is refused, nothing has changed.
        """
        match request:
            case messages.Hello():
                return self._info(), []
            case messages.ListRooms():
                return [room.state() for room in self._rooms.values()], []
            case messages.OpenRoom():
                result = self._open(request)
                # It is opened to be joined: it may be empty for its full time from now.
                self._empty_since[request.room] = now
                return result
            case messages.CloseRoom(room=name, reason=reason):
                return None, self._close(name, reason)
            case messages.Join(room=name):
                self._check_capacity(name)
                room = self._existing(name)
                outputs = room.handle_join(request, now)
                return room.admission(request.participant), [(name, outputs)]
            case messages.Resume(room=name):
                room = self._existing(name)
                outputs = room.handle_resume(request, now)
                return room.admission(request.participant), [(name, outputs)]
            case messages.Negotiate(room=name, participant=participant):
                room = self._existing(name)
                sdp, outputs = room.handle_offer(participant, request.sdp, request.tracks)
                return messages.NegotiationResult(sdp=sdp), [(name, outputs)]
        return None, [self._command(request, now)]

    def handle_timeout(self, now: float) -> list[HostOutput]:
        """Do what is due in the rooms, and close those that are empty for too long. O(rooms)."""
        outputs: list[HostOutput] = []
        for name, room in list(self._rooms.items()):
            due = room.next_timeout()
            if due is not None and due <= now:
                outputs.append((name, room.handle_timeout(now)))
            if len(room):
                self._empty_since.pop(name, None)
            elif now >= self._empty_since.setdefault(name, now) + EMPTY_ROOM_S:
                outputs += self._close(name, "empty")
        return outputs

    def _command(self, request: messages.Request, now: float) -> HostOutput:
        """Do a call whose result is None."""
        match request:
            case messages.Detach(room=name, participant=participant):
                return name, self._existing(name).handle_detach(participant, now)
            case messages.Leave(room=name, participant=participant, reason=reason):
                return name, self._existing(name).handle_leave(participant, reason)
            case messages.SetLayout(room=name, participant=participant, video=video):
                return name, self._existing(name).handle_layout(participant, video)
            case messages.SetMuted(room=name, participant=participant, source=source):
                room = self._existing(name)
                return name, room.handle_mute(participant, source, request.muted)
            case messages.SetGrants(room=name, participant=participant, grants=grants):
                return name, self._existing(name).handle_grants(participant, grants)
            case messages.SetHand(room=name, participant=participant, raised=raised):
                return name, self._existing(name).handle_hand(participant, raised)
        raise BadRequest(detail=f"{type(request).__name__} is not a call about rooms")

    def _info(self) -> messages.WorkerInfo:
        return messages.WorkerInfo(
            version=messages.RPC_VERSION,
            worker=self._config.worker,
            incarnation=self._incarnation,
            room_class=self._config.room_class,
            capacity=self._config.media.worker_capacity,
            statement=self._sandbox.statement if self._sandbox else None,
        )

    def _open(self, request: messages.OpenRoom) -> tuple[messages.RoomState, list[HostOutput]]:
        room = self._rooms.get(request.room)
        if room is not None:
            if room.config.room_class is not request.room_class:
                raise RoomClassFixed(
                    room=request.room,
                    room_class=room.config.room_class,
                    asked=request.room_class,
                )
            return room.state(), []
        if request.room_class is not self._config.room_class:
            raise WrongWorkerClass(worker_class=self._config.room_class, asked=request.room_class)
        media = self._config.media
        if len(self._rooms) >= media.worker_capacity:
            raise RoomFull(room=request.room, capacity=media.worker_capacity)
        is_kep = request.room_class is RoomClass.KEP
        capacity = media.kep_room_capacity if is_kep else media.room_capacity
        config = RoomConfig(request.room, request.room_class, request.title, capacity)
        room = self._rooms[request.room] = Room(config, self._new_negotiator)
        return room.state(), [RoomOpened(request.room)]

    def _close(self, name: str, reason: str) -> list[HostOutput]:
        outputs = self._existing(name).handle_close(reason)
        del self._rooms[name]
        self._empty_since.pop(name, None)
        return [(name, outputs), RoomGone(name)]

    def _existing(self, name: str) -> Room:
        room = self._rooms.get(name)
        if room is None:
            raise UnknownRoom(room=name)
        return room

    def _check_capacity(self, name: str) -> None:
        capacity = self._config.media.worker_capacity
        if self.participant_count() >= capacity:
            raise RoomFull(room=name, capacity=capacity)
