"""What each client message may do and which call it becomes: one handler per type, by table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sfu import rpc_messages as rpc
from signaling import messages
from signaling.clock import Instant
from signaling.door.values import AdmitKnock, MoveBackParticipant, RefuseKnock
from signaling.encryption import EncryptionPolicy, admitted_encryption, policy_of
from signaling.errors import ErrorCode, RequestError
from signaling.grants import can_ever_publish, has_chat, initial_grants, with_source
from signaling.limits import TokenBucket
from signaling.messages import PROTOCOL_VERSION, ClientMessage
from signaling.session_values import (
    Attachment,
    Broadcast,
    Output,
    Send,
    State,
    Tell,
    TellReason,
    digest,
)

if TYPE_CHECKING:
    from signaling.room_session import RoomSession


def start(session: RoomSession, message: ClientMessage, now: Instant) -> list[Output]:
    """Begin to carry out `message`.

    Raises:
        RequestError: it is refused.
    """
    is_entry = isinstance(message, messages.Join | messages.Resume)
    if is_entry and session.state is not State.AWAITING_JOIN:
        raise RequestError(ErrorCode.ALREADY_JOINED, "this socket has joined")
    if (
        isinstance(message, messages.Join | messages.Resume)
        and message.protocol != PROTOCOL_VERSION
    ):
        raise RequestError(ErrorCode.UNSUPPORTED_PROTOCOL, f"this server speaks {PROTOCOL_VERSION}")
    if not is_entry and session.state is not State.JOINED:
        raise RequestError(ErrorCode.NOT_JOINED, "join or resume first")
    return HANDLERS[type(message)](session, message, now)


def _join(session: RoomSession, message: messages.Join, now: Instant) -> list[Output]:
    services = session.services
    claims = services.gate.redeem(message.token, now)
    try:
        description = services.rooms.describe(claims.room)
        if description is None:
            raise RequestError(ErrorCode.WRONG_ROOM, "there is no such room")
        grants = initial_grants(description.room_class, claims.role)
        if grants is None:
            raise RequestError(ErrorCode.NOT_ALLOWED, "the role does not exist in such a room")
        policy = policy_of(description.room_class, services.allows_unencrypted)
        encryption = admitted_encryption(policy, message.encryption)
    except RequestError:
        services.gate.give_back(claims)
        raise
    attachment = Attachment(
        room=claims.room,
        participant=services.randomness.participant_id(),
        secret=services.randomness.resume_secret(),
        claims=claims,
        display_name=claims.display_name,
    )
    request = rpc.Join(
        room=claims.room,
        participant=attachment.participant,
        subject=claims.subject,
        display_name=claims.display_name,
        role=claims.role,
        grants=grants,
        secret_digest=attachment.secret_digest,
        encryption=encryption,
    )
    return session.begin_entry(message, attachment, request)


def _resume(session: RoomSession, message: messages.Resume, now: Instant) -> list[Output]:
    if session.services.rooms.describe(message.room) is None:
        raise RequestError(ErrorCode.RESUME_REFUSED, "join again")
    attachment = Attachment(
        room=message.room,
        participant=message.participant,
        secret=session.services.randomness.resume_secret(),
        claims=None,
        presented_digest=digest(message.secret),
    )
    request = rpc.Resume(
        room=message.room,
        participant=message.participant,
        secret_digest=digest(message.secret),
        next_secret_digest=attachment.secret_digest,
    )
    return session.begin_entry(message, attachment, request)


def _offer(session: RoomSession, message: messages.Offer, now: Instant) -> list[Output]:
    attachment = _attached(session)
    _take(session.offers, now, "too many offers")
    request = rpc.Negotiate(
        room=attachment.room,
        participant=attachment.participant,
        sdp=message.sdp,
        tracks=message.tracks,
    )
    return session.call(message, request)


def _layout(session: RoomSession, message: messages.Layout, now: Instant) -> list[Output]:
    attachment = _attached(session)
    request = rpc.SetLayout(
        room=attachment.room, participant=attachment.participant, video=message.video
    )
    return session.call(message, request)


def _mute(session: RoomSession, message: messages.Mute, now: Instant) -> list[Output]:
    attachment = _attached(session)
    session.services.mute_rule.check_mute(
        attachment.room, attachment.role, message.source, message.muted
    )
    request = rpc.SetMuted(
        room=attachment.room,
        participant=attachment.participant,
        source=message.source,
        muted=message.muted,
    )
    return session.call(message, request)


def _hand(session: RoomSession, message: messages.Hand, now: Instant) -> list[Output]:
    attachment = _attached(session)
    target = message.participant or attachment.participant
    if target == attachment.participant:
        _require(attachment.grants.hand or not message.raised, "raise a hand")
    else:
        _require(attachment.grants.moderate, "lower the hand of another")
        _require(not message.raised, "raise the hand of another")
        _known(session, target)
    request = rpc.SetHand(room=attachment.room, participant=target, raised=message.raised)
    return session.call(message, request)


def _chat(session: RoomSession, message: messages.Chat, now: Instant) -> list[Output]:
    attachment = _attached(session)
    _require(has_chat(attachment.room_class) and attachment.grants.chat, "chat")
    if any(character < " " and character not in "\n\t" for character in message.text):
        raise RequestError(ErrorCode.BAD_MESSAGE, "control characters in the text")
    _take(session.chats, now, "too many chat messages")
    line = messages.ChatMessage(
        participant=attachment.participant, text=message.text, sent_at=now.rfc3339()
    )
    return [Broadcast(attachment.room, line), Send(messages.Done(id=message.id))]


def _keys(session: RoomSession, message: messages.Keys, now: Instant) -> list[Output]:
    attachment = _attached(session)
    policy = policy_of(attachment.room_class, session.services.allows_unencrypted)
    _require(policy is not EncryptionPolicy.OFF, "exchange keys in such a room")
    _require(message.participant != attachment.participant, "exchange keys with oneself")
    _known(session, message.participant)
    _take(session.keys, now, "too many messages with keys")
    relayed = messages.PeerKeys(participant=attachment.participant, payload=message.payload)
    return [
        Tell(attachment.room, message.participant, relayed),
        Send(messages.Done(id=message.id)),
    ]


def _allow(session: RoomSession, message: messages.Allow, now: Instant) -> list[Output]:
    attachment = _moderating(session)
    rooms = session.services.rooms
    info = rooms.participant(attachment.room, message.participant)
    if info is None:
        raise _unknown_participant()
    if message.allowed:
        can_ever = can_ever_publish(attachment.room_class, info.role, message.source)
        _require(can_ever, f"let {info.role} publish {message.source}")
    request = rpc.SetGrants(
        room=attachment.room,
        participant=message.participant,
        grants=with_source(info.grants, message.source, message.allowed),
    )
    return session.call(message, request)


def _kick(session: RoomSession, message: messages.Kick, now: Instant) -> list[Output]:
    attachment = _moderating(session)
    _require(message.participant != attachment.participant, "remove oneself: leave")
    _known(session, message.participant)
    reason = TellReason(attachment.room, message.participant, message.reason)
    request = rpc.Leave(room=attachment.room, participant=message.participant, reason="kicked")
    return [reason, *session.call(message, request)]


def _admit(session: RoomSession, message: messages.Admit, now: Instant) -> list[Output]:
    attachment = _moderating(session)
    request = AdmitKnock(attachment.room, attachment.participant, message.knock)
    return session.call(message, request)


def _refuse(session: RoomSession, message: messages.Refuse, now: Instant) -> list[Output]:
    attachment = _moderating(session)
    request = RefuseKnock(attachment.room, attachment.participant, message.knock, message.reason)
    return session.call(message, request)


def _move_back(session: RoomSession, message: messages.MoveBack, now: Instant) -> list[Output]:
    attachment = _moderating(session)
    info = session.services.rooms.participant(attachment.room, message.participant)
    if info is None:
        raise _unknown_participant()
    # Who moderates needs nobody's leave to enter: the waiting room would not hold them.
    _require(not info.grants.moderate, "move back who moderates")
    request = MoveBackParticipant(
        attachment.room, attachment.participant, message.participant, message.reason
    )
    return session.call(message, request)


def _close_room(session: RoomSession, message: messages.CloseRoom, now: Instant) -> list[Output]:
    attachment = _attached(session)
    _require(attachment.grants.close_room, "close the room")
    return session.call(message, rpc.CloseRoom(room=attachment.room, reason=message.reason))


def _leave(session: RoomSession, message: messages.Leave, now: Instant) -> list[Output]:
    attachment = _attached(session)
    request = rpc.Leave(room=attachment.room, participant=attachment.participant, reason="left")
    return session.call(message, request)


def _ping(session: RoomSession, message: messages.Ping, now: Instant) -> list[Output]:
    return [Send(messages.Done(id=message.id))]


HANDLERS: dict[type[ClientMessage], Callable[[RoomSession, Any, Instant], list[Output]]] = {
    messages.Join: _join,
    messages.Resume: _resume,
    messages.Offer: _offer,
    messages.Layout: _layout,
    messages.Mute: _mute,
    messages.Hand: _hand,
    messages.Chat: _chat,
    messages.Keys: _keys,
    messages.Allow: _allow,
    messages.Kick: _kick,
    messages.CloseRoom: _close_room,
    messages.Leave: _leave,
    messages.Ping: _ping,
    messages.Admit: _admit,
    messages.Refuse: _refuse,
    messages.MoveBack: _move_back,
}


def _attached(session: RoomSession) -> Attachment:
    assert session.attachment is not None, "invariant: joined"
    return session.attachment


def _moderating(session: RoomSession) -> Attachment:
    attachment = _attached(session)
    _require(attachment.grants.moderate, "moderate")
    return attachment


def _known(session: RoomSession, participant: str) -> None:
    if session.services.rooms.participant(_attached(session).room, participant) is None:
        raise _unknown_participant()


def _unknown_participant() -> RequestError:
    return RequestError(ErrorCode.UNKNOWN_PARTICIPANT, "nobody has that id here")


def _require(is_allowed: bool, what: str) -> None:
    if not is_allowed:
        raise RequestError(ErrorCode.NOT_ALLOWED, f"may not {what}")


def _take(bucket: TokenBucket, now: Instant, detail: str) -> None:
    if not bucket.take(now.monotonic_s):
        retry_after_s = max(1, round(bucket.delay_s(now.monotonic_s)))
        raise RequestError(ErrorCode.RATE_LIMITED, detail, retry_after_s)
