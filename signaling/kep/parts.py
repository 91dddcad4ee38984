"""What the pages of ΚΕΠ work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.parts import AccountParts, PageParts
from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.kep.booking import Booking
from signaling.kep.config import KepConfig
from signaling.kep.notices import Notices
from signaling.kep.personal import PersonalVault
from signaling.kep.plans import PlanStore, Wanted
from signaling.kep.search import Search
from signaling.rendering import ATHENS

NOTHING = Target()


@dataclass(frozen=True)
class KepParts:
    """Shared by all pages of ΚΕΠ."""

    pages: PageParts
    booking: Booking
    plans: PlanStore
    vault: PersonalVault
    notices: Notices
    config: KepConfig

    @property
    def accounts(self) -> AccountParts:
        """What pages of accounts share too."""
        return self.pages.accounts

    @property
    def today(self) -> date:
        """The date in Athens."""
        return self.accounts.now().astimezone(ATHENS).date()

    async def search(self, session: AsyncSession, wanted: Wanted) -> Search:
        """Return a search as of now."""
        plans = await self.plans.get(session)
        return Search(plans, wanted, self.config, self.accounts.now())

    async def record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, kind: str = "",
        object_id: str = "",
    ) -> None:  # fmt: skip
        """Add to the audit trail, within the caller's transaction."""
        entry = AuditEntry(self.accounts.now(), visitor.actor.person_id, action, kind, object_id)
        await self.accounts.trail.record(session, entry)


def check(visitor: Visitor, action: Action, target: Target = NOTHING) -> None:
    """Refuse like what is not there: a foreign id answers exactly like a random one."""
    if not visitor.may(action, target):
        raise web.HTTPNotFound()
