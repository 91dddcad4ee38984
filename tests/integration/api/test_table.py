"""The table, the routes and the document say the same; whoever asks is asked back."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from signaling.api import appointments
from signaling.api.document import make_document
from signaling.api.service import DOCUMENT_PATH, TABLES, add_api
from signaling.api.table import PREFIX
from tests.support.accounts_server import AccountsServer, running_accounts
from tests.support.api import RANDOM_ID, ApiClient, client_of
from tests.support.desk import CITIZEN

pytestmark = pytest.mark.asyncio
OPERATIONS = [each for table in (*TABLES, appointments.TABLE) for each in table.operations]


def routes_of(server: AccountsServer) -> set[tuple[str, str]]:
    app = web.Application()
    parts = server.api_parts()
    add_api(app, parts)
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical != DOCUMENT_PATH
    }


async def test_every_route_is_in_the_document_and_every_operation_has_a_route() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        document = json.loads((await visitor.get(DOCUMENT_PATH)).text)

        described = {
            (method.upper(), path) for path, item in document["paths"].items() for method in item
        }
        assert described == routes_of(server)
        assert len(described) == len(OPERATIONS) >= 45


async def test_operation_names_are_unique_and_every_one_has_a_summary() -> None:
    names = [each.name for each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(each.summary.endswith(".") or each.summary for each in OPERATIONS)


async def test_the_document_has_no_reference_that_leads_nowhere() -> None:
    document = make_document((*TABLES, appointments.TABLE), "session")
    text = json.dumps(document)
    named = {each.split('"')[0] for each in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])


async def test_without_a_session_every_operation_answers_401_as_problem_details() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        client = ApiClient(server, visitor.http)
        for each in OPERATIONS:
            path = each.path
            for name in each.path_names:
                path = path.replace(f"{{{name}}}", RANDOM_ID)
            reply = await client.send(each.method, path, {} if each.writes else None)
            assert (reply.status, reply.code) == (401, "not_signed_in"), each.path
            assert reply.content_type == "application/problem+json"


async def test_every_write_asks_for_the_form_token_and_our_own_origin() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        await visitor.enter(CITIZEN)
        client = await client_of(visitor)
        for each in OPERATIONS:
            if not each.writes:
                continue
            path = each.path
            for name in each.path_names:
                path = path.replace(f"{{{name}}}", RANDOM_ID)
            for headers, code in (
                ({"X-Form-Token": "0" * 64}, "stale_form"),
                ({"Origin": "https://elsewhere.example"}, "foreign_origin"),
                ({"Origin": ""}, "foreign_origin"),
            ):
                reply = await client.send(each.method, path, {}, **headers)
                assert (reply.status, reply.code) == (403, code), each.path


async def test_what_is_not_json_or_not_known_is_refused() -> None:
    async with running_accounts() as server, server.visitor() as visitor:
        await visitor.enter(CITIZEN)
        client = await client_of(visitor)
        good = {"body_name": "Δήμος", "phone": "2101234567", "purpose": "Συνεδριάσεις δήμου"}
        url = server.url + PREFIX + "/role-requests"
        headers = {"Origin": server.url, "X-Form-Token": client.form_token}

        async def send(data: bytes, content_type: str = "application/json") -> int:
            async with visitor.http.post(
                url, data=data, headers=headers | {"Content-Type": content_type}
            ) as response:
                return response.status

        assert (await client.post("/role-requests", good | {"is_admin": True})).status == 400
        assert await send(json.dumps(good).encode(), "text/plain") == 415
        assert await send(b'{"body_name":"a","body_name":"b"}') == 400
        assert await send(b"[" * 60_000) == 400
        assert await send(b"\xff\xfe") == 400
        assert await send(b'"' + b"a" * 70_000 + b'"') == 413
        assert (await client.get("/role-requests", limit=101)).status == 400
        assert (await client.get("/my/sittings", page=1)).status == 400
