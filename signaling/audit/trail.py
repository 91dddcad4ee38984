"""Writing to the audit trail, in the transaction of what is audited: both happen or neither.

`AuditTrail` is the interface. `StoredTrail` keeps records in the database, whose triggers refuse
changes; a trail that chains hashes can stand in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.storage.models import AuditRecord
from signaling.vault import Vault

SYSTEM_ACTOR = "system"
ANONYMOUS_ACTOR = "anonymous"


class AuditAction(StrEnum):
    """What is audited. A closed list: a new one is a decision."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    ACCEPT_TERMS = "accept_terms"
    DECLARE_EMAIL = "declare_email"
    CONFIRM_EMAIL = "confirm_email"
    FILE_ROLE_REQUEST = "file_role_request"
    WITHDRAW_ROLE_REQUEST = "withdraw_role_request"
    READ_ROLE_REQUEST = "read_role_request"
    DECIDE_ROLE_REQUEST = "decide_role_request"
    GRANT_ROLE = "grant_role"
    END_ROLE = "end_role"
    INVITE_TO_ROLE = "invite_to_role"
    REVOKE_ROLE_INVITATION = "revoke_role_invitation"
    CREATE_BODY = "create_body"
    CHANGE_BODY = "change_body"
    CREATE_UNIT = "create_unit"
    CHANGE_UNIT = "change_unit"
    CREATE_COLLECTIVE_BODY = "create_collective_body"
    CHANGE_COLLECTIVE_BODY = "change_collective_body"
    ADD_MEMBER = "add_member"
    CHANGE_MEMBER = "change_member"
    END_MEMBER = "end_member"
    IMPORT_MEMBERS = "import_members"
    LINK_MEMBER = "link_member"
    CREATE_SITTING = "create_sitting"
    CHANGE_SITTING = "change_sitting"
    CANCEL_SITTING = "cancel_sitting"
    EXTEND_SITTING = "extend_sitting"
    END_SITTING = "end_sitting"
    CHANGE_AGENDA = "change_agenda"
    CREATE_TEMPLATE = "create_template"
    CHANGE_TEMPLATE = "change_template"
    DELETE_TEMPLATE = "delete_template"
    INVITE = "invite"
    RESEND_INVITATION = "resend_invitation"
    REVOKE_INVITATION = "revoke_invitation"
    OPEN_INVITATION = "open_invitation"
    ADD_FILE = "add_file"
    REMOVE_FILE = "remove_file"
    BEGIN_CALL = "begin_call"
    CONFIRM_IDENTITY = "confirm_identity"
    ASK_CENTRE = "ask_centre"
    CONCLUDE_CALL = "conclude_call"
    ABORT_CALL = "abort_call"
    NOTE_ABSENT = "note_absent"
    ADMIT_TO_ROOM = "admit_to_room"
    REFUSE_ENTRY = "refuse_entry"
    MOVE_BACK = "move_back"
    READ_AUDIT = "read_audit"
    READ_MAIL_STATES = "read_mail_states"
    READ_CONTACT = "read_contact"
    ANSWER_CONTACT = "answer_contact"
    BOOK_APPOINTMENT = "book_appointment"
    RESCHEDULE_APPOINTMENT = "reschedule_appointment"
    CANCEL_APPOINTMENT = "cancel_appointment"
    READ_APPOINTMENT = "read_appointment"
    INVITE_TO_APPOINTMENT = "invite_to_appointment"
    READ_KEP_BOOKINGS = "read_kep_bookings"
    CREATE_KEP = "create_kep"
    CHANGE_KEP = "change_kep"


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done."""

    at: datetime
    actor_id: str | None
    """Id of the person, stored as a pseudonym; None: nobody signed in; `SYSTEM_ACTOR`: the clock."""
    action: AuditAction
    object_kind: str = ""
    """Singular noun, such as `role_request`."""
    object_id: str = ""
    """A person is never named here: pass it through `AuditTrail.pseudonym`."""
    result: str = "done"
    """`done`, `refused` or a code of the domain."""
    facts: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Codes and numbers, never names."""


class AuditTrail(Protocol):
    """Where entries go."""

    async def record(self, session: AsyncSession, entry: AuditEntry) -> None:
        """Add `entry` within the transaction of `session`."""

    def pseudonym(self, person_id: str) -> str:
        """Return what stands for a person."""


class StoredTrail:
    """Entries as rows of `audit_records`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def record(self, session: AsyncSession, entry: AuditEntry) -> None:
        """Add `entry`; it is written when the transaction commits."""
        actor = entry.actor_id or ANONYMOUS_ACTOR
        if actor not in (SYSTEM_ACTOR, ANONYMOUS_ACTOR):
            actor = self.pseudonym(actor)
        session.add(
            AuditRecord(
                at=entry.at,
                actor=actor,
                action=entry.action.value,
                object_kind=entry.object_kind,
                object_id=entry.object_id,
                result=entry.result,
                facts=dict(entry.facts),
            )
        )

    def pseudonym(self, person_id: str) -> str:
        """Return the keyed hash of the id."""
        return self._vault.pseudonym(person_id)
