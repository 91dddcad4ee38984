"""Booking by the pages, as a browser without scripts does it."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from signaling.kep.values import Theme
from signaling.storage.models import KepService
from tests.support.accounts_server import AccountsServer, Shown, VisitorClient

PERSON = {
    "email": "polites@example.gr", "phone": "690 000 0000", "address": "Οδός 1, 105 51 Αθήνα",
    "document": "identity_card", "delivery": "email",
}  # fmt: skip


async def service_of(server: AccountsServer, theme: Theme) -> KepService:
    async with server.service.database.read() as session:
        rows = await session.scalars(
            select(KepService).where(KepService.theme == theme).order_by(KepService.name)
        )
        return rows.first() or pytest.fail("no sample services")


def hidden(text: str) -> dict[str, str]:
    """Return the hidden fields of the last form."""
    form = text[text.rindex('<form method="post" action="/kep/services') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


def step_links(text: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r'class="hour" href="([^"]+)"', text)]


async def choose_time(citizen: VisitorClient, service: KepService, number: int = 0) -> str:
    """Open the times of a service on a free day; return the step of the time of that number."""
    path = f"/kep/services/{service.id}/times"
    shown = await citizen.get(path)
    days = re.findall(r'href="\?day=([0-9-]+)#', shown.text)
    assert days, shown.text
    shown = await citizen.get(f"{path}?day={days[5]}")
    return step_links(shown.text)[number].rpartition("step=")[2]


async def review(citizen: VisitorClient, service: KepService, step: str, **changes: str) -> Shown:
    path = f"/kep/services/{service.id}"
    shown = await citizen.get(f"{path}/person?step={step}")
    assert shown.status == 200, shown.text
    return await citizen.post(f"{path}/review", step=step, **(PERSON | changes))


async def confirm(citizen: VisitorClient, service: KepService) -> Shown:
    assert citizen.last is not None
    fields = hidden(citizen.last.text)
    fields.pop("csrf")
    return await citizen.post(f"/kep/services/{service.id}/confirm", **fields)


async def book(citizen: VisitorClient, service: KepService, number: int = 0, **changes: str) -> str:
    """Book a free time and return the appointment's path."""
    step = await choose_time(citizen, service, number)
    await review(citizen, service, step, **changes)
    shown = await confirm(citizen, service)
    assert shown.status == 200 and "κλείστηκε" in shown.text, shown.text
    return shown.path


async def mailed(visitor: VisitorClient) -> str:
    """Return the path of the newest link to an appointment in the outbox."""
    shown = await visitor.get("/outbox")
    found: list[str] = re.findall(r'href="http://[^/"]+(/kep/link/[^"]+)"', shown.text)
    return found[0]


async def mailed_entry(visitor: VisitorClient) -> str:
    """Return the newest calendar entry in the outbox."""
    shown = await visitor.get("/outbox")
    [path, *_] = re.findall(r'href="(/outbox/[0-9a-f]{32}/invite.ics)"', shown.text)
    return (await visitor.get(path)).text


async def choose_other_time(citizen: VisitorClient, path: str) -> dict[str, str]:
    """Open the page of an appointment for another time and choose the last that it offers; return
    the fields of the form that confirms it."""
    shown = await citizen.get(path + "/reschedule")
    assert shown.status == 200, shown.text
    chosen = step_links(shown.text)[-1]
    shown = await citizen.get(chosen)
    assert "Νέα ώρα" in shown.text
    [key] = re.findall(r'name="request_key" value="(\w+)"', shown.text)
    return {"step": chosen.rpartition("=")[2], "request_key": key}
