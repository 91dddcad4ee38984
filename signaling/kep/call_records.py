"""Changes of an appointment's state on the way through its call: each with its record and entry.

Everything happens in the caller's transaction. A change that the table of states does not know
raises `WrongState` and writes nothing; of two at once the second fails (version of the row).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.kep.call import Cause
from signaling.kep.outcome import AbortReason, Outcome
from signaling.kep.states import move
from signaling.kep.values import AppointmentState
from signaling.storage.models import Appointment, KepCallRecord

_S = AppointmentState
Causes = Mapping[str, Cause]
"""By appointment."""


async def find_by_room(session: AsyncSession, room: str) -> Appointment | None:
    """Return the appointment whose room this is."""
    found: Appointment | None = await session.scalar(
        select(Appointment).where(Appointment.room == room)
    )
    return found


async def sound_only_of(session: AsyncSession, appointment_ids: Collection[str]) -> Causes:
    """Return by appointment why there is sound only, where there is."""
    rows = await session.execute(
        select(KepCallRecord.appointment_id, KepCallRecord.sound_only).where(
            KepCallRecord.appointment_id.in_(appointment_ids), KepCallRecord.sound_only != ""
        )
    )
    return {appointment_id: Cause(code) for appointment_id, code in rows}


async def note_sound_only(session: AsyncSession, appointment_id: str, cause: Cause | None) -> None:
    """Keep why there is sound only. Beside the row's version: it competes with no form."""
    await session.execute(
        update(KepCallRecord)
        .where(KepCallRecord.appointment_id == appointment_id)
        .values(sound_only=cause.value if cause is not None else "")
    )


async def record_of(session: AsyncSession, appointment_id: str) -> KepCallRecord:
    """Return the record of an appointment's call, made at first need."""
    record = await session.get(KepCallRecord, appointment_id)
    if record is None:
        record = KepCallRecord(appointment_id=appointment_id)
        session.add(record)
    return record


class CallRecords:
    """Writes what happens."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def note_waiting(
        self, session: AsyncSession, appointment: Appointment, is_waiting: bool, now: datetime
    ) -> None:
        """The citizen came to the waiting room, or left it.

        Raises:
            WrongState: the call is further, or over.
        """
        move(appointment, _S.WAITING if is_waiting else _S.BOOKED)
        record = await record_of(session, appointment.id)
        record.waiting_since = now if is_waiting else None

    async def begin(
        self, session: AsyncSession, appointment: Appointment, by: str, now: datetime
    ) -> None:
        """The employee takes the citizen in: the identification begins (R43).

        Raises:
            WrongState: nobody waits.
        """
        move(appointment, _S.IDENTIFYING)
        record = await record_of(session, appointment.id)
        record.began_at, record.served_by = now, by
        await self._note(session, AuditAction.BEGIN_CALL, appointment, by=by, now=now)

    async def confirm_identity(
        self, session: AsyncSession, appointment: Appointment, *, by: str, how: str,
        transaction_id: str, now: datetime,
    ) -> None:  # fmt: skip
        """The identity is confirmed (R77).

        Raises:
            WrongState: it is not being confirmed.
        """
        move(appointment, _S.SERVING)
        record = await record_of(session, appointment.id)
        record.identified_at, record.identified_how = now, how
        record.transaction_id = transaction_id
        await self._note(
            session, AuditAction.CONFIRM_IDENTITY, appointment, by=by, now=now, facts={"how": how}
        )

    async def conclude(
        self, session: AsyncSession, appointment: Appointment, outcome: Outcome, *, by: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """The call has an outcome (R86).

        Raises:
            WrongState: the citizen is not being served.
        """
        move(appointment, _S.CONCLUDED)
        record = await record_of(session, appointment.id)
        record.ended_at, record.result = now, outcome.result.value
        record.next_step, record.delivery = outcome.next_step.value, outcome.delivery.value
        record.reference_number = outcome.reference_number
        await self._note(
            session, AuditAction.CONCLUDE_CALL, appointment, by=by, now=now,
            facts={"result": outcome.result.value},
        )  # fmt: skip

    async def abort(
        self, session: AsyncSession, appointment: Appointment, reason: AbortReason, *, by: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """The call is broken off.

        Raises:
            WrongState: it has not begun, or is over.
        """
        move(appointment, _S.ABORTED)
        record = await record_of(session, appointment.id)
        record.ended_at, record.abort_reason = now, reason.value
        await self._note(
            session,
            AuditAction.ABORT_CALL,
            appointment,
            by=by,
            now=now,
            facts={"reason": reason.value},
        )

    async def note_absent(
        self, session: AsyncSession, appointment: Appointment, by: str, now: datetime
    ) -> None:
        """The citizen has not come.

        Raises:
            WrongState: they have.
        """
        move(appointment, _S.ABSENT)
        await self._note(session, AuditAction.NOTE_ABSENT, appointment, by=by, now=now)

    async def _note(
        self, session: AsyncSession, action: AuditAction, appointment: Appointment, *, by: str,
        now: datetime, facts: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        entry = AuditEntry(now, by, action, "appointment", appointment.id, facts=facts or {})
        await self._trail.record(session, entry)
