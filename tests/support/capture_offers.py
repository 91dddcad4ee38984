"""Write tests/samples/offers/*.sdp anew from the installed browsers.

Run as `python -m tests.support.capture_offers`.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.support.browser import Browser, executable
from tests.support.chromium import running_chromium
from tests.support.firefox import running_firefox
from tests.support.peer_page import peer_page_server

FOLDER = Path(__file__).parent.parent / "samples" / "offers"
OFFERS = {
    "simulcast": "offer({simulcast: true})",
    "single": "offer({simulcast: false})",
    "plain": "plainOffer()",
}


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with peer_page_server() as address:
        async with running_chromium() as chromium:
            await capture("chromium", executable("chromium"), chromium, address)
        async with running_firefox() as firefox:
            await capture("firefox", executable("firefox-esr"), firefox, address)


async def capture(name: str, program: str, browser: Browser, address: str) -> None:
    """Write every kind of offer of one browser."""
    version = subprocess.run(  # noqa: ASYNC221 - a tool, not a server
        [program, "--version", "--no-sandbox"], capture_output=True, text=True, check=True
    ).stdout.strip()
    window = await browser.window()
    await window.open(address)
    for kind, expression in OFFERS.items():
        sdp = await window.call(f"() => {expression}")
        # The comment stands before `v=`; readers of samples cut it off.
        provenance = f"# {version}, Debian, headless, fake devices: {expression}\n"
        target = FOLDER / f"{name}-{kind}.sdp"
        target.write_bytes(provenance.encode() + sdp.encode())
        print(target, len(sdp))


if __name__ == "__main__":
    asyncio.run(main())
