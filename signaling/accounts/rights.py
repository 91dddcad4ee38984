"""The one table of rights: role × action × relation to the object. Pure.

Every handler asks `may`; nobody else compares roles. Sources: the circular of e:Presence, §9 α–ε
for the Συντονιστής Φορέα (R21–R25) and §10 α–δ for the Συντονιστής Οργανικής Μονάδας (R26–R29).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class AccountRole(StrEnum):
    """What a person may be in the service. In a room there are other roles (R12)."""

    SIMPLE_USER = "simple_user"
    """Everybody with a confirmed account (R9, R10)."""
    UNIT_COORDINATOR = "unit_coordinator"
    BODY_COORDINATOR = "body_coordinator"
    ADMINISTRATOR = "administrator"
    KEP_EMPLOYEE = "kep_employee"
    """Serves citizens at one ΚΕΠ. Held by being listed there (`kep_employees`)."""
    KEP_ADMINISTRATOR = "kep_administrator"
    """Διαχειριστής ΚΕΠ, of the Διεύθυνση Υπηρεσιών Μίας Στάσης (R66, R67)."""


class Action(StrEnum):
    """What can be done."""

    FILE_ROLE_REQUEST = "file_role_request"
    WITHDRAW_ROLE_REQUEST = "withdraw_role_request"
    DECIDE_ROLE_REQUEST = "decide_role_request"
    MANAGE_BODIES = "manage_bodies"
    SEE_BODY = "see_body"
    CREATE_UNIT = "create_unit"
    CHANGE_UNIT = "change_unit"
    APPOINT_BODY_COORDINATOR = "appoint_body_coordinator"
    APPOINT_UNIT_COORDINATOR = "appoint_unit_coordinator"
    END_BODY_COORDINATOR = "end_body_coordinator"
    END_UNIT_COORDINATOR = "end_unit_coordinator"
    READ_AUDIT = "read_audit"
    READ_MAIL_STATES = "read_mail_states"
    READ_CONTACT = "read_contact"
    """Messages of the form «Επικοινωνία» (R31), and marking them as answered."""
    MANAGE_COLLECTIVE_BODY = "manage_collective_body"
    """Collective bodies and their members (R37)."""
    MANAGE_TEMPLATES = "manage_templates"
    SEE_CAPACITY = "see_capacity"
    CREATE_SITTING = "create_sitting"
    MANAGE_SITTING = "manage_sitting"
    INVITE_TO_SITTING = "invite_to_sitting"
    SUPERVISE_SITTING = "supervise_sitting"
    TAKE_PART_IN_SITTING = "take_part_in_sitting"
    BOOK_APPOINTMENT = "book_appointment"
    SEE_APPOINTMENT = "see_appointment"
    SEE_APPOINTMENT_NEEDS = "see_appointment_needs"
    """Special requirements: data about health."""
    CHANGE_APPOINTMENT = "change_appointment"
    """Reschedule or cancel."""
    JOIN_APPOINTMENT = "join_appointment"
    """Be the citizen of the call."""
    SERVE_APPOINTMENT = "serve_appointment"
    """Be the employee: take in, confirm, conclude."""
    INVITE_TO_APPOINTMENT = "invite_to_appointment"
    SEE_KEP_BOOKINGS = "see_kep_bookings"
    MANAGE_KEPS = "manage_keps"
    APPOINT_KEP_ADMINISTRATOR = "appoint_kep_administrator"
    END_KEP_ADMINISTRATOR = "end_kep_administrator"


class Relation(StrEnum):
    """How an object stands to the person who acts."""

    ANY = "any"
    """Whatever it is."""
    OWN = "own"
    """It is the person's own, or organised by them."""
    OWN_BODY = "own_body"
    """It belongs to the body of the role, or to one of its units."""
    OWN_UNIT = "own_unit"
    """It belongs to the unit of the role."""
    OWN_IN_UNIT = "own_in_unit"
    """It belongs to the unit of the role and is organised by the person."""
    INVITED = "invited"
    """The person is invited to it."""
    OWN_KEP = "own_kep"
    """It belongs to the ΚΕΠ of the role."""


