"""Each right of the circular, §9 α–ε and §10 α–δ, through the real handlers on real records."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from signaling.scheduling.values import SittingState
from tests.support.accounts_server import (
    ADMINISTRATOR,
    AccountsServer,
    VisitorClient,
    running_accounts,
)
from tests.support.desk import (
    CITIZEN,
    COLLEAGUE,
    create_council,
    create_sitting,
    created,
    enter_as_head,
    enter_as_unit_head,
    fields_on,
    give_role,
    stored_sitting,
    version_in,
)

pytestmark = pytest.mark.asyncio
RANDOM = "/desk/sittings/" + "0" * 32


@dataclass
class Cast:
    """Who there is: a head of the body, two of one of its units, and sittings of each."""

    server: AccountsServer
    head: VisitorClient
    unit_head: VisitorClient
    colleague: VisitorClient
    body: str
    unit: str

    async def sitting_of_head(self) -> str:
        return await created(self.head, f"b:{self.body}", **fields_on(5, title="Του φορέα"))

    async def sitting_of_unit_head(self) -> str:
        return await created(self.unit_head, f"u:{self.unit}", **fields_on(6, title="Της μονάδας"))

    async def sitting_of_colleague(self) -> str:
        return await created(self.colleague, f"u:{self.unit}", **fields_on(7, title="Συναδέλφου"))


@contextlib.asynccontextmanager
async def cast() -> AsyncIterator[Cast]:
    async with (
        running_accounts() as server,
        server.visitor() as head,
        server.visitor() as unit_head,
        server.visitor() as colleague,
    ):
        body = await enter_as_head(server, head)
        _, unit = await enter_as_unit_head(server, unit_head)
        await enter_as_unit_head(server, colleague, COLLEAGUE, "colleague@dimos.gr")
        yield Cast(server, head, unit_head, colleague, body, unit)


@contextlib.asynccontextmanager
async def foreign_sitting() -> AsyncIterator[tuple[Cast, str]]:
    """A sitting of another body, whose coordinator was the head before."""
    async with cast() as people:
        other, _ = await give_role(people.server, "head@dimos.gr", "Δήμος Νέας Δοκιμής")
        path = await created(people.head, f"b:{other}", **fields_on(title="Άλλου φορέα"))
        yield people, path


async def manages(visitor: VisitorClient, path: str) -> bool:
    """Whether every handler that manages the sitting takes it from this visitor; all agree."""
    await visitor.get("/desk")
    token = visitor.csrf
    answers = set()
    for page in ("/edit", "/agenda"):
        answers.add((await visitor.get(path + page)).status != 404)
    for action in ("edit", "agenda", "cancel", "extend", "end"):
        # With an old version the answer is 409 to who may, 404 to who may not.
        shown = await visitor.post(f"{path}/{action}", csrf=token, version="0")
        answers.add(shown.status != 404)
        assert shown.status in (404, 409), (action, shown.status)
    assert len(answers) == 1, "some handlers allow what others refuse"
    return answers.pop()


async def sees(visitor: VisitorClient, path: str) -> bool:
    """Whether the visitor takes part: the page, the list and the calendar agree."""
    listed = path in (await visitor.get("/desk/sittings")).text
    shown = (await visitor.get(path)).status == 200
    assert listed == shown
    return shown


async def test_body_coordinator_alpha_creates_and_manages_sittings_of_own_body() -> None:
    async with cast() as people:
        path = await people.sitting_of_head()
        assert await manages(people.head, path)
        page = await people.head.get(path)
        await people.head.post(path + "/cancel", version=version_in(page), reason="Απαρτία")
        assert (await stored_sitting(people.server, path)).state == SittingState.CANCELLED


async def test_body_coordinator_alpha_does_not_reach_another_body() -> None:
    async with foreign_sitting() as (people, path):
        assert await sees(people.head, path)
        for visitor in (people.unit_head, people.colleague):
            assert not await sees(visitor, path) and not await manages(visitor, path)
            assert (await visitor.get(path)).text == (await visitor.get(RANDOM)).text.replace(
                RANDOM, path
            )


async def test_body_coordinator_beta_invites_people_of_any_body() -> None:
    async with cast() as people:
        path = await people.sitting_of_head()
        assert (await people.head.get(path + "/invited")).status == 200
        form = {"invitee_email": "new@another-body.gr", "invitee_role": "member"}
        shown = await people.head.post(path + "/invited", invitee_name="Νέα Χρήστρια", **form)
        assert shown.status == 200 and "Νέα Χρήστρια" in shown.text
        assert (await people.unit_head.get(path + "/invited")).status == 404


async def test_body_coordinator_gamma_takes_part_in_own_and_unit_coordinators_sittings() -> None:
    async with cast() as people:
        own, units = await people.sitting_of_head(), await people.sitting_of_unit_head()
        assert await sees(people.head, own) and await sees(people.head, units)


async def test_body_coordinator_delta_creates_in_units_and_appoints_their_coordinators() -> None:
    async with cast() as people:
        path = await created(people.head, f"u:{people.unit}", **fields_on(title="Στη μονάδα"))
        assert (await stored_sitting(people.server, path)).unit_id == people.unit
        bodies = f"/administration/bodies/{people.body}"
        await people.head.get(bodies)
        made = await people.head.post(bodies + "/units", unit_name="Νέα Μονάδα")
        assert made.status == 200 and "Νέα Μονάδα" in made.text
        assert "Νέα Μονάδα" in (await people.head.get("/desk/sittings/new")).text


async def test_body_coordinator_epsilon_supervises_and_manages_unit_coordinators_sittings() -> None:
    async with cast() as people:
        for path in (await people.sitting_of_unit_head(), await people.sitting_of_colleague()):
            assert await manages(people.head, path)
            assert (await people.head.get(path + "/invited")).status == 200


async def test_unit_coordinator_alpha_creates_and_manages_for_own_unit() -> None:
    async with cast() as people:
        path = await people.sitting_of_unit_head()
        assert await manages(people.unit_head, path)
        refused = await create_sitting(people.unit_head, f"b:{people.body}", **fields_on())
        assert refused.status == 422
        council = await create_council(people.head, f"b:{people.body}")
        assert (await create_sitting(people.unit_head, f"c:{council}", **fields_on())).status == 422


async def test_unit_coordinator_beta_invites_people_of_any_body_to_own_sittings() -> None:
    async with cast() as people:
        path = await people.sitting_of_unit_head()
        await people.unit_head.get(path + "/invited")
        form = {"invitee_email": "new@another-body.gr", "invitee_role": "member"}
        shown = await people.unit_head.post(path + "/invited", invitee_name="Νέος", **form)
        assert shown.status == 200
        assert (await people.colleague.get(path + "/invited")).status == 404


async def test_unit_coordinator_gamma_manages_only_what_they_organised() -> None:
    async with cast() as people:
        own = await people.sitting_of_unit_head()
        colleagues, heads = await people.sitting_of_colleague(), await people.sitting_of_head()
        assert await manages(people.unit_head, own)
        assert not await manages(people.unit_head, colleagues)
        assert not await manages(people.unit_head, heads)
        shown = await people.unit_head.get(colleagues)
        assert "Ακύρωση" not in shown.text and "/edit" not in shown.text


async def test_unit_coordinator_delta_takes_part_in_own_and_other_coordinators_sittings() -> None:
    async with cast() as people:
        for path in (
            await people.sitting_of_unit_head(),
            await people.sitting_of_colleague(),
            await people.sitting_of_head(),
        ):
            assert await sees(people.unit_head, path)


async def test_simple_users_and_administrators_have_no_desk() -> None:
    async with cast() as people, people.server.visitor() as citizen:
        path = await people.sitting_of_head()
        collective = await create_council(people.head, f"b:{people.body}")
        await citizen.enter(CITIZEN, "citizen@example.gr")
        async with people.server.visitor() as administrator:
            await administrator.enter(ADMINISTRATOR)
            for visitor in (citizen, administrator):
                for page in (
                    "/desk", "/desk/calendar", "/desk/sittings", "/desk/sittings/new", path,
                    path + "/edit", path + "/agenda", "/desk/collective-bodies",
                    f"/desk/collective-bodies/{collective}", "/desk/templates",
                    f"/desk/collective-bodies/{collective}/import", "/desk/templates/new",
                ):  # fmt: skip
                    assert (await visitor.get(page)).status == 404, page
                await visitor.get("/account")
                shown = await visitor.post("/desk/rehearsals", place=f"b:{people.body}")
                assert shown.status == 404
            assert (await administrator.get("/administration/capacity")).status == 200
        assert (await citizen.get("/administration/capacity")).status == 404
        assert (await people.head.get("/administration/capacity")).status == 404


async def test_collective_bodies_belong_to_their_body_or_unit() -> None:
    async with cast() as people:
        of_body = await create_council(people.head, f"b:{people.body}")
        of_unit = await create_council(people.unit_head, f"u:{people.unit}", "Επιτροπή Μονάδας")
        paths = {name: f"/desk/collective-bodies/{name}" for name in (of_body, of_unit)}
        member = {"name": "Μέλος", "email": "m@dimos.gr", "office": "member"}
        for visitor, path, status in (
            (people.head, paths[of_body], 200),
            (people.head, paths[of_unit], 200),
            (people.unit_head, paths[of_unit], 200),
            (people.unit_head, paths[of_body], 404),
        ):
            await visitor.get("/desk")
            token = visitor.csrf
            assert (await visitor.get(path)).status == status
            assert (await visitor.get(path + "/import")).status == status
            posts = [(path, {"version": "0"}), (path + "/members/" + "0" * 32, member)]
            for target, fields in posts:
                shown = await visitor.post(target, csrf=token, **fields)
                assert shown.status in ((404, 409) if status == 200 else (404,))
            member["email"] = f"x{member['email']}"
            shown = await visitor.post(path + "/members", csrf=token, **member)
            assert shown.status == status


async def test_templates_of_another_place_answer_like_none() -> None:
    async with cast() as people:
        path = await people.sitting_of_head()
        await people.head.get(path)
        await people.head.post(path + "/template", template_name="Του φορέα")
        listed = (await people.head.get("/desk/templates")).text
        found = re.search(r'href="(/desk/templates/[0-9a-f]{32})"', listed)
        assert found is not None
        assert "Του φορέα" not in (await people.unit_head.get("/desk/templates")).text
        token = people.unit_head.csrf or ""
        await people.unit_head.get("/desk")
        token = people.unit_head.csrf
        assert (await people.unit_head.get(found[1])).status == 404
        for target in (found[1], found[1] + "/delete"):
            assert (await people.unit_head.post(target, csrf=token)).status == 404
        template_id = found[1].rpartition("/")[2]
        shown = await people.unit_head.get(f"/desk/sittings/new?template={template_id}")
        assert shown.status == 404
        copied = path.rpartition("/")[2]
        assert (await people.unit_head.get(f"/desk/sittings/new?copy={copied}")).status == 404


async def test_forms_of_other_sessions_are_refused() -> None:
    async with cast() as people:
        path = await people.sitting_of_head()
        await people.unit_head.get("/desk")
        stolen = people.unit_head.csrf
        for target in ("/desk/sittings", path + "/cancel", path + "/edit", "/desk/rehearsals"):
            assert (await people.head.post(target, csrf=stolen)).status == 403
