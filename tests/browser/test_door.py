"""The door in Chromium: a member knocks, the chair admits, both see each other; moved back, refused.

Every state is kept as a picture in var/screenshots/door and looked at by axe-core.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import page_steps
from tests.support.accounts_server import VisitorClient
from tests.support.browser import DESKTOP, PHONE, Capture, Viewport
from tests.support.chromium import Chromium, ChromiumWindow, running_chromium
from tests.support.door_server import (
    CHAIR,
    ELENI,
    ELENI_NAME,
    GIORGOS,
    DoorServer,
    running_media_door,
)
from tests.support.keyboard import tab_problems
from tests.support.page_steps import has_text, inside, problems
from tests.support.participant import Participant, see_and_hear_each_other

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.timeout(180)]

PICTURES = Path("var/screenshots/door")
SMALL = Capture()
SMALL_PHONE = Viewport(360, 740, is_phone=True)


async def window_of(
    chromium: Chromium, url: str, visitor: VisitorClient | None, viewport: Viewport
) -> ChromiumWindow:
    """Open a window that is signed in as the visitor."""
    window = await chromium.window(viewport=viewport, capture=SMALL)
    if visitor is not None:
        session = visitor.cookie()
        assert session is not None
        await window.set_cookie("session", session, url)
    return window


async def look(window: ChromiumWindow, picture: str) -> None:
    await page_steps.look(window, picture, PICTURES)


async def press_join(window: ChromiumWindow) -> None:
    """Wait for the lobby's preview, then knock."""
    person = Participant(window, "")
    await person.wait_for_lobby()
    await window.page.click(".lobby-join")


@dataclass
class Scene:
    """A sitting, and who takes part in which window."""

    server: DoorServer
    chromium: Chromium
    phone: ChromiumWindow
    """Of the councillor."""
    desktop: ChromiumWindow
    """Of the chair."""
    coordinator: VisitorClient

    @property
    def address(self) -> str:
        return self.server.accounts.url + self.server.path


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with (
        running_media_door(folder, "0.0.0.0") as server,
        server.accounts.visitor() as first,
        server.accounts.visitor() as second,
        server.accounts.visitor() as third,
        running_chromium() as chromium,
    ):
        await server.person(first, CHAIR)
        await server.person(second, ELENI)
        await server.person(third, GIORGOS)
        await server.make_coordinator(GIORGOS)
        await server.add_sitting(admits_guests=True)
        await server.invite(CHAIR, "chair")
        await server.invite(ELENI)
        url = server.accounts.url
        phone = await window_of(chromium, url, second, PHONE)
        desktop = await window_of(chromium, url, first, DESKTOP)
        yield Scene(server, chromium, phone, desktop, third)
        assert problems(phone, desktop) == []


async def test_a_member_knocks_and_the_chair_admits(tmp_path: Path) -> None:
    async with scene(tmp_path) as sitting:
        chair, eleni = await knock_and_admit(sitting)
        await see_and_hear_each_other([chair, eleni])
        await move_back(sitting)
        await refuse_a_guest(sitting)
        await sitting.desktop.page.click(f"[aria-label='Αποδοχή: {ELENI_NAME}']")
        eleni = await inside(sitting.phone, ELENI_NAME)
        await see_and_hear_each_other([chair, eleni])


async def knock_and_admit(sitting: Scene) -> tuple[Participant, Participant]:
    phone, desktop = sitting.phone, sitting.desktop
    await phone.open(sitting.address)
    await Participant(phone, "").wait_for_lobby()
    await look(phone, "lobby-phone")
    await phone.page.click(".lobby-join")
    await has_text(phone, ".waiting-state", "δεν έχει συνδεθεί ακόμη")
    await look(phone, "waiting-phone")

    await desktop.open(sitting.address)
    await press_join(desktop)
    chair = await inside(desktop, "Πρόεδρος")
    await has_text(desktop, "#notices", ELENI_NAME)
    await has_text(phone, ".waiting-state", "ειδοποιήθηκε")
    assert await phone.page.evaluate("synedrion.peerConnection") is None
    assert await desktop.page.inner_text(".control-waiting .control-badge") == "1"
    await desktop.page.click(".control-waiting")
    await has_text(desktop, ".panel-waiting .person-name", ELENI_NAME)
    await look(desktop, "panel-desktop")
    await desktop.page.focus(".knock-button")
    await desktop.page.keyboard.press("Enter")
    return chair, await inside(phone, ELENI_NAME)


