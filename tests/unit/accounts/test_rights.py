"""The table of rights says what the circular says: §9 α–ε, §10 α–δ, and nothing more."""

from __future__ import annotations

import pytest

from signaling.accounts.rights import (
    RIGHTS,
    AccountRole,
    Action,
    Actor,
    HeldRole,
    Target,
    bodies_of,
    may,
    may_somewhere,
)

BODY, OTHER_BODY, UNIT, OTHER_UNIT = "body", "other-body", "unit", "other-unit"

citizen = Actor("citizen")
body_coordinator = Actor("head", frozenset({HeldRole(AccountRole.BODY_COORDINATOR, BODY)}))
unit_coordinator = Actor(
    "unit-head", frozenset({HeldRole(AccountRole.UNIT_COORDINATOR, BODY, UNIT)})
)
administrator = Actor("root", frozenset({HeldRole(AccountRole.ADMINISTRATOR)}))

own_sitting = Target(BODY, None, "head")
unit_sitting = Target(BODY, UNIT, "unit-head")
colleagues_sitting = Target(BODY, UNIT, "colleague")
other_units_sitting = Target(BODY, OTHER_UNIT, "colleague")
foreign_sitting = Target(OTHER_BODY, "foreign-unit", "foreigner")
MANAGING = (Action.MANAGE_SITTING, Action.INVITE_TO_SITTING, Action.SUPERVISE_SITTING)


def test_body_coordinator_alpha_creates_and_manages_sittings_of_own_body() -> None:
    assert may(body_coordinator, Action.CREATE_SITTING, Target(BODY))
    assert may(body_coordinator, Action.MANAGE_SITTING, own_sitting)
    assert not may(body_coordinator, Action.CREATE_SITTING, Target(OTHER_BODY))
    assert not may(body_coordinator, Action.MANAGE_SITTING, foreign_sitting)


def test_body_coordinator_beta_invites_people_of_any_body_to_own_sittings() -> None:
    # The right asks about the sitting; who is invited, and of which body, does not enter.
    assert may(body_coordinator, Action.INVITE_TO_SITTING, own_sitting)
    assert not may(body_coordinator, Action.INVITE_TO_SITTING, foreign_sitting)


def test_body_coordinator_gamma_takes_part_in_own_and_unit_coordinators_sittings() -> None:
    assert may(body_coordinator, Action.TAKE_PART_IN_SITTING, own_sitting)
    assert may(body_coordinator, Action.TAKE_PART_IN_SITTING, unit_sitting)
    assert not may(body_coordinator, Action.TAKE_PART_IN_SITTING, foreign_sitting)


def test_body_coordinator_delta_creates_in_units_and_appoints_their_coordinators() -> None:
    for unit in (UNIT, OTHER_UNIT):
        assert may(body_coordinator, Action.CREATE_SITTING, Target(BODY, unit))
        assert may(body_coordinator, Action.APPOINT_UNIT_COORDINATOR, Target(BODY, unit))
    assert may(body_coordinator, Action.CREATE_UNIT, Target(BODY))
    assert not may(body_coordinator, Action.APPOINT_UNIT_COORDINATOR, Target(OTHER_BODY, UNIT))
    assert not may(body_coordinator, Action.APPOINT_BODY_COORDINATOR, Target(BODY))


def test_body_coordinator_epsilon_supervises_and_manages_unit_coordinators_sittings() -> None:
    for sitting in (unit_sitting, colleagues_sitting, other_units_sitting):
        assert may(body_coordinator, Action.SUPERVISE_SITTING, sitting)
        assert may(body_coordinator, Action.MANAGE_SITTING, sitting)
    assert not may(body_coordinator, Action.SUPERVISE_SITTING, foreign_sitting)


def test_unit_coordinator_alpha_creates_and_manages_for_own_unit() -> None:
    assert may(unit_coordinator, Action.CREATE_SITTING, Target(BODY, UNIT))
    assert may(unit_coordinator, Action.MANAGE_SITTING, unit_sitting)
    assert not may(unit_coordinator, Action.CREATE_SITTING, Target(BODY, OTHER_UNIT))
    assert not may(unit_coordinator, Action.CREATE_SITTING, Target(BODY))


def test_unit_coordinator_beta_invites_people_of_any_body_to_own_sittings() -> None:
    assert may(unit_coordinator, Action.INVITE_TO_SITTING, unit_sitting)
    assert not may(unit_coordinator, Action.INVITE_TO_SITTING, other_units_sitting)


def test_unit_coordinator_gamma_manages_only_what_they_organised() -> None:
    for action in MANAGING:
        assert may(unit_coordinator, action, unit_sitting)
        assert not may(unit_coordinator, action, colleagues_sitting)
        assert not may(unit_coordinator, action, own_sitting)


def test_unit_coordinator_delta_takes_part_in_own_and_other_coordinators_sittings() -> None:
    for sitting in (unit_sitting, colleagues_sitting, other_units_sitting, own_sitting):
        assert may(unit_coordinator, Action.TAKE_PART_IN_SITTING, sitting)
    assert not may(unit_coordinator, Action.TAKE_PART_IN_SITTING, foreign_sitting)


