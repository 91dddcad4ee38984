"""The device and network check in Chromium, against the whole service: what works, and what is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Stage
from tests.support.browser import DESKTOP, PHONE, Viewport, eventually
from tests.support.chromium import ChromiumWindow, running_chromium
from tests.support.page_steps import AXE, FIND_VIOLATIONS
from tests.support.service import OUTPUT, Service, running_service

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]

PICTURES = Path(OUTPUT, "screenshots")
WHOLE_S = 60.0
"""The check takes at most 45 s; two busy cores get some more."""
LONGEST_MS = 45_000
READ_CODES = """() => Object.fromEntries([...document.querySelectorAll('.check-point')].map(
    (row) => [row.dataset.point, row.dataset.code ?? null]))"""
NO_UDP = """(() => { const Real = RTCPeerConnection; window.RTCPeerConnection = class extends Real {
    constructor(wanted) { super({ ...wanted, iceTransportPolicy: 'relay' }); } }; })()"""
"""A browser that may send no UDP of its own, and has no relay."""
DENY = "--use-fake-ui-for-media-stream=deny"


async def test_the_whole_check_finds_that_all_is_well(tmp_path: Path) -> None:
    async with running_service(tmp_path, "check") as service, running_chromium() as chromium:
        window = await chromium.window()
        await look(window, service, "/check", "check-before")
        report = await run_check(window, hears="yes")
        await look_here(window, "check-ok")
        assert report["result"] == "ok", report
        codes = await window.call(READ_CODES)
        assert set(codes.values()) == {"ok"}, codes
        assert report["took_ms"] < LONGEST_MS
        assert report["path_port"] == service.media_port
        assert report["quality_up_kbps"] > 500 and report["quality_down_kbps"] > 500
        assert all(isinstance(value, str | int | float) for value in report.values())
        await send_report(window)
        assert problems(window) == []
        await until_forgotten(service)


async def test_a_refused_camera_and_a_blocked_path_are_named_with_a_remedy(
    service: Service,
) -> None:
    async with running_chromium(DENY) as chromium:
        window = await chromium.window(viewport=PHONE)
        await window.page.context.add_init_script(NO_UDP)
        await window.open(f"{service.base}/check?lang=en")
        report = await run_check(window, hears="no")
        await look_here(window, "check-failed-phone")
        codes = await window.call(READ_CODES)
        assert codes == {
            "browser": "ok", "camera": "not_allowed", "microphone": "not_allowed",
            "speaker": "not_heard", "server": "ok", "path": "no_path", "quality": "skipped",
        }  # fmt: skip
        assert report["result"] == "fail" and report["took_ms"] < LONGEST_MS
        remedies = await window.call(
            "() => [...document.querySelectorAll('.check-remedy li')].map((each) => each.textContent)"
        )
        assert any(f"UDP to port {service.media_port}" in text for text in remedies), remedies
        assert any("icon to the left" in text for text in remedies), remedies
        assert problems(window) == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_help_and_contact_are_accessible(stage: Stage, viewport: Viewport) -> None:
    window = await stage.window("chromium", viewport=viewport, capture=None)
    assert isinstance(window, ChromiumWindow)
    size = "phone" if viewport.is_phone else "desktop"
    for language in ("el", "en"):
        for name in ("", "help", "contact", "check"):
            picture = f"{name or 'home'}-{size}-{language}"
            await look(window, stage.service, f"/{name}?lang={language}", picture)
    await window.open(f"{stage.service.base}/contact")
    await window.page.click("main form button[type=submit]")
    await look_here(window, f"contact-mistakes-{size}")
    assert problems(window) == []


async def run_check(window: ChromiumWindow, *, hears: str) -> dict[str, Any]:
    """Press start, answer the question of the tones, and return the report."""
    await window.page.click("#check button")
    await window.page.wait_for_selector(f"[data-answer={hears}]", timeout=WHOLE_S * 1000)
    await window.page.click(f"[data-answer={hears}]")
    await window.page.wait_for_selector("#check-send:not([hidden])", timeout=WHOLE_S * 1000)
    value = await window.page.input_value("#check-report-value")
    report: dict[str, Any] = json.loads(value)
    return report


async def send_report(window: ChromiumWindow) -> None:
    """Take the report to the contact form and send it with a message."""
    await window.page.click("#check-send button[type=submit]")
    assert window.page.url.endswith("/contact")
    await look_here(window, "contact-with-report")
    attached = await window.page.text_content("main pre.report")
    assert attached is not None and "result: ok" in attached
    await window.page.fill("#name", "Ελένη Παπαδοπούλου")
    await window.page.fill("#email", "eleni@example.gr")
    await window.page.fill("#text", "Δεν ακούω τον πρόεδρο.")
    await window.page.click("main form button[type=submit]")
    assert window.page.url.endswith("/contact?done=sent")
    await look_here(window, "contact-thanks")


async def until_forgotten(service: Service) -> None:
    """Wait until the media worker has no participant left: both ends have gone."""

    async def participants() -> float:
        samples = await service.metrics()
        return sum(value for name, value in samples.items() if name.startswith("sfu_participants"))

    await eventually(participants, lambda count: count == 0, "no participant is left")


async def look(window: ChromiumWindow, service: Service, path: str, picture: str) -> None:
    await window.open(service.base + path)
    await look_here(window, picture)


async def look_here(window: ChromiumWindow, picture: str) -> None:
    """Keep a picture; check width and, with axe-core, accessibility."""
    page = window.page
    await page.wait_for_load_state()
    await page.screenshot(path=PICTURES / f"{picture}.png", full_page=True)
    await page.evaluate(f"() => {{ {axe()} }}")
    assert await page.evaluate(FIND_VIOLATIONS) == [], picture
    is_wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not is_wide, f"{picture} scrolls sideways"


def axe() -> str:
    return AXE.read_text(encoding="utf-8")


def problems(window: ChromiumWindow) -> list[str]:
    """Return what no page of ours may ever cause."""
    refused = [text for text in window.findings.console_problems if "policy" in text.lower()]
    return [*window.findings.page_errors, *refused]
