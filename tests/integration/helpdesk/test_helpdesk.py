"""Check, contact form, help and home page over HTTP: who may what, how often, and what is refused."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from sfu.values import Role, RoomClass
from signaling.app import AppSettings
from signaling.audit.trail import AuditAction
from signaling.helpdesk import contact_pages, contact_records
from signaling.helpdesk.check_rooms import LIFETIME_S
from signaling.helpdesk.config import CheckConfig, ContactConfig
from signaling.storage.models import AuditRecord, ContactMessage, Invitation, Mail
from tests.support import accounts_server, signaling_server
from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    AccountsServer,
    ShiftedClock,
    VisitorClient,
    running_accounts,
)
from tests.support.signaling_server import default_settings, running_server, until
from tests.support.sittings import add_sitting, make_coordinator

pytestmark = pytest.mark.asyncio

OPERATOR = "support@example.gr"
MESSAGE = {
    "name": "Ελένη Παπαδοπούλου", "email": "eleni@example.gr", "topic": "connection",
    "text": "Δεν συνδέομαι.",
}  # fmt: skip
MARKUP = "<script>alert(1)</script>{{7*7}}"
_ANSWERED = re.compile(r'action="(/administration/contact/[0-9a-f]{32}/answered)"')


def use(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the next application have other settings."""

    def settings() -> AppSettings:
        return dataclasses.replace(default_settings(), **changes)

    monkeypatch.setattr(accounts_server, "default_settings", settings)


async def send(
    visitor: VisitorClient, path: str = "/contact", *, csrf: str = "", origin: str | None = None,
    **fields: str,
) -> tuple[int, str, str]:  # fmt: skip
    """Send a form as a browser does from a page of ours. Return status, path and text."""
    url = visitor.server.url
    headers = {} if origin == "" else {"Origin": origin or url}
    data = {"csrf": csrf, **fields}
    async with visitor.http.post(url + path, data=data, headers=headers) as response:
        return response.status, response.url.path_qs, await response.text()


async def rows(server: AccountsServer, model: Any) -> Sequence[Any]:
    async with server.service.database.read() as session:
        return list(await session.scalars(select(model)))


# ---- the contact form


async def test_anybody_sends_a_message_and_the_operator_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, contact=ContactConfig(address=OPERATOR))
    async with running_accounts() as server, server.visitor() as visitor:
        shown = await visitor.get("/contact")
        assert shown.status == 200 and shown.headers["Referrer-Policy"] == "same-origin"
        report = '{"camera_code": "ok", "took_ms": 8000}'
        status, path, _ = await send(visitor, report=report, **MESSAGE)
        assert (status, path) == (200, "/contact?done=sent")
        (message,) = await rows(server, ContactMessage)
        assert message.person_id is None and message.email == MESSAGE["email"]
        assert message.report == {"camera_code": "ok", "took_ms": 8000}
        (mail,) = [each for each in await rows(server, Mail) if each.recipient == OPERATOR]
        assert mail.subject == "Επικοινωνία: νέο μήνυμα (connection)"
        assert MESSAGE["text"] in mail.text and "camera_code: ok" in mail.text


@pytest.mark.parametrize("origin", ["", "null", "https://evil.example"])
async def test_a_form_of_another_site_is_refused(origin: str) -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        status, _, _ = await send(visitor, origin=origin, **MESSAGE)
        assert status == 403
        assert await rows(server, ContactMessage) == []


async def test_a_signed_in_person_is_prefilled_and_needs_the_form_token() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        await visitor.enter(CLERK, "clerk@dimos.gr")
        shown = await visitor.get("/contact")
        assert 'value="clerk@dimos.gr"' in shown.text
        token = visitor.csrf
        assert (await send(visitor, **MESSAGE))[0] == 403
        assert (await send(visitor, csrf="0" * 64, **MESSAGE))[0] == 403
        assert await rows(server, ContactMessage) == []
        assert (await send(visitor, csrf=token, **MESSAGE))[1] == "/contact?done=sent"
        (message,) = await rows(server, ContactMessage)
        assert message.person_id is not None


