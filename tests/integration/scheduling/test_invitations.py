"""Inviting: one person, all members, a file; and for whom a link is good."""

from __future__ import annotations

import contextlib
import html
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from icalendar import Calendar
from sqlalchemy import select

from signaling.scheduling.reminders import Reminders
from signaling.scheduling.values import SittingState
from signaling.storage.models import AgendaFile, Invitation, Mail, Person, Sitting
from tests.support.accounts_server import (
    CLERK,
    MEMBER,
    AccountsServer,
    Shown,
    VisitorClient,
    running_accounts,
)
from tests.support.databases import BACKENDS
from tests.support.sittings import MEMBERS, add_council, add_sitting, make_coordinator

pytestmark = pytest.mark.asyncio

CLERK_EMAIL, MEMBER_EMAIL = "clerk@dimos.gr", "member@dimos.gr"
PDF = b"%PDF-1.7\n1 0 obj\n"
_LINK = re.compile(r"https?://[^\s<\"]+/invitations/[0-9a-f]{64}")


@dataclass
class Desk:
    """A coordinator signed in, with a sitting of a council."""

    server: AccountsServer
    clerk: VisitorClient
    person: Person
    body_id: str
    sitting: Sitting

    @property
    def invited(self) -> str:
        return f"/desk/sittings/{self.sitting.id}/invited"

    async def post(self, path: str, **fields: str) -> Shown:
        await self.clerk.get(self.invited)
        return await self.clerk.post(path, **fields)

    async def upload(self, path: str, name: str, content: bytes, **fields: str) -> Shown:
        await self.clerk.get(self.invited)
        form = aiohttp.FormData({"csrf": self.clerk.csrf, **fields}, default_to_multipart=True)
        if name:
            form.add_field("file", io.BytesIO(content), filename=name)
        async with self.clerk.http.post(self.server.url + path, data=form) as response:
            return await self.clerk._keep(response)

    async def links(self) -> list[str]:
        """Return the links of all mails, newest first."""
        return list(dict.fromkeys(_LINK.findall((await self.outbox()).text)))

    async def outbox(self) -> Shown:
        return await self.clerk.get("/outbox")

    async def rows(self) -> list[Invitation]:
        async with self.server.service.database.read() as session:
            return list(await session.scalars(select(Invitation).order_by(Invitation.email)))


@contextlib.asynccontextmanager
async def desk(
    backend: str = "sqlite", starts_in: timedelta = timedelta(hours=3)
) -> AsyncIterator[Desk]:
    async with running_accounts(backend) as server, server.visitor() as clerk:
        await clerk.enter(CLERK, CLERK_EMAIL)
        database, now = server.service.database, datetime.now(UTC)
        person, body_id = await make_coordinator(database, CLERK_EMAIL, now)
        council = await add_council(database, body_id, now)
        sitting = await add_sitting(
            database, person, body_id, now, starts_in=starts_in, collective_body_id=council
        )
        yield Desk(server, clerk, person, body_id, sitting)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_invited_member_opens_the_link_and_sees_the_sitting(backend: str) -> None:
    async with desk(backend) as at, at.server.visitor() as member:
        shown = await at.post(at.invited + "/members")
        assert "Στάλθηκαν προσκλήσεις: 4" in shown.text
        assert {each.email: each.office for each in await at.rows()} == MEMBERS
        again = await at.post(at.invited + "/members")
        assert "δεν στάλθηκε νέα πρόσκληση" in again.text
        assert len(await at.links()) == 4, "who is invited already gets no second mail"

        await member.enter(MEMBER, MEMBER_EMAIL)
        own = [link for link in await at.links() if (await member.get(link)).status == 200]
        assert len(own) == 1, "a link is for the invited person only"
        page = await member.get(own[0])
        assert page.path == f"/sittings/{at.sitting.id}", "the secret stays in no address"
        assert "Έγκριση προϋπολογισμού" in page.text and "Η αίθουσα ανοίγει" in page.text
        foreign = next(link for link in await at.links() if link != own[0])
        unknown = own[0][:-64] + "0" * 64
        answers = [await member.get(foreign), await member.get(unknown)]
        assert [each.status for each in answers] == [404, 404]
        assert answers[0].text == answers[1].text.replace("0" * 64, foreign[-64:])


