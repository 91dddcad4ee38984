"""What an institution's program does through the API, on real records; what it must not do."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from signaling.kep.values import Theme
from signaling.scheduling.config import CapacityConfig
from signaling.storage.models import AuditRecord, Mail, Sitting
from tests.support.accounts_server import (
    ADMINISTRATOR,
    AccountsServer,
    VisitorClient,
    running_accounts,
)
from tests.support.api import RANDOM_ID, ApiClient, client_of, sitting_on
from tests.support.databases import BACKENDS
from tests.support.desk import CITIZEN, HEAD, give_role

pytestmark = pytest.mark.asyncio


@dataclass
class Cast:
    """Two coordinators of different bodies, an administrator, a citizen."""

    server: AccountsServer
    head: ApiClient
    other: ApiClient
    administrator: ApiClient
    citizen: ApiClient
    body: str
    other_body: str
    administrator_pages: VisitorClient


@contextlib.asynccontextmanager
async def cast(backend: str = "sqlite") -> AsyncIterator[Cast]:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_accounts(backend))
        visitors = [await stack.enter_async_context(server.visitor()) for _ in range(4)]
        head, other, administrator, citizen = visitors
        await head.enter(HEAD, "head@dimos.gr")
        await other.enter("150000017", "other@dimos.gr")
        await administrator.enter(ADMINISTRATOR, "admin@dimos.gr")
        await citizen.enter(CITIZEN, "citizen@dimos.gr")
        body, _ = await give_role(server, "head@dimos.gr", "Δήμος Παραδείγματος")
        other_body, _ = await give_role(server, "other@dimos.gr", "Δήμος Νέας Δοκιμής")
        clients = [await client_of(each) for each in visitors]
        yield Cast(
            server, clients[0], clients[1], clients[2], clients[3], body, other_body, administrator
        )


async def actions_of(server: AccountsServer) -> list[str]:
    async with server.service.database.read() as session:
        rows = await session.scalars(select(AuditRecord).order_by(AuditRecord.number))
        return [each.action for each in rows]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_sitting_from_collective_body_to_its_cancellation(backend: str) -> None:
    async with cast(backend) as people:
        head = people.head
        made = await head.post(
            "/collective-bodies",
            {"place": f"b:{people.body}", "name": "Δημοτικό Συμβούλιο", "kind": "council"},
        )
        assert made.status == 201, made
        council = f"/collective-bodies/{made.value['id']}"
        imported = await head.post(
            council + "/members/import",
            {"csv": "Άννα Άλφα;anna@dimos.gr;πρόεδρος\nΒήτα;beta@dimos.gr;\nχωρίς διεύθυνση;;"},
        )
        assert (imported.value["added"], len(imported.value["unused"])) == (2, 1)
        seat = await head.post(
            council + "/members", {"name": "Πολίτης", "email": "citizen@dimos.gr"}
        )
        assert seat.status == 201
        listed = await head.get(council + "/members", limit=2)
        assert [each["office"] for each in listed.value["items"]] == ["chair", "member"]
        rest = await head.get(council + "/members", limit=2, after=listed.value["next"])
        assert (len(rest.value["items"]), rest.value["next"]) == (1, None)

        fields = sitting_on(f"c:{made.value['id']}", agenda=[{"title": "Προϋπολογισμός"}])
        sitting = await head.post("/sittings", fields)
        assert sitting.status == 201, sitting
        path = f"/sittings/{sitting.value['id']}"
        assert (await head.post(path + "/invitations/members")).value == {"invited": 3}
        page = await head.get(path + "/invitations")
        assert len(page.value["items"]) == 3
        assert [
            each["id"] for each in (await people.citizen.get("/my/sittings")).value["items"]
        ] == [sitting.value["id"]]
        first = page.value["items"][0]["id"]
        assert (await head.post(f"{path}/invitations/{first}/resend")).status == 200
        assert (await head.post(f"{path}/invitations/{first}/revoke")).status == 200
        assert (await head.post(f"{path}/invitations/{first}/resend")).status == 404
        kept = sitting.value["agenda"][0]
        changed = await head.put(
            path + "/agenda",
            {
                "version": sitting.value["version"],
                "items": [{"title": "Νέο"}, {"id": kept["id"], "title": "Προϋπολογισμός 2027"}],
            },
        )
        assert [each["title"] for each in changed.value["agenda"]] == ["Νέο", "Προϋπολογισμός 2027"]
        assert changed.value["agenda"][1]["id"] == kept["id"]
        cancelled = await head.post(
            path + "/cancel", {"version": changed.value["version"], "reason": "Απαρτία"}
        )
        assert (cancelled.status, cancelled.value["state"]) == (200, "cancelled")
        assert (await head.post(path + "/invitations/members")).status == 409

        actions = await actions_of(people.server)
        for action in ("create_collective_body", "import_members", "add_member", "create_sitting",
                       "invite", "resend_invitation", "revoke_invitation", "change_agenda",
                       "cancel_sitting"):  # fmt: skip
            assert action in actions, action


async def test_a_list_by_range_is_read_page_by_page_without_gaps() -> None:
    async with cast() as people:
        body = sitting_on(f"b:{people.body}", rhythm="weekly", count=7)
        assert (await people.head.post("/sittings", body)).status == 201
        now = datetime.now().astimezone()
        span: dict[str, str | int] = {
            "since": now.isoformat(), "until": (now + timedelta(days=80)).isoformat(), "limit": 3
        }  # fmt: skip
        starts: list[str] = []
        after: str | None = ""
        for _ in range(3):
            page = await people.head.get("/sittings", **span, after=after or "")
            starts += [each["starts_at"] for each in page.value["items"]]
            after = page.value["next"]
        assert after is None
        assert len(starts) == len(set(starts)) == 7
        assert starts == sorted(starts)


async def test_a_replayed_request_key_makes_one_sitting() -> None:
    async with cast() as people:
        body = sitting_on(f"b:{people.body}", request_key=secrets.token_hex(16))
        replies = [await people.head.post("/sittings", body) for _ in range(3)]

        assert {each.status for each in replies} == {201}
        assert len({each.value["id"] for each in replies}) == 1
        async with people.server.service.database.read() as session:
            assert len(list(await session.scalars(select(Sitting)))) == 1


async def test_a_lost_update_is_refused() -> None:
    async with cast() as people:
        body = sitting_on(f"b:{people.body}")
        made = (await people.head.post("/sittings", body)).value
        path, version = f"/sittings/{made['id']}", made["version"]
        first = await people.head.put(path, {**body, "version": version, "title": "Πρώτη"})
        second = await people.head.put(path, {**body, "version": version, "title": "Δεύτερη"})

        assert first.status == 200
        assert (second.status, second.code) == (409, "changed_meanwhile")
        assert (await people.head.get(path)).value["title"] == "Πρώτη"
        renamed = {"version": 7, "name": "Άλλο"}
        units = f"/bodies/{people.body}/units"
        unit = (await people.head.post(units, {"name": "Μονάδα"})).value["id"]
        assert (await people.head.send("PATCH", f"{units}/{unit}", renamed)).status == 409


async def test_what_does_not_fit_is_refused_with_the_next_time_that_does() -> None:
    async with cast() as people:
        config = people.server.service.capacity.config
        people.server.service.capacity.config = CapacityConfig(
            participants=30, streams=config.streams
        )
        body = sitting_on(f"b:{people.body}", participants=20)
        first = await people.head.post("/sittings", body)
        refused = await people.head.post("/sittings", body)

        assert first.status == 201
        assert (refused.status, refused.code) == (409, "capacity_full")
        assert datetime.fromisoformat(refused.value["next_start"]) >= datetime.fromisoformat(
            first.value["ends_at"]
        )
        moved = datetime.fromisoformat(refused.value["next_start"]).astimezone()
        assert moved > datetime.fromisoformat(first.value["starts_at"])
        day = first.value["starts_at"][:10]
        load = (await people.administrator.get("/capacity", day=day)).value
        assert max(each["participants"] for each in load["quarters"]) == 20
        assert (await people.head.get("/capacity", day=day)).status == 404


async def test_foreign_ids_answer_exactly_like_random_ones() -> None:
    async with cast() as people:
        head, other = people.head, people.other
        body = sitting_on(f"b:{people.body}")
        sitting = (await head.post("/sittings", body)).value
        await head.post(
            f"/sittings/{sitting['id']}/invitations",
            {"people": [{"name": "Άννα", "email": "anna@dimos.gr"}]},
        )
        invitation = (await head.get(f"/sittings/{sitting['id']}/invitations")).value["items"][0]
        council = (
            await head.post(
                "/collective-bodies",
                {"place": f"b:{people.body}", "name": "Όργανο", "kind": "board"},
            )
        ).value["id"]
        seat = (
            await head.post(
                f"/collective-bodies/{council}/members", {"name": "Α", "email": "a@dimos.gr"}
            )
        ).value["id"]
        unit = (await head.post(f"/bodies/{people.body}/units", {"name": "Μονάδα"})).value["id"]
        version = {"version": sitting["version"]}
        person = {"name": "Β", "email": "b@dimos.gr"}
        calls = [
            ("GET", "/bodies/{body}", None),
            ("PATCH", "/bodies/{body}", {"version": 1, "name": "Ξ"}),
            ("GET", "/bodies/{body}/units", None),
            ("POST", "/bodies/{body}/units", {"name": "Ξ"}),
            ("PATCH", "/bodies/{body}/units/{unit}", {"version": 1, "name": "Ξ"}),
            ("GET", "/collective-bodies/{council}", None),
            ("PATCH", "/collective-bodies/{council}", {"version": 1, "is_active": False}),
            ("GET", "/collective-bodies/{council}/members", None),
            ("POST", "/collective-bodies/{council}/members", person),
            ("PUT", "/collective-bodies/{council}/members/{seat}", person),
            ("POST", "/collective-bodies/{council}/members/{seat}/end", None),
            ("POST", "/collective-bodies/{council}/members/import", {"csv": "Α;z@dimos.gr"}),
            ("GET", "/sittings/{sitting}", None),
            ("PUT", "/sittings/{sitting}", body | version),
            ("POST", "/sittings/{sitting}/cancel", version | {"reason": "ξένο"}),
            ("POST", "/sittings/{sitting}/extend", version | {"minutes": 15}),
            ("POST", "/sittings/{sitting}/end", version),
            ("PUT", "/sittings/{sitting}/agenda", version | {"items": []}),
            ("GET", "/sittings/{sitting}/invitations", None),
            ("POST", "/sittings/{sitting}/invitations", {"people": [person]}),
            ("POST", "/sittings/{sitting}/invitations/members", None),
            ("POST", "/sittings/{sitting}/invitations/{invitation}/revoke", None),
            ("POST", "/sittings/{sitting}/invitations/{invitation}/resend", None),
        ]
        ids = {
            "body": people.body, "unit": unit, "council": council, "seat": seat,
            "sitting": sitting["id"], "invitation": invitation["id"],
        }  # fmt: skip
        randoms = dict.fromkeys(ids, RANDOM_ID)
        before = await actions_of(people.server)
        for caller in (other, people.citizen):
            for method, path, sent in calls:
                caller.server.clock.shift_s += 5  # forms are counted
                foreign = await caller.send(method, path.format(**ids), sent)
                random = await caller.send(method, path.format(**randoms), sent)
                assert (foreign.status, foreign.value) == (404, random.value), path
                assert foreign.status == random.status
        assert await actions_of(people.server) == before
        assert (await head.get(f"/sittings/{sitting['id']}")).value == sitting


async def test_a_role_is_asked_for_decided_once_and_counts_at_once() -> None:
    async with cast() as people:
        citizen, administrator = people.citizen, people.administrator
        asked = {
            "body_name": "Δήμος Ωμέγα",
            "phone": "210 123 4567",
            "purpose": "Συνεδριάσεις δήμου",
        }
        filed = await citizen.post("/role-requests", asked)
        again = await citizen.post("/role-requests", asked)
        assert (filed.status, again.status, again.code) == (201, 409, "already_pending")
        assert (await citizen.get("/role-requests")).status == 404
        pending = (await administrator.get("/role-requests")).value["items"]
        assert [each["id"] for each in pending] == [filed.value["id"]]
        path = f"/role-requests/{filed.value['id']}"
        assert (await citizen.get(path)).status == 404
        assert (await administrator.get(path)).value["phone"] == "2101234567"
        verdict = {
            "version": filed.value["version"], "verdict": "approve", "role": "body_coordinator",
            "body_name": "Δήμος Ωμέγα",
        }  # fmt: skip
        unreasoned = {"version": filed.value["version"], "verdict": "refuse"}
        assert (await administrator.post(path + "/decision", unreasoned)).status == 422
        assert (await citizen.post(path + "/decision", verdict)).status == 404
        assert (await administrator.post(path + "/decision", verdict)).status == 200
        late = await administrator.post(path + "/decision", verdict)
        assert (late.status, late.code) == (409, "already_decided")

        roles = (await citizen.get("/session")).value["roles"]
        assert [each["role"] for each in roles] == ["body_coordinator"]
        places = (await citizen.get("/places")).value["items"]
        assert [each["label"] for each in places] == ["Δήμος Ωμέγα"]
        async with people.server.service.database.read() as session:
            mails = list(await session.scalars(select(Mail).order_by(Mail.created_at)))
        assert mails[-1].recipient == "citizen@dimos.gr"
        assert "Δήμος Ωμέγα" in mails[-1].text


async def test_reading_the_audit_trail_is_audited_and_paged() -> None:
    async with cast() as people:
        assert (await people.head.get("/audit")).status == 404
        numbers: list[int] = []
        after: str | None = ""
        while after is not None:
            page = await people.administrator.get("/audit", limit=7, after=after or "")
            numbers += [each["number"] for each in page.value["items"]]
            after = page.value["next"]
        assert numbers == sorted(set(numbers), reverse=True)
        assert len(numbers) > 7
        newest = (await people.administrator.get("/audit", limit=1)).value["items"][0]
        assert newest["action"] == "read_audit"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_an_appointment_is_booked_once_moved_and_cancelled(backend: str) -> None:
    async with cast(backend) as people:
        citizen = people.citizen
        services = await citizen.get("/services", theme=Theme.INFORMATION.value)
        service = services.value["items"][0]["id"]
        days = (await citizen.get(f"/services/{service}/times")).value["days"]
        times = (await citizen.get(f"/services/{service}/times", day=days[-1])).value["times"]
        order = {
            "service": service, "starts_at": times[0], "request_key": secrets.token_hex(16),
            "email": "polites@example.gr", "phone": "6900000000", "address": "Οδός 1",
            "document": "passport", "delivery": "email",
        }  # fmt: skip
        booked = await citizen.post("/appointments", order)
        again = await citizen.post("/appointments", order)
        assert (booked.status, again.status) == (201, 201), booked
        assert booked.value == again.value
        overlap = await citizen.post(
            "/appointments", order | {"request_key": secrets.token_hex(16)}
        )
        assert (overlap.status, overlap.code) in {(409, "own_overlap"), (409, "slot_gone")}
        path = f"/appointments/{booked.value['id']}"
        assert (await people.head.get(path)).value == (
            await people.head.get(f"/appointments/{RANDOM_ID}")
        ).value
        other = {"starts_at": times[-1], "request_key": secrets.token_hex(16)}
        assert (await people.head.post(path + "/reschedule", other)).status == 404
        moved = await citizen.post(path + "/reschedule", other)
        assert (moved.status, moved.value["starts_at"]) == (200, times[-1])
        assert (await citizen.post(path + "/cancel")).code == "wrong_state"
        new = f"/appointments/{moved.value['id']}"
        for _ in range(2):
            assert (await citizen.post(new + "/cancel")).value["state"] == "cancelled"
        states = [each["state"] for each in (await citizen.get("/my/appointments")).value["items"]]
        assert sorted(states) == ["cancelled", "rescheduled"]
        actions = await actions_of(people.server)
        assert actions.count("book_appointment") == actions.count("cancel_appointment") == 1
