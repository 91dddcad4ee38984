"""One signalling socket, sans-IO: messages, call results, events and time in, `Output`s out.

Every `handle_…` returns what must be done, in order; the shell (`websocket.py`) does it and decides
nothing. Who speaks is taken from the session, never from a message. One request is with the media
worker at a time; later ones wait, so that replies come in the order of the requests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from recording_policy.rules import verb_of, verbs_of
from sfu import rpc_messages as rpc
from sfu.values import ParticipantInfo, RoomClass
from signaling import messages, session_requests
from signaling.clock import Instant
from signaling.door.values import DoorRequest
from signaling.encryption import policy_of
from signaling.errors import CloseCode, ErrorCode, RequestError
from signaling.limits import IncomingMeter, SessionLimits, TokenBucket
from signaling.messages import ClientMessage, ServerMessage
from signaling.mute_rule import MuteRule, NoMuteRule
from signaling.randomness import Randomness
from signaling.session_values import (
    TRANSITIONS,
    Attach,
    Attachment,
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
    State,
    Step,
    VerbRefused,
    digest,
)
from signaling.tokens import TokenGate
from signaling.wire_json import MessageRefused, decode_client_message


@dataclass(frozen=True)
class RoomDescription:
    """A room that may be entered."""

    room: str
    room_class: RoomClass
    title: str


class RoomView(Protocol):
    """What a session may ask about rooms. Answers at once, from memory."""

    def describe(self, room: str) -> RoomDescription | None:
        """Return the room if there is or may be such a one."""

    def participant(self, room: str, participant: str) -> ParticipantInfo | None:
        """Return who is in the room under that id."""

    def removal_reason(self, room: str, participant: str) -> str:
        """Return what a moderator wrote when removing the participant."""


class WaitingBoard(Protocol):
    """What a session may ask about doors. Answers at once, from memory."""

    def waiting_room(self, room: str) -> messages.WaitingRoom | None:
        """Return who waits; None if the room has no door."""


@dataclass(frozen=True)
class SessionServices:
    """What all sessions share."""

    gate: TokenGate
    rooms: RoomView
    board: WaitingBoard
    randomness: Randomness
    limits: SessionLimits
    max_video_streams: int
    """Receive-only video m-lines that clients are told they may offer."""
    allows_unencrypted: bool = False
    """Whether kep rooms admit browsers without end-to-end encryption: the operator's exception."""
    mute_rule: MuteRule = field(default_factory=NoMuteRule)


