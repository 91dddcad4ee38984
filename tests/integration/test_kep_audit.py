"""No kep call without the audit chain: a real chain on a real disk, real sockets, a worker without media."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from recording_policy import verify as verifier
from sfu import rpc_messages as rpc
from sfu.values import Role, RoomClass
from signaling.audit.config import AuditConfig
from signaling.audit.private_store import PrivateStore
from signaling.audit.service import PSEUDONYM_SECRET
from signaling.main import main
from signaling.secrets import load_or_create_secret
from signaling.vault import Vault
from tests.support import signaling_server
from tests.support.audit_entries import (
    assert_verifies,
    entries,
    facts,
    log_of,
    until_logged,
)
from tests.support.signaling_parts import KEP_ROOM
from tests.support.signaling_server import Client, Server, running_server, until
from tests.support.small_disk import fill_disk, small_disk
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio

ROOM = KEP_ROOM.room


async def enter(server: Server, role: Role, **token: Any) -> Client:
    client = await server.joined(room=ROOM, role=role, **token)
    client.joined["receipt"] = (await client.hear("receipt"))["secret"]
    return client


async def refused(server: Server) -> dict[str, Any]:
    client = await server.connect()
    token = server.token(room=ROOM, role=Role.CITIZEN)
    return await client.request(type="join", token=token, encryption="on")


async def readyz(server: Server, query: str = "") -> tuple[int, dict[str, Any]]:
    async with server.http.get(f"{server.control.url}/readyz{query}") as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else {}


async def receipt(server: Server, secret: str, **form: str) -> tuple[int, str, dict[str, str]]:
    data = {"secret": secret, **form}
    async with server.http.post(f"{server.control.url}/receipts", data=data) as response:
        return response.status, await response.text(), dict(response.headers)


async def end_call(server: Server, employee: Client) -> dict[str, Any]:
    await employee.request(type="close_room", reason="thanks, Maria")
    return await until_logged(server, "call_closed")


async def test_opening_and_entry_are_on_the_disk_before_the_worker_hears_of_them() -> None:
    async with running_server() as server:
        worker = server.worker(RoomClass.KEP).fake
        seen: dict[str, list[str]] = {}
        handle = worker.handle

        async def look(request: rpc.Request) -> Any:
            kinds = [body["kind"] for body in entries(log_of(server))]
            seen.setdefault(type(request).__name__, kinds)
            return await handle(request)

        server.worker(RoomClass.KEP).fake.handle = look  # type: ignore[method-assign]
        await server.worker(RoomClass.KEP).stop()
        await server.worker(RoomClass.KEP).start()
        await until(lambda: server.control.directory.is_ready)
        await enter(server, Role.CITIZEN)

    assert seen["OpenRoom"][-2:] == ["worker_statement", "call_opened"]
    assert seen["Join"][-1] == "participant_joined"


async def test_call_leaves_its_whole_story_without_names_and_the_chain_verifies() -> None:
    async with running_server() as server:
        citizen = await enter(server, Role.CITIZEN, name="Μαρία Παπαδοπούλου", subject="sub-maria")
        employee = await enter(server, Role.EMPLOYEE, name="Νίκος", subject="sub-nikos")
        await citizen.request(type="leave")
        closing = await end_call(server, employee)

        story = [body["kind"] for body in entries(log_of(server))][2:]
        text = log_of(server).read_text()
        assert_verifies(server)

    assert story == [
        *("worker_statement", "call_opened"),
        *("participant_joined", "encryption_changed") * 2,
        *("participant_left", "participant_left", "call_closed", "checkpoint"),
    ]
    assert closing["tried_again"] == {"open files": "EPERM"} and closing["worker_is_same"]
    assert closing["end_to_end_encryption"] == {"on": 2}
    secrets_ = [citizen.joined["receipt"], citizen.joined["secret"]]
    for word in ("Μαρ", "Maria", "\\u039c", "sub-maria", "sub-nikos", "127.0.0.1", *secrets_):
        assert word not in text, word


async def test_log_that_another_holds_refuses_kep_and_hurts_no_council() -> None:
    with tempfile.TemporaryDirectory() as name:
        holder = os.open(Path(name) / "audit.log", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            async with running_with_log(Path(name), wait_for_audit=False) as server:
                error = await refused(server)
                assert (error["code"], error["retry_after_s"]) == ("audit_unavailable", 5), error
                status, told = await readyz(server)
                assert (status, told["audit"]) == (503, False)
                assert told["classes"] == {"council": True, "kep": False}
                assert (await readyz(server, "?room_class=council"))[0] == 200
                assert (await readyz(server, "?room_class=kep"))[0] == 503
                assert (await readyz(server, "?room_class=other"))[0] == 404
                await server.joined()
                assert server.worker(RoomClass.KEP).fake.rooms == {}

                fcntl.flock(holder, fcntl.LOCK_UN)
                await until(lambda: not server.control.audit.writer.problem)
                await enter(server, Role.CITIZEN)
                assert (await readyz(server))[0] == 200
        finally:
            os.close(holder)


async def test_altered_end_of_the_log_refuses_kep() -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "audit.log").write_bytes(b"0" * 64 + b' {"facts":{}}\n')
        async with running_with_log(Path(name), wait_for_audit=False) as server:
            assert (await refused(server))["code"] == "audit_unavailable"
            assert "last line" in server.control.audit.writer.problem
            await server.joined()


async def test_full_disk_refuses_kep_and_what_happened_is_stored_once_there_is_room() -> None:
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk", 256) as disk:
        async with running_with_log(disk) as server:
            citizen = await enter(server, Role.CITIZEN)
            await server.joined()
            filler = fill_disk(disk)
            # The last page of the log itself has room for some entries more.
            async with asyncio.timeout(PATIENCE_S):
                while (error := await refused(server))["type"] == "joined":
                    pass
            assert (error["code"], error["retry_after_s"]) == ("audit_unavailable", 5), error
            assert (await readyz(server, "?room_class=kep"))[0] == 503
            await server.joined()  # council goes on
            opened = len(facts(disk / "audit.log", "participant_joined"))
            await citizen.request(type="leave")  # and so does who is in the call
            assert await citizen.closed() == 1000

            filler.unlink()
            await until(lambda: not server.control.audit.writer.problem)
            await until(lambda: bool(facts(disk / "audit.log", "participant_left")))
            assert facts(disk / "audit.log", "recovered")[0]["entries_refused"] >= 1
            await enter(server, Role.EMPLOYEE)
            assert len(facts(disk / "audit.log", "participant_joined")) == opened + 1
            lines = (disk / "audit.log").open("rb")
            with lines:
                verifier.verify(lines, verifier.read_key(server.folder / "audit-key.pem.pub"))


async def test_two_who_open_the_room_at_once_open_one_call() -> None:
    async with running_server() as server:
        people = await asyncio.gather(*(enter(server, Role.CITIZEN) for _ in range(3)))

        assert len(facts(log_of(server), "call_opened")) == 1
        assert len(facts(log_of(server), "participant_joined")) == len(people)


async def test_refused_join_is_undone_in_the_log() -> None:
    async with running_server() as server:
        server.worker(RoomClass.KEP).fake.info = rpc.WorkerInfo(
            **{f: getattr(server.worker(RoomClass.KEP).fake.info, f) for f in
               ("version", "worker", "incarnation", "room_class", "statement")}, capacity=1,
        )  # fmt: skip
        await enter(server, Role.CITIZEN)
        assert (await refused(server))["code"] == "room_full"

        left = await until_logged(server, "participant_left")
        assert left["reason"] == "refused"


async def test_receipt_is_given_after_the_call_and_the_stand_alone_verifier_confirms_it(
    tmp_path: Path,
) -> None:
    async with running_server() as server:
        citizen = await enter(server, Role.CITIZEN, subject="sub-maria")
        employee = await enter(server, Role.EMPLOYEE, subject="sub-nikos")
        secret = citizen.joined["receipt"]
        assert (await receipt(server, secret))[0] == 409
        await end_call(server, employee)
        await until_ready(server, secret)

        status, text, headers = await receipt(server, secret, format="json")
        assert status == 200 and "attachment" in headers["Content-Disposition"]
        assert headers["Cache-Control"] == "no-store"
        document = json.loads(text)
        joined = facts(log_of(server), "participant_joined")
        others = {each["actor"] for each in joined} - {document["actor"]}
        assert len(others) == 1 and others.pop() not in text
        assert {"participant_joined", "participant_left"} <= kinds_of(document)

        for wrong in (secrets.token_urlsafe(32), secret[:-1] + ("A" if secret[-1] != "A" else "B")):
            assert (await receipt(server, wrong))[0] == 404
        assert (await receipt(server, "short"))[0] == 422
        (tmp_path / "receipt.json").write_text(text)
        key = server.folder / "audit-key.pem.pub"
        good = await verify_alone(tmp_path / "receipt.json", key)
        assert good.returncode == 0 and good.stdout.startswith("HOLDS"), good
        assert "1 entries" not in good.stdout and "execute programs" in good.stdout
        for altered in tampered(document):
            (tmp_path / "altered.json").write_text(json.dumps(altered))
            bad = await verify_alone(tmp_path / "altered.json", key)
            assert bad.returncode == 1 and bad.stdout.startswith("WRONG"), (bad, altered)


def kinds_of(document: dict[str, Any]) -> set[str]:
    return {json.loads(each["line"][65:])["kind"] for each in document["entries"]}


def tampered(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the receipt, altered in the ways in which somebody would."""

    def forge(line: str, old: str, new: str) -> str:
        body = line[65:].replace(old, new)
        assert body != line[65:]
        return f"{verifier.hash_of(body.encode())} {body}"

    first, *rest = document["entries"]
    own = rest[0]
    return [
        {**document, "call": "0" * 32},
        {**document, "entries": rest},
        {**document, "entries": []},
        {
            **document,
            "entries": [first, {**own, "line": forge(own["line"], "citizen", "employee")}],
        },
        {**document, "entries": [first, {**own, "index": own["index"] + 1}]},
        {**document, "entries": [first, {**own, "path": own["path"][:-1]}]},
        {**document, "entries": [first, {**own, "path": [*own["path"], "0" * 64]}]},
        {**document, "closing": forge(document["closing"], '"entries":7', '"entries":6')},
        {**document, "checkpoint": document["closing"]},
        {**document, "statement": forge(document["statement"], "EPERM", "done")},
        {**document, "format": "synedrion receipt 2"},
        {key: value for key, value in document.items() if key != "closing"},
    ]


