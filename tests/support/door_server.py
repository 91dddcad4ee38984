"""Sittings for tests of the door: rows in the database, people who come, and their two sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from sfu.config import MediaConfig, WorkerConfig
from sfu.values import RoomClass
from sfu.worker import run_worker
from signaling.accounts.rights import AccountRole
from signaling.scheduling.values import SittingKind, SittingMode, SittingState
from signaling.storage.models import (
    AuditRecord,
    Body,
    Invitation,
    Person,
    PresenceEvent,
    RoleAssignment,
    Sitting,
    new_id,
)
from signaling.vault import token_hash
from signaling.worker_link import WorkerAddress
from tests.support.accounts_server import AccountsServer, VisitorClient, running_accounts
from tests.support.signaling_server import Client, WorkerProcess

CHAIR, ELENI, GIORGOS = "200000020", "000000048", "000000061"
"""ΑΦΜ of sample people: the chair of the council, a councillor, a citizen."""
EMAILS = {CHAIR: "chair@dimos.gr", ELENI: "eleni@dimos.gr", GIORGOS: "giorgos@dimos.gr"}
CHAIR_NAME, ELENI_NAME, GIORGOS_NAME = "ΝΙΚΟΛΑΟΣ ΠΡΟΕΔΡΟΥ", "ΕΛΕΝΗ ΣΥΜΒΟΥΛΟΥ", "ΓΙΩΡΓΟΣ ΠΟΛΙΤΗΣ"


@dataclass
class DoorServer:
    """The application with accounts, a worker, and a sitting that began a minute ago."""

    accounts: AccountsServer
    sitting_id: str = ""
    room: str = ""

    @property
    def path(self) -> str:
        return f"/sittings/{self.sitting_id}/enter"

    async def person(self, visitor: VisitorClient, tax_number: str) -> Guest:
        """Let somebody sign in with the address that invitations are for."""
        await visitor.enter(tax_number, EMAILS[tax_number])
        return Guest(self, visitor)

    async def add_sitting(self, **changes: Any) -> None:
        """Make the sitting, organised by whoever signed in first."""
        now = self.accounts.service._now()
        async with self.accounts.service.database.write() as session:
            organiser = await session.scalar(select(Person).order_by(Person.created_at).limit(1))
            body = await session.scalar(select(Body).limit(1))
            assert organiser is not None and body is not None
            values: dict[str, Any] = {
                "room": new_id(), "body_id": body.id, "organiser_id": organiser.id,
                "title": "Δημοτικό Συμβούλιο", "kind": SittingKind.COUNCIL_SESSION.value,
                "mode": SittingMode.REMOTE.value, "state": SittingState.PLANNED.value,
                "starts_at": now - timedelta(minutes=1), "ends_at": now + timedelta(hours=2),
                "open_before_min": 15, "expected_participants": 20, "is_closed": False,
                "admits_guests": False, "created_at": now,
            }  # fmt: skip
            sitting = Sitting(**(values | changes))
            session.add(sitting)
            await session.flush()
            self.sitting_id, self.room = sitting.id, sitting.room

    async def invite(self, tax_number: str, role: str = "member") -> None:
        now = self.accounts.service._now()
        async with self.accounts.service.database.write() as session:
            sitting = await session.get(Sitting, self.sitting_id)
            assert sitting is not None
            session.add(
                Invitation(
                    sitting_id=sitting.id, name=role, email=EMAILS[tax_number], role=role,
                    token_hash=token_hash(new_id()), expires_at=sitting.ends_at,
                    invited_by=sitting.organiser_id, invited_at=now,
                )
            )  # fmt: skip

    async def change(self, **changes: Any) -> None:
        """Change the sitting as its coordinator would."""
        async with self.accounts.service.database.write() as session:
            sitting = await session.get(Sitting, self.sitting_id)
            assert sitting is not None
            for name, value in changes.items():
                setattr(sitting, name, value)

    async def make_coordinator(self, tax_number: str) -> None:
        async with self.accounts.service.database.write() as session:
            person = await session.scalar(select(Person).where(Person.email == EMAILS[tax_number]))
            body = await session.scalar(select(Body).limit(1))
            assert person is not None and body is not None
            session.add(
                RoleAssignment(
                    person_id=person.id, role=AccountRole.BODY_COORDINATOR.value, body_id=body.id,
                    granted_at=self.accounts.service._now(),
                )
            )  # fmt: skip

    async def presence(self) -> list[tuple[str, str]]:
        """Return (kind, name) of every presence event, in order."""
        async with self.accounts.service.database.read() as session:
            events = await session.scalars(select(PresenceEvent).order_by(PresenceEvent.number))
            return [(each.kind, each.name) for each in events]

    async def audited(self, action: str) -> int:
        async with self.accounts.service.database.read() as session:
            query = select(func.count()).where(AuditRecord.action == action)
            return await session.scalar(query) or 0


@dataclass
class Guest:
    """Somebody with a browser's cookies."""

    server: DoorServer
    visitor: VisitorClient

    async def open(self) -> int:
        """Open the page and return its status."""
        return (await self.visitor.get(self.server.path)).status

    async def ticket(self, name: str = "", path: str | None = None) -> tuple[int, dict[str, Any]]:
        """Ask for a ticket as the page's script does."""
        url = self.server.accounts.url
        api = path or f"/api/v1/sittings/{self.server.sitting_id}/tickets"
        async with self.visitor.http.post(
            url + api, json={"display_name": name}, headers={"Origin": url}
        ) as response:
            return response.status, await response.json(content_type=None)

    async def socket(self, path: str) -> Client:
        url = self.server.accounts.url
        return Client(
            await self.visitor.http.ws_connect(url + path, headers={"Origin": url}, max_msg_size=0)
        )

    async def knock(self, name: str = "") -> Client:
        """Knock with a new ticket."""
        status, answer = await self.ticket(name)
        assert status == 200, (status, answer)
        door = await self.socket("/door")
        reply = await door.request(type="knock", ticket=answer["ticket"])
        assert reply["type"] == "knocked", reply
        return door

    async def enter(self, door: Client) -> Client:
        """Take the token of the door into the room."""
        admitted = await door.hear("admitted")
        room = await self.socket("/ws")
        room.joined = await room.request(type="join", token=admitted["token"])
        assert room.joined["type"] == "joined", room.joined
        return room

    async def walk_in(self) -> Client:
        """Enter as one who needs nobody's leave."""
        return await self.enter(await self.knock())


