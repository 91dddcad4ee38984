"""One socket at a door, SANS-IO: messages and time in, outputs out.

The shell is `door_socket.py`. Before the admission nothing is heard here but of the own place: the
session knows no room, no participant and no media.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from signaling import messages
from signaling.clock import Instant
from signaling.door.messages import (
    Admitted,
    Dismissed,
    DoorClientMessages,
    Knock,
    Knocked,
    Waiting,
)
from signaling.door.values import Outcome, Told
from signaling.errors import CloseCode, ErrorCode, RequestError
from signaling.limits import IncomingMeter, SessionLimits
from signaling.messages import PROTOCOL_VERSION, ClientMessage
from signaling.session_values import CloseSocket, Send
from signaling.wire_json import MessageDecoder, MessageRefused


@dataclass(frozen=True)
class Begin:
    """The reply is sent: the doors may tell what follows from the knock."""


DoorSessionOutput = Send | CloseSocket | Begin
Outputs = list[DoorSessionOutput]


class DoorState(Enum):
    """Where a door's socket stands."""

    AWAITING_KNOCK = "awaiting_knock"
    """Open; only `knock` is answered."""
    AT_DOOR = "at_door"
    """Has a place in the waiting room."""
    CLOSED = "closed"
    """Nothing is sent any more."""


class DoorStep(Enum):
    """What moves it from state to state."""

    KNOCKED = "knocked"
    ENDED = "ended"


DOOR_TRANSITIONS = {
    (DoorState.AWAITING_KNOCK, DoorStep.KNOCKED): DoorState.AT_DOOR,
    (DoorState.AWAITING_KNOCK, DoorStep.ENDED): DoorState.CLOSED,
    (DoorState.AT_DOOR, DoorStep.ENDED): DoorState.CLOSED,
}


@dataclass(frozen=True)
class Place:
    """What a knock gave."""

    knock: str
    return_ticket: str


class DoorKeeper(Protocol):
    """What a session asks of the doors. Answers at once, from memory."""

    def handle_knock(self, ticket: str, listener: Knocker, now: Instant) -> Place:
        """Spend the ticket for a place; what follows is told to `listener` after `Begin`.

        Raises:
            RequestError: why not.
        """

    def handle_leave(self, listener: Knocker, now: Instant) -> None:
        """The place is given up."""

    def handle_lost(self, listener: Knocker, now: Instant) -> None:
        """The socket is lost; the place is kept for a while."""


class Knocker(Protocol):
    """A door's socket, as the doors see it. Every call returns at once."""

    holders: frozenset[str]
    """Hashes of the cookies that the browser showed."""

    def handle_told(self, told: Told) -> None:
        """Hear how things are."""

    def handle_admitted(self, room: str, token: str) -> None:
        """Come in."""

    def handle_dismissed(self, outcome: Outcome, reason: str, retry_after_s: int | None) -> None:
        """Not let in."""

    def handle_superseded(self) -> None:
        """The same person knocked from elsewhere."""


