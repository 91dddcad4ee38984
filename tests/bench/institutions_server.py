"""`python -m tests.bench.institutions_server BACKEND`: the application on a country's worth of data.

A process of its own, so that its CPU and its event loop are the server's alone. One JSON object a
line out: where it is and who is signed in. The line `remind` in starts a run of reminders, which is
answered by how long it took and how late the event loop was; the end of the input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop

from loadtest.quantiles import quantile
from signaling.scheduling.invitation_mails import InvitationMails
from signaling.scheduling.invitations import InvitationLinks
from signaling.scheduling.reminders import Reminders
from tests.bench.institutions_data import Institutions
from tests.support.accounts_server import AccountsServer, running_accounts

COORDINATORS = 60
"""A third of them of the largest bodies, as of all sittings."""
SITTINGS_TOLD = 20
LAG_INTERVAL_S = 0.002
LEAD = timedelta(hours=2)
"""Of the measured run; the service's own has an hour."""


async def main(backend: str) -> None:
    """Fill a database and serve."""
    async with running_accounts(backend) as server:
        country = Institutions(server.service, datetime.now(UTC))
        coordinators = await country.fill(COORDINATORS)
        told = []
        for each in coordinators:
            sittings = await country.own_sittings(each, SITTINGS_TOLD)
            told.append({**asdict(each), "sittings": sittings})
        _say({"url": server.url, "coordinators": told})
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "remind":
                _say(await _remind(server, country))


async def _remind(server: AccountsServer, country: Institutions) -> dict[str, Any]:
    """Make invitations due and remind them all, while the event loop's lag is watched."""
    parts = server.service.parts
    mails = InvitationMails(parts.mails, InvitationLinks(server.service.vault), parts.public_origin)
    reminders = Reminders(parts.database, mails, LEAD, parts.now)
    due = await country.add_due()
    late: list[float] = []
    watching = asyncio.create_task(_watch(late))
    started = time.monotonic()
    reminded = await reminders.remind_due()
    seconds = time.monotonic() - started
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    lag_ms = {
        name: 1000 * (quantile(late, wanted) or 0.0)
        for name, wanted in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0))
    }
    return {"due": due, "reminded": reminded, "seconds": seconds, "lag_ms": lag_ms}


async def _watch(late: list[float]) -> None:
    while True:
        due_s = time.monotonic() + LAG_INTERVAL_S
        await asyncio.sleep(LAG_INTERVAL_S)
        late.append(max(0.0, time.monotonic() - due_s))


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the service itself
        runner.run(main(sys.argv[1]))
