"""Every page that links lead to, with the sample data of `make run`, as each kind of visitor.

At the width of a small phone nothing scrolls sideways, and axe-core finds nothing; the keyboard alone
reaches and shows every control; nothing is left untranslated. Pictures are kept in var/screenshots/pages.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.support.accounts_server import ADMINISTRATOR, CLERK, MEMBER
from tests.support.browser import executable
from tests.support.keyboard import tab_problems
from tests.support.page_steps import AXE, FIND_VIOLATIONS
from tests.support.real_service import RealService, development_service

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.timeout(600)]

PICTURES = Path("var/screenshots/pages")
SMALL_PHONE = (360, 740)
DESKTOP = (1280, 900)
ELSEWHERE = re.compile(
    r"^/(sign-in/|api/|static/|rooms/|invitations/|email/confirm|.*\.ics$|.*\.csv$|.*/files/.+)"
)
"""Downloads, rooms (test_pages.py), links of mails, and the way to the sign-in service."""
STARTS = ("/", "/sign-in", "/nowhere", "/email", "/receipts", "/signed-out",
          *(f"/{each}/" + "0" * 64 for each in ("invitations", "role-invitations", "kep/link")))  # fmt: skip
"""What no page of ours has a link to, and where links begin."""
VISITORS = {"nobody": None, "clerk": CLERK, "chair": MEMBER, "administrator": ADMINISTRATOR,
            "employee": "150000029"}  # fmt: skip


@dataclass
class Walk:
    """One visitor's way through all pages."""

    service: RealService
    page: Page
    visitor: str
    problems: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    """Path by the pattern it is an example of."""

    async def sign_in(self, tax_number: str | None) -> None:
        if tax_number is None:
            return
        page = self.page
        await page.goto(self.service.url + "/sign-in")
        await page.click("a.choice >> nth=0")
        await page.click(f"button[value='{tax_number}']")
        if page.url.endswith("/terms"):
            await page.check("#accept")
            await page.click("main button[type=submit]")
        if page.url.endswith("/email"):
            await page.fill("#email", f"{self.visitor}@dimos.gr")
            await page.click("main button[type=submit]")
            await page.goto(self.service.url + "/outbox")
            await page.click("main .mail-text a >> nth=0")
            await page.click("main button[type=submit]")
        assert page.url.startswith(self.service.url + "/account"), page.url

    async def find_pages(self) -> None:
        """Follow links, one of each pattern."""
        waiting = deque(STARTS)
        while waiting:
            path = waiting.popleft()
            pattern = pattern_of(path)
            if pattern in self.seen:
                continue
            self.seen[pattern] = path
            await self.page.goto(self.service.url + path)
            links: list[str] = await self.page.eval_on_selector_all(
                "a[href]", "(links) => links.map((each) => each.href)"
            )
            for link in links:
                parts = urlsplit(link)
                is_ours = f"{parts.scheme}://{parts.netloc}" == self.service.url
                if is_ours and not ELSEWHERE.match(parts.path):
                    waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))

    async def look(self, pattern: str, path: str, language: str) -> None:
        """Open a page on a small phone."""
        page = self.page
        cookie = {"name": "lang", "value": language, "url": self.service.url}
        await page.context.add_cookies([cookie])  # type: ignore[list-item]
        await page.goto(self.service.url + path)
        await page.evaluate("document.fonts.ready.then(() => null)")
        name = f"{self.visitor}{re.sub(r'[^a-z{}]+', '-', pattern)}-{language}"
        await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self.problems.append(f"{self.visitor} {path}: {wide} px too wide")
        self.problems += [f"{self.visitor} {path}: {each}" for each in await violations(page)]
        if language == "en":
            shown = (await page.inner_text("body")).splitlines()
            greek = sorted({each.strip() for each in shown} & our_greek_words())
            self.problems += [f"{self.visitor} {path}: «{each}» is Greek" for each in greek]

    async def tab(self, path: str) -> None:
        """Open a page on a desktop and press Tab through it."""
        await self.page.goto(f"{self.service.url}{path}")
        self.problems += [
            f"{self.visitor} {path}: {each}" for each in await tab_problems(self.page)
        ]


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds, at the width the page has."""
    axe = await asyncio.to_thread(AXE.read_text, encoding="utf-8")
    # Evaluated by the driver, not loaded by the page: its policy would refuse that, rightly.
    await page.evaluate(f"() => {{ {axe} }}")
    found: list[str] = await page.evaluate(FIND_VIOLATIONS)
    return found


def pattern_of(path: str) -> str:
    """Return the path with ids and values left out."""
    path, _, query = path.partition("?")
    path = re.sub(r"[0-9a-f]{32,}|(?<=/)[\w-]*\d[\w-]*(?=/|$)", "{}", path)
    keys = sorted({each.partition("=")[0] for each in query.split("&")} - {"lang", ""})
    return path + ("?" + ",".join(keys) if keys else "")


@functools.cache
def our_greek_words() -> frozenset[str]:
    """Return the Greek texts of the templates: what people typed is not among them."""
    folder = Path("signaling/web/templates")
    texts = "".join(each.read_text() for each in folder.glob("texts*.html"))
    found = frozenset(re.findall(r"'([^'\n]*[Α-Ωα-ω]{3}[^'\n]*)'", texts)) - {"Ελληνικά"}
    return frozenset(each for each in found if not re.search("[A-Za-z]{4}", each))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=executable("chromium"),
            args=["--no-sandbox", "--use-fake-device-for-media-stream",
                  "--use-fake-ui-for-media-stream"],
        )  # fmt: skip
        yield opened
        await opened.close()


async def test_every_page_fits_a_small_phone_and_is_usable_by_keyboard(
    browser: Browser, tmp_path: Path
) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    problems: list[str] = []
    known: set[str] = set()
    async with development_service(tmp_path, has_samples=True) as service:
        for visitor, tax_number in VISITORS.items():
            context = await browser.new_context(
                viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, reduced_motion="reduce"
            )
            walk = Walk(service, await context.new_page(), visitor)
            await walk.sign_in(tax_number)
            await walk.find_pages()
            new = {each: path for each, path in walk.seen.items() if each not in known}
            known |= set() if tax_number is None else set(new)
            for path in new.values():
                await walk.tab(path)
            await walk.page.set_viewport_size({"width": SMALL_PHONE[0], "height": SMALL_PHONE[1]})
            for pattern, path in new.items():
                for language in ("en", "el"):
                    await walk.look(pattern, path, language)
            problems += walk.problems
            await context.close()
    assert len(known) > 40, sorted(known)
    assert not problems, "\n".join(problems)
