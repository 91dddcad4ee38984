"""Chromium, without JavaScript, through a booking and the desks of ΚΕΠ; every page accessible."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.test_accounts import Window, window
from tests.support.accounts_server import running_accounts
from tests.support.page_steps import SUBMIT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

PICTURES = Path("var/screenshots/accounts")
CITIZEN, MANAGER = "000000061", "150000042"
KEEP_FACTS = "section[aria-labelledby='facts-title'] button.govgr-btn-primary"
MAIN_BUTTON = "main .kep-actions button.govgr-btn-primary"


async def fill_person(window: Window) -> None:
    page = window.page
    await page.fill("#phone", "6900000000")
    await page.fill("#address", "Οδός Παραδείγματος 1, 105 51 Αθήνα")
    await page.check("#document-identity_card")
    await page.check("#need_sign_language")
    await page.check("#delivery-at_kep")


@pytest.mark.parametrize(("size", "language"), [("phone", "el"), ("desktop", "en")])
async def test_citizen_books_a_municipal_service(
    browser: Browser, size: str, language: str
) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, size, language) as citizen,
    ):
        await citizen.enter(CITIZEN, "citizen@example.gr")
        await citizen.open("/", "kep-home")
        await citizen.open("/kep", "kep-front")
        await citizen.open("/kep/guide", "kep-guide")
        await citizen.open("/kep/book", "kep-themes")
        await citizen.press("a[href='/kep/book/municipal']", "kep-municipalities")
        await citizen.press("main .theme-card >> nth=1", "kep-services")
        await citizen.press("main .theme-card >> nth=0", "kep-times")
        await citizen.press("a.calendar-day >> nth=3", "kep-times-day")
        await citizen.press("a.hour >> nth=1", "kep-person")
        await citizen.press(SUBMIT, "kep-person-mistakes")
        await fill_person(citizen)
        await citizen.press(SUBMIT, "kep-review")
        await citizen.press(MAIN_BUTTON, "kep-booked")
        assert "/kep/appointments/" in citizen.page.url
        await citizen.open("/outbox", "kep-outbox")
        await citizen.press("main .mail-text a >> nth=0", "kep-appointment")
        await citizen.press("main .kep-actions a >> nth=0", "kep-reschedule")
        await citizen.press("a.hour >> nth=0", "kep-reschedule-confirm")
        await citizen.press(MAIN_BUTTON, "kep-moved")
        await citizen.press("main .kep-actions a >> nth=1", "kep-cancel")
        await citizen.press(SUBMIT, "kep-cancelled")
        await citizen.open("/kep/appointments", "kep-appointments")
        await citizen.open("/account", "kep-account")


@pytest.mark.parametrize(("size", "language"), [("desktop", "el"), ("phone", "el")])
async def test_manager_looks_after_keps(browser: Browser, size: str, language: str) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, size, language) as manager,
    ):
        await manager.enter(MANAGER, "manager@example.gr")
        await manager.open("/administration/kep", "kep-overview")
        await manager.open("/administration/kep/bookings", "kep-bookings")
        await manager.open("/administration/kep/services", "kep-admin-services")
        await manager.open("/administration/kep/days", "kep-days")
        await manager.open("/administration/kep/keps", "kep-keps")
        await manager.press("main .cards a >> nth=0", "kep-kep")
        await manager.page.fill("#workstation_name", "Θέση 7")
        await manager.press("form[action$='/workstations'] button", "kep-kep-changed")
        assert "Θέση 7" in await manager.page.inner_text("main")
        colleague = await manager.page.context.new_page()
        await colleague.goto(manager.page.url)
        await colleague.fill("#phone", "2100000000")
        await colleague.click(KEEP_FACTS)
        await manager.page.fill("#address", "Νέα 1")
        await manager.press(KEEP_FACTS, "kep-kep-stale")
        assert "2100000000" in await manager.page.inner_text("main [role=alert]")
        await manager.press(KEEP_FACTS, "kep-kep-decided")
        assert await manager.page.input_value("#address") == "Νέα 1"


async def test_booking_works_without_scripts(browser: Browser) -> None:
    async with running_accounts() as server:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(server.url + "/sign-in/citizens")
        await page.click(f"button[value='{CITIZEN}']")
        await page.check("#accept")
        await page.click(SUBMIT)
        await page.fill("#email", "citizen@example.gr")
        await page.click(SUBMIT)
        await page.goto(server.url + "/outbox")
        await page.click("main .mail-text a >> nth=0")
        await page.click(SUBMIT)
        await page.goto(server.url + "/kep/book/information")
        await page.click("main .theme-card >> nth=0")
        await page.click("a.hour >> nth=0")
        await page.fill("#phone", "6900000000")
        await page.fill("#address", "Οδός 1")
        await page.check("#document-passport")
        await page.check("#delivery-email")
        await page.click(SUBMIT)
        await page.click(MAIN_BUTTON)
        assert "κλείστηκε" in await page.inner_text("main [role=status]")
        await context.close()
