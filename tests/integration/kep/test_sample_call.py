"""What `make run` offers to try: a call of an appointment between two sample people."""

from __future__ import annotations

import asyncio
import functools
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from signaling.kep.config import KepConfig
from signaling.kep.personal import PersonalVault
from signaling.kep.sample_call import CITIZEN, EMPLOYEE, add_sample_call
from signaling.rendering import ATHENS
from signaling.storage.models import Appointment
from tests.support.accounts_server import VisitorClient, running_accounts, visitor_of
from tests.support.kep_calls import Caller
from tests.support.real_service import RealService, development_service
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Offered:
    """The appointment that the service has made."""

    url: str
    appointment_id: str


async def offered_to(citizen: VisitorClient) -> list[str]:
    """Return the ids of the citizen's appointments, once there are some."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = await citizen.get("/kep/appointments")
            found = set(re.findall(r'href="/kep/appointments/([0-9a-f]{32})"', shown.text))
            if found:
                return sorted(found)
            await asyncio.sleep(0.2)


async def hold_the_call(service: RealService, citizen: VisitorClient) -> str:
    """Do what docs/kep.md tells a newcomer, up to the two being in one room; return the id."""
    await citizen.enter(CITIZEN, "citizen@example.gr")
    [appointment_id] = await offered_to(citizen)
    place = Offered(service.url, appointment_id)
    async with visitor_of(service) as visitor:
        await visitor.enter(EMPLOYEE, "employee@example.gr")
        desk = await visitor.get("/kep/desk")
        assert "ΓΙΩΡΓΟΣ ΠΟΛΙΤΗΣ" in desk.text and appointment_id in desk.text
        caller, employee = Caller(place, citizen), Caller(place, visitor)
        assert "main.js" in (await caller.page()).text
        door = await caller.knock()
        assert (await employee.take()).status == 200
        await employee.walk_in()
        room = await caller.enter(door)
        roles = {each["role"] for each in room.joined["participants"]}
        assert roles == {"citizen", "employee"}
    return appointment_id


async def test_make_run_offers_a_call_to_try_and_one_only(tmp_path: Path) -> None:
    # Before midnight the call begins after it: the door must be open at any time of day.
    run = functools.partial(development_service, tmp_path, settings={"open_before_minutes": "60"})
    async with run(has_samples=True) as service, visitor_of(service) as citizen:
        appointment_id = await hold_the_call(service, citizen)
    assert "sample data cannot be added" not in service.log_path.read_text(encoding="utf-8")
    async with run(has_samples=True) as service, visitor_of(service) as citizen:
        await citizen.enter(CITIZEN)
        await asyncio.sleep(1)  # a second one would be made beside the pages
        assert await offered_to(citizen) == [appointment_id]
    assert "sample data cannot be added" not in service.log_path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("hour", "minute", "starts"), [(10, 0, "10:05"), (23, 10, "23:15"), (23, 40, "00:00")]
)
async def test_there_is_a_call_to_try_at_any_time_of_day(
    hour: int, minute: int, starts: str
) -> None:
    async with running_accounts() as server:
        parts = server.service.parts
        now = parts.now().astimezone(ATHENS)
        wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        server.clock.shift_s += (wanted + timedelta(days=1) - now).total_seconds()

        async def add() -> Appointment | None:
            async with parts.database.write() as session:
                vault = PersonalVault(server.service.vault)
                return await add_sample_call(session, parts.people, vault, KepConfig(), wanted_now)

        wanted_now = parts.now()
        made = await add()
        assert made is not None and await add() is None
        assert made.starts_at.astimezone(ATHENS).strftime("%H:%M") == starts
        assert timedelta() < made.starts_at - wanted_now <= timedelta(minutes=21)
        # Once the door is open it is on the employee's desk, on either side of midnight.
        server.clock.shift_s += (made.starts_at - wanted_now).total_seconds() - 600
        async with server.visitor() as employee:
            await employee.enter(EMPLOYEE, "employee@example.gr")
            assert made.id in (await employee.get("/kep/desk")).text