async def test_uninvited_person_sees_nothing_of_a_sitting() -> None:
    async with desk() as at, at.server.visitor() as member:
        await at.upload(f"/desk/sittings/{at.sitting.id}/files", "a.pdf", PDF)
        await member.enter(MEMBER, MEMBER_EMAIL)
        token = member.csrf
        for sitting in (at.sitting.id, "0" * 32):
            for path in ("", "/invite.ics"):
                assert (await member.get(f"/sittings/{sitting}{path}")).status == 404
            for path in ("invited", "files"):
                assert (await member.get(f"/desk/sittings/{sitting}/{path}")).status == 404
            for path in ("invited", "invited/members"):
                answer = await member.post(
                    f"/desk/sittings/{sitting}/{path}", csrf=token, invitee_name="Χ",
                    invitee_email="x@dimos.gr", invitee_role="member",
                )  # fmt: skip
                assert answer.status == 404
        assert await at.rows() == []


async def test_revoked_link_leads_nowhere_and_the_calendar_is_told() -> None:
    async with desk() as at, at.server.visitor() as member:
        fields = {"invitee_name": "Μέλος", "invitee_email": MEMBER_EMAIL, "invitee_role": "member"}
        await at.post(at.invited, **fields)
        link = (await at.links())[0]
        await member.enter(MEMBER, MEMBER_EMAIL)
        assert (await member.get(link)).status == 200
        invitation = (await at.rows())[0]
        await at.post(f"{at.invited}/{invitation.id}/revoke")
        assert (await member.get(link)).status == 404
        assert (await member.get(f"/sittings/{at.sitting.id}")).status == 404
        async with at.server.service.database.read() as session:
            mails = list(await session.scalars(select(Mail).where(Mail.calendar.is_not(None))))
        entries = {}
        for mail in mails:
            calendar = Calendar.from_ical(mail.calendar or "")
            event = calendar.walk("VEVENT")[0]
            entries[str(calendar["METHOD"])] = (str(event["UID"]), int(str(event["SEQUENCE"])))
        assert entries["CANCEL"][0] == entries["REQUEST"][0]
        assert entries["CANCEL"][1] > entries["REQUEST"][1]
        await at.post(at.invited, **fields)
        assert (await member.get(link)).status == 200, "invited again, the same link is good"


async def test_who_is_late_for_a_sitting_sees_that_it_is_cancelled() -> None:
    """The page was open when somebody cancelled: it comes again and says so, whatever was pressed."""
    async with desk() as at:
        fields = {"invitee_name": "Μέλος", "invitee_email": MEMBER_EMAIL, "invitee_role": "member"}
        await at.post(at.invited, **fields)
        [invitation] = await at.rows()
        async with at.server.service.database.write() as session:
            sitting = await session.get_one(Sitting, at.sitting.id)
            sitting.state = SittingState.CANCELLED
        for path in ("", f"/{invitation.id}/revoke", f"/{invitation.id}/resend"):
            late = await at.post(at.invited + path, **fields)
            assert late.status == 409, path
            assert "οι προσκλήσεις δεν αλλάζουν πια" in late.text and MEMBER_EMAIL in late.text
        assert [each.revoked_at for each in await at.rows()] == [None]


async def test_link_is_not_good_for_somebody_else_after_it_was_taken() -> None:
    """Two accounts may confirm one address; the invitation is of the first who opens it."""
    async with (
        desk() as at,
        at.server.visitor() as first,
        at.server.visitor() as second,
    ):
        await at.post(
            at.invited, invitee_name="Μέλος", invitee_email=MEMBER_EMAIL, invitee_role="member"
        )
        link = (await at.links())[0]
        await first.enter(MEMBER, MEMBER_EMAIL)
        assert (await first.get(link)).status == 200
        await second.enter("123456783", MEMBER_EMAIL)
        assert (await second.get(link)).status == 404


CSV = "όνομα;email;ιδιότητα\nΆννα;anna@dimos.gr;μέλος\nΒάσω;όχι διεύθυνση;μέλος\nΓιώργος;GIORGOS@dimos.gr;\n"


async def test_file_is_shown_first_and_invited_after_a_word() -> None:
    async with desk() as at:
        path = at.invited + "/file"
        shown = await at.upload(path, "list.csv", CSV.encode("cp1253"))
        assert "Θα προσκληθούν: 2" in shown.text and "Γραμμή 3" in shown.text
        assert await at.rows() == []
        text = re.search(r'<textarea name="list" hidden>\n(.*?)</textarea>', shown.text, re.S)
        assert text is not None
        done = await at.upload(path, "", b"", list=html.unescape(text[1]), step="confirm")
        assert "Στάλθηκαν προσκλήσεις: 2" in done.text
        assert [each.email for each in await at.rows()] == ["anna@dimos.gr", "giorgos@dimos.gr"]


