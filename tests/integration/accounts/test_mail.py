"""Mail over a real SMTP server: sent, retried, given up; never waited for; never injectable."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from icalendar import Calendar
from sqlalchemy import select

from signaling.mail.calendar import CalendarEvent, Method, Party, make_calendar
from signaling.mail.config import Delivery, MailConfig, SmtpSecurity
from signaling.mail.delivery import MailDelivery
from signaling.mail.queue import LEASE_S, MailQueue, MailState, pause_after
from signaling.mail.templates import MailTemplates
from signaling.storage.database import Database
from signaling.storage.models import Mail, Person
from tests.support.databases import BACKENDS, empty_database
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
CONFIG = MailConfig(
    delivery=Delivery.SMTP, security=SmtpSecurity.NONE, sender="Συνέδριον <no-reply@example.gr>",
    max_attempts=3,
)  # fmt: skip


@dataclass
class Mailbox:
    """What the mail server has taken, and what it says to the next ones."""

    received: list[Any] = field(default_factory=list)
    answer: str = "250 taken"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.answer


@dataclass
class Post:
    """A queue, a delivery, and the time."""

    database: Database
    mailbox: Mailbox
    config: MailConfig
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.queue = MailQueue(
            MailTemplates(), self.config.delivery, self.config.max_attempts, lambda: self.now
        )
        self.delivery = MailDelivery(self.config, "", self.database, self.queue)

    async def put(self, **values: str) -> None:
        async with self.database.write() as session:
            person = Person(given_name="Α", family_name="Β", email="anna@dimos.gr",
                            created_at=NOW, signed_in_at=NOW)  # fmt: skip
            session.add(person)
            await session.flush()
            facts = {"body": "Δήμος", "reason": "Λείπει", "link": "http://own.test/"} | values
            assert self.queue.put(session, person, "role_request_refused", facts)

    async def mail(self) -> Mail:
        async with self.database.read() as session:
            return (await session.scalars(select(Mail))).one()


@contextlib.asynccontextmanager
async def post_office(backend: str, folder: Path) -> AsyncIterator[Post]:
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        async with empty_database(backend, folder) as database:
            yield Post(database, mailbox, replace(CONFIG, port=controller.port))
    finally:
        controller.stop()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_mail_is_sent_once_and_its_text_is_not_kept(backend: str, tmp_path: Path) -> None:
    async with post_office(backend, tmp_path) as post:
        await post.put()
        assert await post.delivery.deliver_batch() == 1
        assert await post.delivery.deliver_batch() == 0

        [message] = post.mailbox.received
        assert message["To"] == "anna@dimos.gr"
        assert message["From"] == "Συνέδριον <no-reply@example.gr>"
        assert message["Subject"] == "Το Αίτημα Αλλαγής Ρόλου δεν εγκρίθηκε"
        assert message["Auto-Submitted"] == "auto-generated" and message["Message-ID"]
        assert "Λείπει" in message.get_content()
        mail = await post.mail()
        assert (mail.state, mail.text, mail.attempts) == (MailState.SENT, "", 1)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_busy_server_is_tried_again_later_then_given_up(backend: str, tmp_path: Path) -> None:
    async with post_office(backend, tmp_path) as post:
        await post.put()
        post.mailbox.answer = "451 later"
        for attempt in (1, 2, 3):
            assert await post.delivery.deliver_batch() == 1
            assert await post.delivery.deliver_batch() == 0, "before its pause is over"
            mail = await post.mail()
            assert (mail.attempts, mail.error) == (attempt, "smtp_451")
            post.now += timedelta(seconds=pause_after(attempt))
        assert mail.state == MailState.FAILED
        assert await post.delivery.deliver_batch() == 0


async def test_absent_server_is_waited_for(tmp_path: Path) -> None:
    async with post_office("sqlite", tmp_path) as post:
        await post.put()
        absent = MailDelivery(replace(post.config, port=free_port()), "", post.database, post.queue)
        await absent.deliver_batch()
        assert ((await post.mail()).state, (await post.mail()).error) == (
            MailState.QUEUED, "server_unavailable",
        )  # fmt: skip
        post.now += timedelta(seconds=pause_after(1))
        await post.delivery.deliver_batch()
        assert (await post.mail()).state == MailState.SENT


async def test_refused_for_good_is_not_tried_again(tmp_path: Path) -> None:
    async with post_office("sqlite", tmp_path) as post:
        await post.put()
        post.mailbox.answer = "554 no"
        await post.delivery.deliver_batch()
        assert ((await post.mail()).state, (await post.mail()).error) == (
            MailState.FAILED, "smtp_554",
        )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
async def test_attempt_whose_process_died_is_made_again(backend: str, tmp_path: Path) -> None:
    async with post_office(backend, tmp_path) as post:
        await post.put()
        async with post.database.write() as session:
            assert len(await post.queue.take_due(session)) == 1
        assert await post.delivery.deliver_batch() == 0, "it may still be under way"
        post.now += timedelta(seconds=LEASE_S)
        assert await post.delivery.deliver_batch() == 1
        assert len(post.mailbox.received) == 1


async def test_names_cannot_become_headers(tmp_path: Path) -> None:
    async with post_office("sqlite", tmp_path) as post:
        await post.put(body="x\r\nBcc: thief@evil.test\r\n\r\nother body")
        await post.delivery.deliver_batch()
        [message] = post.mailbox.received
        assert message["Bcc"] is None and message["To"] == "anna@dimos.gr"


async def test_pauses_grow_to_a_bound() -> None:
    assert [pause_after(each) for each in (1, 2, 3, 20)] == [30.0, 60.0, 120.0, 14400.0]


async def test_calendar_is_an_alternative_that_names_its_method(tmp_path: Path) -> None:
    """RFC 6047 §2.4, §2.5."""
    event = CalendarEvent(
        uid="u1@example.gr", sequence=2, organiser=Party("ΚΕΠ", "kep@example.gr"),
        attendee=Party('Άννα "Α"\r\nX-EVIL: 1', "anna@dimos.gr"), starts_at=NOW,
        ends_at=NOW + timedelta(minutes=20), stamp=NOW, summary="Ραντεβού, ΚΕΠ; τώρα",
        description="", url="http://own.test/", alarm_minutes=(30,),
    )  # fmt: skip
    async with post_office("sqlite", tmp_path) as post:
        async with post.database.write() as session:
            facts = {"body": "Δήμος", "reason": "Λείπει", "link": "http://own.test/"}
            post.queue.put_to(
                session, "anna@dimos.gr", "role_request_refused", facts,
                calendar=make_calendar(event, Method.CANCEL),
            )  # fmt: skip
        await post.delivery.deliver_batch()
        [message] = post.mailbox.received
        assert message.get_content_type() == "multipart/alternative"
        text, calendar = message.iter_parts()
        assert "Λείπει" in text.get_content()
        assert calendar.get_content_type() == "text/calendar"
        assert calendar.get_param("method") == "CANCEL"
        assert str(calendar.get_param("charset")).lower() == "utf-8"
        read = Calendar.from_ical(calendar.get_content())
        [found] = read.walk("VEVENT")
        assert str(read["METHOD"]) == "CANCEL" and str(found["STATUS"]) == "CANCELLED"
        assert str(found["UID"]) == "u1@example.gr" and str(found["SEQUENCE"]) == "2"
        assert str(found["SUMMARY"]) == "Ραντεβού, ΚΕΠ; τώρα" and "X-EVIL" not in found
        assert found.walk("VALARM") == []  # who is told that it is off is not reminded
        mail = await post.mail()
        assert (mail.text, mail.calendar) == ("", None)