async def queue_of(moderator: Client, count: int) -> list[dict[str, Any]]:
    """Return who waits, once `count` do."""
    while True:
        knocks: list[dict[str, Any]] = (await moderator.hear("waiting_room"))["knocks"]
        if len(knocks) == count:
            return knocks


@contextlib.asynccontextmanager
async def running_door(backend: str, folder: Path) -> AsyncIterator[DoorServer]:
    """Run the application before a fake worker; a body is there, people sign in by themselves."""
    worker = WorkerProcess(RoomClass.COUNCIL, folder / "run")
    await worker.start()
    address = WorkerAddress("council", RoomClass.COUNCIL, worker.path)
    try:
        async with running_accounts(backend, workers=[address]) as accounts:
            yield DoorServer(accounts)
    finally:
        await worker.stop()


@contextlib.asynccontextmanager
async def running_media_door(folder: Path, listen: str = "127.0.0.1") -> AsyncIterator[DoorServer]:
    """Run the application before a real worker with the real engine."""
    config = WorkerConfig(
        worker="council", room_class=RoomClass.COUNCIL, socket_path=folder / "run" / "w.sock",
        media=MediaConfig(listen_addresses=(listen,)),
    )  # fmt: skip
    running = asyncio.create_task(run_worker(config))
    address = WorkerAddress("council", RoomClass.COUNCIL, config.socket_path)
    try:
        async with running_accounts("sqlite", workers=[address]) as accounts:
            yield DoorServer(accounts)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
