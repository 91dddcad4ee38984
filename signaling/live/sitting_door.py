"""What the door of a sitting writes down, and who is still entitled when a moderator admits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import read_actor
from signaling.accounts.rights import Actor
from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.door.values import Caller
from signaling.errors import ErrorCode, RequestError
from signaling.live.entry import entitlement_of
from signaling.live.presence import Presence
from signaling.live.records import Records
from signaling.scheduling.values import SittingState
from signaling.storage.database import RETRY_AFTER_S, ChangedMeanwhile, Database, StorageUnavailable
from signaling.storage.models import Person, Sitting

NOBODY = Actor("")


@dataclass(frozen=True)
class DoorKeeping:
    """What the doors of all sittings work with."""

    database: Database
    trail: AuditTrail
    presence: Presence
    records: Records
    now: Callable[[], datetime]


class SittingJournal:
    """Implements `door.doors.DoorJournal` for one sitting."""

    def __init__(self, keeping: DoorKeeping, sitting_id: str, room: str) -> None:
        self._keeping = keeping
        self._sitting_id = sitting_id
        self._room = room

    async def admit(self, callers: Sequence[Caller], by: str) -> Sequence[Caller]:
        """Audit the admission of those who are still entitled; return them.

        Raises:
            RequestError: the database is away: then nobody enters.
        """
        keeping = self._keeping
        try:
            async with keeping.database.write() as session:
                entitled = [each for each in callers if await self._is_entitled(session, each)]
                for each in entitled:
                    entry = self._entry(AuditAction.ADMIT_TO_ROOM, each.subject, by)
                    await keeping.trail.record(session, entry)
        except (StorageUnavailable, ChangedMeanwhile):
            text = "it cannot be written down now"
            raise RequestError(ErrorCode.ROOM_UNAVAILABLE, text, RETRY_AFTER_S) from None
        return entitled

    def note_refused(self, caller: Caller, by: str) -> None:
        """Audit a refusal, and keep it among the presence."""
        self._put(AuditAction.REFUSE_ENTRY, caller.subject, by)
        self._keeping.presence.note_refused(
            self._room, caller.display_name, caller.role, caller.subject
        )

    def note_moved_back(self, subject: str, by: str) -> None:
        """Audit a move back."""
        self._put(AuditAction.MOVE_BACK, subject, by)

    def note_queue(self, waiting: Sequence[Caller]) -> None:
        """Who waits at a sitting is kept nowhere."""

    async def _is_entitled(self, session: AsyncSession, caller: Caller) -> bool:
        sitting = await session.get(Sitting, self._sitting_id)
        if sitting is None or sitting.state != SittingState.PLANNED:
            return False
        person_id = self._keeping.presence.visit(self._room, caller.subject).person_id
        person = None if person_id is None else await session.get(Person, person_id)
        actor = NOBODY if person_id is None else await read_actor(session, person_id)
        found = await entitlement_of(session, sitting, person, actor)
        return found is not None and (found.role, found.is_known) == (caller.role, caller.is_known)

    def _put(self, action: AuditAction, subject: str, by: str) -> None:
        entry = self._entry(action, subject, by)

        async def write(session: AsyncSession) -> None:
            await self._keeping.trail.record(session, entry)

        self._keeping.records.put(write)

    def _entry(self, action: AuditAction, subject: str, by: str) -> AuditEntry:
        presence, trail = self._keeping.presence, self._keeping.trail
        person_id = presence.visit(self._room, subject).person_id
        whom = "guest" if person_id is None else trail.pseudonym(person_id)
        actor_id = presence.visit(self._room, by).person_id
        return AuditEntry(
            self._keeping.now(), actor_id, action, "sitting", self._sitting_id,
            facts={"person": whom},
        )  # fmt: skip