async def test_mistakes_are_named_and_markup_stays_text() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        fields = {**MESSAGE, "name": MARKUP, "email": "a@b.gr\r\nBcc: c@d.gr", "text": MARKUP}
        status, _, text = await send(visitor, **fields)
        assert status == 422 and MARKUP not in text and "&lt;script&gt;" in text
        assert 'id="email-error"' in text
        assert (await send(visitor, report='{"a": "<b>"}', **MESSAGE))[0] == 422
        assert (await send(visitor, **{**MESSAGE, "text": "α" * 70_000}))[0] == 413
        assert await rows(server, ContactMessage) == []


async def test_a_report_comes_along_by_post_and_never_in_an_address() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        report = '{"camera_code": "not_allowed"}'
        status, path, text = await send(visitor, step="compose", report=report)
        assert (status, path) == (200, "/contact")
        assert "camera_code: not_allowed" in text and "&#34;not_allowed&#34;" in text
        assert (await send(visitor, step="compose", report="<b>"))[0] == 422
        assert await rows(server, ContactMessage) == []


async def test_an_address_sends_a_few_messages_and_then_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, contact=ContactConfig(burst=2, per_hour=60))
    async with running_accounts() as server, server.visitor() as visitor:
        statuses = [(await send(visitor, **MESSAGE))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
        server.clock.shift_s += 61
        assert (await send(visitor, **MESSAGE))[0] == 200
        assert len(await rows(server, ContactMessage)) == 3


async def test_messages_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_records, "MAX_UNANSWERED", 1)
    async with running_accounts() as server, server.visitor() as visitor:
        assert [(await send(visitor, **MESSAGE))[0] for _ in range(2)] == [200, 503]
        assert len(await rows(server, ContactMessage)) == 1


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_administrators_read_in_pages_and_mark_as_answered(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, contact=ContactConfig(burst=10))
    monkeypatch.setattr(contact_pages, "PAGE_SIZE", 2)
    async with running_accounts(backend) as server, server.visitor() as visitor:
        for number in range(3):
            server.clock.shift_s += 1
            await send(visitor, **{**MESSAGE, "text": f"μήνυμα {number} {MARKUP}"})
        await visitor.enter(ADMINISTRATOR)
        first = await visitor.get("/administration/contact")
        assert "μήνυμα 2" in first.text and "μήνυμα 1" in first.text
        assert "μήνυμα 0" not in first.text and MARKUP not in first.text
        more = re.search(r'href="\?(before=[^"]+)"', first.text)
        assert more is not None
        second = await visitor.get(f"/administration/contact?{more[1]}")
        assert "μήνυμα 0" in second.text and "μήνυμα 1" not in second.text
        answered = _ANSWERED.search(second.text)
        assert answered is not None
        done = await visitor.post(answered[1])
        assert done.status == 200 and "μήνυμα 0" not in done.text
        assert "μήνυμα 0" in (await visitor.get("/administration/contact?show=answered")).text
        assert (
            await visitor.post("/administration/contact/" + "0" * 32 + "/answered")
        ).status == 404
        actions = [each.action for each in await rows(server, AuditRecord)]
        assert actions.count(AuditAction.ANSWER_CONTACT) == 1
        assert actions.count(AuditAction.READ_CONTACT) >= 3


async def test_nobody_else_reads_or_marks() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        await send(visitor, **MESSAGE)
        (message,) = await rows(server, ContactMessage)
        await visitor.enter(CLERK)
        token = (await visitor.get("/contact")) and visitor.csrf
        for path in ("/administration/contact", "/administration/contact?show=answered"):
            assert (await visitor.get(path)).status == 404
        for message_id in (message.id, "0" * 32, "x"):
            path = f"/administration/contact/{message_id}/answered"
            assert (await visitor.post(path, csrf=token)).status == 404
        (message,) = await rows(server, ContactMessage)
        assert message.answered_at is None
    async with running_accounts() as server, server.visitor() as visitor:
        shown = await visitor.get("/administration/contact")
        assert shown.path == "/sign-in"


# ---- the check


async def begin(server: Any, **headers: str) -> tuple[int, Any, Any]:
    url = f"{server.control.url}/api/v1/check"
    headers = {"Origin": "http://own.test", "Content-Type": "application/json", **headers}
    async with server.http.post(url, data=b"{}", headers=headers) as response:
        return response.status, await response.json(content_type=None), response.headers


