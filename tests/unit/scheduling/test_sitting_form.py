"""The form of a sitting: what it means, and a clear word for everything that is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.scheduling.sitting_form import (
    AgendaLine,
    BadForm,
    FormLimits,
    SittingForm,
    form_of_template,
    parse_sitting,
    parse_template,
    read_form,
    template_fields,
    write_agenda,
)
from signaling.scheduling.values import SittingKind, SittingMode
from signaling.scheduling.wall_time import to_wall

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LIMITS = FormLimits(max_participants=500, days_ahead=400)
GOOD = SittingForm(place="b:1", title="Τακτική συνεδρίαση", date="2026-03-10", time="18:00")


def errors_of(**changes: str) -> dict[str, str]:
    with pytest.raises(BadForm) as raised:
        parse_sitting(replace(GOOD, **changes), LIMITS, NOW)
    return dict(raised.value.errors)


def test_good_form() -> None:
    plan = parse_sitting(
        replace(GOOD, agenda="Θέμα 1 | Α. Πρώτη\n\nΘέμα 2", is_closed="yes"), LIMITS, NOW
    )
    assert list(plan.starts) == [datetime(2026, 3, 10, 16, 0, tzinfo=UTC)]
    assert (plan.length, plan.mode, plan.kind) == (timedelta(hours=2), SittingMode.REMOTE, None)
    assert plan.is_closed and not plan.admits_guests and plan.participants is None
    assert list(plan.agenda) == [AgendaLine("Θέμα 1", "Α. Πρώτη"), AgendaLine("Θέμα 2")]
    assert write_agenda(plan.agenda) == "Θέμα 1 | Α. Πρώτη\nΘέμα 2"


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("place", "", "place_missing"),
        ("title", "Τ" * 201, "title_long"),
        ("kind", "party", "kind_unknown"),
        ("mode", "by_post", "mode_unknown"),
        ("date", "", "date_missing"),
        ("date", "31/2/2026", "date_bad"),
        ("date", "2026-03-01", "time_past"),
        ("date", "2030-01-01", "date_far"),
        ("date", "9999-12-31", "date_far"),
        ("time", "", "time_missing"),
        ("time", "half past six", "time_bad"),
        ("zone", "Europe/Athen", "zone_unknown"),
        ("zone", "UTC", "zone_unknown"),
        ("length_min", "0", "length_bad"),
        ("length_min", "-30", "length_bad"),
        ("length_min", "961", "length_bad"),
        ("length_min", "1e9", "length_bad"),
        ("participants", "1", "participants_bad"),
        ("participants", "501", "participants_bad"),
        ("participants", "πολλοί", "participants_bad"),
        ("open_before_min", "241", "open_before_bad"),
        ("rhythm", "daily", "rhythm_unknown"),
        ("agenda", "Θέμα\n" * 101, "agenda_long"),
        ("agenda", "Θ" * 301, "agenda_item_long"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_word(field: str, text: str, code: str) -> None:
    where = "time" if field == "zone" else field
    assert errors_of(**{field: text}) == {where: code}


def test_all_mistakes_are_told_at_once() -> None:
    found = errors_of(place="", length_min="x", date="x", participants="0")
    assert set(found) == {"place", "length_min", "date", "participants"}


def test_closed_sittings_admit_no_guests() -> None:
    assert errors_of(is_closed="yes", admits_guests="yes") == {
        "admits_guests": "closed_admits_none"
    }


def test_earlier_today_is_past_but_five_minutes_ago_is_now() -> None:
    assert errors_of(date="2026-03-02", time="11:54") == {"time": "time_past"}
    plan = parse_sitting(replace(GOOD, date="2026-03-02", time="11:55"), LIMITS, NOW)
    assert plan.starts[0] == NOW - timedelta(minutes=5)


def test_the_hour_that_does_not_exist_is_told_with_the_next() -> None:
    with pytest.raises(BadForm) as raised:
        parse_sitting(replace(GOOD, date="2026-03-29", time="03:30"), LIMITS, NOW)
    assert raised.value.errors == {"time": "time_missing_hour"}
    assert to_wall(raised.value.moments[0]).strftime("%H:%M") == "04:30"


def test_the_hour_that_is_there_twice_is_asked_for() -> None:
    twice = replace(GOOD, date="2026-10-25", time="03:30")
    with pytest.raises(BadForm) as raised:
        parse_sitting(twice, LIMITS, NOW)
    assert raised.value.errors == {"chosen": "time_ambiguous"}
    first, second = raised.value.moments
    for chosen, moment in (("first", first), ("second", second)):
        assert parse_sitting(replace(twice, chosen=chosen), LIMITS, NOW).starts[0] == moment
    with pytest.raises(BadForm):
        parse_sitting(replace(twice, chosen="third"), LIMITS, NOW)


def test_a_start_that_is_kept_may_be_past_and_keeps_which_of_two_it_is() -> None:
    begun = NOW - timedelta(hours=1)
    form = replace(GOOD, date="2026-03-02", time="11:00")
    assert list(parse_sitting(form, LIMITS, NOW, kept_start=begun).starts) == [begun]
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    form = replace(GOOD, date="2026-10-25", time="03:30")
    assert list(parse_sitting(form, LIMITS, NOW, kept_start=second).starts) == [second]


def test_series_is_checked_to_its_last_day() -> None:
    plan = parse_sitting(replace(GOOD, rhythm="weekly", count="4"), LIMITS, NOW)
    assert [to_wall(each).strftime("%d/%m %H:%M") for each in plan.starts] == [
        "10/03 18:00", "17/03 18:00", "24/03 18:00", "31/03 18:00"]  # fmt: skip
    assert errors_of(rhythm="weekly", count="1") == {"count": "count_bad"}
    assert errors_of(rhythm="weekly", count="53") == {"count": "count_bad"}
    assert errors_of(rhythm="monthly_by_date", count="52") == {"count": "date_far"}


def test_headers_and_controls_are_cleaned_and_markup_stays_text() -> None:
    form = read_form({"title": "Α\r\nBcc: x\u202e<script>", "agenda": "Θέμα\x00\r\nΔύο\x0b"})
    assert form.title == "Α Bcc: x <script>" and form.agenda == "Θέμα\nΔύο"


def test_template_keeps_all_but_times_and_survives_strange_contents() -> None:
    form = replace(GOOD, kind=SittingKind.HEARING, agenda="Α", participants="30")
    kept = template_fields(form)
    assert {"date", "time", "rhythm", "count"} & set(kept) == set()
    assert form_of_template(kept) == replace(form, date="", time="")
    assert form_of_template({"title": 7, "unknown": "x"}) == SittingForm()
    parse_template(form_of_template(kept), LIMITS)
    with pytest.raises(BadForm):
        parse_template(replace(form, length_min="0"), LIMITS)


@given(st.dictionaries(st.sampled_from(sorted(SittingForm.__dataclass_fields__)), st.text()))
def test_whatever_is_sent_is_a_plan_or_told_what_is_wrong(fields: dict[str, str]) -> None:
    form = read_form({"place": "b:1", "date": "2026-03-10", "time": "18:00", "length_min": "60",
                      "open_before_min": "0", "mode": "remote", **fields})  # fmt: skip
    try:
        plan = parse_sitting(form, LIMITS, NOW)
    except BadForm as error:
        assert error.errors and set(error.errors) <= set(SittingForm.__dataclass_fields__)
    else:
        assert plan.starts
