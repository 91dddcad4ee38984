"""The institution's journey on the processes of `make run`, by the machine's own clock.

Supervisor, two workers, control plane, development sign-in service and outbox; nobody has an account.
The steps are those of test_council_journey.py, which goes further on an application within the test.
Pictures are kept in var/screenshots/real.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.scheduling.wall_time import to_wall
from tests.browser.test_council_journey import (
    ELENI,
    ELENI_EMAIL,
    Sheet,
    become_coordinator,
    has_text,
    invite_by_file,
    knock_and_admit,
    make_council,
    sheet,
)
from tests.support.browser import DESKTOP, PHONE
from tests.support.chromium import running_chromium
from tests.support.page_steps import SUBMIT
from tests.support.real_service import development_service

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.timeout(300)]

PICTURES = Path("var/screenshots/real")
STARTS_IN = timedelta(minutes=4)
"""Within the five minutes that the template opens rooms ahead: the room is open at once."""


async def test_an_institution_holds_a_sitting_on_the_real_processes(tmp_path: Path) -> None:
    await asyncio.to_thread(PICTURES.mkdir, parents=True, exist_ok=True)
    async with development_service(tmp_path) as service, running_chromium() as chromium:
        for program in ("sfu.worker", "signaling.identity.development"):
            assert service.pids(program), f"{program} is a process of its own"
        seen: set[str] = set()
        clerk, administrator, member = [
            await sheet(chromium, service, name, viewport, seen, pictures=PICTURES)
            for name, viewport in (
                ("clerk", DESKTOP), ("administrator", DESKTOP), ("phone", PHONE),
            )
        ]  # fmt: skip
        await clerk.open("/", "home")
        await become_coordinator(clerk, administrator)
        await make_council(clerk)
        sitting = await make_sitting(clerk)
        await invite_by_file(clerk)
        await follow_the_mail(clerk, member, sitting)
        await member.page.click(f"a[href='/sittings/{sitting}/enter']")
        await knock_and_admit(member, clerk, f"{service.url}/desk/sittings/{sitting}")
        await end(clerk, member, f"/desk/sittings/{sitting}")
        for each in (clerk, administrator, member):
            assert each.media.findings.page_errors == []


async def make_sitting(clerk: Sheet) -> str:
    """From the template, opening now. Returns its id."""
    page = clerk.page
    await clerk.open("/desk", "desk")
    await clerk.press(".plain-list a", "sitting-from-template")
    wall = to_wall(datetime.now(UTC) + STARTS_IN)
    await page.fill("#date", wall.date().isoformat())
    await page.fill("#time", wall.strftime("%H:%M"))
    await clerk.press(SUBMIT, "sitting-created")
    found = re.search(r"/desk/sittings/([0-9a-f]{32})", page.url)
    assert found is not None, await clerk.text()
    return found[1]


async def follow_the_mail(clerk: Sheet, member: Sheet, sitting: str) -> None:
    """Read in the outbox, opened on a phone by who has no account: it leads to the sitting."""
    await clerk.open("/outbox", "outbox")
    mail = clerk.page.locator("main li", has_text=ELENI_EMAIL)
    address = await mail.first.locator("a[href*='/invitations/']").get_attribute("href")
    assert address is not None
    await member.page.goto(address)
    await member.look("phone-link")
    with member.unseen():
        await member.go_through(ELENI, ELENI_EMAIL)
    await member.look("phone-sitting")
    assert member.page.url.endswith(f"/sittings/{sitting}")
    assert "Η αίθουσα είναι ανοικτή" in await member.text()


async def end(clerk: Sheet, member: Sheet, sitting: str) -> None:
    """The coordinator ends it at the desk: the member is out at once."""
    await clerk.open(sitting, "sitting-live")
    await clerk.press("form[action$='/end'] button", "sitting-ended")
    await has_text(member, "#ended", "Η αίθουσα έχει κλείσει")
    await member.look("phone-ended")
