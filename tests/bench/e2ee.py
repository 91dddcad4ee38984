"""What end-to-end encryption costs a browser: Chromium, in a worker, with the page's own code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from signaling.pages import WebFolders
from tests.bench.figures import Figure, median
from tests.support.chromium import running_chromium

FRAMES = 1500
ROUNDS = 5
SOUND_BYTES = 160
"""20 ms of Opus at 64 kbit/s: more than a voice has."""
PICTURE_BYTES = 7_000
"""A frame of 720p at 1.7 Mbit/s and 30 a second."""
_WORKER = Path(__file__).with_name("e2ee_worker.js")
_MEASURE = """(options) => new Promise((resolve, reject) => {
  const worker = new Worker('/bench/e2ee_worker.js', { type: 'module' });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(options);
})"""


def measure_e2ee(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Measure and return the figures."""
    picture, sound = asyncio.run(_measure(progress))
    return {
        "e2ee_cost_per_frame": Figure(
            round(picture, 1), "µs", None,
            f"sealing and opening a picture of {PICTURE_BYTES:,} bytes, in Chromium's worker",
        ),
        "e2ee_cost_per_sound": Figure(
            round(sound, 1), "µs", None, f"the same for sound of {SOUND_BYTES} bytes"
        ),
    }  # fmt: skip


async def _measure(progress: Callable[[str], None]) -> tuple[float, float]:
    """Return µs for a picture and for a sound: medians of the rounds."""
    app = web.Application()
    app.router.add_get("/", _page)
    app.router.add_get("/bench/e2ee_worker.js", _worker)
    app.router.add_static("/static", WebFolders.of_package().static)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        async with running_chromium() as chromium:
            window = await chromium.window()
            await window.open(f"http://{host}:{port}/")
            rounds = [await _round(window) for _ in range(ROUNDS)]
    finally:
        await runner.cleanup()
    progress(f"{ROUNDS} × {FRAMES} pictures and sounds sealed and opened")
    return median(each[0] for each in rounds), median(each[1] for each in rounds)


async def _round(window: Any) -> tuple[float, float]:
    costs = []
    for source, size in (("camera", PICTURE_BYTES), ("microphone", SOUND_BYTES)):
        options = {"source": source, "size": size, "frames": FRAMES}
        costs.append(float(await window.call(_MEASURE, options)))
    return costs[0], costs[1]


async def _page(_: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>bench</title>", content_type="text/html")


async def _worker(_: web.Request) -> web.FileResponse:
    return web.FileResponse(_WORKER, headers={"Content-Type": "text/javascript"})
