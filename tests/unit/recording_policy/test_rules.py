"""No verb exists for kep rooms, whoever asks and whenever."""

from __future__ import annotations

import dataclasses
import itertools
import pickle

import pytest

from recording_policy.rules import (
    CapabilityGrant,
    RoomClass,
    Verb,
    VerbDoesNotExist,
    VerbNotAllowed,
    verbs_of,
)
from sfu import values

ROLES = [role.value for role in values.Role]
PHASES = [
    *("scheduled", "open", "suspended", "closed"),
    *("booked", "waiting", "identifying", "serving", "concluded"),
    *("absent", "aborted", "rescheduled"),
]


@pytest.mark.parametrize("verb", Verb)
def test_nobody_gets_a_grant_in_a_kep_room_in_any_phase(verb: Verb) -> None:
    for role, phase in itertools.product(ROLES, PHASES):
        with pytest.raises(VerbDoesNotExist):
            CapabilityGrant(verb, "room", RoomClass.KEP, role, phase)


def test_kep_rooms_have_no_verbs_and_council_rooms_have_all() -> None:
    assert verbs_of(RoomClass.KEP) == frozenset()
    assert verbs_of(RoomClass.COUNCIL) == frozenset(Verb)


@pytest.mark.parametrize("verb", Verb)
def test_council_grants_depend_on_role_and_phase(verb: Verb) -> None:
    allowed = set()
    for role, phase in itertools.product(ROLES, PHASES):
        try:
            CapabilityGrant(verb, "room", RoomClass.COUNCIL, role, phase)
        except VerbNotAllowed:
            continue
        allowed.add((role, phase))

    assert {phase for _, phase in allowed} == {"open", "suspended"}
    office = {"chair", "secretary", "coordinator"}
    assert {role for role, _ in allowed} - {"member"} == office
    assert ("member" in {role for role, _ in allowed}) == (verb is Verb.SHARE_FILE)


def test_grant_cannot_be_turned_into_one_for_a_kep_room() -> None:
    grant = CapabilityGrant(Verb.TAP, "plenary", RoomClass.COUNCIL, "chair", "open")

    with pytest.raises(VerbDoesNotExist):
        dataclasses.replace(grant, room_class=RoomClass.KEP)
    with pytest.raises(dataclasses.FrozenInstanceError):
        grant.room_class = RoomClass.KEP  # type: ignore[misc]
    with pytest.raises(TypeError):
        pickle.dumps(grant)


@pytest.mark.parametrize("room_class", ["kep", "council", "KEP", "", None, 0])
def test_class_that_is_no_room_class_grants_nothing(room_class: object) -> None:
    with pytest.raises(VerbDoesNotExist):
        CapabilityGrant(Verb.RECORD, "room", room_class, "chair", "open")  # type: ignore[arg-type]