async def move_back(sitting: Scene) -> None:
    page = sitting.desktop.page
    await page.click(".control-participants")
    await page.click(".person-more:visible")
    await page.click("text=Μεταφορά στην αίθουσα αναμονής")
    await has_text(sitting.phone, ".waiting-notice", "Μεταφερθήκατε")
    await look(sitting.phone, "moved-back-phone")


async def test_keyboard_alone_runs_the_room(tmp_path: Path) -> None:
    async with scene(tmp_path) as sitting:
        desktop, page = sitting.desktop, sitting.desktop.page
        await sitting.phone.open(sitting.address)
        await press_join(sitting.phone)
        await desktop.open(sitting.address)
        await Participant(desktop, "").wait_for_lobby()
        assert await tab_problems(page) == []
        await press_join(desktop)
        chair = await inside(desktop, "Πρόεδρος")
        await has_text(desktop, ".control-waiting .control-badge", "1")
        assert await tab_problems(page, "#room") == []

        for control in (".control-participants", ".control-chat", ".control-waiting"):
            await page.focus(control)
            await page.keyboard.press("Enter")
            assert await focus_is_in(page, ".panel:not([hidden])"), f"{control} moves the focus"
            assert await tab_problems(page, ".panel:not([hidden])") == []
            await page.focus(".panel:not([hidden]) .panel-close")
            await page.keyboard.press("Escape")
            assert await focus_is_in(page, control), f"{control} gets the focus back"

        await page.focus("[aria-controls=more-menu]")
        await page.keyboard.press("Enter")
        assert await focus_is_in(page, "#more-menu")
        await page.keyboard.press("Escape")
        assert await focus_is_in(page, "[aria-controls=more-menu]")

        await page.focus(".control-waiting")
        await page.keyboard.press("Enter")
        refuse = f"[aria-label='Απόρριψη: {ELENI_NAME}']"
        await page.focus(refuse)
        await page.keyboard.press("Enter")
        assert await focus_is_in(page, "dialog #dialog-input")
        assert await tab_problems(page, "dialog") == []
        await page.keyboard.press("Escape")
        assert await focus_is_in(page, refuse), "a dialog gives the focus back"
        await page.focus(f"[aria-label='Αποδοχή: {ELENI_NAME}']")
        await page.keyboard.press("Enter")
        eleni = await inside(sitting.phone, ELENI_NAME)
        assert await focus_is_in(page, ".panel-waiting"), "the focus stays near who was let in"
        await see_and_hear_each_other([chair, eleni])
        assert "περιμένει" not in await page.inner_text("#notices"), "who is in does not wait"
        await desktop.resize(SMALL_PHONE)
        await look(desktop, "room-small-phone")
        await page.click(".panel-waiting .panel-close")
        await look(desktop, "room-small-phone-alone")


async def focus_is_in(page: Any, selector: str) -> bool:
    return bool(
        await page.evaluate(
            "(it) => document.querySelector(it)?.contains(document.activeElement) ?? false",
            selector,
        )
    )


async def refuse_a_guest(sitting: Scene) -> None:
    desktop, url = sitting.desktop, sitting.server.accounts.url
    guest = await window_of(sitting.chromium, url, None, PHONE)
    await guest.open(sitting.address)
    await Participant(guest, "").wait_for_lobby()
    await look(guest, "guest-phone")
    await guest.page.fill("#name", "Σοφία Παπαδοπούλου")
    await guest.page.click(".lobby-join")
    await desktop.page.click(".control-waiting")
    await has_text(desktop, ".panel-waiting .people", "Σοφία")
    await look(desktop, "panel-two-desktop")
    await watch_live(sitting)
    await desktop.resize(PHONE)
    await look(desktop, "panel-two-phone")
    await desktop.page.click(".panel-waiting .panel-close")
    await look(desktop, "room-phone")
    await desktop.page.click(".control-waiting")
    await desktop.resize(DESKTOP)
    await desktop.page.click("[aria-label='Απόρριψη: Σοφία Παπαδοπούλου']")
    await desktop.page.fill("#dialog-input", "Ζητήστε πρόσκληση")
    await look(desktop, "refuse-desktop")
    await desktop.page.keyboard.press("Tab")
    await desktop.page.keyboard.press("Enter")
    await has_text(guest, ".govgr-error-summary", "Ζητήστε πρόσκληση")
    await look(guest, "refused-phone")
    assert problems(guest) == []


async def watch_live(sitting: Scene) -> None:
    url = sitting.server.accounts.url
    live = await window_of(sitting.chromium, url, sitting.coordinator, DESKTOP)
    await live.open(f"{url}/desk/sittings/{sitting.server.sitting_id}/live")
    await has_text(live, "#live", "Σοφία")
    await look(live, "live-desktop")
    assert problems(live) == []
