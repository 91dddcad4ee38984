"""Chromium at the coordinator's desk: every page accessible, in both sizes, without scripts."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.test_accounts import Window, window
from tests.support.accounts_server import ADMINISTRATOR, running_accounts
from tests.support.desk import HEAD, fields_on, give_role
from tests.support.page_steps import SUBMIT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]
PICTURES = Path("var/screenshots/accounts")
PEOPLE = "Όνομα;E-mail;Ιδιότητα\nΆννα Προέδρου;anna@dimos.gr;πρόεδρος\nΚακή γραμμή;nobody;μέλος\n"


async def make_council(head: Window) -> None:
    """A collective body with a member by form and another by file."""
    page = head.page
    await head.open("/desk/collective-bodies", "desk-collective-bodies")
    await page.fill("#name", "Δημοτικό Συμβούλιο")
    await head.press(SUBMIT, "desk-collective-body-empty")
    await page.fill("#name", "Νίκος Δημάρχου")
    await page.fill("#email", "nobody")
    await page.select_option("#office", "mayor")
    await head.press("form[action$='/members'] button", "desk-member-mistake")
    await page.fill("#email", "dimarchos@dimos.gr")
    await head.press("form[action$='/members'] button", "desk-member")
    await head.press("a[href$='/import']", "desk-import")
    await page.fill("#text", PEOPLE)
    await head.press(SUBMIT, "desk-import-preview")
    await head.press(SUBMIT, "desk-collective-body")
    assert "Άννα Προέδρου" in await page.inner_text("main")


async def make_sitting(head: Window) -> None:
    """From the empty form, by way of its mistakes, to a sitting with an agenda."""
    page = head.page
    await head.open("/desk", "desk-empty")
    await head.press("a[href='/desk/sittings/new']", "desk-sitting-form")
    await head.press(SUBMIT, "desk-sitting-mistakes")
    fields = fields_on()
    await page.select_option("#place", label="Δημοτικό Συμβούλιο (Δήμος Παραδείγματος)")
    await page.fill("#date", fields["date"])
    await page.fill("#time", fields["time"])
    await page.fill("#title", "8η τακτική συνεδρίαση")
    await page.fill("#agenda", "Έγκριση πρακτικών\nΠροϋπολογισμός | Οικονομική Υπηρεσία")
    await head.press(SUBMIT, "desk-sitting")
    await head.press("a[href$='/agenda']", "desk-agenda")
    colleague = await page.context.new_page()
    await colleague.goto(page.url)
    await colleague.check("#remove_0")
    await colleague.fill("#title_2", "Ορισμός επιτροπής")
    await colleague.click(SUBMIT)
    await colleague.close()
    await page.fill("#number_1", "1")
    await page.fill("#number_0", "2")
    await page.fill("#title_2", "Κυκλοφοριακές ρυθμίσεις")
    await head.press(SUBMIT, "desk-agenda-changed-meanwhile")
    assert "Ορισμός επιτροπής" in await page.inner_text("[role=alert]")
    await head.press(SUBMIT, "desk-sitting-with-agenda")
    assert "Ορισμός επιτροπής" in await page.inner_text(".agenda")
    text = await page.inner_text(".agenda")
    assert text.index("Προϋπολογισμός") < text.index("Έγκριση") < text.index("Κυκλοφοριακές")
    await head.press("a[href$='/edit']", "desk-sitting-edit")


async def look_around(head: Window) -> None:
    """Calendar, lists, templates, rehearsal, refusal for overlap, cancellation."""
    page = head.page
    await head.open("/desk/calendar?month=" + fields_on()["date"][:7], "desk-month")
    await head.press(".calendar-items a >> nth=0", "desk-sitting-from-calendar")
    sitting = page.url.partition("?")[0].removeprefix(head.server.url)
    await page.click("summary >> text=Αποθήκευση ως πρότυπο")
    await head.press("form[action$='/template'] button", "desk-template-kept")
    await head.open("/desk/templates", "desk-templates")
    await head.press(".cards a >> nth=0", "desk-template")
    await head.open("/desk", "desk")
    await head.press(".plain-list a", "desk-sitting-from-template")
    await page.fill("#date", fields_on()["date"])
    await page.fill("#time", "19:00")
    await head.press(SUBMIT, "desk-sitting-overlap")
    await page.fill("#date", "2027-03-28")
    await page.fill("#time", "03:30")
    await head.press("main button[type=submit] >> nth=-1", "desk-sitting-missing-hour")
    await page.fill("#date", "2027-10-31")
    await head.press("main button[type=submit] >> nth=-1", "desk-sitting-ambiguous")
    await head.open("/desk", "desk")
    await head.press("form[action='/desk/rehearsals'] button", "desk-rehearsal")
    assert "Ανοικτή τώρα" in await page.inner_text("main")
    await head.open("/desk/calendar?week=", "desk-week")
    await head.open("/desk/sittings", "desk-sittings")
    await head.open(sitting, "desk-sitting-again")
    await page.click("summary >> text=Ακύρωση συνεδρίασης")
    await head.press("form[action$='/cancel'] button", "desk-cancel-mistake")
    await page.fill("#reason", "Έλλειψη απαρτίας")
    colleague = await page.context.new_page()
    await colleague.goto(f"{head.server.url}{sitting}")
    await colleague.click("form[action$='/extend'] button >> nth=0")
    await colleague.goto(f"{head.server.url}{sitting}/agenda")
    await colleague.fill("#title_0", "Δεν προλάβαμε")
    await head.press("form[action$='/cancel'] button", "desk-cancel-changed-meanwhile")
    assert "18:00–20:15 (πριν:" in await page.inner_text("[role=alert]")
    assert await page.input_value("#reason") == "Έλλειψη απαρτίας"
    await head.press("[role=alert] button", "desk-cancelled")
    assert "Έλλειψη απαρτίας" in await page.inner_text("main")
    await head.open(f"{sitting}/agenda", "desk-agenda-locked")
    head.page = colleague
    await head.press(SUBMIT, "desk-agenda-of-cancelled")
    assert await colleague.input_value("#title_0") == "Δεν προλάβαμε"
    assert await colleague.locator(SUBMIT).count() == 0
    head.page = page
    await colleague.close()


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_coordinator_schedules_a_sitting(browser: Browser, size: str) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, size, "el") as head,
        window(browser, server, size, "el") as administrator,
    ):
        await head.enter(HEAD, "head@dimos.gr")
        await give_role(server, "head@dimos.gr", "Δήμος Παραδείγματος")
        await make_council(head)
        await make_sitting(head)
        await look_around(head)
        await administrator.enter(ADMINISTRATOR, "admin@example.gr")
        day = fields_on(0)["date"]
        await administrator.open(f"/administration/capacity?day={day}", "desk-capacity")
        await administrator.press("summary", "desk-capacity-table")


async def is_told_that_the_rehearsal_changed(head: Window) -> None:
    """Extend what a colleague has extended meanwhile: one click more, and it is done."""
    page = head.page
    await head.press("form[action='/desk/rehearsals'] button", "desk-rehearsal")
    colleague = await page.context.new_page()
    await colleague.goto(page.url)
    await colleague.click("form[action$='/extend'] button >> nth=0")
    await colleague.close()
    await head.press("form[action$='/extend'] button >> nth=1", "desk-extend-changed-meanwhile")
    assert "What changed:" in await page.inner_text("[role=alert]")
    await head.press("[role=alert] button", "desk-extended")
    assert "The meeting is extended." in await page.inner_text("[role=status]")


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_english_desk_is_accessible_too(browser: Browser, size: str) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, size, "en") as head,
    ):
        await head.enter(HEAD, "head@dimos.gr")
        await give_role(server, "head@dimos.gr", "Δήμος Παραδείγματος")
        for path in ("", "/calendar", "/calendar?week=", "/sittings", "/sittings/new",
                     "/collective-bodies", "/templates", "/templates/new"):  # fmt: skip
            name = "desk" + re.sub(r"\W", "-", path)
            await head.open(f"/desk{path}", name)
            text = " ".join(await head.page.locator("h1, h2, label, nav, button").all_inner_texts())
            assert not re.search("[Α-Ωα-ω]{3}", text.replace("Ελληνικά", "")), (path, text)
        await head.open("/desk", "desk")
        await is_told_that_the_rehearsal_changed(head)
