"""The call of a citizen with an employee: when the camera is obligatory, and when it may rest."""

from __future__ import annotations

import contextlib
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.values import Encryption, Grants, ParticipantInfo, Role, TrackInfo, TrackSource
from signaling.clock import Instant
from signaling.kep.call import (
    LATE_S,
    QUIET_AFTER_RETURN_S,
    Announce,
    CallRefused,
    Cause,
    KepCall,
    NoteSoundOnly,
    Output,
    Refusal,
    SetCamera,
)
from signaling.kep.config import KepConfig
from signaling.kep.values import AppointmentState

WEAK_FOR_S = KepConfig().weak_network_s
IDENTIFYING, SERVING = AppointmentState.IDENTIFYING, AppointmentState.SERVING


def at(seconds: float) -> Instant:
    return Instant(monotonic_s=seconds, wall_s=1_000_000 + seconds)


def person(
    role: Role, *, flows: bool = True, muted: bool = False, camera: bool = True,
    encryption: Encryption = Encryption.ON,
) -> ParticipantInfo:  # fmt: skip
    track = TrackInfo(
        source=TrackSource.CAMERA, is_muted=muted, is_blocked=not camera, is_flowing=flows
    )
    return ParticipantInfo(
        participant=role.value, display_name="x", role=role, tracks=(track,),
        grants=Grants(camera=camera), encryption=encryption,
    )  # fmt: skip


def call_in(phase: AppointmentState, *people: ParticipantInfo) -> KepCall:
    call = KepCall(phase)
    for each in people or (person(Role.CITIZEN), person(Role.EMPLOYEE)):
        call.handle_participant(each)
    return call


def cameras(outputs: list[Output]) -> dict[str, bool]:
    return {each.participant: each.is_allowed for each in outputs if isinstance(each, SetCamera)}


@pytest.mark.parametrize("role", [Role.CITIZEN, Role.EMPLOYEE])
@pytest.mark.parametrize(
    "phase",
    [each for each in AppointmentState if each not in (SERVING, AppointmentState.CONCLUDED)],
)
def test_sound_only_is_refused_before_the_identity_is_confirmed(
    role: Role, phase: AppointmentState
) -> None:
    call = call_in(phase)
    with pytest.raises(CallRefused) as refusal:
        call.ask_sound_only(role, True, at(0))
    assert refusal.value.code is Refusal.CAMERA_OBLIGATORY
    assert call.sound_only is None


@pytest.mark.parametrize("role", [Role.CITIZEN, Role.EMPLOYEE])
def test_sound_only_stops_both_pictures_and_comes_back_in_one_step(role: Role) -> None:
    call = call_in(SERVING)
    assert cameras(call.ask_sound_only(role, True, at(0))) == {"citizen": False, "employee": False}
    assert call.view.sound_only is Cause(role.value)
    for each in (Role.CITIZEN, Role.EMPLOYEE):
        call.handle_participant(person(each, camera=False, flows=False))
    assert cameras(call.ask_sound_only(role, False, at(1))) == {"citizen": True, "employee": True}


def test_interpreter_is_seen_in_sound_only_too_and_does_not_choose_it() -> None:
    interpreter = person(Role.INTERPRETER)
    call = call_in(SERVING, person(Role.CITIZEN), person(Role.EMPLOYEE), interpreter)
    with pytest.raises(CallRefused):
        call.ask_sound_only(Role.INTERPRETER, True, at(0))
    assert "interpreter" not in cameras(call.ask_sound_only(Role.CITIZEN, True, at(0)))


def test_who_returns_during_sound_only_gets_no_camera() -> None:
    call = call_in(SERVING)
    call.ask_sound_only(Role.CITIZEN, True, at(0))
    call.handle_left("citizen")
    assert cameras(call.handle_participant(person(Role.CITIZEN)))["citizen"] is False


def test_citizen_cannot_switch_the_camera_off_before_and_may_after() -> None:
    for phase in (AppointmentState.WAITING, IDENTIFYING):
        with pytest.raises(CallRefused):
            call_in(phase).check_mute(Role.CITIZEN, TrackSource.CAMERA, True)
    call = call_in(IDENTIFYING)
    call.check_mute(Role.CITIZEN, TrackSource.CAMERA, False)
    call.check_mute(Role.CITIZEN, TrackSource.MICROPHONE, True)
    call.check_mute(Role.EMPLOYEE, TrackSource.CAMERA, True)
    call_in(SERVING).check_mute(Role.CITIZEN, TrackSource.CAMERA, True)


