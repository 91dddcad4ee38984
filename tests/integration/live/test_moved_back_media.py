"""Who is moved back gets no media any more: aiortc peers, the real worker and engine, loopback UDP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sfu.values import Kind, TrackSource
from tests.support.aiortc_peer import AiortcPeer, Bars, Tone, aiortc_peers
from tests.support.door_server import CHAIR, ELENI, queue_of, running_media_door
from tests.support.signaling_server import Client
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]


async def connect(client: Client, peer: AiortcPeer, grey: int) -> None:
    peer.send(Bars(grey), TrackSource.CAMERA)
    peer.send(Tone(), TrackSource.MICROPHONE)
    peer.receive(Kind.VIDEO, 1)
    peer.receive(Kind.AUDIO, 3)
    sdp = await peer.offer()
    tracks = {mid: source.value for mid, source in peer.tracks.items()}
    answer = await client.request(type="offer", sdp=sdp, tracks=tracks)
    assert answer["type"] == "answer", answer
    await peer.accept(answer["sdp"])


async def watch(client: Client, peer: AiortcPeer, whom: Client) -> str:
    mid = peer.mids(Kind.VIDEO)[0]
    wish = {"mid": mid, "participant": whom.joined["participant"], "max_height": 360}
    assert (await client.request(type="layout", video=[wish]))["type"] == "done"
    return mid


async def frames(peer: AiortcPeer, mid: str, more_than: int) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while peer.received[mid].frames <= more_than:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return peer.received[mid].frames


def heard(peer: AiortcPeer) -> int:
    return sum(peer.received[mid].frames for mid in peer.mids(Kind.AUDIO))


async def test_media_stops_at_once_in_both_directions(tmp_path: Path) -> None:
    async with (
        running_media_door(tmp_path) as server,
        server.accounts.visitor() as first,
        server.accounts.visitor() as second,
        aiortc_peers(2) as (chair_peer, eleni_peer),
    ):
        chair_person = await server.person(first, CHAIR)
        eleni_person = await server.person(second, ELENI)
        await server.add_sitting()
        await server.invite(CHAIR, "chair")
        await server.invite(ELENI)
        chair = await chair_person.walk_in()
        door = await eleni_person.knock()
        await queue_of(chair, 1)
        await chair.request(type="admit")
        eleni = await eleni_person.enter(door)
        await connect(chair, chair_peer, 40)
        await connect(eleni, eleni_peer, 160)
        eleni_sees = await watch(eleni, eleni_peer, chair)
        chair_sees = await watch(chair, chair_peer, eleni)
        await frames(eleni_peer, eleni_sees, 15)
        await frames(chair_peer, chair_sees, 15)

        moved: dict[str, Any] = {"participant": eleni.joined["participant"]}
        assert (await chair.request(type="move_back", **moved))["type"] == "done"
        await asyncio.sleep(1.0)  # what was under way, in jitter buffers too
        before = (
            eleni_peer.received[eleni_sees].frames, heard(eleni_peer),
            chair_peer.received[chair_sees].frames,
        )  # fmt: skip
        await asyncio.sleep(1.5)
        after = (
            eleni_peer.received[eleni_sees].frames, heard(eleni_peer),
            chair_peer.received[chair_sees].frames,
        )  # fmt: skip
        assert after == before
