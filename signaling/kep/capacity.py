"""The seam to admission control: what an appointment reserves of the media workers (R11)."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.storage.models import Appointment


class Reserve(Protocol):
    """Reserves or gives back capacity within the caller's transaction."""

    async def __call__(
        self, session: AsyncSession, appointment: Appointment, *, is_taken: bool
    ) -> bool:
        """Return whether there is room; always when giving back (`is_taken` false)."""


async def sized_by_employees(
    session: AsyncSession, appointment: Appointment, *, is_taken: bool
) -> bool:
    """Admit as many calls at once as there are employees: what kep workers are sized by.

    LIMIT: sittings are not counted here; whoever shares a worker with them gives another function.
    """
    return True
