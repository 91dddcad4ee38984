"""What the operations of the API work with: the same as the pages."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from signaling.accounts.body_changes import BodyChanges
from signaling.accounts.parts import AccountParts
from signaling.accounts.request_changes import RequestChanges
from signaling.kep.parts import KepParts
from signaling.scheduling.collective_changes import CollectiveChanges
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.invitation_changes import InvitationChanges
from signaling.scheduling.sitting_changes import SittingChanges


@dataclass(frozen=True)
class ApiParts:
    """Shared by all operations."""

    desk: DeskParts
    invitations: InvitationChanges
    origins: frozenset[str]
    """Of our own pages: what writes must come from."""
    keps: KepParts | None = None
    """None: there are no appointments."""

    @property
    def accounts(self) -> AccountParts:
        """What everything about accounts works with."""
        return self.desk.accounts

    @functools.cached_property
    def bodies(self) -> BodyChanges:
        """Changes bodies and units."""
        return BodyChanges(self.accounts)

    @functools.cached_property
    def requests(self) -> RequestChanges:
        """Changes requests for roles."""
        return RequestChanges(self.accounts)

    @functools.cached_property
    def collective(self) -> CollectiveChanges:
        """Changes collective bodies and members."""
        return CollectiveChanges(self.accounts)

    @functools.cached_property
    def sittings(self) -> SittingChanges:
        """Changes sittings."""
        return SittingChanges(self.desk)
