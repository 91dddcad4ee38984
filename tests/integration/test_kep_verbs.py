"""No verb that takes content out of a call exists for kep rooms: over HTTP, over the socket, in any phase."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

from recording_policy import rules
from recording_policy.rules import CapabilityGrant, RoomClass, Verb, VerbDoesNotExist
from sfu.values import Role
from signaling.grants import initial_grants
from signaling.messages import ClientMessage
from tests.support.audit_entries import assert_verifies, facts, log_of, until_logged
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM
from tests.support.signaling_server import Client, Server, running_server

pytestmark = pytest.mark.asyncio

KEP_ROLES = [role for role in Role if initial_grants(RoomClass.KEP, role) is not None]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = (
    "/rooms/{room}/{verb}", "/api/v1/rooms/{room}/{verb}", "/api/v1/{verb}/{room}",
    "/api/v1/rooms/{room}/{verb}/start", "/{verb}/rooms/{room}/",
)  # fmt: skip


async def ask(server: Server, method: str, path: str) -> tuple[int, str]:
    headers = {"Origin": "http://own.test"}
    url = f"{server.control.url}{path}"
    async with server.http.request(method, url, headers=headers, data="{}") as answer:
        return answer.status, await answer.text()


def state_of(server: Server) -> Any:
    worker = server.worker(RoomClass.KEP).fake
    return {name: [*room.participants.values()] for name, room in worker.rooms.items()}


async def in_phase(server: Server, phase: str) -> tuple[dict[Role, Client], str]:
    """Bring the kep room into a phase, as far as the media server knows phases."""
    if phase == "not opened":
        return {}, ""
    people = {role: await server.joined(room=KEP_ROOM.room, role=role) for role in KEP_ROLES}
    if phase == "one is away":
        await people[Role.CITIZEN].socket.close()
    if phase == "closed":
        await people[Role.EMPLOYEE].request(type="close_room", reason="")
        await until_logged(server, "call_closed")
    return people, phase


@pytest.mark.parametrize("phase", ["not opened", "serving", "one is away", "closed"])
async def test_http_door_to_a_verb_is_no_door_and_nothing_changes(phase: str) -> None:
    async with running_server() as server:
        await in_phase(server, phase)
        await asyncio.sleep(0.05)
        before = state_of(server)
        for verb in Verb:
            for path in PATHS:
                address = path.format(room=KEP_ROOM.room, verb=verb.value)
                for method in METHODS:
                    nowhere = await ask(
                        server, method, path.format(room="nowhere", verb=verb.value)
                    )
                    assert nowhere[0] == 404
                    assert await ask(server, method, address) == nowhere, (method, address)
        assert state_of(server) == before

        refused = await until_logged(server, "verb_refused")
        assert refused["door"] == "http" and refused["room"] == KEP_ROOM.room
        assert ("call" in refused) == (phase in ("serving", "one is away"))
        assert len(facts(log_of(server), "verb_refused")) <= 31  # knocking does not fill the disk
        assert_verifies(server)


@pytest.mark.parametrize("role", KEP_ROLES)
async def test_socket_has_no_message_for_any_verb_in_any_role(role: Role) -> None:
    async with running_server() as server:
        client = await server.joined(room=KEP_ROOM.room, role=role)
        before = state_of(server)
        for verb in Verb:
            reply = await client.request(type=verb.value, room=KEP_ROOM.room)
            assert (reply["type"], reply["code"]) == ("error", "unknown_type"), reply
        assert state_of(server) == before
        assert (await client.request(type="ping"))["type"] == "done"

        await until_logged(server, "verb_refused", lambda each: each["verb"] == Verb.SHARE_FILE)
        entries = facts(log_of(server), "verb_refused")
        assert {each["verb"] for each in entries} == {verb.value for verb in Verb}
        assert {each["participant"] for each in entries} == {client.joined["participant"]}
        assert {each["door"] for each in entries} == {"socket"}


async def knock_on_all(server: Server, path: str) -> set[int]:
    """Ask for all verbs at once and return the answers' statuses."""
    addresses = [path.format(room=KEP_ROOM.room, verb=verb.value) for verb in Verb]
    answers = await asyncio.gather(*(ask(server, "POST", each) for each in addresses))
    return {status for status, _ in answers}


