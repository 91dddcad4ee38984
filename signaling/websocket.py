"""The shell of a `RoomSession`: one aiohttp WebSocket, four tasks, no decisions.

    reader   frames → session            caller   calls of the session → worker → session
    writer   bounded queue → frames      timer    the session's deadlines

All four and every callback run in one event loop, so the session has one owner and needs no lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import WSMessage, WSMsgType, web

from sfu import rpc_messages as rpc
from sfu.errors import ErrorCode as SfuErrorCode
from sfu.errors import SfuError
from sfu.logs import Log
from sfu.values import Encryption
from signaling.audit.calls import CallAudit
from signaling.clock import Clock
from signaling.encryption import EncryptionPolicy
from signaling.errors import RequestError, request_error_of
from signaling.limits import OutgoingLimits
from signaling.messages import Error, Joined, ServerMessage
from signaling.metrics import SignalingMetrics
from signaling.room_session import RoomSession, SessionServices
from signaling.session_values import (
    Attach,
    Broadcast,
    Call,
    CallResult,
    CloseSocket,
    Enter,
    Exit,
    IssueReceipt,
    Membership,
    Output,
    Post,
    Send,
    Tell,
    TellReason,
    VerbRefused,
)
from signaling.wire_json import SharedEncoder
from signaling.worker_link import RoomDirectory

log = Log(__name__)

HARD_MESSAGE_BYTES = 128 * 1024
"""aiohttp gives up on a message here (close 1009). The session refuses before, with an error."""
HEARTBEAT_S = 20.0
"""WebSocket pings; without a pong within half of it the socket is lost."""
CLOSE_TIMEOUT_S = 2.0
"""From the decision to close until the TCP connection is cut."""
MAX_SOCKETS = 4096
"""LIMIT: sockets at once; more are answered 503 before the upgrade."""


@dataclass(frozen=True)
class SocketServices:
    """What all sockets share."""

    sessions: SessionServices
    directory: RoomDirectory
    clock: Clock
    outgoing: OutgoingLimits
    encoder: SharedEncoder
    metrics: SignalingMetrics
    audit: CallAudit | None = None
    """Of kep calls. None: there are none."""


class SocketConnection:
    """One socket from upgrade to close. Implements `rooms.Listener`."""

    def __init__(self, services: SocketServices, socket: web.WebSocketResponse,
                 transport: asyncio.Transport | None) -> None:  # fmt: skip
        self._services = services
        self._socket = socket
        self._transport = transport
        self._session = RoomSession(services.sessions, services.clock())
        self._outgoing: deque[str | CloseSocket] = deque()
        self._outgoing_bytes = 0
        self._has_outgoing = asyncio.Event()
        self._calls: asyncio.Queue[rpc.Request | None] = asyncio.Queue()
        self._is_closing = False

    async def run(self) -> None:
        """Serve the socket until it is closed and its last call is answered."""
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(), name="socket-reader")
            writer = tasks.create_task(self._write(reader), name="socket-writer")
            timer = tasks.create_task(self._watch_time(), name="socket-timer")
            tasks.create_task(self._do_calls(), name="socket-caller")
            try:
                await asyncio.wait([reader])
            finally:
                self._apply(self._session.handle_socket_lost())
                self._calls.put_nowait(None)
                timer.cancel()
                if (
                    not self._is_closing
                ):  # otherwise it is in the closing handshake, with a time-out
                    writer.cancel()

    def handle_shutdown(self, retry_after_ms: int) -> None:
        """Say goodbye: this process stops."""
        self._apply(self._session.handle_shutdown(retry_after_ms))

    # ---- rooms.Listener

    def handle_event(self, event: rpc.Event, notification: ServerMessage | None) -> None:
        """Hear an event of the room."""
        self._apply(self._session.handle_event(event, notification, self._services.clock()))

    def handle_broadcast(self, message: ServerMessage) -> None:
        """Hear what another participant said to the room."""
        self._send(message)

    def handle_superseded(self) -> None:
        """Another socket is the participant now."""
        self._apply(self._session.handle_superseded())

    def handle_media_lost(self) -> None:
        """The participant is in the room of a restarted worker."""
        self._apply(self._session.handle_media_lost())

    def handle_rejoin_refused(self) -> None:
        """The worker does not know the participant any more."""
        self._apply(self._session.handle_rejoin_refused())

    def membership(self) -> Membership | None:
        """Return what admits the participant again."""
        return self._session.membership()

    # ---- tasks

    async def _read(self) -> None:
        while True:
            frame: WSMessage = await self._socket.receive()
            if frame.type is WSMsgType.TEXT:
                self._services.metrics.messages_received.inc()
                self._apply(self._session.handle_message(frame.data, self._services.clock()))
            elif frame.type is WSMsgType.BINARY:
                self._apply(self._session.handle_binary())
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
        while (deadline_s := self._session.next_timeout()) is not None:
            await asyncio.sleep(max(0.0, deadline_s - self._services.clock().monotonic_s))
            self._apply(self._session.handle_timeout(self._services.clock()))

    async def _do_calls(self) -> None:
        while (request := await self._calls.get()) is not None:
            result = await self._call(request)
            self._apply(self._session.handle_call_result(result, self._services.clock()))

    async def _call(self, request: rpc.Request) -> CallResult:
        try:
            result: CallResult = await self._services.directory.call(request)
        except SfuError as error:
            if error.code is SfuErrorCode.INTERNAL:
                log.error("call failed", method=type(request).__name__, detail=str(error))
            return request_error_of(error)
        except RequestError as error:
            return error
        return result

    # ---- outputs of the session

    def _apply(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Send(message):
                    self._send(message)
                case Call(request):
                    self._calls.put_nowait(request)
                case Post(request):
                    self._services.directory.post(request)
                case CloseSocket():
                    self._close(output)
                case IssueReceipt() | VerbRefused():
                    self._audit(output)
                case _:
                    self._apply_in_room(output)

    def _apply_in_room(self, output: Enter | Attach | Exit | Broadcast | Tell | TellReason) -> None:
        rooms = self._services.directory.rooms
        match output:
            case Enter(room, participant):
                rooms.enter(room, participant, self)
            case Attach(room, participant):
                rooms.attach(room, participant, self)
            case Exit():
                self._exit(output)
            case Broadcast(room, message):
                rooms.broadcast(room, message)
            case Tell(room, participant, message):
                rooms.tell(room, participant, message)
            case TellReason(room, participant, reason):
                rooms.tell_reason(room, participant, reason)

    def _audit(self, output: IssueReceipt | VerbRefused) -> None:
        audit = self._services.audit
        if audit is None:
            return
        match output:
            case IssueReceipt(room, participant, secret_digest):
                audit.receipt_issued(room, participant, secret_digest)
            case VerbRefused(room, participant, verb):
                audit.verb_refused(room, verb, "socket", participant)

    def _exit(self, output: Exit) -> None:
        directory = self._services.directory
        if output.restore_secret is not None:
            directory.post(output.restore_secret)
        if directory.rooms.exit(output.room, output.participant, self, output.is_resumable):
            directory.post(rpc.Detach(room=output.room, participant=output.participant))

    def _send(self, message: ServerMessage) -> None:
        if self._is_closing:
            return
        if isinstance(message, Error):
            self._services.metrics.errors_sent.labels(code=message.code).inc()
        elif isinstance(message, Joined):
            self._note_entry(message)
        text = self._services.encoder.encode(message)
        self._outgoing.append(text)
        self._outgoing_bytes += len(text)
        self._has_outgoing.set()
        limits = self._services.outgoing
        if len(self._outgoing) > limits.messages or self._outgoing_bytes > limits.size_bytes:
            self._outgoing.clear()
            self._outgoing_bytes = 0
            self._apply(self._session.handle_slow_reader())

    def _note_entry(self, joined: Joined) -> None:
        self._services.metrics.joins.labels(resumed=str(joined.resumed).lower()).inc()
        own = (each for each in joined.participants if each.participant == joined.participant)
        is_open = any(each.encryption is Encryption.OFF for each in own)
        if joined.encryption is EncryptionPolicy.OPTIONAL and is_open:
            log.warning("a browser without end-to-end encryption entered a kep call")

    def _close(self, closing: CloseSocket) -> None:
        self._is_closing = True
        self._services.metrics.sockets_closed.labels(reason=closing.code.name.lower()).inc()
        self._outgoing.append(closing)
        self._has_outgoing.set()
        if self._transport is not None:
            # A client that does not read would keep the writer waiting for ever.
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)


class SocketEndpoint:
    """The handler of `/ws`."""

    def __init__(self, services: SocketServices, origins: frozenset[str]) -> None:
        self._services = services
        self._origins = origins
        self._connections: set[SocketConnection] = set()
        services.metrics.sockets.set_function(lambda: len(self._connections))

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
        connection = SocketConnection(self._services, socket, request.transport)
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


RECONNECT_FIRST_MS = 500
RECONNECT_SPREAD_MS = 1000


def is_own_origin(origins: Sequence[str], allowed: frozenset[str]) -> bool:
    """Return whether the one Origin header is in the list: compared whole, never by suffix.

    Missing, `null` and repeated headers are refused. Source: OWASP ASVS 4.4.2, RFC 6454 §7.
    """
    return len(origins) == 1 and origins[0] in allowed
