"""The shell of a `DoorSession`: one socket of `/door`, no decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from signaling.door.door_session import Begin, DoorSession, DoorSessionOutput
from signaling.door.doors import Doors
from signaling.door.values import Outcome, Told
from signaling.frame_socket import FrameServices, FrameSocket
from signaling.limits import SessionLimits
from signaling.session_values import CloseSocket, Send

HoldersOf = Callable[[web.Request], frozenset[str]]
"""Returns the hashes of the cookies that a browser showed."""


def no_holders(request: web.Request) -> frozenset[str]:
    """Where there are no accounts nobody gets a ticket."""
    return frozenset()


@dataclass(frozen=True)
class DoorSocketServices:
    """What all doors' sockets share."""

    doors: Doors
    frames: FrameServices
    limits: SessionLimits
    holders_of: HoldersOf


class DoorConnection:
    """One socket from upgrade to close. Implements `door_session.Knocker`."""

    def __init__(self, services: DoorSocketServices, request: web.Request,
                 socket: web.WebSocketResponse) -> None:  # fmt: skip
        self.holders = services.holders_of(request)
        self._doors = services.doors
        self._clock = services.frames.clock
        transport: asyncio.Transport | None = request.transport
        self._frames = FrameSocket(services.frames, socket, transport, self)
        self._session = DoorSession(services.doors, self, services.limits, self._clock())

    async def run(self) -> None:
        """Serve the socket until it is closed."""
        await self._frames.run()

    def handle_shutdown(self, retry_after_ms: int) -> None:
        """Say goodbye: this process stops."""
        self._apply(self._session.handle_shutdown(retry_after_ms, self._clock()))

    # ---- frame_socket.FrameOwner

    def handle_text(self, text: str) -> None:
        """Take a text frame."""
        self._apply(self._session.handle_message(text, self._clock()))

    def handle_binary(self) -> None:
        """Take a binary frame."""
        self._apply(self._session.handle_binary(self._clock()))

    def handle_socket_lost(self) -> None:
        """The socket is gone, whoever closed it."""
        self._apply(self._session.handle_socket_lost(self._clock()))

    def handle_slow_reader(self) -> None:
        """More waits for this client than may."""
        self._apply(self._session.handle_slow_reader(self._clock()))

    def next_timeout(self) -> float | None:
        """Return the monotonic time of the next deadline."""
        return self._session.next_timeout()

    def handle_timeout(self) -> None:
        """A deadline may have come."""
        self._apply(self._session.handle_timeout(self._clock()))

    # ---- door_session.Knocker

    def handle_told(self, told: Told) -> None:
        """Hear how things are."""
        self._apply(self._session.handle_told(told))

    def handle_admitted(self, room: str, token: str) -> None:
        """Come in."""
        self._apply(self._session.handle_admitted(room, token))

    def handle_dismissed(self, outcome: Outcome, reason: str, retry_after_s: int | None) -> None:
        """Not let in."""
        self._apply(self._session.handle_dismissed(outcome, reason, retry_after_s))

    def handle_superseded(self) -> None:
        """The same person knocked from elsewhere."""
        self._apply(self._session.handle_superseded())

    def _apply(self, outputs: Sequence[DoorSessionOutput]) -> None:
        for output in outputs:
            match output:
                case Send(message):
                    self._frames.send(message)
                case CloseSocket():
                    self._frames.close(output)
                case Begin():
                    self._doors.begin(self)
