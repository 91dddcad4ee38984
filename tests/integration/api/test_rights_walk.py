"""Bounded random walks through the API against a small model of who may see and do what."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from signaling.accounts import service as accounts_service
from tests.integration.api.test_journeys import Cast, cast
from tests.support.api import RANDOM_ID, ApiClient, Reply, sitting_on

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]
STEPS = 80
LIST_EVERY = 3
SEEDS = (1, 20260322)
MEMBER = {"name": "Πολίτης", "email": "citizen@dimos.gr"}


@dataclass
class ModelSitting:
    """A sitting as it must be."""

    owner: str
    version: int
    title: str
    is_planned: bool = True
    invitation: str = ""
    is_invited: bool = False
    """The member, who has no role."""


@dataclass
class Model:
    """What everybody must see. Two bodies, a coordinator each; no one sees the other's."""

    sittings: dict[str, ModelSitting] = field(default_factory=dict)
    has_role: dict[str, bool] = field(default_factory=lambda: {"head": True, "other": True})

    def may_manage(self, who: str, sitting: ModelSitting) -> bool:
        return sitting.owner == who and self.has_role.get(who, False)


class Walk:
    """Does a step, and compares what the service says with what the model says."""

    def __init__(self, people: Cast, seed: int) -> None:
        self.people = people
        self.random = random.Random(seed)
        self.model = Model()
        self.clients: dict[str, ApiClient] = {
            "head": people.head, "other": people.other, "administrator": people.administrator,
            "member": people.citizen,
        }  # fmt: skip
        self.bodies = {"head": people.body, "other": people.other_body}
        self.day = 2
        self.counts: dict[int, int] = {}

    async def run(self) -> None:
        steps = [self.create, self.rename, self.rename_blindly, self.cancel, self.invite,
                 self.revoke, self.read, self.read_random, self.toggle_role]  # fmt: skip
        weights = [12, 9, 5, 2, 9, 6, 8, 2, 1]
        for number in range(STEPS):
            (step,) = self.random.choices(steps, weights)
            await step()
            if number % LIST_EVERY == 0:
                await self.check_lists()

    def anybody(self, owner: str = "") -> tuple[str, ApiClient]:
        """Return the owner every other time: else most steps would be refused."""
        is_owner = owner and self.random.random() < 0.5
        who = owner if is_owner else self.random.choice(sorted(self.clients))
        return who, self.clients[who]

    def any_sitting(self) -> tuple[str, ModelSitting] | None:
        if not self.model.sittings:
            return None
        return self.random.choice(sorted(self.model.sittings.items()))

    def expect(self, reply: Reply, status: int) -> None:
        assert reply.status == status, reply
        self.counts[status] = self.counts.get(status, 0) + 1

    async def create(self) -> None:
        owner = self.random.choice(sorted(self.bodies))
        who, client = self.anybody(owner)
        self.day += 1
        body = sitting_on(f"b:{self.bodies[owner]}", self.day, participants=2)
        reply = await client.post("/sittings", body)
        if who == owner and self.model.has_role[owner]:
            self.expect(reply, 201)
            value = reply.value
            self.model.sittings[value["id"]] = ModelSitting(owner, value["version"], value["title"])
        else:
            self.expect(reply, 422)
            assert reply.value["errors"] == {"place": "place_missing"}

    async def rename(self) -> None:
        await self._rename(is_blind=False)

    async def rename_blindly(self) -> None:
        await self._rename(is_blind=True)

    async def _rename(self, *, is_blind: bool) -> None:
        found = self.any_sitting()
        if found is None:
            return
        sitting_id, sitting = found
        who, client = self.anybody(sitting.owner)
        self.day += 1
        title = f"Τίτλος {self.random.randrange(1000)}"
        body = sitting_on(f"b:{self.bodies[sitting.owner]}", self.day, title=title, participants=2)
        version = sitting.version + (self.random.choice((1, 5)) if is_blind else 0)
        reply = await client.put(f"/sittings/{sitting_id}", {**body, "version": version})
        if not self.model.may_manage(who, sitting):
            self.expect(reply, 404)
        elif is_blind or not sitting.is_planned:
            self.expect(reply, 409)
        else:
            self.expect(reply, 200)
            sitting.title, sitting.version = title, reply.value["version"]

    async def cancel(self) -> None:
        found = self.any_sitting()
        if found is None:
            return
        sitting_id, sitting = found
        who, client = self.anybody(sitting.owner)
        reply = await client.post(
            f"/sittings/{sitting_id}/cancel", {"version": sitting.version, "reason": "Απαρτία"}
        )
        if not self.model.may_manage(who, sitting):
            self.expect(reply, 404)
        elif not sitting.is_planned:
            self.expect(reply, 409)
        else:
            self.expect(reply, 200)
            sitting.is_planned, sitting.version = False, reply.value["version"]

    async def invite(self) -> None:
        found = self.any_sitting()
        if found is None:
            return
        sitting_id, sitting = found
        who, client = self.anybody(sitting.owner)
        path = f"/sittings/{sitting_id}/invitations"
        reply = await client.post(path, {"people": [MEMBER]})
        if not self.model.may_manage(who, sitting):
            self.expect(reply, 404)
        elif not sitting.is_planned:
            self.expect(reply, 409)
        else:
            self.expect(reply, 200)
            assert reply.value == {"invited": 0 if sitting.is_invited else 1}
            sitting.is_invited = True
            sitting.invitation = (await client.get(path)).value["items"][0]["id"]

    async def revoke(self) -> None:
        found = self.any_sitting()
        if found is None or not found[1].invitation:
            return
        sitting_id, sitting = found
        who, client = self.anybody(sitting.owner)
        path = f"/sittings/{sitting_id}/invitations/{sitting.invitation}/revoke"
        reply = await client.post(path)
        if not self.model.may_manage(who, sitting):
            self.expect(reply, 404)
        elif not sitting.is_planned:
            self.expect(reply, 409)
        else:
            self.expect(reply, 200)
            sitting.is_invited = False

    async def read(self) -> None:
        found = self.any_sitting()
        if found is None:
            return
        sitting_id, sitting = found
        who, client = self.anybody(sitting.owner)
        reply = await client.get(f"/sittings/{sitting_id}")
        if not self.model.may_manage(who, sitting):
            self.expect(reply, 404)
            assert reply.value == (await client.get(f"/sittings/{RANDOM_ID}")).value
            return
        self.expect(reply, 200)
        assert reply.value["title"] == sitting.title
        assert reply.value["version"] == sitting.version
        assert (reply.value["state"] == "planned") == sitting.is_planned

    async def read_random(self) -> None:
        _, client = self.anybody()
        self.expect(await client.get(f"/sittings/{RANDOM_ID}"), 404)

    async def toggle_role(self) -> None:
        """The administrator takes a coordinator's role, or gives it back."""
        who = self.random.choice(sorted(self.bodies))
        if self.model.has_role[who]:
            await end_role(self.people, self.bodies[who])
        else:
            await ask_and_approve(self.people, self.clients[who], self.bodies[who])
        self.model.has_role[who] = not self.model.has_role[who]

    async def check_lists(self) -> None:
        """Whoever lists sees exactly what the model says, and the member what invites them."""
        for who, body in self.bodies.items():
            reply = await self.clients[who].get(
                "/sittings", since="2026-01-01T00:00:00Z", until="2150-01-01T00:00:00Z", limit=100
            )
            if not self.model.has_role[who]:
                assert reply.status == 404
                continue
            mine = {
                each
                for each, it in self.model.sittings.items()
                if it.owner == who and it.is_planned
            }
            assert {each["id"] for each in reply.value["items"]} == mine
            assert {each["body_id"] for each in reply.value["items"]} <= {body}
        invited = (await self.clients["member"].get("/my/sittings")).value["items"]
        assert {each["id"] for each in invited} == {
            each for each, it in self.model.sittings.items() if it.is_invited and it.is_planned
        }


