"""Bodies (Φορείς), their units (Οργανικές Μονάδες), roles in them and requests for roles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.people import EMAIL_LENGTH, HASH_LENGTH

TITLE_LENGTH = 300
ROLE_LENGTH = 32
PHONE_LENGTH = 20

_ACTIVE = text("ended_at IS NULL")
_PENDING = text("status = 'pending'")


class Body(Base):
    """A Φορέας: a municipality, a ministry, any public body."""

    __tablename__ = "bodies"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    name_key: Mapped[str] = mapped_column(String(TITLE_LENGTH), unique=True)
    """Folded (case, accents, blanks): no second one that reads the same."""
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Unit(Base):
    """An Οργανική Μονάδα of a body."""

    __tablename__ = "units"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    body_id: Mapped[str] = mapped_column(Id, ForeignKey("bodies.id"))
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    name_key: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (UniqueConstraint("body_id", "name_key"),)


class RoleAssignment(Base):
    """A role held by a person, in a body or unit. Ended, never deleted."""

    __tablename__ = "role_assignments"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    role: Mapped[str] = mapped_column(String(ROLE_LENGTH))
    body_id: Mapped[str | None] = mapped_column(Id, ForeignKey("bodies.id"))
    unit_id: Mapped[str | None] = mapped_column(Id, ForeignKey("units.id"))
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_role_assignments_person", "person_id", postgresql_where=_ACTIVE,
              sqlite_where=_ACTIVE),
        Index("ix_role_assignments_body", "body_id", "unit_id", postgresql_where=_ACTIVE,
              sqlite_where=_ACTIVE),
    )  # fmt: skip


class RoleRequest(Base):
    """An «Αίτημα Αλλαγής Ρόλου» (R18, R19)."""

    __tablename__ = "role_requests"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    body_name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    unit_name: Mapped[str] = mapped_column(String(TITLE_LENGTH), default="")
    phone: Mapped[str] = mapped_column(String(PHONE_LENGTH))
    purpose: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="pending")
    filed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(Text, default="")
    assignment_id: Mapped[str | None] = mapped_column(Id, ForeignKey("role_assignments.id"))
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        # One open request a person: a form sent twice is one request.
        Index("uq_role_requests_pending", "person_id", unique=True, postgresql_where=_PENDING,
              sqlite_where=_PENDING),
        Index("ix_role_requests_status", "status", "filed_at", "id"),
        Index("ix_role_requests_person", "person_id", "filed_at"),
    )  # fmt: skip


class RoleInvitation(Base):
    """A coordinator's seat offered by mail to who may have no account yet (R24)."""

    __tablename__ = "role_invitations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), unique=True)
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    """Lower case. Who accepts must have it confirmed as their own."""
    role: Mapped[str] = mapped_column(String(ROLE_LENGTH))
    body_id: Mapped[str] = mapped_column(Id, ForeignKey("bodies.id"))
    unit_id: Mapped[str | None] = mapped_column(Id, ForeignKey("units.id"))
    invited_by: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    assignment_id: Mapped[str | None] = mapped_column(Id, ForeignKey("role_assignments.id"))

    __table_args__ = (Index("ix_role_invitations_body", "body_id", "unit_id", "created_at"),)
