"""Giving an appointment to an employee, within the caller's transaction (R62, R63)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import (
    Busy,
    Candidate,
    Window,
    choose_order,
    fitting_windows,
    minutes_of,
)
from signaling.kep.capacity import Reserve
from signaling.kep.config import KepConfig
from signaling.kep.day_records import decode_busy, lock_day, read_busy, take
from signaling.kep.day_steps import day_of, midnight_step, moment_of, step_of
from signaling.kep.plans import KepFacts, Plans, PlanStore, Wanted
from signaling.kep.search import Search, is_bookable
from signaling.kep.values import AppointmentState, Theme
from signaling.storage.models import Appointment, KepEmployee, KepService

MAX_CANDIDATES_TRIED = 40
"""LIMIT: employees tried for one booking; beyond it the time counts as gone."""
MAX_COMPARED = 20
"""LIMIT: employees with equally few minutes who are compared by when they were last asked."""
AHEAD = (
    AppointmentState.BOOKED,
    AppointmentState.WAITING,
    AppointmentState.IDENTIFYING,
    AppointmentState.SERVING,
)
"""States in which an appointment takes its citizen's time."""


class SlotGone(Exception):
    """The time is not free (any more), past or too far away."""

    def __init__(self, offers: Sequence[int]) -> None:
        super().__init__("slot gone")
        self.offers = offers
        """Steps of other times that were free a moment ago."""


class NotOffered(Exception):
    """The service is not given (there)."""


class OwnOverlap(Exception):
    """The person has another appointment at that time."""