async def test_race_of_verbs_with_the_start_and_the_end_of_a_call_opens_nothing() -> None:
    async with running_server() as server:
        for _ in range(5):
            entering = asyncio.create_task(server.joined(room=KEP_ROOM.room, role=Role.EMPLOYEE))
            assert await knock_on_all(server, "/api/v1/rooms/{room}/{verb}") == {404}
            client = await entering
            ending = asyncio.create_task(client.request(type="close_room", reason=""))
            assert await knock_on_all(server, "/rooms/{room}/{verb}") == {404}
            await ending
        assert state_of(server) == {}
        assert_verifies(server)


async def test_no_route_and_no_message_reaches_a_grant_for_kep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[CapabilityGrant] = []
    check = CapabilityGrant.__post_init__

    def watch(grant: CapabilityGrant) -> None:
        asked.append(grant)
        check(grant)

    monkeypatch.setattr(CapabilityGrant, "__post_init__", watch)
    with pytest.raises(VerbDoesNotExist):  # the watch sees what it must see
        CapabilityGrant(Verb.TAP, KEP_ROOM.room, RoomClass.KEP, "employee", "serving")
    assert asked and asked.pop().room_class is RoomClass.KEP

    async with running_server() as server:
        people, _ = await in_phase(server, "serving")
        app = server.control.app
        for method, path in routes(app):
            for verb in ("record", "main"):
                address = filled(path, verb)
                await ask(server, method, address)
        for client in people.values():
            for kind in [*ClientMessage.__subclasses__(), *Verb]:
                tag = kind.value if isinstance(kind, Verb) else str(kind.__struct_config__.tag)
                if tag not in ("leave", "close_room", "kick"):
                    await client.request(type=tag, room=KEP_ROOM.room, text="x", raised=True)
        assert [each for each in asked if each.room_class is RoomClass.KEP] == []


def routes(app: web.Application) -> list[tuple[str, str]]:
    """Return (method, pattern) of every route, `*` as POST; the sockets' own is left to its tests."""
    found = [
        ("POST" if route.method == "*" else route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    ]
    assert len(found) > 8
    return [each for each in found if each[1] not in ("/ws", "/static")]


def filled(path: str, verb: str) -> str:
    """Return the pattern with the kep room, or the verb, in its places."""

    def value(found: re.Match[str]) -> str:
        return verb if found[1] in ("verb", "action", "format", "filename") else KEP_ROOM.room

    return re.sub(r"\{(\w+)(?::[^}]*)?\}", value, path)


async def test_guard_refuses_even_where_a_route_exists() -> None:
    async with running_server() as server:
        # A route that a later release might add by mistake; the guard stands before it.
        async def record(request: web.Request) -> web.Response:
            return web.Response(text="recording")

        server.control.extra_route("/rooms/{room}/recording", record)
        assert await ask(server, "POST", f"/rooms/{COUNCIL_ROOM.room}/recording") == (
            200,
            "recording",
        )
        assert (await ask(server, "POST", f"/rooms/{KEP_ROOM.room}/recording"))[0] == 404
        for written in ("Recording", "%72ecording"):
            address = f"/rooms/{KEP_ROOM.room}/{written}"
            assert (await ask(server, "POST", address))[0] == 404


@pytest.mark.parametrize(
    ("word", "verb"),
    [
        ("record", Verb.RECORD), ("Recordings", Verb.RECORD), ("start-recording", None),
        ("start_record", Verb.RECORD), ("keep-chat", Verb.KEEP_CHAT), ("keepchat", Verb.KEEP_CHAT),
        ("transcription", Verb.TRANSCRIBE), ("capture", None), ("rooms", None), ("", None),
        ("share_files", Verb.SHARE_FILE), ("streaming", Verb.STREAM), ("tapestry", None),
        ("tapping", Verb.TAP),
    ],
)  # fmt: skip
async def test_words_for_verbs_are_known_and_others_are_not(word: str, verb: Verb | None) -> None:
    assert rules.verb_of(word) is verb
