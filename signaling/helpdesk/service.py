"""Check, contact form, help and what comes next, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from signaling.accounts.service import AccountsService
from signaling.background import beside
from signaling.clock import Clock
from signaling.helpdesk.check_pages import CheckPages, CheckParts
from signaling.helpdesk.config import CheckConfig, ContactConfig
from signaling.helpdesk.contact_pages import ContactPages, ContactSettings
from signaling.helpdesk.help_pages import HelpPages
from signaling.helpdesk.upcoming import Upcoming, UpcomingReader
from signaling.randomness import Randomness
from signaling.rendering import Renderer
from signaling.tokens import TokenKey
from signaling.worker_link import RoomDirectory


@dataclass(frozen=True)
class HelpdeskParts:
    """What it works with."""

    directory: RoomDirectory
    key: TokenKey
    randomness: Randomness
    clock: Clock
    renderer: Renderer
    origins: frozenset[str]
    address_of: Callable[[web.Request], str]
    accounts: AccountsService | None
    """None: nobody signs in, and there is nowhere to keep messages."""
    open_before: timedelta | None
    """How long before an appointment its door opens; None: there are no appointments."""


class HelpdeskService:
    """The pages around the meetings, as the application sees them."""

    def __init__(self, parts: HelpdeskParts, check: CheckConfig, contact: ContactConfig) -> None:
        self._parts = parts
        self._contact = contact
        self._check = CheckPages(
            CheckParts(
                directory=parts.directory, key=parts.key, randomness=parts.randomness,
                clock=parts.clock, renderer=parts.renderer, origins=parts.origins,
                address_of=parts.address_of, visitor_of=self.visitor_of,
            ),
            check,
            contact.phone,
        )  # fmt: skip

    def add_routes(self, app: web.Application) -> None:
        """Add all pages, and the task that closes the rooms of checks."""
        parts, contact = self._parts, self._contact
        self._check.add_routes(app)
        HelpPages(parts.renderer, self.visitor_of, contact.phone).add_routes(app)
        if parts.accounts is not None:
            settings = ContactSettings(contact, parts.origins, parts.address_of)
            ContactPages(parts.accounts.page_parts(parts.renderer), settings).add_routes(app)
        app.cleanup_ctx.append(beside(self._check.run, "check-rooms"))

    async def visitor_of(self, request: web.Request) -> object:
        """Return who is asking, for the header of a page; never fails."""
        accounts = self._parts.accounts
        return None if accounts is None else await accounts.visitors.or_anonymous(request)

    async def read_upcoming(self, visitor: object) -> Sequence[Upcoming]:
        """Return what a visitor has before them; never fails."""
        accounts = self._parts.accounts
        if accounts is None:
            return []
        reader = UpcomingReader(accounts.database, accounts.parts.now, self._parts.open_before)
        return await reader.read(visitor)
