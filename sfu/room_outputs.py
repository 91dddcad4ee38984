"""What a room asks for after an input: commands to the engine, in the order to apply them, and RPC
events."""

from __future__ import annotations

from dataclasses import dataclass

from sfu import rpc_messages
from sfu.media import (
    DtlsRole,
    Fingerprint,
    IceCredentials,
    PublishedMedia,
    SubscribedMedia,
)


@dataclass(frozen=True)
class AddTransport:
    """Make the participant's transport: ICE first, the DTLS handshake once ICE lets datagrams
    through."""

    participant: str
    local_ice: IceCredentials
    remote_ice: IceCredentials
    role: DtlsRole
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True)
class RemoveTransport:
    """Forget the participant's transport and keys."""

    participant: str


@dataclass(frozen=True)
class RestartIce:
    """New ICE credentials for a running transport."""

    participant: str
    local_ice: IceCredentials
    remote_ice: IceCredentials


@dataclass(frozen=True)
class SetMedia:
    """All m-lines of the participant, as just negotiated."""

    participant: str
    published: tuple[PublishedMedia, ...]
    subscribed: tuple[SubscribedMedia, ...]


@dataclass(frozen=True)
class SetForwarding:
    """Whether what the participant sends on `mid` is let in at all."""

    participant: str
    mid: str
    is_allowed: bool


@dataclass(frozen=True)
class SetSource:
    """What the participant's receive-only video m-line carries; nothing if `publisher` is None."""

    participant: str
    mid: str
    publisher: str | None
    publisher_mid: str | None
    max_height: int


@dataclass(frozen=True)
class JoinTimed:
    """A participant that joined `seconds` ago got its first connected transport: for the metric."""

    seconds: float


EngineCommand = AddTransport | RemoveTransport | RestartIce | SetMedia | SetForwarding | SetSource
Output = EngineCommand | JoinTimed | rpc_messages.Events