class RoomSession:
    """State of one socket. Calling rule: any `handle_…` may follow any other; after CLOSED all are
    answered with nothing, but for the late result of a join, which is undone."""

    def __init__(self, services: SessionServices, now: Instant) -> None:
        self.state = State.AWAITING_JOIN
        self.services = services
        self.attachment: Attachment | None = None
        limits = services.limits
        seconds = now.monotonic_s
        self.offers = TokenBucket(burst=limits.offer_burst, rate=limits.offer_rate, now_s=seconds)
        self.chats = TokenBucket(burst=limits.chat_burst, rate=limits.chat_rate, now_s=seconds)
        self.keys = TokenBucket(burst=limits.keys_burst, rate=limits.keys_rate, now_s=seconds)
        self._meter = IncomingMeter(limits, seconds)
        self._join_awaited_s = seconds
        """Since when it is the client's turn to join."""
        self._last_message_s = seconds
        self._failed_attempts = 0
        self._waiting: deque[ClientMessage] = deque()
        self._pending: ClientMessage | None = None
        self._held_events: list[tuple[rpc.Event, ServerMessage | None]] = []

    # ---- from the socket

    def handle_message(self, text: str, now: Instant) -> list[Output]:
        """Take one text frame."""
        if self.state is State.CLOSED:
            return []
        self._last_message_s = now.monotonic_s
        if self.state is State.JOINED and self.attachment is not None:
            self.attachment.is_confirmed = True
        try:
            message = decode_client_message(text)
        except MessageRefused as refusal:
            return self._refuse_text(refusal, now)
        if not self._meter.take(now.monotonic_s):
            return self._refuse_flood(message.id, now)
        if self._pending is None and not self._waiting:
            return self._start(message, now)
        if len(self._waiting) >= self.services.limits.waiting_requests:
            return self._refuse_flood(message.id, now)
        self._waiting.append(message)
        return []

    def handle_binary(self) -> list[Output]:
        """Take a binary frame: there are none in this protocol."""
        text = "only text frames"
        return self._end_with_error(ErrorCode.BAD_MESSAGE, text, CloseCode.UNSUPPORTED_DATA)

    def handle_socket_lost(self) -> list[Output]:
        """The socket is gone, whoever closed it."""
        return self._end(None)

    def handle_slow_reader(self) -> list[Output]:
        """More waits for this client than may."""
        return self._end_with_error(
            ErrorCode.SLOW_READER, "messages are not read fast enough", CloseCode.SLOW_READER
        )

    def handle_shutdown(self, retry_after_ms: int) -> list[Output]:
        """This process stops; the media and the participant stay."""
        if self.state is State.CLOSED:
            return []
        goodbye = Send(messages.GoingAway(retry_after_ms=retry_after_ms))
        return [goodbye, *self._end(CloseSocket(CloseCode.GOING_AWAY, "going_away"))]

    # ---- from the clock

    def next_timeout(self) -> float | None:
        """Return the monotonic time at which `handle_timeout` wants to be called."""
        limits = self.services.limits
        if self.state is State.CLOSED:
            return None
        if self.state is State.JOINED:
            return self._last_message_s + limits.idle_timeout_s
        return self._join_awaited_s + limits.join_timeout_s

    def handle_timeout(self, now: Instant) -> list[Output]:
        """Close a socket that does not join, or does nothing."""
        deadline_s = self.next_timeout()
        if deadline_s is None or now.monotonic_s < deadline_s:
            return []
        if self.state is State.ENTERING:
            self._join_awaited_s = now.monotonic_s  # it has asked; calls have a limit of their own
            return []
        if self.state is State.JOINED:
            return self._end_with_error(ErrorCode.IDLE, "no message for too long", CloseCode.IDLE)
        return self._end_with_error(
            ErrorCode.JOIN_TIMEOUT, "join or resume did not come in time", CloseCode.JOIN_TIMEOUT
        )

    # ---- from the media worker

    def handle_call_result(self, result: CallResult, now: Instant) -> list[Output]:
        """Take the result of the last `Call`."""
        request, self._pending = self._pending, None
        if self.state is State.CLOSED:
            return self._undo_late_entry(result)
        assert request is not None, "invariant: a result follows a call"
        if isinstance(result, RequestError):
            self._join_awaited_s = now.monotonic_s
            outputs = self._refuse_request(request, result)
        elif isinstance(result, rpc.Admission):
            outputs = self._admit(request.id, result, now)
        elif isinstance(result, rpc.NegotiationResult):
            outputs = [Send(messages.Answer(id=request.id, sdp=result.sdp))]
        else:
            outputs = [Send(messages.Done(id=request.id))]
            if isinstance(request, messages.Leave):
                outputs += self._end(CloseSocket(CloseCode.NORMAL, "left"), is_resumable=False)
        return outputs + self._start_waiting(now)

    def handle_event(
        self, event: rpc.Event, notification: ServerMessage | None, now: Instant
    ) -> list[Output]:
        """Take an event of the room. `notification` is what sockets are told of it."""
        if self.state is State.ENTERING:
            if isinstance(event, rpc.RoomClosed) and not self._may_be_in_closed_room():
                # The room as it was: our join, still to be done, opens it again.
                self._held_events.clear()
                return []
            # The admission is on its way; what follows it must be told after it.
            self._held_events.append((event, notification))
            if len(self._held_events) > self.services.limits.held_events:
                return self._end_with_error(
                    ErrorCode.SLOW_READER, "the room changes too fast", CloseCode.SLOW_READER
                )
            return []
        if self.state is not State.JOINED or self.attachment is None:
            return []
        match event:
            case rpc.ParticipantLeft(participant=left) if left == self.attachment.participant:
                return self._leave_as_told(event.reason, now)
            case rpc.ParticipantJoined(participant=info) | rpc.ParticipantUpdated(participant=info):
                return self._tell_participant(info, notification)
            case rpc.RoomClosed():
                return self._close_with_room(event.reason)
            case _:
                return [] if notification is None else [Send(notification)]

    def handle_for_moderators(self, message: ServerMessage) -> list[Output]:
        """Tell `message` if this participant moderates."""
        is_moderator = self.attachment is not None and self.attachment.grants.moderate
        return [Send(message)] if self.state is State.JOINED and is_moderator else []

    def handle_superseded(self) -> list[Output]:
        """Another socket resumed this participant."""
        return self._end_with_error(
            ErrorCode.REPLACED, "resumed on another socket", CloseCode.REPLACED, is_resumable=False
        )

    def handle_media_lost(self) -> list[Output]:
        """The worker restarted and this participant is in its room again, without a transport."""
        return [] if self.state is not State.JOINED else [Send(messages.MediaLost())]

    def handle_rejoin_refused(self) -> list[Output]:
        """The worker restarted and does not take the participant any more."""
        return self._end(CloseSocket(CloseCode.REMOVED, "lost"), is_resumable=False)

    # ---- what session_requests.py works with

    def begin_entry(self, message: ClientMessage, attachment: Attachment, request: rpc.Request
                    ) -> list[Output]:  # fmt: skip
        """Ask the worker to admit."""
        self._step(Step.ENTRY_ASKED)
        self.attachment = attachment
        return [Enter(attachment.room, attachment.participant), *self.call(message, request)]

    def call(self, message: ClientMessage, request: rpc.Request | DoorRequest) -> list[Output]:
        """Send `request` to the worker, or to the door, on behalf of `message`."""
        self._pending = message
        return [Call(request)]

    def membership(self) -> Membership | None:
        """Return what admits this participant again; None unless joined."""
        attachment = self.attachment
        if self.state is not State.JOINED or attachment is None:
            return None
        # After a resume the person's id is unknown here: the participant's own id takes its place.
        subject = attachment.claims.subject if attachment.claims else attachment.participant
        return Membership(
            room=attachment.room,
            participant=attachment.participant,
            subject=subject,
            display_name=attachment.display_name,
            secret_digest=attachment.secret_digest,
        )

    # ---- inner

    def _start(self, message: ClientMessage, now: Instant) -> list[Output]:
        try:
            return session_requests.start(self, message, now)
        except RequestError as error:
            return self._refuse_request(message, error)

    def _start_waiting(self, now: Instant) -> list[Output]:
        outputs: list[Output] = []
        while self._waiting and self._pending is None and self.state is not State.CLOSED:
            outputs += self._start(self._waiting.popleft(), now)
        return outputs

    def _admit(self, request_id: int, admission: rpc.Admission, now: Instant) -> list[Output]:
        attachment = self.attachment
        assert attachment is not None, "invariant: an admission follows an entry"
        self._step(Step.ADMITTED)
        state = admission.state
        attachment.room_class = state.room_class
        attachment.role, attachment.grants = admission.role, admission.grants
        for info in state.participants:
            if info.participant == attachment.participant:
                attachment.display_name = info.display_name
        joined = messages.Joined(
            id=request_id,
            room=state.room,
            room_class=state.room_class,
            title=state.title,
            participant=attachment.participant,
            role=admission.role,
            grants=admission.grants,
            secret=attachment.secret,
            resumed=attachment.is_resumed,
            participants=state.participants,
            sources=admission.sources if attachment.is_resumed else [],
            audio_streams=AUDIO_STREAMS,
            max_video_streams=self.services.max_video_streams,
            encryption=policy_of(state.room_class, self.services.allows_unencrypted),
            ping_interval_s=self.services.limits.ping_interval_s,
        )
        outputs: list[Output] = [Attach(attachment.room, attachment.participant), Send(joined)]
        if attachment.is_resumed:  # a resumed page may have missed the end of its transport
            outputs.append(Send(messages.MediaState(state=admission.transport.value)))
        if state.quality:
            outputs.append(Send(messages.Quality(participants=state.quality)))
        if state.room_class is RoomClass.KEP:
            outputs += self._issue_receipt(attachment)
        waiting_room = self.services.board.waiting_room(attachment.room)
        if waiting_room is not None:
            outputs += self.handle_for_moderators(waiting_room)
        return outputs + self._tell_held_events(now)

    def _issue_receipt(self, attachment: Attachment) -> list[Output]:
        secret = self.services.randomness.resume_secret()
        issued = IssueReceipt(attachment.room, attachment.participant, digest(secret))
        return [issued, Send(messages.Receipt(secret=secret))]

    def _may_be_in_closed_room(self) -> bool:
        """Whether a close that is heard while entering can be about the room that is entered.

        A resume never opens a room. A join's own event comes before its result.
        """
        if isinstance(self._pending, messages.Resume) or self.attachment is None:
            return True
        return any(
            isinstance(event, rpc.ParticipantJoined)
            and event.participant.participant == self.attachment.participant
            for event, _ in self._held_events
        )

    def _tell_held_events(self, now: Instant) -> list[Output]:
        held, self._held_events = self._held_events, []
        return [output for event, text in held for output in self.handle_event(event, text, now)]

    def _tell_participant(self, info: ParticipantInfo, notification: ServerMessage | None
                          ) -> list[Output]:  # fmt: skip
        attachment = self.attachment
        outputs: list[Output] = [] if notification is None else [Send(notification)]
        if attachment is None or info.participant != attachment.participant:
            return outputs
        if isinstance(notification, messages.ParticipantJoined):
            outputs = []  # one's own entry: `joined` told it
        if info.grants != attachment.grants:
            attachment.grants = info.grants
            outputs.append(Send(messages.GrantsChanged(grants=info.grants)))
        return outputs

    def _close_with_room(self, reason: str) -> list[Output]:
        outputs: list[Output] = []
        if isinstance(self._pending, messages.CloseRoom):
            outputs.append(Send(messages.Done(id=self._pending.id)))
        outputs.append(Send(messages.RoomClosed(reason=reason)))
        closing = CloseSocket(CloseCode.ROOM_CLOSED, "room_closed")
        return outputs + self._end(closing, is_resumable=False)

    def _leave_as_told(self, reason: str, now: Instant) -> list[Output]:
        attachment = self.attachment
        assert attachment is not None, "invariant: joined"
        if reason == "closed" or isinstance(self._pending, messages.Leave):
            return []  # `room_closed`, or the result of our own call, follows
        if reason == "replaced":
            return self._end_with_error(
                ErrorCode.REPLACED, "the same person joined again", CloseCode.REPLACED,
                is_resumable=False,
            )  # fmt: skip
        if reason not in ("kicked", "moved_back"):
            return self._end(CloseSocket(CloseCode.REMOVED, reason), is_resumable=False)
        if attachment.claims is not None:
            gate = self.services.gate
            gate.remember_removal(attachment.room, attachment.claims.subject, now)
        text = self.services.rooms.removal_reason(attachment.room, attachment.participant)
        goodbye, code = (
            (messages.Kicked(reason=text), CloseCode.KICKED)
            if reason == "kicked"
            else (messages.MovedBack(reason=text), CloseCode.MOVED_BACK)
        )
        return [Send(goodbye), *self._end(CloseSocket(code, reason), is_resumable=False)]

    def _refuse_request(self, request: ClientMessage, error: RequestError) -> list[Output]:
        outputs: list[Output] = [_error(request.id, error)]
        if isinstance(request, messages.Join | messages.Resume):
            if self.state is State.ENTERING:
                is_sure = error.code is not ErrorCode.ROOM_UNAVAILABLE
                outputs += self._undo_entry(is_sure=is_sure)
            self._failed_attempts += self.state is State.AWAITING_JOIN
            if self._failed_attempts >= self.services.limits.join_attempts:
                outputs += self._end(CloseSocket(CloseCode.NOT_ADMITTED, error.code.value))
        return outputs

    def _undo_entry(self, *, is_sure: bool) -> list[Output]:
        """`is_sure`: the worker has not admitted. Otherwise it may have, after we gave up."""
        attachment, self.attachment = self.attachment, None
        assert attachment is not None, "invariant: entering"
        self._held_events.clear()
        self._step(Step.REFUSED)
        if attachment.claims is not None:
            self.services.gate.give_back(attachment.claims)
        outputs: list[Output] = [] if is_sure else _undo_admission(attachment)
        return [Exit(attachment.room, attachment.participant, is_resumable=False), *outputs]

    def _undo_late_entry(self, result: CallResult) -> list[Output]:
        """The socket was lost while the worker admitted, or may yet admit."""
        attachment = self.attachment
        may_be_in = isinstance(result, rpc.Admission) or (
            isinstance(result, RequestError) and result.code is ErrorCode.ROOM_UNAVAILABLE
        )
        return _undo_admission(attachment) if attachment is not None and may_be_in else []

    def _refuse_text(self, refusal: MessageRefused, now: Instant) -> list[Output]:
        if refusal.code is ErrorCode.TOO_LARGE:
            return self._end_with_error(refusal.code, refusal.detail, CloseCode.TOO_LARGE)
        if not self._meter.take(now.monotonic_s):
            return self._refuse_flood(refusal.request_id, now)
        error = messages.Error(id=refusal.request_id, code=refusal.code, message=refusal.detail)
        return [Send(error), *self._tell_verb(refusal.asked_type)]

    def _tell_verb(self, asked_type: str) -> list[Output]:
        """Let the attempt be audited if the unknown type means a verb that the room's class lacks."""
        attachment, verb = self.attachment, verb_of(asked_type)
        if self.state is not State.JOINED or attachment is None or verb is None:
            return []
        if verb in verbs_of(attachment.room_class):
            return []
        return [VerbRefused(attachment.room, attachment.participant, verb.value)]

    def _refuse_flood(self, request_id: int | None, now: Instant) -> list[Output]:
        error = self._meter.refusal(now.monotonic_s)
        if error is None:
            return self._end_with_error(
                ErrorCode.RATE_LIMITED, "too many messages", CloseCode.RATE_LIMITED
            )
        return [_error(request_id, error)]

    def _end_with_error(self, code: ErrorCode, text: str, close_code: CloseCode,
                        is_resumable: bool = True) -> list[Output]:  # fmt: skip
        if self.state is State.CLOSED:
            return []
        error = Send(messages.Error(id=None, code=code, message=text))
        return [error, *self._end(CloseSocket(close_code, code.value), is_resumable)]

    def _end(self, closing: CloseSocket | None, is_resumable: bool = True) -> list[Output]:
        if self.state is State.CLOSED:
            return []
        was_joined, attachment = self.state is State.JOINED, self.attachment
        self._step(Step.ENDED)
        self._waiting.clear()
        outputs: list[Output] = [] if closing is None else [closing]
        if attachment is not None:
            is_waiting = was_joined and is_resumable
            restore = attachment.restore_secret() if is_waiting else None
            outputs.append(Exit(attachment.room, attachment.participant, is_waiting, restore))
        return outputs

    def _step(self, step: Step) -> None:
        key = (self.state, step)
        if key not in TRANSITIONS:
            raise AssertionError(f"{step} is illegal in {self.state}")
        self.state = TRANSITIONS[key]


def _undo_admission(attachment: Attachment) -> list[Output]:
    """The worker serves calls in order: these come after the entry, if it is done at all."""
    room, participant = attachment.room, attachment.participant
    restore = attachment.restore_secret()
    if restore is None:  # a first join whose secret nobody has: it can never resume
        return [Post(rpc.Leave(room=room, participant=participant, reason="lost"))]
    return [Post(restore), Post(rpc.Detach(room=room, participant=participant))]


def _error(request_id: int | None, error: RequestError) -> Send:
    return Send(messages.error_of(request_id, error))


AUDIO_STREAMS = 3
"""Receive-only audio m-lines: the loudest three speak (docs/signaling-protocol.md)."""
MAX_VIDEO_STREAMS = 20
"""Receive-only video m-lines that fit into an offer (60,000 characters, `messages.Offer`): our page
makes them about 2,000 characters each, and leaves 15,000 for camera, screen, sound and candidates."""
