"""One aiohttp WebSocket as frames: three tasks, no decisions. `/ws` and `/door` stand on it.

reader   frames → owner      writer   bounded queue → frames      timer   the owner's deadlines
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMessage, WSMsgType, web

from signaling.clock import Clock
from signaling.limits import OutgoingLimits
from signaling.messages import Error, ServerMessage
from signaling.metrics import SignalingMetrics
from signaling.session_values import CloseSocket
from signaling.wire_json import SharedEncoder

HARD_MESSAGE_BYTES = 128 * 1024
"""aiohttp gives up on a message here (close 1009). The session refuses before, with an error."""
HEARTBEAT_S = 30.0
"""A socket that says nothing for so long is asked by a WebSocket ping; without a pong within half of it,
it is lost. Longer than `SessionLimits.ping_interval_s`: who sends `ping` in time need not be asked, and
asking costs as much as answering. Hidden tabs, whose timers browsers slow down, are asked."""
CLOSE_TIMEOUT_S = 2.0
"""From the decision to close until the TCP connection is cut."""
MAX_SOCKETS = 4096
"""LIMIT: sockets at once; more are answered 503 before the upgrade."""
RECONNECT_FIRST_MS = 500
RECONNECT_SPREAD_MS = 1000


@dataclass(frozen=True)
class FrameServices:
    """What all sockets share."""

    clock: Clock
    outgoing: OutgoingLimits
    encoder: SharedEncoder
    metrics: SignalingMetrics


class FrameOwner(Protocol):
    """Who decides: the shell of a session."""

    def handle_text(self, text: str) -> None:
        """Take a text frame."""

    def handle_binary(self) -> None:
        """Take a binary frame."""

    def handle_socket_lost(self) -> None:
        """The socket is gone, whoever closed it."""

    def handle_slow_reader(self) -> None:
        """More waits for this client than may."""

    def next_timeout(self) -> float | None:
        """Return the monotonic time of the next deadline."""

    def handle_timeout(self) -> None:
        """A deadline may have come."""


class FrameSocket:
    """One socket from upgrade to close."""

    def __init__(self, services: FrameServices, socket: web.WebSocketResponse,
                 transport: asyncio.Transport | None, owner: FrameOwner) -> None:  # fmt: skip
        self._services = services
        self._socket = socket
        self._transport = transport
        self._owner = owner
        self._outgoing: deque[str | CloseSocket] = deque()
        self._outgoing_bytes = 0
        self._has_outgoing = asyncio.Event()
        self._is_closing = False

    async def run(self) -> None:
        """Serve the socket until it is closed."""
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(), name="socket-reader")
            writer = tasks.create_task(self._write(reader), name="socket-writer")
            timer = tasks.create_task(self._watch_time(), name="socket-timer")
            try:
                await asyncio.wait([reader])
            finally:
                self._owner.handle_socket_lost()
                timer.cancel()
                if (
                    not self._is_closing
                ):  # otherwise it is in the closing handshake, with a time-out
                    writer.cancel()

    def send(self, message: ServerMessage) -> None:
        """Send `message`, unless the socket is being closed."""
        if self._is_closing:
            return
        if isinstance(message, Error):
            self._services.metrics.errors_sent.labels(code=message.code).inc()
        text = self._services.encoder.encode(message)
        self._outgoing.append(text)
        self._outgoing_bytes += len(text)
        self._has_outgoing.set()
        limits = self._services.outgoing
        if len(self._outgoing) > limits.messages or self._outgoing_bytes > limits.size_bytes:
            self._outgoing.clear()
            self._outgoing_bytes = 0
            self._owner.handle_slow_reader()

    def close(self, closing: CloseSocket) -> None:
        """Flush what was sent, then close."""
        self._is_closing = True
        self._services.metrics.sockets_closed.labels(reason=closing.code.name.lower()).inc()
        self._outgoing.append(closing)
        self._has_outgoing.set()
        if self._transport is not None:
            # A client that does not read would keep the writer waiting for ever.
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    async def _read(self) -> None:
        while True:
            frame: WSMessage = await self._socket.receive()
            if frame.type is WSMsgType.TEXT:
                self._services.metrics.messages_received.inc()
                self._owner.handle_text(frame.data)
            elif frame.type is WSMsgType.BINARY:
                self._owner.handle_binary()
            else:
                return

    async def _write(self, reader: asyncio.Task[None]) -> None:
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing.clear()
            while self._outgoing:
                item = self._outgoing.popleft()
                if isinstance(item, CloseSocket):
                    # aiohttp waits for the client's close frame (RFC 6455 §7.1.1) only if nobody
                    # else is reading; otherwise it cuts the connection under the close code.
                    reader.cancel()
                    await asyncio.wait([reader])
                    await self._socket.close(code=item.code, message=item.reason.encode())
                    return
                self._outgoing_bytes -= len(item)
                try:
                    await self._socket.send_str(item)
                except ConnectionError:
                    return  # the reader hears of it too

    async def _watch_time(self) -> None:
        while (deadline_s := self._owner.next_timeout()) is not None:
            await asyncio.sleep(max(0.0, deadline_s - self._services.clock().monotonic_s))
            self._owner.handle_timeout()


class Shutdownable(Protocol):
    """A connection that can say goodbye."""

    async def run(self) -> None:
        """Serve until closed."""

    def handle_shutdown(self, retry_after_ms: int) -> None:
        """Say goodbye: this process stops."""


MakeConnection = Callable[[web.Request, web.WebSocketResponse], Shutdownable]


class SocketEndpoint:
    """The handler of a path where sockets are opened."""

    def __init__(self, make_connection: MakeConnection, origins: frozenset[str]) -> None:
        self._make_connection = make_connection
        self._origins = origins
        self._connections: set[Shutdownable] = set()

    def __len__(self) -> int:
        return len(self._connections)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrade and serve, unless another site's page asks (cross-site WebSocket hijacking)."""
        if not is_own_origin(request.headers.getall("Origin", []), self._origins):
            raise web.HTTPForbidden(text="wrong origin")
        if len(self._connections) >= MAX_SOCKETS:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "10"}, text="too many sockets")
        socket = web.WebSocketResponse(
            max_msg_size=HARD_MESSAGE_BYTES,
            compress=False,
            heartbeat=HEARTBEAT_S,
            timeout=CLOSE_TIMEOUT_S,
        )
        await socket.prepare(request)
        connection = self._make_connection(request, socket)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket

    def handle_shutdown(self) -> None:
        """Tell every client when to come back: spread over a second, not all at once."""
        for index, connection in enumerate(list(self._connections)):
            connection.handle_shutdown(RECONNECT_FIRST_MS + index * 7 % RECONNECT_SPREAD_MS)


def is_own_origin(origins: Sequence[str], allowed: frozenset[str]) -> bool:
    """Return whether the one Origin header is in the list: compared whole, never by suffix.

    Missing, `null` and repeated headers are refused. Source: OWASP ASVS 4.4.2, RFC 6454 §7.
    """
    return len(origins) == 1 and origins[0] in allowed
