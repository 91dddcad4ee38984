"""Confirming an identity (R39, R77, R80): the centre is asked, the audit keeps that it was, and only
then is the appointment's state changed. The number of the document is kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from signaling.audit.calls import CallAudit
from signaling.audit.ked import KedAudit
from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.kep.call_records import CallRecords
from signaling.kep.centre import Centre, CentreUnavailable, IdentityQuestion
from signaling.kep.states import WrongState
from signaling.kep.values import AppointmentState, IdentityDocument
from signaling.storage.database import Database
from signaling.storage.models import Appointment, Person, new_id
from signaling.vault import Vault, VaultError

CONFIRMED = "confirmed"
MISMATCH = "identity_mismatch"
"""The centre says that the data are not those of its books."""
UNAVAILABLE = "centre_unavailable"
NO_TAX_NUMBER = "no_tax_number"
"""The citizen's sign-in service gives none, so the centre cannot be asked."""


@dataclass(frozen=True)
class IdentificationParts:
    """What it works with."""

    database: Database
    vault: Vault
    call_records: CallRecords
    trail: AuditTrail
    centre: Centre | None
    """None: none is configured; the employee confirms by eye."""
    unit: str
    """auditUnit."""
    audit: CallAudit | None
    now: Callable[[], datetime]


class Identification:
    """Confirms."""

    def __init__(self, parts: IdentificationParts) -> None:
        self._parts = parts

    async def confirm(
        self, appointment: Appointment, document_number: str, by: str, address: str
    ) -> str:
        """Return `confirmed`, or why not: one of the codes above.

        Raises:
            WrongState: the identity is not being confirmed.
            RequestError: that the centre was asked cannot be kept, so its answer is not used.
        """
        if appointment.state != AppointmentState.IDENTIFYING:
            raise WrongState(appointment.state)
        parts, transaction_id = self._parts, ""
        if parts.centre is not None:
            transaction_id = new_id()
            result = await self._ask(appointment, document_number, by, address, transaction_id)
            if result != CONFIRMED:
                return result
        how = "by_eye" if parts.centre is None else "centre"
        async with parts.database.write() as session:
            current = await session.get_one(Appointment, appointment.id)
            await parts.call_records.confirm_identity(
                session, current, by=by, how=how, transaction_id=transaction_id, now=parts.now()
            )
        return CONFIRMED

    async def _ask(
        self, appointment: Appointment, number: str, by: str, address: str, transaction_id: str
    ) -> str:
        parts = self._parts
        assert parts.centre is not None, "invariant: asked only where there is one"
        question = await self._question(appointment, number)
        if question is None:
            return NO_TAX_NUMBER
        record = KedAudit(
            transaction_id=transaction_id, transaction_date=parts.now(), unit=parts.unit,
            protocol=appointment.id, user_id=by, user_ip=address,
        )  # fmt: skip
        try:
            is_right = await parts.centre.confirm(question, record)
            result = CONFIRMED if is_right else MISMATCH
        except CentreUnavailable:
            result = UNAVAILABLE
        if parts.audit is not None:
            await parts.audit.identity_asked(appointment.room, record, result)
        async with parts.database.write() as session:
            entry = AuditEntry(
                parts.now(), by, AuditAction.ASK_CENTRE, "appointment", appointment.id,
                result=result, facts={"transaction": transaction_id},
            )  # fmt: skip
            await parts.trail.record(session, entry)
        return result

    async def _question(self, appointment: Appointment, number: str) -> IdentityQuestion | None:
        async with self._parts.database.read() as session:
            person = await session.get_one(Person, appointment.person_id)
        if person.tax_number is None:
            return None
        try:
            tax_number = self._parts.vault.decrypt(person.tax_number, f"tax-number:{person.id}")
        except VaultError:  # of another key: the next sign-in seals it again
            return None
        return IdentityQuestion(
            tax_number, person.given_name, person.family_name,
            IdentityDocument(appointment.document), number,
        )  # fmt: skip
