"""What the invited are told when a sitting changes, is called off, or is over: and what not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import timedelta

import pytest
from icalendar import Calendar
from sqlalchemy import select

from signaling.scheduling.agenda import list_agenda
from signaling.scheduling.overdue import Overdue
from signaling.scheduling.sitting_pages import form_of_sitting
from signaling.scheduling.values import SittingState
from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import AuditRecord, Mail, Sitting
from tests.support.accounts_server import AccountsServer, Shown, VisitorClient, running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import (
    create_council,
    created,
    enter_as_head,
    fields_on,
    stored_sitting,
    version_in,
)

pytestmark = pytest.mark.asyncio

INVITED = ("anna@dimos.gr", "petros@dimos.gr")


@dataclass
class Planned:
    """A coordinator signed in, with a sitting to which two people are invited."""

    server: AccountsServer
    head: VisitorClient
    path: str

    async def sitting(self) -> Sitting:
        return await stored_sitting(self.server, self.path)

    async def edit(self, **changes: str) -> Shown:
        """Send the form of the sitting as the page shows it, with some fields changed."""
        page = await self.head.get(self.path + "/edit")
        fields = asdict(form_of_sitting(await self.sitting())) | changes
        return await self.head.post(self.path + "/edit", version=version_in(page), **fields)

    async def press(self, action: str, **fields: str) -> Shown:
        page = await self.head.get(self.path)
        return await self.head.post(f"{self.path}/{action}", version=version_in(page), **fields)

    async def new_mails(self) -> list[tuple[str, Mail, Calendar]]:
        """Return what has come to each of the invited since the last call."""
        async with self.server.service.database.write() as session:
            mails = list(await session.scalars(select(Mail).where(Mail.recipient.in_(INVITED))))
            for mail in mails:
                session.expunge(mail)
            for stored in await session.scalars(select(Mail).where(Mail.recipient.in_(INVITED))):
                stored.recipient = "seen@dimos.gr"
        mails.sort(key=lambda each: each.recipient)
        return [(each.recipient, each, Calendar.from_ical(each.calendar or "")) for each in mails]


@contextlib.asynccontextmanager
async def planned(backend: str = "sqlite") -> AsyncIterator[Planned]:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        agenda = "Έγκριση πρακτικών\nΠροϋπολογισμός"
        path = await created(head, f"c:{council}", **fields_on(agenda=agenda))
        for email in INVITED:
            await head.get(path + "/invited")
            await head.post(
                path + "/invited", invitee_name="Άννα", invitee_email=email, invitee_role="member"
            )
        at = Planned(server, head, path)
        first = await at.new_mails()
        assert [each[0] for each in first] == list(INVITED)
        assert [sequence_of(calendar) for _, _, calendar in first] == [0, 0]
        yield at


def sequence_of(calendar: Calendar) -> int:
    (event,) = calendar.walk("VEVENT")
    return int(event["SEQUENCE"])


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_change_of_time_is_mailed_to_everybody_with_the_next_sequence(backend: str) -> None:
    async with planned(backend) as at:
        before = await at.sitting()
        assert "Οι αλλαγές αποθηκεύτηκαν" in (await at.edit(time="19:30")).text

        told = await at.new_mails()
        after = await at.sitting()
        assert [each[0] for each in told] == list(INVITED)
        assert to_wall(after.starts_at).strftime("%H:%M") == "19:30"
        for _, mail, calendar in told:
            (event,) = calendar.walk("VEVENT")
            assert calendar["METHOD"] == "REQUEST" and sequence_of(calendar) == 1
            assert event["UID"].startswith(before.id + "@")
            assert event["DTSTART"].dt == after.starts_at
            assert "Αλλαγή" in mail.subject and "19:30" in mail.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_cancellation_is_mailed_with_its_reason_and_takes_the_entry_away(
    backend: str,
) -> None:
    async with planned(backend) as at:
        await at.edit(time="19:30")
        await at.new_mails()
        assert (
            "Η συνεδρίαση ακυρώθηκε" in (await at.press("cancel", reason="Έλλειψη απαρτίας")).text
        )

        told = await at.new_mails()
        assert [each[0] for each in told] == list(INVITED)
        for _, mail, calendar in told:
            (event,) = calendar.walk("VEVENT")
            assert calendar["METHOD"] == "CANCEL" and event["STATUS"] == "CANCELLED"
            assert sequence_of(calendar) == 2
            assert "Έλλειψη απαρτίας" in mail.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_was_saved_unchanged_or_extended_is_mailed_to_nobody(backend: str) -> None:
    async with planned(backend) as at:
        assert "Οι αλλαγές αποθηκεύτηκαν" in (await at.edit()).text
        assert await at.new_mails() == []
        assert (await at.sitting()).calendar_sequence == 0
        rows = await agenda_fields(at)
        page = await at.head.get(at.path + "/agenda")
        await at.head.post(at.path + "/agenda", version=version_in(page), **rows)
        assert await at.new_mails() == []

        assert "παράταση" in (await at.press("extend", minutes="30")).text
        assert await at.new_mails() == []
        assert (await at.sitting()).calendar_sequence == 1, "the next mail is newer for calendars"


async def agenda_fields(at: Planned) -> dict[str, str]:
    """Return the agenda as its editor sends it."""
    fields = {}
    async with at.server.service.database.read() as session:
        items = await list_agenda(session, (await at.sitting()).id)
    for index, item in enumerate(items):
        fields |= {f"item_{index}": item.id, f"number_{index}": str(item.number),
                   f"title_{index}": item.title, f"speaker_{index}": item.speaker}  # fmt: skip
    return fields


async def test_another_order_of_the_agenda_is_mailed() -> None:
    async with planned() as at:
        rows = await agenda_fields(at)
        page = await at.head.get(at.path + "/agenda")
        swapped = rows | {"number_0": "2", "number_1": "1"}
        await at.head.post(at.path + "/agenda", version=version_in(page), **swapped)
        told = await at.new_mails()
        assert [sequence_of(each[2]) for each in told] == [1, 1]
        assert told[0][1].text.index("Προϋπολογισμός") < told[0][1].text.index("Έγκριση")


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_sitting_whose_time_ran_out_is_ended_by_the_clock(backend: str) -> None:
    async with planned(backend) as at:
        service, sitting = at.server.service, await at.sitting()
        moment = sitting.ends_at + timedelta(minutes=15)
        early = Overdue(service.database, service.sittings, lambda: moment - timedelta(seconds=1))
        assert await early.end_due() == 0, "sittings seldom end to the minute"
        assert (await at.sitting()).state == SittingState.PLANNED

        on_time = Overdue(service.database, service.sittings, lambda: moment)
        assert await on_time.end_due() == 1
        assert await on_time.end_due() == 0
        after = await at.sitting()
        assert (after.state, after.ends_at) == (SittingState.ENDED, sitting.ends_at)
        async with service.database.read() as session:
            ended = list(
                await session.scalars(
                    select(AuditRecord).where(AuditRecord.action == "end_sitting")
                )
            )
        assert [(each.actor, each.object_id) for each in ended] == [("system", sitting.id)]
        assert await at.new_mails() == []


@pytest.mark.parametrize("backend", BACKENDS)
async def test_an_extension_beyond_the_capacity_is_refused_and_changes_nothing(
    backend: str,
) -> None:
    async with planned(backend) as at:
        before = await at.sitting()
        body = before.body_id
        # Four rooms of 500 are all that there is: of 20:30 there is none left.
        for number in range(4):
            await created(
                at.head, f"b:{body}",
                **fields_on(clock="21:00", participants="500", title=f"Σ{number}"),
            )  # fmt: skip
        refused = await at.press("extend", minutes="60")
        assert refused.status == 409
        assert "Η παράταση δεν είναι δυνατή" in refused.text
        assert "Η χωρητικότητα του συστήματος" in refused.text
        after = await at.sitting()
        assert (after.ends_at, after.version) == (before.ends_at, before.version)
