"""Sign-in, its gates, sessions and sign-out: what each refuses."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, text

from signaling.accounts.config import AccountsConfig
from signaling.storage.models import Person, TermsAcceptance, WebSession
from tests.support.accounts_server import CLERK, MEMBER, AccountsServer, running_accounts
from tests.support.databases import BACKENDS

pytestmark = pytest.mark.asyncio


async def count(server: AccountsServer, model: type) -> int:
    async with server.service.database.read() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.parametrize("realm", ["citizens", "citizens-otp", "staff"])
async def test_one_person_has_one_account_whichever_service_is_used(realm: str) -> None:
    async with running_accounts() as server, server.visitor() as first, server.visitor() as again:
        before = await count(server, Person)
        await first.enter(CLERK)
        shown = await again.sign_in(CLERK, realm)

        assert shown.path == "/account"
        assert await count(server, Person) == before + 1


@pytest.mark.parametrize("backend", BACKENDS)
async def test_nothing_is_open_before_terms_and_confirmed_email(backend: str) -> None:
    pages = ["/account", "/account/role-request", "/administration/requests",
             "/administration/bodies", "/administration/audit", "/administration/mail"]  # fmt: skip
    async with running_accounts(backend) as server, server.visitor() as clerk:
        for path in pages:
            assert (await clerk.get(path)).path == "/sign-in"
        await clerk.sign_in(CLERK)
        for path in pages:
            assert (await clerk.get(path)).path == "/terms"
        assert (await clerk.get("/email")).path == "/terms"
        refused = await clerk.post("/terms", version=clerk.server_terms)
        assert refused.status == 422 and "αποδεχθείτε" in refused.text
        await clerk.post("/terms", accept="yes", version=clerk.server_terms)
        assert await count(server, TermsAcceptance) == 1
        for path in pages:
            assert (await clerk.get(path)).path == "/email"
        token = clerk.csrf
        filed = await clerk.post("/account/role-request", csrf=token, body_name="x")
        assert filed.path == "/email"
        await clerk.post("/email", csrf=token, email="clerk@dimos.gr")
        assert (await clerk.get("/account")).path == "/email"
        assert (await clerk.confirm_email()).path == "/account"


async def test_new_terms_are_asked_for_again() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        async with server.service.database.write() as session:
            await session.execute(text("UPDATE terms_acceptances SET terms_version = 'older'"))
        assert (await clerk.get("/account")).path == "/terms"


@pytest.mark.parametrize("email", ["", "nobody", "a@b\r\nBcc: x@y.gr", "a@b.gr,c@d.gr"])
async def test_bad_address_is_named(email: str) -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.sign_in(CLERK)
        await clerk.post("/terms", accept="yes", version=clerk.server_terms)
        shown = await clerk.post("/email", email=email)
        assert shown.status == 422 and 'aria-invalid="true"' in shown.text
        assert "Δεν υπάρχουν μηνύματα" in (await clerk.get("/outbox")).text


async def test_link_is_good_once_for_its_own_person_for_the_last_address_and_for_its_time() -> None:
    async with running_accounts() as server, server.visitor() as clerk, server.visitor() as other:
        for visitor in (clerk, other):
            await visitor.sign_in(CLERK if visitor is clerk else MEMBER)
            await visitor.post("/terms", accept="yes", version=clerk.server_terms)
        await clerk.post("/email", email="old@dimos.gr")
        old = await clerk.mailed_link()
        await clerk.get("/email")
        await clerk.post("/email", email="new@dimos.gr")
        new = await clerk.mailed_link()

        await clerk.get(old)
        token = clerk.csrf
        assert (await clerk.post(old)).status == 410, "replaced"
        await other.get(new)
        assert (await other.post(new)).status == 410, "another person's"
        async with server.visitor() as nobody:
            assert (await nobody.get(new)).path == "/sign-in"
        assert (await clerk.post(new[:-3] + "abc", csrf=token)).status == 410, "altered"
        server.clock.shift_s = 25 * 3600.0
        await clerk.sign_in(CLERK)
        await clerk.get(new)
        assert (await clerk.post(new)).status == 410, "expired"
        server.clock.shift_s = 0.0
        await clerk.sign_in(CLERK)
        await clerk.get(new)
        token = clerk.csrf
        assert (await clerk.post(new)).path == "/account"
        assert (await clerk.post(new, csrf=token)).status in (403, 410), "used"
        assert "new@dimos.gr" in (await clerk.get("/account")).text


async def test_confirmation_mails_are_limited() -> None:
    accounts = AccountsConfig(email_links_per_hour=2)
    async with running_accounts(accounts=accounts) as server, server.visitor() as clerk:
        await clerk.sign_in(CLERK)
        await clerk.post("/terms", accept="yes", version=clerk.server_terms)
        for expected in (200, 200, 429):
            assert (await clerk.post("/email", email="clerk@dimos.gr")).status == expected


async def test_session_is_new_at_every_sign_in_and_the_old_one_ends() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        before = clerk.cookie()
        await clerk.sign_in(CLERK)
        after = clerk.cookie()

        assert before and after and before != after
        assert await count(server, WebSession) == 1
        async with server.service.database.read() as session:
            stored = (await session.scalars(select(WebSession.token_hash))).one()
        assert after not in stored


async def test_a_cookie_planted_before_sign_in_is_worth_nothing() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        clerk.http.cookie_jar.update_cookies({"session": "planted"})
        await clerk.enter(CLERK)
        async with server.visitor() as thief:
            thief.http.cookie_jar.update_cookies({"session": "planted"})
            assert (await thief.get("/account")).path == "/sign-in"


async def test_cookie_is_closed_to_scripts_and_other_sites() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        shown = await clerk.get("/sign-in/citizens", follow=False)
        assert "HttpOnly" in shown.headers["Set-Cookie"]
        async with clerk.http.post(
            shown.headers["Location"], data={"person": CLERK}, allow_redirects=False
        ) as back:
            callback = back.headers["Location"]
        cookies = (await clerk.get(callback, follow=False)).headers
        assert "SameSite=Lax" in cookies["Set-Cookie"] and "HttpOnly" in cookies["Set-Cookie"]


@pytest.mark.parametrize("seconds", [61 * 60.0, 13 * 3600.0])
async def test_session_ends_by_disuse_and_by_age(seconds: float) -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        server.clock.shift_s = seconds
        assert (await clerk.get("/account")).path == "/sign-in"


async def test_use_keeps_a_session_but_not_beyond_its_age() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        for seconds in range(1800, 14 * 3600, 1800):
            server.clock.shift_s = float(seconds)
            path = (await clerk.get("/account")).path
            assert path == ("/account" if seconds < 12 * 3600 else "/sign-in")


async def test_sign_out_ends_our_session_and_the_services() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        token = clerk.cookie()
        assert len(server.provider.sessions) == 1

        shown = await clerk.post("/sign-out")

        assert shown.path == "/signed-out" and "Αποσυνδεθήκατε" in shown.text
        assert server.provider.sessions == {}
        clerk.http.cookie_jar.update_cookies({"session": token or ""})
        assert (await clerk.get("/account")).path == "/sign-in"
        # The next sign-in asks who it is.
        chosen = await clerk.get("/sign-in/citizens")
        assert "φανταστικό πρόσωπο" in chosen.text


@pytest.mark.parametrize("csrf", ["", "0" * 64])
@pytest.mark.parametrize("path", ["/sign-out", "/account/role-request", "/email", "/terms"])
async def test_forms_of_other_sites_are_refused(path: str, csrf: str) -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        assert (await clerk.post(path, csrf=csrf, email="a@b.gr")).status == 403
        assert (await clerk.get("/account")).path == "/account"


async def test_callback_needs_the_attempt_of_this_browser() -> None:
    async with running_accounts() as server, server.visitor() as victim, server.visitor() as thief:
        shown = await thief.get("/sign-in/citizens", follow=False)
        async with thief.http.post(
            shown.headers["Location"], data={"person": MEMBER}, allow_redirects=False
        ) as back:
            callback = back.headers["Location"]

        # Sign-in CSRF: a callback begun by somebody else signs nobody in.
        assert (await victim.get(callback)).status == 400
        assert (await thief.get(callback.replace("state=", "state=x"))).status == 400
        assert await count(server, WebSession) == 0


async def test_code_is_good_once() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        shown = await clerk.get("/sign-in/staff", follow=False)
        assert "code_challenge" in shown.headers["Location"]
        attempt = clerk.cookie("sign-in")
        async with clerk.http.post(
            shown.headers["Location"], data={"person": CLERK}, allow_redirects=False
        ) as back:
            callback = back.headers["Location"]
        assert (await clerk.get(callback)).path == "/terms"
        clerk.http.cookie_jar.update_cookies({"sign-in": attempt or ""})
        assert (await clerk.get(callback)).status == 400


async def test_cancelled_and_unavailable_services_are_told_apart() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        shown = await clerk.get("/sign-in/citizens", follow=False)
        async with clerk.http.post(
            shown.headers["Location"], data={"cancel": "yes"}, allow_redirects=False
        ) as back:
            callback = back.headers["Location"]
        cancelled = await clerk.get(callback)
        assert cancelled.status == 400 and "ακυρώθηκε" in cancelled.text
        assert (await clerk.get("/sign-in/nowhere")).status == 404
        assert (await clerk.get("/sign-in?next=//evil.test")).status == 200


async def test_sign_in_is_limited_by_address() -> None:
    async with running_accounts(attempt_burst=3) as server, server.visitor() as clerk:
        shown = [await clerk.get("/sign-in/citizens", follow=False) for _ in range(4)]
        assert [each.status for each in shown] == [303, 303, 303, 429]
        assert int(shown[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize("backend", BACKENDS)
async def test_same_person_twice_at_once_is_one_account(backend: str) -> None:
    async with running_accounts(backend) as server:

        async def one() -> None:
            async with server.visitor() as visitor:
                await visitor.sign_in(CLERK)

        before = await count(server, Person)
        await asyncio.gather(*(one() for _ in range(5)))
        assert (await count(server, Person), await count(server, WebSession)) == (before + 1, 5)