async def test_the_two_ends_enter_and_the_room_is_forgotten_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ShiftedClock()
    monkeypatch.setattr(signaling_server, "read_clocks", clock)
    async with running_server() as server:
        status, tokens, _ = await begin(server)
        assert (status, tokens["lifetime_s"]) == (200, LIFETIME_S)
        table = server.control.directory.rooms
        (room,) = [each for each in table.rooms if each.startswith("check-")]
        publisher, viewer = [await server.connect() for _ in range(2)]
        joined = await publisher.request(
            type="join", token=tokens["publisher"], protocol=1, encryption="off"
        )
        assert joined["type"] == "joined" and joined["room"] == room
        assert joined["grants"]["camera"] and not joined["grants"]["moderate"]
        seen = await viewer.request(
            type="join", token=tokens["viewer"], protocol=1, encryption="off"
        )
        assert not seen["grants"]["camera"] and len(seen["participants"]) == 2
        async with server.http.get(f"{server.control.url}/rooms/{room}") as page:
            assert page.status == 404
        clock.shift_s = LIFETIME_S + 1
        assert (await publisher.hear("room_closed"))["reason"] == "time_over"
        await until(lambda: table.describe(room) is None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_check_is_only_given_to_our_own_page(headers: dict[str, str], status: int) -> None:
    async with running_server() as server:
        assert (await begin(server, **headers))[0] == status
        assert not any(each.startswith("check-") for each in server.control.directory.rooms.rooms)


async def test_checks_at_once_and_by_address_are_bounded() -> None:
    async with running_server(check=CheckConfig(max_rooms=1, burst=3)) as server:
        assert (await begin(server))[0] == 200
        status, problem, headers = await begin(server)
        assert (status, problem["code"]) == (503, "too_many_checks")
        assert 1 <= int(headers["Retry-After"]) <= LIFETIME_S
        await begin(server)
        status, problem, headers = await begin(server)
        assert (status, problem["code"]) == (429, "rate_limited") and headers["Retry-After"]


async def test_without_a_worker_the_check_says_so() -> None:
    async with running_server() as server:
        await server.worker(RoomClass.COUNCIL).stop()
        await until(lambda: not server.control.directory.links[0].is_ready)
        status, problem, headers = await begin(server)
        assert (status, problem["code"]) == (503, "room_unavailable") and headers["Retry-After"]


# ---- help and home


async def test_help_check_and_home_work_without_accounts() -> None:
    async with running_server() as server:
        for path in ("/help", "/check", "/help?lang=en", "/check?lang=en"):
            async with server.http.get(server.control.url + path) as response:
                text = await response.text()
                assert response.status == 200 and 'href="/contact"' not in text, path


async def test_the_home_page_shows_the_doors_and_what_comes_next() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        home = await visitor.get("/")
        assert 'href="/sign-in"' in home.text and 'href="/kep"' in home.text
        assert "next-line" not in home.text
        await visitor.enter(CLERK, "clerk@dimos.gr")
        path = f"/sittings/{await invite_to_a_sitting(server, 'clerk@dimos.gr')}"
        home = await visitor.get("/")
        assert f'href="{path}"' in home.text and f'href="{path}/enter"' not in home.text
        server.clock.shift_s += 20 * 60
        home = await visitor.get("/")
        assert f'href="{path}/enter"' in home.text
        async with server.visitor() as other:
            await other.enter(ADMINISTRATOR)
            assert path not in (await other.get("/")).text


async def invite_to_a_sitting(server: AccountsServer, email: str) -> str:
    """Let there be a sitting in half an hour, open 15 minutes before, and an invitation to it."""
    database, now = server.service.database, server.service.parts.now()
    person, body_id = await make_coordinator(database, email, now)
    sitting = await add_sitting(
        database, person, body_id, now, starts_in=timedelta(minutes=30), title=MARKUP
    )
    async with database.write() as session:
        session.add(
            Invitation(
                sitting_id=sitting.id, name="Γ", email=email, role=Role.MEMBER.value,
                token_hash="0" * 64, expires_at=now + timedelta(days=1), invited_by=person.id,
                invited_at=now,
            )
        )  # fmt: skip
    return sitting.id
