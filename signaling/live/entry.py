"""Who may enter a sitting, and as what (R3, R10, R12, R33). Reads the database, decides nothing alone:
rights are of `accounts/rights.py`, times of `scheduling/windows.py`."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role, RoomClass
from signaling.accounts.rights import Action, Actor, may
from signaling.door.values import Window
from signaling.grants import initial_grants
from signaling.scheduling.invitations import find_own
from signaling.scheduling.sittings import target_of, times_of
from signaling.scheduling.windows import RUNS_THE_SITTING, entry_window
from signaling.storage.models import Invitation, Person, Sitting
from signaling.tokens import MAX_DISPLAY_NAME, clean_display_name

UNNAMED = "—"


@dataclass(frozen=True)
class Entitlement:
    """That somebody may come to the door of a sitting."""

    sitting: Sitting
    """Detached."""
    role: Role
    """In the room."""
    is_known: bool
    """Invited, or a coordinator, and signed in. False: a guest with a name of their own choice."""
    enters_at_once: bool
    display_name: str = ""
    """Empty for guests: they type it."""
    person_id: str | None = None
    invitation_id: str | None = None

    @property
    def window(self) -> Window:
        """When the role may enter."""
        return window_of(self.sitting, self.role)


async def entitlement_of(
    session: AsyncSession, sitting: Sitting, person: Person | None, actor: Actor
) -> Entitlement | None:
    """Return as what somebody may come to the door; None: not at all. `person` None: nobody signed in."""
    if person is not None:
        invitation = await find_own(session, person, sitting.id)
        invited = frozenset({person.id}) if invitation is not None else frozenset[str]()
        target = target_of(sitting, invited)
        if may(actor, Action.TAKE_PART_IN_SITTING, target):
            runs = may(actor, Action.SUPERVISE_SITTING, target)
            role = _role(invitation, runs)
            return Entitlement(
                sitting, role, is_known=True, enters_at_once=runs or role in RUNS_THE_SITTING,
                display_name=room_name(person.full_name), person_id=person.id,
                invitation_id=None if invitation is None else invitation.id,
            )  # fmt: skip
    if sitting.admits_guests and not sitting.is_closed:
        return Entitlement(sitting, Role.GUEST, is_known=False, enters_at_once=False)
    return None


def window_of(sitting: Sitting, role: Role) -> Window:
    """Return when a role may enter, in Unix time."""
    opens_at, closes_at = entry_window(times_of(sitting), role)
    return Window(opens_at.timestamp(), closes_at.timestamp())


def room_name(full_name: str) -> str:
    """Return a name of the accounts as rooms take it: shortened, without control characters."""
    visible = "".join(each for each in full_name if not unicodedata.category(each).startswith("C"))
    try:
        return clean_display_name(" ".join(visible.split())[:MAX_DISPLAY_NAME])
    except ValueError:
        return UNNAMED


def _role(invitation: Invitation | None, runs_it: bool) -> Role:
    """An invitation says the role. Who runs the sitting is its coordinator; other coordinators of
    the body (R23, R29) hear and see."""
    if invitation is None:
        return Role.COORDINATOR if runs_it else Role.GUEST
    role = Role(invitation.role) if invitation.role in set(Role) else Role.GUEST
    return role if initial_grants(RoomClass.COUNCIL, role) is not None else Role.GUEST
