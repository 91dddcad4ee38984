"""Led to where one was going: across sign-in, terms and e-mail, and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from signaling.logs import configure_logs
from tests.support.accounts_server import (
    CLERK,
    MEMBER,
    AccountsServer,
    Shown,
    VisitorClient,
    running_accounts,
)
from tests.support.logs import forget_logs
from tests.support.sittings import add_council, add_sitting, make_coordinator

pytestmark = pytest.mark.asyncio

MEMBER_EMAIL = "member@dimos.gr"


@dataclass
class Way:
    """A member who was mailed a link and has no account yet."""

    server: AccountsServer
    member: VisitorClient
    link: str
    sitting: str
    """Path of its page."""
    visited: list[str] = field(default_factory=list)
    """Every address the member's browser was sent to."""

    @property
    def secret(self) -> str:
        return self.link.rpartition("/")[2]

    async def sign_in_here(self, tax_number: str = MEMBER) -> Shown:
        """As `VisitorClient.sign_in`, from the page that is shown."""
        return await self.member.sign_in(tax_number)

    async def accept_terms(self) -> Shown:
        return await self.member.post("/terms", accept="yes", version=self.member.server_terms)

    async def confirm(self, visitor: VisitorClient | None = None) -> Shown:
        return await (visitor or self.member).confirm_email()


@contextlib.asynccontextmanager
async def way() -> AsyncIterator[Way]:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK, "clerk@dimos.gr")
        database, now = server.service.database, datetime.now(UTC)
        person, body_id = await make_coordinator(database, "clerk@dimos.gr", now)
        council = await add_council(database, body_id, now)
        sitting = await add_sitting(database, person, body_id, now, collective_body_id=council)
        await clerk.get(f"/desk/sittings/{sitting.id}/invited")
        await clerk.post(
            f"/desk/sittings/{sitting.id}/invited", invitee_name="Μέλος",
            invitee_email=MEMBER_EMAIL, invitee_role="member",
        )  # fmt: skip
        outbox = (await clerk.get("/outbox")).text
        found = re.search(r"http[^\s<\"]+/invitations/[0-9a-f]{64}", outbox)
        assert found is not None
        visited: list[str] = []
        async with _followed(visited) as http:
            member = VisitorClient(server, http)
            yield Way(server, member, found[0], f"/sittings/{sitting.id}", visited)


@contextlib.asynccontextmanager
async def _followed(visited: list[str]) -> AsyncIterator[aiohttp.ClientSession]:
    trace = aiohttp.TraceConfig()

    async def note(_: Any, __: Any, parameters: aiohttp.TraceRequestRedirectParams) -> None:
        visited.append(parameters.response.headers["Location"])

    trace.on_request_redirect.append(note)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, trace_configs=[trace]) as http:
        yield http


async def test_mailed_link_leads_a_new_member_to_the_sitting_after_all_steps() -> None:
    async with way() as at:
        assert (await at.member.get(at.link)).path == "/sign-in"
        assert (await at.sign_in_here()).path == "/terms"
        assert (await at.accept_terms()).path == "/email"
        shown = await at.member.post("/email", email=MEMBER_EMAIL)
        assert shown.path == "/email" and "Μετά θα συνεχίσετε" in shown.text
        shown = await at.confirm()
        assert (shown.status, shown.path) == (200, at.sitting)
        assert "Έγκριση προϋπολογισμού" in shown.text
        assert at.member.cookie("destination") is None, "kept no longer than needed"
        carrying = [each for each in at.visited if at.secret in each]
        assert carrying == [f"/invitations/{at.secret}"], "in no other address on the way"


