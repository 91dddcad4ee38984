"""A country's worth of institutions, written in bulk: bodies, people, sittings, invitations."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from sfu.values import Role
from signaling.accounts.config import AccountsConfig
from signaling.accounts.rights import AccountRole
from signaling.accounts.service import AccountsService
from signaling.accounts.web_sessions import WebSessions
from signaling.scheduling.values import Office, SittingKind, SittingMode, SittingState
from signaling.storage.database import Database
from signaling.storage.models import (
    AgendaItem,
    Body,
    CollectiveBody,
    Invitation,
    Member,
    Person,
    RoleAssignment,
    Sitting,
    TermsAcceptance,
    new_id,
)

BODIES, PEOPLE, SITTINGS = 1_000, 50_000, 20_000
LARGE_BODIES, LARGE_SHARE = 20, 0.3
"""So many have this share of all sittings."""
INVITED_OF_EACH = 5
MEMBERS = 100
"""Of the collective bodies of the coordinators who work."""
DAYS_BACK, DAYS_AHEAD = 30, 60
REMINDED_SITTINGS, REMINDED_OF_EACH = 1_000, 5
BATCH = 5_000

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Coordinator:
    """One who is signed in."""

    person_id: str
    body_id: str
    council_id: str
    cookie: str = ""


class Institutions:
    """Writes everything into one database; the same seed makes the same country."""

    def __init__(self, service: AccountsService, now: datetime) -> None:
        self._database: Database = service.database
        self._vault = service.vault
        self._now = now
        self._random = random.Random(1000)
        self._bodies = [new_id() for _ in range(BODIES)]
        self._people = [new_id() for _ in range(PEOPLE)]
        self._councils = [new_id() for _ in range(BODIES)]

    async def fill(self, coordinators: int) -> list[Coordinator]:
        """Write all; return the signed-in coordinators of the largest and of some other bodies."""
        await self._add(Body, [self._body(number) for number in range(BODIES)])
        await self._add(Person, [self._person(number) for number in range(PEOPLE)])
        await self._add(CollectiveBody, [self._council(number) for number in range(BODIES)])
        sittings = [self._sitting(number) for number in range(SITTINGS)]
        await self._add(Sitting, sittings)
        await self._add(AgendaItem, [_item(each["id"]) for each in sittings])
        await self._add(Invitation, self._invitations(sittings, INVITED_OF_EACH))
        found = [
            Coordinator(self._people[number], self._bodies[number], self._councils[number])
            for number in range(coordinators)
        ]
        await self._add(Member, [row for each in found for row in self._members(each)])
        await self._add(RoleAssignment, [self._assignment(each) for each in found])
        await self._add(TermsAcceptance, [self._terms(each) for each in found])
        return [await self._signed_in(each) for each in found]

    async def add_due(self) -> int:
        """Add sittings that nobody is reminded of yet, 90 minutes ahead; return how many are invited.

        The service's own run reminds an hour ahead: it does not help.
        """
        sittings = [
            {**self._sitting(number), "starts_at": self._now + timedelta(minutes=90 + number % 20),
             "ends_at": self._now + timedelta(hours=3),
             "state": SittingState.PLANNED.value}
            for number in range(REMINDED_SITTINGS)
        ]  # fmt: skip
        await self._add(Sitting, sittings)
        rows = self._invitations(sittings, REMINDED_OF_EACH)
        await self._add(Invitation, rows)
        return len(rows)

    async def own_sittings(self, coordinator: Coordinator, most: int) -> list[str]:
        """Return ids of sittings of the coordinator's body."""
        async with self._database.read() as session:
            wanted = select(Sitting.id).where(Sitting.body_id == coordinator.body_id).limit(most)
            return list(await session.scalars(wanted))

    async def _add(self, model: type, rows: Rows) -> None:
        for start in range(0, len(rows), BATCH):
            async with self._database.write() as session:
                await session.execute(insert(model), list(rows[start : start + BATCH]))

    async def _signed_in(self, coordinator: Coordinator) -> Coordinator:
        sessions = WebSessions(AccountsConfig(), self._vault)
        async with self._database.write() as session:
            person = await session.get_one(Person, coordinator.person_id)
            cookie = await sessions.begin(session, person, "development", None, self._now)
        return Coordinator(
            coordinator.person_id, coordinator.body_id, coordinator.council_id, cookie
        )

    def _body(self, number: int) -> dict[str, Any]:
        name = f"Δήμος {number:04}"
        return {"id": self._bodies[number], "name": name, "name_key": name.casefold(),
                "is_active": True, "created_at": self._now, "version": 1}  # fmt: skip

    def _person(self, number: int) -> dict[str, Any]:
        return {
            "id": self._people[number], "given_name": f"Όνομα{number % 500}",
            "family_name": f"Επώνυμο{number}", "email": f"person{number}@example.gr",
            "email_confirmed_at": self._now, "created_at": self._now, "signed_in_at": self._now,
            "version": 1,
        }  # fmt: skip

    def _council(self, number: int) -> dict[str, Any]:
        name = f"Δημοτικό Συμβούλιο {number:04}"
        return {"id": self._councils[number], "body_id": self._bodies[number], "name": name,
                "name_key": name.casefold(), "kind": "council", "is_active": True,
                "created_at": self._now, "version": 1}  # fmt: skip

    def _sitting(self, number: int) -> dict[str, Any]:
        chance = self._random
        is_large = chance.random() < LARGE_SHARE
        body = chance.randrange(*((LARGE_BODIES,) if is_large else (LARGE_BODIES, BODIES)))
        starts_at = self._now + timedelta(
            days=chance.randint(-DAYS_BACK, DAYS_AHEAD), hours=chance.randint(4, 10)
        )
        is_over = starts_at < self._now
        return {
            "id": new_id(), "room": f"s-{secrets.token_hex(12)}", "body_id": self._bodies[body],
            "collective_body_id": self._councils[body], "organiser_id": self._people[body],
            "title": f"Τακτική συνεδρίαση {number}", "kind": SittingKind.COUNCIL_SESSION.value,
            "mode": SittingMode.REMOTE.value,
            "state": (SittingState.ENDED if is_over else SittingState.PLANNED).value,
            "starts_at": starts_at, "ends_at": starts_at + timedelta(hours=1),
            "open_before_min": 30, "expected_participants": 20, "is_closed": False,
            "admits_guests": False, "calendar_sequence": 0, "cancel_reason": "",
            "created_at": self._now - timedelta(days=40), "version": 1,
        }  # fmt: skip

    def _invitations(self, sittings: Rows, each_has: int) -> Rows:
        return [
            {
                "id": new_id(), "sitting_id": sitting["id"], "person_id": self._people[person],
                "name": f"Όνομα Επώνυμο{person}", "email": f"person{person}@example.gr",
                "role": Role.MEMBER.value, "office": Office.MEMBER.value,
                "token_hash": secrets.token_hex(32),
                "expires_at": sitting["ends_at"] + timedelta(days=1),
                "invited_by": sitting["organiser_id"],
                "invited_at": self._now - timedelta(days=3),
            }
            for sitting in sittings
            for person in self._random.sample(range(PEOPLE), each_has)
        ]  # fmt: skip

    def _members(self, coordinator: Coordinator) -> Rows:
        return [
            {"id": new_id(), "collective_body_id": coordinator.council_id,
             "name": f"Μέλος {number}", "email": f"person{number}@example.gr",
             "office": Office.MEMBER.value, "started_at": self._now}
            for number in self._random.sample(range(PEOPLE), MEMBERS)
        ]  # fmt: skip

    def _assignment(self, coordinator: Coordinator) -> dict[str, Any]:
        return {"id": new_id(), "person_id": coordinator.person_id,
                "role": AccountRole.BODY_COORDINATOR.value, "body_id": coordinator.body_id,
                "granted_at": self._now}  # fmt: skip

    def _terms(self, coordinator: Coordinator) -> dict[str, Any]:
        return {"person_id": coordinator.person_id, "accepted_at": self._now,
                "terms_version": AccountsConfig().terms_version}  # fmt: skip


def _item(sitting_id: str) -> dict[str, Any]:
    return {"id": new_id(), "sitting_id": sitting_id, "number": 1,
            "title": "Έγκριση προϋπολογισμού", "speaker": ""}  # fmt: skip
