"""One service, one Chromium, one Firefox for all tests here; each has its own room and windows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import async_playwright

from tests.support.browser import DESKTOP, Browser, Capture, Sending, Viewport, Window, executable
from tests.support.chromium import running_chromium
from tests.support.firefox import running_firefox
from tests.support.participant import Participant
from tests.support.service import OUTPUT, Service, running_service

CSP_WORDS = ("content security policy", "content-security-policy")
SMALL = Capture()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The service that all browser tests share."""
    async with running_service(tmp_path_factory.mktemp("service"), "browser-tests") as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers() -> AsyncIterator[dict[str, Browser]]:
    """Both browsers, by name."""
    async with running_chromium() as chromium, running_firefox() as firefox:
        yield {"chromium": chromium, "firefox": firefox}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[PlaywrightBrowser]:
    """A Chromium for pages without media; each test has contexts of its own."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=executable("chromium"), args=["--no-sandbox"], headless=True
        )
        yield opened
        await opened.close()


@dataclass
class Stage:
    """Opens windows and lets people in; everything is closed, and checked, after the test."""

    service: Service
    browsers: dict[str, Browser]
    windows: list[Window] = field(default_factory=list)

    async def window(
        self, browser: str, *, viewport: Viewport = DESKTOP, capture: Capture | None = SMALL,
        sending: Sending | None = None,
    ) -> Window:  # fmt: skip
        """Open a window of `chromium` or `firefox`."""
        window = await self.browsers[browser].window(
            viewport=viewport, capture=capture, sending=sending
        )
        self.windows.append(window)
        return window

    async def enter(
        self, room: str, browser: str, name: str, *, role: str = "member",
        viewport: Viewport = DESKTOP, capture: Capture | None = SMALL,
        sending: Sending | None = None,
    ) -> Participant:  # fmt: skip
        """Let somebody into the room through the lobby; returns when the media is connected."""
        window = await self.window(browser, viewport=viewport, capture=capture, sending=sending)
        participant = Participant(window, name)
        await participant.enter(room, role=role)
        return participant

    async def enter_all(self, room: str, *people: tuple[str, str, str]) -> list[Participant]:
        """Let several in at once, each as (browser, name, role)."""
        entering = [self.enter(room, browser, name, role=role) for browser, name, role in people]
        return list(await asyncio.gather(*entering))

    def problems(self) -> list[str]:
        """Return what no page of ours may ever cause."""
        found = []
        for window in self.windows:
            found += [f"uncaught: {text}" for text in window.findings.page_errors]
            found += [f"dialog: {text}" for text in window.findings.dialogs]
            found += [
                f"policy: {text}"
                for text in window.findings.console_problems
                if any(word in text.lower() for word in CSP_WORDS)
            ]
            found += [
                f"foreign request: {address}"
                for address in window.findings.requests
                if not address.startswith((self.service.base, "data:", "blob:", "ws:", "about:"))
            ]
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    service: Service, browsers: dict[str, Browser], request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A stage for one test. Keeps pictures of what the windows showed if the test failed."""
    stage = Stage(service, browsers)
    try:
        yield stage
        report = getattr(request.node, "report_of_call", None)
        if report is not None and report.failed:
            await _keep_pictures(stage, request.node.name)
    finally:
        await asyncio.gather(*(window.close() for window in stage.windows), return_exceptions=True)
    assert stage.problems() == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Let fixtures know how the test went."""
    report = yield
    if report.when == "call":
        item.report_of_call = report  # type: ignore[attr-defined]
    return report


async def _keep_pictures(stage: Stage, test: str) -> None:
    name = "".join(letter if letter.isalnum() else "-" for letter in test)
    shots = (
        window.screenshot(Path(OUTPUT, "failures", f"{name}-{number}-{window.browser}.png"))
        for number, window in enumerate(stage.windows, 1)
    )
    await asyncio.gather(*shots, return_exceptions=True)
