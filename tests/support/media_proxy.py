"""A UDP proxy between simulated participants and the media worker that does harm on purpose.

The worker sees a socket of its own for each participant; what it sends back goes through a fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import cast

from loadtest.sdp import Answer

Address = tuple[str, int]
Fault = Callable[[bytes, Random], Sequence[float]]
"""A datagram of RTP from the server → after how many seconds each copy of it arrives; none: lost."""


def harmless(datagram: bytes, random: Random) -> Sequence[float]:
    """Let everything through at once."""
    return (0.0,)


def drop(share: float) -> Fault:
    """Lose `share` of all packets."""
    return lambda datagram, random: () if random.random() < share else (0.0,)


def delay(seconds: float) -> Fault:
    """Let everything arrive late."""
    return lambda datagram, random: (seconds,)


def duplicate(share: float) -> Fault:
    """Let `share` of all packets arrive twice."""
    return lambda datagram, random: (0.0, 0.0) if random.random() < share else (0.0,)


def reorder(share: float, seconds: float) -> Fault:
    """Hold `share` of all packets back so that others overtake them."""
    return lambda datagram, random: (seconds if random.random() < share else 0.0,)


def silence(payload_types: frozenset[int]) -> Fault:
    """Lose all packets of some payload types."""
    return lambda datagram, random: () if datagram[1] & 0x7F in payload_types else (0.0,)


class MediaProxy:
    """Between all participants and one worker. `fault` may be changed at any time."""

    def __init__(self) -> None:
        self.fault: Fault = harmless
        self.packets = 0
        """Of RTP that the server sent since the start."""
        self._random = Random(20_261)
        self._server: Address | None = None
        self._own: asyncio.DatagramTransport | None = None
        self._upstreams: dict[Address, asyncio.DatagramTransport] = {}

    @property
    def address(self) -> Address:
        """What participants are to take for the server."""
        assert self._own is not None
        return cast(Address, self._own.get_extra_info("sockname"))

    def through(self, answer: Answer) -> Answer:
        """Return `answer` with the proxy in the place of the server."""
        self._server = next(each for each in answer.candidates if ":" not in each[0])
        return replace(answer, candidates=(self.address,))

    async def handle_client(self, client: Address, datagram: bytes) -> None:
        """Carry what a participant sends."""
        upstream = self._upstreams.get(client)
        if upstream is None:
            assert self._server is not None, "nobody was told of the proxy"
            loop = asyncio.get_running_loop()
            upstream, _ = await loop.create_datagram_endpoint(
                lambda: _Upstream(self, client), remote_addr=self._server
            )
            # Two datagrams may have come together.
            known = self._upstreams.setdefault(client, upstream)
            if known is not upstream:
                upstream.close()
            upstream = known
        upstream.sendto(datagram)

    def handle_server(self, client: Address, datagram: bytes) -> None:
        """Carry what the server sends, or do harm to it."""
        assert self._own is not None
        if not _is_rtp(datagram):
            self._own.sendto(datagram, client)
            return
        self.packets += 1
        for seconds in self.fault(datagram, self._random):
            if seconds > 0:
                asyncio.get_running_loop().call_later(seconds, self._deliver, datagram, client)
            else:
                self._own.sendto(datagram, client)

    def _deliver(self, datagram: bytes, client: Address) -> None:
        if self._own is not None and not self._own.is_closing():
            self._own.sendto(datagram, client)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._own, _ = await loop.create_datagram_endpoint(
            lambda: _Clients(self), local_addr=("127.0.0.1", 0)
        )

    def close(self) -> None:
        for transport in (self._own, *self._upstreams.values()):
            if transport is not None:
                transport.close()


@asynccontextmanager
async def media_proxy() -> AsyncIterator[MediaProxy]:
    """Run one on a free port of the loopback."""
    proxy = MediaProxy()
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()


class _Clients(asyncio.DatagramProtocol):
    def __init__(self, proxy: MediaProxy) -> None:
        self._proxy = proxy
        self._opening: set[asyncio.Task[None]] = set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        upstream = self._proxy._upstreams.get(addr)
        if upstream is not None:
            upstream.sendto(data)
            return
        task = asyncio.create_task(self._proxy.handle_client(addr, data))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)


class _Upstream(asyncio.DatagramProtocol):
    def __init__(self, proxy: MediaProxy, client: Address) -> None:
        self._proxy = proxy
        self._client = client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._proxy.handle_server(self._client, data)


def _is_rtp(datagram: bytes) -> bool:
    """RFC 7983 §7, RFC 5761 §4."""
    return len(datagram) > 1 and 128 <= datagram[0] <= 191 and not 192 <= datagram[1] <= 223
