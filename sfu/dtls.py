"""DTLS handshakes: aiortc's `RTCDtlsTransport` over datagrams that the engine hands up (RFC 5763,
5764).

Python shakes hands and exports the SRTP keys; no packet of media comes here. One certificate serves
the whole process. What a stranger can cost before it is authenticated is bounded in memory and in
time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL

from sfu.dtls_records import PlaintextFilter
from sfu.media import DtlsRole, Fingerprint

HANDSHAKE_TIMEOUT_S = 15.0
"""First datagram → keys, waiting for a turn included. A browser has given up by then."""
MAX_HANDSHAKES = 64
"""LIMIT: handshakes at once in the process; others wait for a turn within their own time limit."""
MAX_QUEUED_DATAGRAMS = 64
MAX_QUEUED_BYTES = 64 * 1024
"""LIMIT: what waits for one transport. Policy when full: the newest is dropped and counted; DTLS
retransmits."""
MAX_DATAGRAM_BYTES = 1200
"""What we send, without IP and UDP headers: passes every path that carries WebRTC media."""

SRTP_PROFILES = (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80)
"""Most preferred first: AES-128-GCM is the cheapest per packet by far (RFC 7714, RFC 5764)."""


HAS_DTLS_13 = SSL.OPENSSL_VERSION_NUMBER >= 0x40100000
"""OpenSSL 4.1 brings DTLS 1.3."""


class HandshakeFailure(StrEnum):
    """Why a transport never got keys; values are labels of a metric."""

    TIMEOUT = "timeout"
    TLS = "tls"
    FINGERPRINT = "fingerprint"
    NO_SRTP_PROFILE = "no_srtp_profile"


@dataclass(frozen=True)
class SrtpKeys:
    """Result of a handshake (RFC 5764 §4.2). `local` is what we send with."""

    profile: str
    """As the engine's `SrtpProfileName`."""
    local_key: bytes
    local_salt: bytes
    remote_key: bytes
    remote_salt: bytes
    tls_version: str
    """`DTLSv1.2`, `DTLSv1.3`."""

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile}, {self.tls_version})"  # keys never reach a log


class DtlsCertificate(RTCCertificate):
    """The process's certificate, with the one TLS context that all handshakes share."""

    _context: SSL.Context | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """The sha-256 fingerprint, for answers."""
        (found,) = [item for item in self.getFingerprints() if item.algorithm == "sha-256"]
        return Fingerprint(found.algorithm, found.value)

    def context(self, profiles: Sequence[SRTPProtectionProfile]) -> SSL.Context:
        """Return the context; `profiles` count at the first call only."""
        if self._context is None:
            self._context = self._create_ssl_context(list(profiles))
            self._context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
            # Nobody resumes a DTLS-SRTP session: kept ones would be memory for nothing.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            # An association is silent after its handshake: 8 kB less for each, measured.
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        return self._context