async def end_role(people: Cast, body: str) -> None:
    """End the coordinator's role on the administrator's page: the API has no such operation."""
    visitor = people.administrator_pages
    shown = await visitor.get(f"/administration/bodies/{body}")
    assignment = shown.text.split(f"/administration/bodies/{body}/roles/")[1][:32]
    ended = await visitor.post(f"/administration/bodies/{body}/roles/{assignment}/end")
    assert ended.status == 200


async def ask_and_approve(people: Cast, client: ApiClient, body: str) -> None:
    """Ask for the role as its former holder; the administrator gives it."""
    asked = {"body_name": "Ξανά ο ίδιος", "phone": "2101234567", "purpose": "Συνεδριάσεις δήμου"}
    filed = (await client.post("/role-requests", asked)).value
    verdict = {
        "version": filed["version"], "verdict": "approve", "role": "body_coordinator",
        "body_id": body,
    }  # fmt: skip
    reply = await people.administrator.post(f"/role-requests/{filed['id']}/decision", verdict)
    assert reply.status == 200, reply


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_walk_agrees_with_the_model(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_service, "FORM_BURST", 1e9)
    async with cast() as people:
        walk = Walk(people, seed)
        await walk.run()

        # A walk that was refused all the way, or never, has tested nothing.
        assert walk.counts[404] >= 10
        assert walk.counts[200] >= 10
        assert walk.counts[409] >= 1
        assert len(walk.model.sittings) >= 3
