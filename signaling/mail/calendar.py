"""Calendar parts of mails: one event told to one attendee (RFC 5545, RFC 5546, RFC 6047)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

PRODUCT = "-//Synedrion//EL"

_METHOD = re.compile(r"^METHOD:([A-Z]+)\r?$", re.MULTILINE)


class Method(StrEnum):
    """What the event is told for (RFC 5546 §1.4)."""

    REQUEST = "REQUEST"
    """New, or changed: with a higher sequence it takes the place of what was told."""
    CANCEL = "CANCEL"


@dataclass(frozen=True)
class Participant:
    """Organiser or attendee."""

    name: str
    email: str


@dataclass(frozen=True)
class CalendarEvent:
    """What a calendar shows."""

    uid: str
    """The same through all changes of one event. Without a host it gets the organiser's."""
    sequence: int
    method: Method
    organiser: Participant
    attendee: Participant
    starts_at: datetime
    ends_at: datetime
    told_at: datetime
    """When this is written (DTSTAMP)."""
    summary: str
    description: str = ""
    url: str = ""
    location: str = ""
    alarms: Sequence[timedelta] = ()
    """How long before the start to remind."""


def write_calendar(event: CalendarEvent) -> str:
    """Return the text of a text/calendar part. Times are in UTC: no zone has to be described."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", event.method.value)
    calendar.add_component(_component(event))
    text: str = calendar.to_ical().decode()
    return text


def method_of(calendar_text: str) -> str:
    """Return the method that a calendar says it is, which its MIME part must repeat.

    Source: RFC 6047 §2.4.
    """
    found = _METHOD.search(calendar_text)
    return found[1] if found else Method.REQUEST.value


def _component(event: CalendarEvent) -> Event:
    is_cancelled = event.method is Method.CANCEL
    component = Event()
    component.add("uid", _whole_uid(event))
    component.add("sequence", event.sequence)
    component.add("dtstamp", event.told_at.astimezone(UTC))
    component.add("dtstart", event.starts_at.astimezone(UTC))
    component.add("dtend", event.ends_at.astimezone(UTC))
    component.add("summary", event.summary)
    component.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    for name in ("description", "url", "location"):
        if getattr(event, name):
            component.add(name, getattr(event, name))
    component["organizer"] = _address(event.organiser)
    attendee = _address(event.attendee)
    attendee.params["role"] = vText("REQ-PARTICIPANT")
    attendee.params["partstat"] = vText("NEEDS-ACTION")
    attendee.params["rsvp"] = vText("FALSE")
    component.add("attendee", attendee)
    for before in () if is_cancelled else event.alarms:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", event.summary)
        alarm.add("trigger", -before)
        component.add_component(alarm)
    return component


def _whole_uid(event: CalendarEvent) -> str:
    if "@" in event.uid:
        return event.uid
    return f"{event.uid}@{event.organiser.email.rpartition('@')[2]}"


def _address(participant: Participant) -> vCalAddress:
    address = vCalAddress(f"mailto:{participant.email}")
    if participant.name:
        # RFC 5545 §3.1: a quote has no place in a parameter's value.
        address.params["cn"] = vText(participant.name.replace('"', "'"))
    return address
