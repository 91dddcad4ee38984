"""Every limit of one WebSocket, and the token bucket that rates are measured with. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from signaling.errors import ErrorCode, RequestError


@dataclass(frozen=True)
class SessionLimits:
    """What one socket may cost. Documented in docs/signaling-protocol.md, section Limits."""

    join_timeout_s: float = 10.0
    """A socket that has not joined or resumed by then is closed."""
    join_attempts: int = 3
    """Refused `join` or `resume` requests before the socket is closed."""
    idle_timeout_s: float = 150.0
    """Without any message for so long the socket is closed. Browsers slow the timers of hidden
    tabs down to one a minute, so less than two minutes would cut them."""
    ping_interval_s: int = 25
    """How often clients are told to send `ping`."""
    message_burst: float = 50.0
    message_rate: float = 20.0
    """Messages a second after the burst."""
    offer_burst: float = 4.0
    offer_rate: float = 2.0
    """Offers a second after the burst: each costs an SDP parse and perhaps a handshake."""
    chat_burst: float = 10.0
    chat_rate: float = 1.0
    """Chat lines a second after the burst: each is sent to the whole room."""
    keys_burst: float = 40.0
    keys_rate: float = 4.0
    """Messages of the key agreement a second after the burst: three other participants, about six
    messages each at a join, two at each change of keys."""
    refusals: int = 100
    """Messages refused with `rate_limited` before the socket is closed; one a second comes back."""
    waiting_requests: int = 64
    """Requests that wait while an earlier one is with the media worker; more are refused."""
    held_events: int = 4096
    """Room events held back while a join is under way; more close the socket."""


@dataclass(frozen=True)
class OutgoingLimits:
    """What may wait for a client that reads slowly; past either the socket is closed."""

    messages: int = 1024
    """A worker's restart makes one message per participant of the room at once."""
    size_bytes: int = 1 << 20


class TokenBucket:
    """Allow `burst` at once and `rate` a second for good."""

    def __init__(self, *, burst: float, rate: float, now_s: float) -> None:
        self._burst = burst
        self._rate = rate
        self._level = burst
        self._updated_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one if there is one."""
        self._refill(now_s)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def delay_s(self, now_s: float) -> float:
        """Return how long until one can be taken."""
        self._refill(now_s)
        return max(0.0, (1.0 - self._level) / self._rate)

    def is_full(self, now_s: float) -> bool:
        """Return whether nothing was taken of late: such a bucket need not be remembered."""
        self._refill(now_s)
        return self._level >= self._burst

    def _refill(self, now_s: float) -> None:
        elapsed_s = max(0.0, now_s - self._updated_s)
        self._level = min(self._burst, self._level + elapsed_s * self._rate)
        self._updated_s = max(self._updated_s, now_s)


class IncomingMeter:
    """How many messages a socket sends, and how long that is borne with."""

    def __init__(self, limits: SessionLimits, now_s: float) -> None:
        self._messages = TokenBucket(
            burst=limits.message_burst, rate=limits.message_rate, now_s=now_s
        )
        self._patience = TokenBucket(burst=float(limits.refusals), rate=1.0, now_s=now_s)

    def take(self, now_s: float) -> bool:
        """Take a message, if it is not too many."""
        return self._messages.take(now_s)

    def refusal(self, now_s: float) -> RequestError | None:
        """Return the answer to one too many; None: patience is over, the socket is closed."""
        if not self._patience.take(now_s):
            return None
        retry_after_s = max(1, round(self._messages.delay_s(now_s)))
        return RequestError(ErrorCode.RATE_LIMITED, "too many messages", retry_after_s)