@pytest.mark.parametrize(
    ("citizen", "code"),
    [
        (None, Refusal.NO_CITIZEN),
        (person(Role.CITIZEN, flows=False), Refusal.NO_CAMERA),
        (person(Role.CITIZEN, muted=True), Refusal.NO_CAMERA),
        (person(Role.CITIZEN, camera=False), Refusal.NO_CAMERA),
        (person(Role.CITIZEN, encryption=Encryption.OFF), Refusal.NOT_ENCRYPTED),
    ],
)
def test_identity_is_not_confirmed_by_what_nobody_can_have_seen(
    citizen: ParticipantInfo | None, code: Refusal
) -> None:
    people = [person(Role.EMPLOYEE), *([citizen] if citizen is not None else [])]
    with pytest.raises(CallRefused) as refusal:
        call_in(IDENTIFYING, *people).check_identification(allows_unencrypted=False)
    assert refusal.value.code is code


def test_identification_is_possible_with_a_flowing_picture() -> None:
    call_in(IDENTIFYING).check_identification(allows_unencrypted=False)
    plain = person(Role.CITIZEN, encryption=Encryption.OFF)
    call = call_in(IDENTIFYING, plain, person(Role.EMPLOYEE))
    call.check_identification(allows_unencrypted=True)


def test_a_weak_network_steps_down_after_a_while_and_says_why() -> None:
    call = call_in(SERVING)
    assert call.handle_quality("citizen", 1, at(10)) == []
    assert call.handle_timeout(at(10 + WEAK_FOR_S - 0.1)) == []
    outputs = call.handle_timeout(at(10 + WEAK_FOR_S))
    assert cameras(outputs) == {"citizen": False, "employee": False}
    announced = [each.view for each in outputs if isinstance(each, Announce)]
    assert [view.sound_only for view in announced] == [Cause.WEAK_NETWORK]


def test_a_time_that_was_slept_through_says_nothing_of_the_network() -> None:
    call = call_in(SERVING)
    call.handle_quality("citizen", 1, at(0))
    woken_s = WEAK_FOR_S + LATE_S + 0.1
    assert call.handle_timeout(at(woken_s)) == []
    assert call.handle_timeout(at(woken_s + WEAK_FOR_S - 0.1)) == []
    assert call.handle_timeout(at(woken_s + WEAK_FOR_S)) != []


def test_what_was_told_late_counts_before_the_time_does() -> None:
    call = call_in(SERVING)
    call.handle_quality("citizen", 1, at(0))
    call.handle_timeout(at(WEAK_FOR_S + 30))
    call.handle_quality("citizen", 4, at(WEAK_FOR_S + 30))
    assert call.next_timeout() is None


def test_an_operator_may_leave_it_to_the_people() -> None:
    call = call_in(SERVING)
    call.weak_for_s = 0
    call.handle_quality("citizen", 1, at(0))
    assert call.next_timeout() is None and call.handle_timeout(at(3600)) == []


def test_a_dip_or_the_employees_network_changes_nothing() -> None:
    call = call_in(SERVING)
    call.handle_quality("citizen", 1, at(0))
    call.handle_quality("citizen", 3, at(WEAK_FOR_S - 1))
    call.handle_quality("employee", 0, at(0))
    assert call.next_timeout() is None and call.handle_timeout(at(100)) == []


def test_a_weak_network_never_stops_the_picture_before_the_identity_is_confirmed() -> None:
    call = call_in(IDENTIFYING)
    call.handle_quality("citizen", 0, at(0))
    assert call.handle_timeout(at(1000)) == [] and call.sound_only is None


def test_who_asked_for_the_picture_again_is_not_overruled_at_once() -> None:
    call = call_in(SERVING)
    call.ask_sound_only(Role.CITIZEN, True, at(0))
    call.ask_sound_only(Role.CITIZEN, False, at(10))
    call.handle_quality("citizen", 1, at(11))
    assert call.handle_timeout(at(11 + WEAK_FOR_S)) == []
    assert call.handle_timeout(at(10 + QUIET_AFTER_RETURN_S)) != []


def noted(outputs: list[Output]) -> list[Cause | None]:
    return [each.cause for each in outputs if isinstance(each, NoteSoundOnly)]


