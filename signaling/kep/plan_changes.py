"""One change to the plans of ΚΕΠ by an administrator: asked for, made, audited, told to searches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction
from signaling.kep.day_records import recount
from signaling.kep.parts import KepParts, check
from signaling.kep.plan_forms import Mistakes
from signaling.kep.plans import load_plans, tell_changed
from signaling.storage.models import Kep

Work = Callable[[AsyncSession, Mapping[str, str]], Awaitable[str | None]]
"""Makes the change and returns the id of the ΚΕΠ that it is about; None: all of them."""


async def change_plans(
    parts: KepParts, request: web.Request, work: Work, *, taken_field: str = "name",
    action: AuditAction = AuditAction.CHANGE_KEP,
) -> tuple[Visitor, Mapping[str, str], str | None]:  # fmt: skip
    """Make a change, and return who made it, the form, and the id of the ΚΕΠ.

    Raises:
        Mistakes: of the form; `taken_field` is the one to blame when there is such a thing already.
        HTTPNotFound: the visitor may not.
    """
    accounts = parts.accounts
    visitor, form = await accounts.visitors.read_form(request)
    check(visitor, Action.MANAGE_KEPS)
    accounts.take_turn(visitor)
    try:
        async with accounts.database.write() as session:
            kep_id = await work(session, form)
            await session.flush()
            await _recount(parts, session, kep_id)
            await parts.record(session, visitor, action, "kep", kep_id or "")
            await tell_changed(session)
    except IntegrityError:
        raise Mistakes(**{taken_field: "name_taken"}) from None
    return visitor, form, kep_id


async def find_kep(session: AsyncSession, request: web.Request) -> Kep:
    """Return the ΚΕΠ of the address.

    Raises:
        HTTPNotFound: there is none.
    """
    kep = await session.get(Kep, request.match_info["id"])
    if kep is None:
        raise web.HTTPNotFound()
    return kep


async def _recount(parts: KepParts, session: AsyncSession, kep_id: str | None) -> None:
    # Not by the store: what is not committed yet must not be kept.
    plans = await load_plans(session, parts.config, 0)
    for each in plans.keps if kep_id is None else (kep_id,):
        await recount(session, plans, each, parts.today)
