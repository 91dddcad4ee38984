"""What the handlers of accounts work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from signaling.accounts.config import AccountsConfig
from signaling.accounts.people import People
from signaling.accounts.visitor import Visitor, Visitors
from signaling.audit.trail import AuditTrail
from signaling.mail.queue import MailQueue
from signaling.rate_limits import RateLimit
from signaling.rendering import Renderer
from signaling.storage.database import Database


@dataclass(frozen=True)
class AccountParts:
    """Shared by all pages of accounts."""

    database: Database
    people: People
    visitors: Visitors
    mails: MailQueue
    trail: AuditTrail
    config: AccountsConfig
    public_origin: str
    """Origin that links in mails lead to."""
    form_limit: RateLimit
    """Forms one person may send."""
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]

    def take_turn(self, visitor: Visitor) -> None:
        """Count a form of this person.

        Raises:
            HTTPTooManyRequests: too many.
        """
        self.form_limit.take(visitor.actor.person_id, self.monotonic_s())


@dataclass(frozen=True)
class PageParts:
    """The above, with the templates."""

    accounts: AccountParts
    renderer: Renderer

    def page(
        self, request: web.Request, name: str, visitor: Visitor, *, status: int = 200,
        shown_at: str | None = None, **values: object,
    ) -> web.Response:  # fmt: skip
        """Return a page for `visitor`; a form that came with mistakes is shown with status 422.

        `shown_at` is where GET shows it, if it is not where it was asked for.
        """
        return self.renderer.render(
            request, name, values, visitor=visitor, status=status, shown_at=shown_at
        )
