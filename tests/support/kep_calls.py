"""Calls of appointments for tests: rows in the database, people who come, and their sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import select

from sfu.values import ConnectionQuality, Role, RoomClass, TrackInfo, TrackSource
from signaling.kep.config import KepConfig
from signaling.kep.personal import PersonalVault
from signaling.kep.sample_call import CITIZEN, EMPLOYEE, add_sample_call
from signaling.rendering import ATHENS
from signaling.storage.models import (
    Appointment,
    AppointmentGuest,
    AuditRecord,
    Kep,
    KepCallRecord,
    KepEmployee,
    Person,
)
from signaling.vault import token_hash
from signaling.worker_link import WorkerAddress
from tests.support.accounts_server import AccountsServer, Shown, VisitorClient, running_accounts
from tests.support.signaling_server import Client, WorkerProcess
from tests.support.waiting import PATIENCE_S

COLLEAGUE, STRANGER, INTERPRETER = "150000017", "000000048", "150000054"
"""ΑΦΜ of sample people: made an employee of the same ΚΕΠ by `add_colleague`; nobody; invited."""
INTERPRETER_EMAIL = "loukas@example.gr"
CHECKED = {
    "document_type": "yes", "document_features": "yes", "face_matches": "yes",
    "data_matches": "yes", "document_number": "ΑΒ123456",
}  # fmt: skip
"""A checklist that was gone through."""
OUTCOME = {
    "result": "completed", "next_step": "await_result", "reference_number": "ΑΠ 42/2026",
    "delivery": "email",
}  # fmt: skip
"""Of the form at the end of a call."""


@dataclass
class Desk:
    """The application before a kep worker, and an appointment that begins in five minutes."""

    accounts: AccountsServer
    worker: WorkerProcess
    appointment_id: str = ""
    room: str = ""

    @property
    def url(self) -> str:
        return self.accounts.url

    @property
    def api(self) -> str:
        return api_of(self)

    @property
    def desk(self) -> str:
        return desk_of(self)

    @property
    def database(self) -> Any:
        return self.accounts.service.database

    def set_hour(self, hour: int) -> None:
        """Move the clock on to that hour in Athens: tests must not depend on the time of day."""
        now = self.accounts.service._now().astimezone(ATHENS)
        wanted = now.replace(hour=hour, minute=2, second=0, microsecond=0)
        wanted += timedelta(days=1) if wanted < now else timedelta()
        self.accounts.clock.shift_s += wanted.timestamp() - now.timestamp()

    async def add_appointment(self, **changes: Any) -> Appointment:
        """Make the appointment; `changes` are to its row."""
        parts = self.accounts.service.parts
        vault = PersonalVault(self.accounts.service.vault)
        async with self.database.write() as session:
            made = await add_sample_call(session, parts.people, vault, KepConfig(), parts.now())
            assert made is not None, "there is one already, or it is nearly midnight"
            for name, value in changes.items():
                setattr(made, name, value)
        self.appointment_id, self.room = made.id, made.room
        return made

    async def appointment(self) -> Appointment:
        async with self.database.read() as session:
            found: Appointment = await session.get_one(Appointment, self.appointment_id)
            return found

    async def state(self) -> str:
        return (await self.appointment()).state

    async def change(self, **changes: Any) -> None:
        async with self.database.write() as session:
            row = await session.get_one(Appointment, self.appointment_id)
            for name, value in changes.items():
                setattr(row, name, value)

    async def record(self) -> KepCallRecord | None:
        async with self.database.read() as session:
            found: KepCallRecord | None = await session.get(KepCallRecord, self.appointment_id)
            return found

    async def until_state(self, wanted: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.state() != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def invite_interpreter(self) -> None:
        """Invite as the employee's page would, without the mail."""
        async with self.database.write() as session:
            row = await session.get_one(Appointment, self.appointment_id)
            session.add(
                AppointmentGuest(
                    appointment_id=row.id, email=INTERPRETER_EMAIL, personal=b"",
                    token_hash=token_hash(row.id), invited_by=row.person_id,
                    invited_at=row.created_at,
                )
            )  # fmt: skip

    async def add_colleague(self, visitor: VisitorClient) -> None:
        """Let who is signed in as COLLEAGUE serve at the same ΚΕΠ."""
        await visitor.enter(COLLEAGUE, "colleague@example.gr")
        async with self.database.write() as session:
            kep_id = (await session.get_one(Appointment, self.appointment_id)).kep_id
            person = await session.scalar(
                select(Person).where(Person.email == "colleague@example.gr")
            )
            session.add(
                KepEmployee(
                    kep_id=kep_id, name=person.full_name, email="colleague@example.gr",
                    person_id=person.id,
                )
            )  # fmt: skip

    async def move_kep(self) -> None:
        """Let the appointment be of another ΚΕΠ."""
        async with self.database.write() as session:
            row = await session.get_one(Appointment, self.appointment_id)
            other = await session.scalar(select(Kep.id).where(Kep.id != row.kep_id).limit(1))
            row.kep_id = other

    async def audited(self) -> list[str]:
        """Return the actions of the trail about the appointment, in order."""
        async with self.database.read() as session:
            rows = await session.scalars(
                select(AuditRecord)
                .where(AuditRecord.object_kind == "appointment")
                .order_by(AuditRecord.number)
            )
            return [each.action for each in rows]

    # ---- the media

    def participant(self, role: Role) -> Any:
        """Return somebody as the worker has them."""
        room = self.worker.fake.rooms[self.room]
        return next(each for each in room.participants.values() if each.info.role is role)

    def let_flow(self, role: Role, is_flowing: bool = True) -> None:
        """Let packets of somebody's camera arrive at the worker, or not any more."""
        fake = self.worker.fake
        found = self.participant(role)
        track = TrackInfo(source=TrackSource.CAMERA, is_flowing=is_flowing)
        fake._update(fake.rooms[self.room], found, tracks=(track,))

    def tell_quality(self, role: Role, score: int) -> None:
        """Let the worker say how good somebody's connection is."""
        participant = self.participant(role).info.participant
        quality = ConnectionQuality(participant=participant, score=score)
        self.worker.fake.tell_quality(self.room, quality)

    async def weaken(self) -> None:
        """Let the citizen's network be too weak for as long as it takes."""
        self.tell_quality(Role.CITIZEN, 1)
        await asyncio.sleep(0.05)  # the event is on its way
        self.accounts.clock.shift_s += KepConfig().weak_network_s
        self.tell_quality(Role.CITIZEN, 1)

    def cameras(self) -> dict[str, bool]:
        """Return who may send a camera, at the worker."""
        room = self.worker.fake.rooms[self.room]
        return {
            each.info.role.value: each.info.grants.camera for each in room.participants.values()
        }


