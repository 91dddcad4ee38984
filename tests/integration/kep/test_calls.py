"""Calls of appointments over HTTP and sockets, before a worker without media."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from sfu.values import Role
from signaling.identity import development
from signaling.kep.sample_call import CITIZEN, EMPLOYEE
from tests.support.databases import BACKENDS
from tests.support.kep_booking import choose_other_time, mailed
from tests.support.kep_calls import (
    CHECKED,
    INTERPRETER,
    INTERPRETER_EMAIL,
    OUTCOME,
    STRANGER,
    Caller,
    Desk,
    at,
    hear_call,
    running_call,
    running_desk,
    running_pair,
)
from tests.support.signaling_server import until

pytestmark = pytest.mark.asyncio

RANDOM = "0" * 32
# ---- who may come, and when


async def test_only_the_people_of_an_appointment_find_it(tmp_path: Path) -> None:
    async with running_desk("sqlite", tmp_path) as desk:
        await desk.invite_interpreter()
        who = (
            (CITIZEN, "c@example.gr", 200), (EMPLOYEE, "e@example.gr", 200),
            (INTERPRETER, INTERPRETER_EMAIL, 200), (STRANGER, "s@example.gr", 404),
        )  # fmt: skip
        for tax_number, email, expected in who:
            async with desk.accounts.visitor() as visitor:
                await visitor.enter(tax_number, email)
                caller = Caller(desk, visitor)
                assert (await caller.page()).status == expected, tax_number
                assert (await caller.ticket())[0] == expected
                foreign = await visitor.get(desk.api + "/waiting")
                assert foreign.status == expected
                random = await visitor.get(f"/api/v1/appointments/{RANDOM}/waiting")
                assert random.status == 404
                if expected == 404:
                    assert foreign.text == random.text
                    for what in ("sound-only", "sharp-picture", "identity", "abort"):
                        assert (await caller.ask(what))[0] == 404
                    assert (await visitor.get("/kep/desk")).status == 404
                    for path in ("/outcome", "/form"):
                        assert (await visitor.get(desk.desk + path)).status == 404


async def test_the_employee_of_another_kep_and_the_uninvited_do_not(tmp_path: Path) -> None:
    async with running_desk("sqlite", tmp_path) as desk, desk.accounts.visitor() as visitor:
        await desk.move_kep()
        await visitor.enter(EMPLOYEE, "e@example.gr")
        assert (await Caller(desk, visitor).ticket())[0] == 404
        await visitor.get("/kep/desk")
        assert (await visitor.post(desk.desk + "/take")).status == 404
        async with desk.accounts.visitor() as other:
            await other.enter(INTERPRETER, INTERPRETER_EMAIL)
            assert (await Caller(desk, other).ticket())[0] == 404


async def test_windows_of_citizen_and_employee(tmp_path: Path) -> None:
    async with running_pair("sqlite", tmp_path) as pair:
        desk, citizen, employee = pair.desk, pair.citizen, pair.employee
        start = at(desk, minutes=20)
        await desk.change(starts_at=start, ends_at=start + timedelta(minutes=20))
        door = await citizen.knock()
        assert (await door.hear("waiting"))["state"] == "early"
        room = await employee.walk_in()  # who prepares comes before the citizen
        await room.request(type="leave")
        await employee.visitor.get("/kep/desk")

        start = at(desk, minutes=90)
        await desk.change(starts_at=start, ends_at=start + timedelta(minutes=20))
        page = await citizen.page()
        assert page.status == 200 and "main.js" not in page.text
        door = await citizen.socket("/door")
        _, answer = await citizen.ticket()
        assert (await door.request(type="knock", ticket=answer["ticket"]))["code"] == "too_early"

        start = at(desk, hours=-3)
        await desk.change(starts_at=start, ends_at=start + timedelta(minutes=20))
        assert (await citizen.ticket())[0] == 409
        assert "main.js" not in (await citizen.page()).text


async def test_waiting_is_shown_to_the_citizen_and_on_the_desk(tmp_path: Path) -> None:
    async with running_pair("sqlite", tmp_path) as pair:
        desk, citizen, employee = pair.desk, pair.citizen, pair.employee
        page = await citizen.page()
        assert "δεν έχει συνδεθεί ακόμη" in page.text and "tel:2100000089" in page.text
        door = await citizen.knock()
        await desk.until_state("waiting")
        shown = await employee.visitor.get("/kep/desk")
        assert "Ο επόμενος περιμένει" in shown.text and "περιμένει από" in shown.text
        await employee.visitor.post("/kep/desk/message", message="Έρχομαι σε πέντε λεπτά")
        async with citizen.visitor.http.get(desk.accounts.url + desk.api + "/waiting") as response:
            assert await response.json() == {
                "place": 1, "employee": "ready", "delay_minutes": 0, "phone": "2100000089",
                "message": "Έρχομαι σε πέντε λεπτά",
            }  # fmt: skip
        await door.request(type="leave")
        await desk.until_state("booked")
        assert "Ο επόμενος περιμένει" not in (await employee.visitor.get("/kep/desk")).text


# ---- the call


@pytest.mark.parametrize("backend", BACKENDS)
async def test_whole_call_with_an_interpreter(backend: str, tmp_path: Path) -> None:
    async with running_call(backend, tmp_path) as call, call.desk.accounts.visitor() as third:
        desk = call.desk
        assert (await call.employee.view())["phase"] == "identifying"
        await desk.invite_interpreter()
        await third.enter(INTERPRETER, INTERPRETER_EMAIL)
        interpreter = Caller(desk, third)
        door = await interpreter.knock()
        await call.employee.take()  # the same button takes in who comes later
        room = await interpreter.enter(door)
        desk.let_flow(Role.INTERPRETER)
        await call.confirm()
        assert desk.cameras() == {"citizen": True, "employee": True, "interpreter": True}

        assert await call.citizen.ask("sound-only", wanted="yes") == (200, {})
        view = await hear_call(room, lambda view: view["sound_only"] is not None)
        assert view["sound_only"] == "citizen"
        await until(lambda: desk.cameras() == {
            "citizen": False, "employee": False, "interpreter": True,
        })  # fmt: skip
        assert (await interpreter.ask("sound-only", wanted="no"))[1]["code"] == "not_allowed"
        assert await call.employee.ask("sound-only", wanted="no") == (200, {})
        await until(lambda: all(desk.cameras().values()))

        assert await call.conclude() == 200
        assert await desk.state() == "concluded"
        assert await call.citizen_socket.closed() is not None
        await until(lambda: desk.room not in desk.worker.fake.rooms)
        form = await call.employee.visitor.get(desk.desk + "/form")
        for text in ("ΓΙΩΡΓΟΣ ΠΟΛΙΤΗΣ", "ΑΠ 42/2026", "ΑΝΝΑ ΥΠΑΛΛΗΛΟΥ", "ΚΕΠ Αθηναίων 0089"):
            assert text in form.text
        record = await desk.record()
        await call.employee.visitor.get("/kep/desk")
        again = await call.employee.visitor.post(desk.desk + "/outcome", **OUTCOME)
        assert again.status == 409 and "έχει ήδη ολοκληρωθεί" in again.text
        assert record is not None and record.identified_how == "centre"
        assert record.waiting_since and record.began_at and record.identified_at and record.ended_at
        assert (await call.citizen.ticket())[0] == 409


async def test_sound_only_is_refused_before_the_confirmation(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        for who in (call.citizen, call.employee):
            status, answer = await who.ask("sound-only", wanted="yes")
            assert (status, answer["code"]) == (409, "camera_obligatory")
        mute = {"type": "mute", "source": "camera", "muted": True}
        refused = await call.citizen_socket.request(**mute)
        assert (refused["type"], refused["code"]) == ("error", "camera_obligatory")
        assert (await call.employee_socket.request(**mute))["type"] == "done"
        assert call.desk.cameras() == {"citizen": True, "employee": True}
        await call.confirm()
        assert (await call.citizen_socket.request(**mute))["type"] == "done"


async def test_sharp_picture_is_the_employees_to_ask(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        assert (await call.citizen.ask("sharp-picture", wanted="yes"))[0] == 409
        assert (await call.employee.ask("sharp-picture", wanted="yes"))[0] == 200
        await hear_call(call.citizen_socket, lambda view: bool(view["wants_sharp_picture"]))
        await call.confirm()
        assert not (await call.citizen.view())["wants_sharp_picture"]


async def test_what_cannot_confirm_an_identity(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        desk = call.desk
        assert (await call.citizen.ask("identity", **CHECKED))[0] == 403
        unticked = {name: value for name, value in CHECKED.items() if name != "face_matches"}
        assert await call.employee.ask("identity", **unticked) == (
            422, {"errors": {"face_matches": "not_checked"}},
        )  # fmt: skip
        bad = {**CHECKED, "document_number": "?"}
        assert (await call.employee.ask("identity", **bad))[1]["errors"] == {
            "document_number": "document_number_bad"
        }
        desk.let_flow(Role.CITIZEN, False)
        await hear_call(call.employee_socket, lambda view: not view["citizen_camera"])
        assert (await call.employee.ask("identity", **CHECKED))[1]["code"] == "no_camera"
        desk.let_flow(Role.CITIZEN)
        await hear_call(call.employee_socket, lambda view: bool(view["citizen_camera"]))
        wrong = {**CHECKED, "document_number": "ΧΧ123456"}
        assert (await call.employee.ask("identity", **wrong))[1]["code"] == "identity_mismatch"
        await call.citizen_socket.request(type="leave")
        await hear_call(call.employee_socket, lambda view: not view["citizen_camera"])
        assert (await call.employee.ask("identity", **CHECKED))[1]["code"] == "no_citizen"
        assert await desk.state() == "identifying"


async def test_centre_that_is_away_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_call("sqlite", tmp_path) as call:
        with monkeypatch.context() as patch:
            patch.setattr(development, "SAMPLE_PEOPLE", None)  # its handler fails: 500
            status, answer = await call.employee.ask("identity", **CHECKED)
        assert (status, answer["code"]) == (409, "centre_unavailable")
        assert await call.desk.state() == "identifying"
        await call.confirm()


async def test_weak_network_steps_down_to_sound(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        desk = call.desk
        await call.confirm()
        await desk.weaken()
        view = await hear_call(call.citizen_socket, lambda view: view["sound_only"] is not None)
        assert view["sound_only"] == "weak_network"
        await until(lambda: not any(desk.cameras().values()))
        assert (await call.citizen.ask("sound-only", wanted="no"))[0] == 200
        await until(lambda: all(desk.cameras().values()))


async def test_who_comes_back_during_sound_only_gets_no_camera(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        desk = call.desk
        await call.confirm()
        await call.employee.ask("sound-only", wanted="yes")
        await until(lambda: not any(desk.cameras().values()))
        await call.citizen_socket.request(type="leave")
        door = await call.citizen.knock()
        await call.employee.take()
        await call.citizen.enter(door)
        await until(lambda: desk.cameras() == {"citizen": False, "employee": False})
        assert await desk.state() == "serving"


async def test_mistakes_in_the_outcome_are_shown(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        assert await call.conclude() == 409  # not identified
        page = await call.employee.visitor.get(call.desk.desk + "/outcome")
        assert "αφού επιβεβαιωθεί η ταυτότητα" in page.text
        await call.confirm()
        assert await call.conclude(reference_number="") == 422
        assert await call.conclude(reference_number="<b>") == 422
        assert await call.conclude(delivery="pigeon") == 422
        assert await call.desk.state() == "serving"
        assert (await call.employee.visitor.get(call.desk.desk + "/form")).status == 404


# ---- other ends


async def test_absent_citizen_may_still_come_late(tmp_path: Path) -> None:
    async with running_pair("sqlite", tmp_path) as pair:
        desk, visitor = pair.desk, pair.employee.visitor
        desk.accounts.clock.shift_s += 600
        await visitor.get("/kep/desk")
        assert (await visitor.post(desk.desk + "/absent")).path == "/kep/desk"
        assert await desk.state() == "absent"
        await visitor.get("/kep/desk")
        refused = await visitor.post(desk.desk + "/absent")
        assert refused.status == 409
        assert "Το ραντεβού άλλαξε στο μεταξύ" in refused.text
        assert "Τα ραντεβού μου" in refused.text
        await pair.citizen.knock()
        await desk.until_state("waiting")
        assert await desk.audited() == ["note_absent"]


async def test_broken_off_call_is_closed_with_its_reason(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        assert (await call.citizen.ask("abort", reason="misconduct"))[0] == 403
        assert (await call.employee.ask("abort", reason="bored"))[0] == 400
        assert await call.employee.ask("abort", reason="camera_failed") == (200, {})
        assert await call.desk.state() == "aborted"
        await call.citizen_socket.closed()
        assert call.citizen_socket.heard[-1]["reason"] == "aborted_camera_failed"
        record = await call.desk.record()
        assert record is not None and record.abort_reason == "camera_failed"
        assert (await call.employee.ask("abort", reason="camera_failed"))[0] == 409


async def test_appointment_moved_by_the_mailed_link_ends_its_call(tmp_path: Path) -> None:
    async with running_pair("sqlite", tmp_path) as pair:
        desk, citizen = pair.desk, pair.citizen.visitor
        # The service may have marked it already, as booked only now.
        await desk.change(created_at=at(desk, days=-3), reminded_at=None)
        await desk.accounts.keps.remind()
        path = (await citizen.get(await mailed(citizen))).path
        assert path == f"/kep/appointments/{desk.appointment_id}"
        fields = await choose_other_time(citizen, path)  # and left open in another window
        token = citizen.csrf
        call = await pair.begin()

        moved = await citizen.post(path + "/reschedule", csrf=token, **fields)
        assert moved.status == 200 and "άλλαξε ώρα" in moved.text and moved.path != path
        for socket in (call.citizen_socket, call.employee_socket):
            await socket.closed()
            assert socket.heard[-1]["reason"] == "ended"
        assert await desk.state() == "rescheduled"
        assert (await call.citizen.ticket())[0] == 409
        await until(lambda: desk.room not in desk.worker.fake.rooms)
        new = Desk(desk.accounts, desk.worker, moved.path.rpartition("/")[2])
        assert await new.state() == "booked"
        assert (await Caller(new, citizen).page()).status == 200


async def test_who_waits_may_move_or_cancel_and_who_is_in_the_call_is_not_offered_it(
    tmp_path: Path,
) -> None:
    async with running_pair("sqlite", tmp_path) as pair:
        path = f"/kep/appointments/{pair.desk.appointment_id}"
        call = await pair.begin()
        for what in ("/reschedule", "/cancel"):
            assert (await pair.citizen.visitor.get(path + what)).status == 409
        await call.citizen_socket.request(type="ping")
    async with running_pair("sqlite", tmp_path / "other") as pair:
        path = f"/kep/appointments/{pair.desk.appointment_id}"
        door = await pair.citizen.knock()
        await pair.desk.until_state("waiting")
        await choose_other_time(pair.citizen.visitor, path)
        await pair.citizen.visitor.get(path + "/cancel")
        cancelled = await pair.citizen.visitor.post(path + "/cancel")
        assert "ακυρώθηκε" in cancelled.text
        assert (await door.hear("dismissed"))["outcome"] == "ended"


# ---- at once


async def test_of_two_who_take_the_same_citizen_one_is_refused(tmp_path: Path) -> None:
    async with running_pair("sqlite", tmp_path) as pair, pair.desk.accounts.visitor() as third:
        desk, citizen = pair.desk, pair.citizen
        await desk.add_colleague(third)
        door = await citizen.knock()
        await desk.until_state("waiting")
        callers = [pair.employee, Caller(desk, third)]
        shown = await asyncio.gather(*(each.take() for each in callers))
        assert sorted(each.status for each in shown) == [200, 409]
        winner = next(
            caller for caller, each in zip(callers, shown, strict=True) if each.status == 200
        )
        loser = next(each for each in callers if each is not winner)
        await winner.walk_in()
        await citizen.enter(door)
        await desk.until_state("identifying")
        refused = await loser.take()
        assert refused.status == 409
        assert "εξυπηρετεί ήδη συνάδελφος" in refused.text and "Τα ραντεβού μου" in refused.text
        assert await desk.audited() == ["begin_call"]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_confirming_and_breaking_off_at_once(backend: str, tmp_path: Path) -> None:
    async with running_call(backend, tmp_path) as call:
        await call.employee.ask("sharp-picture", wanted="no")  # both forms have their token
        (confirmed, one), (aborted, other) = await asyncio.gather(
            call.employee.ask("identity", **CHECKED),
            call.employee.ask("abort", reason="identity_not_confirmed"),
        )
        actions = await call.desk.audited()
        assert aborted in (200, 409) and confirmed in (200, 409)
        state = await call.desk.state()
        assert state == ("aborted" if aborted == 200 else "serving")
        if confirmed == 409:
            assert one["code"] in ("wrong_state", "changed_meanwhile", "no_citizen")
            assert "confirm_identity" not in actions
        if aborted == 409:
            assert other["code"] in ("wrong_state", "changed_meanwhile")
        assert 200 in (confirmed, aborted)


# ---- restarts, failures, records


async def test_without_the_database_the_call_goes_on_in_its_phase(tmp_path: Path) -> None:
    async with running_call("sqlite", tmp_path) as call:
        assert (await call.employee.ask("sharp-picture", wanted="no"))[0] == 200
        call.desk.database.is_migrated = False  # every session says StorageUnavailable
        for what in ("identity", "abort"):
            status, answer = await call.employee.ask(what, **CHECKED, reason="misconduct")
            assert (status, answer["code"]) == (503, "storage_unavailable"), what
        said = await call.citizen_socket.request(type="mute", source="microphone", muted=True)
        assert said["type"] == "done"
        call.desk.database.is_migrated = True
        assert (await call.employee.view())["phase"] == "identifying"
        await call.confirm()