async def test_secret_of_the_link_is_neither_logged_nor_readable_in_the_cookie(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logs("debug")
    try:
        async with way() as at:
            await at.member.get(at.link)
            kept = at.member.cookie("destination") or ""
            await at.sign_in_here()
            secret, shown = at.secret, (at.member.last or Shown(0, "", "", {})).text
    finally:
        forget_logs()
    written = "".join(capfd.readouterr())
    assert '"route": "/invitations/{secret}"' in written
    assert secret not in written and secret not in kept and secret not in shown
    assert kept, "something was kept at all"


async def test_confirmation_link_leads_on_though_the_session_is_over() -> None:
    async with way() as at:
        await at.member.get(at.link)
        await at.sign_in_here()
        await at.accept_terms()
        await at.member.post("/email", email=MEMBER_EMAIL)
        confirmation = await at.member.mailed_link()
        at.member.http.cookie_jar.clear(lambda cookie: cookie.key == "session")
        assert (await at.member.get(confirmation)).path == "/sign-in"
        shown = await at.sign_in_here()
        assert shown.path == confirmation.removeprefix(at.server.url), "first what was mailed"
        assert (await at.member.post(confirmation)).path == at.sitting


async def test_confirmation_in_another_browser_ends_at_the_account_page() -> None:
    async with way() as at, at.server.visitor() as elsewhere:
        await at.member.get(at.link)
        await at.sign_in_here()
        await at.accept_terms()
        await at.member.post("/email", email=MEMBER_EMAIL)
        await elsewhere.sign_in(MEMBER)
        assert (await at.confirm(elsewhere)).path == "/account"
        # The one that waited goes on as soon as it is looked at again.
        assert (await at.member.get("/email")).path == at.sitting


async def test_somebody_else_at_the_same_computer_is_not_led_along() -> None:
    async with way() as at:
        await at.member.get(at.link)
        await at.sign_in_here()
        at.member.http.cookie_jar.clear(lambda cookie: cookie.key == "session")
        assert (await at.sign_in_here(CLERK)).path == "/account"


async def test_sign_out_forgets_where_one_was_going() -> None:
    async with way() as at:
        await at.member.get(at.link)
        await at.sign_in_here()
        await at.member.post("/sign-out")
        assert at.member.cookie("destination") is None


async def test_who_did_not_sign_in_within_the_hour_is_not_led_along() -> None:
    async with way() as at:
        await at.member.get("/desk/calendar")
        at.server.clock.shift_s = 3601
        assert (await at.sign_in_here(CLERK)).path == "/account"


async def test_page_is_kept_with_its_query_and_a_download_as_the_page_it_is_on() -> None:
    async with way() as at:
        await at.member.get("/desk/calendar?month=2027-03", follow=False)
        await at.sign_in_here(CLERK)
        assert at.visited[-1] == "/desk/calendar?month=2027-03"
        at.member.http.cookie_jar.clear()
        await at.member.get(f"{at.sitting}/invite.ics")
        await at.sign_in_here(CLERK)
        assert at.visited[-1] == at.sitting


async def test_what_a_script_asked_for_is_no_destination() -> None:
    async with way() as at:
        headers = {"Sec-Fetch-Mode": "cors"}
        async with at.member.http.get(f"{at.server.url}/desk", headers=headers) as response:
            assert response.url.path == "/sign-in"
        assert (await at.sign_in_here(CLERK)).path == "/account"


async def test_link_to_sign_in_leads_back_to_the_page_it_was_on() -> None:
    async with way() as at:
        await at.member.get("/sign-in?next=/desk/sittings")
        assert (await at.sign_in_here(CLERK)).path == "/desk/sittings"


@pytest.mark.parametrize(
    "next_path", ["//evil.test/", "https://evil.test/", "/\\evil.test", "/%09/evil.test\r\nx: y"]
)
async def test_no_address_of_others_becomes_a_destination(next_path: str) -> None:
    async with way() as at:
        async with at.member.http.get(at.server.url + "/sign-in", params={"next": next_path}) as it:
            assert it.status == 200
        assert (await at.sign_in_here(CLERK)).path == "/account"
        assert [each for each in at.visited if "evil" in each] == []


async def test_cookie_that_was_not_sealed_here_is_nothing() -> None:
    async with way() as at:
        async with at.member.http.get(at.server.url + "/desk") as response:
            sealed = response.history[0].cookies["destination"].value
        for forged in ("x", sealed[:-8] + "AAAAAAA=", "A" * 5000):
            at.member.http.cookie_jar.clear()
            at.member.http.cookie_jar.update_cookies({"destination": forged})
            assert (await at.sign_in_here(CLERK)).path == "/account"


async def test_link_for_another_address_says_what_to_do_and_not_whose_it_is() -> None:
    async with way() as at:
        await at.member.get(at.link)
        await at.sign_in_here()
        await at.accept_terms()
        await at.member.post("/email", email="other@dimos.gr")
        shown = await at.confirm()
        assert (shown.status, shown.path) == (404, f"/invitations/{at.secret}")
        assert "other@dimos.gr" in shown.text and MEMBER_EMAIL not in shown.text