def test_simple_user_takes_part_by_invitation_only_and_organises_nothing() -> None:
    invited = Target(OTHER_BODY, None, "foreigner", frozenset({"citizen"}))
    assert may(citizen, Action.TAKE_PART_IN_SITTING, invited)
    assert not may(citizen, Action.TAKE_PART_IN_SITTING, foreign_sitting)
    for action in (*MANAGING, Action.CREATE_SITTING, Action.CREATE_UNIT, Action.SEE_BODY):
        assert not may(citizen, action, invited)
        assert not may(citizen, action, Target(BODY, UNIT, "citizen"))


def test_administrator_serves_bodies_and_takes_part_in_nothing() -> None:
    for action in (Action.DECIDE_ROLE_REQUEST, Action.MANAGE_BODIES, Action.READ_AUDIT):
        assert may(administrator, action)
        assert not may(body_coordinator, action)
    for action in (*MANAGING, Action.CREATE_SITTING, Action.TAKE_PART_IN_SITTING):
        assert not may(administrator, action, own_sitting)


def test_requests_are_filed_and_withdrawn_by_their_own_people_only() -> None:
    for action in (Action.FILE_ROLE_REQUEST, Action.WITHDRAW_ROLE_REQUEST):
        assert may(citizen, action, Target(owner_id="citizen"))
        assert not may(citizen, action, Target(owner_id="other"))
        assert not may(administrator, action, Target(owner_id="other"))


@pytest.mark.parametrize("action", Action)
def test_roles_without_a_place_give_no_rights_in_places(action: Action) -> None:
    homeless = Actor("x", frozenset({HeldRole(AccountRole.BODY_COORDINATOR)}))

    assert not may(homeless, action, Target())


def test_every_action_is_somebodys() -> None:
    assert {action for _, action in RIGHTS} == set(Action)


def test_lists_are_limited_as_the_rights_are() -> None:
    assert bodies_of(administrator, Action.SEE_BODY) is None
    assert bodies_of(body_coordinator, Action.SEE_BODY) == frozenset({BODY})
    assert bodies_of(unit_coordinator, Action.SEE_BODY) == frozenset()
    assert may_somewhere(body_coordinator, Action.SEE_BODY)
    assert not may_somewhere(citizen, Action.SEE_BODY)


def test_citizen_sees_and_changes_own_appointments_only() -> None:
    own, foreign = Target(owner_id="citizen", kep_id="kep"), Target(owner_id="x", kep_id="kep")
    for action in (Action.SEE_APPOINTMENT, Action.SEE_APPOINTMENT_NEEDS, Action.CHANGE_APPOINTMENT):
        assert may(citizen, action, own)
        assert not may(citizen, action, foreign)
    assert may(citizen, Action.BOOK_APPOINTMENT, Target(owner_id="citizen"))
    assert not may(citizen, Action.INVITE_TO_APPOINTMENT, own)


def test_kep_employee_sees_special_requirements_of_own_kep_only() -> None:
    employee = Actor("anna", frozenset({HeldRole(AccountRole.KEP_EMPLOYEE, kep_id="kep")}))
    own, foreign = Target(owner_id="x", kep_id="kep"), Target(owner_id="x", kep_id="other")
    for action in (
        Action.SEE_APPOINTMENT,
        Action.SEE_APPOINTMENT_NEEDS,
        Action.INVITE_TO_APPOINTMENT,
    ):
        assert may(employee, action, own)
        assert not may(employee, action, foreign)
        assert not may(employee, action, Target(owner_id="x"))
    assert not may(employee, Action.CHANGE_APPOINTMENT, own)
    assert not may(employee, Action.MANAGE_KEPS) and not may(employee, Action.SEE_KEP_BOOKINGS)


def test_kep_administrator_sees_use_and_changes_plans_but_no_citizens_data() -> None:
    manager = Actor("ioanna", frozenset({HeldRole(AccountRole.KEP_ADMINISTRATOR)}))
    assert may(manager, Action.SEE_KEP_BOOKINGS) and may(manager, Action.MANAGE_KEPS)
    foreign = Target(owner_id="x", kep_id="kep")
    for action in (
        Action.SEE_APPOINTMENT, Action.SEE_APPOINTMENT_NEEDS, Action.CHANGE_APPOINTMENT,
        Action.INVITE_TO_APPOINTMENT, Action.APPOINT_KEP_ADMINISTRATOR, Action.READ_AUDIT,
    ):  # fmt: skip
        assert not may(manager, action, foreign)


def test_system_administrator_appoints_kep_administrators_and_is_none() -> None:
    assert may(administrator, Action.APPOINT_KEP_ADMINISTRATOR)
    assert may(administrator, Action.END_KEP_ADMINISTRATOR)
    for action in (Action.MANAGE_KEPS, Action.SEE_KEP_BOOKINGS, Action.SEE_APPOINTMENT_NEEDS):
        assert not may(administrator, action, Target(owner_id="x", kep_id="kep"))
