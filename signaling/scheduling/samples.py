"""Councils and sittings to try things with; only where the development provider is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.bodies import find_or_create_body
from signaling.accounts.people import People
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.identity.provider import Identity
from signaling.identity.sample_people import SAMPLE_PEOPLE
from signaling.scheduling.collective_bodies import create_collective_body, import_members
from signaling.scheduling.invitation_mails import InvitationMails, Occasion, load_facts
from signaling.scheduling.invitations import InvitationLinks, invite, invitees_of_members
from signaling.scheduling.people_csv import ListedPerson
from signaling.scheduling.places import Place
from signaling.scheduling.sitting_form import AgendaLine, SittingForm, SittingPlan
from signaling.scheduling.sitting_templates import create_template
from signaling.scheduling.sittings import Origin, Sittings
from signaling.scheduling.values import CollectiveKind, Office, SittingMode
from signaling.scheduling.wall_time import nearest_utc, to_wall
from signaling.storage.database import Database
from signaling.storage.models import CollectiveBody, Person

CLERK, CHAIR, COUNCILLOR = "142500000", "200000020", "000000048"
"""ΑΦΜ of the sample people who have seats."""
EMAILS = {CLERK: "grammateas@example.gr", CHAIR: "proedros@example.gr",
          COUNCILLOR: "symvoulos@example.gr"}  # fmt: skip
NAMES = (
    "Αλεξάνδρα Παππά", "Βασίλης Νικολάου", "Δέσποινα Γεωργίου", "Ηλίας Κωστόπουλος",
    "Κατερίνα Μακρή", "Λεωνίδας Δήμου", "Μαρίνα Αλεξίου", "Στέλιος Ραυτόπουλος",
)  # fmt: skip
AGENDA = (
    AgendaLine("Έγκριση πρακτικών προηγούμενης συνεδρίασης"),
    AgendaLine("Προϋπολογισμός οικονομικού έτους", "Οικονομική Υπηρεσία"),
    AgendaLine("Κυκλοφοριακές ρυθμίσεις στο κέντρο", "Τεχνική Υπηρεσία"),
)
MUNICIPALITIES = ("Δήμος Παραδείγματος", "Δήμος Νέας Δοκιμής")
SOON = timedelta(minutes=10)


@dataclass(frozen=True)
class SampleParts:
    """What the samples are made with."""

    database: Database
    people: People
    sittings: Sittings
    links: InvitationLinks
    mails: InvitationMails
    now: datetime


async def add_sample_sittings(parts: SampleParts) -> None:
    """Add councils, committees and sittings to a database that has no collective body."""
    async with parts.database.write() as session:
        if await session.scalar(select(CollectiveBody.id).limit(1)) is not None:
            return
        people = {number: await _make_person(session, parts, number) for number in EMAILS}
        for index, name in enumerate(MUNICIPALITIES):
            await _fill(session, parts, name, people, is_first=index == 0)


async def _make_person(session: AsyncSession, parts: SampleParts, number: str) -> Person:
    """Return a sample person as if they had signed in before; the terms they accept themselves."""
    sample = next(each for each in SAMPLE_PEOPLE if each.tax_number == number)
    identity = Identity(
        "tax-number", number, sample.given_name, sample.family_name, sample.father_name,
        sample.mother_name, sample.birth_year, number,
    )  # fmt: skip
    person = await parts.people.sign_in(session, identity, parts.now)
    if person.email is None:
        person.email, person.email_confirmed_at = EMAILS[number], parts.now
    await session.flush()
    return person


async def _fill(
    session: AsyncSession, parts: SampleParts, name: str, people: Mapping[str, Person], *,
    is_first: bool,
) -> None:  # fmt: skip
    clerk = people[CLERK]
    body = await find_or_create_body(session, name, parts.now)
    if is_first:
        await grant(session, clerk.id, HeldRole(AccountRole.BODY_COORDINATOR, body.id), parts.now)
    origin = Origin(clerk.id, None, parts.now)
    for label, kind in (("Δημοτικό Συμβούλιο", CollectiveKind.COUNCIL),
                        ("Δημοτική Επιτροπή", CollectiveKind.COMMITTEE)):  # fmt: skip
        made = await create_collective_body(session, (body.id, None), label, kind, parts.now)
        await import_members(session, made.id, _members(people, is_first=is_first), parts.now)
        place = Place(body.id, body.name, None, "", made.id, made.name, kind)
        for start, title in _times(parts.now, kind, is_first=is_first):
            await _add_sitting(session, parts, place, _plan(start, title), origin)
        if is_first:
            form = SittingForm(place=place.value, title=f"Τακτική συνεδρίαση – {label}",
                               agenda=AGENDA[0].title)  # fmt: skip
            await create_template(session, clerk.id, place, label, form, now=parts.now)


async def _add_sitting(
    session: AsyncSession, parts: SampleParts, place: Place, plan: SittingPlan, origin: Origin
) -> None:
    (sitting,) = await parts.sittings.create(session, place, plan, origin)
    if sitting.ends_at <= parts.now or place.collective_body_id is None:
        return
    invitees = await invitees_of_members(session, place.collective_body_id)
    added = await invite(
        session, sitting, invitees, by=origin.person_id, links=parts.links, now=parts.now
    )
    await session.flush()
    parts.mails.tell(session, await load_facts(session, sitting), added, Occasion.INVITED)


def _members(people: Mapping[str, Person], *, is_first: bool) -> Sequence[ListedPerson]:
    seats = [(name, f"melos{number}@example.gr", Office.MEMBER)
             for number, name in enumerate(NAMES, start=1)]  # fmt: skip
    seats.append(("Ευάγγελος Δημάρχου", "dimarchos@example.gr", Office.MAYOR))
    if is_first:
        seats += [(people[number].full_name, EMAILS[number], office) for number, office in (
            (CHAIR, Office.CHAIR), (CLERK, Office.SECRETARY), (COUNCILLOR, Office.MEMBER))
        ]  # fmt: skip
    else:
        seats += [("Θεοδώρα Προέδρου", "proedros2@example.gr", Office.CHAIR),
                  ("Ιάκωβος Γραμματέας", "grammateas2@example.gr", Office.SECRETARY)]  # fmt: skip
    return [ListedPerson(line, *seat) for line, seat in enumerate(seats, start=1)]


def _times(
    now: datetime, kind: CollectiveKind, *, is_first: bool
) -> Sequence[tuple[datetime, str]]:
    today = to_wall(now)

    def on(days: int, hour: int) -> datetime:
        day = today + timedelta(days=days)
        return nearest_utc(day.date(), day.time().replace(hour=hour, minute=0, second=0,
                                                          microsecond=0))  # fmt: skip

    if kind is CollectiveKind.COMMITTEE:
        return [(on(2, 12), "Συνεδρίαση Δημοτικής Επιτροπής"),
                (on(9, 12), "Συνεδρίαση Δημοτικής Επιτροπής")]  # fmt: skip
    times = [(on(-7, 18), "7η τακτική συνεδρίαση"), (on(7, 18), "9η τακτική συνεδρίαση")]
    if is_first:
        soon = now.replace(second=0, microsecond=0) + SOON
        times.append((soon, "8η τακτική συνεδρίαση"))
    return sorted(times)


def _plan(start: datetime, title: str) -> SittingPlan:
    return SittingPlan(
        title=title, kind=None, mode=SittingMode.MIXED, starts=(start,),
        length=timedelta(hours=2), participants=None, open_before_min=30, is_closed=False,
        admits_guests=False, agenda=AGENDA,
    )  # fmt: skip
