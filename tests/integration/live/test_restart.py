"""A restart of the control plane: the room goes on, its sitting is found again, presence adds up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from sfu import rpc_messages as rpc
from sfu.values import RoomClass
from signaling.live import sitting_rooms
from signaling.storage.models import AuditRecord
from signaling.worker_link import WorkerAddress
from tests.support.accounts_server import VisitorClient, running_accounts
from tests.support.door_server import (
    CHAIR,
    CHAIR_NAME,
    ELENI,
    ELENI_NAME,
    DoorServer,
    Guest,
    queue_of,
)
from tests.support.signaling_server import WorkerProcess
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def test_a_running_room_is_adopted_with_its_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitting_rooms, "REFRESH_S", 0.05)
    (tmp_path / "data").mkdir()
    worker = WorkerProcess(RoomClass.COUNCIL, tmp_path / "run")
    await worker.start()
    address = WorkerAddress("council", RoomClass.COUNCIL, worker.path)
    try:
        await before_and_after(tmp_path / "data", worker, address)
    finally:
        await worker.stop()


async def before_and_after(folder: Path, worker: WorkerProcess, address: WorkerAddress) -> None:
    async with running_accounts(folder=folder, workers=[address]) as accounts:
        server = DoorServer(accounts)
        async with accounts.visitor() as first, accounts.visitor() as second:
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
            resume = chair.resume_message()
            cookies = [visitor.http.cookie_jar for visitor in (first, second)]
    worker.fake.disconnect()
    leave = rpc.Leave(room=server.room, participant=eleni.joined["participant"], reason="left")
    await worker.fake.handle(leave)

    async with running_accounts(folder=folder, workers=[address]) as accounts:
        again = DoorServer(accounts, server.sitting_id, server.room)
        async with accounts.visitor() as first, accounts.visitor() as second:
            for visitor, jar in zip((first, second), cookies, strict=True):
                visitor.http.cookie_jar.update_cookies({each.key: each for each in jar})
            await go_on(again, first, second, resume)


async def go_on(
    server: DoorServer, first: VisitorClient, second: VisitorClient, resume: dict[str, str]
) -> None:
    chair = await Guest(server, first).socket("/ws")
    chair.joined = await chair.request(**resume)
    assert chair.joined["type"] == "joined" and chair.joined["resumed"] is True
    door = await Guest(server, second).knock()
    (knock,) = await queue_of(chair, 1)
    assert knock["display_name"] == ELENI_NAME
    assert (await chair.request(type="admit", knock=knock["knock"]))["type"] == "done"
    await Guest(server, second).enter(door)
    expected = [
        ("entered", CHAIR_NAME), ("entered", ELENI_NAME), ("left", ELENI_NAME),
        ("entered", ELENI_NAME),
    ]  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        while await server.presence() != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    async with server.accounts.service.database.read() as session:
        query = select(AuditRecord.actor).where(AuditRecord.action == "admit_to_room")
        actors = list(await session.scalars(query))
    assert len(actors) == 2 and len(set(actors)) == 1, "the chair, before and after"
    assert "anonymous" not in actors