class DtlsTransport(RTCDtlsTransport):
    """One handshake and the association that stays behind it. `run` is its whole life.

    `send` is given datagrams to send, at once and without waiting. `feed` takes what came.
    """

    def __init__(
        self,
        certificate: DtlsCertificate,
        role: DtlsRole,
        send: Callable[[bytes], None],
        *,
        profiles: Sequence[SRTPProtectionProfile] = SRTP_PROFILES,
    ) -> None:
        self._filter = PlaintextFilter(role, has_dtls_13=HAS_DTLS_13)
        self._link = _Link(send)
        # aiortc uses three things of its ICE transport, and the link has them: see `_Link`.
        super().__init__(cast(RTCIceTransport, self._link), [certificate])
        self._set_role(role.value)
        self._certificate = certificate
        self._srtp_profiles = list(profiles)
        self._keys: SrtpKeys | None = None

    @property
    def dropped_datagrams(self) -> int:
        """How many were refused because the queue was full or they were no DTLS."""
        return self._link.dropped

    def feed(self, datagram: bytes) -> None:
        """Take one datagram that came from the validated tuple. Never waits."""
        self._link.feed(self._filter.admit(datagram))

    async def run(
        self,
        fingerprints: Sequence[Fingerprint],
        turns: asyncio.Semaphore,
        on_keys: Callable[[SrtpKeys], None],
        timeout_s: float = HANDSHAKE_TIMEOUT_S,
    ) -> HandshakeFailure | None:
        """Shake hands, give the keys to `on_keys`, then serve the association until the peer closes
        it.

        Returns why there were no keys; None when the peer closed (close_notify or a fatal alert).
        """
        try:
            async with asyncio.timeout(timeout_s), turns:
                failure = await self._shake_hands(fingerprints)
        except TimeoutError:
            failure = HandshakeFailure.TIMEOUT
        if failure is not None:
            self._set_state(State.FAILED)
            return failure
        assert self._keys is not None, "invariant: no failure, so there are keys"
        on_keys(self._keys)
        self._keys = None
        await self._serve()
        return None

    def close(self) -> None:
        """Say close_notify if there is anybody to say it to. Safe to call twice, and at any
        time."""
        if self._ssl is not None and self._state in (State.CONNECTING, State.CONNECTED):
            with contextlib.suppress(SSL.Error):  # amid a handshake there is nothing to close
                self._ssl.shutdown()
            self._flush()
        self._set_state(State.CLOSED)

    async def _shake_hands(self, fingerprints: Sequence[Fingerprint]) -> HandshakeFailure | None:
        connection = SSL.Connection(self._certificate.context(self._srtp_profiles))
        connection.set_ciphertext_mtu(MAX_DATAGRAM_BYTES)
        if self._role == DtlsRole.SERVER:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        self._ssl = connection
        self._set_state(State.CONNECTING)
        await self._do_handshake()
        if self._has_failed():
            self._flush()  # the alert that tells the peer
            return HandshakeFailure.TLS
        await self._write_ssl()
        self._validate_peer_identity(
            RTCDtlsParameters([RTCDtlsFingerprint(f.algorithm, f.value) for f in fingerprints])
        )
        if self._has_failed():
            return HandshakeFailure.FINGERPRINT
        self._setup_srtp()
        if self._has_failed():
            return HandshakeFailure.NO_SRTP_PROFILE
        self._set_state(State.CONNECTED)
        return None

    def _has_failed(self) -> bool:
        return self._state is State.FAILED

    async def _serve(self) -> None:
        """Answer retransmissions and probes until close_notify or a fatal alert."""
        assert self._ssl is not None
        try:
            while not self._ssl.get_shutdown() & SSL.RECEIVED_SHUTDOWN:
                await self._recv_next()
        except ConnectionError:
            pass  # how aiortc says that the peer closed
        self._set_state(State.CLOSED)

    def _setup_srtp(self) -> None:
        """Export the keys (RFC 5764 §4.2) instead of making libsrtp sessions."""
        assert self._ssl is not None
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in self._srtp_profiles if p.openssl_profile == chosen), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        key_size, salt_size = profile.key_length, profile.salt_length
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (key_size + salt_size)
        )
        # client key | server key | client salt | server salt
        keys = material[:key_size], material[key_size : 2 * key_size]
        salts = material[2 * key_size :][:salt_size], material[2 * key_size + salt_size :]
        local = 1 if self._role == DtlsRole.SERVER else 0
        self._keys = SrtpKeys(
            profile=_PROFILE_NAMES[profile.openssl_profile],
            local_key=keys[local],
            local_salt=salts[local],
            remote_key=keys[1 - local],
            remote_salt=salts[1 - local],
            tls_version=self._ssl.get_protocol_version_name(),
        )

    async def _write_ssl(self) -> None:
        self._flush()

    def _flush(self) -> None:
        """Send all that OpenSSL wrote, as datagrams of whole records."""
        assert self._ssl is not None
        written = bytearray()
        try:
            while True:
                written += self._ssl.bio_read(65536)
        except SSL.WantReadError:
            pass
        for datagram in _datagrams(bytes(written)):
            self._link.send(datagram)


class _Link:
    """What aiortc sees of our ICE: `_recv`, `_send`, `role`; bounded on the way in."""

    role = "controlled"  # we are ICE-lite

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.dropped = 0
        self.send = send
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED_DATAGRAMS)
        self._queued_bytes = 0

    def feed(self, datagram: bytes) -> None:
        # RFC 7983: first byte 20 to 63 is DTLS.
        is_dtls = bool(datagram) and 20 <= datagram[0] <= 63
        fits = self._queued_bytes + len(datagram) <= MAX_QUEUED_BYTES
        if not is_dtls or not fits or self._queue.full():
            self.dropped += 1
            return
        self._queued_bytes += len(datagram)
        self._queue.put_nowait(datagram)

    async def _recv(self) -> bytes:
        datagram = await self._queue.get()
        self._queued_bytes -= len(datagram)
        return datagram

    async def _send(self, data: bytes) -> None:
        self.send(data)


def _datagrams(written: bytes) -> list[bytes]:
    """Split at record boundaries (RFC 6347 §4.1, §4.1.1: a record never spans datagrams).

    OpenSSL wrote through a memory BIO, which keeps no boundaries; records of one flight may share a
    datagram, up to MAX_DATAGRAM_BYTES.
    """
    datagrams: list[bytes] = []
    start = at = 0
    while at < len(written):
        # DTLS 1.3 unified headers (RFC 9147 §4) carry their length elsewhere: left in one piece.
        is_classic = 20 <= written[at] <= 25
        size = 13 + int.from_bytes(written[at + 11 : at + 13]) if is_classic else len(written) - at
        if at > start and at + size - start > MAX_DATAGRAM_BYTES:
            datagrams.append(written[start:at])
            start = at
        at += size
    return [*datagrams, written[start:]] if start < len(written) else datagrams


_PROFILE_NAMES = {
    b"SRTP_AEAD_AES_128_GCM": "aead_aes_128_gcm",
    b"SRTP_AEAD_AES_256_GCM": "aead_aes_256_gcm",
    b"SRTP_AES128_CM_SHA1_80": "aes128_cm_sha1_80",
}
