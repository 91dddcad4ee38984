"""A whole worker but its engine: RPC, rooms, handshakes, timers and statistics together."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from aiortc.sdp import SessionDescription

from sfu import rpc_messages as messages
from sfu import worker
from sfu.client import SfuClient
from sfu.config import MediaConfig, WorkerConfig
from sfu.dtls import DtlsCertificate, DtlsTransport, SrtpKeys
from sfu.engine import NativeEngine
from sfu.errors import RoomClassFixed, RoomFull, UnknownRoom, WrongWorkerClass
from sfu.media import DtlsRole, Fingerprint
from sfu.settings import SettingsError
from sfu.values import Grants, Role, RoomClass, TrackSource, TransportState, VideoWish
from sfu.worker import read_config, run_worker
from tests.support.recording_engine import RecordingEngine
from tests.support.rooms import digest, offer_of
from tests.support.waiting import PATIENCE_S

SENT = (TrackSource.MICROPHONE, TrackSource.CAMERA)


@dataclass
class Harness:
    """A worker on a recording engine, and a client of it."""

    client: SfuClient
    engine: RecordingEngine
    events: list[messages.Events]
    peers: list[asyncio.Task[Any]] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - no event announces an arbitrary condition
                await asyncio.sleep(0.002)

    async def join(self, participant: str) -> messages.Admission:
        return await self.client.join(
            "plenary",
            participant,
            subject=f"subject-{participant}",
            display_name=participant.title(),
            role=Role.MEMBER,
            grants=Grants(),
            secret_digest=digest(participant),
        )

    async def connect(self, participant: str) -> int:
        """Offer and shake hands as a browser would. Returns the engine's id."""
        certificate = DtlsCertificate.generateCertificate()
        sdp, tracks = offer_of(SENT)
        ours = f"{certificate.fingerprint.algorithm} {certificate.fingerprint.value}"
        sdp = sdp.replace("sha-256 " + ":".join(["0A"] * 32), ours)
        answer = SessionDescription.parse(
            await self.client.negotiate("plenary", participant, sdp, tracks)
        )
        transport_id: int = self.engine.of("add_participant")[-1][1]
        peer = DtlsTransport(
            certificate,
            DtlsRole.CLIENT,
            lambda datagram: self.engine.push("dtls", transport_id, datagram),
        )
        previous = self.engine.on_send_dtls

        def deliver(target: int, datagram: bytes) -> None:
            peer.feed(datagram) if target == transport_id else previous(target, datagram)

        self.engine.on_send_dtls = deliver
        self.engine.push("ice_state", transport_id, "connected")
        keys: asyncio.Queue[SrtpKeys] = asyncio.Queue()
        theirs = [Fingerprint(f.algorithm, f.value) for f in answer.media[0].dtls.fingerprints]  # type: ignore[union-attr]
        run = peer.run(theirs, asyncio.Semaphore(1), keys.put_nowait)
        self.peers.append(asyncio.ensure_future(run))
        client_keys = await asyncio.wait_for(keys.get(), PATIENCE_S)
        await self.until(
            lambda: any(args[0] == transport_id for args in self.engine.of("set_srtp_keys"))
        )
        (given,) = [args for args in self.engine.of("set_srtp_keys") if args[0] == transport_id]
        assert given[1:] == (
            client_keys.profile,
            client_keys.remote_key,
            client_keys.remote_salt,
            client_keys.local_key,
            client_keys.local_salt,
        )
        return transport_id

    def state_of(self, participant: str) -> TransportState | None:
        states = [
            event.state
            for event in self.events
            if isinstance(event, messages.TransportChanged) and event.participant == participant
        ]
        return states[-1] if states else None


