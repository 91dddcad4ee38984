"""Collective bodies (συλλογικά όργανα) of a Φορέας and their members (R37)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.bodies import TITLE_LENGTH
from signaling.storage.models.people import EMAIL_LENGTH, NAME_LENGTH

CODE_LENGTH = 32

_ACTIVE = text("ended_at IS NULL")


class CollectiveBody(Base):
    """A council, a committee, a local council: who sits together. Many per body."""

    __tablename__ = "collective_bodies"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    body_id: Mapped[str] = mapped_column(Id, ForeignKey("bodies.id"))
    unit_id: Mapped[str | None] = mapped_column(Id, ForeignKey("units.id"))
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    name_key: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    kind: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`CollectiveKind` of signaling.scheduling.values."""
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (UniqueConstraint("body_id", "name_key"),)


class Member(Base):
    """Somebody's seat in a collective body. Ended, never deleted.

    A member may never have signed in: then only name and e-mail are known, and `person_id` is set
    when somebody signs in with that address confirmed.
    """

    __tablename__ = "members"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    collective_body_id: Mapped[str] = mapped_column(Id, ForeignKey("collective_bodies.id"))
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    """Lower case."""
    office: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`Office` of signaling.scheduling.values."""
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_members_email", "collective_body_id", "email", unique=True,
              postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        Index("ix_members_person", "person_id", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        Index("ix_members_address", "email", postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
    )  # fmt: skip
