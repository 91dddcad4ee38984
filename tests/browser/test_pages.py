"""The pages: kept as pictures, accessible, strict about what they load, deaf to foreign markup."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Stage
from tests.support.browser import DESKTOP, PHONE, Viewport, Window, eventually
from tests.support.page_steps import AXE
from tests.support.participant import Participant, probe, see_and_hear_each_other
from tests.support.service import OUTPUT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

PICTURES = Path(OUTPUT, "screenshots")
SIZES = {"desktop": DESKTOP, "phone": PHONE}
LANGUAGES = ("el", "en")
PAYLOAD = "<img src=/stolen onerror=alert(1)><b>x</b>\"'</script><script>alert(2)</script>{{7*7}}"
NAME_PAYLOAD = "<img src=/stolen onerror=alert(3)><script>alert(4)</script>"
"""At most 64 characters: a name may not be longer."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_home_lobby_and_room_are_accessible(stage: Stage, language: str, size: str) -> None:
    viewport = SIZES[size]
    query = f"?lang={language}"
    window = await stage.window("chromium", viewport=viewport)
    await window.open(f"{stage.service.base}/{query}")
    await _look(window, f"home-{size}-{language}", language)

    room = stage.service.new_room(query)
    person = Participant(window, "Ελένη Παπαδοπούλου" if language == "el" else "Helen Smith")
    await window.open(room)
    await person.wait_for_lobby()
    await _look(window, f"lobby-{size}-{language}", language)

    await person.enter(room, role="chair")
    others = [
        await stage.enter(room, browser, name)
        for browser, name in (("chromium", "Νίκος Γεωργίου"), ("firefox", "Μαρία Ιωάννου"))
    ]
    await see_and_hear_each_other([person, *others])
    await others[0].press("hand")
    await person.wait(
        lambda seen: any(each.hand_raised_order for each in seen.participants), "a hand"
    )
    await _look(window, f"room-{size}-{language}", language)
    await person.press("participants")
    await _look(window, f"participants-{size}-{language}", language)
    await person.press("chat")
    await person.say("Καλημέρα σε όλους" if language == "el" else "Good morning, everybody")
    await others[0].wait(lambda seen: len(seen.chat) == 1, "the message")
    await _look(window, f"chat-{size}-{language}", language)


async def test_firefox_shows_the_same_pages(stage: Stage) -> None:
    room = stage.service.new_room("?lang=el")
    window = await stage.window("firefox")
    await window.open(room)
    person = Participant(window, "Ελένη Παπαδοπούλου")
    await person.wait_for_lobby()
    await _look(window, "lobby-desktop-el-firefox", "el")
    await person.enter(room)
    other = await stage.enter(room, "chromium", "Νίκος Γεωργίου")
    await see_and_hear_each_other([person, other])
    await _look(window, "room-desktop-el-firefox", "el")


@pytest.mark.parametrize("path", ["/nowhere", "/rooms/nowhere", "/rooms/UPPER%20CASE"])
async def test_a_page_that_is_not_there_says_so(stage: Stage, path: str) -> None:
    window = await stage.window("chromium")
    await window.open(stage.service.base + path)
    await _look(window, "not-found-desktop-el", "el")
    assert "404" in await window.call("() => document.body.textContent")


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_markup_in_names_and_chat_is_only_text(stage: Stage, browser: str) -> None:
    room = stage.service.new_room()
    attacker, victim = await asyncio.gather(
        stage.enter(room, "chromium", NAME_PAYLOAD),
        stage.enter(room, browser, "Άννα", role="chair"),
    )
    await see_and_hear_each_other([attacker, victim])
    before = await victim.probe("markup")
    await attacker.press("chat")
    await attacker.say(PAYLOAD)
    await victim.wait(lambda seen: [each.text for each in seen.chat] == [PAYLOAD], "the message")
    for control in ("participants", "chat"):
        await victim.press(control)
    shown = await victim.window.call("() => document.querySelector('.chat-text')?.textContent")
    assert shown == PAYLOAD
    for window in (attacker.window, victim.window):
        assert await probe(window, "markup") == before
        assert window.findings.dialogs == []
        assert [each for each in window.findings.requests if "stolen" in each] == []
    assert "7*7" in shown


async def test_keyboard_alone_enters_and_leaves_a_room(stage: Stage) -> None:
    window = await stage.window("chromium", viewport=Viewport(1280, 800))
    keyboard: Any = window.page.keyboard  # type: ignore[attr-defined]
    await window.open(stage.service.new_room())
    person = Participant(window, "Άννα")
    await person.wait_for_lobby()
    await _tab_to(window, keyboard, "#name")
    await keyboard.type("Άννα")
    await keyboard.press("Enter")
    await person.wait(lambda seen: seen.connection == "connected", "in the room")
    await _tab_to(window, keyboard, ".control-leave")
    await keyboard.press("Enter")

    async def has_ended() -> bool:
        return bool(await probe(window, "hasEnded"))

    await eventually(has_ended, bool, "the page of who has left")


async def _tab_to(window: Window, keyboard: Any, selector: str) -> None:
    for _ in range(60):
        await keyboard.press("Tab")
        if await window.call(
            "(wanted) => document.activeElement?.matches(wanted) ?? false", selector
        ):
            return
    raise AssertionError(f"60 times Tab did not reach {selector}")


async def _look(window: Window, name: str, language: str) -> None:
    """Keep a picture; check the language and, with axe-core, what keeps people out."""
    await window.call("() => document.fonts.ready.then(() => null)")
    await window.screenshot(PICTURES / f"{name}.png")
    assert await window.call("() => document.documentElement.lang") == language
    overflow = await probe(window, "overflow")
    assert overflow <= 0, f"{name} scrolls sideways by {overflow} px"
    assert await axe_findings(window) == [], name


async def axe_findings(window: Window) -> list[str]:
    """Return the serious findings of axe-core on the page."""
    # Evaluated by the driver, not loaded by the page: its policy would refuse that, rightly.
    axe = AXE.read_text(encoding="utf-8")
    await window.call(f"() => {{ if (window.axe === undefined) {{ {axe}\n }} }}")
    findings: list[str] = await probe(window, "accessibility")
    return findings
