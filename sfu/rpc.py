"""The worker's side of the RPC: framing and the server on a UNIX socket.

One frame is a 4-byte big-endian length and that many bytes of msgpack (`sfu.rpc_messages`). Calls
of one connection are served in the order they came; events of a call are sent before its result.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from sfu.errors import (
    BadRequest,
    InternalError,
    RpcVersionMismatch,
    SfuError,
    WorkerUnavailable,
    failure_of,
)
from sfu.logs import Log
from sfu.rpc_messages import (
    MAX_FRAME_BYTES,
    PERISHABLE,
    RPC_VERSION,
    CallFrame,
    EventFrame,
    Events,
    Hello,
    Request,
    ResultFrame,
)

log = Log(__name__)

Handler = Callable[[Request], Awaitable[Any]]

MAX_QUEUED_FRAMES = 1 << 16
"""Frames that may wait for one reader. LIMIT: beyond it the connection is closed; the control plane
connects again and adopts the rooms with `list_rooms`: it never lives with a gap in the events."""
BUSY_QUEUED_FRAMES = 1024
"""With more waiting no further call is begun, which would make more of them, until half are gone."""
MAX_QUEUED_BYTES = 16 * MAX_FRAME_BYTES
"""Bytes that may wait for one reader; same policy."""
MAX_CONNECTIONS = 16
"""Control planes at once. LIMIT: further ones are closed at once."""


def encode_frame(message: ResultFrame | EventFrame | CallFrame) -> bytes:
    """Return the frame of `message`.

    Raises:
        BadRequest: it would be larger than MAX_FRAME_BYTES.
    """
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise BadRequest(detail=f"frame of {len(body)} bytes, {MAX_FRAME_BYTES} are allowed")
    return struct.pack(">I", len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame's body.

    Raises:
        BadRequest: its length is 0 or above MAX_FRAME_BYTES; the stream cannot be used any more.
        asyncio.IncompleteReadError: the other end closed.
    """
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 0 < length <= MAX_FRAME_BYTES:
        raise BadRequest(detail=f"frame of {length} bytes, 1 to {MAX_FRAME_BYTES} are allowed")
    return await reader.readexactly(length)


