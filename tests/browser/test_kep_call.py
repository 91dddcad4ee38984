"""An appointment from booking to the printed form and the receipt: the citizen in either browser, the
employee and the interpreter in Chromium.

Every state is kept as a picture in var/screenshots/kep-call and looked at by axe-core.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from recording_policy import verify
from signaling.kep.sample_call import CITIZEN, EMPLOYEE
from signaling.storage.models import Appointment, KepEmployee, KepShift
from tests.support import page_steps
from tests.support.accounts_server import AccountsServer, VisitorClient
from tests.support.browser import DESKTOP, PHONE, Browser, Capture, Viewport, Window, eventually
from tests.support.chromium import Chromium, ChromiumWindow, running_chromium
from tests.support.firefox import running_firefox
from tests.support.kep_calls import INTERPRETER, INTERPRETER_EMAIL, Desk
from tests.support.kep_media import running_kep_media
from tests.support.page_steps import (
    SUBMIT,
    fill,
    follow,
    has_text,
    inside,
    press,
    problems,
    tick,
)
from tests.support.participant import Participant, perceive, see_and_hear_each_other

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.timeout(300)]

PICTURES = Path("var/screenshots/kep-call")
EMPLOYEE_NAME, CITIZEN_NAME = "ΑΝΝΑ ΥΠΑΛΛΗΛΟΥ", "ΓΙΩΡΓΟΣ ΠΟΛΙΤΗΣ"
SENT = """async () => {
  const sender = synedrion.peerConnection.getSenders().find((each) => each.track?.kind === 'video');
  const { width, height } = sender.track.getSettings();
  const top = sender.getParameters().encodings.at(-1);
  return { width, height, hint: sender.track.contentHint, rate: top.maxFramerate ?? null };
}"""
KEPT = """async () => ({
  local: { ...localStorage }, session: { ...sessionStorage },
  databases: (await indexedDB.databases()).map((each) => each.name),
  caches: 'caches' in window ? await caches.keys() : [],
  scripts: performance.getEntriesByType('resource').map((each) => each.name)
    .filter((each) => each.endsWith('.js')),
})"""
ENCRYPTION = """async () => {
  const now = await window.synedrion.encryption();
  const shown = document.querySelector('#encryption').textContent;
  return { ...now, codes: Object.values(Object.fromEntries(now.codes)), shown };
}"""
RECORDING = ("MediaRecorder", "captureStream", "showSaveFilePicker", "toDataURL", "toBlob",
             "ImageCapture", "createWritable", "OffscreenCanvas")  # fmt: skip


@dataclass
class Play:
    """One appointment and the windows of its people."""

    accounts: AccountsServer
    chromium: Chromium
    desk: Desk
    pictures: Path
    windows: list[Window] = field(default_factory=list)

    async def citizens_window(self, browser: Browser) -> Window:
        """Open the citizen's: the page gets what it asks the camera for."""
        window = await browser.window(viewport=PHONE)
        self.windows.append(window)
        return window

    async def window(self, viewport: Viewport) -> ChromiumWindow:
        """Open one of the others."""
        window = await self.chromium.window(viewport=viewport, capture=Capture())
        self.windows.append(window)
        return window

    async def look(self, window: Window, picture: str) -> None:
        """Keep a picture of what the window shows, which must be accessible."""
        await page_steps.look(window, picture, self.pictures)

    async def sign_in(self, window: Window, tax_number: str, email: str) -> VisitorClient:
        """Let the window be of a sample person; the visitor shares the session."""
        async with self.accounts.visitor() as visitor:
            await visitor.enter(tax_number, email)
            cookie = visitor.cookie()
            assert cookie is not None
            await window.set_cookie("session", cookie, self.accounts.url)
        return visitor

    async def open(self, window: Window, path: str) -> None:
        await window.open(self.accounts.url + path)

    async def book(self, window: Window) -> None:
        """Book by the pages; the sample employee of Athens is given the appointment."""
        await self.open(window, "/kep/book/information")
        await follow(window, "main .theme-card")
        await follow(window, "a.hour")
        await fill(window, "#phone", "6900000000")
        await fill(window, "#address", "Οδός Παραδείγματος 1, 105 51 Αθήνα")
        for box in ("#document-identity_card", "#need_sign_language", "#delivery-email"):
            await tick(window, box)
        await follow(window, SUBMIT)
        await follow(window, "main .kep-actions button.govgr-btn-primary")
        async with self.accounts.service.database.write() as session:
            booked = (await session.scalars(select(Appointment))).one()
            shift = await session.scalar(
                select(KepShift).join(KepEmployee).where(KepEmployee.name == EMPLOYEE_NAME)
            )
            assert shift is not None
            employee = await session.get_one(KepEmployee, shift.employee_id)
            booked.kep_id, booked.employee_id = employee.kep_id, employee.id
            booked.workstation_id = shift.workstation_id
            self.desk.appointment_id, self.desk.room = booked.id, booked.room
            due_s = booked.starts_at.timestamp() - 300
        self.accounts.clock.shift_s += due_s - self.accounts.service._now().timestamp()


