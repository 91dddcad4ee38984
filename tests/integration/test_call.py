"""aiortc peers in one room through the real worker and the real engine, over loopback UDP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aioice
import pytest

from sfu import metrics
from sfu.config import MediaConfig, WorkerConfig
from sfu.values import Grants, Kind, RoomClass, TransportState
from sfu.worker import run_worker
from tests.support.aiortc_peer import aiortc_peers
from tests.support.calls import ROOM, Call
from tests.support.rooms import digest

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]

LOOPBACK = MediaConfig(listen_addresses=("127.0.0.1",))


@contextlib.asynccontextmanager
async def call(folder: Path, media: MediaConfig = LOOPBACK) -> AsyncIterator[Call]:
    config = WorkerConfig(
        worker="council-0",
        room_class=RoomClass.COUNCIL,
        socket_path=folder / "run" / "w.sock",
        media=media,
    )
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(run_worker(config))
        running = Call(config.socket_path, tasks)
        try:
            await running.until(lambda: running.client.is_connected)
            await running.client.open_room(ROOM, RoomClass.COUNCIL, "Plenary")
            yield running
        finally:
            running.stop_client()
            worker.cancel()


async def test_two_peers_see_and_hear_each_other(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(2) as (anna, babis):
        await running.enter("anna", anna, grey=40)
        await running.enter("babis", babis, grey=160)
        anna_video, babis_video = anna.mids(Kind.VIDEO)[0], babis.mids(Kind.VIDEO)[0]
        await running.show("anna", anna_video, "babis")
        await running.show("babis", babis_video, "anna")

        await running.until(
            lambda: all(
                peer.received[mid].frames > 20
                for peer, mid in [(anna, anna_video), (babis, babis_video)]
            )
        )
        assert anna.received[anna_video].grey() == pytest.approx(160, abs=12)
        assert babis.received[babis_video].grey() == pytest.approx(40, abs=12)
        await running.until(
            lambda: any(
                anna.received[mid].frames > 20 and anna.received[mid].energy() > 0.01
                for mid in anna.mids(Kind.AUDIO)
            )
        )

        statistics = await running.client.statistics()
        assert set(statistics.engine_counters) == set(metrics.ENGINE_COUNTERS)
        assert statistics.engine_counters["rtp_packets_forwarded"] > 100
        assert statistics.transports[TransportState.CONNECTED] == 2
        assert sum(statistics.srtp_profiles.values()) == 2

        await running.until(lambda: len(running.qualities()) == 2)
        for told in running.qualities().values():
            assert told.score >= 3 and told.round_trip_ms is not None, told
            assert told.loss_in_percent == told.loss_out_percent == 0, told


async def test_an_alert_forged_on_the_path_does_not_end_a_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Plaintext, epoch 0: handshake_failure (40), fatal (2), before every DTLS datagram of the peer.
    alert = b"\x15\xfe\xfd" + bytes(2) + (9).to_bytes(6) + b"\x00\x02" + b"\x02\x28"
    genuine = aioice.Connection.send
    forged = 0

    async def send(connection: aioice.Connection, data: bytes) -> None:
        nonlocal forged
        if 20 <= data[0] <= 63:
            forged += 1
            await genuine(connection, alert)
        await genuine(connection, data)

    monkeypatch.setattr(aioice.Connection, "send", send)
    async with call(tmp_path) as running, aiortc_peers(1) as (anna,):
        await running.enter("anna", anna)
        statistics = await running.client.statistics()
        assert statistics.transports[TransportState.CONNECTED] == 1
        assert not any(statistics.handshake_failures.values())
    assert forged >= 2


async def test_worker_on_a_wildcard_answers_from_the_address_it_was_asked_at(
    tmp_path: Path,
) -> None:
    # The peers are at 127.0.0.1, so the routes would have the worker answer from there; aioice
    # refuses answers from another address than it asked, and DTLS and SRTP share its socket.
    media = MediaConfig(listen_addresses=("0.0.0.0",), announced_addresses=("127.0.0.2",))
    async with call(tmp_path, media) as running, aiortc_peers(2) as (anna, babis):
        await running.enter("anna", anna)
        await running.enter("babis", babis, grey=160)
        mid = anna.mids(Kind.VIDEO)[0]
        await running.show("anna", mid, "babis")

        await running.until(lambda: anna.received[mid].frames > 10)
        assert anna.received[mid].grey() == pytest.approx(160, abs=12)


async def test_source_switches_without_a_new_negotiation(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(3) as (anna, babis, kostas):
        for name, peer, grey in [
            ("anna", anna, 40),
            ("babis", babis, 120),
            ("kostas", kostas, 200),
        ]:
            await running.enter(name, peer, grey=grey)
        mid = anna.mids(Kind.VIDEO)[0]
        picture = anna.received[mid]

        for publisher, grey in [("babis", 120), ("kostas", 200), ("babis", 120)]:
            await running.show("anna", mid, publisher)
            await running.until(
                lambda grey=grey: picture.frames > 0 and abs(picture.grey() - grey) < 15  # type: ignore[misc]
            )


async def test_participant_without_the_grant_is_neither_seen_nor_heard(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(2) as (anna, babis):
        await running.enter("anna", anna)
        await running.enter("babis", babis, grants=Grants(microphone=False, camera=False), grey=200)
        mid = anna.mids(Kind.VIDEO)[0]
        await running.show("anna", mid, "babis")
        await asyncio.sleep(2)

        heard = [anna.received[m] for m in anna.mids(Kind.AUDIO)]
        assert all(sound.frames == 0 or sound.energy() < 1e-6 for sound in heard)
        assert anna.received[mid].frames == 0
        drops = (await running.client.statistics()).engine_drops
        assert sum(drops.values()) > 50

        await running.client.set_grants(ROOM, "babis", Grants())
        await running.until(lambda: anna.received[mid].frames > 10)
        await running.until(lambda: any(s.frames and s.energy() > 0.01 for s in heard))


async def test_speaker_is_shown_by_itself(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(2) as (anna, babis):
        await running.enter("anna", anna)
        await running.enter("babis", babis, grey=180)
        mid = anna.mids(Kind.VIDEO)[0]

        await running.show("anna", mid, None)

        await running.until(lambda: anna.received[mid].frames > 10)
        assert anna.received[mid].grey() == pytest.approx(180, abs=12)


async def test_leaving_peer_closes_its_transport(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(1) as (anna,):
        await running.enter("anna", anna)

        await anna.close()

        await running.until(lambda: running.state_of("anna") is TransportState.CLOSED)


async def test_removed_participant_is_told_at_once(tmp_path: Path) -> None:
    async with call(tmp_path) as running, aiortc_peers(1) as (anna,):
        await running.enter("anna", anna)

        await running.client.leave(ROOM, "anna", "kicked")

        await running.until(lambda: anna.connection.connectionState == "closed")


async def test_media_goes_on_while_no_control_plane_is_there_and_the_next_adopts(
    tmp_path: Path,
) -> None:
    async with call(tmp_path) as running, aiortc_peers(2) as (anna, babis):
        await running.enter("anna", anna)
        await running.enter("babis", babis)
        mid = anna.mids(Kind.VIDEO)[0]
        await running.show("anna", mid, "babis")
        await running.until(lambda: anna.received[mid].frames > 5)

        running.stop_client()
        await running.until(lambda: not running.client.is_connected)
        before = anna.received[mid].frames
        await running.until(lambda: anna.received[mid].frames > before + 20)

        adopted = await running.new_client()
        (room,) = await adopted.list_rooms()
        assert [info.participant for info in room.participants] == ["anna", "babis"]
        admission = await adopted.resume(
            ROOM, "anna", secret_digest=digest("anna"), next_secret_digest=digest("next")
        )
        assert admission.transport is TransportState.CONNECTED
        assert admission.sources[3].participant == "babis"
