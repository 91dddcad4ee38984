"""What people do on a page and what it has to be like, by selectors, in either browser.

`participant.py` knows the room; nothing here knows any of our pages.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from playwright.async_api import Error as PlaywrightError

from tests.support.browser import Window, eventually
from tests.support.participant import Participant
from tests.support.repository import ROOT

SUBMIT = "main button[type=submit]"
AXE = ROOT / "node_modules/axe-core/axe.min.js"
FIND_VIOLATIONS = """async () => (await axe.run({ resultTypes: ['violations'] })).violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => node.html).join(' ')}`)"""

_FIND = """(selector) => [...document.querySelectorAll(selector)]
  .find((each) => each.checkVisibility({ visibilityProperty: true }))"""
_PRESS = f"(selector) => {{ setTimeout((each) => each.click(), 0, ({_FIND})(selector)); }}"
_FOLLOW = f"""(selector) => {{
  window.isLeft = true;
  setTimeout((each) => each.click(), 0, ({_FIND})(selector));
}}"""
_FILL = f"""(selector, text) => {{
  const field = ({_FIND})(selector);
  field.value = text;
  for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {{ bubbles: true }}));
}}"""
_TICK = "(selector) => { document.querySelector(selector).click(); }"


async def press(window: Window, selector: str) -> None:
    """Click the first that is shown; what follows is not waited for."""
    await until_shown(window, selector)
    await window.call(_PRESS, selector)


async def follow(window: Window, selector: str) -> None:
    """Click what leads to another page, and wait for that."""
    await until_shown(window, selector)
    await window.call(_FOLLOW, selector)
    arrived = "() => window.isLeft !== true && document.readyState === 'complete'"
    await eventually(lambda: _read(window, arrived), bool, f"the page behind {selector}")


async def fill(window: Window, selector: str, text: str) -> None:
    """Write into the first field that is shown."""
    await until_shown(window, selector)
    await window.call(_FILL, selector, text)


async def tick(window: Window, selector: str) -> None:
    """Choose a box, or one of several."""
    await window.call(_TICK, selector)


async def until_shown(window: Window, selector: str) -> None:
    """Wait until something of the selector can be seen.

    Raises:
        AssertionError: nothing can, in time.
    """
    is_shown = f"(selector) => ({_FIND})(selector) !== undefined"
    await eventually(lambda: _read(window, is_shown, selector), bool, f"{selector} is shown")


async def has_text(window: Window, selector: str, text: str) -> None:
    """Wait until the first of the selector has the text.

    Raises:
        AssertionError: it has not, in time.
    """
    read = "(selector) => document.querySelector(selector)?.innerText ?? ''"
    await eventually(
        lambda: _read(window, read, selector),
        lambda seen: seen is not None and text in seen,
        f"{text} in {selector}",
    )


async def look(window: Window, picture: str, pictures: Path) -> None:
    """Keep a picture; nothing may scroll sideways or be inaccessible."""
    await window.screenshot(pictures / f"{picture}.png")
    assert await violations(window) == [], picture
    is_wide = await window.call("() => document.documentElement.scrollWidth > innerWidth")
    assert not is_wide, f"{picture} scrolls sideways"


async def violations(window: Window) -> list[str]:
    """Return all that axe-core finds on the page."""
    # Evaluated by the driver, not loaded by the page: its policy would refuse that, rightly.
    axe = await asyncio.to_thread(AXE.read_text, encoding="utf-8")
    await window.call(f"() => {{ {axe} }}")
    found: list[str] = await window.call(FIND_VIOLATIONS)
    return found


async def inside(window: Window, name: str) -> Participant:
    """Return the person once the media is connected."""
    person = Participant(window, name)
    sight = await person.wait(lambda seen: seen.connection == "connected", "media connected")
    person.id = sight.self
    return person


def problems(*windows: Window) -> list[str]:
    """Return what no page of ours may ever cause."""
    return [
        each
        for window in windows
        for each in (
            *window.findings.page_errors,
            *window.findings.dialogs,
            *(
                text
                for text in window.findings.console_problems
                if "content security policy" in text.lower()
                or "content-security-policy" in text.lower()
            ),
        )
    ]


async def _read(window: Window, function: str, *arguments: Any) -> Any:
    """Return what the page says; None while it is being left."""
    try:
        return await window.call(function, *arguments)
    except (RuntimeError, PlaywrightError):
        return None
