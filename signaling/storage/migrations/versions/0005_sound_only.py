"""Why a call has sound only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "kep_calls",
        sa.Column("sound_only", sa.String(length=32), nullable=False, server_default=""),
    )
