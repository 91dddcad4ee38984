"""What the tests ask of a browser, whichever it is: a window with one page.

Implemented by `chromium.py` and `firefox.py`. Nothing here knows our pages; `participant.py` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

DEADLINE_S = 20.0
"""How long a condition may take before the test fails, on two busy cores."""
POLL_S = 0.1


@dataclass(frozen=True)
class Viewport:
    """A window's inner size in CSS pixels."""

    width: int
    height: int
    pixel_ratio: float = 1.0
    is_phone: bool = False


DESKTOP = Viewport(1280, 800)
PHONE = Viewport(390, 844, pixel_ratio=2.0, is_phone=True)


@dataclass(frozen=True)
class Capture:
    """The fake camera's picture. Small and slow pictures keep many encoders on two cores."""

    width: int = 640
    height: int = 360
    frames_per_second: int = 10

    def script(self) -> str:
        """Return JavaScript that, run before the page's own, makes every capture this size."""
        video = f"width: {self.width}, height: {self.height}, frameRate: {self.frames_per_second}"
        return (
            "(() => { const media = navigator.mediaDevices; if (!media) return;"
            " const ask = media.getUserMedia.bind(media);"
            " media.getUserMedia = (wanted) => ask({ ...wanted, video: wanted.video &&"
            f" {{ ...(wanted.video === true ? {{}} : wanted.video), {video} }} }}); }})()"
        )


@dataclass(frozen=True)
class Sending:
    """How the page's camera is sent, whatever the page itself would choose."""

    codec: str
    """The only video codec that its sending m-line offers: `VP8`, `VP9`, `H264`, `AV1`."""
    scalability_mode: str | None = None
    """One stream in this mode (W3C WebRTC-SVC); None leaves the page's simulcast as it is."""
    bitrate_bps: int = 1_200_000
    """Most that such a stream takes."""

    def script(self) -> str:
        """Return JavaScript that, run before the page's own, makes its camera sent so."""
        encodings = ""
        if self.scalability_mode is not None:
            one = {"scalabilityMode": self.scalability_mode, "maxBitrate": self.bitrate_bps}
            encodings = f"init = {{ ...init, sendEncodings: [{json.dumps(one)}] }};"
        return f"""(() => {{
          const prototype = RTCPeerConnection.prototype, add = prototype.addTransceiver;
          const wanted = ['video/{self.codec.lower()}', 'video/rtx'];
          prototype.addTransceiver = function (track, init) {{
            const isCamera = init?.direction === 'sendonly' && (track.kind ?? track) === 'video';
            if (!isCamera) return add.call(this, track, init);
            {encodings}
            const transceiver = add.call(this, track, init);
            const {{ codecs }} = RTCRtpSender.getCapabilities('video');
            transceiver.setCodecPreferences(
              codecs.filter(({{ mimeType }}) => wanted.includes(mimeType.toLowerCase())));
            return transceiver;
          }};
        }})()"""


def scripts(capture: Capture | None, sending: Sending | None) -> list[str]:
    """Return what a window runs before the page's own scripts."""
    return [wish.script() for wish in (capture, sending) if wish is not None]


@dataclass
class Findings:
    """What a window noticed since it was opened."""

    console_problems: list[str] = field(default_factory=list)
    """Errors and warnings of the console, refused content (CSP) included."""
    page_errors: list[str] = field(default_factory=list)
    """Exceptions nobody caught."""
    requests: list[str] = field(default_factory=list)
    """Addresses asked for."""
    dialogs: list[str] = field(default_factory=list)
    """Texts of alert, confirm, prompt."""


class Window(Protocol):
    """One window with one page, with cookies of its own."""

    browser: str
    """`chromium` or `firefox`."""
    findings: Findings

    async def open(self, address: str) -> None:
        """Load `address` and wait for it."""

    async def call(self, function: str, *arguments: Any) -> Any:
        """Return the JSON value of the JavaScript `function` called with JSON values."""

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""

    async def resize(self, viewport: Viewport) -> None:
        """Give the window another inner size."""

    async def set_cookie(self, name: str, value: str, url: str) -> None:
        """Let the window's requests to the server of `url` carry a cookie."""

    async def close(self) -> None:
        """Close the window."""


class Browser(Protocol):
    """A running browser process."""

    async def window(
        self,
        *,
        viewport: Viewport = DESKTOP,
        capture: Capture | None = None,
        sending: Sending | None = None,
    ) -> Window:
        """Open a window. `capture` limits the fake camera, `sending` says how it is sent; None leaves it
        to the page."""


def executable(name: str) -> str:
    """Return the path of an installed browser.

    Raises:
        RuntimeError: it is not installed; `make test` installs it.
    """
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed: `make test` installs it as root")
    return path


async def eventually(
    probe: Callable[[], Awaitable[T]],
    is_met: Callable[[T], bool],
    what: str,
    *,
    deadline_s: float = DEADLINE_S,
) -> T:
    """Return the first value of `probe` that `is_met` holds for.

    Raises:
        AssertionError: none did within `deadline_s`; the text has `what` and the last value.
    """
    end = time.monotonic() + deadline_s
    while True:
        value = await probe()
        if is_met(value):
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}; last: {value!r}")
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def closing(window: Window) -> AsyncIterator[Window]:
    """Close the window at the end of the block."""
    try:
        yield window
    finally:
        await window.close()
