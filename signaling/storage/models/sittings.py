"""Sittings (συνεδριάσεις), their agenda, who is invited, and what is reserved for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.bodies import TITLE_LENGTH
from signaling.storage.models.collective import CODE_LENGTH
from signaling.storage.models.people import EMAIL_LENGTH, HASH_LENGTH, NAME_LENGTH

ROOM_LENGTH = 64
FILE_NAME_LENGTH = 200


class Sitting(Base):
    """One meeting at one time, in a room of its own (R11, R20)."""

    __tablename__ = "sittings"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    room: Mapped[str] = mapped_column(String(ROOM_LENGTH), unique=True)
    """The media room's id, drawn at creation; never derived from anything."""
    body_id: Mapped[str] = mapped_column(Id, ForeignKey("bodies.id"))
    unit_id: Mapped[str | None] = mapped_column(Id, ForeignKey("units.id"))
    collective_body_id: Mapped[str | None] = mapped_column(Id, ForeignKey("collective_bodies.id"))
    organiser_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    kind: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`SittingKind` of signaling.scheduling.values, as the next two are of their names."""
    mode: Mapped[str] = mapped_column(String(CODE_LENGTH))
    state: Mapped[str] = mapped_column(String(CODE_LENGTH))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """Planned end; later after an extension."""
    open_before_min: Mapped[int]
    """Minutes before the start at which the invited may knock; coordinators and chair earlier."""
    expected_participants: Mapped[int]
    is_closed: Mapped[bool]
    """Κεκλεισμένων των θυρών (R33): no broadcast, no guests."""
    admits_guests: Mapped[bool]
    """Whether people may knock without signing in. Never in a closed sitting."""
    series_id: Mapped[str | None] = mapped_column(Id)
    """The same for the sittings of one recurrence."""
    calendar_sequence: Mapped[int] = mapped_column(default=0)
    """SEQUENCE of RFC 5545 §3.8.7.4: grows with every change that invitations tell."""
    request_key: Mapped[str | None] = mapped_column(String(HASH_LENGTH))
    """Of the form that made it: the same form sent twice makes one sitting."""
    cancel_reason: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        UniqueConstraint("organiser_id", "request_key"),
        Index("ix_sittings_body", "body_id", "starts_at", "id"),
        Index("ix_sittings_unit", "unit_id", "starts_at", "id"),
        Index("ix_sittings_organiser", "organiser_id", "starts_at", "id"),
        Index("ix_sittings_state", "state", "starts_at", "id"),
        Index("ix_sittings_series", "series_id"),
    )


class AgendaItem(Base):
    """One subject of the agenda (ημερήσια διάταξη), in order."""

    __tablename__ = "agenda_items"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    sitting_id: Mapped[str] = mapped_column(Id, ForeignKey("sittings.id"))
    number: Mapped[int]
    """From 1."""
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    speaker: Mapped[str] = mapped_column(String(NAME_LENGTH), default="")
    """Εισηγητής."""

    __table_args__ = (Index("ix_agenda_items_sitting", "sitting_id", "number"),)


class AgendaFile(Base):
    """A document of the agenda (R36). Checked before it is kept."""

    __tablename__ = "agenda_files"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    sitting_id: Mapped[str] = mapped_column(Id, ForeignKey("sittings.id"))
    agenda_item_id: Mapped[str | None] = mapped_column(Id, ForeignKey("agenda_items.id"))
    name: Mapped[str] = mapped_column(String(FILE_NAME_LENGTH))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(HASH_LENGTH))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    uploaded_by: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    uploaded_at: Mapped[datetime]

    __table_args__ = (Index("ix_agenda_files_sitting", "sitting_id"),)


class Invitation(Base):
    """Somebody invited to a sitting (R10, R22, R27). Revoked, never deleted.

    The link in the mail finds the invitation; who opens it must also be the person it is for:
    signed in with the invited address confirmed, or the account itself.
    """

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    sitting_id: Mapped[str] = mapped_column(Id, ForeignKey("sittings.id"))
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    """Known once the invited person has signed in."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    """Lower case."""
    role: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """Role in the room (sfu.values.Role)."""
    office: Mapped[str] = mapped_column(String(CODE_LENGTH), default="")
    """Office in the collective body, if invited as its member."""
    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), unique=True)
    expires_at: Mapped[datetime]
    invited_by: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    invited_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    mail_id: Mapped[str | None] = mapped_column(Id, ForeignKey("mails.id"))
    """The newest mail about it: its state of delivery is shown."""

    __table_args__ = (
        UniqueConstraint("sitting_id", "email"),
        Index("ix_invitations_person", "person_id", "sitting_id"),
        Index("ix_invitations_email", "email"),
    )


class SittingTemplate(Base):
    """What a coordinator makes similar sittings from."""

    __tablename__ = "sitting_templates"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    body_id: Mapped[str] = mapped_column(Id, ForeignKey("bodies.id"))
    unit_id: Mapped[str | None] = mapped_column(Id, ForeignKey("units.id"))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The form's fields but for the times."""
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (Index("ix_sitting_templates_body", "body_id", "name"),)


class CapacityReservation(Base):
    """What a sitting has reserved in one quarter of an hour (R11)."""

    __tablename__ = "capacity_reservations"

    sitting_id: Mapped[str] = mapped_column(Id, ForeignKey("sittings.id"), primary_key=True)
    quarter: Mapped[int] = mapped_column(primary_key=True)
    """Quarters of an hour since 1970, UTC."""
    participants: Mapped[int]
    streams: Mapped[int]
    """Streams forwarded at once: what the media workers are sized by."""

    __table_args__ = (Index("ix_capacity_reservations_quarter", "quarter"),)


class CapacityQuarter(Base):
    """The sum of what is reserved in one quarter: the row that two writers meet at."""

    __tablename__ = "capacity_quarters"

    quarter: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    participants: Mapped[int]
    streams: Mapped[int]


class PresenceEvent(Base):
    """Somebody entered or left the room of a sitting. Only ever added to: who comes back adds."""

    __tablename__ = "presence_events"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    sitting_id: Mapped[str] = mapped_column(Id, ForeignKey("sittings.id"))
    invitation_id: Mapped[str | None] = mapped_column(Id, ForeignKey("invitations.id"))
    """NULL: a guest or a coordinator who was not invited."""
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """As the others saw it."""
    role: Mapped[str] = mapped_column(String(CODE_LENGTH))
    kind: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`entered`, `left` or `refused`."""
    at: Mapped[datetime]

    __table_args__ = (Index("ix_presence_events_sitting", "sitting_id", "number"),)


class ContactMessage(Base):
    """What somebody wrote in the form «Επικοινωνία» (R31)."""

    __tablename__ = "contact_messages"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    topic: Mapped[str] = mapped_column(String(CODE_LENGTH))
    text: Mapped[str] = mapped_column(Text)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Of the device and network check, if it was sent along: codes and numbers only."""
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_contact_messages_created", "answered_at", "created_at", "id"),)