class Placer:
    """Chooses who serves a citizen."""

    def __init__(
        self, plans: PlanStore, config: KepConfig, reserve: Reserve, now: Callable[[], datetime]
    ) -> None:
        self._plans = plans
        self._config = config
        self._reserve = reserve
        self._now = now

    async def plans(self, session: AsyncSession) -> Plans:
        """Return the plans as the session sees them."""
        return await self._plans.get(session)

    async def place(
        self, session: AsyncSession, appointment: Appointment, service: KepService,
        kep_id: str | None,
    ) -> None:  # fmt: skip
        """Give the appointment, which has its start, to an employee, and take their time.

        Raises:
            SlotGone, NotOffered, OwnOverlap: see above. Nothing may be committed then.
        """
        plans = await self._plans.get(session)
        wanted = Wanted(Theme(service.theme), service.municipality_id, kep_id)
        search = Search(plans, wanted, self._config, self._now())
        step = step_of(appointment.starts_at)
        if not search.keps:
            raise NotOffered
        placed = is_bookable(step, search) and await self._give(session, search, appointment)
        if not placed:
            raise SlotGone(await search.next_times(session, step))
        if await _overlaps(session, appointment):
            raise OwnOverlap
        if not await self._reserve(session, appointment, is_taken=True):
            raise SlotGone(await search.next_times(session, step))

    async def _give(self, session: AsyncSession, search: Search, appointment: Appointment) -> bool:
        """Try those who could, in order; those whose day somebody else holds come last."""
        candidates = await self._candidates(session, search, step_of(appointment.starts_at))
        order = choose_order(candidates)[:MAX_CANDIDATES_TRIED]
        held = []
        for candidate in order if len(search.keps) > 1 else ():
            outcome = await self._try(session, search, appointment, candidate, skip_locked=True)
            if outcome:
                return True
            if outcome is None:
                held.append(candidate)
        for candidate in held if len(search.keps) > 1 else order:
            if await self._try(session, search, appointment, candidate, skip_locked=False):
                return True
        return False

    async def _try(
        self, session: AsyncSession, search: Search, appointment: Appointment,
        candidate: Candidate, *, skip_locked: bool,
    ) -> bool | None:  # fmt: skip
        """Return whether the candidate has got the appointment; None: the day is held."""
        step = step_of(appointment.starts_at)
        day = day_of(step)
        kep = search.plans.keps[candidate.kep_id]
        need = search.plans.need(kep, search.wanted.theme)
        busy = await lock_day(session, kep.id, day, skip_locked=skip_locked)
        if busy is None:
            return None
        # Now that nobody else can change the day: is it still free?
        fitting = fitting_windows(
            search.plans.on(kep, day).windows, busy, need, step - midnight_step(day)
        )
        place = (candidate.employee_id, candidate.workstation_id)
        if place not in {(each.employee_id, each.workstation_id) for each in fitting}:
            return False
        return await self._take(session, appointment, candidate, busy, search.plans)

    async def _candidates(
        self, session: AsyncSession, search: Search, step: int
    ) -> list[Candidate]:
        """Return who could take an appointment at `step` and has fewest minutes that day."""
        day = day_of(step)
        keps = [each for each in search.keps if search.reaches(each, day)]
        busy = await read_busy(session, day, search.ids(keps))
        untouched = [each for each in keps if each.id not in busy]
        # Where nothing is taken nobody has less: the others need not be looked at.
        found = _fitting(search, untouched, busy, step) or _fitting(search, keps, busy, step)
        if not found:
            return []
        least = min(minutes for _, _, minutes in found)
        equals = [each for each in found if each[2] == least][:MAX_COMPARED]
        ids = [window.employee_id for _, window, _ in equals]
        rows = await session.execute(
            select(KepEmployee.id, KepEmployee.assigned_at).where(KepEmployee.id.in_(ids))
        )
        assigned = {employee_id: moment for employee_id, moment in rows}
        others = [each for each in found if each[2] != least][:MAX_COMPARED]
        return [
            Candidate(kep_id, window.employee_id, window.workstation_id, minutes,
                      assigned.get(window.employee_id))
            for kep_id, window, minutes in equals + others
        ]  # fmt: skip

    async def _take(
        self, session: AsyncSession, appointment: Appointment, candidate: Candidate, busy: Busy,
        plans: Plans,
    ) -> bool:  # fmt: skip
        step = step_of(appointment.starts_at)
        need = plans.need(plans.keps[candidate.kep_id], Theme(appointment.theme))
        appointment.kep_id = candidate.kep_id
        appointment.employee_id = candidate.employee_id
        appointment.workstation_id = candidate.workstation_id
        appointment.ends_at = moment_of(step + need.length)
        try:
            async with session.begin_nested():
                session.add(appointment)
                await session.flush()
                await take(session, appointment, need.length + need.gap, busy, plans)
        except IntegrityError:
            return False
        await session.execute(
            update(KepEmployee)
            .where(KepEmployee.id == candidate.employee_id)
            .values(assigned_at=self._now())
        )
        return True


def _fitting(
    search: Search, keps: Sequence[KepFacts], busy: Mapping[str, str], step: int
) -> list[tuple[str, Window, int]]:
    """Return who could take an appointment at `step`: ΚΕΠ, window, minutes that day."""
    day, found = day_of(step), []
    bit = step - midnight_step(day)
    for kep in keps:
        masks = decode_busy(busy[kep.id]) if kep.id in busy else {}
        need = search.plans.need(kep, search.wanted.theme)
        found += [
            (kep.id, window, minutes_of(masks.get(window.employee_id, 0)))
            for window in fitting_windows(search.plans.on(kep, day).windows, masks, need, bit)
        ]
    return found


async def _overlaps(session: AsyncSession, appointment: Appointment) -> bool:
    """Return whether the citizen has another appointment at the same time."""
    found = await session.scalar(
        select(Appointment.id)
        .where(
            Appointment.person_id == appointment.person_id,
            Appointment.id != appointment.id,
            Appointment.state.in_(AHEAD),
            Appointment.starts_at < appointment.ends_at,
            Appointment.ends_at > appointment.starts_at,
        )
        .limit(1)
    )
    return found is not None
