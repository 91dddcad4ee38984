"""An appointment in Chromium, from booking to the printed form and the receipt.

Every state is kept as a picture in var/screenshots/kep-call and looked at by axe-core.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from recording_policy import verify
from signaling.kep import call as kep_call
from signaling.kep.sample_call import CITIZEN, EMPLOYEE
from signaling.storage.models import Appointment, KepEmployee, KepShift
from tests.browser import test_door as door
from tests.browser.test_accounts import SUBMIT
from tests.browser.test_door import SMALL, has_text, inside, problems
from tests.support.accounts_server import AccountsServer, VisitorClient
from tests.support.browser import DESKTOP, PHONE, Capture, Viewport, eventually
from tests.support.chromium import Chromium, ChromiumWindow, running_chromium
from tests.support.kep_calls import INTERPRETER, INTERPRETER_EMAIL, Desk
from tests.support.kep_media import running_kep_media
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
RECORDING = ("MediaRecorder", "captureStream", "showSaveFilePicker", "toDataURL", "toBlob",
             "ImageCapture", "createWritable", "OffscreenCanvas")  # fmt: skip


@dataclass
class Play:
    """One appointment and the windows of its people."""

    accounts: AccountsServer
    chromium: Chromium
    desk: Desk
    windows: list[ChromiumWindow] = field(default_factory=list)

    async def window(self, viewport: Viewport, capture: Capture | None = SMALL) -> ChromiumWindow:
        """Open one; without `capture` the page gets what it asks the camera for."""
        window = await self.chromium.window(viewport=viewport, capture=capture)
        self.windows.append(window)
        return window

    async def sign_in(self, window: ChromiumWindow, tax_number: str, email: str) -> VisitorClient:
        """Let the window be of a sample person; the visitor shares the session."""
        async with self.accounts.visitor() as visitor:
            await visitor.enter(tax_number, email)
            cookie = visitor.cookie()
            assert cookie is not None
            await window.page.context.add_cookies(
                [{"name": "session", "value": cookie, "url": self.accounts.url}]
            )
        return visitor

    async def open(self, window: ChromiumWindow, path: str) -> None:
        await window.open(self.accounts.url + path)

    async def book(self, window: ChromiumWindow) -> None:
        """Book by the pages; the sample employee of Athens is given the appointment."""
        page = window.page
        await self.open(window, "/kep/book/information")
        await page.click("main .theme-card >> nth=0")
        await page.click("a.hour >> nth=0")
        await page.fill("#phone", "6900000000")
        await page.fill("#address", "Οδός Παραδείγματος 1, 105 51 Αθήνα")
        await page.check("#document-identity_card")
        await page.check("#need_sign_language")
        await page.check("#delivery-email")
        await page.click(SUBMIT)
        await page.click("main .kep-actions button.govgr-btn-primary")
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


async def look(window: ChromiumWindow, picture: str) -> None:
    await door.look(window, picture, PICTURES)


async def pressed(window: ChromiumWindow, selector: str) -> None:
    """Click what is shown."""
    await window.page.locator(selector).locator("visible=true").first.click()


async def test_appointment_from_booking_to_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kep_call, "WEAK_FOR_S", 3600.0)  # of this machine, not of the call
    async with running_kep_media(tmp_path) as accounts, running_chromium() as chromium:
        play = Play(accounts, chromium, Desk(accounts, None))  # type: ignore[arg-type]
        phone, desktop = await play.window(PHONE, None), await play.window(DESKTOP)
        await wait_for_turn(play, phone)
        citizen, employee = await take_in(play, phone, desktop)
        await identify(phone, desktop)
        await sound_only_and_back(citizen, employee)
        interpreter = await let_interpreter_in(play, desktop)
        await see_and_hear_each_other([citizen, employee, interpreter])
        await conclude(desktop)
        await check_receipt(phone, tmp_path)
        for window in play.windows:
            await check_nothing_kept(window)
        assert problems(*play.windows) == []


async def wait_for_turn(play: Play, phone: ChromiumWindow) -> None:
    """Book, follow the link of the mail, wait."""
    await play.sign_in(phone, CITIZEN, "polites@example.gr")
    await play.book(phone)
    await play.sign_in(phone, CITIZEN, "polites@example.gr")  # days later
    await play.open(phone, "/outbox")
    await phone.page.click("main .mail-text a[href*='/kep/link/'] >> nth=0")
    await look(phone, "appointment-phone")
    await phone.page.click(".kep-enter")
    await Participant(phone, "").wait_for_lobby()
    await look(phone, "lobby-phone")
    await phone.page.click(".lobby-join")
    await has_text(phone, ".waiting-state", "θα σας καλέσει")
    await has_text(phone, "#queue", "δεν έχει συνδεθεί ακόμη")
    await play.desk.until_state("waiting")
    await look(phone, "waiting-phone")


async def take_in(
    play: Play, phone: ChromiumWindow, desktop: ChromiumWindow
) -> tuple[Participant, Participant]:
    """Look at the desk, leave a line, take the next: one click leads into the call."""
    await play.sign_in(desktop, EMPLOYEE, "anna@kep.example")
    await play.open(desktop, "/kep/desk")
    await look(desktop, "desk-desktop")
    await desktop.resize(PHONE)
    await look(desktop, "desk-phone")
    await desktop.resize(DESKTOP)
    await desktop.page.fill("#message", "Σας εξυπηρετώ σε δύο λεπτά")
    await desktop.page.click("form[action='/kep/desk/message'] button")
    await has_text(phone, "#queue-message", "δύο λεπτά")
    await has_text(phone, "#queue", "είναι έτοιμος")
    await look(phone, "waiting-message-phone")
    await phone.resize(DESKTOP)
    await look(phone, "waiting-desktop")
    await phone.resize(PHONE)
    await desktop.page.click(".is-next button[type=submit] >> nth=0")
    employee = await inside(desktop, EMPLOYEE_NAME)
    citizen = await inside(phone, CITIZEN_NAME)
    await see_and_hear_each_other([citizen, employee])
    return citizen, employee


async def identify(phone: ChromiumWindow, desktop: ChromiumWindow) -> None:
    """The camera stays on, a sharp picture is asked for, mistakes are told, the centre confirms."""
    await has_text(phone, "#kep-say", "δείξτε το έγγραφό σας")
    await look(phone, "identifying-citizen-phone")
    await look(desktop, "identifying-desktop")
    await desktop.resize(PHONE)
    await look(desktop, "identifying-phone")
    await desktop.resize(DESKTOP)
    sent = await phone.call(SENT)
    assert (sent["width"], sent["height"]) >= (1280, 720), sent
    await pressed(phone, ".control-camera")
    await has_text(phone, "#notices", "μένει ανοικτή")
    assert (await phone.call(SENT))["width"] == sent["width"]
    await pressed(desktop, "form[action$='/sharp-picture'] button")
    await has_text(phone, "#kep-say", "ακίνητο")
    sharp = await eventually(lambda: phone.call(SENT), lambda each: each["rate"] == 8, "sharp")
    assert sharp["hint"] == "detail"
    await look(phone, "sharp-phone")
    confirm = "form[action$='/identity'] button"
    await pressed(desktop, confirm)
    await has_text(desktop, "#kep-problem", "Ελέγξτε όλα τα σημεία")
    await look(desktop, "identity-mistakes-desktop")
    for box in await desktop.page.locator(".kep-check input").all():
        await box.check()
    await desktop.page.fill("[name=document_number]", "ΧΧ 123456")
    await pressed(desktop, confirm)
    await has_text(desktop, "#kep-problem", "δεν επιβεβαιώνει")
    await look(desktop, "identity-mismatch-desktop")
    await desktop.page.fill("[name=document_number]", "ΑΒ 123456")
    await pressed(desktop, confirm)
    await has_text(phone, "#kep-say", "επιβεβαιώθηκε")
    usual = await eventually(lambda: phone.call(SENT), lambda each: each["rate"] is None, "usual")
    assert usual["hint"] == ""
    await look(desktop, "serving-desktop")
    await look(phone, "serving-phone")


async def sound_only_and_back(citizen: Participant, employee: Participant) -> None:
    phone, desktop = citizen.window, employee.window
    assert isinstance(phone, ChromiumWindow) and isinstance(desktop, ChromiumWindow)
    await pressed(phone, "form[action$='/sound-only'] button")
    for window in (phone, desktop):
        await has_text(window, "#kep-say", "μόνο με ήχο")
    await perceive(citizen, employee.id, sees=False)
    await perceive(employee, citizen.id, sees=False)

    async def camera_is_off() -> bool:
        return bool(await phone.call("() => !synedrion.state.grants.camera"))

    await eventually(camera_is_off, bool, "the citizen's camera is off")
    await look(phone, "sound-only-phone")
    await look(desktop, "sound-only-desktop")
    await pressed(desktop, "form[action$='/sound-only'] button")
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
    await look(desktop, "interpreter-waits-desktop")
    await desktop.page.click("[aria-label^='Αποδοχή']")
    await desktop.page.click(".panel-waiting .panel-close")
    interpreter = await inside(third, "ΛΟΥΚΑΣ ΔΙΕΡΜΗΝΕΑΣ")
    await look(third, "three-interpreter-desktop")
    return interpreter


async def conclude(desktop: ChromiumWindow) -> None:
    """Fill the form of the outcome; the call ends; print."""
    async with desktop.page.context.expect_page() as opening:
        await desktop.page.click(".kep-call a[href$='/outcome']")
    window = ChromiumWindow(await opening.value)
    page = window.page
    await page.wait_for_load_state()
    await page.click(SUBMIT)
    await look(window, "outcome-mistakes-desktop")
    await page.select_option("#result", "completed")
    await page.select_option("#next_step", "await_result")
    await page.fill("#reference_number", "ΑΠ 42/2026")
    await look(window, "outcome-desktop")
    await page.click(SUBMIT)
    await has_text(window, "main", "Έντυπο επιτυχούς καταχώρισης")
    await look(window, "form-desktop")
    await window.resize(PHONE)
    await look(window, "form-phone")
    await page.emulate_media(media="print")
    await window.screenshot(PICTURES / "form-print.png")
    await has_text(desktop, "#ended", "ολοκληρώθηκε")
    await look(desktop, "ended-desktop")


async def check_receipt(phone: ChromiumWindow, folder: Path) -> None:
    """Take the receipt from the page at the end; the stand-alone verifier says that it holds."""
    await has_text(phone, "#ended", "ολοκληρώθηκε")
    await look(phone, "ended-phone")

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


async def check_nothing_kept(window: ChromiumWindow) -> None:
    """Storage is empty, and no script that was loaded names an interface that could record."""
    kept = await window.call(KEPT)
    assert kept["local"] == {} and kept["session"] == {}, kept
    assert kept["databases"] == [] and kept["caches"] == [], kept
    assert len(kept["scripts"]) > 10
    for script in kept["scripts"]:
        text: str = await window.call("(url) => fetch(url).then((each) => each.text())", script)
        for word in RECORDING:
            assert word not in text, (script, word)
