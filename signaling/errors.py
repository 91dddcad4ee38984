"""The closed lists of what can go wrong on a signalling socket: wire error codes and close codes.

Both are documented in docs/signaling-protocol.md; tests hold that each member is documented and
exercised.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from sfu.errors import ErrorCode as SfuErrorCode
from sfu.errors import SfuError


class ErrorCode(StrEnum):
    """Codes of the `error` message. Stable: pages translate by them."""

    BAD_MESSAGE = "bad_message"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    NOT_JOINED = "not_joined"
    ALREADY_JOINED = "already_joined"
    JOIN_TIMEOUT = "join_timeout"
    BAD_TOKEN = "bad_token"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_USED = "token_used"
    WRONG_ROOM = "wrong_room"
    RESUME_REFUSED = "resume_refused"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_PARTICIPANT = "unknown_participant"
    RATE_LIMITED = "rate_limited"
    ROOM_UNAVAILABLE = "room_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    ROOM_FULL = "room_full"
    ENCRYPTION_REQUIRED = "encryption_required"
    CAMERA_OBLIGATORY = "camera_obligatory"
    BAD_SDP = "bad_sdp"
    UNSUPPORTED_SDP = "unsupported_sdp"
    TOO_MANY_STREAMS = "too_many_streams"
    BAD_LAYOUT = "bad_layout"
    IDLE = "idle"
    SLOW_READER = "slow_reader"
    REPLACED = "replaced"
    BAD_TICKET = "bad_ticket"
    KNOCK_LATER = "knock_later"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    WAITING_ROOM_FULL = "waiting_room_full"
    UNKNOWN_KNOCK = "unknown_knock"
    INTERNAL = "internal"


class CloseCode(IntEnum):
    """Codes of the WebSocket close frame. 4000 to 4999 are ours (RFC 6455 §7.4.2)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    TOO_LARGE = 1009
    INTERNAL = 1011
    JOIN_TIMEOUT = 4000
    IDLE = 4001
    REPLACED = 4002
    KICKED = 4003
    ROOM_CLOSED = 4004
    SLOW_READER = 4005
    RATE_LIMITED = 4006
    NOT_ADMITTED = 4007
    REMOVED = 4008
    MOVED_BACK = 4009
    REFUSED = 4010


@dataclass(eq=False)
class RequestError(Exception):
    """A request cannot be carried out, and it is the sender's fault or nobody's."""

    code: ErrorCode
    detail: str
    """English, for developers. Never holds what identifies a person."""
    retry_after_s: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def request_error_of(error: SfuError) -> RequestError:
    """Return what the client is told when a call to its media worker failed."""
    code = WIRE_CODES[error.code]
    if code is ErrorCode.INTERNAL:
        return RequestError(code, "internal error")
    return RequestError(code, str(error), error.retry_after_seconds)


WIRE_CODES: dict[SfuErrorCode, ErrorCode] = {
    SfuErrorCode.RPC_VERSION: ErrorCode.INTERNAL,
    SfuErrorCode.BAD_REQUEST: ErrorCode.INTERNAL,
    # The worker restarted in between: the room is being opened again.
    SfuErrorCode.UNKNOWN_ROOM: ErrorCode.ROOM_UNAVAILABLE,
    SfuErrorCode.UNKNOWN_PARTICIPANT: ErrorCode.UNKNOWN_PARTICIPANT,
    SfuErrorCode.ROOM_CLASS_FIXED: ErrorCode.WRONG_ROOM,
    SfuErrorCode.WRONG_WORKER_CLASS: ErrorCode.INTERNAL,
    SfuErrorCode.ROOM_FULL: ErrorCode.ROOM_FULL,
    SfuErrorCode.WORKER_UNAVAILABLE: ErrorCode.ROOM_UNAVAILABLE,
    SfuErrorCode.BAD_SDP: ErrorCode.BAD_SDP,
    SfuErrorCode.UNSUPPORTED_SDP: ErrorCode.UNSUPPORTED_SDP,
    SfuErrorCode.FINGERPRINT_MISSING: ErrorCode.BAD_SDP,
    SfuErrorCode.NOT_ALLOWED: ErrorCode.NOT_ALLOWED,
    SfuErrorCode.RESUME_REFUSED: ErrorCode.RESUME_REFUSED,
    SfuErrorCode.TOO_MANY_STREAMS: ErrorCode.TOO_MANY_STREAMS,
    SfuErrorCode.BAD_LAYOUT: ErrorCode.BAD_LAYOUT,
    SfuErrorCode.INTERNAL: ErrorCode.INTERNAL,
}
"""What a worker's error is called on the socket. A test holds that none is missing."""
