"""Firefox ESR behind `browser.Window`: headless, fake devices, WebDriver BiDi over a WebSocket.

Playwright cannot drive a stock Firefox. Only the commands we use (W3C WebDriver BiDi).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.support.browser import DESKTOP, Capture, Findings, Sending, Viewport, executable, scripts
from tests.support.ports import free_port

COMMAND_TIMEOUT_S = 30.0
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

EXCEPTION = re.compile(r"uncaught|\w*(?:Error|Exception)\b", re.IGNORECASE)
"""How the text of an exception that nobody caught begins."""

PREFERENCES: dict[str, Any] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.navigator.audio.fake_frequency": 600,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.gmp-manager.updateEnabled": False,
    "remote.active-protocols": 1,
    # Nothing goes out, nothing is asked, nothing waits for a window in front.
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_beforeunload": True,
    "dom.min_background_timeout_value": 10,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "widget.windows.window_occlusion_tracking.enabled": False,
}


class BiDi:
    """One WebDriver BiDi session: commands matched to answers by id, events handed to windows."""

    def __init__(self, channel: aiohttp.ClientWebSocketResponse) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.windows: dict[str, FirefoxWindow] = {}
        """By browsing context."""

    async def command(self, method: str, **params: Any) -> Any:
        """Return the command's result.

        Raises:
            RuntimeError: the browser refused it.
        """
        command_id = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = answer
        await self._channel.send_json({"id": command_id, "method": method, "params": params})
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            message = await answer
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    async def read(self) -> None:
        """Read until the browser ends the session. To be run in a task."""
        async for frame in self._channel:
            message = json.loads(frame.data)
            if message["type"] == "event":
                self._handle_event(message["method"], message["params"])
            elif (waiting := self._waiting.pop(message["id"], None)) and not waiting.done():
                waiting.set_result(message)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("Firefox ended the session"))

    def _handle_event(self, method: str, params: dict[str, Any]) -> None:
        context = params.get("context") or params.get("source", {}).get("context")
        window = self.windows.get(context or "")
        if window is not None:
            window.handle_event(method, params)


class Firefox:
    """A running Firefox: one process tree, each window with cookies of its own."""

    def __init__(self, session: BiDi) -> None:
        self._session = session

    async def window(
        self,
        *,
        viewport: Viewport = DESKTOP,
        capture: Capture | None = None,
        sending: Sending | None = None,
    ) -> FirefoxWindow:
        """Open a window: a tab behind another would count as hidden and be asked for nothing."""
        user = (await self._session.command("browser.createUserContext"))["userContext"]
        created = await self._session.command(
            "browsingContext.create", type="window", userContext=user
        )
        window = FirefoxWindow(self._session, created["context"], user)
        self._session.windows[created["context"]] = window
        for script in scripts(capture, sending):
            await self._session.command(
                "script.addPreloadScript",
                functionDeclaration=f"() => {{ {script} }}",
                contexts=[created["context"]],
            )
        await window.resize(viewport)
        return window


class FirefoxWindow:
    """One top-level browsing context."""

    browser = "firefox"

    def __init__(self, session: BiDi, context: str, user: str) -> None:
        self._session = session
        self._context = context
        self._user = user
        self.findings = Findings()

    async def open(self, address: str) -> None:
        """Load `address` and wait for it."""
        await self._session.command(
            "browsingContext.navigate", context=self._context, url=address, wait="complete"
        )

    async def call(self, function: str, *arguments: Any) -> Any:
        """Return the JSON value of `function` called with `arguments`."""
        answer = await self._session.command(
            "script.callFunction",
            functionDeclaration=(
                "async (values) => JSON.stringify("
                f"(await ({function})(...JSON.parse(values))) ?? null)"
            ),
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        shot = await self._session.command(
            "browsingContext.captureScreenshot", context=self._context
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))

    async def resize(self, viewport: Viewport) -> None:
        """Give the window another inner size."""
        await self._session.command(
            "browsingContext.setViewport",
            context=self._context,
            viewport={"width": viewport.width, "height": viewport.height},
            devicePixelRatio=viewport.pixel_ratio,
        )

    async def set_cookie(self, name: str, value: str, url: str) -> None:
        """Let the window's requests to the server of `url` carry a cookie."""
        await self._session.command(
            "storage.setCookie",
            cookie={
                "name": name,
                "value": {"type": "string", "value": value},
                "domain": urlsplit(url).hostname,
                "path": "/",
                "httpOnly": True,
                "sameSite": "lax",
            },
            partition={"type": "storageKey", "userContext": self._user},
        )

    async def close(self) -> None:
        """Close the window and forget its cookies."""
        self._session.windows.pop(self._context, None)
        await self._session.command("browsingContext.close", context=self._context)
        await self._session.command("browser.removeUserContext", userContext=self._user)

    def handle_event(self, method: str, params: dict[str, Any]) -> None:
        """Note what the session reports about this window."""
        if method == "network.beforeRequestSent":
            self.findings.requests.append(params["request"]["url"])
        elif method == "browsingContext.userPromptOpened":
            self.findings.dialogs.append(params["message"])
        elif method == "log.entryAdded" and params["level"] in ("error", "warn"):
            text = params.get("text") or ""
            # Firefox also reports refused loads and lost sockets as errors of JavaScript.
            is_exception = params["type"] == "javascript" and EXCEPTION.match(text) is not None
            findings = self.findings
            (findings.page_errors if is_exception else findings.console_problems).append(text)


@contextlib.asynccontextmanager
async def running_firefox() -> AsyncIterator[Firefox]:
    """Start Firefox with a new profile; both end with the block."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        _write_preferences(Path(profile, "user.js"))
        process = await asyncio.create_subprocess_exec(
            executable("firefox-esr"), "--headless", "--profile", profile,
            "--remote-debugging-port", str(port),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as http, await _connect(http, port) as channel:
                session = BiDi(channel)
                reader = asyncio.create_task(session.read())
                await session.command(
                    "session.new",
                    capabilities={
                        "alwaysMatch": {"unhandledPromptBehavior": {"default": "dismiss"}}
                    },
                )
                await session.command(
                    "session.subscribe",
                    events=[
                        "log.entryAdded",
                        "network.beforeRequestSent",
                        "browsingContext.userPromptOpened",
                    ],
                )
                yield Firefox(session)
                reader.cancel()
        finally:
            await _stop(process)


def _write_preferences(path: Path) -> None:
    lines = [f'user_pref("{key}", {json.dumps(value)});' for key, value in PREFERENCES.items()]
    path.write_text("\n".join(lines), encoding="utf-8")


async def _connect(http: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                return await http.ws_connect(
                    f"http://127.0.0.1:{port}/session", max_msg_size=0, autoping=True
                )
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
