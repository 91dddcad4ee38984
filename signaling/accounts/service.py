"""Everything about accounts put together: storage, sign-in, mail, pages, background tasks."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from sfu.logs import Log
from signaling.accounts.account_pages import AccountPages
from signaling.accounts.appointment_pages import AppointmentPages
from signaling.accounts.body_pages import BodyPages
from signaling.accounts.config import AccountsConfig
from signaling.accounts.entry_pages import EntryPages
from signaling.accounts.parts import AccountParts, PageParts
from signaling.accounts.people import People
from signaling.accounts.record_pages import RecordPages
from signaling.accounts.request_pages import RequestPages
from signaling.accounts.samples import add_sample_bodies
from signaling.accounts.session_cleaner import SessionCleaner
from signaling.accounts.visitor import Visitors
from signaling.accounts.web_sessions import WebSessions
from signaling.audit.trail import StoredTrail
from signaling.clock import Clock
from signaling.identity.attempts import Attempts
from signaling.identity.config import IdentityConfig
from signaling.identity.handlers import SignInPages, SignInParts
from signaling.identity.http import ProviderHttp
from signaling.identity.providers import (
    CentreDouble,
    development_secret,
    make_centre,
    make_providers,
)
from signaling.kep.centre import Centre
from signaling.kep.config import CentreConfig
from signaling.mail.config import Delivery, MailConfig
from signaling.mail.delivery import MailDelivery
from signaling.mail.queue import MailQueue
from signaling.mail.templates import MailTemplates
from signaling.rate_limits import RateLimit
from signaling.rendering import Renderer
from signaling.scheduling.capacity import Capacity
from signaling.scheduling.config import CapacityConfig, InvitationsConfig
from signaling.scheduling.desk import add_desk
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.file_pages import FilePages
from signaling.scheduling.invitation_changes import InvitationChanges
from signaling.scheduling.invitation_mails import InvitationMails
from signaling.scheduling.invitation_pages import InvitationPages
from signaling.scheduling.invitations import InvitationLinks
from signaling.scheduling.invited_pages import InvitedPages
from signaling.scheduling.overdue import Overdue
from signaling.scheduling.reminders import Reminders
from signaling.scheduling.samples import SampleParts, add_sample_sittings
from signaling.scheduling.scanner import Scanner
from signaling.scheduling.sitting_form import FormLimits
from signaling.scheduling.sittings import Sittings
from signaling.secrets import load_or_create_secret, read_secret
from signaling.storage.config import StorageConfig
from signaling.storage.database import Database, database_url
from signaling.storage.migrate import migrate_when_there
from signaling.vault import Vault

log = Log(__name__)

SCHEMA_RETRY_S = 30.0
FORM_BURST = 30.0
FORM_RATE = 0.5
"""Forms one person may send at once, and a second after that."""


@dataclass(frozen=True)
class AccountsSettings:
    """What accounts need of the configuration."""

    data_folder: Path
    secrets_folder: str
    storage: StorageConfig
    accounts: AccountsConfig
    identity: IdentityConfig
    mail: MailConfig
    development_port: int
    origins: frozenset[str]
    public_origin: str
    """Origin that links in mails lead to."""
    capacity: CapacityConfig = field(default_factory=CapacityConfig)
    room_capacity: int = 500
    """Most participants of one council room."""
    invitations: InvitationsConfig = field(default_factory=InvitationsConfig)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us by HTTPS, ours or a proxy's."""
        return self.public_origin.startswith("https://")