def test_the_reason_is_kept_whenever_it_changes_and_not_otherwise() -> None:
    call = call_in(SERVING)
    assert noted(call.ask_sound_only(Role.EMPLOYEE, True, at(0))) == [Cause.EMPLOYEE]
    assert noted(call.handle_participant(person(Role.CITIZEN, camera=False))) == []
    assert noted(call.ask_sound_only(Role.CITIZEN, False, at(1))) == [None]
    call.handle_quality("citizen", 1, at(100))
    assert noted(call.handle_timeout(at(100 + WEAK_FOR_S))) == [Cause.WEAK_NETWORK]
    assert noted(call.handle_phase(AppointmentState.ABORTED)) == [None]


@pytest.mark.parametrize(
    ("phase", "cameras_of", "kept", "taken_up"),
    [
        pytest.param(SERVING, (False, False), Cause.EMPLOYEE, Cause.EMPLOYEE, id="as it was"),
        pytest.param(SERVING, (False, False), None, Cause.UNKNOWN, id="could not be kept"),
        pytest.param(SERVING, (True, True), Cause.CITIZEN, None, id="picture came back, not kept"),
        pytest.param(SERVING, (False, True), Cause.CITIZEN, Cause.CITIZEN, id="half carried out"),
        pytest.param(SERVING, (), Cause.WEAK_NETWORK, Cause.WEAK_NETWORK, id="nobody there"),
        pytest.param(SERVING, (), None, None, id="nobody there, picture"),
        pytest.param(IDENTIFYING, (False, False), Cause.CITIZEN, None, id="not identified"),
    ],
)
def test_a_call_is_taken_up_with_the_reason_that_was_kept(
    phase: AppointmentState, cameras_of: tuple[bool, ...], kept: Cause | None,
    taken_up: Cause | None,
) -> None:  # fmt: skip
    call = KepCall(phase)
    roles = (Role.CITIZEN, Role.EMPLOYEE)
    people = [person(role, camera=camera) for role, camera in zip(roles, cameras_of, strict=False)]
    outputs = call.take_up(people, kept)
    assert call.view.sound_only is taken_up
    assert noted(outputs) == ([] if taken_up is kept else [taken_up])
    wrong = [each for each in people if each.grants.camera != (taken_up is None)]
    assert cameras(outputs) == {each.participant: taken_up is None for each in wrong}


def test_only_the_employee_asks_for_a_sharp_picture() -> None:
    call = call_in(IDENTIFYING)
    for role in (Role.CITIZEN, Role.INTERPRETER):
        with pytest.raises(CallRefused):
            call.ask_sharp_picture(role, True)
    assert call.ask_sharp_picture(Role.EMPLOYEE, True) == [Announce(call.view)]
    assert not [each for each in call.handle_phase(SERVING) if isinstance(each, SetCamera)]
    assert not call.wants_sharp_picture


def test_a_late_read_takes_nothing_back() -> None:
    """A query that began before the confirmation may be answered after it."""
    call = call_in(SERVING)
    call.ask_sound_only(Role.CITIZEN, True, at(0))
    assert call.handle_phase(IDENTIFYING) == []
    assert call.is_identified and call.sound_only is not None


def test_who_is_late_may_still_be_waited_for() -> None:
    call = call_in(AppointmentState.ABSENT)
    call.handle_phase(AppointmentState.WAITING)
    assert call.phase is AppointmentState.WAITING


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("phase"), st.sampled_from(AppointmentState)),
        st.tuples(st.just("sound"), st.tuples(st.sampled_from(Role), st.booleans())),
        st.tuples(st.just("quality"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.floats(0, 100)),
        st.tuples(st.just("return"), st.sampled_from([Role.CITIZEN, Role.EMPLOYEE])),
    ),
    max_size=40,
)


@given(STEPS)
def test_no_order_of_wishes_gives_sound_only_to_the_unidentified(
    steps: list[tuple[str, object]],
) -> None:
    call, now = call_in(AppointmentState.WAITING), 0.0
    for kind, value in steps:
        if kind == "phase":
            call.handle_phase(AppointmentState(str(value)))
        elif kind == "sound":
            role, wanted = cast("tuple[Role, bool]", value)
            with contextlib.suppress(CallRefused):
                call.ask_sound_only(role, wanted, at(now))
        elif kind == "quality":
            call.handle_quality("citizen", int(str(value)), at(now))
        elif kind == "wait":
            now += float(str(value))
            call.handle_timeout(at(now))
        else:
            call.handle_participant(person(Role(str(value))))
        assert call.sound_only is None or call.is_identified
        assert call.told in (None, call.view)
