"""A worker's media plane: what rooms ask for → engine and handshakes; what those report → rooms.

Gives rooms and transports the engine's integer ids, which are never used again. One task per DTLS
association, in the worker's TaskGroup. A shell; decisions are elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from sfu import engine as media_engine
from sfu import rpc_messages as messages
from sfu.dtls import (
    MAX_HANDSHAKES,
    DtlsCertificate,
    DtlsTransport,
    HandshakeFailure,
    SrtpKeys,
)
from sfu.engine import Engine, EngineEvent, NativeEngine
from sfu.logs import Log
from sfu.participant import TransportEvent
from sfu.room import Outputs, Room
from sfu.room_host import HostOutput, RoomGone, RoomHost, RoomOpened
from sfu.room_outputs import (
    AddTransport,
    JoinTimed,
    Output,
    RemoveTransport,
    RestartIce,
    SetForwarding,
    SetMedia,
    SetSource,
)
from sfu.values import ConnectionQuality, RoomClass
from sfu.worker_statistics import WorkerCounters

log = Log(__name__)


@dataclass
class _Transport:
    """One engine participant: who it is, and its handshake once that began."""

    room: str
    participant: str
    command: AddTransport
    dtls: DtlsTransport
    task: asyncio.Task[None] | None = None


class MediaPlane:
    """Use as a context manager around the TaskGroup's life: leaving it says goodbye to every
    client."""

    def __init__(
        self,
        host: RoomHost,
        native: NativeEngine,
        certificate: DtlsCertificate,
        tasks: asyncio.TaskGroup,
        counters: WorkerCounters,
        publish: Callable[[messages.Events], None],
    ) -> None:
        self.engine = Engine(native, self._on_engine_event)
        self._host = host
        self._certificate = certificate
        self._tasks = tasks
        self._counters = counters
        self._publish = publish
        self._turns = asyncio.Semaphore(MAX_HANDSHAKES)
        self._ids = itertools.count(1)
        self._rooms: dict[str, int] = {}
        self._room_names: dict[int, str] = {}
        self._transports: dict[int, _Transport] = {}
        self._transport_ids: dict[tuple[str, str], int] = {}

    def __enter__(self) -> MediaPlane:
        self.engine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for transport in self._transports.values():
            transport.dtls.close()
        self.engine.__exit__(*error)

    def apply_host_output(self, output: HostOutput) -> None:
        match output:
            case RoomOpened(room):
                room_id = self._rooms[room] = next(self._ids)
                self._room_names[room_id] = room
                self.engine.add_room(room_id)
            case RoomGone(room):
                room_id = self._rooms.pop(room)
                del self._room_names[room_id]
                self.engine.remove_room(room_id)
            case (room, outputs):
                self.apply(room, outputs)

    def apply(self, room: str, outputs: Outputs) -> None:
        """Do what the room named `room` asks for, in order."""
        for output in outputs:
            self._apply_output(room, output)

    def _apply_output(self, room: str, output: Output) -> None:
        match output:
            case AddTransport():
                self._add_transport(room, output)
            case RemoveTransport(participant):
                self._remove_transport(room, participant)
            case RestartIce(participant, local, remote):
                self.engine.restart_ice(
                    self._transport_ids[room, participant],
                    local.ufrag,
                    local.password,
                    remote.ufrag,
                )
            case SetMedia(participant, published, subscribed):
                self.engine.set_media(self._transport_ids[room, participant], published, subscribed)
            case SetForwarding(participant, mid, is_allowed):
                self.engine.set_forwarding(self._transport_ids[room, participant], mid, is_allowed)
            case SetSource(participant, mid, publisher, publisher_mid, max_height):
                self.engine.set_source(
                    self._transport_ids[room, participant],
                    mid,
                    None if publisher is None else self._transport_ids[room, publisher],
                    publisher_mid,
                    max_height,
                )
            case JoinTimed(seconds):
                self._counters.join_time.observe(seconds)
            case _:
                self._publish(output)

    def _add_transport(self, room: str, command: AddTransport) -> None:
        transport_id = next(self._ids)
        dtls = DtlsTransport(
            self._certificate,
            command.role,
            lambda datagram: self.engine.send_dtls(transport_id, datagram),
        )
        self._transports[transport_id] = _Transport(room, command.participant, command, dtls)
        self._transport_ids[room, command.participant] = transport_id
        self.engine.add_participant(
            self._rooms[room],
            transport_id,
            command.local_ice.ufrag,
            command.local_ice.password,
            command.remote_ice.ufrag,
        )

    def _remove_transport(self, room: str, participant: str) -> None:
        transport_id = self._transport_ids.pop((room, participant))
        transport = self._transports.pop(transport_id)
        if transport.task is not None:
            transport.task.cancel()
        transport.dtls.close()
        self.engine.remove_participant(transport_id)
        if self._host.room_class is RoomClass.KEP:
            self.engine.overwrite_keys(next(self._ids), next(self._ids))

    def _on_engine_event(self, event: EngineEvent) -> None:
        try:
            self._dispatch(event)
        except Exception:  # root of a callback: a defect costs this event only
            log.exception("engine event failed", kind=type(event).__name__)

    def _dispatch(self, event: EngineEvent) -> None:
        """Bring the event to its room. Events about who has just left find nobody."""
        match event:
            case media_engine.DtlsArrived(transport_id, datagram):
                self._note_datagram(transport_id, datagram)
            case media_engine.IceStateChanged(transport_id, is_connected):
                self._note_ice(transport_id, is_connected)
            case media_engine.SpeakersChanged() | media_engine.AudioSlotsChanged():
                self._note_audio(event)
            case media_engine.QualityChanged():
                self._note_quality(event)
            case media_engine.CommandFailed(transport_id, reason):
                log.error("engine refused a command", transport=transport_id, reason=reason)
            case media_engine.TrackStateChanged():
                self._note_flow(event)
            case media_engine.SourceStarted():
                pass  # a page sees it by itself

    def _room(self, room_id: int) -> Room | None:
        return self._host.room(self._room_names.get(room_id, ""))

    def _name(self, transport_id: int | None) -> str | None:
        transport = self._transports.get(transport_id or 0)
        return transport.participant if transport is not None else None

    def _note_datagram(self, transport_id: int, datagram: bytes) -> None:
        transport = self._transports.get(transport_id)
        if transport is not None:
            transport.dtls.feed(datagram)
            self._begin_handshake(transport_id, transport)

    def _note_audio(
        self, event: media_engine.SpeakersChanged | media_engine.AudioSlotsChanged
    ) -> None:
        room = self._room(event.room)
        if room is None:
            return
        if isinstance(event, media_engine.AudioSlotsChanged):
            outputs = room.handle_audio_slots([self._name(slot) for slot in event.slots])
        else:
            names = [self._name(participant) for participant in event.participants]
            outputs = room.handle_speakers([name for name in names if name is not None])
        self.apply(room.config.room, outputs)

    def _note_quality(self, event: media_engine.QualityChanged) -> None:
        transport = self._transports.get(event.participant)
        room = self._host.room(transport.room) if transport is not None else None
        if transport is None or room is None:
            return
        quality = ConnectionQuality(
            participant=transport.participant,
            score=event.score,
            round_trip_ms=event.round_trip_ms,
            loss_in_percent=round(100 * event.loss_in, 1),
            loss_out_percent=round(100 * event.loss_out, 1),
        )
        self.apply(transport.room, room.handle_quality(quality, time.monotonic()))

    def _note_flow(self, event: media_engine.TrackStateChanged) -> None:
        transport = self._transports.get(event.participant)
        room = self._host.room(transport.room) if transport is not None else None
        if transport is not None and room is not None:
            outputs = room.handle_flow(transport.participant, event.mid, event.is_flowing)
            self.apply(transport.room, outputs)

    def _note_ice(self, transport_id: int, is_connected: bool) -> None:
        transport = self._transports.get(transport_id)
        if transport is None:
            return
        if is_connected:
            self._begin_handshake(transport_id, transport)
        change = TransportEvent.ICE_CONNECTED if is_connected else TransportEvent.ICE_LOST
        self._report(transport, change)

    def _report(self, transport: _Transport, event: TransportEvent) -> None:
        room = self._host.room(transport.room)
        if room is not None:
            now = time.monotonic()
            self.apply(transport.room, room.handle_transport(transport.participant, event, now))

    def _begin_handshake(self, transport_id: int, transport: _Transport) -> None:
        """Start the association once ICE lets datagrams through: its time limit begins here."""
        if transport.task is None:
            transport.task = self._tasks.create_task(
                self._run_association(transport_id, transport), name=f"dtls-{transport_id}"
            )

    async def _run_association(self, transport_id: int, transport: _Transport) -> None:
        started = time.monotonic()

        def on_keys(keys: SrtpKeys) -> None:
            self.engine.set_srtp_keys(transport_id, keys)
            self._counters.note_handshake(keys, time.monotonic() - started)
            self._report(transport, TransportEvent.KEYS_READY)

        try:
            failure = await transport.dtls.run(transport.command.fingerprints, self._turns, on_keys)
        except Exception:  # task root: one association's defect must not end the worker
            log.exception("association failed", transport=transport_id)
            failure = HandshakeFailure.TLS
        if failure is not None:
            self._counters.handshake_failures[failure] += 1
            log.info("handshake failed", transport=transport_id, reason=failure.value)
            self._report(transport, TransportEvent.HANDSHAKE_FAILED)
        else:
            self._report(transport, TransportEvent.PEER_CLOSED)