@dataclass(frozen=True)
class HeldRole:
    """A role as somebody holds it."""

    role: AccountRole
    body_id: str | None = None
    unit_id: str | None = None
    kep_id: str | None = None


@dataclass(frozen=True)
class Actor:
    """Who acts."""

    person_id: str
    roles: frozenset[HeldRole] = frozenset()


@dataclass(frozen=True)
class Target:
    """What is acted on, as far as rights depend on it."""

    body_id: str | None = None
    unit_id: str | None = None
    owner_id: str | None = None
    """Whose it is: applicant of a request, organiser of a sitting."""
    invited_ids: frozenset[str] = frozenset()
    kep_id: str | None = None


NOTHING_IN_PARTICULAR = Target()

RIGHTS: Mapping[tuple[AccountRole, Action], frozenset[Relation]] = {
    (role, action): frozenset(relations)
    for role, action, *relations in (
        (AccountRole.SIMPLE_USER, Action.FILE_ROLE_REQUEST, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.WITHDRAW_ROLE_REQUEST, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.TAKE_PART_IN_SITTING, Relation.INVITED),  # R10
        # §9 α, γ, δ, ε; β: whoever is invited may be of any body, so it asks about the sitting only.
        (AccountRole.BODY_COORDINATOR, Action.MANAGE_COLLECTIVE_BODY, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.MANAGE_TEMPLATES, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.CREATE_SITTING, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.MANAGE_SITTING, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.SUPERVISE_SITTING, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.INVITE_TO_SITTING, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.TAKE_PART_IN_SITTING, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.SEE_BODY, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.CREATE_UNIT, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.CHANGE_UNIT, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.APPOINT_UNIT_COORDINATOR, Relation.OWN_BODY),
        (AccountRole.BODY_COORDINATOR, Action.END_UNIT_COORDINATOR, Relation.OWN_BODY),
        # §10 α, β, γ, δ. "Other coordinators" (δ) are those of the same body: whoever is of
        # another one is invited like anybody.
        (AccountRole.UNIT_COORDINATOR, Action.MANAGE_COLLECTIVE_BODY, Relation.OWN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.MANAGE_TEMPLATES, Relation.OWN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.CREATE_SITTING, Relation.OWN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.MANAGE_SITTING, Relation.OWN_IN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.SUPERVISE_SITTING, Relation.OWN_IN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.INVITE_TO_SITTING, Relation.OWN_IN_UNIT),
        (AccountRole.UNIT_COORDINATOR, Action.TAKE_PART_IN_SITTING, Relation.OWN_BODY),
        # The administrator serves the bodies and takes no part in their sittings.
        (AccountRole.ADMINISTRATOR, Action.DECIDE_ROLE_REQUEST, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.MANAGE_BODIES, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.SEE_BODY, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.CREATE_UNIT, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.CHANGE_UNIT, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.APPOINT_BODY_COORDINATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.APPOINT_UNIT_COORDINATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.END_BODY_COORDINATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.END_UNIT_COORDINATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.READ_AUDIT, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.READ_MAIL_STATES, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.READ_CONTACT, Relation.ANY),
        # Citizens book for themselves (R42); special requirements are for the serving ΚΕΠ only.
        (AccountRole.SIMPLE_USER, Action.BOOK_APPOINTMENT, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.SEE_APPOINTMENT, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.SEE_APPOINTMENT_NEEDS, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.CHANGE_APPOINTMENT, Relation.OWN),
        (AccountRole.SIMPLE_USER, Action.JOIN_APPOINTMENT, Relation.OWN),  # R59
        (AccountRole.KEP_EMPLOYEE, Action.SERVE_APPOINTMENT, Relation.OWN_KEP),
        (AccountRole.KEP_EMPLOYEE, Action.SEE_APPOINTMENT, Relation.OWN_KEP),
        (AccountRole.KEP_EMPLOYEE, Action.SEE_APPOINTMENT_NEEDS, Relation.OWN_KEP),
        (AccountRole.KEP_EMPLOYEE, Action.INVITE_TO_APPOINTMENT, Relation.OWN_KEP),  # R60
        # R66, R67: bookings and use as a whole, never what a citizen wrote.
        (AccountRole.KEP_ADMINISTRATOR, Action.SEE_KEP_BOOKINGS, Relation.ANY),
        (AccountRole.KEP_ADMINISTRATOR, Action.MANAGE_KEPS, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.APPOINT_KEP_ADMINISTRATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.END_KEP_ADMINISTRATOR, Relation.ANY),
        (AccountRole.ADMINISTRATOR, Action.SEE_CAPACITY, Relation.ANY),
    )
}
"""What is not here is refused."""


