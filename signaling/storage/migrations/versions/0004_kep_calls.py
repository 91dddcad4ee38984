"""Calls of appointments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "kep_calls",
        sa.Column("appointment_id", sa.String(length=32), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("served_by", sa.String(length=32), nullable=True),
        sa.Column("identified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("identified_how", sa.String(length=32), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("abort_reason", sa.String(length=32), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.Column("next_step", sa.String(length=32), nullable=False),
        sa.Column("reference_number", sa.String(length=64), nullable=False),
        sa.Column("delivery", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_kep_calls_appointment_id")
        ),
        sa.ForeignKeyConstraint(["served_by"], ["people.id"], name=op.f("fk_kep_calls_served_by")),
        sa.PrimaryKeyConstraint("appointment_id", name=op.f("pk_kep_calls")),
    )
