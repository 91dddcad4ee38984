"""A headless Chromium with fake devices, driven by the Chrome DevTools Protocol over its WebSocket.

Nothing but the browser itself is needed. Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-quic",
    "--mute-audio",
)
START_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
ADDRESS_MARK = b"DevTools listening on "


class BrowsersMissing(Exception):
    """There is no browser, or it does not start; the text says how to get one."""


class PageFailed(Exception):
    """The page or the browser does not do what it is asked to."""


class Chromium:
    """One running browser; made by `running_chromium`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last_id = 0
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def page(self, script: str) -> Page:
        """Open an empty page with a profile of its own; `script` runs before those of each site."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call(
            "Target.createTarget",
            url="about:blank",
            browserContextId=context["browserContextId"],
        )
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, attached["sessionId"])
        await self.call("Page.enable", page.session)
        await self.call("Page.addScriptToEvaluateOnNewDocument", page.session, source=script)
        return page

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Return the result of a protocol method.

        Raises:
            PageFailed: it is refused, or not answered.
        """
        self._last_id += 1
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[self._last_id] = reply
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        try:
            await self._socket.send_str(msgspec.json.encode(message).decode())
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer = await reply
        except (TimeoutError, ConnectionError) as error:
            raise PageFailed(f"the browser does not answer {method}") from error
        if "error" in answer:
            raise PageFailed(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    async def read(self) -> None:
        """Take replies until the browser is gone."""
        try:
            async for frame in self._socket:
                message = msgspec.json.decode(frame.data)
                reply = self._replies.pop(message.get("id", 0), None)
                if reply is not None and not reply.done():
                    reply.set_result(message)
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(PageFailed("the browser ended"))


class Page:
    """One page."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self.session = session

    async def open(self, address: str) -> None:
        """Go to `address`.

        Raises:
            PageFailed: it cannot be reached.
        """
        gone = await self._browser.call("Page.navigate", self.session, url=address)
        if gone.get("errorText"):
            raise PageFailed(f"the page cannot be opened: {gone['errorText']}")

    async def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression or promise of the page.

        Raises:
            PageFailed: it throws.
        """
        answer = await self._browser.call(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details.get("text")
            raise PageFailed(f"in the page: {str(text).splitlines()[0]}")
        return answer["result"].get("value")


def find_chromium(program: str | None) -> str:
    """Return the path of `program`, or of the first known browser.

    Raises:
        BrowsersMissing: there is none.
    """
    for name in [program] if program else PROGRAMS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BrowsersMissing(
        f"{program or 'Chromium'} is not installed: `apt-get install chromium`, or name a Chromium "
        "or Chrome with --chromium PATH, or leave --browsers out"
    )


@contextlib.asynccontextmanager
async def running_chromium(http: aiohttp.ClientSession, program: str) -> AsyncIterator[Chromium]:
    """Start `program`; it ends with the block.

    Raises:
        BrowsersMissing: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="synedrion-browser-") as profile:
        process = await asyncio.create_subprocess_exec(
            program, *ARGUMENTS, *_sandbox_arguments(), f"--user-data-dir={profile}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, process_group=0,
        )  # fmt: skip
        try:
            address = await _wait_for_address(process, program)
            draining = asyncio.create_task(_drain(process))
            async with http.ws_connect(address, max_msg_size=0) as socket:
                browser = Chromium(socket)
                reading = asyncio.create_task(browser.read(), name="browser-replies")
                yield browser
                reading.cancel()
            draining.cancel()
            await asyncio.gather(reading, draining, return_exceptions=True)
        finally:
            await _stop(process)


async def _wait_for_address(process: asyncio.subprocess.Process, program: str) -> str:
    assert process.stderr is not None
    last = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_S):
            async for line in process.stderr:
                last = line or last
                if line.startswith(ADDRESS_MARK):
                    return line.removeprefix(ADDRESS_MARK).decode().strip()
    raise BrowsersMissing(f"{program} does not start: {last.decode(errors='replace').strip()}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Keep the browser's complaints from filling the pipe."""
    assert process.stderr is not None
    async for _ in process.stderr:
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _sandbox_arguments() -> list[str]:
    """Chromium's sandbox refuses to run as root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
