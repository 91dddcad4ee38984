"""The switch of the language leads to a page, wherever in the application one is answered."""

from __future__ import annotations

import html
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from signaling.kep.values import Theme
from tests.support.accounts_server import ADMINISTRATOR, CLERK, Shown, running_accounts
from tests.support.desk import create_council, created, enter_as_head
from tests.support.kep_booking import choose_time, review, service_of

pytestmark = pytest.mark.asyncio

NO_PAGES = re.compile(
    r"^/(api/|static|healthz|readyz|metrics|ws$|door$|.*\.ics$|sittings/{id}/files/{file}$"
    r"|sign-in/{provider})"
)
"""What GET answers with something else than a page, or with the way to the sign-in service."""
LED_BACK = {
    "/account/role-request/{id}/withdraw": "/account",
    "/desk/collective-bodies/{id}/members/{member}/end": "/desk/collective-bodies/{id}",
    "/desk/sittings/{id}/files/{file}/remove": "/desk/sittings/{id}/files",
    "/desk/rehearsals": "/desk",
    "/kep/services/{service}/confirm": "/kep/services/{service}/times",
    "/sign-out": "/",
}
"""Some of the addresses that only take forms, and the page that each stands on."""


def switch_in(shown: Shown) -> str:
    """Return where the switch of a page leads."""
    found = re.search(r'<a class="page-language" href="([^"]+)" lang="\w\w"', shown.text)
    assert found is not None, (shown.path, shown.status, shown.text)
    return html.unescape(found[1])


def forms_taken(app: web.Application) -> list[str]:
    """Return the patterns of all addresses that forms of pages are sent to."""
    posted = {
        route.resource.canonical for route in app.router.routes()
        if route.resource is not None and route.method == "POST"
    }  # fmt: skip
    return sorted(each for each in posted if not each.startswith("/api/"))


def filled(pattern: str) -> str:
    """Return an address of the pattern."""
    return re.sub(r"{\w+}", "0" * 32, pattern)


async def pattern_behind(app: web.Application, path: str) -> str:
    """Return the pattern that GET is answered by; nothing if it is not."""
    match = await app.router.resolve(make_mocked_request("GET", path))
    if match.http_exception is not None or match.route.resource is None:
        return ""
    return match.route.resource.canonical


async def test_switch_leads_to_a_page_from_wherever_a_form_is_refused() -> None:
    problems = []
    async with running_accounts() as server, server.visitor() as visitor:
        await visitor.enter(ADMINISTRATOR)
        patterns = forms_taken(server.app)
        assert len(patterns) > 60, patterns
        for pattern in patterns:
            refused = await visitor.post(filled(pattern), csrf="0" * 64)
            assert refused.status >= 400 and refused.path == filled(pattern), pattern
            language = "en" if 'lang="el"' in refused.text[:200] else "el"
            shown = await visitor.get(switch_in(refused))
            page = await pattern_behind(server.app, shown.path)
            # What the ids of these addresses name is not there.
            is_fine = shown.status in (200, 404) and page and not NO_PAGES.match(page)
            if not is_fine or f'<html lang="{language}">' not in shown.text:
                problems.append(f"{pattern}: {shown.status} at {page or shown.path}")
            if pattern in LED_BACK and page != LED_BACK[pattern]:
                problems.append(f"{pattern}: {page}, not {LED_BACK[pattern]}")
    assert set(LED_BACK) <= set(patterns)
    assert problems == []


async def test_address_that_only_takes_forms_leads_to_its_page() -> None:
    """As from the address bar, with the names it has."""
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}", "Συμβούλιο")
        base = f"/desk/collective-bodies/{council}"
        refused = await head.post(base + "/members", name="", email="", office="member")
        assert (refused.status, refused.path) == (422, base + "/members")
        shown = await head.get(switch_in(refused))
        assert (shown.status, shown.path) == (200, base) and "Add a member" in shown.text
        strange = await head.get("/desk/sittings/%2F..%2Fdesk%3F/cancel?lang=el", follow=False)
        assert strange.headers["Location"] == "/desk/sittings/%2F..%2Fdesk%3F?lang=el"


async def test_switch_keeps_what_the_address_of_a_page_says() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        await created(head, f"b:{body}")
        shown = await head.get("/desk/calendar?month=2027-03")
        assert switch_in(shown) == "/desk/calendar?month=2027-03&lang=en"
        back = switch_in(await head.get(switch_in(shown)))
        assert back == "/desk/calendar?month=2027-03&lang=el"


async def test_language_is_kept_on_the_way_to_another_page() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        led = await visitor.get("/account?lang=en")
        assert led.path == "/sign-in" and '<html lang="en">' in led.text


async def test_no_switch_leads_to_another_host() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        shown = await visitor.get("//elsewhere.example/nothing")
        assert switch_in(shown) == "/elsewhere.example/nothing?lang=en"


async def test_chosen_time_outlives_the_switch_on_the_way_to_an_appointment() -> None:
    async with running_accounts() as server, server.visitor() as citizen:
        await citizen.enter(CLERK)
        service = await service_of(server, Theme.INFORMATION)
        step = await choose_time(citizen, service)
        reviewed = await review(citizen, service, step)
        assert (reviewed.status, reviewed.path) == (200, f"/kep/services/{service.id}/review")
        for shown in (reviewed, await citizen.get(switch_in(reviewed))):
            again = await citizen.get(switch_in(shown))
            assert (again.status, again.path) == (200, f"/kep/services/{service.id}/person")
            assert f'name="step" value="{step}"' in again.text
