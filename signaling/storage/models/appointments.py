"""Appointments with a ΚΕΠ, and what makes double booking impossible."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.collective import CODE_LENGTH
from signaling.storage.models.people import EMAIL_LENGTH, HASH_LENGTH
from signaling.storage.models.sittings import ROOM_LENGTH


class Appointment(Base):
    """One citizen, one employee, one time (R42). What names the citizen is encrypted."""

    __tablename__ = "appointments"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    room: Mapped[str] = mapped_column(String(ROOM_LENGTH), unique=True)
    """The media room's id, drawn at creation; never derived from anything."""
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    """Who booked it, and the only one whom it admits as citizen."""
    theme: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`Theme` of signaling.kep.values, as the codes below are of its enums."""
    service_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_services.id"))
    kep_id: Mapped[str] = mapped_column(Id, ForeignKey("keps.id"))
    employee_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_employees.id"))
    workstation_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_workstations.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`AppointmentState`."""
    personal: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted `PersonalData` (signaling.kep.personal)."""
    needs: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted special requirements (R53), apart: for the serving ΚΕΠ only. NULL: none."""
    document: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """Type of the identity document that will be shown (R52)."""
    delivery: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """How the result is handed over (R54)."""
    calendar_uid: Mapped[str] = mapped_column(Id)
    """The same through all reschedulings: calendars move the entry instead of adding one."""
    calendar_sequence: Mapped[int] = mapped_column(default=0)
    """SEQUENCE of RFC 5545 §3.8.7.4."""
    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), unique=True)
    """Of the mailed link: it finds the appointment and admits nobody by itself."""
    replaces_id: Mapped[str | None] = mapped_column(Id, ForeignKey("appointments.id"), index=True)
    """The rescheduled appointment whose place this one took."""
    request_key: Mapped[str] = mapped_column(String(HASH_LENGTH))
    """Of the form that made it: the same form sent twice makes one appointment."""
    reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        UniqueConstraint("person_id", "request_key"),
        Index("ix_appointments_person", "person_id", "starts_at"),
        Index("ix_appointments_kep", "kep_id", "starts_at"),
        Index("ix_appointments_employee", "employee_id", "starts_at"),
        Index("ix_appointments_state", "state", "starts_at"),
    )


class AppointmentStep(Base):
    """Five minutes of one employee at one workstation, taken. INVARIANT: by one appointment.

    Covers the appointment and the gap after it; deleted as soon as the time is free again.
    """

    __tablename__ = "appointment_steps"

    employee_id: Mapped[str] = mapped_column(Id, primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Steps of five minutes since 1970, UTC."""
    workstation_id: Mapped[str] = mapped_column(Id)
    appointment_id: Mapped[str] = mapped_column(Id, index=True)

    __table_args__ = (
        UniqueConstraint("workstation_id", "step"),
        ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
    )


class KepDay(Base):
    """What is taken in one ΚΕΠ on one day: the row that two who book there meet at, and all that
    a search reads. Derived from the steps, in the same transaction."""

    __tablename__ = "kep_days"

    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Proleptic Gregorian ordinal of the date in Athens."""
    kep_id: Mapped[str] = mapped_column(Id, ForeignKey("keps.id"), primary_key=True)
    taken: Mapped[int] = mapped_column(default=0)
    """Steps taken, of all employees together."""
    busy: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: id of an employee or workstation → hexadecimal mask of the day's steps taken."""
    room: Mapped[int | None]
    """Steps of the longest appointment that still fits on the day, with `gap` steps after it. NULL:
    to be reckoned again; until then `busy` is looked at."""
    gap: Mapped[int | None]


class AppointmentGuest(Base):
    """A third person, such as an interpreter, whom the serving ΚΕΠ has invited (R60)."""

    __tablename__ = "appointment_guests"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    appointment_id: Mapped[str] = mapped_column(Id, ForeignKey("appointments.id"))
    personal: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted `GuestData` (signaling.kep.personal)."""
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    """Lower case. Who comes must have it confirmed as their own, unless they are `person_id`."""
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"))
    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), unique=True)
    invited_by: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    invited_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("appointment_id", "email"),)
