"""The document is true: schemathesis makes requests from it, good and bad, and judges the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from signaling.accounts import service as accounts_service
from signaling.api.service import DOCUMENT_PATH
from tests.support.accounts_server import ADMINISTRATOR, AccountsServer, running_accounts
from tests.support.api import ApiClient, client_of, sitting_on
from tests.support.desk import give_role

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
EXAMPLES = 10
"""Of each operation, good; half as many bad."""
SEED = 20260322
POSSIBLE = ["2xx", "401", "403", "404", "409", "422"]
"""What a request may get that is as the document says. 400 is not among them: it says "not as the
document says". 422: well formed, but against a rule that no schema can tell (a time that is past)."""


@dataclass
class Fuzzed:
    """A service with one of everything, and somebody who may do nearly everything to it."""

    server: AccountsServer
    headers: Mapping[str, str]
    ids: Mapping[str, list[str]]
    place: str
    statuses: dict[str, set[int]] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def fuzzed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fuzzed]:
    monkeypatch.setattr(accounts_service, "FORM_BURST", 1e9)
    async with running_accounts() as server, server.visitor() as visitor:
        await visitor.enter(ADMINISTRATOR, "admin@dimos.gr")
        body, _ = await give_role(server, "admin@dimos.gr", "Δήμος Παραδείγματος")
        client = await client_of(visitor)
        headers = {
            "Origin": server.url, "X-Form-Token": client.form_token,
            "Cookie": f"session={visitor.cookie()}",
        }  # fmt: skip
        yield Fuzzed(server, headers, await one_of_everything(client, body), f"b:{body}")


async def one_of_everything(client: ApiClient, body: str) -> dict[str, list[str]]:
    """Make things for the ids in addresses: some calls end what they are called for."""

    async def made(path: str, sent: object) -> str:
        reply = await client.post(path, sent)
        assert reply.status == 201, (path, reply)
        return str(reply.value["id"])

    place = f"b:{body}"
    ids: dict[str, list[str]] = {"body": [body]}
    ids["unit"] = [await made(f"/bodies/{body}/units", {"name": "Μονάδα"})]
    council = {"place": place, "name": "Συμβούλιο", "kind": "council"}
    ids["collective"] = [await made("/collective-bodies", council)]
    members = f"/collective-bodies/{ids['collective'][0]}/members"
    ids["member"] = [
        await made(members, {"name": f"Μέλος {n}", "email": f"m{n}@dimos.gr"}) for n in range(4)
    ]
    ids["sitting"] = [await made("/sittings", sitting_on(place, n)) for n in range(3, 8)]
    ids["invitation"] = []
    for sitting in ids["sitting"]:
        path = f"/sittings/{sitting}/invitations"
        await client.post(path, {"people": [{"name": "Άννα", "email": "anna@dimos.gr"}]})
        ids["invitation"].append((await client.get(path)).value["items"][0]["id"])
    asked = {"body_name": "Δήμος", "phone": "2101234567", "purpose": "Συνεδριάσεις δήμου"}
    ids["request"] = [await made("/role-requests", asked)]
    services = await client.get("/services", theme="information")
    ids["service"] = [services.value["items"][0]["id"]]
    times = f"/services/{ids['service'][0]}/times"
    day = (await client.get(times)).value["days"][-1]
    start = (await client.get(times, day=day)).value["times"][0]
    ids["appointment"] = [
        await made(
            "/appointments",
            {
                "service": ids["service"][0], "starts_at": start, "request_key": "a" * 32,
                "email": "p@example.gr", "phone": "6900000000", "address": "Οδός 1",
                "document": "passport", "delivery": "email",
            },
        )
    ]  # fmt: skip
    return ids


async def test_every_operation_answers_as_the_document_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with fuzzed(monkeypatch) as world:
        await asyncio.to_thread(fuzz, world)

        answered = world.statuses
        # The fuzzer reaches what is behind the doors, not only the doors.
        reached = [name for name, each in answered.items() if each & {200, 201}]
        assert len(reached) >= len(answered) * 2 // 3, answered
        assert not any(status >= 500 for each in answered.values() for status in each)


def fuzz(world: Fuzzed) -> None:
    config = schemathesis.Config()
    config.projects.default.checks.positive_data_acceptance.expected_statuses = POSSIBLE
    # Who asks is not fuzzed here: test_table.py asks every operation as nobody and as somebody else.
    config.projects.default.generation.update(with_security_parameters=False)
    schema = schemathesis.openapi.from_url(world.server.url + DOCUMENT_PATH, config=config)
    failures: list[Exception] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        failures += run(world, good, EXAMPLES, with_ids=True)
        if operation.body or operation.query:
            bad = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
            failures += run(world, bad, EXAMPLES // 2, with_ids=False)
    if failures:
        raise ExceptionGroup("the document is not true", failures)


def run(world: Fuzzed, cases: Any, examples: int, *, with_ids: bool) -> list[Exception]:
    turns = count()

    @seed(SEED)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def check(case: Any) -> None:
        turn = next(turns)
        if with_ids and turn % 4:  # every fourth is somebody else's, or nobody's
            for name in case.path_parameters or ():
                known = world.ids[name]
                case.path_parameters[name] = known[turn % len(known)]
            if isinstance(case.body, dict):  # what the schema cannot know: which version, where
                case.body |= {"version": 1 + turn % 2} if "version" in case.body else {}
                case.body |= {"place": world.place} if "place" in case.body else {}
        response = case.call(headers=dict(world.headers))
        world.statuses.setdefault(case.operation.label, set()).add(response.status_code)
        case.validate_response(response, headers=dict(world.headers))

    try:
        check()
    except Exception as failure:  # all operations are tried before the test fails
        return [failure]
    return []
