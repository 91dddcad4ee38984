"""The kep worker as a process: what it refuses once locked, what it does in a call, what is left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import secrets
import signal
import sys
import time
from pathlib import Path

import pytest

from recording_policy.sandbox import REQUIRED_PROHIBITIONS, faults_of
from recording_policy.sandbox.code import hash_code
from sfu.config import EXIT_UNLOCKED
from sfu.errors import BadSdp, UnknownRoom
from sfu.rpc_messages import Attest
from sfu.values import Kind, TransportState
from tests.support.aiortc_peer import aiortc_peers
from tests.support.calls import ROOM
from tests.support.kep_worker import (
    PRODUCT,
    REPOSITORY,
    entry_for_tests,
    kep_worker,
    needle_call,
)
from tests.support.needles import (
    NeedleCount,
    file_hits,
    memory_hits,
)
from tests.support.processes import name_of, threads_of
from tests.support.srtp_keys import srtp_keys
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def test_everything_that_sabotage_tries_is_refused(tmp_path: Path) -> None:
    async with kep_worker(tmp_path, entry_for_tests("sabotage")) as running:
        await running.heard(b"}\n")
        line = next(text for text in running.output.splitlines() if text.startswith(b"{"))
        results = json.loads(line)

    assert len(results) >= 50
    allowed = {"EPERM", "EACCES"}
    assert {what: how for what, how in results.items() if how not in allowed} == {}
    assert "stolen" not in os.listdir(tmp_path / "run")


async def test_defects_and_bad_input_are_reported_without_reading_a_file(tmp_path: Path) -> None:
    async with (
        kep_worker(tmp_path, entry_for_tests("sabotage")) as running,
        aiortc_peers(1) as peers,
    ):
        await running.heard(b"LookupError")
        assert b"stumbled" in running.output and b"locked_worker.py" in running.output
        client = running.call.client
        with pytest.raises(UnknownRoom):
            await client.close_room("nowhere", "over")
        await running.call.enter("citizen", peers[0])
        for sdp in ("", "v=0", "v=0\r\nm=audio x", "\u03b1" * 100):
            with pytest.raises(BadSdp):
                await client.negotiate(ROOM, "citizen", sdp, {})
        reader, writer = await asyncio.open_unix_connection(str(running.call.socket_path))
        writer.write(b"\0\0\0\5hello")
        assert await reader.read() == b""
        writer.close()

        assert (await client.statistics()).participants == 1
    for text in (b"not permitted", b"PermissionError", b"ImportError", b"ModuleNotFound"):
        assert text not in running.output, running.output.decode()


def status_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def test_every_thread_is_locked_down_and_holds_nothing_but_sockets_and_pipes(
    tmp_path: Path,
) -> None:
    async with kep_worker(tmp_path) as running:
        folder = Path(f"/proc/{running.pid}")
        threads = [
            dict(re.findall(r"^(\w+):\s*(.*)$", path.joinpath("status").read_text(), re.M))
            for path in folder.joinpath("task").iterdir()
        ]
        assert {thread["Name"] for thread in threads} >= {"engine"}
        for thread in threads:
            assert (thread["Seccomp"], thread["NoNewPrivs"]) == ("2", "1"), thread["Name"]
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                assert int(thread[capabilities], 16) == 0, (thread["Name"], capabilities)

        limits = folder.joinpath("limits").read_text()
        assert re.search(r"Max file size +0 +0", limits)
        assert re.search(r"Max core file size +0 +0", limits)
        if os.getuid() == 0:  # only root may look at what is open in a process that hides itself
            kinds = {re.sub(r"\d+", "", os.readlink(path)) for path in (folder / "fd").iterdir()}
            assert kinds <= {
                *("socket:[]", "pipe:[]", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"),
                "/dev/null",
            }


async def test_worker_tells_signaling_what_it_has_proved_and_how_fast(tmp_path: Path) -> None:
    async with kep_worker(tmp_path) as running:
        assert running.call.client.worker is not None
        statement = running.call.client.worker.statement
        assert statement is not None and faults_of(statement) == []
        assert set(statement.probes) == REQUIRED_PROHIBITIONS
        # What others can see of the process says the same.
        assert f"Seccomp:\t{statement.seccomp_mode}\n" in status_of(running.pid)
        hashes = hash_code(("recording_policy", "sfu"))
        assert (statement.code, statement.native) == (hashes.python, hashes.native)
        attestation = await running.call.client.call(Attest())
        assert set(attestation.tried_again.values()) == {"EPERM"}
        statistics = await running.call.client.statistics()

    assert statistics.sandbox_prohibitions == len(REQUIRED_PROHIBITIONS)
    assert statistics.sandbox_lock_down_s > 0


NICER = 3


async def test_the_engines_thread_alone_runs_in_real_time_where_the_system_grants_it(
    tmp_path: Path,
) -> None:
    async with kep_worker(tmp_path, prefix=("nice", "-n", str(NICER))) as running:
        policies = policies_of(running.pid)
        nice = {os.getpriority(os.PRIO_PROCESS, tid) for tid in threads_of(running.pid)}
        statistics = await running.call.client.statistics()
    is_granted = await asyncio.to_thread(may_run_in_real_time)
    assert policies.pop("engine") == (os.SCHED_RR if is_granted else os.SCHED_OTHER)
    assert statistics.engine_gauges["is_real_time"] == is_granted
    assert set(policies.values()) == {os.SCHED_OTHER}
    assert nice == {os.getpriority(os.PRIO_PROCESS, 0) + NICER}, (
        "who ran in real time is who it was"
    )


async def test_a_worker_started_under_another_policy_stays_there(tmp_path: Path) -> None:
    async with kep_worker(tmp_path, prefix=("chrt", "--batch", "0")) as running:
        assert set(policies_of(running.pid).values()) == {os.SCHED_BATCH}


def policies_of(pid: int) -> dict[str, int]:
    """Return how the threads of a process are scheduled, by their names."""
    return {name_of(tid): os.sched_getscheduler(tid) for tid in threads_of(pid)}


def may_run_in_real_time() -> bool:
    """Try it with the calling thread."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


