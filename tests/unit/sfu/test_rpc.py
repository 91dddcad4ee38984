"""The RPC between signaling and a worker, over a real UNIX socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sfu import rpc, rpc_messages
from sfu.client import SfuClient
from sfu.errors import BadRequest, RpcVersionMismatch, UnknownRoom, WorkerUnavailable
from sfu.rpc import RpcServer, encode_frame
from sfu.rpc_messages import (
    CallFrame,
    CloseRoom,
    Hello,
    Join,
    Leave,
    ListRooms,
    OpenRoom,
    Request,
    Requests,
    ResultFrame,
    RoomClosed,
    RoomState,
    SetHand,
    WorkerInfo,
)
from sfu.values import Encryption, Grants, Role, RoomClass
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


@dataclass
class Worker:
    """A worker that knows one room, and what its client was told."""

    path: Path
    incarnation: str = "first"
    states: list[tuple[bool, bool]] = field(default_factory=list)
    events: list[rpc_messages.Events] = field(default_factory=list)
    handled: list[Request] = field(default_factory=list)
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: Request) -> Any:
        self.handled.append(request)
        match request:
            case Hello():
                return WorkerInfo(
                    version=1,
                    worker="w",
                    incarnation=self.incarnation,
                    room_class=RoomClass.KEP,
                    capacity=5,
                )
            case OpenRoom(room=room):
                return RoomState(room=room, room_class=RoomClass.KEP, title="t", participants=[])
            case CloseRoom(room=room):
                raise UnknownRoom(room=room)
            case ListRooms():
                await self.slow.wait()
                return []
            case SetHand():
                raise ZeroDivisionError
        return None

    def client(self, call_timeout_s: float = 5.0) -> SfuClient:
        return SfuClient(
            self.path,
            on_event=self.events.append,
            on_state=lambda connected, info, restarted: self.states.append((connected, restarted)),
            call_timeout_s=call_timeout_s,
        )


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path / "run" / "worker.sock")


@contextlib.asynccontextmanager
async def running(*mains: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(main) for main in mains]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - no event announces an arbitrary condition
            await asyncio.sleep(0.002)


async def test_call_returns_typed_result_and_raises_typed_error(worker: Worker) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        state = await client.open_room("plenary", RoomClass.KEP, "t")
        with pytest.raises(UnknownRoom) as caught:
            await client.close_room("attic", "over")

    assert state == RoomState(room="plenary", room_class=RoomClass.KEP, title="t", participants=[])
    assert caught.value.room == "attic"
    assert server.failures == {"unknown_room": 1}
    assert server.calls == {"hello": 1, "open_room": 1, "close_room": 1}


async def test_defect_in_a_handler_costs_only_its_call(worker: Worker) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        with pytest.raises(Exception, match="internal error"):
            await client.set_hand("plenary", "p", True)
        assert (await client.open_room("plenary", RoomClass.KEP, "t")).room == "plenary"


async def test_calls_fail_at_once_while_disconnected(worker: Worker) -> None:
    client = worker.client()

    with pytest.raises(WorkerUnavailable) as caught:
        await client.list_rooms()

    assert caught.value.retry_after_seconds is not None


async def test_call_without_answer_times_out(worker: Worker) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client(call_timeout_s=0.05)

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        with pytest.raises(WorkerUnavailable, match="in time"):
            await client.list_rooms()
        worker.slow.set()


async def test_first_of_many_calls_is_answered_before_the_last_is_begun(worker: Worker) -> None:
    server, calls = RpcServer(worker.path, worker.handle), 200
    opening = OpenRoom(room="plenary", room_class=RoomClass.KEP, title="t")

    async with running(server.run()):
        await until(worker.path.exists)
        reader, writer = await asyncio.open_unix_connection(str(worker.path))
        requests: list[Requests] = [Hello(version=1), *[opening] * calls]
        # In one piece, as from a control plane that many ask at once.
        writer.write(b"".join(encode_frame(CallFrame(id=at, request=each))
                              for at, each in enumerate(requests)))  # fmt: skip
        for _ in range(2):
            await rpc.read_frame(reader)
        assert len(worker.handled) < calls
        writer.close()


async def test_event_is_heard_before_all_that_came_with_it_are(worker: Worker) -> None:
    """A result is not kept from who waits for it by hundreds of events behind it."""
    server, client = RpcServer(worker.path, worker.handle), worker.client()
    heard_at_result, told = 0, worker.events.append

    def tell_a_big_room(event: rpc_messages.Events) -> None:
        time.sleep(0.001)  # as long as hundreds of sockets take
        told(event)

    client._on_event = tell_a_big_room

    async def open_one() -> None:
        nonlocal heard_at_result
        await client.open_room("plenary", RoomClass.KEP, "t")
        heard_at_result = len(worker.events)

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        result = ResultFrame(
            id=2,
            value=RoomState(room="plenary", room_class=RoomClass.KEP, title="t", participants=[]),
        )
        event = rpc_messages.EventFrame(event=RoomClosed(room="plenary", reason="over"))
        (connection,) = server._connections
        call = asyncio.ensure_future(open_one())
        await asyncio.sleep(0)
        connection.send(encode_frame(result) + encode_frame(event) * 500)
        await call
        assert heard_at_result < 250
        await until(lambda: len(worker.events) == 500)


async def test_no_call_is_begun_for_who_does_not_read_what_is_there(worker: Worker) -> None:
    server = RpcServer(worker.path, worker.handle)
    opening = OpenRoom(room="plenary", room_class=RoomClass.KEP, title="t")
    events = rpc.BUSY_QUEUED_FRAMES * 2

    async with running(server.run()):
        await until(worker.path.exists)
        reader, writer = await asyncio.open_unix_connection(str(worker.path), limit=1 << 16)
        writer.write(encode_frame(CallFrame(id=1, request=Hello(version=1))))
        await rpc.read_frame(reader)
        for _ in range(events):
            server.publish(RoomClosed(room="plenary", reason="x" * 4096))
        writer.write(encode_frame(CallFrame(id=2, request=opening)))
        writer.write(encode_frame(CallFrame(id=3, request=opening)))
        for _ in range(200):
            await asyncio.sleep(0)
        assert worker.handled.count(opening) == 0

        frames = [await rpc.read_frame(reader) for _ in range(events + 2)]
        assert worker.handled.count(opening) == 2
        assert msgspec.msgpack.decode(frames[-1], type=ResultFrame).id == 3
        writer.close()


@pytest.mark.parametrize("late_s", [-60.0, 60.0], ids=["late", "in time"])
async def test_join_is_not_begun_once_its_caller_gave_up(worker: Worker, late_s: float) -> None:
    server = RpcServer(worker.path, worker.handle)
    join = Join(
        room="plenary", participant="p", subject="s", display_name="n", role=Role.MEMBER,
        grants=Grants(), secret_digest=b"", encryption=Encryption.OFF,
    )  # fmt: skip
    leave = Leave(room="plenary", participant="p", reason="lost")

    async with running(server.run()):
        await until(worker.path.exists)
        reader, writer = await asyncio.open_unix_connection(str(worker.path))
        deadline_s = time.monotonic() + late_s
        requests: list[Requests] = [Hello(version=1), join, leave]
        for at, request in enumerate(requests):
            writer.write(encode_frame(CallFrame(id=at, request=request, deadline_s=deadline_s)))
        answers = [
            msgspec.msgpack.decode(await rpc.read_frame(reader), type=ResultFrame) for _ in range(3)
        ]
        writer.close()

    is_late = late_s < 0
    codes = [each.failure.code if each.failure else None for each in answers]
    assert codes == [None, "worker_unavailable" if is_late else None, None]
    assert (join in worker.handled) is not is_late
    assert leave in worker.handled, "who gave up still tells so"


async def test_waiting_call_fails_when_the_worker_dies(worker: Worker) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()

    async with running(client.run()):
        async with running(server.run()):
            await until(lambda: client.is_connected)
            call = asyncio.ensure_future(client.list_rooms())
            await until(lambda: any(isinstance(request, ListRooms) for request in worker.handled))
        with pytest.raises(WorkerUnavailable, match="broke"):
            await call
        await until(lambda: worker.states == [(True, False), (False, False)])


async def test_client_reconnects_and_tells_a_restarted_worker_from_a_kept_one(
    worker: Worker,
) -> None:
    client = worker.client()

    async with running(client.run()):
        for incarnation in ["first", "first", "second"]:
            worker.incarnation = incarnation
            async with running(RpcServer(worker.path, worker.handle).run()):
                await until(lambda: client.is_connected)
            await until(lambda: not client.is_connected)

    connected = [restarted for is_connected, restarted in worker.states if is_connected]
    assert connected == [False, False, True]


async def test_event_reaches_every_greeted_connection(worker: Worker) -> None:
    server, first, second = RpcServer(worker.path, worker.handle), worker.client(), worker.client()

    async with running(server.run(), first.run(), second.run()):
        await until(lambda: first.is_connected and second.is_connected)
        server.publish(RoomClosed(room="plenary", reason="over"))
        await until(lambda: len(worker.events) == 2)

    assert worker.events == [RoomClosed(room="plenary", reason="over")] * 2


async def test_socket_and_folder_are_ours_alone(worker: Worker) -> None:
    listening = asyncio.Event()

    async with running(RpcServer(worker.path, worker.handle).run(listening.set)):
        await listening.wait()
        assert worker.path.stat().st_mode & 0o777 == 0o600
        assert worker.path.parent.stat().st_mode & 0o777 == 0o700

    assert not worker.path.exists()


async def test_folder_open_to_others_is_refused(worker: Worker) -> None:
    worker.path.parent.mkdir(mode=0o755)

    with pytest.raises(PermissionError, match="chmod 700"):
        await RpcServer(worker.path, worker.handle).run()


async def test_connection_of_another_user_is_refused(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = asyncio.Event()
    uid = os.getuid()

    async with running(RpcServer(worker.path, worker.handle).run(listening.set)):
        await listening.wait()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
        reader, writer = await asyncio.open_unix_connection(str(worker.path))
        assert await reader.read() == b""
        writer.close()


async def test_version_mismatch_is_told_and_ends_the_client(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()
    monkeypatch.setattr(rpc_messages, "RPC_VERSION", 99)

    async with running(server.run()):
        await until(worker.path.exists)
        with pytest.raises(RpcVersionMismatch) as caught:
            await client.run()

    assert (caught.value.ours, caught.value.theirs) == (1, 99)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(struct.pack(">I", 0), id="empty frame"),
        pytest.param(struct.pack(">I", rpc_messages.MAX_FRAME_BYTES + 1), id="oversize frame"),
        pytest.param(struct.pack(">I", 3) + b"\xff\xff\xff", id="not msgpack"),
        pytest.param(struct.pack(">I", 1) + b"\x80", id="not a call"),
        pytest.param(struct.pack(">I", 100) + b"short", id="cut short"),
    ],
)
async def test_garbage_closes_only_its_own_connection(worker: Worker, garbage: bytes) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        reader, writer = await asyncio.open_unix_connection(str(worker.path))
        writer.write(garbage)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()
        assert (await client.open_room("plenary", RoomClass.KEP, "t")).room == "plenary"


async def test_call_before_hello_is_refused(worker: Worker) -> None:
    listening = asyncio.Event()

    async with running(RpcServer(worker.path, worker.handle).run(listening.set)):
        await listening.wait()
        reader, writer = await asyncio.open_unix_connection(str(worker.path))
        writer.write(encode_frame(CallFrame(id=5, request=ListRooms())))
        answer = msgspec.msgpack.decode(await rpc.read_frame(reader), type=ResultFrame)
        writer.close()

    assert answer.id == 5
    assert answer.failure is not None
    assert answer.failure.code == BadRequest.code


async def test_reader_that_does_not_read_is_closed_and_counted(worker: Worker) -> None:
    server, client = RpcServer(worker.path, worker.handle), worker.client()

    async with running(server.run(), client.run()):
        await until(lambda: client.is_connected)
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(worker.path))
            deaf.sendall(encode_frame(CallFrame(id=1, request=Hello(version=1))))
            await until(lambda: worker.handled.count(Hello(version=1)) == 2)
            await asyncio.sleep(0)
            for _ in range(rpc.MAX_QUEUED_FRAMES * 2):
                server.publish(RoomClosed(room="plenary", reason="x" * 400))
                if _ % 64 == 0:
                    await asyncio.sleep(0)
            await until(lambda: server.slow_readers == 1)
        await until(lambda: len(worker.events) == rpc.MAX_QUEUED_FRAMES * 2)