async def test_mistakes_are_named_and_nothing_typed_is_lost() -> None:
    async with desk() as at:
        shown = await at.post(
            at.invited, invitee_name="Άννα <b>", invitee_email="anna", invitee_role="member"
        )
        assert shown.status == 422 and "onoma@dimos.gr" in shown.text
        assert "Άννα &lt;b&gt;" in shown.text and "<b>" not in shown.text
        bad_role = await at.post(
            at.invited, invitee_name="Ά", invitee_email="a@dimos.gr", invitee_role="employee"
        )
        assert bad_role.status == 422
        path = at.invited + "/file"
        assert "10.000 γραμμές" in (await at.upload(path, "a.csv", b"a;a@b.gr\n" * 10_003)).text
        assert (await at.upload(path, "a.csv", b"x" * 3_000_000)).status == 413
        assert (await at.upload(path, "", b"")).status == 422
        stale = await at.clerk.post(at.invited, csrf="0" * 64, invitee_name="x")
        assert stale.status == 403


async def test_subject_of_a_mail_is_one_line_whatever_the_title() -> None:
    async with desk() as at:
        async with at.server.service.database.write() as session:
            sitting = await session.get_one(Sitting, at.sitting.id)
            sitting.title = "Θέμα\r\nBcc: evil@example.com\r\n\r\nκείμενο"
        await at.post(
            at.invited, invitee_name="Α", invitee_email="a@dimos.gr", invitee_role="member"
        )
        async with at.server.service.database.read() as session:
            mail = (await session.scalars(select(Mail).where(Mail.recipient == "a@dimos.gr"))).one()
        assert "\n" not in mail.subject and "\r" not in mail.subject


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.exe", b"MZ", "είδος αρχείου"),
        ("a.pdf", b"<html>", "δεν είναι αυτό που λέει"),
        ("a.pdf", b"", "κενό"),
        ("a.docx", b"PK\x03\x04", "δεν είναι αυτό που λέει"),
        ("a.svg", b"<svg/>", "είδος αρχείου"),
    ],
)
async def test_what_is_no_document_is_refused(name: str, content: bytes, message: str) -> None:
    async with desk() as at:
        shown = await at.upload(f"/desk/sittings/{at.sitting.id}/files", name, content)
        assert shown.status == 422 and message in shown.text


async def test_document_is_a_download_for_the_invited_only() -> None:
    async with desk() as at, at.server.visitor() as member:
        path = f"/desk/sittings/{at.sitting.id}/files"
        name = 'C:\\x\\εισήγηση "1"; X=y.pdf'
        assert "προστέθηκε" in (await at.upload(path, name, PDF)).text
        async with at.server.service.database.read() as session:
            file = (await session.scalars(select(AgendaFile))).one()
        address = f"/sittings/{at.sitting.id}/files/{file.id}"
        got = await at.clerk.get(address)
        assert got.text.encode() == PDF and "X" not in got.headers
        assert got.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
        assert "sandbox" in got.headers["Content-Security-Policy"]
        await member.enter(MEMBER, MEMBER_EMAIL)
        assert (await member.get(address)).status == 404
        await at.post(
            at.invited, invitee_name="Μ", invitee_email=MEMBER_EMAIL, invitee_role="member"
        )
        assert (await member.get(address)).status == 200
        await at.clerk.get(path)
        await at.clerk.post(f"{path}/{file.id}/remove")
        assert (await member.get(address)).status == 404


@pytest.mark.parametrize("backend", BACKENDS)
async def test_everybody_is_reminded_once_before_the_hour(backend: str) -> None:
    async with desk(backend, timedelta(hours=2)) as at:
        await at.post(at.invited + "/members")
        service = at.server.service
        moved = datetime.now(UTC) + timedelta(minutes=65)
        mails = service._invitation_mails
        early = Reminders(service.database, mails, timedelta(hours=1), lambda: datetime.now(UTC))
        due = Reminders(service.database, mails, timedelta(hours=1), lambda: moved)
        assert await early.remind_due() == 0
        assert await due.remind_due() == 4
        assert await due.remind_due() == 0
        outbox = (await at.outbox()).text
        assert outbox.count("Υπενθύμιση: Τακτική συνεδρίαση") == 4
