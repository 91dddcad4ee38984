"""All tables."""

from signaling.storage.models.base import Base, UtcDateTime, new_id
from signaling.storage.models.bodies import Body, RoleAssignment, RoleInvitation, RoleRequest, Unit
from signaling.storage.models.collective import CollectiveBody, Member
from signaling.storage.models.people import (
    EmailConfirmation,
    Person,
    PersonIdentity,
    TermsAcceptance,
    WebSession,
)
from signaling.storage.models.records import AuditRecord, Mail
from signaling.storage.models.sittings import (
    AgendaFile,
    AgendaItem,
    CapacityQuarter,
    CapacityReservation,
    ContactMessage,
    Invitation,
    PresenceEvent,
    Sitting,
    SittingTemplate,
)

__all__ = [
    "AgendaFile",
    "AgendaItem",
    "AuditRecord",
    "Base",
    "Body",
    "CapacityQuarter",
    "CapacityReservation",
    "CollectiveBody",
    "ContactMessage",
    "EmailConfirmation",
    "Invitation",
    "Mail",
    "Member",
    "Person",
    "PersonIdentity",
    "PresenceEvent",
    "RoleAssignment",
    "RoleInvitation",
    "RoleRequest",
    "Sitting",
    "SittingTemplate",
    "TermsAcceptance",
    "Unit",
    "UtcDateTime",
    "WebSession",
    "new_id",
]
