"""Everything about ΚΕΠ put together: booking, pages, reminders."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web

from sfu.logs import Log
from signaling.accounts.parts import PageParts
from signaling.accounts.service import AccountsService
from signaling.kep import call_records
from signaling.kep.appointment_pages import AppointmentPages
from signaling.kep.booking import Booking, BookingParts
from signaling.kep.booking_pages import BookingPages
from signaling.kep.call import Cause
from signaling.kep.call_service import CallService, CallServiceParts
from signaling.kep.capacity import Reserve, sized_by_employees
from signaling.kep.centre import Centre
from signaling.kep.config import KepConfig
from signaling.kep.guest_pages import GuestPages
from signaling.kep.kep_pages import KepPages
from signaling.kep.notices import Notices
from signaling.kep.overview_pages import OverviewPages
from signaling.kep.parts import KepParts
from signaling.kep.personal import PersonalVault
from signaling.kep.placing import Placer
from signaling.kep.plans import PlanStore
from signaling.kep.reminders import BATCH_SIZE, remind_batch
from signaling.kep.room_reckoning import reckon_rooms
from signaling.kep.sample_call import add_sample_call
from signaling.kep.samples import add_sample_keps
from signaling.kep.staff_pages import StaffPages
from signaling.live.records import Records
from signaling.rendering import ATHENS, Renderer
from signaling.storage.database import StorageUnavailable

log = Log(__name__)

REMINDER_INTERVAL_S = 30.0


class KepsService:
    """ΚΕΠ as the application sees them."""

    def __init__(
        self, accounts: AccountsService, config: KepConfig, *, sender: str, has_samples: bool,
        has_sample_call: bool = False, reserve: Reserve = sized_by_employees,
    ) -> None:  # fmt: skip
        """Put the parts together. `sender` is who mail and calendar entries come from."""
        self.accounts = accounts
        self._config = config
        self._has_samples, self._has_sample_call = has_samples, has_sample_call
        parts = accounts.parts
        self._vault = PersonalVault(accounts.vault)
        self._plans = PlanStore(config)
        self.notices = Notices(
            parts.mails, self._vault, config, sender=sender, public_origin=parts.public_origin,
            now=parts.now,
        )  # fmt: skip
        placer = Placer(self._plans, config, reserve, parts.now)
        self.booking = Booking(
            BookingParts(
                parts.database, placer, self._vault, self.notices, parts.trail, config, reserve,
                parts.now,
            )
        )  # fmt: skip
        self.records = Records(parts.database, parts.now)
        """Of calls, written while they run."""
        self.is_ready = asyncio.Event()
        """Set once there are tables, and in development the sample ΚΕΠ."""

    def add_routes(self, app: web.Application, renderer: Renderer, call: CallServiceParts) -> None:
        """Add all pages of ΚΕΠ, and the calls behind them."""
        parts = self.kep_parts(renderer)
        for pages in (BookingPages, AppointmentPages, GuestPages, OverviewPages, KepPages,
                      StaffPages):  # fmt: skip
            pages(parts).add_routes(app)
        CallService(parts, call).add_routes(app)

    def kep_parts(self, renderer: Renderer) -> KepParts:
        """Return what pages of ΚΕΠ work with."""
        return KepParts(
            PageParts(self.accounts.parts, renderer), self.booking, self._plans, self._vault,
            self.notices, self._config,
        )  # fmt: skip

    @property
    def open_before(self) -> timedelta:
        """How long before the start the waiting room opens."""
        return timedelta(minutes=self._config.open_before_minutes)

    @property
    def allows_unencrypted(self) -> bool:
        """Whether browsers that cannot encrypt are admitted: the operator's exception."""
        return self._config.allow_unencrypted_browsers

    @property
    def weak_network_s(self) -> float:
        """See `KepConfig`."""
        return self._config.weak_network_s

    def note_sound_only(self, appointment_id: str, cause: Cause | None) -> None:
        """Keep why a call has sound only, soon; returns at once."""
        self.records.put(
            lambda session: call_records.note_sound_only(session, appointment_id, cause)
        )

    def make_centre(self) -> Centre | None:
        """Return the interoperability centre; None: employees confirm by eye."""
        return self.accounts.make_centre(self._config.centre)

    async def run(self) -> None:
        """Remind citizens, for ever."""
        await self.accounts.is_ready.wait()
        if self._has_samples:
            await self._add_samples()
        self.is_ready.set()
        while True:
            try:
                today = self.accounts.parts.now().astimezone(ATHENS).date()
                await reckon_rooms(self.accounts.parts.database, self._plans, today)
                await self.remind()
            except StorageUnavailable:
                log.warning("reminders wait for storage")
            except Exception:  # task root: one appointment that cannot be told must not stop all
                log.exception("reminders failed")
            await asyncio.sleep(REMINDER_INTERVAL_S)

    async def remind(self) -> None:
        """Send all reminders that are due."""
        parts = self.accounts.parts
        count = BATCH_SIZE
        while count == BATCH_SIZE:
            async with parts.database.write() as session:
                count = await remind_batch(session, self.notices, self._config, parts.now())

    async def _add_samples(self) -> None:
        parts = self.accounts.parts
        try:
            await add_sample_keps(parts.database, parts.people, parts.now())
            if self._has_sample_call:
                async with parts.database.write() as session:
                    await add_sample_call(
                        session, parts.people, self._vault, self._config, parts.now()
                    )
        except Exception:  # without samples everything else goes on
            log.exception("sample data cannot be added")
