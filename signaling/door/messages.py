"""What a door's socket says, beside `leave`, `ping`, `done`, `error` and `going_away` of rooms.

Described with examples in docs/signaling-protocol.md.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from sfu.values import Identifier
from signaling.door.values import Outcome, WaitingState
from signaling.messages import (
    PROTOCOL_VERSION,
    ClientMessage,
    Done,
    Error,
    GoingAway,
    Leave,
    Ping,
    RequestId,
    ServerMessage,
)


class Knock(ClientMessage, frozen=True, kw_only=True, tag="knock"):
    """First message at the door: a ticket that the page gave, or the one of the last `knocked`."""

    ticket: Annotated[str, msgspec.Meta(max_length=128)]
    protocol: int = PROTOCOL_VERSION


DoorClientMessages = Knock | Leave | Ping


class Knocked(ServerMessage, frozen=True, kw_only=True, tag="knocked"):
    """Reply to `knock`: you have a place, or enter at once."""

    id: RequestId
    ticket: str
    """To knock with after a lost socket, within 30 s, for the same place. A new one each time."""
    ping_interval_s: int


class Waiting(ServerMessage, frozen=True, kw_only=True, tag="waiting"):
    """How things are for who waits, whenever it changes."""

    state: WaitingState
    position: int
    """1 is next."""
    opens_at: str
    """When one may enter at the earliest. UTC, RFC 3339."""


class Admitted(ServerMessage, frozen=True, kw_only=True, tag="admitted"):
    """Come in: a room token, good once, for a minute. The socket is closed."""

    room: Identifier
    token: str


class Dismissed(ServerMessage, frozen=True, kw_only=True, tag="dismissed"):
    """You are not let in. The socket is closed."""

    outcome: Outcome
    reason: str
    """What a moderator wrote."""
    retry_after_s: int | None
    """When another knock is heard; null: never."""


DoorServerMessages = Knocked | Waiting | Admitted | Dismissed | Done | Error | GoingAway