class Place(Protocol):
    """Where an appointment's pages and sockets are."""

    @property
    def url(self) -> str:
        """Address of the home page."""

    @property
    def appointment_id(self) -> str:
        """Of whose door and call the paths are."""


@dataclass
class Caller:
    """Somebody with a browser's cookies."""

    desk: Place
    visitor: VisitorClient
    csrf: str = ""

    async def page(self) -> Shown:
        return await self.visitor.get(f"/appointments/{self.desk.appointment_id}/enter")

    async def ticket(self) -> tuple[int, dict[str, Any]]:
        """Ask for a ticket as the page's script does."""
        url = self.desk.url
        async with self.visitor.http.post(
            url + api_of(self.desk) + "/tickets", json={}, headers={"Origin": url}
        ) as response:
            return response.status, await response.json(content_type=None)

    async def socket(self, path: str) -> Client:
        url = self.desk.url
        return Client(
            await self.visitor.http.ws_connect(url + path, headers={"Origin": url}, max_msg_size=0)
        )

    async def knock(self) -> Client:
        status, answer = await self.ticket()
        assert status == 200, (status, answer)
        door = await self.socket("/door")
        reply = await door.request(type="knock", ticket=answer["ticket"])
        assert reply["type"] == "knocked", reply
        return door

    async def enter(self, door: Client) -> Client:
        """Take the token of the door into the room."""
        admitted = await door.hear("admitted")
        room = await self.socket("/ws")
        room.joined = await room.request(type="join", token=admitted["token"], encryption="on")
        assert room.joined["type"] == "joined", room.joined
        return room

    async def walk_in(self) -> Client:
        return await self.enter(await self.knock())

    async def take(self) -> Shown:
        """Press the button of the desk."""
        await self.visitor.get("/kep/desk")
        return await self.visitor.post(desk_of(self.desk) + "/take")

    async def ask(self, what: str, **fields: str) -> tuple[int, dict[str, Any]]:
        """Ask for something in the call, as the panel's script does."""
        if not self.csrf:
            await self.visitor.get("/account")
            self.csrf = self.visitor.csrf
        path = f"{api_of(self.desk)}/call/{what}"
        shown = await self.visitor.post(path, csrf=self.csrf, **fields)
        return shown.status, msgspec.json.decode(shown.text or "{}")

    async def view(self) -> dict[str, Any]:
        """Return how the call stands."""
        path = self.desk.url + api_of(self.desk) + "/call"
        async with self.visitor.http.get(path) as response:
            assert response.status == 200, response.status
            answer: dict[str, Any] = await response.json()
            return answer


