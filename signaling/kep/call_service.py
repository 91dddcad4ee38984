"""Calls with a ΚΕΠ put together: doors, running calls, identification, pages, tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from signaling.audit.calls import CallAudit
from signaling.background import beside
from signaling.clock import Clock
from signaling.door.doors import Doors
from signaling.kep.call_door import CallDoorParts, CallRooms
from signaling.kep.call_pages import CallPages, CallParts
from signaling.kep.call_records import CallRecords
from signaling.kep.calls import KepCalls
from signaling.kep.centre import Centre
from signaling.kep.desk_pages import KepDeskPages
from signaling.kep.identification import Identification, IdentificationParts
from signaling.kep.parts import KepParts
from signaling.kep.queue import Queue
from signaling.kep.values import AppointmentState
from signaling.live.entry_pages import EntrySettings
from signaling.live.records import Records
from signaling.vault import Vault
from signaling.worker_link import RoomDirectory


@dataclass(frozen=True)
class CallServiceParts:
    """What it works with."""

    directory: RoomDirectory
    doors: Doors
    calls: KepCalls
    records: Records
    """Of the calls."""
    clock: Clock
    vault: Vault
    centre: Centre | None
    audit: CallAudit | None
    settings: EntrySettings


class CallService:
    """Calls of appointments, as the application sees them."""

    def __init__(self, kep: KepParts, parts: CallServiceParts) -> None:
        accounts = kep.accounts
        self._calls = parts.calls
        self._audit = parts.audit
        self._records = parts.records
        call_records = CallRecords(accounts.trail)
        open_before = timedelta(minutes=kep.config.open_before_minutes)
        self.rooms = CallRooms(
            CallDoorParts(
                rooms=parts.directory.rooms, doors=parts.doors, calls=parts.calls,
                database=accounts.database, call_records=call_records, records=self._records,
                clock=parts.clock, now=accounts.now, post=parts.directory.post,
                open_before=open_before, audit=parts.audit,
            )
        )  # fmt: skip
        identification = Identification(
            IdentificationParts(
                database=accounts.database, vault=parts.vault, call_records=call_records,
                trail=accounts.trail, centre=parts.centre, unit=kep.config.centre.unit,
                audit=parts.audit, now=accounts.now,
            )
        )  # fmt: skip
        call = CallParts(
            doors=parts.doors, rooms=self.rooms, calls=parts.calls, call_records=call_records,
            identification=identification, queue=Queue(accounts.database, accounts.now),
            open_before=open_before, note_phase=self._note_phase,
            allows_unencrypted=kep.config.allow_unencrypted_browsers,
        )  # fmt: skip
        self._pages = CallPages(kep.pages, call, parts.settings)
        self._desk = KepDeskPages(kep, call)

    def add_routes(self, app: web.Application) -> None:
        """Add all pages, and the tasks that run beside them."""
        self._pages.add_routes(app)
        self._desk.add_routes(app)
        app.cleanup_ctx.append(beside(self._calls.run, "kep-calls"))
        app.cleanup_ctx.append(beside(self.rooms.run, "kep-rooms"))
        self._records.add_to(app)

    def _note_phase(self, room: str, phase: AppointmentState) -> None:
        self._calls.handle_phase(room, phase)
        if self._audit is not None:
            self._audit.phase_changed(room, phase.value, None)
