"""Calendar entries that travel with mails: iCalendar (RFC 5545) by way of iTIP (RFC 5546). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

from signaling.mail.templates import one_line

PRODUCT = "-//Synedrion//EL"


class Method(StrEnum):
    """What an entry does to the calendar that gets it (RFC 5546 §1.4)."""

    REQUEST = "REQUEST"
    """Add, or change to a higher SEQUENCE."""
    CANCEL = "CANCEL"


@dataclass(frozen=True)
class Party:
    """Organiser or attendee."""

    name: str
    email: str
    """Empty: calendars take the entry without an organiser as one of their own."""


@dataclass(frozen=True)
class CalendarEvent:
    """One entry of one person's calendar."""

    uid: str
    """The same in every message about the event, RFC 5545 §3.8.4.7."""
    sequence: int
    """Grows with every change (§3.8.7.4)."""
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    url: str
    organiser: Party
    attendee: Party
    stamp: datetime
    """When the information was made (§3.8.7.2)."""
    alarm_minutes: tuple[int, ...] = ()
    """Minutes before the start at which the calendar rings."""


def make_calendar(event: CalendarEvent, method: Method) -> str:
    """Return the iCalendar object, its lines folded and ended as §3.1 wants."""
    entry = Event()
    entry.add("uid", event.uid)
    entry.add("sequence", event.sequence)
    entry.add("dtstamp", event.stamp.astimezone(UTC))
    entry.add("dtstart", event.starts_at.astimezone(UTC))
    entry.add("dtend", event.ends_at.astimezone(UTC))
    entry.add("summary", event.summary)
    entry.add("description", event.description)
    entry.add("location", event.url)
    entry.add("url", event.url)
    entry.add("status", "CANCELLED" if method is Method.CANCEL else "CONFIRMED")
    if event.organiser.email:
        entry["organizer"] = _address(event.organiser)
    attendee = _address(event.attendee)
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["PARTSTAT"] = vText("NEEDS-ACTION")
    entry.add("attendee", attendee, encode=False)
    if method is not Method.CANCEL:
        for minutes in event.alarm_minutes:
            entry.add_component(_alarm(minutes, event.summary))
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method.value)
    calendar.add_component(entry)
    text: str = calendar.to_ical().decode()
    return text


def method_of(calendar: str) -> str:
    """Return the METHOD of an object made above: mail tells it again (RFC 6047 §2.4)."""
    for line in calendar.splitlines():
        if line.startswith("METHOD:"):
            return line.removeprefix("METHOD:")
    return Method.REQUEST


def _address(party: Party) -> vCalAddress:
    address = vCalAddress(f"mailto:{party.email}")
    if party.name:
        address.params["CN"] = vText(one_line(party.name).replace('"', "'"))
    return address


def _alarm(minutes: int, text: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", timedelta(minutes=-minutes))
    alarm.add("description", text)
    return alarm
