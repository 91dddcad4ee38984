"""One media worker as this process uses it: calls, events, and coming together again after a loss.

worker kept, this process new     adopt its rooms; their clients resume by themselves
worker kept, connection broke     adopt, and attach the sockets that are still here again
worker new, this process kept     open the rooms again, admit who still listens, say `media_lost`
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from recording_policy.sandbox import faults_of
from sfu import rpc_messages as rpc
from sfu.client import OnEvent, OnState
from sfu.errors import ResumeRefused, SfuError, UnknownRoom, WorkerUnavailable
from sfu.logs import Log
from sfu.values import RoomClass
from signaling.audit.calls import CallRecorder, not_audited
from signaling.errors import RequestError
from signaling.rooms import Listener, RoomEntry, RoomTable

log = Log(__name__)

MAX_POSTED = 4096
"""LIMIT: calls nobody waits for. Full: the newest is dropped; the worker has its own time-outs."""


@dataclass(frozen=True)
class WorkerAddress:
    """Where a media worker is reached."""

    name: str
    room_class: RoomClass
    socket_path: Path


class WorkerClient(Protocol):
    """What `sfu.client.SfuClient` does for us."""

    worker: rpc.WorkerInfo | None

    @property
    def is_connected(self) -> bool:
        """Whether calls can be made."""

    async def run(self) -> None:
        """Stay connected until cancelled."""

    async def call(self, request: Any) -> Any:
        """Do one call."""


MakeClient = Callable[[Path, OnEvent, OnState], WorkerClient]


class WorkerLink:
    """`run` must be running in a task of the owner."""

    def __init__(
        self, address: WorkerAddress, rooms: RoomTable, make_client: MakeClient,
        audit: CallRecorder | None = None,
    ) -> None:  # fmt: skip
        """`audit`: of kep calls; a kep worker without it is given none."""
        self.address = address
        self._audit = audit
        self.restarts = 0
        """Restarts of the worker seen by this process."""
        self.ready = asyncio.Event()
        """Set while connected, with its rooms adopted."""
        self._rooms = rooms
        self._client = make_client(address.socket_path, self._on_event, self._on_state)
        self._held_events: list[rpc.Event] | None = []
        """Events that wait while the rooms are adopted; None when they pass at once."""
        self._connections: asyncio.Queue[bool] = asyncio.Queue()
        """One item per connection made: whether the worker was restarted."""
        self._must_rejoin = False
        self._posted: asyncio.Queue[rpc.Request] = asyncio.Queue(MAX_POSTED)

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, with its rooms adopted."""
        return self.ready.is_set()

    async def run(self) -> None:
        """Stay connected, adopt after each connection, do what is posted. Until cancelled."""
        name = self.address.name
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run(), name=f"worker-client-{name}")
            tasks.create_task(self._adopt_after_connecting(), name=f"worker-adopter-{name}")
            tasks.create_task(self._do_posted(), name=f"worker-poster-{name}")

    async def call(self, request: rpc.Request) -> Any:
        """Do one call; open the room first if that is needed to join it.

        Raises:
            SfuError: refused, or the worker is not there.
            RequestError: a kep call that cannot be audited.
        """
        if isinstance(request, rpc.Resume) and not self.is_ready:
            raise WorkerUnavailable(detail="its rooms are being restored")
        if isinstance(request, rpc.Resume):
            return await self._resume(request)
        if not isinstance(request, rpc.Join):
            return await self._client.call(request)
        entry = self._rooms.entry(request.room)
        assert entry is not None, "invariant: only described rooms are joined"
        await self._open(entry)
        try:
            return await self._join(request)
        except UnknownRoom:
            # It was closed in between; opened again it may be joined.
            entry.worker = None
            await self._open(entry)
            return await self._join(request)

    async def attest(self) -> rpc.Attestation | None:
        """Return what the worker's sandbox answers now; None if it is not there."""
        try:
            result: rpc.Attestation = await self._client.call(rpc.Attest())
        except SfuError:
            return None
        return result

    def post(self, request: rpc.Request) -> None:
        """Do one call some time soon, whatever comes of it."""
        try:
            self._posted.put_nowait(request)
        except asyncio.QueueFull:
            log.warning("too many posted calls", worker=self.address.name)

    async def statistics(self) -> rpc.WorkerStatistics:
        """Return the worker's statistics.

        Raises:
            SfuError: the worker is not there.
        """
        result: rpc.WorkerStatistics = await self._client.call(rpc.Statistics())
        return result

    # ---- callbacks of the client; they return at once

    def _on_event(self, event: rpc.Event) -> None:
        if self._held_events is None:
            self._rooms.handle_event(event)
        else:
            self._held_events.append(event)

    def _on_state(self, is_connected: bool, worker: rpc.WorkerInfo | None, restarted: bool) -> None:
        log.info(
            "worker state", worker=self.address.name, connected=is_connected, restarted=restarted
        )
        self.ready.clear()
        self._held_events = []
        if is_connected:
            self.restarts += restarted
            self._must_rejoin = self._must_rejoin or restarted
            self._connections.put_nowait(restarted)

    # ---- tasks

    async def _adopt_after_connecting(self) -> None:
        while True:
            await self._connections.get()
            if not self._connections.empty():
                continue
            faults = self._sandbox_faults()
            if faults:
                # Stays unready, so that no kep call is ever placed on it.
                log.error("worker is not locked down", worker=self.address.name, detail=faults)
                continue
            try:
                await self._adopt()
            except WorkerUnavailable as error:
                # The connection broke again: the next one starts over.
                log.info("adoption interrupted", worker=self.address.name, detail=str(error))
            except (SfuError, RequestError) as error:
                log.error("adoption failed", worker=self.address.name, detail=str(error))

    def _sandbox_faults(self) -> str:
        """Return what a kep worker has not proved on itself; empty for council workers."""
        if not self._is_kep or self._client.worker is None:
            return ""
        return ", ".join(faults_of(self._client.worker.statement))

    @property
    def _is_kep(self) -> bool:
        return self.address.room_class is RoomClass.KEP

    async def _adopt(self) -> None:
        was_restarted = self._must_rejoin
        if was_restarted:
            for entry in self._rooms.rooms_of(self.address.name):
                await self._rejoin(entry)
        # What was held so far is in the list that is asked for now: told twice otherwise.
        if self._held_events is not None:
            self._held_events.clear()
        states: list[rpc.RoomState] = await self._client.call(rpc.ListRooms())
        if self._is_kep and self._audit is not None and self._client.worker is not None:
            await self._audit.adopt(states, self._client.worker)
        self._rooms.reconcile(self.address.name, states)
        held, self._held_events = self._held_events or [], None
        for event in held:
            self._rooms.handle_event(event)
        if not was_restarted:
            await self._attach_again()
        self._must_rejoin = False
        self.ready.set()
        log.info("rooms adopted", worker=self.address.name, rooms=len(states))

    async def _rejoin(self, entry: RoomEntry) -> None:
        """Open the room on the restarted worker and admit whoever still has a socket here."""
        description = entry.description
        if not await self._reopen(entry):
            return
        hands: list[tuple[int, str]] = []
        for participant, listener in list(entry.attached.items()):
            request = _rejoining(entry, participant, listener)
            if request is None:
                continue
            try:
                await self._client.call(request)
            except WorkerUnavailable:
                raise
            except SfuError as error:
                log.warning("rejoin refused", worker=self.address.name, code=error.code)
                listener.handle_rejoin_refused()
                continue
            listener.handle_media_lost()
            rank = entry.roster[participant].hand_raised_order
            if rank is not None:
                hands.append((rank, participant))
        for _, participant in sorted(hands):
            hand = rpc.SetHand(room=description.room, participant=participant, raised=True)
            await self._client.call(hand)

    async def _attach_again(self) -> None:
        """Tell a kept worker, which saw our connection break, that the sockets are still here."""
        for entry in self._rooms.rooms_of(self.address.name):
            room = entry.description.room
            for participant, info in list(entry.roster.items()):
                listener = entry.attached.get(participant)
                membership = listener.membership() if listener else None
                if listener is None or membership is None:
                    if info.is_connected and not self._rooms.has_socket(room, participant):
                        self.post(rpc.Detach(room=room, participant=participant))
                    continue
                digest = membership.secret_digest
                request = rpc.Resume(
                    room=room,
                    participant=participant,
                    secret_digest=digest,
                    next_secret_digest=digest,
                )
                try:
                    await self._client.call(request)
                except WorkerUnavailable:
                    raise
                except SfuError as error:
                    log.warning("attach refused", worker=self.address.name, code=error.code)
                    listener.handle_rejoin_refused()

    async def _do_posted(self) -> None:
        while True:
            request = await self._posted.get()
            if isinstance(request, rpc.Detach) and self._rooms.has_socket(
                request.room, request.participant
            ):
                continue  # a new socket came in the meantime
            try:
                await self._client.call(request)
            except SfuError as error:
                log.info("posted call failed", worker=self.address.name, code=error.code)

    async def _resume(self, request: rpc.Resume) -> rpc.Admission:
        try:
            admission: rpc.Admission = await self._client.call(request)
        except UnknownRoom:
            # The room went with the last who left it: nobody waits there.
            raise ResumeRefused(participant=request.participant) from None
        return admission

    async def _open(self, entry: RoomEntry) -> None:
        if entry.worker != self.address.name:
            await self._audit_opening(entry)
            await self._client.call(_opening(entry))
            entry.worker = self.address.name

    async def _reopen(self, entry: RoomEntry) -> bool:
        """Open the room of a restarted worker again; not without audit. False: who is in it is told
        that it is closed, as soon as the worker's rooms are compared."""
        try:
            await self._audit_opening(entry)
        except RequestError as error:
            log.error("room not opened again", worker=self.address.name, detail=str(error))
            return False
        await self._client.call(_opening(entry))
        return True

    async def _audit_opening(self, entry: RoomEntry) -> None:
        if entry.description.room_class is not RoomClass.KEP:
            return
        if self._audit is None:
            raise not_audited("no audit")
        if self._client.worker is None:
            raise WorkerUnavailable(detail="not connected")
        await self._audit.opened(entry.description.room, self._client.worker)

    async def _join(self, request: rpc.Join) -> rpc.Admission:
        """Admit a participant, of a kep room only when that is in the audit log."""
        if not self._is_kep or self._audit is None:
            admission: rpc.Admission = await self._client.call(request)
            return admission
        await self._audit.joined(request.room, request.participant, request.subject, request.role)
        try:
            admission = await self._client.call(request)
        except SfuError:
            self._audit.left(request.room, request.participant, "refused")
            raise
        return admission


