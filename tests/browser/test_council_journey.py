"""The institution's journey in Chromium: from a clerk's first sign-in to the end of a sitting.

The coordinator at a desk, the member on a phone. Every page on the way is looked at by axe-core,
must not scroll sideways, and is kept as a picture in var/screenshots/council.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from playwright.async_api import FilePayload, Route, expect
from sqlalchemy import select

from sfu.config import MediaConfig, WorkerConfig
from sfu.values import RoomClass
from sfu.worker import run_worker
from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import Mail
from signaling.worker_link import WorkerAddress
from tests.browser.test_accounts import Site, Window
from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    AccountsServer,
    running_accounts,
)
from tests.support.browser import DESKTOP, PHONE, Capture, Viewport, eventually
from tests.support.chromium import Chromium, ChromiumWindow, running_chromium
from tests.support.page_steps import SUBMIT
from tests.support.participant import Participant, see_and_hear_each_other

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.timeout(300)]

PICTURES = Path("var/screenshots/council")
BODY, COUNCIL = "Δήμος Παραδείγματος", "Δημοτικό Συμβούλιο"
ELENI, ELENI_NAME, ELENI_EMAIL = "000000048", "ΕΛΕΝΗ ΣΥΜΒΟΥΛΟΥ", "eleni@dimos.gr"
CLERK_NAME = "ΜΑΡΙΑ ΓΡΑΜΜΑΤΕΑΣ"
PEOPLE = (
    "Όνομα;E-mail;Ιδιότητα\n"
    "Ελένη Συμβούλου;eleni@dimos.gr;μέλος\n"
    "Χωρίς διεύθυνση;nobody;μέλος\n"
    "Πέτρος Δημότης;petros@dimos.gr;μέλος\n"
)
PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\n%%EOF\n"
STARTS_IN = timedelta(minutes=25)
OPENS_BEFORE_MIN = 5


@dataclass(kw_only=True)
class Sheet(Window):
    """A window of the journey; its pictures have a folder of their own."""

    media: ChromiumWindow
    """The same window as rooms are tested with."""
    seen: set[str]
    """Pictures that were kept already: a page is looked at once."""

    async def look(self, picture: str) -> None:
        await self.page.wait_for_load_state()
        if picture not in self.seen:
            self.seen.add(picture)
            await super().look(picture)

    async def enter(self, tax_number: str, email: str) -> None:
        with self.unseen():
            await super().enter(tax_number, email)

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Look at no page: test_accounts.py looks at each of these, in both sizes."""
        looked, self.seen = self.seen, _Everything()
        yield
        self.seen = looked

    async def text(self, selector: str = "main") -> str:
        return await self.page.inner_text(selector)

    async def tab_to(self, selector: str) -> None:
        """Reach something by the keyboard alone, and see that it shows."""
        await self.page.evaluate("document.activeElement?.blur()")
        for _ in range(60):
            await self.page.keyboard.press("Tab")
            if await self.page.evaluate("(it) => document.activeElement.matches(it)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached by the keyboard")


