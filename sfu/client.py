"""Signaling's side of the RPC: one `SfuClient` for one media worker's socket.

It connects, says hello, connects again when the worker is gone, and never queues a call for later:
while there is no connection every call fails at once, so that the person who waits is told at once.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, overload

import msgspec

from sfu import rpc_messages as messages
from sfu.errors import (
    BadRequest,
    RpcVersionMismatch,
    SfuError,
    WorkerUnavailable,
    error_of,
)
from sfu.logs import Log
from sfu.rpc import encode_frame, read_frame
from sfu.values import Grants, Role, RoomClass, TrackSource, VideoWish

log = Log(__name__)

OnEvent = Callable[[messages.Events], None]
OnState = Callable[[bool, messages.WorkerInfo | None, bool], None]
"""(connected, the worker, whether it is another incarnation than the last: its rooms are gone)."""

CALL_TIMEOUT_S = 10.0
"""Longest wait for a result; then the call fails with `worker_unavailable`. Less than the 15 s that
pages wait for a reply (`static/protocol.js`): they hear from us that they may try again."""
RECONNECT_FIRST_S = 0.05
RECONNECT_LAST_S = 0.25
"""Pause between attempts, doubled from first to last. An attempt on a socket file that nobody
serves costs microseconds, and a call without media waits for it."""
TURN_S = 0.05
"""Events that came together are told for so long; then everybody else has a turn. Not after each:
writing to hundreds of sockets in between, we would read more slowly than a worker writes."""
MAX_CALLS_WAITING = 4096
"""LIMIT: more calls than this unanswered fail at once with `worker_unavailable`."""


class SfuClient:
    """Calls one worker and hears its events. `run` must be running in a task of the owner.

    Callbacks run in that task, must not block and must not raise. Events of a call come before its
    result.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        on_event: OnEvent,
        on_state: OnState,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self.worker: messages.WorkerInfo | None = None
        """The worker while connected."""
        self._path = socket_path
        self._on_event = on_event
        self._on_state = on_state
        self._call_timeout_s = call_timeout_s
        self._writer: asyncio.StreamWriter | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last_incarnation: str | None = None

    @property
    def is_connected(self) -> bool:
        return self.worker is not None

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            RpcVersionMismatch: the worker is of another release; trying again cannot help.
        """
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(
                    str(self._path), limit=messages.MAX_FRAME_BYTES
                )
            except OSError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RECONNECT_LAST_S)
                continue
            had_greeting = await self._use(reader, writer)
            pause_s = RECONNECT_FIRST_S if had_greeting else min(2 * pause_s, RECONNECT_LAST_S)
            await asyncio.sleep(pause_s)

    @overload
    async def call(self, request: messages.Hello) -> messages.WorkerInfo: ...
    @overload
    async def call(self, request: messages.OpenRoom) -> messages.RoomState: ...
    @overload
    async def call(self, request: messages.Join | messages.Resume) -> messages.Admission: ...
    @overload
    async def call(self, request: messages.Negotiate) -> messages.NegotiationResult: ...
    @overload
    async def call(self, request: messages.ListRooms) -> list[messages.RoomState]: ...
    @overload
    async def call(self, request: messages.Statistics) -> messages.WorkerStatistics: ...
    @overload
    async def call(self, request: messages.Attest) -> messages.Attestation: ...
    @overload
    async def call(self, request: messages.Commands) -> None: ...
    async def call(self, request: messages.Requests) -> Any:
        """Do one call and return its result.

        Raises:
            WorkerUnavailable: not connected, the connection broke, or no result in time.
            SfuError: what the worker refused, as the error it raised there.
        """
        if not self.is_connected:
            raise WorkerUnavailable(detail="not connected")
        return await self._call(request)

    async def open_room(self, room: str, room_class: RoomClass, title: str) -> messages.RoomState:
        return await self.call(messages.OpenRoom(room=room, room_class=room_class, title=title))

    async def close_room(self, room: str, reason: str) -> None:
        await self.call(messages.CloseRoom(room=room, reason=reason))

    async def join(
        self,
        room: str,
        participant: str,
        *,
        subject: str,
        display_name: str,
        role: Role,
        grants: Grants,
        secret_digest: bytes,
    ) -> messages.Admission:
        request = messages.Join(
            room=room,
            participant=participant,
            subject=subject,
            display_name=display_name,
            role=role,
            grants=grants,
            secret_digest=secret_digest,
        )
        return await self.call(request)

    async def resume(
        self, room: str, participant: str, *, secret_digest: bytes, next_secret_digest: bytes
    ) -> messages.Admission:
        request = messages.Resume(
            room=room,
            participant=participant,
            secret_digest=secret_digest,
            next_secret_digest=next_secret_digest,
        )
        return await self.call(request)

    async def detach(self, room: str, participant: str) -> None:
        await self.call(messages.Detach(room=room, participant=participant))

    async def leave(self, room: str, participant: str, reason: str = "left") -> None:
        await self.call(messages.Leave(room=room, participant=participant, reason=reason))

    async def negotiate(
        self, room: str, participant: str, sdp: str, tracks: dict[str, TrackSource]
    ) -> str:
        """Return the answer to the offer `sdp`; `tracks` says what each sending m-line carries."""
        request = messages.Negotiate(room=room, participant=participant, sdp=sdp, tracks=tracks)
        return (await self.call(request)).sdp

    async def set_layout(self, room: str, participant: str, video: list[VideoWish]) -> None:
        await self.call(messages.SetLayout(room=room, participant=participant, video=video))

    async def set_muted(
        self, room: str, participant: str, source: TrackSource, muted: bool
    ) -> None:
        request = messages.SetMuted(room=room, participant=participant, source=source, muted=muted)
        await self.call(request)

    async def set_grants(self, room: str, participant: str, grants: Grants) -> None:
        await self.call(messages.SetGrants(room=room, participant=participant, grants=grants))

    async def set_hand(self, room: str, participant: str, raised: bool) -> None:
        await self.call(messages.SetHand(room=room, participant=participant, raised=raised))

    async def list_rooms(self) -> list[messages.RoomState]:
        return await self.call(messages.ListRooms())

    async def statistics(self) -> messages.WorkerStatistics:
        return await self.call(messages.Statistics())

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Use one connection until it breaks; tell whether the worker greeted us."""
        self._writer = writer
        had_greeting = False
        try:
            async with asyncio.TaskGroup() as tasks:
                receiver = tasks.create_task(self._receive(reader), name="sfu-client-receiver")
                try:
                    worker: messages.WorkerInfo = await self._call(
                        messages.Hello(version=messages.RPC_VERSION)
                    )
                except WorkerUnavailable:
                    receiver.cancel()
                else:
                    had_greeting = True
                    self._announce(worker)
                    await asyncio.wait([receiver])
        except* RpcVersionMismatch as group:
            raise group.exceptions[0] from None
        finally:
            self._drop_connection(writer)
        return had_greeting

    def _announce(self, worker: messages.WorkerInfo) -> None:
        was_restarted = self._last_incarnation not in (None, worker.incarnation)
        self._last_incarnation = worker.incarnation
        self.worker = worker
        self._on_state(True, worker, was_restarted)

    def _drop_connection(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self._writer = None
        for result in self._waiting.values():
            if not result.done():
                result.set_exception(WorkerUnavailable(detail="the connection broke"))
        self._waiting.clear()
        if self.worker is not None:
            self.worker = None
            self._on_state(False, None, False)

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        """Take frames until the worker closes or breaks the framing."""
        turn_ends_s = time.monotonic() + TURN_S
        while True:
            try:
                body = await read_frame(reader)
                frame = msgspec.msgpack.decode(body, type=_FromWorker)
            except (OSError, EOFError):
                break
            except (msgspec.MsgspecError, BadRequest) as error:
                log.error("worker sent a bad frame", error=str(error))
                break
            if isinstance(frame, messages.EventFrame):
                self._on_event(frame.event)
            else:
                self._take_result(frame)
            # Frames that came together are read without waiting: whoever waits for a result must
            # not time out behind the events that follow it.
            if time.monotonic() >= turn_ends_s:
                await asyncio.sleep(0)
                turn_ends_s = time.monotonic() + TURN_S
        for result in self._waiting.values():
            if not result.done():
                result.set_exception(WorkerUnavailable(detail="the connection broke"))
        self._waiting.clear()

    def _take_result(self, frame: messages.ResultFrame) -> None:
        result = self._waiting.pop(frame.id, None)
        if result is None or result.done():
            return  # the call timed out or was cancelled
        if frame.failure is not None:
            result.set_exception(error_of(frame.failure))
        else:
            result.set_result(frame.value)

    async def _call(self, request: messages.Requests) -> Any:
        writer = self._writer
        # A transport that is closing already takes nothing: uvloop's raises RuntimeError.
        if writer is None or writer.is_closing() or len(self._waiting) >= MAX_CALLS_WAITING:
            raise WorkerUnavailable(detail="no connection or too many calls waiting")
        call_id = next(self._ids)
        deadline_s = time.monotonic() + self._call_timeout_s
        frame = encode_frame(messages.CallFrame(id=call_id, request=request, deadline_s=deadline_s))
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = result
        try:
            writer.write(frame)
            async with asyncio.timeout(self._call_timeout_s):
                value = await result
        except (TimeoutError, OSError) as error:
            raise WorkerUnavailable(detail="no answer in time") from error
        finally:
            self._waiting.pop(call_id, None)
        result_type = _RESULT_TYPES.get(type(request))
        return value if result_type is None else msgspec.convert(value, result_type)


_FromWorker = messages.ResultFrame | messages.EventFrame

_RESULT_TYPES: dict[type[messages.Request], Any] = {
    messages.Hello: messages.WorkerInfo,
    messages.OpenRoom: messages.RoomState,
    messages.Join: messages.Admission,
    messages.Resume: messages.Admission,
    messages.Negotiate: messages.NegotiationResult,
    messages.ListRooms: list[messages.RoomState],
    messages.Statistics: messages.WorkerStatistics,
    messages.Attest: messages.Attestation,
}

__all__ = ["CALL_TIMEOUT_S", "OnEvent", "OnState", "SfuClient", "SfuError"]
