"""Mail waiting to be sent, the audit trail, and how far the writers of running rooms are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.people import EMAIL_LENGTH

SUBJECT_LENGTH = 300
CODE_LENGTH = 64


class Mail(Base):
    """One message to one person."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    recipient: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    text: Mapped[str] = mapped_column(Text)
    """Emptied once sent: it may hold links that admit."""
    calendar: Mapped[str | None] = mapped_column(Text)
    """A text/calendar part (RFC 6047), emptied with the text."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When to try next; while an attempt is under way, when to think it lost."""
    sent_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    """Why the last attempt failed: a code, never a server's text."""

    __table_args__ = (
        Index("ix_mails_due", "state", "due_at"),
        Index("ix_mails_created", "created_at", "id"),
        Index("ix_mails_person", "person_id", "created_at"),
    )


class AuditRecord(Base):
    """Who did what to what, when, with which result (R81, R82). Triggers refuse any change."""

    __tablename__ = "audit_records"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """Keyed hash of the person's id: the same person, unnamed."""
    action: Mapped[str] = mapped_column(String(CODE_LENGTH))
    object_kind: Mapped[str] = mapped_column(String(CODE_LENGTH))
    object_id: Mapped[str] = mapped_column(String(CODE_LENGTH))
    result: Mapped[str] = mapped_column(String(CODE_LENGTH))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Codes and numbers, never names."""

    __table_args__ = (
        Index("ix_audit_records_at", "at", "number"),
        Index("ix_audit_records_actor", "actor", "number"),
        Index("ix_audit_records_object", "object_kind", "object_id", "number"),
    )


class RecordWriter(Base):
    """How many records a process has written of what happens in its rooms.

    The number is written with the records, so a writer that did not hear whether a transaction was
    committed finds out.
    """

    __tablename__ = "record_writers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Of this run of the process."""
    written: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    """When it last wrote."""