class _Everything(set[str]):
    """All pictures, seen."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass
class Journey:
    """Who takes part, and what they made on the way."""

    server: AccountsServer
    clerk: Sheet
    administrator: Sheet
    member: Sheet
    starts_at: datetime
    sitting: str = ""
    """Path of its page at the desk."""

    @property
    def sitting_id(self) -> str:
        return self.sitting.rpartition("/")[2]

    async def mails(self, recipient: str, word: str) -> list[tuple[Mail, Any]]:
        """Return the mails with a calendar entry and `word` in the subject, in order."""
        async with self.server.service.database.read() as session:
            found = await session.scalars(
                select(Mail)
                .where(Mail.recipient == recipient, Mail.calendar.is_not(None))
                .order_by(Mail.created_at)
            )
            mails = [each for each in found if word in each.subject]
        return [(each, Calendar.from_ical(each.calendar or "")) for each in mails]


@contextlib.asynccontextmanager
async def journey(folder: Path) -> AsyncIterator[Journey]:
    """Run the application before a real worker, and open three windows."""
    config = WorkerConfig(
        worker="council", room_class=RoomClass.COUNCIL, socket_path=folder / "run" / "w.sock",
        media=MediaConfig(listen_addresses=("0.0.0.0",)),
    )  # fmt: skip
    worker = asyncio.create_task(run_worker(config))
    address = WorkerAddress("council", RoomClass.COUNCIL, config.socket_path)
    try:
        async with running_accounts(workers=[address]) as server, running_chromium() as chromium:
            seen: set[str] = set()
            windows = [
                await sheet(chromium, server, name, viewport, seen)
                for name, viewport in (
                    ("clerk", DESKTOP), ("administrator", DESKTOP), ("phone", PHONE),
                )
            ]  # fmt: skip
            clerk, administrator, member = windows
            yield Journey(server, clerk, administrator, member, now_of(server) + STARTS_IN)
            for each in windows:
                assert each.media.findings.page_errors == []
                assert [
                    text for text in each.media.findings.console_problems
                    if "content security policy" in text.lower()
                ] == []  # fmt: skip
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


async def sheet(chromium: Chromium, server: Site, name: str, viewport: Viewport,
    seen: set[str], *, pictures: Path = PICTURES,
) -> Sheet:  # fmt: skip
    media = await chromium.window(viewport=viewport, capture=Capture())
    return Sheet(server, media.page, name, "el", pictures=pictures, media=media, seen=seen)


async def test_an_institution_holds_a_sitting(tmp_path: Path) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with journey(tmp_path) as way:
        await become_coordinator(way.clerk, way.administrator)
        await make_council(way.clerk)
        await make_sitting(way)
        await give_documents(way)
        await invite_by_file(way.clerk)
        await read_outbox(way)
        await open_the_link(way)
        await move_the_sitting(way)
        await meet(way)
        await watch_live(way)
        await cancel_another(way)
        await end(way)


async def become_coordinator(clerk: Sheet, administrator: Sheet) -> None:
    """The clerk asks for the role of Συντονιστής Φορέα; the administrator gives it."""
    await clerk.enter(CLERK, "clerk@dimos.gr")
    await clerk.open("/account/role-request", "role-request")
    await clerk.page.fill("#body_name", BODY)
    await clerk.page.fill("#phone", "2101234567")
    await clerk.page.fill("#purpose", "Συνεδριάσεις του Δημοτικού Συμβουλίου")
    await clerk.press(SUBMIT, "account-with-request")
    await administrator.enter(ADMINISTRATOR, "admin@example.gr")
    await administrator.open("/administration/requests", "requests")
    await administrator.press("main .cards a", "request")
    await administrator.press("button[value=approve]", "requests-decided")


async def make_council(clerk: Sheet) -> None:
    """A collective body with two members, and a template for its sittings."""
    page = clerk.page
    await clerk.open("/desk", "desk-empty")
    await clerk.press(".desk-nav a[href='/desk/collective-bodies']", "collective-bodies")
    await page.fill("#name", COUNCIL)
    await clerk.press(SUBMIT, "collective-body-empty")
    for name, email, office in (
        ("Νίκος Προέδρου", "proedros@dimos.gr", "chair"), ("Ελένη Συμβούλου", ELENI_EMAIL, "member"),
    ):  # fmt: skip
        await page.fill("#name", name)
        await page.fill("#email", email)
        await page.select_option("#office", office)
        await page.click("form[action$='/members'] button")
        await page.wait_for_load_state()
    await clerk.look("collective-body")
    await clerk.open("/desk/templates/new", "template-form")
    await page.fill("#template_name", "Τακτική συνεδρίαση")
    await page.select_option("#place", label=f"{COUNCIL} ({BODY})")
    await page.fill("#title", "8η τακτική συνεδρίαση")
    await page.fill("#agenda", "Έγκριση πρακτικών")
    await page.fill("#open_before_min", str(OPENS_BEFORE_MIN))
    await clerk.press(SUBMIT, "templates")


async def make_sitting(way: Journey) -> None:
    """From the template, in a few minutes; then its agenda."""
    clerk, page = way.clerk, way.clerk.page
    await clerk.open("/desk", "desk")
    await clerk.press(".plain-list a", "sitting-from-template")
    await fill_time(way, way.starts_at)
    await clerk.press(SUBMIT, "sitting-created")
    way.sitting = page.url.partition("?")[0].removeprefix(way.server.url)
    assert re.fullmatch(r"/desk/sittings/[0-9a-f]{32}", way.sitting)
    await clerk.press("a[href$='/agenda']", "agenda")
    await page.fill("#title_1", "Προϋπολογισμός οικονομικού έτους")
    await page.fill("#speaker_1", "Οικονομική Υπηρεσία")
    await clerk.press(SUBMIT, "sitting-with-agenda")
    assert "Προϋπολογισμός" in await clerk.text(".agenda")
    await clerk.tab_to(f"a[href='{way.sitting}/invited']")


async def fill_time(way: Journey, starts_at: datetime) -> None:
    wall = to_wall(starts_at)
    await way.clerk.page.fill("#date", wall.date().isoformat())
    await way.clerk.page.fill("#time", wall.strftime("%H:%M"))


def now_of(server: AccountsServer) -> datetime:
    return datetime.fromtimestamp(server.clock().wall_s).astimezone()


async def give_documents(way: Journey) -> None:
    """A document for the second subject."""
    clerk, page = way.clerk, way.clerk.page
    await clerk.press("a[href$='/files']", "files-empty")
    await page.select_option("#item", index=2)
    file: FilePayload = {"name": "eisigisi.pdf", "mimeType": "application/pdf", "buffer": PDF}
    await page.set_input_files("#file", file)
    await clerk.press("form[enctype] button", "files")
    assert "eisigisi.pdf" in await clerk.text()
    await clerk.press(".govgr-back-link", "sitting-with-agenda")


async def invite_by_file(clerk: Sheet) -> None:
    """A list with a line that is no address: shown first, sent after a word."""
    page = clerk.page
    await clerk.press("a[href$='/invited']", "invited-empty")
    file: FilePayload = {"name": "melh.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
    await page.set_input_files("#file", file)
    await clerk.press("form[enctype]:has(#file) button", "invited-preview")
    preview = await clerk.text("[aria-labelledby=preview-title]")
    assert "Θα προσκληθούν: 2" in preview and "Γραμμή 3" in preview and "nobody" in preview
    await clerk.press("[aria-labelledby=preview-title] button", "invited")
    assert "Στάλθηκαν προσκλήσεις: 2" in await clerk.text()


async def read_outbox(way: Journey) -> None:
    """The mails have a link and a calendar entry."""
    clerk = way.clerk
    await clerk.open("/outbox", "outbox")
    assert "/invitations/" in await clerk.text() and ELENI_EMAIL in await clerk.text()
    ((_, calendar),) = await way.mails(ELENI_EMAIL, "Πρόσκληση")
    (event,) = calendar.walk("VEVENT")
    assert calendar["METHOD"] == "REQUEST" and event["SEQUENCE"] >= 0
    async with clerk.page.expect_download() as download:
        await clerk.page.click("a[href$='invite.ics'] >> nth=0")
    kept = await (await download.value).path()
    assert (await asyncio.to_thread(Path(kept).read_bytes)).startswith(b"BEGIN:VCALENDAR")


async def open_the_link(way: Journey) -> None:
    """The member, on a phone, signs in for the first time and is led to the sitting."""
    member, page = way.member, way.member.page
    ((mail, _),) = await way.mails(ELENI_EMAIL, "Πρόσκληση")
    link = re.search(r"/invitations/[0-9a-f]{64}", mail.text)
    assert link is not None
    await member.open(link[0], "phone-link")
    assert page.url == f"{way.server.url}/sign-in"
    with member.unseen():
        await member.go_through(ELENI, ELENI_EMAIL)
    await member.look("phone-sitting")
    assert page.url == f"{way.server.url}/sittings/{way.sitting_id}"
    text = await member.text()
    assert "Η αίθουσα ανοίγει" in text and "Προϋπολογισμός" in text
    async with page.expect_download() as download:
        await page.click("text=eisigisi.pdf")
    kept = await (await download.value).path()
    assert await asyncio.to_thread(Path(kept).read_bytes) == PDF
    await member.open("/account", "phone-account")


async def move_the_sitting(way: Journey) -> None:
    """Five minutes later: everybody is told, and calendars take it for newer."""
    clerk = way.clerk
    ((_, first),) = await way.mails(ELENI_EMAIL, "Πρόσκληση")
    await clerk.open(way.sitting, "sitting-with-agenda")
    await clerk.press("a[href$='/edit']", "sitting-edit")
    await fill_time(way, way.starts_at + timedelta(minutes=5))
    await clerk.press("main form .govgr-btn-primary", "sitting-changed")
    assert "Οι αλλαγές αποθηκεύτηκαν" in await clerk.text()
    ((_, second),) = await way.mails(ELENI_EMAIL, "Αλλαγή")
    (old,), (new,) = first.walk("VEVENT"), second.walk("VEVENT")
    assert new["UID"] == old["UID"] and new["SEQUENCE"] == old["SEQUENCE"] + 1
    assert new["DTSTART"].dt == old["DTSTART"].dt + timedelta(minutes=5)


async def meet(way: Journey) -> None:
    """At the hour: the member knocks, the coordinator admits, both see and hear each other."""
    opens_at = way.starts_at + timedelta(minutes=5 - OPENS_BEFORE_MIN)
    way.server.clock.shift_s = (opens_at - now_of(way.server)).total_seconds()
    member, clerk = way.member, way.clerk
    await member.open(f"/sittings/{way.sitting_id}", "phone-sitting-open")
    await member.tab_to(f"a[href='/sittings/{way.sitting_id}/enter']")
    await member.page.keyboard.press("Enter")
    await member.page.wait_for_url("**/enter")
    await knock_and_admit(member, clerk, f"{way.server.url}{way.sitting}")


async def knock_and_admit(member: Sheet, clerk: Sheet, sitting: str) -> None:
    """The member, before the lobby, knocks; the coordinator comes from the desk and admits."""
    await Participant(member.media, "").wait_for_lobby()
    await member.look("phone-lobby")
    await member.page.click(".lobby-join")
    await has_text(member, ".waiting-state", "δεν έχει συνδεθεί ακόμη")
    await member.look("phone-waiting")

    await clerk.page.goto(sitting)
    await clerk.look("sitting-open")
    await clerk.page.click("a[href$='/enter']")
    await Participant(clerk.media, "").wait_for_lobby()
    await clerk.look("clerk-lobby")
    await clerk.page.click(".lobby-join")
    coordinator = await inside(clerk, CLERK_NAME)
    await has_text(clerk, "#notices", ELENI_NAME)
    await clerk.page.click(".control-waiting")
    await has_text(clerk, ".panel-waiting .person-name", ELENI_NAME)
    await clerk.look("clerk-knock")
    await clerk.page.click(f"[aria-label='Αποδοχή: {ELENI_NAME}']")
    eleni = await inside(member, ELENI_NAME)
    await see_and_hear_each_other([coordinator, eleni])
    await clerk.look("clerk-room")
    await member.look("phone-room")


async def inside(window: Sheet, name: str) -> Participant:
    """Return the person once the media is connected."""
    person = Participant(window.media, name)
    sight = await person.wait(lambda seen: seen.connection == "connected", "media connected")
    person.id = sight.self
    return person


async def has_text(window: Sheet, selector: str, text: str) -> None:
    async def shown() -> str:
        found = window.page.locator(selector)
        return await found.first.inner_text() if await found.count() else ""

    await eventually(shown, lambda seen: text in seen, f"{text} in {selector}")


async def keep_the_focus_in_sight(way: Journey, desk: Sheet) -> None:
    """Open a live sitting whose part with the people grows above what has the focus."""
    page = desk.page
    may_answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await page.route("**/live?part=1", hold)
    await page.goto(way.server.url + way.sitting)
    link = page.locator("a[href$='/agenda']")
    await link.focus()
    await page.evaluate("scrollTo(0, 0)")
    size, box = page.viewport_size, await link.bounding_box()
    assert size is not None and box is not None
    await page.set_viewport_size({"width": size["width"], "height": int(box["y"] + box["height"])})
    may_answer.set()
    await has_text(desk, "#live", ELENI_NAME)
    await expect(link).to_be_in_viewport()
    await page.set_viewport_size(size)


async def watch_live(way: Journey) -> None:
    """Beside the room, the desk shows who is in and how the connections do."""
    page = await way.clerk.page.context.new_page()
    desk = replace(way.clerk, page=page)
    await keep_the_focus_in_sight(way, desk)
    await desk.look("sitting-live")

    async def scored() -> str:
        await desk.open(f"{way.sitting}/live", "live")
        return await desk.text("#live")

    text = await eventually(scored, lambda seen: "Άριστη" in seen or "Καλή" in seen, "scores")
    assert CLERK_NAME in text and "ήχο, εικόνα" in text and "Είσοδος: " + ELENI_NAME in text
    await page.close()


async def cancel_another(way: Journey) -> None:
    """Another sitting of the council, with its members invited, is called off."""
    page = await way.clerk.page.context.new_page()
    desk = replace(way.clerk, page=page)
    await desk.open(f"/desk/sittings/new?copy={way.sitting_id}", "sitting-from-template")
    wall = to_wall(now_of(way.server) + timedelta(days=3))
    await page.fill("#title", "Ειδική συνεδρίαση")
    await page.fill("#date", wall.date().isoformat())
    await page.fill("#time", "18:00")
    await desk.press("main form .govgr-btn-primary", "sitting-with-agenda")
    await desk.press("a[href$='/invited']", "invited")
    await desk.press("form[action$='/members'] button", "invited")
    assert "Στάλθηκαν προσκλήσεις: 2" in await desk.text()
    await desk.press(".govgr-back-link", "sitting-with-agenda")
    await page.click("summary >> text=Ακύρωση συνεδρίασης")
    await page.fill("#reason", "Έλλειψη απαρτίας")
    await desk.press("form[action$='/cancel'] button", "another-cancelled")
    ((mail, calendar),) = await way.mails(ELENI_EMAIL, "Ακύρωση")
    assert calendar["METHOD"] == "CANCEL" and "Έλλειψη απαρτίας" in mail.text
    await desk.open("/desk/sittings?when=past", "sittings-past")
    await desk.open("/desk/calendar", "calendar")
    await page.close()


async def end(way: Journey) -> None:
    """The coordinator ends the sitting at the desk: both are out at once."""
    page = await way.clerk.page.context.new_page()
    desk = replace(way.clerk, page=page)
    await desk.open(way.sitting, "sitting-live")
    await desk.tab_to("form[action$='/end'] button")
    await desk.press("form[action$='/end'] button", "sitting-ended")
    assert "Ολοκληρώθηκε" in await desk.text()
    for window in (way.clerk, way.member):
        await has_text(window, "#ended", "Η αίθουσα έχει κλείσει")
        await window.look(f"{window.name}-ended")
    await way.member.open(f"/sittings/{way.sitting_id}", "phone-sitting-over")
    assert "Η συνεδρίαση ολοκληρώθηκε" in await way.member.text()
    await way.member.open(f"/sittings/{way.sitting_id}/enter", "phone-enter-over")
    await way.member.open(f"/sittings/{'0' * 32}", "phone-error")
