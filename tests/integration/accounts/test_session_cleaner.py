"""What is over is forgotten, what lives stays, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from signaling.accounts.config import AccountsConfig
from signaling.accounts.session_cleaner import SessionCleaner
from signaling.storage.models import EmailConfirmation, WebSession
from tests.support.accounts_server import CLERK, MEMBER, AccountsServer, running_accounts
from tests.support.databases import BACKENDS

pytestmark = pytest.mark.asyncio


async def counts(server: AccountsServer) -> tuple[int, int]:
    """Return how many sessions and confirmation links are stored."""
    async with server.service.database.read() as session:
        sessions = await session.scalar(select(func.count()).select_from(WebSession))
        links = await session.scalar(select(func.count()).select_from(EmailConfirmation))
    return sessions or 0, links or 0


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_is_over_is_forgotten_and_who_is_there_stays_signed_in(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as gone,
        server.visitor() as there,
    ):
        service = server.service
        cleaner = SessionCleaner(service.database, service._sessions, service._now)
        await gone.enter(CLERK)
        server.clock.shift_s += timedelta(minutes=AccountsConfig().idle_minutes + 2).total_seconds()
        await there.enter(MEMBER)
        assert await counts(server) == (2, 2)
        await cleaner.clean()
        assert await counts(server) == (1, 2), (
            "links are kept for a week: who comes late is told so"
        )
        assert (await there.get("/account")).path == "/account"
        assert (await gone.get("/account")).path == "/sign-in"
        server.clock.shift_s += timedelta(days=9).total_seconds()
        await cleaner.clean()
        assert await counts(server) == (0, 0)
