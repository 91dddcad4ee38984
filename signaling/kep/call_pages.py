"""The door and the call of an appointment over HTTP: the page, tickets, what people ask in a call.

What is asked in a call are forms of the session (CSRF-safe), answered with JSON: nothing in it can
be asked by who is not signed in as one of the people of the appointment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role, RoomClass
from signaling.accounts.parts import PageParts
from signaling.accounts.visitor import Visitor
from signaling.door.doors import Doors
from signaling.door.values import Caller, DoorLimits
from signaling.encryption import policy_of
from signaling.errors import RequestError
from signaling.frame_socket import is_own_origin
from signaling.kep.call import CallRefused
from signaling.kep.call_door import CallRooms
from signaling.kep.call_records import CallRecords
from signaling.kep.calls import KepCalls
from signaling.kep.entry import CallEntitlement, call_entitlement, find_appointment
from signaling.kep.identification import Identification
from signaling.kep.outcome import AbortReason, BadForm, parse_checklist
from signaling.kep.queue import Queue
from signaling.kep.states import WrongState
from signaling.kep.values import AppointmentState
from signaling.live.entry_pages import EntrySettings
from signaling.middlewares import problem
from signaling.rate_limits import RateLimit
from signaling.rendering import language_of
from signaling.storage.models import Appointment, Person
from signaling.tokens import MAX_DISPLAY_NAME, room_scoped_subject
from signaling.vault import token_hash

TICKET_BURST, TICKET_RATE = 10.0, 0.2
"""Tickets one browser gets at once, and a second after that."""


@dataclass(frozen=True)
class CallParts:
    """What the pages work with."""

    doors: Doors
    rooms: CallRooms
    calls: KepCalls
    call_records: CallRecords
    identification: Identification
    queue: Queue
    open_before: timedelta
    allows_unencrypted: bool
    note_phase: Callable[[str, AppointmentState], None]
    """Tells call and audit that an appointment's state has changed, after it is stored."""