class AccountsService:
    """Accounts as the application sees them."""

    def __init__(self, settings: AccountsSettings, clock: Clock) -> None:
        """Read the secrets; nothing is connected yet.

        Raises:
            SecretMissing: one cannot be read.
        """
        self._settings = settings
        self._clock = clock
        self.vault = Vault(load_or_create_secret(settings.data_folder / "personal-data-key"))
        self.database = self._make_database()
        self._http = ProviderHttp()
        self._providers = make_providers(
            settings.identity, settings.secrets_folder, settings.data_folder,
            settings.development_port, self._http,
        )  # fmt: skip
        self._trail = StoredTrail(self.vault)
        self._people = People(self.vault)
        self.capacity = Capacity(settings.capacity)
        """What sittings and calls reserve."""
        self.sittings = Sittings(self.capacity, self._trail)
        """Whoever must know what happens to sittings adds itself to its observers."""
        self._sessions = WebSessions(settings.accounts, self.vault)
        self.visitors = Visitors(
            self.database, self._sessions, self.vault, settings.accounts,
            is_https=settings.is_https, now=self._now,
        )  # fmt: skip
        mail = settings.mail
        self._mails = MailQueue(MailTemplates(), mail.delivery, mail.max_attempts, self._now)
        password = read_secret(settings.secrets_folder, mail.password) if mail.password else ""
        self._invitation_links = InvitationLinks(self.vault)
        self._invitation_mails = InvitationMails(
            self._mails, self._invitation_links, settings.public_origin
        )
        self.sittings.observers.append(self._invitation_mails)
        self._delivery = MailDelivery(mail, password, self.database, self._mails)
        self.is_ready = asyncio.Event()
        """Set once the database has the newest schema."""

    @property
    def form_targets(self) -> tuple[str, ...]:
        """Origins that sign-out leads to."""
        return tuple(sorted({each.origin for each in self._providers}))

    def add_routes(
        self, app: web.Application, renderer: Renderer,
        address_of: Callable[[web.Request], str],
    ) -> None:  # fmt: skip
        """Add all pages of accounts."""
        settings = self._settings
        parts = self.page_parts(renderer)
        SignInPages(self._sign_in_parts(), renderer, address_of).add_routes(app)
        EntryPages(parts).add_routes(app)
        AccountPages(parts).add_routes(app)
        RequestPages(parts).add_routes(app)
        BodyPages(parts).add_routes(app)
        add_desk(app, self.desk_parts(renderer))
        AppointmentPages(parts).add_routes(app)
        InvitationPages(parts, self.invitation_changes).add_routes(app)
        InvitedPages(parts, self._invitation_mails).add_routes(app)
        FilePages(parts, Scanner(settings.invitations.virus_scanner)).add_routes(app)
        has_outbox = settings.mail.delivery is Delivery.OUTBOX
        RecordPages(parts, has_outbox=has_outbox).add_routes(app)

    def make_centre(self, config: CentreConfig) -> Centre | None:
        """Return the interoperability centre that confirms identities, or its double.

        Raises:
            SecretMissing: its password cannot be read.
        """
        settings, double = self._settings, None
        if settings.identity.development.enabled:
            secret = development_secret(settings.data_folder)
            double = CentreDouble(settings.development_port, secret)
        return make_centre(config, settings.secrets_folder, double, self._http)

    def page_parts(self, renderer: Renderer) -> PageParts:
        """Return what pages that know who is asking are made with."""
        return PageParts(self.parts, renderer)

    def desk_parts(self, renderer: Renderer) -> DeskParts:
        """Return what the desk works with."""
        return DeskParts(self.page_parts(renderer), self.sittings, self._form_limits())

    @functools.cached_property
    def invitation_changes(self) -> InvitationChanges:
        """Who is invited, as pages and the API change it."""
        return InvitationChanges(self.parts, self._invitation_links, self._invitation_mails)

    async def run(self) -> None:
        """Wait for the database, then deliver mail and clean up, for ever."""
        try:
            await self._prepare_storage()
            async with asyncio.TaskGroup() as tasks:
                cleaner = SessionCleaner(self.database, self._sessions, self._now)
                tasks.create_task(cleaner.run(), name="session-cleaner")
                tasks.create_task(self._make_reminders().run(), name="reminders")
                overdue = Overdue(self.database, self.sittings, self._now)
                tasks.create_task(overdue.run(), name="overdue-sittings")
                if self._settings.mail.delivery is Delivery.SMTP:
                    tasks.create_task(self._delivery.run(), name="mail-delivery")
        finally:
            await self._http.close()
            await self.database.close()

    async def _prepare_storage(self) -> None:
        while True:
            try:
                await migrate_when_there(self.database)
                if self._settings.identity.development.enabled:
                    await add_sample_bodies(self.database, self._now())
                if self._settings.identity.development.has_sample_sittings:
                    await add_sample_sittings(self._sample_parts())
            except Exception:  # task root: whatever is wrong with the schema, rooms go on
                log.exception("storage cannot be prepared")
                await asyncio.sleep(SCHEMA_RETRY_S)
            else:
                self.is_ready.set()
                return

    def _sample_parts(self) -> SampleParts:
        return SampleParts(
            self.database, self._people, self.sittings, self._invitation_links,
            self._invitation_mails, self._now(),
        )  # fmt: skip

    def _make_reminders(self) -> Reminders:
        lead = timedelta(minutes=self._settings.invitations.reminder_minutes)
        return Reminders(self.database, self._invitation_mails, lead, self._now)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock().wall_s, UTC)

    def _make_database(self) -> Database:
        storage = self._settings.storage
        folder = self._settings.secrets_folder
        password = read_secret(folder, storage.password) if storage.password else None
        url = database_url(storage, self._settings.data_folder, password)
        return Database(url, pool_size=storage.pool_size)

    @functools.cached_property
    def parts(self) -> AccountParts:
        """What pages of accounts, and of those who build on them, share."""
        return AccountParts(
            database=self.database,
            people=self._people,
            visitors=self.visitors,
            mails=self._mails,
            trail=self._trail,
            config=self._settings.accounts,
            public_origin=self._settings.public_origin,
            form_limit=RateLimit(burst=FORM_BURST, rate=FORM_RATE),
            now=self._now,
            monotonic_s=lambda: self._clock().monotonic_s,
        )

    def _form_limits(self) -> FormLimits:
        settings = self._settings
        return FormLimits(settings.room_capacity, settings.capacity.days_ahead)

    def _sign_in_parts(self) -> SignInParts:
        identity = self._settings.identity
        administrators = identity.development.administrators if identity.development.enabled else ()
        return SignInParts(
            database=self.database,
            people=self._people,
            sessions=self._sessions,
            visitors=self.visitors,
            attempts=Attempts(self.vault),
            trail=self._trail,
            providers=self._providers,
            origins=self._settings.origins,
            config=self._settings.accounts,
            is_https=self._settings.is_https,
            limit=RateLimit(burst=float(identity.attempt_burst), rate=identity.attempts_per_second),
            now=self._now,
            monotonic_s=lambda: self._clock().monotonic_s,
            administrators=frozenset(administrators),
        )
