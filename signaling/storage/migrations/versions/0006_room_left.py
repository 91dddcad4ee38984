"""How much room a ΚΕΠ has left on a day: what a search for free days reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; the service fills them (`signaling.kep.room_reckoning`)."""
    op.add_column("kep_days", sa.Column("room", sa.Integer(), nullable=True))
    op.add_column("kep_days", sa.Column("gap", sa.Integer(), nullable=True))