class DoorSession:
    """State of one socket. After CLOSED everything is answered with nothing."""

    def __init__(self, keeper: DoorKeeper, listener: Knocker, limits: SessionLimits, now: Instant
                 ) -> None:  # fmt: skip
        self.state = DoorState.AWAITING_KNOCK
        self._keeper = keeper
        self._listener = listener
        self._limits = limits
        self._meter = IncomingMeter(limits, now.monotonic_s)
        self._opened_s = now.monotonic_s
        self._last_message_s = now.monotonic_s
        self._failed_attempts = 0

    # ---- from the socket

    def handle_message(self, text: str, now: Instant) -> Outputs:
        """Take one text frame."""
        if self.state is DoorState.CLOSED:
            return []
        self._last_message_s = now.monotonic_s
        try:
            message = _DECODER.decode(text)
        except MessageRefused as refusal:
            if refusal.code is ErrorCode.TOO_LARGE:
                return self._end_with_error(refusal.code, refusal.detail, CloseCode.TOO_LARGE, now)
            if not self._meter.take(now.monotonic_s):
                return self._refuse_flood(refusal.request_id, now)
            return [_error(refusal.request_id, refusal)]
        if not self._meter.take(now.monotonic_s):
            return self._refuse_flood(message.id, now)
        try:
            return self._start(message, now)
        except RequestError as error:
            return [_error(message.id, error), *self._count_attempt(message, error)]

    def handle_binary(self, now: Instant) -> Outputs:
        """Take a binary frame: there are none in this protocol."""
        text = "only text frames"
        return self._end_with_error(ErrorCode.BAD_MESSAGE, text, CloseCode.UNSUPPORTED_DATA, now)

    def handle_socket_lost(self, now: Instant) -> Outputs:
        """The socket is gone, whoever closed it."""
        return self._end(None, now)

    def handle_slow_reader(self, now: Instant) -> Outputs:
        """More waits for this client than may."""
        text = "messages are not read fast enough"
        return self._end_with_error(ErrorCode.SLOW_READER, text, CloseCode.SLOW_READER, now)

    def handle_shutdown(self, retry_after_ms: int, now: Instant) -> Outputs:
        """This process stops: who waits knocks again."""
        if self.state is DoorState.CLOSED:
            return []
        goodbye = Send(messages.GoingAway(retry_after_ms=retry_after_ms))
        return [goodbye, *self._end(CloseSocket(CloseCode.GOING_AWAY, "going_away"), now)]

    # ---- from the clock

    def next_timeout(self) -> float | None:
        """Return the monotonic time at which `handle_timeout` wants to be called."""
        if self.state is DoorState.CLOSED:
            return None
        if self.state is DoorState.AT_DOOR:
            return self._last_message_s + self._limits.idle_timeout_s
        return self._opened_s + self._limits.join_timeout_s

    def handle_timeout(self, now: Instant) -> Outputs:
        """Close a socket that does not knock, or does nothing."""
        deadline_s = self.next_timeout()
        if deadline_s is None or now.monotonic_s < deadline_s:
            return []
        if self.state is DoorState.AT_DOOR:
            text = "no message for too long"
            return self._end_with_error(ErrorCode.IDLE, text, CloseCode.IDLE, now)
        text = "knock did not come in time"
        return self._end_with_error(ErrorCode.JOIN_TIMEOUT, text, CloseCode.JOIN_TIMEOUT, now)

    # ---- from the doors

    def handle_told(self, told: Told) -> Outputs:
        """Tell how things are."""
        if self.state is not DoorState.AT_DOOR:
            return []
        opens_at = datetime.fromtimestamp(told.opens_s, UTC).isoformat(timespec="seconds")
        return [
            Send(
                Waiting(
                    state=told.state,
                    position=told.position,
                    opens_at=opens_at.replace("+00:00", "Z"),
                )
            )
        ]

    def handle_admitted(self, room: str, token: str) -> Outputs:
        """Hand the token over: the door is done with this socket."""
        return self._dismiss(Admitted(room=room, token=token), CloseCode.NORMAL, "admitted")

    def handle_dismissed(self, outcome: Outcome, reason: str, retry_after_s: int | None
                         ) -> Outputs:  # fmt: skip
        """Tell that and why there is no entry."""
        message = Dismissed(outcome=outcome, reason=reason, retry_after_s=retry_after_s)
        is_refusal = outcome is Outcome.REFUSED
        code = CloseCode.REFUSED if is_refusal else CloseCode.ROOM_CLOSED
        return self._dismiss(message, code, outcome.value)

    def handle_superseded(self) -> Outputs:
        """The same person knocked from elsewhere: the place is there now."""
        text = "knocked again from elsewhere"
        error = messages.Error(id=None, code=ErrorCode.REPLACED, message=text)
        return self._dismiss(error, CloseCode.REPLACED, "replaced")

    # ---- inner

    def _start(self, message: ClientMessage, now: Instant) -> Outputs:
        if isinstance(message, Knock):
            return self._knock(message, now)
        if self.state is not DoorState.AT_DOOR:
            raise RequestError(ErrorCode.NOT_JOINED, "knock first")
        done = Send(messages.Done(id=message.id))
        if isinstance(message, messages.Leave):
            self._step(DoorStep.ENDED)
            self._keeper.handle_leave(self._listener, now)
            return [done, CloseSocket(CloseCode.NORMAL, "left")]
        return [done]

    def _knock(self, message: Knock, now: Instant) -> Outputs:
        if self.state is DoorState.AT_DOOR:
            raise RequestError(ErrorCode.ALREADY_JOINED, "this socket has knocked")
        if message.protocol != PROTOCOL_VERSION:
            text = f"this server speaks {PROTOCOL_VERSION}"
            raise RequestError(ErrorCode.UNSUPPORTED_PROTOCOL, text)
        place = self._keeper.handle_knock(message.ticket, self._listener, now)
        self._step(DoorStep.KNOCKED)
        return [
            Send(
                Knocked(
                    id=message.id,
                    ticket=place.return_ticket,
                    ping_interval_s=self._limits.ping_interval_s,
                )
            ),
            Begin(),
        ]

    def _count_attempt(self, message: ClientMessage, error: RequestError) -> Outputs:
        self._failed_attempts += isinstance(message, Knock)
        if self._failed_attempts < self._limits.join_attempts:
            return []
        self._step(DoorStep.ENDED)
        return [CloseSocket(CloseCode.NOT_ADMITTED, error.code.value)]

    def _refuse_flood(self, request_id: int | None, now: Instant) -> Outputs:
        error = self._meter.refusal(now.monotonic_s)
        if error is None:
            text = "too many messages"
            return self._end_with_error(ErrorCode.RATE_LIMITED, text, CloseCode.RATE_LIMITED, now)
        return [_error(request_id, error)]

    def _end_with_error(self, code: ErrorCode, text: str, close_code: CloseCode, now: Instant
                        ) -> Outputs:  # fmt: skip
        if self.state is DoorState.CLOSED:
            return []
        error = Send(messages.Error(id=None, code=code, message=text))
        return [error, *self._end(CloseSocket(close_code, code.value), now)]

    def _end(self, closing: CloseSocket | None, now: Instant) -> Outputs:
        """End for a reason of the socket's: the place is kept for a while."""
        if self.state is DoorState.CLOSED:
            return []
        had_place = self.state is DoorState.AT_DOOR
        self._step(DoorStep.ENDED)
        if had_place:
            self._keeper.handle_lost(self._listener, now)
        return [] if closing is None else [closing]

    def _dismiss(self, message: Any, code: CloseCode, reason: str) -> Outputs:
        """End because the doors have done with it."""
        if self.state is DoorState.CLOSED:
            return []
        self._step(DoorStep.ENDED)
        return [Send(message), CloseSocket(code, reason)]

    def _step(self, step: DoorStep) -> None:
        key = (self.state, step)
        if key not in DOOR_TRANSITIONS:
            raise AssertionError(f"{step} is illegal in {self.state}")
        self.state = DOOR_TRANSITIONS[key]


def _error(request_id: int | None, error: RequestError) -> Send:
    return Send(messages.error_of(request_id, error))


_DECODER = MessageDecoder(DoorClientMessages)
