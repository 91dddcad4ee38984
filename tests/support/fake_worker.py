"""A media worker without media: real room semantics in memory, an echo instead of an SDP answer.

Keeps what `sfu.room` promises to signaling: who is in, hands in order, grants, resume by digest,
replacement of the same subject, and the events of each. Used in memory and behind a real RpcServer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sfu import rpc_messages as rpc
from sfu.errors import (
    BadSdp,
    ResumeRefused,
    RoomClassFixed,
    RoomFull,
    UnknownParticipant,
    UnknownRoom,
    WrongWorkerClass,
)
from sfu.values import (
    ConnectionQuality,
    Grants,
    Kind,
    ParticipantInfo,
    RoomClass,
    StreamSource,
    TrackInfo,
    TrackSource,
    TransportState,
)
from tests.support.statements import whole_statement


@dataclass
class FakeParticipant:
    """One participant."""

    info: ParticipantInfo
    subject: str
    secret_digest: bytes
    transport: TransportState = TransportState.NEW
    sources: list[StreamSource] = field(default_factory=list)
    quality: ConnectionQuality | None = None


@dataclass
class FakeRoom:
    """One room."""

    room: str
    room_class: RoomClass
    title: str
    participants: dict[str, FakeParticipant] = field(default_factory=dict)


class FakeWorker:
    """`handle` does a call; events go to `publish`, before the result is returned."""

    def __init__(
        self, *, room_class: RoomClass = RoomClass.COUNCIL, name: str = "council",
        incarnation: str = "first", capacity: int = 1000,
    ) -> None:  # fmt: skip
        self.info = rpc.WorkerInfo(
            version=rpc.RPC_VERSION, worker=name, incarnation=incarnation,
            room_class=room_class, capacity=capacity,
            statement=whole_statement() if room_class is RoomClass.KEP else None,
        )  # fmt: skip
        self.rooms: dict[str, FakeRoom] = {}
        self.requests: list[rpc.Request] = []
        self.publish: Callable[[Any], None] = lambda event: None
        self._hands = itertools.count(1)
        self._hand_order: dict[str, int] = {}

    async def handle(self, request: rpc.Request) -> Any:
        """Do one call.

        Raises:
            SfuError: as the real worker would.
        """
        self.requests.append(request)
        return HANDLERS[type(request)](self, request)

    # ---- handlers

    def hello(self, request: rpc.Hello) -> rpc.WorkerInfo:
        return self.info

    def open_room(self, request: rpc.OpenRoom) -> rpc.RoomState:
        if request.room_class is not self.info.room_class:
            raise WrongWorkerClass(worker_class=self.info.room_class, asked=request.room_class)
        room = self.rooms.get(request.room)
        if room is None:
            room = FakeRoom(request.room, request.room_class, request.title)
            self.rooms[request.room] = room
        if room.room_class is not request.room_class:
            raise RoomClassFixed(
                room=room.room, room_class=room.room_class, asked=request.room_class
            )
        return self._state(room)

    def close_room(self, request: rpc.CloseRoom) -> None:
        room = self._room(request.room)
        for participant in list(room.participants):
            self._remove(room, participant, "closed")
        del self.rooms[request.room]
        self.publish(rpc.RoomClosed(room=request.room, reason=request.reason))

    def join(self, request: rpc.Join) -> rpc.Admission:
        room = self._room(request.room)
        for other, known in list(room.participants.items()):
            if known.subject == request.subject:
                self._remove(room, other, "replaced")
        if len(room.participants) >= self.info.capacity:
            raise RoomFull(room=request.room, capacity=self.info.capacity)
        info = ParticipantInfo(
            participant=request.participant,
            display_name=request.display_name,
            role=request.role,
            encryption=request.encryption,
            grants=request.grants,
        )
        participant = FakeParticipant(info, request.subject, request.secret_digest)
        room.participants[request.participant] = participant
        joined = rpc.ParticipantJoined(room=room.room, participant=info, subject=request.subject)
        self.publish(joined)
        return self._admission(room, participant)

    def resume(self, request: rpc.Resume) -> rpc.Admission:
        room = self._room(request.room)
        participant = room.participants.get(request.participant)
        if participant is None or participant.secret_digest != request.secret_digest:
            raise ResumeRefused(participant=request.participant)
        participant.secret_digest = request.next_secret_digest
        self._update(room, participant, is_connected=True)
        return self._admission(room, participant)

    def detach(self, request: rpc.Detach) -> None:
        room, participant = self._find(request.room, request.participant)
        self._update(room, participant, is_connected=False)

    def leave(self, request: rpc.Leave) -> None:
        room, _ = self._find(request.room, request.participant)
        self._remove(room, request.participant, request.reason)

    def negotiate(self, request: rpc.Negotiate) -> rpc.NegotiationResult:
        room, participant = self._find(request.room, request.participant)
        if not request.sdp.startswith("v=0"):
            raise BadSdp(detail="no v= line")
        tracks = tuple(TrackInfo(source=source) for source in request.tracks.values())
        self._update(room, participant, tracks=tracks)
        participant.transport = TransportState.CONNECTED
        self.publish(
            rpc.TransportChanged(
                room=room.room, participant=request.participant, state=TransportState.CONNECTED
            )
        )
        return rpc.NegotiationResult(sdp=request.sdp.replace("actpass", "passive"))

    def set_layout(self, request: rpc.SetLayout) -> None:
        room, participant = self._find(request.room, request.participant)
        participant.sources = [
            StreamSource(
                mid=wish.mid, kind=Kind.VIDEO, participant=wish.participant, source=wish.source
            )
            for wish in request.video
        ]
        self.publish(
            rpc.SourcesChanged(
                room=room.room, participant=request.participant, sources=participant.sources
            )
        )

    def set_muted(self, request: rpc.SetMuted) -> None:
        room, participant = self._find(request.room, request.participant)
        tracks = tuple(
            msgspec.structs.replace(track, is_muted=request.muted)
            if track.source is request.source
            else track
            for track in participant.info.tracks
        )
        self._update(room, participant, tracks=tracks)

    def set_grants(self, request: rpc.SetGrants) -> None:
        room, participant = self._find(request.room, request.participant)
        self._update(room, participant, grants=request.grants)

    def set_hand(self, request: rpc.SetHand) -> None:
        room, _ = self._find(request.room, request.participant)
        if request.raised:
            self._hand_order.setdefault(request.participant, next(self._hands))
        else:
            self._hand_order.pop(request.participant, None)
        ranked = sorted(room.participants, key=lambda each: self._hand_order.get(each, 10**9))
        for rank, each in enumerate(ranked, 1):
            order = rank if each in self._hand_order else None
            if room.participants[each].info.hand_raised_order != order:
                self._update(room, room.participants[each], hand_raised_order=order)

    def list_rooms(self, request: rpc.ListRooms) -> list[rpc.RoomState]:
        return [self._state(room) for room in self.rooms.values()]

    def statistics(self, request: rpc.Statistics) -> rpc.WorkerStatistics:
        histogram = rpc.Histogram(buckets=[(0.1, 1), (float("inf"), 2)], total=0.5)
        return rpc.WorkerStatistics(
            worker=self.info.worker, incarnation=self.info.incarnation,
            room_class=self.info.room_class, uptime_s=1.0, rooms=len(self.rooms),
            participants=sum(len(room.participants) for room in self.rooms.values()),
            transports={TransportState.CONNECTED: 1}, tls_versions={"DTLSv1.2": 1},
            srtp_profiles={"aead_aes_128_gcm": 1}, handshake_failures={}, handshake_time=histogram,
            join_time=histogram, loop_lag=histogram, rpc_calls={"hello": 1}, rpc_failures={},
            rpc_slow_readers=0, engine_counters={"packets_sent": 7}, engine_drops={"replay": 3},
            engine_gauges={"rooms": 1}, forwarding_delay=histogram, engine_cpu_time_s=0.25,
        )  # fmt: skip

    def attest(self, request: rpc.Attest) -> rpc.Attestation:
        return rpc.Attestation(
            incarnation=self.info.incarnation, tried_again={"open files": "EPERM"}
        )

    # ---- what a test does to the room

    def disconnect(self) -> None:
        """Do what the worker does when its control plane is gone: everybody waits for a resume."""
        for room in self.rooms.values():
            for participant in room.participants.values():
                self._update(room, participant, is_connected=False)

    # ---- inner

    def _room(self, room: str) -> FakeRoom:
        if room not in self.rooms:
            raise UnknownRoom(room=room)
        return self.rooms[room]

    def _find(self, room: str, participant: str) -> tuple[FakeRoom, FakeParticipant]:
        found = self._room(room)
        if participant not in found.participants:
            raise UnknownParticipant(room=room, participant=participant)
        return found, found.participants[participant]

    def _remove(self, room: FakeRoom, participant: str, reason: str) -> None:
        del room.participants[participant]
        self._hand_order.pop(participant, None)
        left = rpc.ParticipantLeft(room=room.room, participant=participant, reason=reason)
        self.publish(left)

    def _update(self, room: FakeRoom, participant: FakeParticipant, **changes: Any) -> None:
        participant.info = msgspec.structs.replace(participant.info, **changes)
        self.publish(rpc.ParticipantUpdated(room=room.room, participant=participant.info))

    def _state(self, room: FakeRoom) -> rpc.RoomState:
        infos = [participant.info for participant in room.participants.values()]
        return rpc.RoomState(
            room=room.room, room_class=room.room_class, title=room.title, participants=infos,
            subjects={name: each.subject for name, each in room.participants.items()},
            quality=[each.quality for each in room.participants.values() if each.quality],
        )  # fmt: skip

    def tell_quality(self, room: str, quality: ConnectionQuality) -> None:
        """Have the engine report how a participant's connection does."""
        found, participant = self._find(room, quality.participant)
        participant.quality = quality
        self.publish(rpc.QualityChanged(room=found.room, participants=[quality]))

    def _admission(self, room: FakeRoom, participant: FakeParticipant) -> rpc.Admission:
        return rpc.Admission(
            state=self._state(room),
            role=participant.info.role,
            grants=participant.info.grants,
            sources=participant.sources,
            transport=participant.transport,
        )


HANDLERS: dict[type[rpc.Request], Callable[[FakeWorker, Any], Any]] = {
    rpc.Hello: FakeWorker.hello,
    rpc.OpenRoom: FakeWorker.open_room,
    rpc.CloseRoom: FakeWorker.close_room,
    rpc.Join: FakeWorker.join,
    rpc.Resume: FakeWorker.resume,
    rpc.Detach: FakeWorker.detach,
    rpc.Leave: FakeWorker.leave,
    rpc.Negotiate: FakeWorker.negotiate,
    rpc.SetLayout: FakeWorker.set_layout,
    rpc.SetMuted: FakeWorker.set_muted,
    rpc.SetGrants: FakeWorker.set_grants,
    rpc.SetHand: FakeWorker.set_hand,
    rpc.ListRooms: FakeWorker.list_rooms,
    rpc.Statistics: FakeWorker.statistics,
    rpc.Attest: FakeWorker.attest,
}

__all__ = ["FakeWorker", "Grants", "TrackSource"]
