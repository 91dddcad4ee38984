"""Giving an appointment to an employee, within the caller's transaction (R62, R63)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import bindparam, select, update
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


class TimeTaken(Exception):
    """What becomes of it is `SlotGone`, as soon as nobody waits for this transaction any more."""

    def __init__(self, wanted: Wanted, step: int) -> None:
        super().__init__("time taken")
        self.wanted = wanted
        self.step = step


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

    async def offers(self, session: AsyncSession, taken: TimeTaken) -> Sequence[int]:
        """Return the steps of other times that are free."""
        search = await self._search(session, taken.wanted)
        return await search.next_times(session, taken.step)

    async def check_free(
        self, session: AsyncSession, service: KepService, kep_id: str | None, step: int
    ) -> None:
        """Look whether somebody could take an appointment; nobody is given one.

        Raises:
            TimeTaken, NotOffered: see above.
        """
        search = await self._search(session, _wanted(service, kep_id))
        if not is_bookable(step, search) or not await self._is_free(session, search, step):
            raise TimeTaken(search.wanted, step)

    async def place(
        self, session: AsyncSession, appointment: Appointment, service: KepService,
        kep_id: str | None, *, own: Iterable[Appointment],
    ) -> None:  # fmt: skip
        """Give the appointment, which has its start, to an employee, and take their time.

        `own` are other appointments of the citizen.

        Raises:
            TimeTaken, NotOffered, OwnOverlap: see above. Nothing may be committed then.
        """
        search = await self._search(session, _wanted(service, kep_id))
        step = step_of(appointment.starts_at)
        if not is_bookable(step, search) or not await self._give(session, search, appointment):
            raise TimeTaken(search.wanted, step)
        if any(_overlap(each, appointment) for each in own):
            raise OwnOverlap
        if not await self._reserve(session, appointment, is_taken=True):
            raise TimeTaken(search.wanted, step)

    async def _search(self, session: AsyncSession, wanted: Wanted) -> Search:
        search = Search(await self._plans.get(session), wanted, self._config, self._now())
        if not search.keps:
            raise NotOffered
        return search

    async def _is_free(self, session: AsyncSession, search: Search, step: int) -> bool:
        keps, busy = await _read_day(session, search, day_of(step))
        untouched = [each for each in keps if each.id not in busy]
        return any(_fitting(search, untouched, busy, step)) or any(
            _fitting(search, keps, busy, step)
        )

    async def _give(self, session: AsyncSession, search: Search, appointment: Appointment) -> bool:
        """Try those who could, in order; those whose day somebody else holds come last."""
        step = step_of(appointment.starts_at)
        keps, busy = await _read_day(session, search, day_of(step))
        candidates = await self._candidates(session, search, keps, busy, step)
        order = choose_order(candidates)[:MAX_CANDIDATES_TRIED]
        held = []
        for candidate in order if len(search.keps) > 1 else ():
            outcome = await self._try(
                session, search, appointment, candidate, skip_locked=True,
                is_new=candidate.kep_id not in busy,
            )  # fmt: skip
            if outcome:
                return True
            if outcome is None:
                held.append(candidate)
        for candidate in held if len(search.keps) > 1 else order:
            if await self._try(
                session, search, appointment, candidate, skip_locked=False,
                is_new=candidate.kep_id not in busy,
            ):  # fmt: skip
                return True
        return False

    async def _try(
        self, session: AsyncSession, search: Search, appointment: Appointment,
        candidate: Candidate, *, skip_locked: bool, is_new: bool,
    ) -> bool | None:  # fmt: skip
        """Return whether the candidate has got the appointment; None: the day is held."""
        step = step_of(appointment.starts_at)
        day = day_of(step)
        kep = search.plans.keps[candidate.kep_id]
        need = search.plans.need(kep, search.wanted.theme)
        busy = await lock_day(session, kep.id, day, skip_locked=skip_locked, is_new=is_new)
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
        self, session: AsyncSession, search: Search, keps: Sequence[KepFacts],
        busy: Mapping[str, str], step: int,
    ) -> list[Candidate]:  # fmt: skip
        """Return who could take an appointment at `step` and has fewest minutes that day."""
        untouched = [each for each in keps if each.id not in busy]
        # Where nothing is taken nobody has less: the others need not be looked at.
        found = list(_fitting(search, untouched, busy, step)) or list(
            _fitting(search, keps, busy, step)
        )
        if not found:
            return []
        least = min(minutes for _, _, minutes in found)
        equals = [each for each in found if each[2] == least][:MAX_COMPARED]
        ids = [window.employee_id for _, window, _ in equals]
        rows = await session.execute(_ASSIGNED, {"ids": ids})
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
        values = {"employee_id": candidate.employee_id, "now": self._now()}
        await session.execute(_ASSIGN, values)
        return True


_ASSIGNED = select(KepEmployee.id, KepEmployee.assigned_at).where(
    KepEmployee.id.in_(bindparam("ids", expanding=True))
)

_ASSIGN = (
    update(KepEmployee)
    .where(KepEmployee.id == bindparam("employee_id"))
    .values(assigned_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)


def _wanted(service: KepService, kep_id: str | None) -> Wanted:
    return Wanted(Theme(service.theme), service.municipality_id, kep_id)


async def _read_day(
    session: AsyncSession, search: Search, day: date
) -> tuple[Sequence[KepFacts], Mapping[str, str]]:
    """Return the ΚΕΠ that can be booked for a day, and what is taken there."""
    keps = [each for each in search.keps if search.reaches(each, day)]
    return keps, await read_busy(session, day, search.ids(keps))


def _fitting(
    search: Search, keps: Sequence[KepFacts], busy: Mapping[str, str], step: int
) -> Iterator[tuple[str, Window, int]]:
    """Find who could take an appointment at `step`: ΚΕΠ, window, minutes that day."""
    day = day_of(step)
    bit = step - midnight_step(day)
    for kep in keps:
        masks = decode_busy(busy[kep.id]) if kep.id in busy else {}
        need = search.plans.need(kep, search.wanted.theme)
        for window in fitting_windows(search.plans.on(kep, day).windows, masks, need, bit):
            yield kep.id, window, minutes_of(masks.get(window.employee_id, 0))


def _overlap(other: Appointment, appointment: Appointment) -> bool:
    """Return whether another appointment of the citizen is at the same time."""
    return (
        other.id != appointment.id
        and other.state in AHEAD
        and other.starts_at < appointment.ends_at
        and other.ends_at > appointment.starts_at
    )
