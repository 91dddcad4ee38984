"""The shell of a `RoomSession`: one socket of `/ws`, no decisions.

Beside the socket's own tasks (`frame_socket.py`) one carries out the session's calls, in order:
calls of the session → worker or doors → session. All of them and every callback run in one event
loop, so the session has one owner and needs no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from sfu import rpc_messages as rpc
from sfu.errors import ErrorCode as SfuErrorCode
from sfu.errors import SfuError
from sfu.logs import Log
from sfu.values import Encryption
from signaling.audit.calls import CallAudit
from signaling.door.doors import Doors
from signaling.door.values import DoorRequest
from signaling.encryption import EncryptionPolicy
from signaling.errors import RequestError, request_error_of
from signaling.frame_socket import FrameServices, FrameSocket
from signaling.messages import Joined, ServerMessage
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
from signaling.worker_link import RoomDirectory

log = Log(__name__)


@dataclass(frozen=True)
class SocketServices:
    """What all sockets share."""

    sessions: SessionServices
    directory: RoomDirectory
    doors: Doors
    frames: FrameServices
    audit: CallAudit | None = None
    """Of kep calls. None: there are none."""


class SocketConnection:
    """One socket from upgrade to close. Implements `rooms.Listener`."""

    def __init__(self, services: SocketServices, socket: web.WebSocketResponse,
                 transport: asyncio.Transport | None) -> None:  # fmt: skip
        self._services = services
        self._clock = services.frames.clock
        self._frames = FrameSocket(services.frames, socket, transport, self)
        self._session = RoomSession(services.sessions, self._clock())
        self._calls: asyncio.Queue[rpc.Request | DoorRequest | None] = asyncio.Queue()

    async def run(self) -> None:
        """Serve the socket until it is closed and its last call is answered."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._do_calls(), name="socket-caller")
            try:
                await self._frames.run()
            finally:
                self._calls.put_nowait(None)

    def handle_shutdown(self, retry_after_ms: int) -> None:
        """Say goodbye: this process stops."""
        self._apply(self._session.handle_shutdown(retry_after_ms))

    # ---- frame_socket.FrameOwner

    def handle_text(self, text: str) -> None:
        """Take a text frame."""
        self._apply(self._session.handle_message(text, self._clock()))

    def handle_binary(self) -> None:
        """Take a binary frame."""
        self._apply(self._session.handle_binary())

    def handle_socket_lost(self) -> None:
        """The socket is gone, whoever closed it."""
        self._apply(self._session.handle_socket_lost())

    def handle_slow_reader(self) -> None:
        """More waits for this client than may."""
        self._apply(self._session.handle_slow_reader())

    def next_timeout(self) -> float | None:
        """Return the monotonic time of the next deadline."""
        return self._session.next_timeout()

    def handle_timeout(self) -> None:
        """A deadline may have come."""
        self._apply(self._session.handle_timeout(self._clock()))

    # ---- rooms.Listener

    def handle_event(self, event: rpc.Event, notification: ServerMessage | None) -> None:
        """Hear an event of the room."""
        self._apply(self._session.handle_event(event, notification, self._clock()))

    def handle_broadcast(self, message: ServerMessage) -> None:
        """Hear what is said to the whole room."""
        self._frames.send(message)

    def handle_for_moderators(self, message: ServerMessage) -> None:
        """Hear what only moderators are told."""
        self._apply(self._session.handle_for_moderators(message))

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

    # ---- calls of the session

    async def _do_calls(self) -> None:
        while (request := await self._calls.get()) is not None:
            result = await self._call(request)
            self._apply(self._session.handle_call_result(result, self._clock()))

    async def _call(self, request: rpc.Request | DoorRequest) -> CallResult:
        try:
            if isinstance(request, DoorRequest):
                await self._services.doors.do(request)
                return None
            result: CallResult = await self._services.directory.call(request)
        except RequestError as error:
            return error
        except SfuError as error:
            if error.code is SfuErrorCode.INTERNAL:
                log.error("call failed", method=type(request).__name__, detail=str(error))
            return request_error_of(error)
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
                    self._frames.close(output)
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
        if isinstance(message, Joined):
            self._note_entry(message)
        self._frames.send(message)

    def _note_entry(self, joined: Joined) -> None:
        joins = self._services.frames.metrics.joins
        joins.labels(resumed=str(joined.resumed).lower()).inc()
        own = (each for each in joined.participants if each.participant == joined.participant)
        is_open = any(each.encryption is Encryption.OFF for each in own)
        if joined.encryption is EncryptionPolicy.OPTIONAL and is_open:
            log.warning("a browser without end-to-end encryption entered a kep call")