class RpcServer:
    """Serves one UNIX socket. `handler` does the calls; `publish` tells every connection."""

    def __init__(self, path: Path, handler: Handler, listener: socket.socket | None = None) -> None:
        """`listener`: what `bind_rpc_socket(path)` returned, for who may bind nothing any more."""
        self.calls: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.slow_readers = 0
        self._path = path
        self._handler = handler
        self._listener = listener
        self._connections: set[_Connection] = set()

    @property
    def is_controlled(self) -> bool:
        """Whether a control plane is connected that has said hello."""
        return any(connection.has_greeted for connection in self._connections)

    async def run(self, listening: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled. `listening` is called once connections are accepted.

        Raises:
            OSError: the socket cannot be bound, or its folder is open to others.
        """
        listener = self._listener or bind_rpc_socket(self._path)
        try:
            async with asyncio.TaskGroup() as tasks:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    if len(self._connections) >= MAX_CONNECTIONS or not _is_own_user(writer):
                        log.warning("rpc connection refused", connections=len(self._connections))
                        writer.close()
                        return
                    tasks.create_task(self._serve(reader, writer), name="rpc-connection")

                server = await asyncio.start_unix_server(
                    accept, sock=listener, limit=MAX_FRAME_BYTES
                )
                async with server:
                    listening()
                    await asyncio.get_running_loop().create_future()
        finally:
            # A locked worker may change no name: the next one replaces the file.
            with contextlib.suppress(PermissionError):
                self._path.unlink(missing_ok=True)

    def publish(self, event: Events) -> None:
        """Queue an event for every connection that said hello."""
        greeted = [connection for connection in self._connections if connection.has_greeted]
        if greeted:
            frame = encode_frame(EventFrame(event=event))
            for connection in greeted:
                connection.send(frame)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(connection.write_queued(), name="rpc-sender")
                await self._answer_calls(connection, reader)
                sender.cancel()
        except* OSError as group:
            log.info("rpc connection lost", reasons=[repr(error) for error in group.exceptions])
        finally:
            self.slow_readers += connection.is_overfull
            self._connections.discard(connection)
            writer.close()

    async def _answer_calls(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        """Answer until the other end closes or breaks the framing."""
        while True:
            try:
                body = await read_frame(reader)
                call = msgspec.msgpack.decode(body, type=CallFrame)
            except asyncio.IncompleteReadError:
                return
            except (msgspec.MsgspecError, BadRequest) as error:
                # Without its id a call cannot be answered, so the two ends can only start anew.
                self.failures[BadRequest.code] += 1
                log.warning("rpc frame refused", error=str(error))
                return
            await connection.has_room.wait()
            connection.send(await self._answer(connection, call))
            # Calls that came together are read without waiting: in between, their answers, the
            # media's events and the timers have their turn.
            await asyncio.sleep(0)

    async def _answer(self, connection: _Connection, call: CallFrame) -> bytes:
        method = str(call.request.__struct_config__.tag)
        self.calls[method] += 1
        try:
            if isinstance(call.request, Hello):
                if call.request.version != RPC_VERSION:
                    raise RpcVersionMismatch(ours=RPC_VERSION, theirs=call.request.version)
            elif not connection.has_greeted:
                raise BadRequest(detail="the first call of a connection is hello")
            elif isinstance(call.request, PERISHABLE) and time.monotonic() > call.deadline_s:
                raise WorkerUnavailable(detail="too busy to begin in time")
            value = await self._handler(call.request)
            frame = encode_frame(ResultFrame(id=call.id, value=value))
            if isinstance(call.request, Hello):
                connection.has_greeted = True
            return frame
        except SfuError as error:
            failure = failure_of(error)
        except Exception:  # task root of a call: a defect costs this call only
            log.exception("rpc call failed", method=method)
            failure = failure_of(InternalError())
        self.failures[failure.code] += 1
        return encode_frame(ResultFrame(id=call.id, failure=failure))


class _Connection:
    """One control plane: its writer and what waits for it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.has_greeted = False
        self.is_overfull = False
        """The other end does not read what it is sent."""
        self.has_room = asyncio.Event()
        """Whether further calls are begun."""
        self.has_room.set()
        self._writer = writer
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queued_bytes = 0

    def send(self, frame: bytes) -> None:
        """Queue `frame`; past the bounds the connection is given up."""
        if self.is_overfull:
            return
        self._queued_bytes += len(frame)
        self.is_overfull = (
            self._queue.qsize() >= MAX_QUEUED_FRAMES or self._queued_bytes > MAX_QUEUED_BYTES
        )
        if self.is_overfull:
            # Aborting wakes the sender, which may be waiting for the other end in drain().
            self._writer.transport.abort()
        if self._queue.qsize() >= BUSY_QUEUED_FRAMES:
            self.has_room.clear()
        self._queue.put_nowait(frame)

    async def write_queued(self) -> None:
        """Write until cancelled.

        Raises:
            OSError: the other end is gone, or the connection was given up.
        """
        while True:
            frame = await self._queue.get()
            self._writer.write(frame)
            await self._writer.drain()
            self._queued_bytes -= len(frame)
            if self._queue.qsize() <= BUSY_QUEUED_FRAMES // 2:
                self.has_room.set()


def bind_rpc_socket(path: Path) -> socket.socket:
    """Bind `path` with mode 0600 in a folder that only we may enter.

    Raises:
        OSError: it cannot be bound, or its folder is open to others.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if folder.st_uid != os.getuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise PermissionError(f"{path.parent} must be ours alone: chmod 700 {path.parent}")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener


def _is_own_user(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the other end runs as our user (SO_PEERCRED)."""
    end: socket.socket = writer.get_extra_info("socket")
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.getuid())
