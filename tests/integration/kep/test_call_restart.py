"""A control plane that was restarted takes running calls up as they were."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.kep_calls import Caller, Desk, InCall, running_call, running_desk
from tests.support.signaling_server import until
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def _citizen_asks(call: InCall) -> None:
    await call.citizen.ask("sound-only", wanted="yes")


async def _employee_asks(call: InCall) -> None:
    await call.employee.ask("sound-only", wanted="yes")


async def _network_is_weak(call: InCall) -> None:
    await call.desk.weaken()


@dataclass
class Restarted:
    """The desk of the second process, and the two who resumed there."""

    desk: Desk
    citizen: Caller
    employee: Caller


@contextlib.asynccontextmanager
async def running_again(call: InCall, folder: Path) -> AsyncIterator[Restarted]:
    """Run another control plane on the data and before the worker of one that has ended."""
    before = call.desk
    before.worker.fake.disconnect()
    async with (
        running_desk("sqlite", folder, worker=before.worker) as desk,
        desk.accounts.visitor() as first,
        desk.accounts.visitor() as second,
    ):
        desk.appointment_id, desk.room = before.appointment_id, before.room
        again = Restarted(desk, Caller(desk, first), Caller(desk, second))
        for caller, old, socket in (
            (again.employee, call.employee, call.employee_socket),
            (again.citizen, call.citizen, call.citizen_socket),
        ):
            jar = {each.key: each for each in old.visitor.http.cookie_jar}
            caller.visitor.http.cookie_jar.update_cookies(jar)
            joined = await (await caller.socket("/ws")).request(**socket.resume_message())
            assert joined["type"] == "joined" and joined["resumed"] is True
        async with asyncio.timeout(PATIENCE_S):
            while (await again.citizen.visitor.get(desk.api + "/call")).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield again


@pytest.mark.parametrize(
    ("begin", "cause"),
    [
        (_citizen_asks, "citizen"),
        (_employee_asks, "employee"),
        (_network_is_weak, "weak_network"),
    ],
)
async def test_call_with_sound_only_goes_on_for_the_reason_it_had(
    tmp_path: Path, begin: Callable[[InCall], Awaitable[None]], cause: str
) -> None:
    async with running_call("sqlite", tmp_path) as call:
        await call.confirm()
        await begin(call)
        await until(lambda: not any(call.desk.cameras().values()))
    async with running_again(call, tmp_path) as again:
        view = await again.citizen.view()
        assert (view["phase"], view["is_identified"]) == ("serving", True)
        assert view["sound_only"] == cause
        assert not any(again.desk.cameras().values())
        assert (await again.citizen.ask("sound-only", wanted="no"))[0] == 200
        await until(lambda: all(again.desk.cameras().values()))


async def test_reason_of_an_earlier_time_is_not_told_of_a_later_one(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        await call.confirm()
        await _employee_asks(call)
        await call.citizen.ask("sound-only", wanted="no")
        await _citizen_asks(call)
        await until(lambda: not any(call.desk.cameras().values()))
    async with running_again(call, tmp_path) as again:
        assert (await again.citizen.view())["sound_only"] == "citizen"


async def test_call_with_picture_goes_on_with_picture(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        await call.confirm()
        await _employee_asks(call)
        await call.citizen.ask("sound-only", wanted="no")
        await until(lambda: all(call.desk.cameras().values()))
    async with running_again(call, tmp_path) as again:
        assert (await again.citizen.view())["sound_only"] is None
        assert all(again.desk.cameras().values())
