"""Calendar entries: what calendars read of them, and what a title cannot do to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from icalendar import Calendar, Event

from signaling.mail.calendar import CalendarEvent, Method, Party, make_calendar, method_of
from signaling.mail.delivery import compose
from signaling.storage.models import Mail

EVENT = CalendarEvent(
    uid="abc@meet.example.gr", sequence=2,
    starts_at=datetime(2026, 12, 1, 16, 0, tzinfo=UTC),
    ends_at=datetime(2026, 12, 1, 18, 0, tzinfo=UTC),
    summary="Δημοτικό Συμβούλιο", description="1. Θέμα", url="https://meet.example.gr/i/x",
    organiser=Party("Μαρία Γραμματέα", "maria@dimos.gr"),
    attendee=Party("Νίκος Μέλος", "nikos@dimos.gr"),
    stamp=datetime(2026, 11, 1, tzinfo=UTC), alarm_minutes=(15,),
)  # fmt: skip


def read(text: str) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(text)
    assert isinstance(calendar, Calendar)
    events = [each for each in calendar.walk("VEVENT") if isinstance(each, Event)]
    assert len(events) == 1
    return calendar, events[0]


def test_request_has_what_a_calendar_needs() -> None:
    calendar, event = read(make_calendar(EVENT, Method.REQUEST))
    assert calendar["METHOD"] == "REQUEST"
    assert event["UID"] == EVENT.uid and event["SEQUENCE"] == 2
    assert event.decoded("DTSTART") == EVENT.starts_at
    assert event["ATTENDEE"] == "mailto:nikos@dimos.gr"
    assert event["ORGANIZER"].params["CN"] == "Μαρία Γραμματέα"
    assert [each["ACTION"] for each in event.walk("VALARM")] == ["DISPLAY"]


def test_cancel_names_the_same_event_and_does_not_ring() -> None:
    calendar, event = read(make_calendar(replace(EVENT, sequence=3), Method.CANCEL))
    assert (calendar["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert (event["UID"], event["SEQUENCE"]) == (EVENT.uid, 3)
    assert event.walk("VALARM") == []


@pytest.mark.parametrize("field", ["summary", "description"])
def test_text_cannot_add_lines_of_its_own(field: str) -> None:
    attack = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:other"
    _, event = read(make_calendar(replace(EVENT, **{field: attack}), Method.REQUEST))
    assert event["UID"] == EVENT.uid


def test_names_cannot_add_lines_or_parameters() -> None:
    attack = Party('A";X-EVIL=1:mailto:evil@x\r\nATTENDEE:mailto:evil@x', "a@dimos.gr")
    _, event = read(make_calendar(replace(EVENT, attendee=attack), Method.REQUEST))
    assert event["ATTENDEE"] == "mailto:a@dimos.gr"
    assert "X-EVIL" not in event["ATTENDEE"].params


def test_lines_are_at_most_75_octets() -> None:
    text = make_calendar(replace(EVENT, summary="Συμβούλιο " * 40), Method.REQUEST)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_mail_carries_the_entry_with_its_method() -> None:
    calendar = make_calendar(EVENT, Method.CANCEL)
    mail = Mail(
        id="m", recipient="nikos@dimos.gr", subject="Θέμα", text="Κείμενο", calendar=calendar,
        created_at=EVENT.stamp,
    )  # fmt: skip
    message = compose(mail, "Synedrion <no-reply@meet.example.gr>")
    part = next(each for each in message.walk() if each.get_content_type() == "text/calendar")
    assert part.get_param("method") == method_of(calendar) == "CANCEL"
    assert message.get_content_type() == "multipart/alternative"
    assert read(part.get_content())[1]["UID"] == EVENT.uid
