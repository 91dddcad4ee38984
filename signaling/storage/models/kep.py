"""ΚΕΠ: municipalities, places, employees, when they can be met, and the services they give."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id
from signaling.storage.models.bodies import PHONE_LENGTH, TITLE_LENGTH
from signaling.storage.models.collective import CODE_LENGTH
from signaling.storage.models.people import EMAIL_LENGTH, NAME_LENGTH


class Municipality(Base):
    """A Δήμος that has joined (R75)."""

    __tablename__ = "municipalities"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    name_key: Mapped[str] = mapped_column(String(TITLE_LENGTH), unique=True)
    """Folded (case, accents, blanks)."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Kep(Base):
    """One ΚΕΠ. Closed, never deleted."""

    __tablename__ = "keps"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    municipality_id: Mapped[str] = mapped_column(Id, ForeignKey("municipalities.id"), index=True)
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    name_key: Mapped[str] = mapped_column(String(TITLE_LENGTH), unique=True)
    address: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    phone: Mapped[str] = mapped_column(String(PHONE_LENGTH))
    serves_business: Mapped[bool] = mapped_column(default=False)
    """ΚΕΠ–Ε.Κ.Ε.: gives the services of theme 2 (R69)."""
    slot_minutes: Mapped[int | None]
    """Of its own; NULL: of the configuration. So the next two."""
    gap_minutes: Mapped[int | None]
    horizon_days: Mapped[int | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class KepWorkstation(Base):
    """A θέση εργασίας: a desk with a camera, for one employee at a time (R64)."""

    __tablename__ = "kep_workstations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    kep_id: Mapped[str] = mapped_column(Id, ForeignKey("keps.id"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(String(NAME_LENGTH))
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (UniqueConstraint("kep_id", "name_key"),)


class KepEmployee(Base):
    """Somebody who serves citizens at one ΚΕΠ. Ended, never deleted.

    Until somebody with the address confirmed signs in, only name and e-mail are known.
    """

    __tablename__ = "kep_employees"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    kep_id: Mapped[str] = mapped_column(Id, ForeignKey("keps.id"))
    person_id: Mapped[str | None] = mapped_column(Id, ForeignKey("people.id"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH), index=True)
    """Lower case."""
    is_active: Mapped[bool] = mapped_column(default=True)
    assigned_at: Mapped[datetime | None]
    """When the platform last gave them an appointment: of equals the longest unasked is next."""

    __table_args__ = (UniqueConstraint("kep_id", "email"),)


class KepHours(Base):
    """From when to when a ΚΕΠ gives appointments on one day of the week (R65, R87). No row: none."""

    __tablename__ = "kep_hours"

    kep_id: Mapped[str] = mapped_column(Id, ForeignKey("keps.id"), primary_key=True)
    weekday: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0 is Monday."""
    opens_min: Mapped[int]
    """Minutes after midnight in Athens, as everywhere here."""
    closes_min: Mapped[int]


class KepSpecialDay(Base):
    """A date with hours of its own: a closure, or a holiday on which a ΚΕΠ works."""

    __tablename__ = "kep_special_days"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    kep_id: Mapped[str | None] = mapped_column(Id, ForeignKey("keps.id"))
    """NULL: all of them. What is said of one ΚΕΠ goes before."""
    day: Mapped[date]
    opens_min: Mapped[int | None]
    """NULL, and the next: closed."""
    closes_min: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(TITLE_LENGTH), default="")

    __table_args__ = (UniqueConstraint("kep_id", "day"), Index("ix_kep_special_days_day", "day"))


class KepShift(Base):
    """When an employee takes appointments, and at which workstation (R64)."""

    __tablename__ = "kep_shifts"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    employee_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_employees.id"), index=True)
    workstation_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_workstations.id"), index=True)
    weekday: Mapped[int]
    starts_min: Mapped[int]
    ends_min: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    """NULL: until further notice."""


class KepAbsence(Base):
    """Days on which an employee takes no appointments."""

    __tablename__ = "kep_absences"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    employee_id: Mapped[str] = mapped_column(Id, ForeignKey("kep_employees.id"), index=True)
    first_day: Mapped[date]
    last_day: Mapped[date]


class KepService(Base):
    """A procedure of a theme; of theme 4 one of a municipality (R68–R72)."""

    __tablename__ = "kep_services"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    theme: Mapped[str] = mapped_column(String(CODE_LENGTH))
    """`Theme` of signaling.kep.values."""
    municipality_id: Mapped[str | None] = mapped_column(Id, ForeignKey("municipalities.id"))
    name: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    description: Mapped[str] = mapped_column(Text, default="")
    is_active: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (Index("ix_kep_services_theme", "theme", "municipality_id", "name"),)


class KepPlanRevision(Base):
    """One row. Its number grows with every change to the tables above but the services: what is
    kept of them in memory is good as long as it has not grown."""

    __tablename__ = "kep_plan_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1."""
    number: Mapped[int]