async def verify_alone(path: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier where nothing is installed: the standard library only."""
    command = [
        sys.executable,
        "-I",
        "-S",
        verifier.__file__,
        "receipt",
        str(path),
        "--key",
        str(key),
    ]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd="/", check=False
    )


async def until_ready(server: Server, secret: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await receipt(server, secret))[0] == 409:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_receipt_is_gone_after_its_time() -> None:
    async with running_server() as server:
        employee = await enter(server, Role.EMPLOYEE)
        await end_call(server, employee)
        await until_ready(server, employee.joined["receipt"])
        connection = server.control.audit._store
        await asyncio.to_thread(connection.forget_expired, 2**62)

        assert (await receipt(server, employee.joined["receipt"]))[0] == 404


async def test_new_control_plane_goes_on_with_the_call_and_its_receipts() -> None:
    async with running_server() as server:
        citizen = await enter(server, Role.CITIZEN)
        employee = await enter(server, Role.EMPLOYEE)
        await server.restart_control_plane()
        again = await server.connect()
        joined = await again.request(**employee.resume_message())
        assert joined["type"] == "joined"
        await until_logged(server, "call_opened")
        await again.request(type="close_room", reason="")
        closing = await until_logged(server, "call_closed")

        assert len(facts(log_of(server), "call_opened")) == 1
        assert closing["entries"] == 7  # opened, two joined, two encrypted, two left
        for client in (citizen, employee):
            await until_ready(server, client.joined["receipt"])
            assert (await receipt(server, client.joined["receipt"]))[0] == 200
        assert_verifies(server)


async def test_restarted_worker_states_itself_before_the_room_is_opened_again() -> None:
    async with running_server() as server:
        citizen = await enter(server, Role.CITIZEN)
        await server.worker(RoomClass.KEP).restart()
        await citizen.hear("media_lost")

        moved = facts(log_of(server), "call_moved")
        assert [each["incarnation"] for each in moved] == ["incarnation-2"]
        assert len(facts(log_of(server), "worker_statement")) == 2
        assert (await citizen.request(type="ping"))["type"] == "done"


async def test_call_that_ended_while_nobody_looked_is_closed_as_lost() -> None:
    async with running_server() as server:
        await enter(server, Role.CITIZEN)
        await server.control.stop(crash=True)
        await server.worker(RoomClass.KEP).restart()
        await server.restart_control_plane()

        assert (await until_logged(server, "call_closed"))["reason"] == "lost"
        assert_verifies(server)


async def test_forgotten_person_is_nobodys_pseudonym_and_the_chain_holds() -> None:
    async with running_server() as server:
        employee = await enter(server, Role.EMPLOYEE, subject="sub-nikos")
        await end_call(server, employee)
        actor = facts(log_of(server), "participant_joined")[0]["actor"]
        path = server.folder / "audit-private.sqlite3"
        vault = Vault(load_or_create_secret(server.folder / PSEUDONYM_SECRET))
        store = PrivateStore(path, vault)
        assert store.known_pseudonym("sub-nikos") == actor

        assert store.forget("sub-nikos") and not store.forget("sub-nikos")
        assert store.known_pseudonym("sub-nikos") is None
        assert store.pseudonym("sub-nikos") != actor
        store.close()
        assert b"sub-nikos" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0
        assert_verifies(server)


async def test_commands_verify_export_and_tell_statements_of_a_running_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running_server() as server:
        citizen = await enter(server, Role.CITIZEN, subject="sub-maria")
        employee = await enter(server, Role.EMPLOYEE, subject="sub-nikos")
        await employee.request(type="record")
        await end_call(server, employee)
        await citizen.closed()
        config = server.folder / "synedrion.toml"
        config.write_text(f"""data_folder = "{server.folder}"
[[workers]]
name = "kep"
room_class = "kep"
""")

        async def run(*words: str) -> tuple[int, str]:
            arguments = ["audit", *words, "--config", str(config)]
            status = await asyncio.to_thread(main, arguments)
            return status, capsys.readouterr().out

        status, text = await run("verify")
        assert status == 0 and text.count("HOLDS") == 2, text
        anchor = text.split("anchor ")[1].split()[0]
        assert (await run("verify", "--anchor", anchor, "--without-trail"))[0] == 0
        assert (await run("verify", "--anchor", f"9999:{'0' * 64}", "--without-trail"))[0] == 1
        assert (await run("verify", "--anchor", "x"))[0] == 2

        call = facts(log_of(server), "call_opened")[0]["call"]
        exported = [
            json.loads(line) for line in (await run("export", "--call", call))[1].splitlines()
        ]
        assert {each["facts"]["call"] for each in exported} == {call} and len(exported) == 9
        own = (await run("export", "--person", "sub-maria"))[1].splitlines()
        assert [json.loads(line)["kind"] for line in own] == [
            "participant_joined",
            "participant_left",
        ]
        assert '"verb": "record"' in (await run("export", "--kind", "verb_refused"))[1]
        assert (await run("export", "--person", "nobody"))[0] == 1

        status, text = await run("statement")
        assert status == 1 and "OTHER CODE" in text and "no prohibition is missing" in text
        assert (await run("forget", "--person", "sub-maria"))[0] == 0
        assert (await run("forget", "--person", "sub-maria"))[0] == 1
        assert (await run("export", "--person", "sub-maria"))[0] == 1
        text = log_of(server).read_text().replace('"role":"citizen"', '"role":"citizeN"')
        log_of(server).write_text(text)
        status, text = await run("verify")
        assert status == 1 and "its hash does not fit" in text


def running_with_log(folder: Path, *, wait_for_audit: bool = True) -> Any:
    """Run a server whose chain is in `folder`."""
    return signaling_server.running_server(
        audit=AuditConfig(log_file=str(folder / "audit.log")), wait_for_audit=wait_for_audit
    )
