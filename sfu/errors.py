"""Every error that the media server gives to who asked: a stable code, the facts as fields.

    SfuError
    ├── RpcVersionMismatch, BadRequest                       how the control plane talks to a worker
    ├── UnknownRoom, UnknownParticipant, RoomClassFixed, WrongWorkerClass, RoomFull, ResumeRefused,
    │   NotAllowed, BadLayout                                rooms
    ├── BadSdp, UnsupportedSdp, FingerprintMissing, TooManyStreams      negotiation
    └── WorkerUnavailable, InternalError                     nobody's fault but ours

`failure_of` and `error_of` carry them over the RPC without loss.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from sfu.rpc_messages import Failure
from sfu.values import RoomClass


class ErrorCode(StrEnum):
    """The closed list of codes, as on the wire."""

    RPC_VERSION = "rpc_version"
    BAD_REQUEST = "bad_request"
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_PARTICIPANT = "unknown_participant"
    ROOM_CLASS_FIXED = "room_class_fixed"
    WRONG_WORKER_CLASS = "wrong_worker_class"
    ROOM_FULL = "room_full"
    WORKER_UNAVAILABLE = "worker_unavailable"
    BAD_SDP = "bad_sdp"
    UNSUPPORTED_SDP = "unsupported_sdp"
    FINGERPRINT_MISSING = "fingerprint_missing"
    NOT_ALLOWED = "not_allowed"
    RESUME_REFUSED = "resume_refused"
    TOO_MANY_STREAMS = "too_many_streams"
    BAD_LAYOUT = "bad_layout"
    INTERNAL = "internal"


@dataclass(eq=False)
class SfuError(Exception):
    """Base. Subclasses are dataclasses: fields are the facts, `__str__` makes the text."""

    code: ClassVar[ErrorCode]

    @property
    def retry_after_seconds(self) -> int | None:
        """When trying again makes sense; None if it does not."""
        return None


@dataclass(eq=False)
class RpcVersionMismatch(SfuError):
    """The two ends of the RPC are of different releases."""

    code: ClassVar[ErrorCode] = ErrorCode.RPC_VERSION
    ours: int
    theirs: int

    def __str__(self) -> str:
        return f"the worker speaks RPC version {self.ours}, the caller {self.theirs}"


@dataclass(eq=False)
class BadRequest(SfuError):
    """A frame that is no valid call, or a call before `hello`."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_REQUEST
    detail: str

    def __str__(self) -> str:
        return f"bad request: {self.detail}"


@dataclass(eq=False)
class UnknownRoom(SfuError):
    """No such room on this worker: never opened, or closed."""

    code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_ROOM
    room: str

    def __str__(self) -> str:
        return f"there is no room {self.room} on this worker"


@dataclass(eq=False)
class UnknownParticipant(SfuError):
    """No such participant in the room: never joined, or left."""

    code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_PARTICIPANT
    room: str
    participant: str

    def __str__(self) -> str:
        return f"there is no participant {self.participant} in room {self.room}"


@dataclass(eq=False)
class RoomClassFixed(SfuError):
    """The room exists with another class, and a class never changes."""

    code: ClassVar[ErrorCode] = ErrorCode.ROOM_CLASS_FIXED
    room: str
    room_class: RoomClass
    asked: RoomClass

    def __str__(self) -> str:
        return f"room {self.room} is of class {self.room_class} and cannot become {self.asked}"


@dataclass(eq=False)
class WrongWorkerClass(SfuError):
    """A room may only be placed on a worker of its own class."""

    code: ClassVar[ErrorCode] = ErrorCode.WRONG_WORKER_CLASS
    worker_class: RoomClass
    asked: RoomClass

    def __str__(self) -> str:
        return f"this worker carries {self.worker_class} rooms, not {self.asked}"


@dataclass(eq=False)
class RoomFull(SfuError):
    """The room, or the whole worker, has as many participants as it admits."""

    code: ClassVar[ErrorCode] = ErrorCode.ROOM_FULL
    room: str
    capacity: int
    retry_after_s: int = 30

    @property
    def retry_after_seconds(self) -> int:
        return self.retry_after_s

    def __str__(self) -> str:
        return f"room {self.room} cannot admit more than {self.capacity} participants now"


