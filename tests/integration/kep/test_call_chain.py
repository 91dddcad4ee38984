"""What the audit chain holds of calls: every change, under pseudonyms that are what they claim."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sfu.values import Role
from signaling.kep.sample_call import CITIZEN, EMPLOYEE
from signaling.main import main
from signaling.storage.models import Person
from tests.support.audit_entries import Body, entries
from tests.support.kep_calls import (
    CHECKED,
    INTERPRETER,
    INTERPRETER_EMAIL,
    Caller,
    InCall,
    Pair,
    running_call,
)
from tests.support.signaling_server import until

pytestmark = pytest.mark.asyncio


async def test_every_change_is_in_the_trail_and_in_the_chain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("signaling", "sfu"):
        caplog.set_level("DEBUG", logger=logger)
    async with running_call("sqlite", tmp_path) as call:
        wrong = {**CHECKED, "document_number": "ΧΧ 99887"}
        await call.employee.ask("identity", **wrong)
        await call.confirm()
        await call.conclude()
        assert await call.desk.audited() == [
            "begin_call", "ask_centre", "ask_centre", "confirm_identity", "conclude_call",
        ]  # fmt: skip
        await call.citizen_socket.closed()
        appointment = await call.desk.appointment()
        chain = tmp_path / "data" / "audit.log"
        await until(lambda: bool(entries(chain, "call_closed")))
        bodies = entries(chain, "phase_changed", "identity_asked")
    story = [each["facts"].get("phase") or each["facts"].get("result") for each in bodies]
    assert story == ["identifying", "identity_mismatch", "confirmed", "serving", "concluded"]
    asked = next(each for each in bodies if each["kind"] == "identity_asked")["facts"]
    assert set(asked) >= {
        "auditTransactionId", "auditTransactionDate", "auditUnit", "auditProtocol", "auditUserId",
        "auditUserIp",
    }  # fmt: skip
    logged = "".join(repr(vars(record)) for record in caplog.records)
    assert "request" in logged
    text = chain.read_text(encoding="utf-8") + logged
    for personal in (
        CITIZEN, EMPLOYEE, "ΠΟΛΙΤΗΣ", "ΥΠΑΛΛΗΛΟΥ", "99887", "ΑΒ123456", "ΑΠ 42", "example.gr",
        "127.0.0.1", appointment.person_id,
    ):  # fmt: skip
        assert personal not in text, personal


async def let_interpreter_in(call: InCall, interpreter: Caller) -> None:
    await call.desk.invite_interpreter()
    door = await interpreter.knock()
    await call.employee.take()
    await interpreter.enter(door)


async def come_back(call: InCall) -> None:
    """Let the citizen leave and be taken in again."""
    await call.citizen_socket.request(type="leave")
    door = await call.citizen.knock()
    await call.employee.take()
    call.citizen_socket = await call.citizen.enter(door)
    call.desk.let_flow(Role.CITIZEN)
    await call.confirm()


async def two_calls(call: InCall, interpreter: Caller, chain: Path) -> None:
    """Play two whole appointments of the same citizen and employee."""
    await let_interpreter_in(call, interpreter)
    await call.employee.ask("identity", **{**CHECKED, "document_number": "ΧΧ 99887"})
    await come_back(call)
    await call.employee.ask("sound-only", wanted="yes")
    await call.conclude()
    await call.citizen_socket.closed()
    await call.desk.add_appointment()
    call.desk.accounts.clock.shift_s += 1800  # the first took its time and the gap after it
    again = await Pair(call.desk, call.citizen, call.employee).begin()
    await again.confirm()
    await again.conclude()
    await again.citizen_socket.closed()
    await until(lambda: len(entries(chain, "call_closed")) == 2)


def strings_of(value: Any) -> list[str]:
    """Return every string in a body, names of fields included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in strings_of(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings_of(each)]
    return [str(value)]


def pseudonyms_of(bodies: list[Body]) -> dict[tuple[str, str], set[str]]:
    """Return the pseudonyms by call and role; of who asks the centre and from where, by field."""
    found = defaultdict(set)
    for body in bodies:
        facts = body["facts"]
        if body["kind"] == "participant_joined":
            found[facts["call"], facts["role"]].add(facts["actor"])
        if body["kind"] == "identity_asked":
            for name in ("auditUserId", "auditUserIp"):
                found[facts["call"], name].add(facts[name])
    return found


