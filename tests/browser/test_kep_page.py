"""What a citizen's call has not: messages and screens are for councils."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Stage
from tests.support.participant import Participant

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

VISIBLE_TEXT = """() => [...document.querySelectorAll('#room button, dialog dt, dialog dd')]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }))
  .map((each) => `${each.textContent} ${each.getAttribute('aria-label') ?? ''}`).join('\\n')"""


async def test_a_kep_room_offers_neither_chat_nor_screen_nor_the_councils_words(
    stage: Stage,
) -> None:
    window = await stage.window("chromium")
    person = Participant(window, "Ελένη Παπαδοπούλου")
    await person.enter(f"{stage.service.kep_room}?lang=el", role="employee")
    other = await stage.enter(stage.service.kep_room, "chromium", "Νίκος", role="citizen")
    await person.wait(lambda seen: len(seen.participants) == 2, "the citizen")
    await person.press("participants")
    await window.call("() => document.querySelectorAll('.person-more')[1].click()")
    await window.call("() => document.querySelector('[aria-controls=more-menu]').click()")
    menu = await window.call(VISIBLE_TEXT)
    await window.call(
        "() => [...document.querySelectorAll('.menu-item')]"
        ".find((each) => each.textContent.includes('Συντομεύσεις')).click()"
    )
    texts = menu + await window.call(VISIBLE_TEXT)

    assert "Κλείσιμο μικροφώνου" in texts
    assert "Σηκώνω ή κατεβάζω το χέρι" in texts
    for word in ("Μηνύματα", "Οθόνη", "οθόνης", "λόγο", "Λόγος", "συνεδρίαση"):
        assert word not in texts, word
    assert other.id
