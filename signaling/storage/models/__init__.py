"""All tables."""

from signaling.storage.models.base import Base, UtcDateTime, new_id
from signaling.storage.models.bodies import Body, RoleAssignment, RoleRequest, Unit
from signaling.storage.models.people import (
    EmailConfirmation,
    Person,
    PersonIdentity,
    TermsAcceptance,
    WebSession,
)
from signaling.storage.models.records import AuditRecord, Mail

__all__ = [
    "AuditRecord",
    "Base",
    "Body",
    "EmailConfirmation",
    "Mail",
    "Person",
    "PersonIdentity",
    "RoleAssignment",
    "RoleRequest",
    "TermsAcceptance",
    "Unit",
    "UtcDateTime",
    "WebSession",
    "new_id",
]
