"""A restart of the control plane: the room goes on, its sitting is found again, presence adds up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from sqlalchemy import event, select

from sfu import rpc_messages as rpc
from sfu.values import ParticipantInfo, Role, RoomClass
from signaling.live import sitting_rooms
from signaling.storage.models import AuditRecord
from signaling.worker_link import WorkerAddress
from tests.support.accounts_server import AccountsServer, VisitorClient, running_accounts
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
GUEST_NAME = "ΑΝΝΑ ΕΠΙΣΚΕΠΤΡΙΑ"


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
        enter_while_adopted(accounts, server.room)
        again = DoorServer(accounts, server.sitting_id, server.room)
        async with accounts.visitor() as first, accounts.visitor() as second:
            for visitor, jar in zip((first, second), cookies, strict=True):
                visitor.http.cookie_jar.update_cookies({each.key: each for each in jar})
            await go_on(again, first, second, resume)


def enter_while_adopted(accounts: AccountsServer, room: str) -> None:
    """Let a guest come in while the database is asked who was in the room."""
    guest = ParticipantInfo(participant="g" * 32, display_name=GUEST_NAME, role=Role.GUEST)
    joined = rpc.ParticipantJoined(room=room, participant=guest, subject="")
    rooms, engine = accounts.directory.rooms, accounts.service.database.engine.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def enter(_c: object, _d: object, statement: str, *_: object) -> None:
        is_inside = rooms.participant(room, guest.participant) is not None
        if "FROM presence_events" in statement and not is_inside:
            rooms.handle_event(joined)


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
        ("entered", CHAIR_NAME), ("entered", ELENI_NAME), ("entered", GUEST_NAME),
        ("left", ELENI_NAME), ("entered", ELENI_NAME),
    ]  # fmt: skip
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while await server.presence() != expected:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert await server.presence() == expected
    async with server.accounts.service.database.read() as session:
        query = select(AuditRecord.actor).where(AuditRecord.action == "admit_to_room")
        actors = list(await session.scalars(query))
    assert len(actors) == 2 and len(set(actors)) == 1, "the chair, before and after"
    assert "anonymous" not in actors
