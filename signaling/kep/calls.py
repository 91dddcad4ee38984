"""All running ΚΕΠ calls of this process: joins rooms, appointments and `KepCall`. In memory.

A call is known from the moment somebody may knock at its door. After a restart it is taken up
again from the database and from who is in the room.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sfu import rpc_messages as rpc
from sfu.values import Role, TrackSource
from signaling.clock import Clock
from signaling.errors import ErrorCode, RequestError
from signaling.grants import with_source
from signaling.kep.call import (
    Announce,
    CallRefused,
    Cause,
    KepCall,
    NoteSoundOnly,
    Output,
    Refusal,
    SetCamera,
)
from signaling.kep.values import AppointmentState
from signaling.messages import CallState
from signaling.rooms import RoomTable
from signaling.storage.models import Appointment

IDLE_S = 3600.0

NoteCause = Callable[[str, Cause | None], None]
"""Called with the appointment's id: keeps why there is sound only for the next process, and returns
at once."""


@dataclass
class RunningCall:
    """One call and the appointment it is of."""

    appointment_id: str
    call: KepCall


class KepCalls:
    """Implements `rooms.Observer` and `room_session.MuteRule`."""

    def __init__(
        self, rooms: RoomTable, clock: Clock, post: Callable[[rpc.Request], None],
        note_sound_only: NoteCause, *, allows_unencrypted: bool, weak_network_s: float,
    ) -> None:  # fmt: skip
        self._rooms = rooms
        self._clock = clock
        self._post = post
        self._note_sound_only = note_sound_only
        self._allows_unencrypted = allows_unencrypted
        self._weak_network_s = weak_network_s
        self._running: dict[str, RunningCall] = {}
        """By room."""
        self._changed = asyncio.Event()
        rooms.observe(self)

    def begin(self, appointment: Appointment, noted: Cause | None) -> None:
        """Watch the appointment's room from now on; a room that runs already is taken up. `noted`:
        what was kept of it by the last process."""
        if appointment.room in self._running:
            return
        call = KepCall(AppointmentState(appointment.state), self._weak_network_s)
        self._running[appointment.room] = RunningCall(appointment.id, call)
        entry = self._rooms.entry(appointment.room)
        people = list(entry.roster.values()) if entry is not None else []
        self._apply(appointment.room, call.take_up(people, noted))

    def end(self, room: str) -> None:
        """The room is closed for good."""
        self._running.pop(room, None)

    @property
    def rooms(self) -> list[str]:
        """The rooms that are watched."""
        return list(self._running)

    def call_of(self, room: str) -> KepCall | None:
        """Return the call in a room."""
        running = self._running.get(room)
        return None if running is None else running.call

    # ---- what people ask

    def ask_sound_only(self, room: str, role: Role, is_wanted: bool) -> None:
        """See `KepCall.ask_sound_only`.

        Raises:
            CallRefused: see there.
        """
        call = self._call(room)
        self._apply(room, call.ask_sound_only(role, is_wanted, self._clock()))

    def ask_sharp_picture(self, room: str, role: Role, is_wanted: bool) -> None:
        """See `KepCall.ask_sharp_picture`.

        Raises:
            CallRefused: see there.
        """
        self._apply(room, self._call(room).ask_sharp_picture(role, is_wanted))

    def check_identification(self, room: str) -> None:
        """See `KepCall.check_identification`.

        Raises:
            CallRefused: see there.
        """
        self._call(room).check_identification(allows_unencrypted=self._allows_unencrypted)

    def handle_phase(self, room: str, phase: AppointmentState) -> None:
        """The appointment has come to another state, and that is stored."""
        running = self._running.get(room)
        if running is not None:
            self._apply(room, running.call.handle_phase(phase))

    def check_mute(self, room: str, role: Role, source: TrackSource, is_muted: bool) -> None:
        """Refuse on the socket what a citizen may not switch off yet.

        Raises:
            RequestError: `camera_obligatory`.
        """
        running = self._running.get(room)
        if running is None:
            return
        try:
            running.call.check_mute(role, source, is_muted)
        except CallRefused:
            text = "the camera stays on until the identity is confirmed"
            raise RequestError(ErrorCode.CAMERA_OBLIGATORY, text) from None

    # ---- rooms.Observer

    def handle_event(self, event: rpc.Event) -> None:
        """Hear an event of any room."""
        running = self._running.get(event.room)
        if running is None:
            return
        for output in self._outputs_of(running.call, event):
            self._apply(event.room, [output])

    def _outputs_of(self, call: KepCall, event: rpc.Event) -> list[Output]:
        match event:
            case rpc.ParticipantJoined(participant=info) | rpc.ParticipantUpdated(participant=info):
                return call.handle_participant(info)
            case rpc.ParticipantLeft(participant=participant):
                return call.handle_left(participant)
            case rpc.QualityChanged(participants=told):
                now = self._clock()
                return [
                    output
                    for each in told
                    for output in call.handle_quality(each.participant, each.score, now)
                ]
            case _:
                return []

    # ---- time

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._do_due()
            self._changed.clear()  # what is done here needs no further turn
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._changed.wait()

    def _do_due(self) -> None:
        now = self._clock()
        for room, running in list(self._running.items()):
            self._apply(room, running.call.handle_timeout(now))

    def _pause_s(self) -> float:
        now_s = self._clock().monotonic_s
        due = [running.call.next_timeout() for running in self._running.values()]
        return max(0.05, min((each - now_s for each in due if each is not None), default=IDLE_S))

    # ---- inner

    def _call(self, room: str) -> KepCall:
        running = self._running.get(room)
        if running is None:
            raise CallRefused(Refusal.NO_CITIZEN)
        return running.call

    def _apply(self, room: str, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case SetCamera(participant, is_allowed):
                    self._set_camera(room, participant, is_allowed)
                case NoteSoundOnly(cause) if room in self._running:
                    self._note_sound_only(self._running[room].appointment_id, cause)
                case Announce(view) if self._rooms.entry(room) is not None:
                    self._rooms.broadcast(room, CallState(call=view))
        self._changed.set()

    def _set_camera(self, room: str, participant: str, is_allowed: bool) -> None:
        info = self._rooms.participant(room, participant)
        if info is not None:
            grants = with_source(info.grants, TrackSource.CAMERA, is_allowed)
            self._post(rpc.SetGrants(room=room, participant=participant, grants=grants))
