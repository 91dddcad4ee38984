"""Chromium, without JavaScript, from the first sign-in to an approved role; every page accessible."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.async_api import Browser, Page

from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    running_accounts,
)
from tests.support.page_steps import AXE, FIND_VIOLATIONS, SUBMIT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

PICTURES = Path("var/screenshots/accounts")
SIZES = {"desktop": (1100, 800), "phone": (390, 800)}


class Site(Protocol):
    """A running service."""

    @property
    def url(self) -> str:
        """Where it is."""


@dataclass
class Window:
    """A page whose every state is looked at, in one size and language."""

    server: Site
    page: Page
    name: str
    language: str
    problems: list[str] = field(default_factory=list)
    pictures: Path = PICTURES

    async def open(self, path: str, picture: str) -> None:
        await self.page.goto(self.server.url + path)
        await self.look(picture)

    async def press(self, selector: str, picture: str) -> None:
        await self.page.click(selector)
        await self.look(picture)

    async def look(self, picture: str) -> None:
        """Keep a picture; check language, width and, with axe-core, accessibility."""
        page = self.page
        await page.wait_for_load_state()
        await page.screenshot(path=self.pictures / f"{picture}-{self.name}.png", full_page=True)
        # The driver evaluates it: the page's own policy would refuse to load it, rightly.
        await page.evaluate(f"() => {{ {AXE.read_text(encoding='utf-8')} }}")
        found: list[str] = await page.evaluate(FIND_VIOLATIONS)
        assert found == [], picture
        is_wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not is_wide, f"{picture} scrolls sideways"
        if page.url.startswith(self.server.url):  # the development provider is Greek only
            assert await page.evaluate("document.documentElement.lang") == self.language

    async def enter(self, tax_number: str, email: str) -> None:
        """Sign in for the first time: the service, the terms, the e-mail and its link."""
        await self.open(f"/sign-in?lang={self.language}", "sign-in")
        await self.go_through(tax_number, email)
        assert self.page.url.endswith("/account?done=email")

    async def go_through(self, tax_number: str, email: str) -> None:
        """As `enter`, from the page that asks to sign in; to wherever it leads."""
        page = self.page
        await self.press("a.choice >> nth=0", "choose")
        await self.press(f"button[value='{tax_number}']", "terms")
        await self.press(SUBMIT, "terms-mistake")
        await page.check("#accept")
        await self.press(SUBMIT, "email")
        await page.fill("#email", "nobody")
        await self.press(SUBMIT, "email-mistake")
        await page.fill("#email", email)
        await self.press(SUBMIT, "email-waiting")
        await self.open("/outbox", "outbox")
        await self.press("main .mail-text a >> nth=0", "confirm")
        await self.press(SUBMIT, "account")


@contextlib.asynccontextmanager
async def window(browser: Browser, server: Site, size: str, language: str) -> AsyncIterator[Window]:
    width, height = SIZES[size]
    context = await browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    opened = Window(server, page, f"{size}-{language}", language)

    def note(message: Any) -> None:
        if "Content Security Policy" in message.text:
            opened.problems.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: opened.problems.append(str(error)))
    try:
        yield opened
    finally:
        await context.close()
    assert opened.problems == []


async def is_told_that_the_body_changed(administrator: Window) -> None:
    """Rename and close what a colleague has renamed meanwhile: one click more, and it is done."""
    page = administrator.page
    colleague = await page.context.new_page()
    await colleague.goto(page.url)
    await colleague.fill("#rename #name", "Δήμος του Πρώτου")
    await colleague.click("#rename button")
    await page.fill("#rename #name", "Δήμος του Δεύτερου")
    await administrator.press("#rename button", "body-changed-meanwhile")
    assert "Δήμος του Πρώτου (" in await page.inner_text("[role=alert]")
    assert await page.input_value("#rename #name") == "Δήμος του Δεύτερου"
    await administrator.press("[role=alert] button", "body-renamed")
    assert "Δήμος του Δεύτερου" in await page.inner_text("h1")

    unit = page.locator(".cards details >> nth=0")
    await unit.locator("summary").click()
    await colleague.goto(page.url)
    await colleague.locator(".cards details >> nth=0 >> summary").click()
    await colleague.locator(".cards details >> nth=0 >> input[name=name]").fill("Άλλη Μονάδα")
    await colleague.locator(".cards details >> nth=0 >> button >> nth=0").click()
    await colleague.close()
    await unit.locator(".link-button").click()
    await administrator.look("unit-changed-meanwhile")
    assert "Άλλη Μονάδα (" in await page.inner_text("[role=alert]")
    await administrator.press("[role=alert] button", "unit-closed")
    assert await page.locator(".cards .status-tag").count() == 1


@pytest.mark.parametrize(("size", "language"), [("desktop", "el"), ("phone", "el")])
async def test_clerk_asks_for_a_role_and_the_administrator_gives_it(
    browser: Browser, size: str, language: str
) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, size, language) as clerk,
        window(browser, server, size, language) as administrator,
    ):
        await clerk.open("/", "home")
        await clerk.enter(CLERK, "clerk@dimos.gr")
        await clerk.open("/account/role-request", "role-request")
        await clerk.press(SUBMIT, "role-request-mistakes")
        await clerk.page.fill("#body_name", "Δήμος Παραδείγματος")
        await clerk.page.fill("#phone", "2101234567")
        await clerk.page.fill("#purpose", "Συνεδριάσεις του Δημοτικού Συμβουλίου")
        await clerk.press(SUBMIT, "account-with-request")

        await administrator.enter(ADMINISTRATOR, "admin@example.gr")
        await administrator.open("/administration/requests", "requests")
        await administrator.press("main .cards a", "request")
        await administrator.press("button[value=refuse]", "request-mistake")
        await administrator.press("button[value=approve]", "requests-decided")
        await administrator.open("/administration/bodies", "bodies")
        await administrator.press("text=Δήμος Παραδείγματος", "body")
        assert "ΜΑΡΙΑ ΓΡΑΜΜΑΤΕΑΣ" in await administrator.page.inner_text("main")
        await is_told_that_the_body_changed(administrator)
        await administrator.open("/administration/mail", "mail")
        await administrator.open("/administration/audit", "audit")

        await clerk.open("/account", "account-with-role")
        assert "Συντονιστής Φορέα" in await clerk.page.inner_text("main")
        await clerk.open("/administration/bodies", "bodies-of-coordinator")
        await clerk.press("header form button", "signed-out")
        assert clerk.page.url.endswith("/signed-out")


async def test_english_pages_are_accessible_too(browser: Browser) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with (
        running_accounts() as server,
        window(browser, server, "desktop", "en") as administrator,
    ):
        await administrator.enter(ADMINISTRATOR, "admin@example.gr")
        for path in (
            "account",
            "account/role-request",
            "administration/requests",
            "administration/bodies",
            "administration/mail",
            "administration/audit",
        ):
            await administrator.open(f"/{path}", path.replace("/", "-"))
            text = await administrator.page.inner_text("h1, label, nav, button")
            assert not re.search("[Α-Ωα-ω]{3}", text.replace("Ελληνικά", "")), path
        await administrator.open("/administration/bodies", "bodies")
        await administrator.press("text=Δήμος Παραδείγματος", "body")
        await is_told_that_the_body_changed(administrator)


async def test_pages_work_without_scripts_and_by_keyboard(browser: Browser) -> None:
    async with running_accounts() as server:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(server.url + "/sign-in")
        await _tab_to(page, "Σύνδεση με κωδικούς Taxisnet")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/oauth/authorize**")
        await page.focus(f"button[value='{CLERK}']")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/terms**")
        await page.focus("#accept")
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/email")
        await page.focus("#email")
        await page.keyboard.type("clerk@dimos.gr")
        await page.keyboard.press("Enter")
        await page.wait_for_load_state()
        assert "clerk@dimos.gr" in await page.inner_text("main [role=status]")
        await context.close()


async def _tab_to(page: Page, text: str) -> None:
    for _ in range(20):
        await page.keyboard.press("Tab")
        if (await page.locator(":focus").inner_text()).strip() == text:
            return
    raise AssertionError(f"20 times Tab did not reach {text}")
