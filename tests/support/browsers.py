"""Small drivers of the installed browsers: evaluate JavaScript in one page, headless, with fake
devices.

Chromium by Playwright; Firefox ESR by WebDriver BiDi, which Playwright cannot speak to a stock
Firefox.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from playwright.async_api import async_playwright

CHROMIUM = "/usr/bin/chromium"
FIREFOX = "/usr/bin/firefox-esr"

_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-quic",
]
_FIREFOX_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "remote.active-protocols": 1,
}


class Page(Protocol):
    """A page of a running browser."""

    async def evaluate(self, expression: str) -> Any:
        """Return the JSON value that the string promised by `expression` parses to."""


@contextlib.asynccontextmanager
async def chromium_page(address: str) -> AsyncIterator[Page]:
    """Open `address` in Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=_CHROMIUM_ARGUMENTS, headless=True
        )
        try:
            page = await browser.new_page()
            await page.goto(address)
            yield _ChromiumPage(page)
        finally:
            await browser.close()


class _ChromiumPage:
    def __init__(self, page: Any) -> None:
        self._page = page

    async def evaluate(self, expression: str) -> Any:
        return json.loads(await self._page.evaluate(expression))


@contextlib.asynccontextmanager
async def firefox_page(address: str) -> AsyncIterator[Page]:
    """Open `address` in Firefox ESR."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f'user_pref("{k}", {json.dumps(v)});' for k, v in _FIREFOX_PREFERENCES.items()]
        Path(profile, "user.js").write_text("\n".join(lines))  # noqa: ASYNC240 - a test's own loop
        process = await asyncio.create_subprocess_exec(
            FIREFOX, "--headless", "--profile", profile, "--remote-debugging-port", str(port),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as http, await _bidi_socket(http, port) as channel:
                page = _FirefoxPage(channel)
                await page.open(address)
                yield page
        finally:
            process.terminate()
            await process.wait()


async def _bidi_socket(http: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
    for _ in range(150):
        try:
            return await http.ws_connect(f"http://127.0.0.1:{port}/session", max_msg_size=0)
        except aiohttp.ClientError:
            await asyncio.sleep(0.2)
    raise TimeoutError("Firefox does not listen for WebDriver BiDi")


class _FirefoxPage:
    def __init__(self, channel: aiohttp.ClientWebSocketResponse) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._context = ""

    async def open(self, address: str) -> None:
        await self._command("session.new", capabilities={})
        tree = await self._command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]
        await self._command(
            "browsingContext.navigate", context=self._context, url=address, wait="complete"
        )

    async def evaluate(self, expression: str) -> Any:
        answer = await self._command(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def _command(self, method: str, **params: Any) -> Any:
        command_id = next(self._ids)
        await self._channel.send_json({"id": command_id, "method": method, "params": params})
        async with asyncio.timeout(30):
            while True:
                message = await self._channel.receive_json()
                if message.get("id") == command_id:
                    if "error" in message:
                        raise RuntimeError(f"{method}: {message['message']}")
                    return message["result"]
