"""What an empty development installation is filled with can be used at once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from signaling.scheduling.samples import CLERK, COUNCILLOR, add_sample_sittings
from signaling.storage.models import CollectiveBody, Member, Sitting
from tests.support.accounts_server import running_accounts

pytestmark = pytest.mark.asyncio


async def test_samples_are_there_once_and_the_clerk_finds_a_desk() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as clerk,
        server.visitor() as councillor,
    ):
        parts = server.service._sample_parts()
        await add_sample_sittings(parts)
        await add_sample_sittings(parts)
        async with server.service.database.read() as session:
            for table, count in ((CollectiveBody, 4), (Sitting, 9), (Member, 46)):
                assert await session.scalar(select(func.count()).select_from(table)) == count
        await clerk.enter(CLERK)
        desk = await clerk.get("/desk")
        assert "8η τακτική συνεδρίαση" in desk.text and "Ανοικτή τώρα" in desk.text
        assert "Δήμος Νέας Δοκιμής" not in desk.text
        found = re.search(r'href="(/desk/sittings/[0-9a-f]{32})"', desk.text)
        assert found is not None
        shown = await clerk.get(found[1])
        assert "Προϋπολογισμός" in shown.text
        assert (await clerk.get(found[1] + "/invited")).text.count("@example.gr") >= 12
        assert "7η τακτική" in (await clerk.get("/desk/sittings?when=past")).text
        await councillor.enter(COUNCILLOR)
        assert (await councillor.get("/desk")).status == 404
        assert "8η τακτική συνεδρίαση" in (await councillor.get("/account")).text
