"""What became of an appointment: times and codes, never what was said or shown (R85, R86)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id
from signaling.storage.models.collective import CODE_LENGTH

REFERENCE_LENGTH = 64


class KepCallRecord(Base):
    """One call of one appointment. All columns are times, codes and numbers of our own."""

    __tablename__ = "kep_calls"

    appointment_id: Mapped[str] = mapped_column(Id, ForeignKey("appointments.id"), primary_key=True)
    waiting_since: Mapped[datetime | None]
    began_at: Mapped[datetime | None]
    """The employee took the citizen in."""
    served_by: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    identified_at: Mapped[datetime | None]
    identified_how: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    """`centre`: ΚΕ.Δ. confirmed the data; `by_eye`: no centre is configured."""
    transaction_id: Mapped[str] = mapped_column(String(REFERENCE_LENGTH), default="")
    """auditTransactionId of the last question to the centre."""
    ended_at: Mapped[datetime | None]
    abort_reason: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    result: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    """`CallResult` of signaling.kep.outcome, as the next is `NextStep`."""
    next_step: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    reference_number: Mapped[str] = mapped_column(String(REFERENCE_LENGTH), default="")
    """Protocol number of the case (αριθμός πρωτοκόλλου)."""
    delivery: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    sound_only: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    """`Cause` of signaling.kep.call while the call goes on without picture; empty: with it."""
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