async def test_call_runs_through_the_locked_worker(tmp_path: Path) -> None:
    async with kep_worker(tmp_path) as running, aiortc_peers(2) as (citizen, employee):
        await running.call.enter("citizen", citizen, grey=40)
        await running.call.enter("employee", employee, grey=160)
        picture = employee.mids(Kind.VIDEO)[0]
        await running.call.show("employee", picture, "citizen")
        await running.call.until(lambda: employee.received[picture].frames > 20)
        sounds = [employee.received[mid] for mid in employee.mids(Kind.AUDIO)]
        await running.call.until(lambda: any(s.frames > 20 and s.energy() > 0.01 for s in sounds))

        assert employee.received[picture].grey() == pytest.approx(40, abs=12)
        await citizen.close()
        await running.call.until(lambda: running.call.state_of("citizen") is TransportState.CLOSED)
        await running.call.client.close_room(ROOM, "over")
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), PATIENCE_S) == 0
    assert b"Traceback" not in running.output, running.output.decode()


FORBIDDEN_IN_A_CALL = re.compile(
    r"\b(open|openat|openat2|creat|memfd_create|execve|fork|vfork|socket|connect|bind|"
    r"io_uring_\w+|shmget|unlink\w*|rename\w*|mkdir\w*|pwrite\w*|sendfile|splice|stat|"
    r"newfstatat|readlink|access|getdents64)\("
)


