"""Garbage on the media port of the running service costs its sender, and nobody else."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.browser import eventually
from tests.support.rtc_peer import RtcPeer, rtc_peer
from tests.support.service import Service, running_service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

LENGTHS = range(1501)
FIRST_BYTES = (0, 1, 3, 4, 19, 20, 22, 63, 64, 127, 128, 144, 191, 192, 255)
"""Ends of every range of RFC 7983 and of what lies between, and a DTLS handshake's."""
SEED = 20_260_711
BURST = 100
BURST_PAUSE_S = 0.01
"""10,000 datagrams a second: what is lost is lost by us, not by a full socket buffer."""
LONGEST_GAP_S = 1.0
MAX_GROWTH_BYTES = 16 << 20
STUN_MAGIC = 0x2112A442


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    loopback = ["127.0.0.1"]
    async with running_service(folder, "garbage-tests", listen_addresses=loopback) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def call(service: Service) -> AsyncIterator[tuple[RtcPeer, RtcPeer]]:
    """Two participants who hear and see each other."""
    room = service.new_room().rpartition("/")[2]
    async with (
        rtc_peer(service.base, room, "Άννα") as anna,
        rtc_peer(service.base, room, "Βασίλης") as vasilis,
    ):
        await anna.watch(vasilis.id)
        await vasilis.watch(anna.id)
        for peer in (anna, vasilis):
            await _hears(peer)
        yield anna, vasilis


async def test_a_strangers_garbage_of_every_length_is_counted_and_dropped(
    service: Service, call: tuple[RtcPeer, RtcPeer]
) -> None:
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.setblocking(False)
    stranger.connect(("127.0.0.1", service.media_port))
    with stranger:
        sent = await _unhurt(service, call, _Flood(stranger.send, _random_garbage()))
        sent += await _unhurt(service, call, _Flood(stranger.send, _plausible_garbage()))
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    assert sent > len(LENGTHS) * len(FIRST_BYTES)


async def test_a_participants_own_garbage_hurts_nobody(
    service: Service, call: tuple[RtcPeer, RtcPeer]
) -> None:
    anna, vasilis = call
    # Its own address is validated: SRTP garbage goes as far as authentication, DTLS up to Python.
    await _unhurt(service, call, _Flood(anna.send_raw, _random_garbage()), 0.7)
    for peer in (anna, vasilis):
        assert peer.connection.connectionState == "connected"


class _Flood:
    """Sends datagrams in bursts."""

    def __init__(self, send: Callable[[bytes], object], datagrams: Iterable[bytes]) -> None:
        self._send = send
        self._datagrams = datagrams

    async def run(self) -> int:
        """Return how many were sent."""
        count = 0
        for datagram in self._datagrams:
            self._send(datagram)
            count += 1
            if count % BURST == 0:
                await asyncio.sleep(BURST_PAUSE_S)
        return count


async def _unhurt(
    service: Service, call: tuple[RtcPeer, RtcPeer], flood: _Flood, counted_share: float = 0.99
) -> int:
    """Run the flood beside the call and hold the call, the counters and the memory to account.

    `counted_share` of the datagrams must be among the drops.
    """
    worker = service.worker_id("council")
    drops, memory = await _drops(service), _resident_bytes(worker)
    started_s = time.monotonic()
    sent = await flood.run()
    ended_s = time.monotonic()
    for peer in call:
        assert peer.longest_gap_s(started_s, ended_s) < LONGEST_GAP_S
        await _hears(peer)
    assert service.worker_id("council") == worker, "the worker was restarted"

    async def counted() -> float:
        return await _drops(service) - drops

    wanted = counted_share * sent
    await eventually(counted, lambda count: count >= wanted, f"{wanted} drops counted")
    assert _resident_bytes(worker) - memory < MAX_GROWTH_BYTES
    return sent


def _random_garbage() -> Iterator[bytes]:
    """Every length with every kind of first byte."""
    chance = random.Random(SEED)
    for length in LENGTHS:
        for first in FIRST_BYTES:
            yield (bytes([first]) + chance.randbytes(max(0, length - 1)))[:length]


def _plausible_garbage() -> Iterator[bytes]:
    """Right headers, wrong everything else, of every length."""
    chance = random.Random(SEED + 1)
    kinds: tuple[Callable[[bytes], bytes], ...] = (_like_stun, _like_dtls, _like_rtp, _like_rtcp)
    for length in LENGTHS:
        for kind in kinds:
            yield kind(chance.randbytes(length))[:1500]


def _like_stun(body: bytes) -> bytes:
    padded = body[: len(body) // 4 * 4]
    return struct.pack("!HHI", 0x0001, len(padded), STUN_MAGIC) + bytes(12) + padded


def _like_dtls(body: bytes) -> bytes:
    # ClientHello in epoch 0 (RFC 6347 §4.1).
    return b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", len(body)) + b"\x01" + body


def _like_rtp(body: bytes) -> bytes:
    return struct.pack("!BBHII", 0x90, 96, 1, 90_000, 0xCAFE_F00D) + body


def _like_rtcp(body: bytes) -> bytes:
    return struct.pack("!BBHI", 0x81, 206, len(body) // 4 + 1, 0xCAFE_F00D) + body


async def _hears(peer: RtcPeer) -> None:
    """Wait until 50 packets more have arrived."""
    wanted = len(peer.arrivals_s) + 50

    async def count() -> int:
        return len(peer.arrivals_s)

    await eventually(count, lambda now: now >= wanted, f"{wanted} packets at {peer.id}")


async def _drops(service: Service) -> float:
    samples = await service.metrics()
    return sum(
        value
        for name, value in samples.items()
        if name.startswith("sfu_packets_dropped_total") and 'worker="council"' in name
    )


def _resident_bytes(process_id: int) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