class CallPages:
    """Answers `/appointments/{id}/enter`, `/api/v1/appointments/{id}/…`."""

    def __init__(self, parts: PageParts, call: CallParts, settings: EntrySettings) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._call = call
        self._settings = settings
        self._tickets = RateLimit(burst=TICKET_BURST, rate=TICKET_RATE)
        self._limits = DoorLimits()

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/appointments/{id}/enter", self.enter)
        api = "/api/v1/appointments/{id}"
        app.router.add_post(api + "/tickets", self.ticket)
        app.router.add_get(api + "/waiting", self.waiting)
        app.router.add_get(api + "/call", self.show)
        app.router.add_post(api + "/call/sound-only", self.sound_only)
        app.router.add_post(api + "/call/sharp-picture", self.sharp_picture)
        app.router.add_post(api + "/call/identity", self.confirm_identity)
        app.router.add_post(api + "/call/abort", self.abort)

    # ---- the door

    async def enter(self, request: web.Request) -> web.Response:
        """Show the lobby, or why one cannot enter now."""
        visitor = await self._accounts.visitors.require(request)
        found = await self._find(request, visitor)
        state = self._state(found)
        room_class = RoomClass.KEP
        config: dict[str, object] = {
            "room": "",
            "room_class": room_class.value,
            "encryption": policy_of(room_class, self._call.allows_unencrypted).value,
            "lang": language_of(request),
            "roles": [],
            "socket_path": "/ws",
            "demo_tokens_path": None,
            "door_path": "/door",
            "tickets_path": f"/api/v1/appointments/{found.appointment.id}/tickets",
            "max_video_streams": self._settings.max_video_streams,
            "max_name": MAX_DISPLAY_NAME,
            "asks_name": False,
            "enters_at_once": found.enters_at_once,
        }
        return self._parts.page(
            request, "appointment_enter.html", visitor, appointment=found.appointment,
            config=config, state=state, opens_at=self._moment(found.window.opens_s),
            own_name=found.display_name, role=found.role.value,
            room={"title": "ΚΕΠ", "room_class": room_class.value},
            queue=await self._call.queue.state_of(found.appointment),
        )  # fmt: skip

    async def ticket(self, request: web.Request) -> web.Response:
        """Answer a ticket for the door. The name is that of the account."""
        visitor = await self._accounts.visitors.require(request)
        if not is_own_origin(request.headers.getall("Origin", []), self._settings.origins):
            raise web.HTTPForbidden(text="wrong_origin")
        found = await self._find(request, visitor)
        if self._state(found) == "over":
            raise web.HTTPConflict(text="too_late")
        holder = token_hash(visitor.session_token)
        self._tickets.take(holder, self._accounts.monotonic_s())
        room = found.appointment.room
        caller = Caller(
            room=room, subject=room_scoped_subject(room, found.person_id), holder=holder,
            display_name=found.display_name, role=found.role, window=found.window,
            is_known=True, enters_at_once=found.enters_at_once,
        )  # fmt: skip
        journal = await self._call.rooms.ensure(found.appointment)
        journal.note_person(caller.subject, found.person_id)
        try:
            ticket = self._call.doors.give_ticket(caller)
        except RequestError as error:
            raise web.HTTPConflict(text=error.code.value) from None
        return web.json_response({"ticket": ticket})

    async def waiting(self, request: web.Request) -> web.Response:
        """Tell who waits: place, the employee's state, expected delay, message, telephone."""
        visitor = await self._accounts.visitors.require(request)
        found = await self._find(request, visitor)
        return _json(await self._call.queue.state_of(found.appointment))

    # ---- the call

    async def show(self, request: web.Request) -> web.Response:
        """Tell how the call stands."""
        visitor = await self._accounts.visitors.require(request)
        found = await self._find(request, visitor)
        call = self._call.calls.call_of(found.appointment.room)
        if call is None:
            raise web.HTTPNotFound()
        return _json(call.view)

    async def sound_only(self, request: web.Request) -> web.Response:
        """Go on with sound only, or back to picture (R79)."""
        _, found, form = await self._asked(request)
        is_wanted = form.get("wanted") == "yes"
        return self._do(
            lambda: self._call.calls.ask_sound_only(found.appointment.room, found.role, is_wanted)
        )

    async def sharp_picture(self, request: web.Request) -> web.Response:
        """Ask the citizen's page for a still, sharp picture, live."""
        _, found, form = await self._asked(request)
        is_wanted = form.get("wanted") == "yes"
        return self._do(
            lambda: self._call.calls.ask_sharp_picture(
                found.appointment.room, found.role, is_wanted
            )
        )

    async def confirm_identity(self, request: web.Request) -> web.Response:
        """Mark the identity as confirmed: looked at, arriving, and right in the centre's books."""
        visitor, found, form = await self._asked(request)
        if found.role is not Role.EMPLOYEE:
            raise web.HTTPForbidden(text="not_allowed")
        room = found.appointment.room
        try:
            number = parse_checklist(form)
            self._call.calls.check_identification(room)
            result = await self._call.identification.confirm(
                found.appointment,
                number,
                visitor.actor.person_id,
                self._settings.address_of(request),
            )
        except BadForm as mistake:
            return _json({"errors": dict(mistake.errors)}, status=422)
        except CallRefused as refusal:
            return problem(409, refusal.code.value)
        except WrongState:
            return problem(409, "wrong_state")
        except RequestError as error:
            return problem(503, error.code.value)
        if result != "confirmed":
            return problem(409, result)
        self._call.note_phase(room, AppointmentState.SERVING)
        return _json({})

    async def abort(self, request: web.Request) -> web.Response:
        """Break the call off; the citizen is told what to do next."""
        visitor, found, form = await self._asked(request)
        if found.role is not Role.EMPLOYEE:
            raise web.HTTPForbidden(text="not_allowed")
        if form.get("reason") not in tuple(AbortReason):
            raise web.HTTPBadRequest(text="unknown_reason")
        reason, now = AbortReason(form["reason"]), self._accounts.now()
        try:
            async with self._accounts.database.write() as session:
                appointment = await session.get_one(Appointment, found.appointment.id)
                await self._call.call_records.abort(
                    session, appointment, reason, by=visitor.actor.person_id, now=now
                )
        except WrongState:
            return problem(409, "wrong_state")
        self._call.note_phase(found.appointment.room, AppointmentState.ABORTED)
        self._call.rooms.close(found.appointment.room, f"aborted_{reason.value}")
        return _json({})

    # ---- inner

    async def _asked(
        self, request: web.Request
    ) -> tuple[Visitor, CallEntitlement, Mapping[str, str]]:
        visitor, form = await self._accounts.visitors.read_form(request)
        return visitor, await self._find(request, visitor), form

    def _do(self, ask: Callable[[], None]) -> web.Response:
        try:
            ask()
        except CallRefused as refusal:
            return problem(409, refusal.code.value)
        return _json({})

    async def _find(self, request: web.Request, visitor: Visitor) -> CallEntitlement:
        """Return the visitor's part in the appointment.

        Raises:
            HTTPNotFound: they have none, or there is none: both answer alike.
        """
        async with self._accounts.database.read() as session:
            appointment = await find_appointment(session, request.match_info["id"])
            found = (
                None
                if appointment is None
                else await self._entitlement(session, appointment, visitor)
            )
        if found is None:
            raise web.HTTPNotFound()
        return found

    async def _entitlement(
        self, session: AsyncSession, appointment: Appointment, visitor: Visitor
    ) -> CallEntitlement | None:
        person = await session.get_one(Person, visitor.actor.person_id)
        return await call_entitlement(
            session, appointment, person, visitor.actor, self._call.open_before
        )

    def _state(self, found: CallEntitlement) -> str:
        """Return what the page shows: `open`, `early` or `over`."""
        now_s = self._accounts.now().timestamp()
        if found.is_over or now_s >= found.window.closes_s:
            return "over"
        return "open" if now_s >= found.window.opens_s - self._limits.early_s else "early"

    def _moment(self, seconds: float) -> datetime:
        now = self._accounts.now()
        return datetime.fromtimestamp(seconds, now.tzinfo)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), content_type="application/json", status=status
    )
