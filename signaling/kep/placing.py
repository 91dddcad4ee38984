"""Giving an appointment to an employee, within the caller's transaction (R62, R63)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import (
    Busy,
    Candidate,
    Need,
    choose_order,
    fitting_windows,
    minutes_of,
)
from signaling.kep.capacity import Reserve
from signaling.kep.config import KepConfig
from signaling.kep.day_records import lock_day, read_busy, take
from signaling.kep.day_steps import day_of, midnight_step, moment_of, step_of
from signaling.kep.plans import PlanStore, Wanted
from signaling.kep.search import Search, is_bookable
from signaling.kep.values import AppointmentState, Theme
from signaling.storage.models import Appointment, KepEmployee, KepService

MAX_CANDIDATES_TRIED = 40
"""LIMIT: employees tried for one booking; beyond it the time counts as gone."""
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
        placed = is_bookable(step, search) and (
            await self._give(session, search, appointment, is_patient=len(search.keps) == 1)
            or (
                len(search.keps) > 1
                and await self._give(session, search, appointment, is_patient=True)
            )
        )
        if not placed:
            raise SlotGone(await search.next_times(session, step))
        if await _overlaps(session, appointment):
            raise OwnOverlap
        if not await self._reserve(session, appointment, is_taken=True):
            raise SlotGone(await search.next_times(session, step))

    async def _give(
        self, session: AsyncSession, search: Search, appointment: Appointment, *,
        is_patient: bool,
    ) -> bool:  # fmt: skip
        """Try those who could, in order. Unless patient, whoever is held by another is left out."""
        step = step_of(appointment.starts_at)
        day = day_of(step)
        candidates = await self._candidates(session, search, step)
        for candidate in choose_order(candidates)[:MAX_CANDIDATES_TRIED]:
            kep = search.plans.keps[candidate.kep_id]
            need = search.plans.need(kep, search.wanted.theme)
            busy = await lock_day(session, kep.id, day, skip_locked=not is_patient)
            windows = search.plans.on(kep, day).windows
            if busy is None or candidate.employee_id not in {
                each.employee_id
                for each in fitting_windows(windows, busy, need, step - midnight_step(day))
                if each.workstation_id == candidate.workstation_id
            }:
                continue
            if await self._take(session, appointment, candidate, need, busy):
                return True
        return False

    async def _candidates(
        self, session: AsyncSession, search: Search, step: int
    ) -> list[Candidate]:
        day = day_of(step)
        keps = [each for each in search.keps if search.reaches(each, day)]
        busy_by_kep = await read_busy(session, day, search.ids(keps))
        found = []
        for kep in keps:
            busy = busy_by_kep.get(kep.id, {})
            need = search.plans.need(kep, search.wanted.theme)
            windows = search.plans.on(kep, day).windows
            found += [
                (kep.id, window, minutes_of(busy.get(window.employee_id, 0)))
                for window in fitting_windows(windows, busy, need, step - midnight_step(day))
            ]
        if not found:
            return []
        # Only among those with least that day does it matter who was asked last.
        least = min(minutes for _, _, minutes in found)
        ids = [window.employee_id for _, window, minutes in found if minutes == least]
        rows = await session.execute(
            select(KepEmployee.id, KepEmployee.assigned_at).where(KepEmployee.id.in_(ids))
        )
        assigned = {employee_id: moment for employee_id, moment in rows}
        return [
            Candidate(kep_id, window.employee_id, window.workstation_id, minutes,
                      assigned.get(window.employee_id))
            for kep_id, window, minutes in found
        ]  # fmt: skip

    async def _take(
        self, session: AsyncSession, appointment: Appointment, candidate: Candidate, need: Need,
        busy: Busy,
    ) -> bool:  # fmt: skip
        step = step_of(appointment.starts_at)
        appointment.kep_id = candidate.kep_id
        appointment.employee_id = candidate.employee_id
        appointment.workstation_id = candidate.workstation_id
        appointment.ends_at = moment_of(step + need.length)
        try:
            async with session.begin_nested():
                session.add(appointment)
                await session.flush()
                await take(session, appointment, need.length + need.gap, busy)
        except IntegrityError:
            return False
        await session.execute(
            update(KepEmployee)
            .where(KepEmployee.id == candidate.employee_id)
            .values(assigned_at=self._now())
        )
        return True


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