@contextlib.asynccontextmanager
async def running(folder: Path, **media: Any) -> AsyncIterator[Harness]:
    config = WorkerConfig(
        worker="council-0",
        room_class=RoomClass.COUNCIL,
        socket_path=folder / "run" / "w.sock",
        media=MediaConfig(listen_addresses=("127.0.0.1",), **media),
    )
    engine = RecordingEngine()

    def open_engine(*args: Any, **options: Any) -> NativeEngine:
        return cast(NativeEngine, engine)

    events: list[messages.Events] = []
    client = SfuClient(
        config.socket_path, on_event=events.append, on_state=lambda connected, info, restarted: None
    )
    harness = Harness(client, engine, events)
    async with asyncio.TaskGroup() as tasks:
        mains = [
            tasks.create_task(run_worker(config, open_engine=open_engine)),
            tasks.create_task(client.run()),
        ]
        try:
            await harness.until(lambda: client.is_connected)
            yield harness
        finally:
            for task in [*mains, *harness.peers]:
                task.cancel()
            await asyncio.gather(*harness.peers, return_exceptions=True)
    assert engine.is_closed


@pytest.mark.asyncio
async def test_two_participants_connect_and_see_each_other(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        await harness.join("babis")
        anna = await harness.connect("anna")
        babis = await harness.connect("babis")
        await harness.client.set_layout(
            "plenary", "anna", [VideoWish(mid="v0", participant="babis", max_height=360)]
        )

        assert harness.state_of("anna") is TransportState.CONNECTED
        assert harness.engine.of("set_source") == [(anna, "v0", babis, "c", 360)]
        added = {args[1]: args for args in harness.engine.of("add_participant")}
        assert added[anna][0] == added[babis][0] == harness.engine.of("add_room")[0][0]
        assert (anna, "abcd") in harness.engine.of("set_remote_ice")
        assert (anna, "m", True) in harness.engine.of("set_forwarding")


@pytest.mark.asyncio
async def test_engine_reports_reach_the_control_plane_under_names(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        anna = await harness.connect("anna")
        room = harness.engine.of("add_room")[0][0]

        harness.engine.push("speakers", room, [anna, 999])
        harness.engine.push("audio_slots", room, [None, anna, 999])
        harness.engine.push("track_state", anna, "c", True)
        harness.engine.push("speakers", 12345, [anna])
        harness.engine.push("from_the_future", 1)
        harness.engine.push("ice_state", anna, "disconnected")
        await harness.until(lambda: harness.state_of("anna") is TransportState.DISCONNECTED)

        speakers = [e for e in harness.events if isinstance(e, messages.SpeakersChanged)]
        assert [event.participants for event in speakers] == [["anna"]]


@pytest.mark.asyncio
async def test_client_that_says_close_notify_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        anna = await harness.connect("anna")
        harness.engine.push("dtls", anna, b"\x15" + bytes(12))  # no valid record: ignored

        await harness.client.leave("plenary", "anna")

        assert harness.engine.of("remove_participant") == [(anna,)]
        # our close_notify reached the peer before the engine forgot the transport
        assert await asyncio.wait_for(harness.peers[0], PATIENCE_S) is None


@pytest.mark.asyncio
async def test_wrong_fingerprint_fails_the_transport(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        sdp, tracks = offer_of(SENT)  # a fingerprint that is nobody's
        await harness.client.negotiate("plenary", "anna", sdp, tracks)
        transport_id = harness.engine.of("add_participant")[-1][1]
        peer = DtlsTransport(
            DtlsCertificate.generateCertificate(),
            DtlsRole.CLIENT,
            lambda datagram: harness.engine.push("dtls", transport_id, datagram),
        )
        harness.engine.on_send_dtls = lambda target, datagram: peer.feed(datagram)
        harness.peers.append(
            asyncio.ensure_future(peer.run([], asyncio.Semaphore(1), lambda keys: None))
        )
        await harness.until(lambda: harness.state_of("anna") is TransportState.FAILED)

        assert harness.engine.of("set_srtp_keys") == []
        statistics = await harness.client.statistics()
        assert statistics.handshake_failures["fingerprint"] == 1


@pytest.mark.asyncio
async def test_statistics_join_engine_rooms_and_handshakes(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        await harness.join("babis")
        await harness.connect("anna")

        statistics = await harness.client.statistics()

    assert (statistics.rooms, statistics.participants) == (1, 2)
    assert statistics.transports[TransportState.CONNECTED] == 1
    assert statistics.transports[TransportState.NEW] == 1
    assert statistics.srtp_profiles["aead_aes_128_gcm"] == 1
    assert sum(statistics.tls_versions.values()) == 1
    assert statistics.join_time.buckets[-1][1] == 1
    assert statistics.engine_counters["packets_received"] == 7
    assert statistics.forwarding_delay.buckets[-1] == (float("inf"), 5)
    assert statistics.rpc_calls["join"] == 2


@pytest.mark.asyncio
async def test_rooms_of_another_class_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        with pytest.raises(WrongWorkerClass):
            await harness.client.open_room("kep-1", RoomClass.KEP, "KEP")
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        again = await harness.client.open_room("plenary", RoomClass.COUNCIL, "Other title")
        with pytest.raises(RoomClassFixed):
            await harness.client.open_room("plenary", RoomClass.KEP, "KEP")

        assert again.title == "Plenary"
        assert [state.room for state in await harness.client.list_rooms()] == ["plenary"]


@pytest.mark.asyncio
async def test_capacities_of_room_and_worker_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path, room_capacity=1, worker_capacity=1) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")

        with pytest.raises(RoomFull) as caught:
            await harness.join("babis")

        assert caught.value.retry_after_seconds


@pytest.mark.asyncio
async def test_closed_room_is_gone_from_the_engine(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        anna = await harness.connect("anna")

        await harness.client.close_room("plenary", "over")

        assert harness.engine.of("remove_participant") == [(anna,)]
        assert len(harness.engine.of("remove_room")) == 1
        assert messages.RoomClosed(room="plenary", reason="over") in harness.events
        with pytest.raises(UnknownRoom):
            await harness.join("babis")


@pytest.mark.asyncio
async def test_timers_of_rooms_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.room.RESUME_WINDOW_S", 0.01)
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")
        await harness.join("anna")
        await harness.client.detach("plenary", "anna")

        await harness.until(
            lambda: (
                messages.ParticipantLeft(room="plenary", participant="anna", reason="lost")
                in harness.events
            )
        )


@pytest.mark.asyncio
async def test_empty_room_is_closed_at_the_engine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.room_host.EMPTY_ROOM_S", 0.01)
    async with running(tmp_path) as harness:
        await harness.client.open_room("plenary", RoomClass.COUNCIL, "Plenary")

        await harness.until(
            lambda: messages.RoomClosed(room="plenary", reason="empty") in harness.events
        )

        assert len(harness.engine.of("remove_room")) == 1
        assert await harness.client.list_rooms() == []


class TestConfiguration:
    @pytest.mark.parametrize("suffix", ["json", "toml"])
    def test_worker_reads_its_file(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"w.{suffix}"
        path.write_text(
            '{"worker": "kep-0", "room_class": "kep", "socket_path": "/run/x", "media": {}}'
            if suffix == "json"
            else 'worker = "kep-0"\nroom_class = "kep"\nsocket_path = "/run/x"\n[media]\n'
        )

        config = read_config(path)

        assert config == WorkerConfig("kep-0", RoomClass.KEP, Path("/run/x"))

    def test_worker_reads_stdin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {"worker": "w", "room_class": "council", "socket_path": "/run/x", "port": 4000}
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))

        assert read_config(None).port == 4000

    def test_worker_reads_what_the_supervisor_sends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        config = WorkerConfig(
            "w", RoomClass.KEP, Path("/run/x"), 4000, MediaConfig(announced_addresses=("::1",))
        )
        sent = msgspec.json.encode(config, enc_hook=str).decode()
        monkeypatch.setattr("sys.stdin", io.StringIO(sent))

        assert read_config(None) == config

    def test_fault_is_named_and_the_worker_does_not_start(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "w.toml"
        path.write_text('worker = "w"\nroom_clas = "kep"\nsocket_path = "/run/x"\n')

        assert worker.main([str(path)]) == 2
        assert "did you mean room_class?" in capsys.readouterr().err
        with pytest.raises(SettingsError):
            read_config(path)
