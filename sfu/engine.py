"""The native packet engine behind a typed face: the only importer of `sfu._engine`.

Converts values to the engine's dictionaries and its event tuples to values. Decides nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from sfu.dtls import SrtpKeys
from sfu.logs import Log
from sfu.media import CodecParameters, PublishedMedia, SubscribedMedia

if TYPE_CHECKING:
    from sfu import _engine as native

log = Log(__name__)

SEED_BYTES = 32
EVENTS_PER_TURN = 1024
"""Events taken at one wake-up of the loop; the rest at the next, so that people are served
between."""


@dataclass(frozen=True)
class DtlsArrived:
    participant: int
    datagram: bytes


@dataclass(frozen=True)
class IceStateChanged:
    participant: int
    is_connected: bool


@dataclass(frozen=True)
class SpeakersChanged:
    room: int
    participants: tuple[int, ...]


@dataclass(frozen=True)
class AudioSlotsChanged:
    room: int
    slots: tuple[int | None, ...]


@dataclass(frozen=True)
class TrackStateChanged:
    participant: int
    mid: str
    is_flowing: bool


@dataclass(frozen=True)
class SourceStarted:
    participant: int
    mid: str
    publisher: int | None
    publisher_mid: str | None


@dataclass(frozen=True)
class QualityChanged:
    participant: int
    score: int
    """5 excellent … 1 bad."""
    round_trip_ms: int | None
    loss_in: float
    """Of what it sends, 0 to 1."""
    loss_out: float


@dataclass(frozen=True)
class CommandFailed:
    """A `send_dtls` or `set_source`, which return at once, was refused."""

    participant: int
    reason: str


EngineEvent = (
    DtlsArrived
    | IceStateChanged
    | SpeakersChanged
    | AudioSlotsChanged
    | TrackStateChanged
    | SourceStarted
    | QualityChanged
    | CommandFailed
)


class NativeEngine(Protocol):
    """What `sfu._engine.Engine` offers, for tests to stand in for it."""

    def event_descriptor(self) -> int: ...
    def take_events(self, limit: int = ...) -> list[native.Event]: ...
    def add_room(self, room: int) -> None: ...
    def remove_room(self, room: int) -> None: ...
    def add_participant(
        self, room: int, participant: int, ice_ufrag: str, ice_pwd: str
    ) -> None: ...
    def remove_participant(self, participant: int) -> None: ...
    def set_remote_ice(self, participant: int, remote_ufrag: str) -> None: ...
    def restart_ice(
        self, participant: int, ice_ufrag: str, ice_pwd: str, remote_ufrag: str
    ) -> None: ...
    def set_media(
        self,
        participant: int,
        published: list[native.PublishedMedia],
        subscribed: list[native.SubscribedMedia],
    ) -> None: ...
    def set_srtp_keys(
        self,
        participant: int,
        profile: native.SrtpProfileName,
        local_key: bytes,
        local_salt: bytes,
        remote_key: bytes,
        remote_salt: bytes,
    ) -> None: ...
    def send_dtls(self, participant: int, datagram: bytes) -> None: ...
    def set_source(
        self,
        participant: int,
        mid: str,
        publisher: int | None,
        publisher_mid: str | None,
        max_height: int,
    ) -> None: ...
    def set_forwarding(self, participant: int, mid: str, is_allowed: bool) -> None: ...
    def snapshot(self) -> native.Snapshot: ...
    def close(self) -> None: ...


PROFILE_SIZES = {
    "aead_aes_128_gcm": (16, 12),
    "aead_aes_256_gcm": (32, 12),
    "aes128_cm_sha1_80": (16, 14),
}
"""Bytes of key and salt (RFC 7714 §12, RFC 5764 §4.1.2)."""


def load_native_engine() -> None:
    """Load the native module. Otherwise `open_native_engine` does, which must find it on disk."""
    importlib.import_module("sfu._engine")


def open_native_engine(
    sockets: Sequence[int], seed: bytes, *, is_kep: bool, use_gso: bool
) -> NativeEngine:
    """Start the engine's thread on these UDP sockets (descriptors, which it duplicates)."""
    from sfu import _engine

    return _engine.Engine(sockets=list(sockets), seed=seed, is_kep=is_kep, use_gso=use_gso)


