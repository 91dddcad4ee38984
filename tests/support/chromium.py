"""Debian's Chromium behind `browser.Window`, driven by Playwright, headless, with fake devices."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import ConsoleMessage, Dialog, Page, async_playwright

from tests.support.browser import DESKTOP, Capture, Findings, Sending, Viewport, executable, scripts

ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-quic",
]


class Chromium:
    """A running Chromium: one process tree, each window with a profile of its own."""

    def __init__(self, browser: PlaywrightBrowser) -> None:
        self._browser = browser

    async def window(
        self,
        *,
        viewport: Viewport = DESKTOP,
        capture: Capture | None = None,
        sending: Sending | None = None,
    ) -> ChromiumWindow:
        """Open a window."""
        context = await self._browser.new_context(
            viewport={"width": viewport.width, "height": viewport.height},
            device_scale_factor=viewport.pixel_ratio,
            is_mobile=viewport.is_phone,
            has_touch=viewport.is_phone,
        )
        for script in scripts(capture, sending):
            await context.add_init_script(script)
        return ChromiumWindow(await context.new_page())


class ChromiumWindow:
    """One page in a browser context of its own."""

    browser = "chromium"

    def __init__(self, page: Page) -> None:
        self.page = page
        """For what only this browser's tests need: keys, files."""
        self.findings = Findings()
        page.on("console", self._handle_console)
        page.on("pageerror", lambda error: self.findings.page_errors.append(str(error)))
        page.on("request", lambda request: self.findings.requests.append(request.url))
        page.on("dialog", self._handle_dialog)

    async def open(self, address: str) -> None:
        """Load `address` and wait for it."""
        await self.page.goto(address, wait_until="load")

    async def call(self, function: str, *arguments: Any) -> Any:
        """Return the JSON value of `function` called with `arguments`."""
        text = await self.page.evaluate(
            f"async (values) => JSON.stringify((await ({function})(...values)) ?? null)",
            list(arguments),
        )
        return json.loads(text)

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path)

    async def resize(self, viewport: Viewport) -> None:
        """Give the window another inner size."""
        await self.page.set_viewport_size({"width": viewport.width, "height": viewport.height})

    async def set_cookie(self, name: str, value: str, url: str) -> None:
        """Let the window's requests to the server of `url` carry a cookie."""
        await self.page.context.add_cookies([{"name": name, "value": value, "url": url}])

    async def close(self) -> None:
        """Close the window and forget its profile."""
        await self.page.context.close()

    def _handle_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.findings.console_problems.append(message.text)

    async def _handle_dialog(self, dialog: Dialog) -> None:
        self.findings.dialogs.append(dialog.message)
        await dialog.dismiss()


@contextlib.asynccontextmanager
async def running_chromium(*extra_arguments: str) -> AsyncIterator[Chromium]:
    """Start Chromium; it ends with the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable("chromium"), args=[*ARGUMENTS, *extra_arguments]
        )
        try:
            yield Chromium(browser)
        finally:
            await browser.close()