@contextlib.asynccontextmanager
async def browsers(name: str) -> AsyncIterator[tuple[Chromium, Browser]]:
    """Run Chromium, and the browser of the citizen."""
    async with contextlib.AsyncExitStack() as stack:
        chromium = await stack.enter_async_context(running_chromium())
        if name == "chromium":
            yield chromium, chromium
        else:
            yield chromium, await stack.enter_async_context(running_firefox())


@pytest.mark.parametrize("citizens", ["chromium", "firefox"])
async def test_appointment_from_booking_to_receipt(tmp_path: Path, citizens: str) -> None:
    async with (
        running_kep_media(tmp_path) as accounts,
        browsers(citizens) as (chromium, browser),
    ):
        desk = Desk(accounts, None)  # type: ignore[arg-type]
        play = Play(accounts, chromium, desk, PICTURES / citizens)
        phone, desktop = await play.citizens_window(browser), await play.window(DESKTOP)
        await wait_for_turn(play, phone)
        citizen, employee = await take_in(play, phone, desktop)
        await check_encrypted(citizen, employee)
        await identify(play, phone, desktop)
        await sound_only_and_back(play, citizen, employee)
        interpreter = await let_interpreter_in(play, desktop)
        await see_and_hear_each_other([citizen, employee, interpreter])
        await conclude(play, desktop)
        await check_receipt(play, phone, tmp_path)
        for window in play.windows:
            await check_nothing_kept(window)
        assert problems(*play.windows) == []


async def wait_for_turn(play: Play, phone: Window) -> None:
    """Book, follow the link of the mail, wait."""
    await play.sign_in(phone, CITIZEN, "polites@example.gr")
    await play.book(phone)
    await play.sign_in(phone, CITIZEN, "polites@example.gr")  # days later
    await play.open(phone, "/outbox")
    await follow(phone, "main .mail-text a[href*='/kep/link/']")
    await play.look(phone, "appointment-phone")
    await follow(phone, ".kep-enter")
    await Participant(phone, "").wait_for_lobby()
    await play.look(phone, "lobby-phone")
    await press(phone, ".lobby-join")
    await has_text(phone, ".waiting-state", "θα σας καλέσει")
    await has_text(phone, "#queue", "δεν έχει συνδεθεί ακόμη")
    await play.desk.until_state("waiting")
    await play.look(phone, "waiting-phone")


async def take_in(
    play: Play, phone: Window, desktop: ChromiumWindow
) -> tuple[Participant, Participant]:
    """Look at the desk, leave a line, take the next: one click leads into the call."""
    await play.sign_in(desktop, EMPLOYEE, "anna@kep.example")
    await play.open(desktop, "/kep/desk")
    await play.look(desktop, "desk-desktop")
    await desktop.resize(PHONE)
    await play.look(desktop, "desk-phone")
    await desktop.resize(DESKTOP)
    await desktop.page.fill("#message", "Σας εξυπηρετώ σε δύο λεπτά")
    await desktop.page.click("form[action='/kep/desk/message'] button")
    await has_text(phone, "#queue-message", "δύο λεπτά")
    await has_text(phone, "#queue", "είναι έτοιμος")
    await play.look(phone, "waiting-message-phone")
    await phone.resize(DESKTOP)
    await play.look(phone, "waiting-desktop")
    await phone.resize(PHONE)
    await desktop.page.click(".is-next button[type=submit] >> nth=0")
    employee = await inside(desktop, EMPLOYEE_NAME)
    citizen = await inside(phone, CITIZEN_NAME)
    await see_and_hear_each_other([citizen, employee])
    return citizen, employee


