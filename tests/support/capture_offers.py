"""Write tests/samples/offers/*.sdp anew from the installed browsers: `python -m
tests.support.capture_offers`."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.support.browsers import CHROMIUM, FIREFOX, chromium_page, firefox_page
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
        for name, program, opened in [
            ("chromium", CHROMIUM, chromium_page),
            ("firefox", FIREFOX, firefox_page),
        ]:
            version = subprocess.run(  # noqa: ASYNC221 - a tool, not a server
                [program, "--version", "--no-sandbox"], capture_output=True, text=True, check=True
            ).stdout.strip()
            async with opened(address) as page:
                for kind, expression in OFFERS.items():
                    sdp = await page.evaluate(expression)
                    # The comment stands before `v=`; readers of samples cut it off.
                    provenance = f"# {version}, Debian, headless, fake devices: {expression}\n"
                    target = FOLDER / f"{name}-{kind}.sdp"
                    target.write_bytes(provenance.encode() + sdp.encode())
                    print(target, len(sdp))


if __name__ == "__main__":
    asyncio.run(main())
