"""Booking by pages as a browser without scripts does it, and everything that must be refused."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from signaling.kep.values import AppointmentState, Theme
from signaling.storage.models import (
    Appointment,
    AppointmentStep,
    AuditRecord,
    Kep,
    KepService,
    Mail,
    Municipality,
)
from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    VisitorClient,
    running_accounts,
)
from tests.support.databases import BACKENDS
from tests.support.kep_booking import (
    book,
    choose_other_time,
    choose_time,
    confirm,
    hidden,
    mailed,
    mailed_entry,
    review,
    service_of,
    step_links,
)

pytestmark = pytest.mark.asyncio

CITIZEN, OTHER, EMPLOYEE = "000000061", "150000017", "150000029"
KEP_ADMINISTRATOR, INTERPRETER = "150000042", "150000054"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_citizen_books_moves_and_cancels(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as citizen:
        await citizen.enter(CITIZEN, "polites@example.gr")
        front = await citizen.get("/kep")
        assert "/kep/guide" in front.text and "Εξυπηρέτηση από τον Δήμο σας" in front.text
        themes = await citizen.get("/kep/book")
        assert "/kep/book/information" in themes.text and "Βήμα 1 από 5" in themes.text
        services = await citizen.get("/kep/book/information")
        assert "Διοικητική πληροφόρηση" in services.text
        service = await service_of(server, Theme.INFORMATION)

        step = await choose_time(citizen, service)
        form = await citizen.get(f"/kep/services/{service.id}/person?step={step}")
        assert 'value="polites@example.gr"' in form.text and "••••••" in form.text
        assert CITIZEN not in form.text and "Με φυσική παραλαβή" not in form.text
        shown = await review(citizen, service, step)
        assert "Ελέγξτε τα στοιχεία" in shown.text and "Δελτίο ταυτότητας" in shown.text
        shown = await confirm(citizen, service)
        assert re.fullmatch(r"/kep/appointments/[0-9a-f]{32}", shown.path), shown
        path = shown.path
        assert "Προγραμματισμένο" in (await citizen.get("/account")).text

        assert "Προγραμματισμένο" in (await citizen.get(path)).text
        await _moves_and_cancels(citizen, path, step)
        async with server.service.database.read() as session:
            assert list(await session.scalars(select(AppointmentStep))) == []


async def _moves_and_cancels(citizen: VisitorClient, path: str, step: str) -> None:
    """Do what the links of the mails are for."""
    outbox = await citizen.get("/outbox")
    assert "Ενημέρωση για επερχόμενη κράτηση" in outbox.text
    entry = await mailed_entry(citizen)
    assert "METHOD:REQUEST" in entry and "BEGIN:VALARM" in entry
    link = await mailed(citizen)
    assert (await citizen.get(link)).path == path

    shown = await citizen.get(path + "/reschedule")
    other = next(each for each in step_links(shown.text) if not each.endswith(f"={step}"))
    shown = await citizen.get(other)
    assert "Νέα ώρα" in shown.text
    moved = await citizen.post(
        path + "/reschedule", step=other.rpartition("=")[2],
        request_key=re.findall(r'name="request_key" value="(\w+)"', shown.text)[0],
    )  # fmt: skip
    assert moved.status == 200 and moved.path != path and "άλλαξε ώρα" in moved.text
    assert "SEQUENCE:1" in await mailed_entry(citizen)
    # The link of the first mail leads on to the new time.
    old = await citizen.get(link)
    assert old.path == path and moved.path in old.text and "Άλλαξε ώρα" in old.text

    await citizen.get(moved.path + "/cancel")
    cancelled = await citizen.post(moved.path + "/cancel")
    assert "ακυρώθηκε" in cancelled.text
    assert "METHOD:CANCEL" in await mailed_entry(citizen)
    await citizen.get("/account")
    assert "ακυρώθηκε" in (await citizen.post(moved.path + "/cancel")).text  # sent twice
    late = await citizen.get(moved.path + "/reschedule")
    assert late.status == 409 and "Δεν γίνεται πια να αλλάξετε" in late.text
    assert "Ακυρώθηκε" in late.text, "as it is now"
    await citizen.get("/account")
    late = await citizen.post(moved.path + "/reschedule", step="1", request_key="x")
    assert late.status == 409 and "Δεν γίνεται πια να αλλάξετε" in late.text


async def test_whose_kep_was_closed_is_told_when_they_move() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as citizen,
        server.visitor() as manager,
    ):
        await citizen.enter(CITIZEN)
        path = await book(citizen, await service_of(server, Theme.INFORMATION))
        other = await choose_other_time(citizen, path)
        async with server.service.database.read() as session:
            appointment = await session.get_one(Appointment, path.rpartition("/")[2])
        await manager.enter(KEP_ADMINISTRATOR)
        kep = f"/administration/kep/keps/{appointment.kep_id}"
        shown = await manager.get(kep)
        version = re.findall(r'name="version" value="(\d+)"', shown.text)[0]
        assert (await manager.post(kep, set="closed", version=version)).status == 200
        refused = await citizen.post(path + "/reschedule", **other)
        assert refused.status == 409 and "δεν είναι πια διαθέσιμη" in refused.text
        assert step_links(refused.text) == []


@pytest.mark.parametrize("backend", BACKENDS)
async def test_link_and_pages_open_for_the_booked_person_only(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as citizen,
        server.visitor() as other,
        server.visitor() as nobody,
    ):
        await citizen.enter(CITIZEN)
        path = await book(citizen, await service_of(server, Theme.INFORMATION))
        link = await mailed(citizen)
        await other.enter(OTHER)
        await other.get("/account")
        token, random = other.csrf, "/kep/appointments/" + "0" * 32
        for good, bad in (
            (link, "/kep/link/" + "x" * 43), (path, random), (path + "/cancel", random + "/cancel"),
            (path + "/reschedule", random + "/reschedule"), (path + "/guest", random + "/guest"),
            (path.replace("/kep/", "/kep/desk/"), random.replace("/kep/", "/kep/desk/")),
        ):  # fmt: skip
            foreign, unknown = await other.get(good), await other.get(bad)
            assert (foreign.status, unknown.status) == (404, 404), good
            assert foreign.text.replace(good, "") == unknown.text.replace(bad, "")
        for good, bad in ((path + "/cancel", random + "/cancel"),
                          (path + "/reschedule", random + "/reschedule")):  # fmt: skip
            assert (await other.post(good, csrf=token, step="1", request_key="k")).status == 404
            assert (await other.post(bad, csrf=token, step="1", request_key="k")).status == 404
        # Who is not signed in is led to the sign-in, and then to the appointment.
        shown = await nobody.get(link, follow=False)
        assert shown.status == 303 and shown.headers["Location"].startswith("/sign-in")
        assert (await citizen.get(path)).status == 200


async def test_mistakes_are_named_and_nothing_typed_is_lost() -> None:
    async with running_accounts() as server, server.visitor() as citizen:
        await citizen.enter(CITIZEN)
        service = await service_of(server, Theme.INFORMATION)
        step = await choose_time(citizen, service)
        shown = await review(
            citizen, service, step, email="x\r\nBcc: thief@evil.test", phone="12", address=" ",
            document="tattoo", delivery="at_kep", represents="yes", note="<script>x",
            need_sign_language="yes",
        )  # fmt: skip
        assert shown.status == 422
        for text in (
            "διεύθυνση όπως onoma", "10 έως 15 ψηφία", "Γράψτε τη διεύθυνση", "Επιλέξτε έγγραφο",
            "μόνο για δημοτικές", "επωνυμία του νομικού", "&lt;script&gt;x",
        ):  # fmt: skip
            assert text in shown.text, text
        assert "<script>x" not in shown.text
        assert re.search(r'id="need_sign_language"[^>]* checked', shown.text)

        good = await review(citizen, service, step, represents="yes", legal_person="Α & Β ΟΕ")
        assert good.status == 200 and "Α &amp; Β ΟΕ" in good.text
        fields = hidden(good.text)
        fields.pop("csrf")
        back = await citizen.post(f"/kep/services/{service.id}/person", **fields)
        assert back.status == 200 and 'value="Α &amp; Β ΟΕ"' in back.text
        await review(citizen, service, step, represents="yes", legal_person="Α & Β ΟΕ")
        booked = await confirm(citizen, service)
        assert "Α &amp; Β ΟΕ" in booked.text
        async with server.service.database.read() as session:
            mails = list(await session.scalars(select(Mail)))
        assert all("Bcc" not in each.text and "evil" not in each.recipient for each in mails)


async def test_what_was_taken_meanwhile_is_said_with_other_times() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as first,
        server.visitor() as second,
    ):
        await first.enter(CITIZEN)
        await second.enter(OTHER)
        async with server.service.database.read() as session:
            name = "ΚΕΠ Κιλκίς 0412"  # one employee
            kep = (await session.scalars(select(Kep).where(Kep.name == name))).one()
            service = (
                await session.scalars(
                    select(KepService)
                    .join(Municipality, Municipality.id == KepService.municipality_id)
                    .where(Municipality.id == kep.municipality_id)
                )
            ).first()
        assert service is not None
        step = await choose_time(first, service)
        await review(first, service, step, delivery="at_kep")
        await review(second, service, step, delivery="at_kep", address="Αλλού 7")
        assert "κλείστηκε" in (await confirm(first, service)).text
        gone = await confirm(second, service)
        assert gone.status == 409 and "δεν είναι πια διαθέσιμη" in gone.text
        offers = re.findall(r'name="step" value="(\d+)"', gone.text)
        assert offers and step not in offers and "Αλλού 7" in gone.text
        # One press takes the same data to another time.
        fields = hidden(gone.text)
        fields.pop("csrf")
        again = await second.post(f"/kep/services/{service.id}/review", step=offers[0], **fields)
        assert "Αλλού 7" in again.text
        assert "κλείστηκε" in (await confirm(second, service)).text
        # The same form sent twice is the same appointment; a second one at the time is refused.
        overlapping = await review(second, service, offers[0], delivery="at_kep")
        assert overlapping.status == 200
        refused = await confirm(second, service)
        assert refused.status == 409


async def test_addresses_made_up_by_hand() -> None:
    async with running_accounts() as server, server.visitor() as citizen:
        await citizen.enter(CITIZEN)
        municipal = await service_of(server, Theme.MUNICIPAL)
        business = await service_of(server, Theme.BUSINESS)
        async with server.service.database.read() as session:
            keps = list(await session.scalars(select(Kep)))
        foreign = next(each for each in keps if each.municipality_id != municipal.municipality_id)
        small = next(each for each in keps if not each.serves_business)
        for path in ("book/nothing", f"book/municipal/{'0' * 32}", f"services/{'0' * 32}/times",
                     f"services/{municipal.id}/times?kep={'0' * 32}"):  # fmt: skip
            assert (await citizen.get(f"/kep/{path}")).status == 404, path
        shown = await citizen.get(f"/kep/services/{business.id}/person")
        assert shown.path.endswith("/times")
        shown = await citizen.get(f"/kep/services/{business.id}/times?day=2020-01-01&kep=")
        assert shown.status == 200
        step = await choose_time(citizen, business)
        for service, kep, bad, status in (
            (municipal, foreign.id, step, 404), (business, small.id, step, 404),
            (business, "", "1", 409), (business, "", str(int(step) + 288 * 400), 409),
        ):  # fmt: skip
            delivery = "at_kep" if service is municipal else "post"
            await review(citizen, service, bad, kep=kep, delivery=delivery)
            assert (await confirm(citizen, service)).status == status
        async with server.service.database.read() as session:
            assert list(await session.scalars(select(Appointment))) == []


@pytest.mark.parametrize("backend", BACKENDS)
async def test_interpreter_is_invited_by_the_serving_kep(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as citizen,
        server.visitor() as employee,
        server.visitor() as interpreter,
    ):
        await citizen.enter(OTHER)
        await employee.enter(EMPLOYEE)
        assert "ΚΕΠ Αθηναίων 0089" in (await employee.get("/account")).text
        service = await service_of(server, Theme.DISABILITY)
        async with server.service.database.read() as session:
            keps = {each.name: each.id for each in await session.scalars(select(Kep))}
        own, foreign = keps["ΚΕΠ Αθηναίων 0089"], keps["ΚΕΠ Χανίων 0355"]
        plain = await book(citizen, service, kep=own)
        path = await book(citizen, service, 2, kep=own, need_sign_language="yes", note="σιγά")
        elsewhere = await book(citizen, service, 4, kep=foreign, need_lip_reading="yes")
        desk, no_need, not_mine = (
            each.replace("/kep/", "/kep/desk/") for each in (path, plain, elsewhere)
        )
        shown = await employee.get(desk)
        assert "νοηματική" in shown.text and "σιγά" in shown.text and "6900000000" in shown.text
        assert (await employee.get(not_mine)).status == 404
        assert (await citizen.get(desk)).status == 404  # one's own is no desk

        await employee.get(desk)
        guest = {"guest_name": "Λουκάς Διερμηνέας", "guest_email": "loukas@example.gr"}
        assert (await employee.post(desk + "/guests", guest_name="", guest_email="x")).status == 422
        assert "στάλθηκε" in (await employee.post(desk + "/guests", **guest)).text
        twice = await employee.post(desk + "/guests", **guest)
        assert twice.status == 422 and "ήδη προσκληθεί" in twice.text
        token = employee.csrf
        refused = await employee.post(no_need + "/guests", csrf=token, **guest)
        assert refused.status == 422 and "δεν έχει ζητήσει" in refused.text
        assert (await employee.post(not_mine + "/guests", csrf=token, **guest)).status == 404

        await _interpreter_comes(citizen, employee, interpreter, path)


async def _interpreter_comes(
    citizen: VisitorClient, employee: VisitorClient, interpreter: VisitorClient, path: str
) -> None:
    """Only who has the invited address, and only until the invitation is revoked."""
    desk = path.replace("/kep/", "/kep/desk/")
    link = await mailed(employee)
    outbox = (await employee.get("/outbox")).text
    invitation = outbox[outbox.index("Πρόσκληση σε βιντεοκλήση") :][:1500]
    assert "loukas@example.gr" in invitation and "ΠΟΛΙΤΟΥ" not in invitation
    assert (await citizen.get(link)).status == 404
    await interpreter.enter(INTERPRETER, "someone@example.gr")
    assert (await interpreter.get(link)).status == 404
    await interpreter.get("/email")
    await interpreter.post("/email", email="loukas@example.gr")
    await interpreter.confirm_email()
    shown = await interpreter.get(link)
    assert shown.status == 200 and shown.path == path + "/guest"
    assert "ΠΟΛΙΤΟΥ" not in shown.text.partition("<main")[2]
    assert (await interpreter.get(path)).status == 404

    shown = await employee.get(desk)
    [revoke] = re.findall(r'action="([^"]+/revoke)"', shown.text)
    await employee.post(revoke)
    assert (await interpreter.get(link)).status == 404
    assert "Ακύρωση βιντεοκλήσης" in (await employee.get("/outbox")).text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_reminder_is_sent_once(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as citizen:
        await citizen.enter(CITIZEN)
        path = await book(citizen, await service_of(server, Theme.INFORMATION))
        async with server.service.database.read() as session:
            appointment = await session.get_one(Appointment, path.rpartition("/")[2])
        await server.keps.remind()
        assert "Υπενθύμιση" not in (await citizen.get("/outbox")).text
        ahead = appointment.starts_at - server.service.parts.now()
        server.clock.shift_s += (ahead - timedelta(minutes=29)).total_seconds()
        for _ in range(2):
            await server.keps.remind()
        async with server.service.database.read() as session:
            mails = list(await session.scalars(select(Mail)))
        reminders = [each for each in mails if each.subject.startswith("Υπενθύμιση")]
        first = next(each for each in mails if each.subject.startswith("Ενημέρωση"))
        link = re.findall(r"http\S+/kep/link/\S+", first.text)[0]
        assert len(reminders) == 1 and link in reminders[0].text and reminders[0].calendar


@pytest.mark.parametrize("backend", BACKENDS)
async def test_administrator_changes_keps_and_sees_bookings(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as manager,
        server.visitor() as citizen,
    ):
        await manager.enter(KEP_ADMINISTRATOR)
        await citizen.enter(CITIZEN)
        service = await service_of(server, Theme.INFORMATION)
        async with server.service.database.read() as session:
            kilkis = (await session.scalars(select(Kep).where(Kep.name.contains("Κιλκίς")))).one()
        path = await book(citizen, service, kep=kilkis.id)
        overview = await manager.get("/administration/kep")
        assert "<svg" in overview.text and "ΚΕΠ Κιλκίς 0412" in overview.text
        async with server.service.database.read() as session:
            booked = await session.get_one(Appointment, path.rpartition("/")[2])
        day = booked.starts_at.date().isoformat()
        rows = await manager.get(f"/administration/kep/bookings?kep={kilkis.id}&day={day}")
        table = rows.text[rows.text.index("<table") :]
        assert service.name in table
        for word in ("ΠΟΛΙΤΗΣ", "6900000000", "polites", "Οδός 1"):
            assert word not in table

        # Closing the day: nothing is free on it, and the appointment stands out.
        kep = f"/administration/kep/keps/{kilkis.id}"
        await manager.get(kep)
        shown = await manager.post(kep + "/days", first_day=day, reason="Τοπική αργία")
        assert shown.status == 200 and "Τοπική αργία" in shown.text
        assert "εκτός διαθεσιμότητας" in shown.text
        times = await citizen.get(f"/kep/services/{service.id}/times?kep={kilkis.id}&day={day}")
        assert step_links(times.text) == []
        [cancel] = re.findall(r'action="([^"]+/appointments/[0-9a-f]{32}/cancel)"', shown.text)
        shown = await manager.post(cancel)
        assert "εκτός διαθεσιμότητας" not in shown.text
        assert "Ακυρώθηκε" in (await citizen.get(path)).text
        assert "δεν ακυρώθηκε" in (await manager.post(cancel)).text, "somebody was faster"
        await _changes(manager, kep)
        async with server.service.database.read() as session:
            actions = set(await session.scalars(select(AuditRecord.action)))
        assert {
            "change_kep",
            "read_kep_bookings",
            "cancel_appointment",
            "book_appointment",
        } <= actions
        await _is_nobody_elses_desk(citizen, manager, kep)


async def _is_nobody_elses_desk(citizen: VisitorClient, manager: VisitorClient, kep: str) -> None:
    await citizen.get("/account")
    token = citizen.csrf
    for page in ("", "/bookings", "/keps", "/services", "/days"):
        assert (await citizen.get(f"/administration/kep{page}")).status == 404
    assert (await citizen.get(kep)).status == 404
    assert (await citizen.post(kep + "/hours", csrf=token)).status == 404
    assert (await manager.get("/administration/kep-administrators")).status == 404
    assert (await manager.get("/administration/audit")).status == 404


async def _changes(manager: VisitorClient, kep: str) -> None:
    """Vary hours, parameters, staff; each mistake is named."""
    bad = await manager.post(kep + "/hours", opens_0="10:00", closes_0="09:00")
    assert bad.status == 422 and "Γράψτε ώρες" in bad.text
    hours = {f"{name}_{day}": clock for day in range(7)
             for name, clock in (("opens", "09:00"), ("closes", "12:00"))}  # fmt: skip
    good = await manager.post(kep + "/hours", **hours)
    assert good.status == 200 and 'value="12:00"' in good.text
    version = re.findall(r'name="version" value="(\d+)"', good.text)[0]
    municipality = re.findall(r'<option value="([0-9a-f]{32})" selected>', good.text)[0]
    facts = {"name": "ΚΕΠ Κιλκίς 0412", "municipality_id": municipality, "address": "Νέα 1",
             "phone": "2341000412", "version": version}  # fmt: skip
    assert (await manager.post(kep, **(facts | {"slot_minutes": "7"}))).status == 422
    good = await manager.post(kep, **(facts | {"slot_minutes": "30", "gap_minutes": "0"}))
    assert good.status == 200 and "Νέα 1" in good.text
    stale = await manager.post(kep, csrf=manager.csrf, **(facts | {"address": "Άλλη 2"}))
    assert stale.status == 409 and "άλλαξαν αφότου ανοίξατε" in stale.text
    assert 'value="Άλλη 2"' in stale.text, "what was typed is there"
    assert "<strong>Νέα 1</strong>" in stale.text and "<strong>30</strong>" in stale.text
    assert f'name="version" value="{version}"' not in stale.text
    stale = await manager.post(kep, csrf=manager.csrf, set="closed", version=version)
    assert stale.status == 409 and "Αν εξακολουθείτε να το θέλετε" in stale.text
    await manager.get(kep)
    shown = await manager.post(kep + "/workstations", workstation_name="Θέση 9")
    assert "Θέση 9" in shown.text
    assert (await manager.post(kep + "/workstations", workstation_name="θεση 9")).status == 422
    shown = await manager.post(
        kep + "/employees", employee_name="Νέα Υπάλληλος", employee_email="NEA@kep.example"
    )
    assert "nea@kep.example" in shown.text
    employee = re.findall(r'<option value="([0-9a-f]{32})">Νέα Υπάλληλος', shown.text)[0]
    desk = re.findall(r'<option value="([0-9a-f]{32})">Θέση 9', shown.text)[0]
    shift = {"employee_id": employee, "workstation_id": desk, "starts": "09:00", "ends": "11:00",
             "weekday_1": "yes"}  # fmt: skip
    assert "Τρίτη 09:00–11:00" in (await manager.post(kep + "/shifts", **shift)).text
    meets = await manager.post(kep + "/shifts", **(shift | {"starts": "10:00", "ends": "12:00"}))
    assert meets.status == 422 and "άλλη βάρδια" in meets.text
    foreign = await manager.post(kep + "/shifts", **(shift | {"employee_id": "0" * 32}))
    assert foreign.status == 422


async def test_system_administrator_appoints_kep_administrators() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as administrator,
        server.visitor() as clerk,
    ):
        await administrator.enter(ADMINISTRATOR)
        await clerk.enter(CLERK, "clerk@dimos.gr")
        assert (await administrator.get("/administration/kep")).status == 404
        page = "/administration/kep-administrators"
        await administrator.get(page)
        assert (await administrator.post(page, email="nobody@dimos.gr")).status == 422
        shown = await administrator.post(page, email="clerk@dimos.gr")
        assert "ΜΑΡΙΑ ΓΡΑΜΜΑΤΕΑΣ" in shown.text
        assert (await clerk.get("/administration/kep")).status == 200
        end = re.findall(r'action="([^"]+/end)"', shown.text)
        for each in end:
            shown = await administrator.post(each)
        assert (await clerk.get("/administration/kep")).status == 404


async def test_nothing_of_an_appointment_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """The log lines of a whole booking hold neither the link's secret nor the citizen."""
    async with running_accounts() as server, server.visitor() as citizen:
        await citizen.enter(CITIZEN)
        path = await book(
            citizen, await service_of(server, Theme.INFORMATION), need_lip_reading="yes"
        )
        link = await mailed(citizen)
        await citizen.get(link)
        await citizen.get("/kep/link/" + "x" * 43)
        async with server.service.database.read() as session:
            appointment = await session.get_one(Appointment, path.rpartition("/")[2])
        assert appointment.state == AppointmentState.BOOKED
    captured = capfd.readouterr()
    text = captured.out + captured.err
    for secret in (link.rpartition("/")[2], appointment.id, appointment.room, "ΠΟΛΙΤΗΣ",
                   "polites", "6900000000", "lip_reading", "Οδός 1"):  # fmt: skip
        assert secret not in text
