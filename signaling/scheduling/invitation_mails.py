"""Mails to the invited: invitation, change, cancellation, reminder, each with its calendar entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.mail.calendar import CalendarEvent, Method, Party, make_calendar
from signaling.mail.queue import MailQueue
from signaling.scheduling.agenda import list_agenda
from signaling.scheduling.invitations import LINK_OUTLIVES, InvitationLinks
from signaling.scheduling.sitting_names import names_of
from signaling.scheduling.sittings import SittingChange
from signaling.storage.models import AgendaItem, Invitation, Mail, Sitting


class Occasion(StrEnum):
    """Why the invited are written to. The value names the template."""

    INVITED = "sitting_invitation"
    CHANGED = "sitting_changed"
    CANCELLED = "sitting_cancelled"
    UNINVITED = "sitting_uninvited"
    REMINDED = "sitting_reminder"


TOLD_CHANGES = {
    SittingChange.CHANGED: Occasion.CHANGED,
    SittingChange.AGENDA: Occasion.CHANGED,
    SittingChange.CANCELLED: Occasion.CANCELLED,
}
CANCELLING = frozenset({Occasion.CANCELLED, Occasion.UNINVITED})
MODES = {
    "in_person": "δια ζώσης, με συμμετοχή και από απόσταση",
    "remote": "τηλεδιάσκεψη",
    "mixed": "μεικτή (με φυσική παρουσία και τηλεδιάσκεψη)",
}


@dataclass(frozen=True)
class SittingFacts:
    """A sitting with the names that mails and pages tell."""

    sitting: Sitting
    body_name: str
    collective_name: str
    """Empty: of no collective body."""
    organiser_name: str
    organiser_email: str
    agenda: Sequence[AgendaItem]


async def load_facts(session: AsyncSession, sitting: Sitting) -> SittingFacts:
    """Read what belongs to a sitting."""
    names = await names_of(session, sitting)
    return SittingFacts(
        sitting, names.body, names.collective_body, names.organiser.full_name,
        names.organiser.email or "", await list_agenda(session, sitting.id),
    )  # fmt: skip


class InvitationMails:
    """Writes to the invited, in the transaction of what it tells about."""

    def __init__(self, queue: MailQueue, links: InvitationLinks, public_origin: str) -> None:
        self._queue = queue
        self._links = links
        self._origin = public_origin

    def tell(
        self, session: AsyncSession, facts: SittingFacts, invitations: Iterable[Invitation],
        occasion: Occasion,
    ) -> None:  # fmt: skip
        """Queue a mail to each; the invitation remembers its newest one."""
        for invitation in invitations:
            mail = self._put(session, facts, invitation, occasion)
            invitation.mail_id = mail.id

    async def tell_everybody(
        self, session: AsyncSession, sitting: Sitting, occasion: Occasion
    ) -> int:
        """Write to all who are invited that the sitting changed or was cancelled, and return how
        many they are. Their calendars take it for newer than what they have."""
        invited = list(
            await session.scalars(
                select(Invitation).where(
                    Invitation.sitting_id == sitting.id, Invitation.revoked_at.is_(None)
                )
            )
        )
        for invitation in invited:
            invitation.reminded_at = None  # of the hour that was
            invitation.expires_at = sitting.ends_at + LINK_OUTLIVES
        self.tell(session, await load_facts(session, sitting), invited, occasion)
        return len(invited)

    async def sitting_changed(
        self, session: AsyncSession, sitting: Sitting, change: SittingChange
    ) -> None:
        """Tell the invited what they must know (`SittingObserver`). Who is inside sees that it is
        extended or ended."""
        occasion = TOLD_CHANGES.get(change)
        if occasion is not None:
            await self.tell_everybody(session, sitting, occasion)

    def link_of(self, invitation: Invitation) -> str:
        """Return the address that a mail leads to."""
        return f"{self._origin}/invitations/{self._links.secret(invitation.id)}"

    def calendar_of(
        self, facts: SittingFacts, invitation: Invitation, method: Method = Method.REQUEST
    ) -> str:
        """Return the calendar entry of one invited person."""
        sitting = facts.sitting
        host = self._origin.partition("://")[2].partition(":")[0]
        event = CalendarEvent(
            uid=f"{sitting.id}@{host}",
            # An uninvited person's entry goes though the sitting itself has not changed.
            sequence=sitting.calendar_sequence + (invitation.revoked_at is not None),
            starts_at=sitting.starts_at,
            ends_at=sitting.ends_at,
            summary=sitting.title,
            description=_description(facts),
            url=self.link_of(invitation),
            organiser=Party(facts.organiser_name, facts.organiser_email),
            attendee=Party(invitation.name, invitation.email),
            stamp=max(sitting.created_at, invitation.invited_at),
            alarm_minutes=(REMIND_BEFORE_MIN,),
        )
        return make_calendar(event, method)

    def _put(
        self, session: AsyncSession, facts: SittingFacts, invitation: Invitation,
        occasion: Occasion,
    ) -> Mail:  # fmt: skip
        sitting = facts.sitting
        is_cancel = occasion in CANCELLING
        values = {
            "name": invitation.name, "title": sitting.title, "body": facts.body_name,
            "collective": facts.collective_name, "mode": MODES[sitting.mode],
            "starts_at": sitting.starts_at, "ends_at": sitting.ends_at, "agenda": facts.agenda,
            "organiser": facts.organiser_name, "link": self.link_of(invitation),
            "reason": sitting.cancel_reason, "open_before_min": sitting.open_before_min,
        }  # fmt: skip
        method = Method.CANCEL if is_cancel else Method.REQUEST
        calendar = (
            None if occasion is Occasion.REMINDED else self.calendar_of(facts, invitation, method)
        )
        return self._queue.put_to(
            session, invitation.email, occasion.value, values, person_id=invitation.person_id,
            calendar=calendar,
        )  # fmt: skip


def _description(facts: SittingFacts) -> str:
    lines = [" · ".join(each for each in (facts.collective_name, facts.body_name) if each)]
    lines += [f"{item.number}. {item.title}" for item in facts.agenda]
    return "\n".join(lines)


REMIND_BEFORE_MIN = 15
"""Minutes before the start at which calendars ring."""
