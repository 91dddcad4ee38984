"""What goes into a kep worker comes out to the other members of the call, and to nobody else.

Two counts that know nothing of each other: the worker's own metrics, and a packet socket of the kernel.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from loadtest.cast import Cast, Target, open_cast
from loadtest.negotiation import Behaviour
from loadtest.participant import Participant
from tests.support.real_service import RealService, real_service
from tests.support.udp_count import UdpCount, count_udp
from tests.support.waiting import PATIENCE_S

ROOM = "kep-room"
CAPACITY = 4
CHANGES = 20
SEED = 20530
STEP_S = 0.4
REPAIR_SHARE = 0.10
"""Retransmissions and RTCP, as a share of what may go out."""
SETUP_BYTES = 24_000
"""For one step: a handshake (two flights with a certificate), probes, STUN, RTCP, key frames that were
sent again to one who had just come."""


@dataclass(frozen=True)
class Step:
    """From one change of the members to the next."""

    members: int
    """The most at any time of it."""
    into: int
    out_of: int

    @property
    def allowed(self) -> float:
        """Bytes out that the members explain."""
        return max(0, self.members - 1) * self.into * (1 + REPAIR_SHARE) + SETUP_BYTES


def unexplained(steps: list[Step]) -> list[Step]:
    """Return the steps in which more went out than they allow and the one before had left: a busy
    machine receives in one step what it sends in the next."""
    found, left = [], 0.0
    for step in steps:
        if step.out_of > step.allowed + left:
            found.append(step)
        left = max(0.0, step.allowed - step.out_of)
    return found


def test_a_copy_for_one_more_is_an_excess() -> None:
    """The rule can fail: as many bytes as one secret listener would get are found, even when they
    are got in one step alone."""
    right = Step(members=3, into=140_000, out_of=280_000)
    tapped = Step(members=3, into=140_000, out_of=420_000)
    assert unexplained([right, right]) == []
    assert unexplained([right, tapped, right]) == [tapped]
    assert unexplained([tapped] * 20) == [tapped] * 20


@pytest.mark.asyncio
@pytest.mark.timeout(150)
async def test_bytes_out_are_those_in_for_each_other_member_and_strangers_get_none(
    tmp_path: Path,
) -> None:
    async with real_service(tmp_path, (ROOM,), room_class="kep") as service:
        port = media_port(tmp_path)
        with count_udp(port) as count, stranger() as outsider:
            strange_port = outsider.getsockname()[1]
            async with cast(service) as people:
                steps = await twenty_changes(people, count, outsider, port)
            await quiet(count)
            metrics = await worker_bytes(service)
    assert count.missed == 0
    assert unexplained(steps) == [], steps
    # Media did flow, to two and three at a time: an idle worker would satisfy every bound.
    assert sum(step.into for step in steps) > 2_000_000, steps
    assert sum(step.out_of for step in steps) > sum(step.into for step in steps) * 0.5, steps
    assert max(step.members for step in steps) >= 3
    assert count.into[strange_port] > 1000 and count.out_of[strange_port] == 0
    assert set(count.out_of) <= set(count.into) - {strange_port}
    assert metrics == (count.into.total(), count.out_of.total())


async def twenty_changes(
    people: Cast, count: UdpCount, outsider: socket.socket, port: int
) -> list[Step]:
    """Let people come and go at random, never more than the room takes."""
    chance = random.Random(SEED)
    present: list[Participant] = []
    steps = []
    behaviour = Behaviour.simulcast(shows_video=CAPACITY - 1, role="citizen")
    for _ in range(CHANGES):
        before, members = (count.into.total(), count.out_of.total()), len(present)
        must_come, must_go = len(present) < 2, len(present) == CAPACITY
        if must_come or (not must_go and chance.random() < 0.5):
            present.append(await people.join(ROOM, behaviour))
            assert present[-1].failure is None, present[-1].failure
            members += 1
        else:
            await present.pop(chance.randrange(len(present))).leave()
        for garbage in (b"\x00" * 200, b"\x80\x60" + chance.randbytes(300), stun_request(chance)):
            outsider.sendto(garbage, ("127.0.0.1", port))
        await asyncio.sleep(STEP_S)
        after = count.into.total(), count.out_of.total()
        steps.append(Step(members, after[0] - before[0], after[1] - before[1]))
    return steps


def stun_request(chance: random.Random) -> bytes:
    """Return a binding request without credentials (RFC 8489 §5)."""
    return b"\x00\x01\x00\x00\x21\x12\xa4\x42" + chance.randbytes(12)


def stranger() -> socket.socket:
    """Return the socket of somebody who is in no call."""
    outsider = socket.socket(type=socket.SOCK_DGRAM)
    outsider.bind(("127.0.0.1", 0))
    return outsider


@asynccontextmanager
async def cast(service: RealService) -> AsyncIterator[Cast]:
    """Run the agent that carries the media; everybody leaves at the end."""
    async with open_cast(Target(service.url, agent_address="127.0.0.1")) as people:
        yield people


def media_port(folder: Path) -> int:
    config = tomllib.loads((folder / "synedrion.toml").read_text())
    return int(config["media"]["first_port"])


async def quiet(count: UdpCount) -> None:
    """Return when nothing has gone in or out for a second."""
    seen = -1
    async with asyncio.timeout(PATIENCE_S):
        while seen != (seen := count.into.total() + count.out_of.total()):  # noqa: ASYNC110
            await asyncio.sleep(1)


async def worker_bytes(service: RealService) -> tuple[int, int]:
    """Return what the worker says it received and sent."""
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/metrics") as answer:
        text = await answer.text()

    def value(name: str) -> int:
        found = re.search(rf"^{name}_total{{[^}}]*}} (\S+)$", text, re.M)
        assert found, name
        return int(float(found[1]))

    return value("sfu_bytes_received"), value("sfu_bytes_sent")
