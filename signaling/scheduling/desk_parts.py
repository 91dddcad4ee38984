"""What the handlers of the desk work with."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.parts import AccountParts, PageParts
from signaling.accounts.rights import Action, bodies_of
from signaling.accounts.visitor import Visitor
from signaling.scheduling.sitting_form import FormLimits
from signaling.scheduling.sittings import (
    Origin,
    Sittings,
    get_sitting,
    lock_sitting,
    target_of,
)
from signaling.storage.models import Sitting
from signaling.vault import token_hash

MAX_FORM_BYTES = 1024 * 1024
"""Of forms with an agenda: Greek letters take six bytes each on their way."""

_REQUEST_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class DeskParts:
    """Shared by all pages of the desk."""

    pages: PageParts
    sittings: Sittings
    limits: FormLimits

    @property
    def accounts(self) -> AccountParts:
        """What pages of accounts work with."""
        return self.pages.accounts

    async def require(self, request: web.Request) -> Visitor:
        """Return who is asking if they are a coordinator.

        Raises:
            HTTPSeeOther: to the step that comes before.
            HTTPNotFound: they coordinate nothing.
        """
        visitor = await self.accounts.visitors.require(request)
        if not visitor.may_somewhere(Action.CREATE_SITTING):
            raise web.HTTPNotFound()
        return visitor

    async def read_form(
        self, request: web.Request, *, max_bytes: int | None = None
    ) -> tuple[Visitor, Mapping[str, str]]:
        """Return who sent a form and its fields; each costs a turn.

        Raises:
            HTTPForbidden, HTTPSeeOther, HTTPTooManyRequests: of signaling.accounts.
        """
        visitor, form = await self.accounts.visitors.read_form(request, max_bytes=max_bytes)
        self.accounts.take_turn(visitor)
        return visitor, form

    def origin(self, visitor: Visitor, form: Mapping[str, str]) -> Origin:
        """Return who makes a sitting, and with which form."""
        key = form.get("request_key", "")
        key_hash = token_hash(key) if _REQUEST_KEY.fullmatch(key) else None
        return Origin(visitor.actor.person_id, key_hash, self.accounts.now())


def new_request_key() -> str:
    """Return what a form carries so that it makes one sitting, however often it is sent."""
    return secrets.token_hex(16)


def seen_bodies(visitor: Visitor) -> frozenset[str]:
    """Return the bodies whose sittings the desk lists for this coordinator."""
    return bodies_of(visitor.actor, Action.TAKE_PART_IN_SITTING) or frozenset()


async def find_sitting(
    session: AsyncSession, sitting_id: str, visitor: Visitor, action: Action,
    invited: Iterable[str] = (),
) -> Sitting:  # fmt: skip
    """Return the sitting if the visitor may do `action` to it.

    Raises:
        HTTPNotFound: a foreign one answers exactly like one that is not there.
    """
    found = await get_sitting(session, sitting_id)
    return check_sitting(found, visitor, action, invited)


async def find_sitting_to_change(
    session: AsyncSession, sitting_id: str, visitor: Visitor, version: str
) -> Sitting:
    """Return the sitting to a visitor who may manage it and has seen it as it is.

    Raises:
        HTTPNotFound: as above.
        HTTPConflict: it was changed since.
    """
    found = await lock_sitting(session, sitting_id)
    sitting = check_sitting(found, visitor, Action.MANAGE_SITTING)
    if str(sitting.version) != version:
        raise web.HTTPConflict(text="changed_meanwhile")
    return sitting


def check_sitting(
    sitting: Sitting | None, visitor: Visitor, action: Action, invited: Iterable[str] = ()
) -> Sitting:
    """Return `sitting` if the visitor may do `action` to it.

    Raises:
        HTTPNotFound: as above.
    """
    if sitting is None or not visitor.may(action, target_of(sitting, invited)):
        raise web.HTTPNotFound()
    return sitting