def may(actor: Actor, action: Action, target: Target = NOTHING_IN_PARTICULAR) -> bool:
    """Return whether one of the actor's roles allows `action` on `target`."""
    return any(
        _holds(relation, held, actor.person_id, target)
        for held in (HeldRole(AccountRole.SIMPLE_USER), *actor.roles)
        for relation in RIGHTS.get((held.role, action), ())
    )


def may_somewhere(actor: Actor, action: Action) -> bool:
    """Return whether there could be an object on which `action` is allowed: what menus show."""
    return any((held.role, action) in RIGHTS for held in actor.roles)


@dataclass(frozen=True)
class Places:
    """Where lists are limited to: whole bodies, and single units."""

    body_ids: frozenset[str] = frozenset()
    unit_ids: frozenset[str] = frozenset()
    home_ids: frozenset[str] = frozenset()
    """Bodies that all this lies in, those of the units too: what indexes begin with."""

    def __bool__(self) -> bool:
        return bool(self.body_ids or self.unit_ids)


def bodies_of(actor: Actor, action: Action) -> frozenset[str] | None:
    """Return the bodies that lists for `action` are limited to; None: all."""
    if any(relation is Relation.ANY for _, relation in _relations(actor, action)):
        return None
    return places_of(actor, action).body_ids


def places_of(actor: Actor, action: Action) -> Places:
    """Return the bodies and units in which the actor's roles allow `action`."""
    held = [
        (held.body_id if relation is Relation.OWN_BODY else None,
         held.unit_id if relation in (Relation.OWN_UNIT, Relation.OWN_IN_UNIT) else None)
        for held, relation in _relations(actor, action)
    ]  # fmt: skip
    return Places(
        frozenset(body_id for body_id, _ in held if body_id is not None),
        frozenset(unit_id for _, unit_id in held if unit_id is not None),
        _body_ids(held_role for held_role, _ in _relations(actor, action)),
    )


def _body_ids(roles: Iterable[HeldRole]) -> frozenset[str]:
    return frozenset(held.body_id for held in roles if held.body_id is not None)


def _relations(actor: Actor, action: Action) -> Iterable[tuple[HeldRole, Relation]]:
    return [
        (held, relation) for held in actor.roles for relation in RIGHTS.get((held.role, action), ())
    ]


def _holds(relation: Relation, held: HeldRole, person_id: str, target: Target) -> bool:
    is_own = target.owner_id == person_id
    is_own_unit = held.unit_id is not None and held.unit_id == target.unit_id
    match relation:
        case Relation.ANY:
            return True
        case Relation.OWN:
            return is_own
        case Relation.OWN_BODY:
            return held.body_id is not None and held.body_id == target.body_id
        case Relation.OWN_UNIT:
            return is_own_unit
        case Relation.OWN_IN_UNIT:
            return is_own_unit and is_own
        case Relation.INVITED:
            return person_id in target.invited_ids
        case Relation.OWN_KEP:
            return held.kep_id is not None and held.kep_id == target.kep_id