async def identify(play: Play, phone: Window, desktop: ChromiumWindow) -> None:
    """The camera stays on, a sharp picture is asked for, mistakes are told, the centre confirms."""
    await has_text(phone, "#kep-say", "δείξτε το έγγραφό σας")
    await play.look(phone, "identifying-citizen-phone")
    await play.look(desktop, "identifying-desktop")
    await desktop.resize(PHONE)
    await play.look(desktop, "identifying-phone")
    await desktop.resize(DESKTOP)
    sent = await phone.call(SENT)
    assert (sent["width"], sent["height"]) >= (1280, 720), sent
    await press(phone, ".control-camera")
    await has_text(phone, "#notices", "μένει ανοικτή")
    assert (await phone.call(SENT))["width"] == sent["width"]
    await press(desktop, "form[action$='/sharp-picture'] button")
    await has_text(phone, "#kep-say", "ακίνητο")
    sharp = await eventually(lambda: phone.call(SENT), lambda each: each["rate"] == 8, "sharp")
    assert sharp["hint"] == "detail"
    await play.look(phone, "sharp-phone")
    confirm = "form[action$='/identity'] button"
    await press(desktop, confirm)
    await has_text(desktop, "#kep-problem", "Ελέγξτε όλα τα σημεία")
    await play.look(desktop, "identity-mistakes-desktop")
    for box in await desktop.page.locator(".kep-check input").all():
        await box.check()
    await desktop.page.fill("[name=document_number]", "ΧΧ 123456")
    await press(desktop, confirm)
    await has_text(desktop, "#kep-problem", "δεν επιβεβαιώνει")
    await play.look(desktop, "identity-mismatch-desktop")
    await desktop.page.fill("[name=document_number]", "ΑΒ 123456")
    await press(desktop, confirm)
    await has_text(phone, "#kep-say", "επιβεβαιώθηκε")
    usual = await eventually(lambda: phone.call(SENT), lambda each: each["rate"] is None, "usual")
    assert usual["hint"] == ""
    await play.look(desktop, "serving-desktop")
    await play.look(phone, "serving-phone")


async def check_encrypted(citizen: Participant, employee: Participant) -> None:
    """Sealed both ways: each opens what the other sealed, nothing passes in clear, and both show one
    code."""
    shown = []
    for person in (citizen, employee):

        async def read(window: Window = person.window) -> Any:
            return await window.call(ENCRYPTION)

        now = await eventually(
            read, lambda each: each["state"] == "on" and each["frames"]["opened"] > 50, "encryption"
        )
        assert now["frames"]["sealed"] > 50
        assert not {"plain", "forged", "replayed", "refused_key"} & set(now["frames"]), now
        [code] = now["codes"]
        assert code in now["shown"]
        shown.append(code)
    assert shown[0] == shown[1]


async def sound_only_and_back(play: Play, citizen: Participant, employee: Participant) -> None:
    phone, desktop = citizen.window, employee.window
    await press(phone, "form[action$='/sound-only'] button")
    for window in (phone, desktop):
        await has_text(window, "#kep-say", "μόνο με ήχο")
    await perceive(citizen, employee.id, sees=False)
    await perceive(employee, citizen.id, sees=False)

    async def camera_is_off() -> bool:
        return bool(await phone.call("() => !synedrion.state.grants.camera"))

    await eventually(camera_is_off, bool, "the citizen's camera is off")
    await play.look(phone, "sound-only-phone")
    await play.look(desktop, "sound-only-desktop")
    await press(desktop, "form[action$='/sound-only'] button")
    await has_text(phone, "#kep-say", "επανήλθε")
    await see_and_hear_each_other([citizen, employee])


