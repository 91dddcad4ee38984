"""The entrance of load tests over real HTTP: who has the secret gets into its rooms, nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.values import RoomClass
from signaling.loadtest_entrance import LoadTestSettings
from tests.support.signaling_parts import COUNCIL_ROOM
from tests.support.signaling_server import Server, running_server

pytestmark = pytest.mark.asyncio

ORIGIN = "http://own.test"
SECRET = "a-long-enough-secret"


def settings(secret: str = SECRET) -> LoadTestSettings:
    return LoadTestSettings(
        rooms=[COUNCIL_ROOM],
        secret=secret,
        origins=frozenset({ORIGIN}),
        room_capacity={RoomClass.COUNCIL: 500},
        total_capacity={RoomClass.COUNCIL: 2000},
    )


async def ask(server: Server, secret: str | None, **body: str) -> tuple[int, dict[str, Any]]:
    headers = {"Origin": ORIGIN}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    wanted = {"room": COUNCIL_ROOM.room, "display_name": "load-1", "role": "member", **body}
    url = f"{server.control.url}/api/v1/loadtest/tokens"
    async with server.http.post(url, json=wanted, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_the_secret_gives_a_token_that_admits() -> None:
    async with running_server(loadtest=settings()) as server:
        status, answer = await ask(server, SECRET)
        assert status == 200
        client = await server.connect()
        joined = await client.request(type="join", token=answer["token"], encryption="on")
        assert joined["type"] == "joined" and joined["room"] == COUNCIL_ROOM.room


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x"])
async def test_without_it_nothing_is_told(secret: str | None) -> None:
    async with running_server(loadtest=settings()) as server:
        status, answer = await ask(server, secret)
        assert (status, answer["code"]) == (401, "wrong_secret")
        async with server.http.get(f"{server.control.url}/api/v1/loadtest") as described:
            assert described.status == 401


async def test_other_rooms_are_not_opened_by_it() -> None:
    async with running_server(loadtest=settings()) as server:
        status, answer = await ask(server, SECRET, room="kep-demo")
        assert (status, answer["code"]) == (404, "unknown_room")


async def test_rooms_and_capacities_are_told() -> None:
    async with running_server(loadtest=settings()) as server:
        headers = {"Authorization": f"Bearer {SECRET}"}
        url = f"{server.control.url}/api/v1/loadtest"
        async with server.http.get(url, headers=headers) as described:
            assert (await described.json())["council"] == {
                "rooms": [COUNCIL_ROOM.room],
                "room_capacity": 500,
                "total_capacity": 2000,
            }


async def test_there_is_no_entrance_unless_enabled() -> None:
    async with running_server() as server:
        assert (await ask(server, SECRET))[0] == 404


async def test_a_local_service_may_do_without_a_secret() -> None:
    async with running_server(loadtest=settings(secret="")) as server:
        assert (await ask(server, None))[0] == 200