class Engine:
    """The engine as the worker uses it. Use as a context manager inside a running loop."""

    def __init__(self, engine: NativeEngine, on_event: Callable[[EngineEvent], None]) -> None:
        """`on_event` runs in the loop, once per event, and must not raise."""
        self._native = engine
        self._on_event = on_event

    def __enter__(self) -> Engine:
        self._loop = asyncio.get_running_loop()
        self._descriptor = self._native.event_descriptor()
        self._loop.add_reader(self._descriptor, self._take_events)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._descriptor)
        self._native.close()

    def add_room(self, room: int) -> None:
        self._native.add_room(room)

    def remove_room(self, room: int) -> None:
        self._native.remove_room(room)

    def add_participant(
        self, room: int, participant: int, ufrag: str, password: str, remote_ufrag: str
    ) -> None:
        self._native.add_participant(room, participant, ufrag, password)
        self._native.set_remote_ice(participant, remote_ufrag)

    def remove_participant(self, participant: int) -> None:
        self._native.remove_participant(participant)

    def restart_ice(self, participant: int, ufrag: str, password: str, remote_ufrag: str) -> None:
        self._native.restart_ice(participant, ufrag, password, remote_ufrag)

    def set_media(
        self,
        participant: int,
        published: Sequence[PublishedMedia],
        subscribed: Sequence[SubscribedMedia],
    ) -> None:
        self._native.set_media(
            participant,
            [_published(media) for media in published],
            [_subscribed(media) for media in subscribed],
        )

    def set_srtp_keys(self, participant: int, keys: SrtpKeys) -> None:
        self._native.set_srtp_keys(
            participant,
            cast("native.SrtpProfileName", keys.profile),
            keys.local_key,
            keys.local_salt,
            keys.remote_key,
            keys.remote_salt,
        )

    def overwrite_keys(self, room: int, participant: int) -> None:
        """Build and drop the keys of a participant that is nobody, of every profile, in a room of its
        own.

        The engine's thread makes sessions on its stack, and ring does not clear its keys: what was
        left there of the last call is now random.
        """
        self.add_room(room)
        self.add_participant(room, participant, *(secrets.token_hex(16) for _ in range(3)))
        for profile, (key_bytes, salt_bytes) in PROFILE_SIZES.items():
            halves = [secrets.token_bytes(size) for size in (key_bytes, salt_bytes) * 2]
            self._native.set_srtp_keys(
                participant, cast("native.SrtpProfileName", profile), *halves
            )
        self.remove_participant(participant)
        self.remove_room(room)

    def send_dtls(self, participant: int, datagram: bytes) -> None:
        self._native.send_dtls(participant, datagram)

    def set_source(
        self,
        participant: int,
        mid: str,
        publisher: int | None,
        publisher_mid: str | None,
        max_height: int,
    ) -> None:
        self._native.set_source(participant, mid, publisher, publisher_mid, max_height)

    def set_forwarding(self, participant: int, mid: str, is_allowed: bool) -> None:
        self._native.set_forwarding(participant, mid, is_allowed)

    def snapshot(self) -> native.Snapshot:
        return self._native.snapshot()

    def _take_events(self) -> None:
        for event in self._native.take_events(EVENTS_PER_TURN):
            value = _event(event)
            if value is not None:
                self._on_event(value)


def _event(event: native.Event) -> EngineEvent | None:
    """Return the event's value; None for one that only a newer engine knows."""
    match event:
        case ("dtls", participant, datagram):
            return DtlsArrived(participant, datagram)
        case ("ice_state", participant, state):
            return IceStateChanged(participant, state == "connected")
        case ("speakers", room, participants):
            return SpeakersChanged(room, tuple(participants))
        case ("audio_slots", room, slots):
            return AudioSlotsChanged(room, tuple(slots))
        case ("track_state", participant, mid, is_flowing):
            return TrackStateChanged(participant, mid, is_flowing)
        case ("source_started", participant, mid, publisher, publisher_mid):
            return SourceStarted(participant, mid, publisher, publisher_mid)
        case ("quality", participant, score, round_trip_ms, loss_in, loss_out):
            return QualityChanged(participant, score, round_trip_ms, loss_in, loss_out)
        case ("command_failed", participant, reason):
            return CommandFailed(participant, str(reason))
    # The types say that nothing else comes; an engine of another version might.
    log.error("unknown engine event", kind=event[0])  # type: ignore[unreachable]
    return None


def _published(media: PublishedMedia) -> native.PublishedMedia:
    return {
        "mid": media.mid,
        "kind": media.kind.value,
        "codecs": [_codec(codec) for codec in media.codecs],
        "rids": list(media.rids),
        "ssrcs": list(media.ssrcs),
        "extensions": _extensions(media),
    }


def _subscribed(media: SubscribedMedia) -> native.SubscribedMedia:
    return {
        "mid": media.mid,
        "kind": media.kind.value,
        "ssrc": media.ssrc,
        "rtx_ssrc": media.rtx_ssrc,
        "codecs": [_codec(codec) for codec in media.codecs],
        "extensions": _extensions(media),
    }


def _codec(codec: CodecParameters) -> native.CodecParameters:
    return {
        "payload_type": codec.payload_type,
        "codec": codec.name.value,
        "clock_rate": codec.clock_rate,
        "rtx_payload_type": codec.rtx_payload_type,
        "red_payload_type": codec.red_payload_type,
        "format_key": codec.format_key,
        "has_nack": codec.has_nack,
    }


def _extensions(media: PublishedMedia | SubscribedMedia) -> native.ExtensionIds:
    return cast(
        "native.ExtensionIds",
        {extension.value: item for extension, item in media.extensions.items()},
    )
