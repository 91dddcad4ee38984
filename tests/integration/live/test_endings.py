"""What is pressed at the desk reaches the room at once, not when sittings are read again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from signaling.errors import CloseCode
from signaling.live import sitting_rooms
from signaling.scheduling.overdue import Overdue
from signaling.scheduling.values import SittingState
from signaling.storage.models import Sitting
from tests.integration.live.test_door import Council, council
from tests.support.accounts_server import Shown
from tests.support.databases import BACKENDS
from tests.support.desk import version_in
from tests.support.door_server import GIORGOS
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def slow_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read again by itself while a test lasts."""
    monkeypatch.setattr(sitting_rooms, "REFRESH_S", 3600.0)


async def press(sitting: Council, action: str, **fields: str) -> Shown:
    """Press a button of the sitting's page as its coordinator."""
    path = f"/desk/sittings/{sitting.server.sitting_id}"
    visitor = sitting.giorgos.visitor
    page = await visitor.get(path)
    return await visitor.post(f"{path}/{action}", version=version_in(page), **fields)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("action", "reason"), [("end", "ended"), ("cancel", "cancelled")])
async def test_the_desk_closes_the_room_at_once(
    action: str, reason: str, backend: str, tmp_path: Path
) -> None:
    async with council(tmp_path, backend) as sitting:
        await sitting.server.make_coordinator(GIORGOS)
        chair = await sitting.chair.walk_in()
        door = await sitting.eleni.knock()

        shown = await press(sitting, action, reason="Έλλειψη απαρτίας")
        assert shown.status == 200, shown.text
        async with asyncio.timeout(PATIENCE_S):
            assert (await chair.hear("room_closed"))["reason"] == reason
            assert (await door.hear("dismissed"))["outcome"] == reason
            assert await chair.closed() == CloseCode.ROOM_CLOSED
        # An extension of one that is over is refused, with a word why.
        late = await sitting.giorgos.visitor.get(f"/desk/sittings/{sitting.server.sitting_id}")
        assert f'data-status="{reason}"' in late.text and "/extend" not in late.text


async def test_the_clock_ends_the_sitting_and_its_room(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        server, service = sitting.server, sitting.server.accounts.service
        chair = await sitting.chair.walk_in()
        now = service._now()
        await server.change(starts_at=now - timedelta(hours=2), ends_at=now - timedelta(minutes=16))
        assert await Overdue(service.database, service.sittings, service._now).end_due() == 1
        async with asyncio.timeout(PATIENCE_S):
            assert (await chair.hear("room_closed"))["reason"] == "ended"
        async with service.database.read() as session:
            stored = await session.get_one(Sitting, server.sitting_id)
        assert stored.state == SittingState.ENDED