async def test_strace_of_a_call_shows_no_file_and_no_write_but_to_sockets_and_pipes(
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-qq", "-y", "-o", str(trace))
    async with kep_worker(tmp_path, prefix=strace) as running, aiortc_peers(2) as peers:
        await running.heard(b"worker ready")
        count = NeedleCount(secrets.token_bytes(32))
        with count.watch():
            before = trace.stat().st_size
            await needle_call(running, peers, count)
            for peer in peers:
                await peer.close()
        await running.call.client.close_room(ROOM, "over")
        with trace.open() as file:
            file.seek(before)
            lines = file.read().splitlines()[1:]

    assert len(lines) > 500
    assert [line for line in lines if FORBIDDEN_IN_A_CALL.search(line)] == []
    assert [line for line in lines if "EPERM" in line or "EACCES" in line] == []
    writes = [line for line in lines if re.search(r"\b(p?writev?|send\w*)\(\d+<", line)]
    assert writes
    for line in writes:
        target = re.search(r"\(\d+<([^>]*)>", line)
        assert target and re.match(r"(socket|UDP|UNIX|pipe|anon_inode):", target[1]), line


async def test_crash_in_a_call_leaves_no_core_and_no_needle(tmp_path: Path) -> None:
    started = time.time()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # the worker inherits it
    try:
        async with kep_worker(tmp_path) as running, aiortc_peers(2) as peers:
            count = NeedleCount(secrets.token_bytes(32))
            with count.watch():
                await needle_call(running, peers, count)
                running.process.send_signal(signal.SIGSEGV)
                status = await asyncio.wait_for(running.process.wait(), PATIENCE_S)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))

    assert status == -signal.SIGSEGV
    cores = [path for path in REPOSITORY.glob("core*") if path.stat().st_mtime >= started]
    assert cores == []
    assert file_hits(_search_places(tmp_path), count.needle, started) == []


def _search_places(folder: Path) -> list[Path]:
    return [folder, Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"), REPOSITORY / "var"]


async def test_needle_is_nowhere_on_disk_and_gone_from_memory_after_the_call(
    tmp_path: Path,
) -> None:
    started = time.time()
    count = NeedleCount(secrets.token_bytes(32))
    async with (
        kep_worker(tmp_path, entry_for_tests("readable")) as running,
        aiortc_peers(2) as peers,
    ):
        with count.watch():
            await needle_call(running, peers, count)
            # The search finds what is there: packets wait in the worker to be sent again.
            assert memory_hits(running.pid, count.needle)
            assert file_hits(_search_places(tmp_path), count.needle, started) == []
            keys = [key for peer in peers for key in srtp_keys(peer).items()]
            found = {name for name, key in keys if memory_hits(running.pid, key)}
            # And those of both directions' keys that a running transport works with.
            assert found >= {"client rtp key", "server rtp key"}, found
            for name, peer in zip(("citizen", "employee"), peers, strict=True):
                await running.call.client.leave(ROOM, name, "left")
                await peer.close()
        await asyncio.sleep(3)

        assert memory_hits(running.pid, count.needle) == []
        left = {name: hits for name, key in keys if (hits := memory_hits(running.pid, key))}
        assert left == {}
        assert count.needle not in running.output
        assert file_hits(_search_places(tmp_path), count.needle, started) == []


async def test_search_of_files_finds_what_a_recording_worker_would_leave(tmp_path: Path) -> None:
    started, needle = time.time(), secrets.token_bytes(32)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "recording").write_bytes(b"x" * 5000 + needle)

    assert file_hits([tmp_path], needle, started) == [tmp_path / "deep" / "recording"]


async def test_without_the_sandbox_sabotage_succeeds(tmp_path: Path) -> None:
    """The control: the same tries in a worker that only claims to be locked down."""
    async with kep_worker(tmp_path, entry_for_tests("unlocked,sabotage")) as running:
        await running.heard(b"}\n")
        line = next(text for text in running.output.splitlines() if text.startswith(b"{"))

    results = json.loads(line)
    assert len(results) >= 14
    assert set(results.values()) == {"done"}


async def test_worker_with_a_log_file_open_refuses_to_serve(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    config = tmp_path / "w.json"
    config.write_text(
        json.dumps(
            {
                "worker": "kep-0",
                "room_class": "kep",
                "socket_path": str(tmp_path / "run" / "w.sock"),
                "media": {"listen_addresses": ["127.0.0.1"]},
            }
        )
    )
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *PRODUCT, str(config), stdout=log, stderr=log, cwd=REPOSITORY
        )
        status = await asyncio.wait_for(process.wait(), PATIENCE_S)

    text = (tmp_path / "log").read_text()
    assert status == EXIT_UNLOCKED
    assert "does not serve" in text and str(tmp_path / "log") in text and "pipes" in text
    assert "Traceback" not in text
