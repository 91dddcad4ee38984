"""Two transports joined in memory shake hands, whatever the link does to them in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTPProtectionProfile,
)
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from sfu import dtls
from sfu.dtls import DtlsCertificate, DtlsTransport, HandshakeFailure, SrtpKeys
from sfu.media import DtlsRole, Fingerprint
from tests.support.waiting import PATIENCE_S

Filter = Callable[[bytes], list[bytes]]
"""What becomes of a datagram on its way: nothing, itself, several."""


def unchanged(datagram: bytes) -> list[bytes]:
    return [datagram]


def new_certificate() -> DtlsCertificate:
    return DtlsCertificate.generateCertificate()


@dataclass
class Pair:
    """A server and a client; `to_server` and `to_client` are the link."""

    to_server: Filter = unchanged
    to_client: Filter = unchanged
    server_profiles: Sequence[SRTPProtectionProfile] = dtls.SRTP_PROFILES
    client_profiles: Sequence[SRTPProtectionProfile] = dtls.SRTP_PROFILES
    keys: dict[str, SrtpKeys] = field(default_factory=dict)
    sent: dict[str, list[bytes]] = field(default_factory=lambda: {"server": [], "client": []})

    def __post_init__(self) -> None:
        certificates = new_certificate(), new_certificate()
        self.fingerprints = {
            "server": [certificates[1].fingerprint],
            "client": [certificates[0].fingerprint],
        }
        self.server = DtlsTransport(
            certificates[0],
            DtlsRole.SERVER,
            lambda data: self.carry("server", data),
            profiles=self.server_profiles,
        )
        self.client = DtlsTransport(
            certificates[1],
            DtlsRole.CLIENT,
            lambda data: self.carry("client", data),
            profiles=self.client_profiles,
        )

    def carry(self, sender: str, datagram: bytes) -> None:
        self.sent[sender].append(datagram)
        receiver, filtered = (
            (self.client, self.to_client) if sender == "server" else (self.server, self.to_server)
        )
        for item in filtered(datagram):
            receiver.feed(item)

    async def shake_hands(self, timeout_s: float = 10.0) -> list[HandshakeFailure | str | None]:
        """Run both until they have keys or failed; "keys" stands for success."""
        turns = asyncio.Semaphore(dtls.MAX_HANDSHAKES)

        async def one(name: str, transport: DtlsTransport) -> HandshakeFailure | str | None:
            got_keys = asyncio.Event()

            def on_keys(keys: SrtpKeys) -> None:
                self.keys[name] = keys
                got_keys.set()

            run = asyncio.ensure_future(
                transport.run(self.fingerprints[name], turns, on_keys, timeout_s)
            )
            self.tasks[name] = run
            waiting = asyncio.ensure_future(got_keys.wait())
            await asyncio.wait([run, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            return "keys" if got_keys.is_set() else await run

        self.tasks: dict[str, asyncio.Future[HandshakeFailure | None]] = {}
        return list(await asyncio.gather(one("server", self.server), one("client", self.client)))

    async def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def assert_same_keys(self) -> None:
        server, client = self.keys["server"], self.keys["client"]
        assert (server.local_key, server.local_salt) == (client.remote_key, client.remote_salt)
        assert (server.remote_key, server.remote_salt) == (client.local_key, client.local_salt)
        assert server.local_key != server.remote_key


@pytest.mark.parametrize(
    ("profile", "name", "key_size", "salt_size"),
    [
        (SRTP_AEAD_AES_128_GCM, "aead_aes_128_gcm", 16, 12),
        (SRTP_AEAD_AES_256_GCM, "aead_aes_256_gcm", 32, 12),
        (SRTP_AES128_CM_SHA1_80, "aes128_cm_sha1_80", 16, 14),
    ],
)
@pytest.mark.asyncio
async def test_both_ends_export_the_same_keys(
    profile: SRTPProtectionProfile, name: str, key_size: int, salt_size: int
) -> None:
    pair = Pair(client_profiles=[profile])

    assert await pair.shake_hands() == ["keys", "keys"]

    pair.assert_same_keys()
    keys = pair.keys["server"]
    assert (keys.profile, len(keys.local_key), len(keys.local_salt)) == (name, key_size, salt_size)
    assert keys.tls_version.startswith("DTLSv1.")
    assert keys.local_key.hex() not in repr(keys)
    await pair.stop()


@pytest.mark.asyncio
async def test_server_prefers_aes_128_gcm_whatever_the_client_prefers() -> None:
    pair = Pair(client_profiles=list(reversed(dtls.SRTP_PROFILES)))

    await pair.shake_hands()

    assert pair.keys["server"].profile == "aead_aes_128_gcm"
    await pair.stop()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.asyncio
async def test_handshake_survives_loss_duplication_and_reordering(seed: int) -> None:
    rng = random.Random(seed)
    held: dict[str, list[bytes]] = {"server": [], "client": []}

    def lossy(side: str) -> Filter:
        def carry(datagram: bytes) -> list[bytes]:
            draw = rng.random()
            if draw < 0.15:
                return []
            if draw < 0.3:
                held[side].append(datagram)  # comes after the next one
                return []
            copies = [datagram] * (2 if draw < 0.4 else 1) + held[side]
            held[side] = []
            return copies

        return carry

    pair = Pair(to_server=lossy("server"), to_client=lossy("client"))

    assert await pair.shake_hands(timeout_s=30) == ["keys", "keys"]
    pair.assert_same_keys()
    await pair.stop()


def fragment_client_hello(datagram: bytes, first_bytes: int) -> list[bytes]:
    """Return the ClientHello record as two handshake fragments in two datagrams (RFC 6347 §4.2.3).

    So Chromium 156 and Firefox 153 send theirs.
    """
    if datagram[0] != 22 or datagram[13] != 1:
        return [datagram]
    message_type, length = datagram[13:14], datagram[14:17]
    message_sequence, body = datagram[17:19], datagram[25:]
    records = []
    for number, (start, end) in enumerate([(0, first_bytes), (first_bytes, len(body))]):
        fragment = (
            message_type
            + length
            + message_sequence
            + start.to_bytes(3)
            + (end - start).to_bytes(3)
            + body[start:end]
        )
        sequence = (int.from_bytes(datagram[5:11]) * 2 + number).to_bytes(6)
        header = datagram[:5] + sequence + len(fragment).to_bytes(2)
        records.append(header + fragment)
    return records


@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "last fragment first"])
@pytest.mark.asyncio
async def test_client_hello_in_two_datagrams_is_put_together(is_reversed: bool) -> None:
    def split(datagram: bytes) -> list[bytes]:
        parts = fragment_client_hello(datagram, 60)
        return parts[::-1] if is_reversed else parts

    pair = Pair(to_server=split)

    assert await pair.shake_hands() == ["keys", "keys"]
    pair.assert_same_keys()
    await pair.stop()


@pytest.mark.asyncio
async def test_wrong_fingerprint_fails_and_gives_no_keys() -> None:
    pair = Pair()
    pair.fingerprints["server"] = [Fingerprint("sha-256", ":".join(["00"] * 32))]

    assert (await pair.shake_hands())[0] is HandshakeFailure.FINGERPRINT

    assert "server" not in pair.keys
    await pair.stop()


@pytest.mark.asyncio
async def test_every_listed_fingerprint_must_match() -> None:
    pair = Pair()
    pair.fingerprints["server"].append(Fingerprint("sha-512", ":".join(["00"] * 64)))

    assert (await pair.shake_hands())[0] is HandshakeFailure.FINGERPRINT
    await pair.stop()


@pytest.mark.asyncio
async def test_no_common_srtp_profile_fails() -> None:
    pair = Pair(server_profiles=[SRTP_AEAD_AES_128_GCM], client_profiles=[SRTP_AES128_CM_SHA1_80])

    assert (await pair.shake_hands(timeout_s=3))[0] is HandshakeFailure.NO_SRTP_PROFILE
    await pair.stop()


@pytest.mark.asyncio
async def test_silence_times_out() -> None:
    pair = Pair(to_server=lambda datagram: [])

    assert await pair.shake_hands(timeout_s=0.2) == [HandshakeFailure.TIMEOUT] * 2


@pytest.mark.asyncio
async def test_garbage_among_the_datagrams_does_no_harm() -> None:
    rng = random.Random(5)

    def polluted(datagram: bytes) -> list[bytes]:
        lengths = [0, 1, 12, 13, 14, 100, 1500]
        garbage = [bytes([rng.randrange(20, 64)]) + rng.randbytes(n) for n in lengths]
        forged = [
            datagram[:11] + b"\xff\xff" + datagram[13:],  # longer than its datagram
            datagram[:11] + b"\x00\x00" + datagram[13:],  # empty, then rubbish
            datagram[:-1],
            datagram[:1] + b"\x03\x03" + datagram[3:],  # TLS, not DTLS
            datagram[:3] + b"\x00\x07" + datagram[5:],  # an epoch to come
        ]
        return [b"", b"\x00", b"\x80" * 40, *garbage, *forged, datagram]

    pair = Pair(to_server=polluted)

    assert await pair.shake_hands() == ["keys", "keys"]
    pair.assert_same_keys()
    await pair.stop()


@pytest.mark.asyncio
async def test_flood_is_dropped_at_the_bound_and_counted() -> None:
    transport = DtlsTransport(new_certificate(), DtlsRole.SERVER, lambda data: None)

    def encrypted(size: int) -> bytes:
        return b"\x17\xfe\xfd\x00\x01" + bytes(6) + (size - 13).to_bytes(2) + bytes(size - 13)

    for _ in range(1000):
        transport.feed(encrypted(101))
    for_number = transport.dropped_datagrams

    other = DtlsTransport(new_certificate(), DtlsRole.SERVER, lambda data: None)
    for _ in range(60):
        other.feed(encrypted(2000))

    assert for_number == 1000 - dtls.MAX_QUEUED_DATAGRAMS
    assert other.dropped_datagrams == 60 - dtls.MAX_QUEUED_BYTES // 2000


@pytest.mark.asyncio
async def test_close_notify_ends_the_other_side() -> None:
    pair = Pair()
    await pair.shake_hands()

    pair.client.close()

    assert await asyncio.wait_for(pair.tasks["server"], PATIENCE_S) is None
    assert pair.server.state == "closed"
    await pair.stop()


@pytest.mark.asyncio
async def test_waiting_for_a_turn_counts_against_the_time() -> None:
    pair = Pair()
    none_free = asyncio.Semaphore(0)

    failure = await pair.server.run([], none_free, lambda keys: None, timeout_s=0.05)

    assert failure is HandshakeFailure.TIMEOUT


@pytest.mark.asyncio
async def test_turn_is_given_back_after_the_handshake() -> None:
    pair = Pair()
    turns = asyncio.Semaphore(2)
    keys = asyncio.Queue[SrtpKeys]()
    async with asyncio.TaskGroup() as tasks:
        runs = [
            tasks.create_task(pair.server.run(pair.fingerprints["server"], turns, keys.put_nowait)),
            tasks.create_task(pair.client.run(pair.fingerprints["client"], turns, keys.put_nowait)),
        ]
        for _ in runs:
            await asyncio.wait_for(keys.get(), PATIENCE_S)
        assert not turns.locked()
        async with asyncio.timeout(PATIENCE_S):
            await turns.acquire()
            await turns.acquire()
        for run in runs:
            run.cancel()


@pytest.mark.asyncio
async def test_every_datagram_we_send_is_short_and_of_whole_records() -> None:
    pair = Pair()
    await pair.shake_hands()
    await pair.stop()

    for datagram in pair.sent["server"] + pair.sent["client"]:
        assert len(datagram) <= dtls.MAX_DATAGRAM_BYTES
        at = 0
        while at < len(datagram):
            at += 13 + int.from_bytes(datagram[at + 11 : at + 13])
        assert at == len(datagram)


@given(sizes=st.lists(st.integers(0, 1400), max_size=12))
def test_records_are_packed_without_loss_and_never_split(sizes: list[int]) -> None:
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2) + bytes(size) for size in sizes]

    datagrams = dtls._datagrams(b"".join(records))

    assert b"".join(datagrams) == b"".join(records)
    ends = {0}
    for record in records:
        ends.add(max(ends) + len(record))
    position = 0
    for datagram in datagrams:
        position += len(datagram)
        assert position in ends
        assert len(datagram) <= max(dtls.MAX_DATAGRAM_BYTES, 13 + max(sizes))


def test_all_handshakes_share_one_context_that_remembers_no_session() -> None:
    certificate = new_certificate()

    context = certificate.context(dtls.SRTP_PROFILES)

    assert certificate.context(dtls.SRTP_PROFILES) is context
    assert context.set_session_cache_mode(SSL.SESS_CACHE_OFF) == SSL.SESS_CACHE_OFF