def guesses(call: InCall, people: list[Person], rooms: set[str]) -> set[str]:
    """Return what stands for somebody in another record, or can be computed without the keys."""
    known = [each.id for each in people] + [CITIZEN, EMPLOYEE, INTERPRETER, "127.0.0.1"]
    plain = [*known, *(f"{room}\0{each}" for room in rooms for each in known)]
    plain += [hashlib.sha256(each.encode()).hexdigest()[:32] for each in plain]
    hashes = [hashlib.sha256(each.encode()).hexdigest() for each in plain]
    hashes += [hmac.new(b"", each.encode(), hashlib.sha256).hexdigest() for each in plain]
    vault = call.desk.accounts.service.vault  # of the database
    keyed = [vault.pseudonym(each) for each in plain]
    keyed += [vault.lookup_hash("audit-actor", each) for each in plain]
    return {*plain, *(each[:32] for each in (*hashes, *keyed))}


async def test_pseudonyms_of_two_calls_are_what_they_claim(tmp_path: Path) -> None:
    chain = tmp_path / "data" / "audit.log"
    async with running_call("sqlite", tmp_path) as call, call.desk.accounts.visitor() as third:
        await third.enter(INTERPRETER, INTERPRETER_EMAIL)
        await two_calls(call, Caller(call.desk, third), chain)
        async with call.desk.database.read() as session:
            people = list(await session.scalars(select(Person)))

    bodies = entries(chain)
    rooms = {each["facts"]["room"] for each in entries(chain, "call_opened")}
    found = pseudonyms_of(bodies)
    first, second = (each["facts"]["call"] for each in entries(chain, "call_opened"))
    assert len([each for each in entries(chain, "participant_joined")
                if each["facts"]["call"] == first]) == 4, "one came twice"  # fmt: skip
    assert set(found) == {
        *itertools.product((first, second), ("citizen", "employee", "auditUserId", "auditUserIp")),
        (first, "interpreter"),
    }
    # One for each person in a call, whoever leaves and comes back; none of one call in the other.
    assert {len(each) for each in found.values()} == {1}
    for name in ("auditUserId", "auditUserIp"):
        assert found[first, name] == found[second, name]
    different = set().union(*found.values())
    assert len(different) == len(found) - 2
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in different)

    texts = {text for body in bodies for text in strings_of(body)}
    assert different <= texts
    assert not {*texts, *(text[:32] for text in texts)} & guesses(call, people, rooms)
    personal = [CITIZEN, EMPLOYEE, INTERPRETER, "127.0.0.1", "99887", "ΑΒ123456", "ΑΠ 42", "@"]
    personal += [word for each in people for word in each.full_name.split()]
    personal += [each.id for each in people]
    assert len(people) >= 3
    for text in texts:
        assert not [each for each in personal if each.casefold() in text.casefold()], text


async def test_person_is_found_and_forgotten_in_all_their_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, config = tmp_path / "data" / "audit.log", tmp_path / "synedrion.toml"
    async with running_call("sqlite", tmp_path) as call, call.desk.accounts.visitor() as third:
        await third.enter(INTERPRETER, INTERPRETER_EMAIL)
        await two_calls(call, Caller(call.desk, third), chain)
        citizen = (await call.desk.appointment()).person_id
        async with call.desk.database.read() as session:
            employee = await session.scalar(
                select(Person.id).where(Person.email == "employee@example.gr")
            )
    config.write_text(
        f'data_folder = "{tmp_path}/data"\n[[workers]]\nname = "kep"\nroom_class = "kep"\n'
    )

    async def run(command: str, person: str) -> tuple[int, str]:
        arguments = ["audit", command, "--person", person, "--config", str(config)]
        status = await asyncio.to_thread(main, arguments)
        return status, capsys.readouterr().out

    status, text = await run("export", citizen)
    joined = [line for line in text.splitlines() if '"participant_joined"' in line]
    assert status == 0 and len(joined) == 3
    assert all('"role": "citizen"' in line for line in joined)
    assert (await run("export", employee))[1].count('"identity_asked"') == 3
    assert (await run("forget", citizen))[0] == 0
    assert (await run("export", citizen))[0] == 1
    assert (await run("forget", citizen))[0] == 1
    assert (await run("export", employee))[0] == 0
