"""Forms of citizens and administrators: what is refused, and that nothing typed is lost."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.kep.availability import Shift
from signaling.kep.config import KepConfig, kep_problems
from signaling.kep.forms import parse_person_form
from signaling.kep.plan_forms import (
    Mistakes,
    parse_absence,
    parse_employee,
    parse_hours,
    parse_kep,
    parse_shift,
    parse_special_days,
    shifts_meet,
)
from signaling.kep.plot import plot_bars
from signaling.kep.states import WrongState, move
from signaling.kep.values import AppointmentState, Theme, WayOfDelivery, ways_of_delivery
from signaling.storage.models import Appointment

GOOD = {
    "email": "anna@dimos.gr", "phone": "210 1234567", "address": "Οδός 1",
    "document": "passport", "delivery": "post",
}  # fmt: skip
KEP = {"name": "ΚΕΠ 1", "municipality_id": "m", "address": "Οδός 1", "phone": "2101234567"}
TODAY = date(2026, 1, 12)


def test_good_form_has_no_errors_and_comes_back_whole() -> None:
    form = parse_person_form(GOOD | {"need_sign_language": "yes", "note": "σιγά"}, Theme.BUSINESS)
    assert form.errors == {} and form.phone == "2101234567"
    again = parse_person_form(dict(form.fields()), Theme.BUSINESS)
    assert again == form


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"email": "a@b"}, "email", "email_bad"),
        ({"email": "a@dimos.gr\nBcc: x@y.gr"}, "email", "email_bad"),
        ({"email": ""}, "email", "email_missing"),
        ({"phone": "12"}, "phone", "bad_phone"),
        ({"phone": ""}, "phone", "phone_missing"),
        ({"address": " "}, "address", "address_missing"),
        ({"address": "α" * 201}, "address", "text_too_long"),
        ({"document": "photo"}, "document", "document_missing"),
        ({"delivery": "at_kep"}, "delivery", "delivery_refused"),
        ({"delivery": "pigeon"}, "delivery", "delivery_missing"),
        ({"represents": "yes"}, "legal_person", "legal_person_missing"),
        ({"note": "α" * 301}, "note", "text_too_long"),
    ],
)
def test_each_mistake_is_named(change: dict[str, str], field: str, code: str) -> None:
    form = parse_person_form(GOOD | change, Theme.INFORMATION)
    assert form.errors == {field: code}


@given(st.dictionaries(st.sampled_from([*GOOD, "note", "legal_person", "represents"]), st.text()))
def test_no_text_breaks_the_form(typed: dict[str, str]) -> None:
    form = parse_person_form(GOOD | typed, Theme.MUNICIPAL)
    for value in (form.address, form.note, form.legal_person, form.email, form.phone):
        assert "\n" not in value and "\r" not in value


def test_only_municipal_services_are_fetched_at_the_kep() -> None:
    for theme in Theme:
        assert (WayOfDelivery.AT_KEP in ways_of_delivery(theme)) is (theme is Theme.MUNICIPAL)


def test_appointment_of_the_citizen_is_cancelled_or_moved_once() -> None:
    for to in (AppointmentState.CANCELLED, AppointmentState.RESCHEDULED):
        appointment = Appointment(state=AppointmentState.BOOKED.value)
        move(appointment, to)
        assert appointment.state == to
        with pytest.raises(WrongState):
            move(appointment, AppointmentState.CANCELLED)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"), ({"phone": "1"}, "phone"), ({"address": ""}, "address"),
        ({"slot_minutes": "7"}, "slot_minutes"), ({"slot_minutes": "0"}, "slot_minutes"),
        ({"gap_minutes": "-5"}, "gap_minutes"), ({"horizon_days": "999"}, "horizon_days"),
        ({"municipality_id": ""}, "municipality_id"),
    ],
)  # fmt: skip
def test_mistakes_of_a_kep_are_named(change: dict[str, str], field: str) -> None:
    with pytest.raises(Mistakes) as refused:
        parse_kep(KEP | change)
    assert set(refused.value.errors) == {field}


def test_hours_of_the_week() -> None:
    assert parse_hours({"opens_0": "08:00", "closes_0": "14:30"}) == {0: (480, 870)}
    for opens, closes in (("14:30", "08:00"), ("8", "9"), ("08:01", "09:00"), ("08:00", "")):
        with pytest.raises(Mistakes):
            parse_hours({"opens_3": opens, "closes_3": closes})


def test_special_days_and_absences() -> None:
    closed = parse_special_days({"first_day": "2026-01-12", "last_day": "2026-01-14"})
    assert len(closed.days) == 3 and closed.hours is None
    assert parse_absence({"absent_from": "2026-01-12"}) == (TODAY, TODAY)
    for form in ({}, {"first_day": "x"}, {"first_day": "2026-01-12", "last_day": "2026-01-11"},
                 {"first_day": "2026-01-12", "opens": "10:00"}):  # fmt: skip
        with pytest.raises(Mistakes):
            parse_special_days(form)
    with pytest.raises(Mistakes):
        parse_absence({"absent_from": "2026-01-12", "absent_to": "2026-01-01"})
    with pytest.raises(Mistakes):
        parse_employee({"employee_name": "Α", "employee_email": "x"})


def test_shifts() -> None:
    good = {"weekday_0": "yes", "starts": "08:00", "ends": "14:30", "employee_id": "e"}
    assert parse_shift(good, TODAY).first_day == TODAY
    for change in ({"weekday_0": ""}, {"ends": "07:00"}, {"last_day": "2020-01-01"}):
        with pytest.raises(Mistakes):
            parse_shift(good | change, TODAY)
    morning = Shift("e", "d", 0, 480, 600, TODAY, date(2026, 2, 1))
    assert shifts_meet(morning, Shift("e", "x", 0, 590, 700, TODAY))
    assert not shifts_meet(morning, Shift("e", "x", 0, 600, 700, TODAY))
    assert not shifts_meet(morning, Shift("e", "x", 1, 480, 600, TODAY))
    assert not shifts_meet(morning, Shift("e", "x", 0, 480, 600, date(2026, 2, 2)))


def test_plot_keeps_within_its_picture() -> None:
    plot = plot_bars([("a", 0), ("b", 7), ("c", 20)], 2)
    assert [bar.has_label for bar in plot.bars] == [True, False, True]
    assert plot.bars[0].height == 0 and plot.marks[-1].value == 20
    assert all(0 <= bar.y <= plot.base and bar.x + bar.width <= plot.width for bar in plot.bars)
    assert plot_bars([], 7).bars == []


def test_parameters_that_make_no_sense_are_refused() -> None:
    assert kep_problems(KepConfig()) == []
    assert kep_problems(KepConfig(weak_network_s=0)) == []
    for config in (
        KepConfig(slot_minutes=7), KepConfig(slot_minutes=0), KepConfig(gap_minutes=-5),
        KepConfig(long_factor=0.5), KepConfig(horizon_days=0), KepConfig(notice_minutes=-1),
        KepConfig(weak_network_s=3.9), KepConfig(weak_network_s=-1),
        KepConfig(max_open_per_person=0),
    ):  # fmt: skip
        assert len(kep_problems(config)) == 1