class RoomDirectory:
    """All workers: finds the one for a room. The only way from sockets to media."""

    def __init__(self, rooms: RoomTable, links: list[WorkerLink]) -> None:
        self.rooms = rooms
        self.links = links

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self.links:
                tasks.create_task(link.run(), name=f"worker-link-{link.address.name}")

    async def call(self, request: Any) -> Any:
        """Do one call at the worker of its room.

        Raises:
            SfuError: refused, or no worker can take it.
            RequestError: a kep call that cannot be audited.
        """
        return await self._link_for(request.room).call(request)

    async def attest(self, worker: str) -> rpc.Attestation | None:
        """Return what the sandbox of the worker of that name answers now; None if it is away."""
        for link in self.links:
            if link.address.name == worker:
                return await link.attest()
        return None

    def post(self, request: Any) -> None:
        """Do one call some time soon, if the room is anywhere."""
        entry = self.rooms.entry(request.room)
        for link in self.links:
            if entry is not None and link.address.name == entry.worker:
                link.post(request)

    async def wait_ready(self) -> None:
        """Return when every worker is connected and adopted."""
        while not self.is_ready:
            for link in self.links:
                await link.ready.wait()

    @property
    def is_ready(self) -> bool:
        """Whether every worker is connected and adopted."""
        return all(link.is_ready for link in self.links)

    def _link_for(self, room: str) -> WorkerLink:
        """Return where the room is, or the emptiest worker of its class (never of another)."""
        entry = self.rooms.entry(room)
        if entry is None:
            raise UnknownRoom(room=room)
        by_name = {link.address.name: link for link in self.links}
        if entry.worker is not None:
            return by_name[entry.worker]
        room_class = entry.description.room_class
        ready = [
            link for link in self.links if link.address.room_class is room_class and link.is_ready
        ]
        if not ready:
            raise WorkerUnavailable(detail=f"no {room_class} worker is ready")
        return min(ready, key=lambda link: self.rooms.participants_of(link.address.name))


def _opening(entry: RoomEntry) -> rpc.OpenRoom:
    description = entry.description
    return rpc.OpenRoom(
        room=description.room, room_class=description.room_class, title=description.title
    )


def _rejoining(entry: RoomEntry, participant: str, listener: Listener) -> rpc.Join | None:
    """Return the call that admits the participant again with the grants it had."""
    membership = listener.membership()
    info = entry.roster.get(participant)
    if membership is None or info is None:
        return None
    return rpc.Join(
        room=membership.room,
        participant=participant,
        subject=membership.subject,
        display_name=info.display_name,
        role=info.role,
        grants=info.grants,
        secret_digest=membership.secret_digest,
        encryption=info.encryption,
    )
