"""The WebSocket on a real server over loopback: what each abuse costs, and what recovery gives."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
import msgspec
import pytest

from sfu import rpc_messages as rpc
from sfu.client import CALL_TIMEOUT_S
from sfu.values import Role, RoomClass
from signaling import frame_socket
from signaling.errors import CloseCode, ErrorCode
from signaling.frame_socket import is_own_origin
from signaling.limits import OutgoingLimits, SessionLimits
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM, SDP
from tests.support.signaling_server import Client, running_server, until
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "origins",
    [
        [],
        ["null"],
        ["http://own.test.evil.test"],
        ["http://evil-own.test"],
        ["https://own.test"],
        ["http://own.test:8080"],
        ["http://own.test/"],
        ["HTTP://OWN.TEST"],
        ["http://own.test", "http://own.test"],
        ["http://own.test http://evil.test"],
    ],
    ids=str,
)
async def test_foreign_origin_is_refused(origins: list[str]) -> None:
    assert not is_own_origin(origins, frozenset({"http://own.test"}))


async def test_foreign_origin_is_refused_before_the_upgrade() -> None:
    async with running_server() as server:
        for headers in ({}, {"Origin": "null"}, {"Origin": "http://own.test.evil.test"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await server.http.ws_connect(f"{server.control.url}/ws", headers=headers)
            assert refused.value.status == 403


async def test_compression_is_not_negotiated() -> None:
    async with running_server() as server:
        socket = await server.http.ws_connect(
            f"{server.control.url}/ws", headers={"Origin": "http://own.test"}, compress=15
        )
        assert socket.compress == 0


async def test_two_participants_meet_and_talk() -> None:
    async with running_server() as server:
        anna, vasilis = await server.joined(name="Άννα"), await server.joined(name="Βασίλης")

        assert (await anna.hear("participant_joined"))["participant"]["display_name"] == "Βασίλης"
        answer = await vasilis.request(type="offer", sdp=SDP, tracks={"0": "camera"})
        assert "setup:passive" in answer["sdp"]
        updated = await anna.hear("participant_updated")
        assert updated["participant"]["tracks"][0]["source"] == "camera"
        assert (await anna.request(type="chat", text="Γεια"))["type"] == "done"
        assert (await vasilis.hear("chat_message"))["text"] == "Γεια"


@pytest.mark.parametrize("size", [65_537, 200_000], ids=["with an error", "beyond the hard cap"])
async def test_oversize_message_closes_with_1009_and_hurts_nobody(size: int) -> None:
    async with running_server() as server:
        other, sender = await server.joined(), await server.joined()

        await sender.socket.send_str("x" * size)

        assert await sender.closed() == CloseCode.TOO_LARGE
        assert (await other.request(type="ping"))["type"] == "done"


async def test_message_in_many_small_fragments_is_bounded() -> None:
    async with running_server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.control.port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: own.test\r\nOrigin: http://own.test\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b"101" in await reader.readuntil(b"\r\n\r\n")

        # RFC 6455 §5.2: FIN 0, masked, 1 byte; the first is text, the rest continue it.
        writer.write(b"\x01\x81\x00\x00\x00\x00x" + b"\x00\x81\x00\x00\x00\x00x" * 300_000)

        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read(4)
        writer.close()
        # A close frame with 1009, or 1002 where aiohttp counts fragments.
        assert answer[0] == 0x88 and int.from_bytes(answer[2:4]) in (1002, CloseCode.TOO_LARGE)


async def test_binary_message_closes_with_1003() -> None:
    async with running_server() as server:
        client = await server.joined()

        await client.socket.send_bytes(b"\x00")

        assert await client.closed() == CloseCode.UNSUPPORTED_DATA


async def test_garbage_is_answered_and_the_socket_lives() -> None:
    async with running_server() as server:
        client = await server.joined()

        for text in ("", "{", "[]", '{"type":"dance","id":1}', '{"type":"ping","id":1,"id":1}'):
            await client.socket.send_str(text)
            assert (await client.receive())["type"] == "error"

        assert (await client.request(type="ping"))["type"] == "done"


async def test_flood_is_closed_and_others_are_served() -> None:
    async with running_server() as server:
        other, flooder = await server.joined(), await server.joined()
        text = msgspec.json.encode({"type": "ping", "id": 1}).decode()
        sent = 0

        async def flood() -> None:
            nonlocal sent
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                while True:
                    await flooder.socket.send_str(text)
                    sent += 1
                    await asyncio.sleep(0)  # client and server share a thread

        flooding = asyncio.create_task(flood())
        await until(lambda: sent > 0)
        assert (await other.request(type="ping"))["type"] == "done"
        assert not flooding.done(), "others waited until the flood was over"
        assert await flooder.closed() in (CloseCode.RATE_LIMITED, 1006)
        await flooding
        assert any(each.get("code") == ErrorCode.RATE_LIMITED for each in flooder.heard)


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(OutgoingLimits(messages=200, size_bytes=1 << 40), id="messages"),
        pytest.param(OutgoingLimits(messages=1 << 40, size_bytes=1 << 20), id="bytes"),
    ],
)
async def test_slow_reader_is_closed_and_others_are_served(limits: OutgoingLimits) -> None:
    async with running_server(outgoing_limits=limits) as server:
        other, slow = await server.joined(), await server.joined()
        transport = slow.socket._conn.transport  # type: ignore[union-attr]
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        fake = server.worker().fake
        room = fake.rooms[COUNCIL_ROOM.room]

        def is_connected() -> bool:
            return room.participants[slow.joined["participant"]].info.is_connected

        big = ["p" * 60] * 500
        for _ in range(2000):
            fake.publish(rpc.SpeakersChanged(room=COUNCIL_ROOM.room, participants=big))
            await asyncio.sleep(0)
            other.socket._reader._buffer.clear()
            if not is_connected():
                break
        await until(lambda: not is_connected())

        assert COUNCIL_ROOM.room in server.control.directory.rooms.rooms
        text = await metrics_text(server)
        assert 'signaling_sockets_closed_total{reason="slow_reader"}' in text


async def metrics_text(server: Any) -> str:
    async with server.http.get(f"{server.control.url}/metrics") as response:
        assert response.status == 200
        return str(await response.text())


async def test_socket_that_never_joins_is_closed() -> None:
    async with running_server(session_limits=SessionLimits(join_timeout_s=0.2)) as server:
        client = await server.connect()

        assert await client.closed() == CloseCode.JOIN_TIMEOUT
        assert client.heard[-1]["code"] == ErrorCode.JOIN_TIMEOUT


async def test_idle_socket_is_closed() -> None:
    async with running_server(
        session_limits=SessionLimits(join_timeout_s=0.5, idle_timeout_s=0.2)
    ) as server:
        client = await server.joined()

        assert await client.closed() == CloseCode.IDLE


async def test_only_who_is_silent_is_asked_by_a_websocket_ping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert SessionLimits().ping_interval_s < frame_socket.HEARTBEAT_S
    monkeypatch.setattr(frame_socket, "HEARTBEAT_S", 3.0)
    async with running_server() as server:
        client = Client(
            await server.http.ws_connect(
                f"{server.control.url}/ws", headers={"Origin": "http://own.test"}, autoping=False
            )
        )

        for _ in range(8):
            await asyncio.sleep(0.5)
            await client.request(type="ping")  # a WebSocket ping would be taken for its reply

        assert (await client.socket.receive(PATIENCE_S)).type is aiohttp.WSMsgType.PING


async def test_bad_tokens_are_refused_and_the_third_closes() -> None:
    async with running_server() as server:
        client, used = await server.connect(), server.token()
        first = await server.connect()
        assert (await first.request(type="join", token=used))["type"] == "joined"

        codes = [
            (await client.request(type="join", token=token))["code"]
            for token in (used, "x.y.z", server.token(room="elsewhere"))
        ]

        assert codes == [ErrorCode.TOKEN_USED, ErrorCode.BAD_TOKEN, ErrorCode.WRONG_ROOM]
        assert await client.closed() == CloseCode.NOT_ADMITTED


async def test_lost_socket_is_seen_by_others_and_resumes() -> None:
    async with running_server() as server:
        other, lost = await server.joined(), await server.joined()
        await other.hear("participant_joined")
        await lost.request(type="hand", raised=True)

        await lost.socket.close()

        while (await other.hear("participant_updated"))["participant"]["is_connected"]:
            pass
        resumed = await server.connect()
        reply = await resumed.request(**lost.resume_message())
        assert (reply["type"], reply["resumed"]) == ("joined", True)
        assert reply["participant"] == lost.joined["participant"]
        again = await server.connect()
        assert (await again.request(type="resume", **{
            **{k: v for k, v in lost.resume_message().items() if k != "type"}, "secret": "guess",
        }))["code"] == ErrorCode.RESUME_REFUSED  # fmt: skip


async def test_same_person_on_a_second_device_replaces_the_first() -> None:
    async with running_server() as server:
        first = await server.joined(subject="anna")

        await server.joined(subject="anna")

        assert await first.closed() == CloseCode.REPLACED


async def test_kick_and_close_end_the_sockets_they_name() -> None:
    async with running_server() as server:
        chair, noisy, member = [
            await server.joined(role=role) for role in (Role.CHAIR, Role.MEMBER, Role.MEMBER)
        ]
        who = noisy.joined["participant"]

        assert (await chair.request(type="kick", participant=who, reason="r"))["type"] == "done"
        assert await noisy.closed() == CloseCode.KICKED
        assert noisy.heard[-1] == {"type": "kicked", "reason": "r"}
        assert (await chair.request(type="close_room"))["type"] == "done"
        assert await member.closed() == CloseCode.ROOM_CLOSED
        assert await chair.closed() == CloseCode.ROOM_CLOSED
        reopened = await server.joined()
        assert len(reopened.joined["participants"]) == 1


async def test_restarted_worker_gets_its_rooms_and_participants_back() -> None:
    async with running_server() as server:
        chair, member = await server.joined(role=Role.CHAIR), await server.joined()
        who = member.joined["participant"]
        gift = {"type": "allow", "participant": who, "source": "camera", "allowed": False}
        await chair.request(**gift)
        await member.request(type="hand", raised=True)
        lost = await server.joined()
        await lost.socket.close()

        await server.worker().restart()

        for client in (chair, member):
            await client.hear("media_lost")
        await until(lambda: server.control.directory.is_ready)
        room = server.worker().fake.rooms[COUNCIL_ROOM.room]
        assert set(room.participants) == {chair.joined["participant"], who}
        assert room.participants[who].info.grants.camera is False
        assert room.participants[who].info.hand_raised_order == 1
        left = await member.hear("participant_left")
        assert left["participant"] == lost.joined["participant"]
        assert (await member.request(type="offer", sdp=SDP))["type"] == "answer"
        await member.socket.close()
        resumed = await server.connect()
        assert (await resumed.request(**member.resume_message()))["type"] == "joined"
        assert 'sfu_worker_restarts_total{worker="council"} 1.0' in (await metrics_text(server))


async def test_requests_while_the_worker_is_away_fail_at_once_and_say_when_to_retry() -> None:
    async with running_server() as server:
        member = await server.joined()
        await server.worker().stop()
        await until(lambda: not server.control.directory.is_ready)
        started_s = time.monotonic()

        refused = await member.request(type="mute", source="camera", muted=True)
        newcomer = await server.connect()
        token = server.token()
        not_joined = await newcomer.request(type="join", token=token)

        assert time.monotonic() - started_s < CALL_TIMEOUT_S  # nothing waited for the worker
        assert refused["code"] == not_joined["code"] == ErrorCode.ROOM_UNAVAILABLE
        assert not_joined["retry_after_s"] >= 1
        await server.worker().start()
        await until(lambda: server.control.directory.is_ready)
        assert (await newcomer.request(type="join", token=token))["type"] == "joined"


async def test_connection_that_broke_is_attached_again_without_the_clients_noticing() -> None:
    async with running_server() as server:
        member = await server.joined()
        worker = server.worker()

        await worker.stop()
        worker.fake.disconnect()
        await worker.start()
        await until(lambda: server.control.directory.is_ready)

        info = worker.fake.rooms[COUNCIL_ROOM.room].participants[member.joined["participant"]].info
        assert info.is_connected
        assert (await member.request(type="ping"))["type"] == "done"
        assert "media_lost" not in [each["type"] for each in member.heard]


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "stopped"])
async def test_new_control_plane_adopts_rooms_and_clients_resume(crash: bool) -> None:
    async with running_server() as server:
        first, second = await server.joined(), await server.joined()
        await first.request(type="hand", raised=True)
        room = server.worker().fake.rooms[COUNCIL_ROOM.room]

        await server.restart_control_plane(crash=crash)

        if not crash:
            await first.closed()
            assert first.heard[-1]["type"] == "going_away"
        for client in (first, second):
            resumed = await server.connect()
            reply = await resumed.request(**client.resume_message())
            assert reply["participant"] == client.joined["participant"]
            assert len(reply["participants"]) == 2
        assert server.worker().fake.rooms[COUNCIL_ROOM.room] is room
        assert room.participants[first.joined["participant"]].info.hand_raised_order == 1


async def test_room_that_the_worker_closed_while_empty_is_opened_by_the_next_join() -> None:
    async with running_server() as server:
        fake = server.worker().fake
        first = await server.joined()
        await first.request(type="leave")
        for is_told in (True, False):
            # Not told: the join overtakes the event.
            del fake.rooms[COUNCIL_ROOM.room]
            if is_told:
                fake.publish(rpc.RoomClosed(room=COUNCIL_ROOM.room, reason="empty"))
                entry = server.control.directory.rooms.entry(COUNCIL_ROOM.room)
                await until(lambda entry=entry: entry.worker is None)

            again = await server.joined()

            assert len(again.joined["participants"]) == 1
            assert list(fake.rooms[COUNCIL_ROOM.room].participants) == [again.joined["participant"]]
            await again.request(type="leave")


async def test_kep_room_is_placed_on_a_kep_worker_only() -> None:
    async with running_server() as server:
        await server.joined(room=KEP_ROOM.room, role=Role.EMPLOYEE)

        assert KEP_ROOM.room in server.worker(RoomClass.KEP).fake.rooms
        assert KEP_ROOM.room not in server.worker(RoomClass.COUNCIL).fake.rooms
        await server.worker(RoomClass.KEP).stop()
        await until(lambda: not server.control.directory.is_ready)
        newcomer = await server.connect()
        token = server.token(room=KEP_ROOM.room, role=Role.CITIZEN)
        reply = await newcomer.request(type="join", token=token, encryption="on")
        assert reply["code"] == ErrorCode.ROOM_UNAVAILABLE
