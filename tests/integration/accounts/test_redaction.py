"""Nothing that identifies a person is logged on the whole way to a role."""

from __future__ import annotations

import json

import pytest

from signaling.logs import configure_logs
from tests.support.accounts_server import CLERK, running_accounts
from tests.support.logs import forget_logs

pytestmark = pytest.mark.asyncio


async def test_logs_of_accounts_hold_no_person(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug")
    try:
        async with running_accounts() as server, server.visitor() as clerk:
            await clerk.enter(CLERK, "needle-clerk@dimos.gr")
            link = await clerk.mailed_link()
            await clerk.get("/account/role-request")
            await clerk.post(
                "/account/role-request", body_name="Needle-Body", phone="2105550199",
                purpose="Needle-Purpose of the sittings",
            )  # fmt: skip
            await clerk.get("/sign-in/citizens/callback?code=needle-code&state=needle-state")
            await clerk.post("/account/role-request/needle-id/withdraw", csrf="needle-csrf")
            needles = [
                CLERK, "ΓΡΑΜΜΑΤΕΑΣ", "ΜΑΡΙΑ", "needle-clerk", "Needle-Body", "2105550199",
                "Needle-Purpose", "needle-code", "needle-state", "needle-id", "needle-csrf",
                "127.0.0.1", link.rpartition("/")[2], clerk.cookie() or "no cookie",
            ]  # fmt: skip
    finally:
        forget_logs()

    written = "".join(capfd.readouterr())
    assert '"route": "/sign-in/{provider}/callback"' in written
    for line in written.splitlines():
        json.loads(line)
    for needle in needles:
        assert needle not in written, needle