@dataclass(eq=False)
class ResumeRefused(SfuError):
    """The participant is gone or the secret is not its secret. One answer for both: no oracle."""

    code: ClassVar[ErrorCode] = ErrorCode.RESUME_REFUSED
    participant: str

    def __str__(self) -> str:
        return f"participant {self.participant} cannot be resumed: join again"


@dataclass(eq=False)
class NotAllowed(SfuError):
    """The participant lacks the grant."""

    code: ClassVar[ErrorCode] = ErrorCode.NOT_ALLOWED
    participant: str
    grant: str

    def __str__(self) -> str:
        return f"participant {self.participant} lacks the grant {self.grant}"


@dataclass(eq=False)
class BadLayout(SfuError):
    """A wish that cannot be meant: unknown m-line, twice the same, an audio source."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_LAYOUT
    mid: str
    detail: str

    def __str__(self) -> str:
        return f"layout for m-line {self.mid}: {self.detail}"


@dataclass(eq=False)
class BadSdp(SfuError):
    """The offer is malformed or contradicts itself."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_SDP
    detail: str
    mid: str | None = None

    def __str__(self) -> str:
        return f"bad SDP: {self.detail}" + _on(self.mid)


@dataclass(eq=False)
class UnsupportedSdp(SfuError):
    """The offer is well-formed, but nothing can be answered to it."""

    code: ClassVar[ErrorCode] = ErrorCode.UNSUPPORTED_SDP
    detail: str
    mid: str | None = None

    def __str__(self) -> str:
        return f"unsupported SDP: {self.detail}" + _on(self.mid)


@dataclass(eq=False)
class FingerprintMissing(SfuError):
    """No sha-256 (or stronger) fingerprint: the handshake could not be authenticated."""

    code: ClassVar[ErrorCode] = ErrorCode.FINGERPRINT_MISSING
    offered: str

    def __str__(self) -> str:
        offered = self.offered or "none"
        return f"a sha-256, sha-384 or sha-512 fingerprint is required (offered: {offered})"


@dataclass(eq=False)
class TooManyStreams(SfuError):
    """More m-lines, encodings or attributes than the server takes."""

    code: ClassVar[ErrorCode] = ErrorCode.TOO_MANY_STREAMS
    what: str
    limit: int

    def __str__(self) -> str:
        return f"more than {self.limit} {self.what}"


@dataclass(eq=False)
class WorkerUnavailable(SfuError):
    """The worker is down, restarting, draining, or did not answer in time."""

    code: ClassVar[ErrorCode] = ErrorCode.WORKER_UNAVAILABLE
    detail: str
    retry_after_s: int = 2

    @property
    def retry_after_seconds(self) -> int:
        return self.retry_after_s

    def __str__(self) -> str:
        return f"the media worker is unavailable: {self.detail}"


@dataclass(eq=False)
class InternalError(SfuError):
    """A defect of ours. The log of the worker has the rest."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    detail: str = "internal error"

    def __str__(self) -> str:
        return self.detail


def failure_of(error: SfuError) -> Failure:
    """Return what goes on the wire for `error`."""
    facts = {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}
    return Failure(
        code=error.code, message=str(error), retry_after_s=error.retry_after_seconds, facts=facts
    )


def error_of(failure: Failure) -> SfuError:
    """Return the error that `failure` describes; `InternalError` for an unknown one."""
    error_class = _BY_CODE.get(failure.code)
    if error_class is None:
        return InternalError(detail=f"{failure.code}: {failure.message}")
    facts: dict[str, Any] = dict(failure.facts)
    for field in dataclasses.fields(error_class):
        if field.type == "RoomClass" and field.name in facts:
            facts[field.name] = RoomClass(facts[field.name])
    try:
        return error_class(**facts)
    except (TypeError, ValueError):
        return InternalError(detail=f"{failure.code}: {failure.message}")


def _on(mid: str | None) -> str:
    return "" if mid is None else f" (m-line {mid})"


_BY_CODE: dict[str, type[SfuError]] = {
    error_class.code: error_class for error_class in SfuError.__subclasses__()
}