def api_of(place: Place) -> str:
    """Return the path below which the appointment's scripts ask."""
    return f"/api/v1/appointments/{place.appointment_id}"


def desk_of(place: Place) -> str:
    """Return the path of the appointment at the employee's desk."""
    return f"/kep/desk/appointments/{place.appointment_id}"


async def hear_call(client: Client, is_meant: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first view of the call that is meant."""
    while True:
        view: dict[str, Any] = (await client.hear("call_state"))["call"]
        if is_meant(view):
            return view


@contextlib.asynccontextmanager
async def running_desk(
    backend: str, folder: Path, *, worker: WorkerProcess | None = None, **appointment: Any
) -> AsyncIterator[Desk]:
    """Run the application before a fake kep worker, at ten o'clock, with an appointment.

    With a `worker` it is run again before that one, on the data of `folder`, and nothing is added.
    """
    is_again = worker is not None
    worker = worker or WorkerProcess(RoomClass.KEP, folder / "run")
    if not is_again:
        await worker.start()
    address = WorkerAddress("kep", RoomClass.KEP, worker.path)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    async with running_accounts(backend, workers=[address], folder=data) as accounts:
        desk = Desk(accounts, worker)
        desk.set_hour(10)
        if not is_again:
            await desk.add_appointment(**appointment)
        yield desk


@dataclass
class InCall:
    """A call in which citizen and employee are, being identified."""

    desk: Desk
    citizen: Caller
    employee: Caller
    citizen_socket: Client
    employee_socket: Client

    async def confirm(self) -> None:
        """Confirm the identity, as the employee does."""
        assert await self.employee.ask("identity", **CHECKED) == (200, {})
        await hear_call(self.citizen_socket, lambda view: view["phase"] == "serving")

    async def conclude(self, **changes: str) -> int:
        """Send the form of the outcome; return the status of the answer."""
        path, visitor = f"{self.desk.desk}/outcome", self.employee.visitor
        await visitor.get(path)
        return (await visitor.post(path, **(OUTCOME | changes))).status


@dataclass
class Pair:
    """Citizen and employee, signed in, before the call."""

    desk: Desk
    citizen: Caller
    employee: Caller

    async def begin(self) -> InCall:
        """Bring both together by the desk's one click; cameras flow."""
        desk = self.desk
        door = await self.citizen.knock()
        await desk.until_state("waiting")
        await self.employee.take()
        employee_socket = await self.employee.walk_in()
        citizen_socket = await self.citizen.enter(door)
        await desk.until_state("identifying")
        for role in (Role.CITIZEN, Role.EMPLOYEE):
            desk.let_flow(role)
        await hear_call(employee_socket, lambda view: bool(view["citizen_camera"]))
        return InCall(desk, self.citizen, self.employee, citizen_socket, employee_socket)


@contextlib.asynccontextmanager
async def running_pair(backend: str, folder: Path) -> AsyncIterator[Pair]:
    """Run a desk for citizen and employee of its appointment."""
    async with (
        running_desk(backend, folder) as desk,
        desk.accounts.visitor() as first,
        desk.accounts.visitor() as second,
    ):
        await first.enter(CITIZEN, "citizen@example.gr")
        await second.enter(EMPLOYEE, "employee@example.gr")
        yield Pair(desk, Caller(desk, first), Caller(desk, second))


@contextlib.asynccontextmanager
async def running_call(backend: str, folder: Path) -> AsyncIterator[InCall]:
    """Run a call in which the identification has begun."""
    async with running_pair(backend, folder) as pair:
        yield await pair.begin()


def at(desk: Desk, **shift: float) -> datetime:
    """Return a time from now."""
    moment: datetime = desk.accounts.service._now() + timedelta(**shift)
    return moment
