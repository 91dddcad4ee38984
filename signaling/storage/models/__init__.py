"""All tables."""

from signaling.storage.models.appointments import (
    Appointment,
    AppointmentGuest,
    AppointmentStep,
    KepDay,
)
from signaling.storage.models.base import Base, UtcDateTime, new_id
from signaling.storage.models.bodies import Body, RoleAssignment, RoleInvitation, RoleRequest, Unit
from signaling.storage.models.collective import CollectiveBody, Member
from signaling.storage.models.kep import (
    Kep,
    KepAbsence,
    KepEmployee,
    KepHours,
    KepPlanRevision,
    KepService,
    KepShift,
    KepSpecialDay,
    KepWorkstation,
    Municipality,
)
from signaling.storage.models.kep_calls import KepCallRecord
from signaling.storage.models.people import (
    EmailConfirmation,
    Person,
    PersonIdentity,
    TermsAcceptance,
    WebSession,
)
from signaling.storage.models.records import AuditRecord, Mail, RecordWriter
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
    "Appointment",
    "AppointmentGuest",
    "AppointmentStep",
    "AuditRecord",
    "Base",
    "Body",
    "CapacityQuarter",
    "CapacityReservation",
    "CollectiveBody",
    "ContactMessage",
    "EmailConfirmation",
    "Invitation",
    "Kep",
    "KepAbsence",
    "KepCallRecord",
    "KepDay",
    "KepEmployee",
    "KepHours",
    "KepPlanRevision",
    "KepService",
    "KepShift",
    "KepSpecialDay",
    "KepWorkstation",
    "Mail",
    "Member",
    "Municipality",
    "Person",
    "PersonIdentity",
    "PresenceEvent",
    "RecordWriter",
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
