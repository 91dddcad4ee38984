"""ΚΕΠ, when their employees can be met, and appointments with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables, those that others refer to first."""
    _create_kep_plan_revision()
    _create_municipalities()
    _create_kep_services()
    _create_keps()
    _create_kep_days()
    _create_kep_employees()
    _create_kep_hours()
    _create_kep_special_days()
    _create_kep_workstations()
    _create_appointments()
    _create_kep_absences()
    _create_kep_shifts()
    _create_appointment_guests()
    _create_appointment_steps()


def _create_kep_plan_revision() -> None:
    op.create_table(
        "kep_plan_revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_plan_revision")),
    )
    op.execute("INSERT INTO kep_plan_revision (id, number) VALUES (1, 1)")


def _create_municipalities() -> None:
    op.create_table(
        "municipalities",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("name_key", sa.String(length=300), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_municipalities")),
        sa.UniqueConstraint("name_key", name=op.f("uq_municipalities_name_key")),
    )


def _create_kep_services() -> None:
    op.create_table(
        "kep_services",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("theme", sa.String(length=32), nullable=False),
        sa.Column("municipality_id", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_kep_services_municipality_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_services")),
    )
    with op.batch_alter_table("kep_services", schema=None) as batch_op:
        batch_op.create_index(
            "ix_kep_services_theme", ["theme", "municipality_id", "name"], unique=False
        )


def _create_keps() -> None:
    op.create_table(
        "keps",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("municipality_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("name_key", sa.String(length=300), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("serves_business", sa.Boolean(), nullable=False),
        sa.Column("slot_minutes", sa.Integer(), nullable=True),
        sa.Column("gap_minutes", sa.Integer(), nullable=True),
        sa.Column("horizon_days", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_keps_municipality_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keps")),
        sa.UniqueConstraint("name_key", name=op.f("uq_keps_name_key")),
    )
    with op.batch_alter_table("keps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_keps_municipality_id"), ["municipality_id"], unique=False
        )


def _create_kep_days() -> None:
    op.create_table(
        "kep_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kep_id", sa.String(length=32), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_kep_days_kep_id")),
        sa.PrimaryKeyConstraint("day", "kep_id", name=op.f("pk_kep_days")),
    )


def _create_kep_employees() -> None:
    op.create_table(
        "kep_employees",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kep_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_kep_employees_kep_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_kep_employees_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_employees")),
        sa.UniqueConstraint("kep_id", "email", name=op.f("uq_kep_employees_kep_id_email")),
    )
    with op.batch_alter_table("kep_employees", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kep_employees_email"), ["email"], unique=False)
        batch_op.create_index(batch_op.f("ix_kep_employees_person_id"), ["person_id"], unique=False)


def _create_kep_hours() -> None:
    op.create_table(
        "kep_hours",
        sa.Column("kep_id", sa.String(length=32), nullable=False),
        sa.Column("weekday", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opens_min", sa.Integer(), nullable=False),
        sa.Column("closes_min", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_kep_hours_kep_id")),
        sa.PrimaryKeyConstraint("kep_id", "weekday", name=op.f("pk_kep_hours")),
    )


def _create_kep_special_days() -> None:
    op.create_table(
        "kep_special_days",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kep_id", sa.String(length=32), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opens_min", sa.Integer(), nullable=True),
        sa.Column("closes_min", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_kep_special_days_kep_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_special_days")),
        sa.UniqueConstraint("kep_id", "day", name=op.f("uq_kep_special_days_kep_id_day")),
    )
    with op.batch_alter_table("kep_special_days", schema=None) as batch_op:
        batch_op.create_index("ix_kep_special_days_day", ["day"], unique=False)


def _create_kep_workstations() -> None:
    op.create_table(
        "kep_workstations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kep_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_kep_workstations_kep_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_workstations")),
        sa.UniqueConstraint("kep_id", "name_key", name=op.f("uq_kep_workstations_kep_id_name_key")),
    )


def _create_appointments() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("room", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("theme", sa.String(length=32), nullable=False),
        sa.Column("service_id", sa.String(length=32), nullable=False),
        sa.Column("kep_id", sa.String(length=32), nullable=False),
        sa.Column("employee_id", sa.String(length=32), nullable=False),
        sa.Column("workstation_id", sa.String(length=32), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("needs", sa.LargeBinary(), nullable=True),
        sa.Column("document", sa.String(length=32), nullable=False),
        sa.Column("delivery", sa.String(length=32), nullable=False),
        sa.Column("calendar_uid", sa.String(length=32), nullable=False),
        sa.Column("calendar_sequence", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("replaces_id", sa.String(length=32), nullable=True),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["kep_employees.id"], name=op.f("fk_appointments_employee_id")
        ),
        sa.ForeignKeyConstraint(["kep_id"], ["keps.id"], name=op.f("fk_appointments_kep_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_appointments_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["appointments.id"], name=op.f("fk_appointments_replaces_id")
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["kep_services.id"], name=op.f("fk_appointments_service_id")
        ),
        sa.ForeignKeyConstraint(
            ["workstation_id"], ["kep_workstations.id"], name=op.f("fk_appointments_workstation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint(
            "person_id", "request_key", name=op.f("uq_appointments_person_id_request_key")
        ),
        sa.UniqueConstraint("room", name=op.f("uq_appointments_room")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_appointments_token_hash")),
    )
    _index_appointments()


def _index_appointments() -> None:
    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_appointments_employee", ["employee_id", "starts_at"], unique=False
        )
        batch_op.create_index("ix_appointments_kep", ["kep_id", "starts_at"], unique=False)
        batch_op.create_index("ix_appointments_person", ["person_id", "starts_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_appointments_replaces_id"), ["replaces_id"], unique=False
        )
        batch_op.create_index("ix_appointments_state", ["state", "starts_at"], unique=False)


def _create_kep_absences() -> None:
    op.create_table(
        "kep_absences",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("employee_id", sa.String(length=32), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["kep_employees.id"], name=op.f("fk_kep_absences_employee_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_absences")),
    )
    with op.batch_alter_table("kep_absences", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_kep_absences_employee_id"), ["employee_id"], unique=False
        )


def _create_kep_shifts() -> None:
    op.create_table(
        "kep_shifts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("employee_id", sa.String(length=32), nullable=False),
        sa.Column("workstation_id", sa.String(length=32), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("starts_min", sa.Integer(), nullable=False),
        sa.Column("ends_min", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["kep_employees.id"], name=op.f("fk_kep_shifts_employee_id")
        ),
        sa.ForeignKeyConstraint(
            ["workstation_id"], ["kep_workstations.id"], name=op.f("fk_kep_shifts_workstation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kep_shifts")),
    )
    with op.batch_alter_table("kep_shifts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_kep_shifts_employee_id"), ["employee_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_kep_shifts_workstation_id"), ["workstation_id"], unique=False
        )


def _create_appointment_guests() -> None:
    op.create_table(
        "appointment_guests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("appointment_id", sa.String(length=32), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("invited_by", sa.String(length=32), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_appointment_guests_appointment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["people.id"], name=op.f("fk_appointment_guests_invited_by")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_appointment_guests_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_guests")),
        sa.UniqueConstraint(
            "appointment_id", "email", name=op.f("uq_appointment_guests_appointment_id_email")
        ),
        sa.UniqueConstraint("token_hash", name=op.f("uq_appointment_guests_token_hash")),
    )


def _create_appointment_steps() -> None:
    op.create_table(
        "appointment_steps",
        sa.Column("employee_id", sa.String(length=32), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("workstation_id", sa.String(length=32), nullable=False),
        sa.Column("appointment_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["appointments.id"],
            name=op.f("fk_appointment_steps_appointment_id"),
        ),
        sa.PrimaryKeyConstraint("employee_id", "step", name=op.f("pk_appointment_steps")),
        sa.UniqueConstraint(
            "workstation_id", "step", name=op.f("uq_appointment_steps_workstation_id_step")
        ),
    )
    with op.batch_alter_table("appointment_steps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_appointment_steps_appointment_id"), ["appointment_id"], unique=False
        )