async def let_interpreter_in(play: Play, desktop: ChromiumWindow) -> Participant:
    """Invite by the desk's page, knock by the mailed link, admit from the call's own list."""
    invitations = await desktop.page.context.new_page()
    one = f"/kep/desk/appointments/{play.desk.appointment_id}"
    await invitations.goto(play.accounts.url + one)
    await invitations.fill("[name=guest_name]", "Λουκάς Διερμηνέας")
    await invitations.fill("[name=guest_email]", INTERPRETER_EMAIL)
    await invitations.click("form[action$='/guests'] button")
    await invitations.close()
    third = await play.window(DESKTOP)
    await play.sign_in(third, INTERPRETER, INTERPRETER_EMAIL)
    await play.open(third, "/outbox")
    await third.page.click("main .mail-text a[href*='/kep/link/'] >> nth=0")
    await third.page.click(".kep-enter")
    await Participant(third, "").wait_for_lobby()
    await third.page.click(".lobby-join")
    await has_text(desktop, "#notices", "ΔΙΕΡΜΗΝΕΑΣ")
    await desktop.page.click(".control-waiting")
    await play.look(desktop, "interpreter-waits-desktop")
    await desktop.page.click("[aria-label^='Αποδοχή']")
    await desktop.page.click(".panel-waiting .panel-close")
    interpreter = await inside(third, "ΛΟΥΚΑΣ ΔΙΕΡΜΗΝΕΑΣ")
    await play.look(third, "three-interpreter-desktop")
    return interpreter


async def conclude(play: Play, desktop: ChromiumWindow) -> None:
    """Fill the form of the outcome; the call ends; print. A desk open since before says what changed."""
    before = ChromiumWindow(await desktop.page.context.new_page())
    await play.open(before, "/kep/desk")
    await before.page.focus(".desk-card form[action$='/take'] button")  # it renews itself no more
    async with desktop.page.context.expect_page() as opening:
        await desktop.page.click(".kep-call a[href$='/outcome']")
    window = ChromiumWindow(await opening.value)
    page = window.page
    await page.wait_for_load_state()
    await page.click(SUBMIT)
    await play.look(window, "outcome-mistakes-desktop")
    await page.select_option("#result", "completed")
    await page.select_option("#next_step", "await_result")
    await page.fill("#reference_number", "ΑΠ 42/2026")
    await play.look(window, "outcome-desktop")
    await page.click(SUBMIT)
    await has_text(window, "main", "Έντυπο επιτυχούς καταχώρισης")
    await play.look(window, "form-desktop")
    await window.resize(PHONE)
    await play.look(window, "form-phone")
    await page.emulate_media(media="print")
    await window.screenshot(play.pictures / "form-print.png")
    await has_text(desktop, "#ended", "ολοκληρώθηκε")
    await play.look(desktop, "ended-desktop")
    await before.page.keyboard.press("Enter")
    await has_text(before, "main [role=alert]", "άλλαξε στο μεταξύ")
    await play.look(before, "desk-moved-on-desktop")
    await before.page.close()


async def check_receipt(play: Play, phone: Window, folder: Path) -> None:
    """Take the receipt from the page at the end; the stand-alone verifier says that it holds."""
    await has_text(phone, "#ended", "ολοκληρώθηκε")
    await play.look(phone, "ended-phone")

    async def fetch() -> Any:
        return await phone.call("""async () => {
          const secret = document.querySelector('.ended-receipt [name=secret]').value;
          const body = new URLSearchParams({ secret, format: 'json' });
          const response = await fetch('/receipts', { method: 'POST', body });
          return response.ok ? await response.text() : null;
        }""")

    text = await eventually(fetch, lambda each: each is not None, "the receipt")
    kinds = {json.loads(each["line"][65:])["kind"] for each in json.loads(text)["entries"]}
    assert {"participant_joined", "phase_changed"} <= kinds, kinds
    (folder / "receipt.json").write_text(text)
    key = folder / "data" / "audit-key.pem.pub"
    command = [sys.executable, "-I", "-S", verify.__file__, "receipt",
               str(folder / "receipt.json"), "--key", str(key)]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("HOLDS"), done


async def check_nothing_kept(window: Window) -> None:
    """Storage is empty, and no script that was loaded names an interface that could record."""
    kept = await window.call(KEPT)
    assert kept["local"] == {} and kept["session"] == {}, kept
    assert kept["databases"] == [] and kept["caches"] == [], kept
    assert len(kept["scripts"]) > 10
    for script in kept["scripts"]:
        text: str = await window.call("(url) => fetch(url).then((each) => each.text())", script)
        for word in RECORDING:
            assert word not in text, (script, word)
