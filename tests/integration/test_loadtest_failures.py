"""What goes wrong in a load test is said in a clear sentence, with a report so far and an exit status."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from loadtest.cast import Target
from loadtest.main import main
from loadtest.plan import make_plan
from loadtest.processes import descendants, read_use
from loadtest.scenario_file import read_scenario
from loadtest.service import CannotRun, allow_open_files, find_rooms
from loadtest.text_report import write_text
from sfu.values import Role, RoomClass
from signaling.clock import read_clocks
from signaling.loadtest_entrance import LoadTestSettings
from signaling.tokens import load_or_create_key
from tests.support.loadtests import Command, run_loadtest
from tests.support.ports import free_port
from tests.support.real_service import real_service
from tests.support.signaling_parts import COUNCIL_ROOM
from tests.support.signaling_server import running_server

pytestmark = pytest.mark.timeout(150)

SECRET = "a-long-enough-secret"
SETTINGS = LoadTestSettings(
    rooms=[COUNCIL_ROOM],
    secret=SECRET,
    origins=frozenset({"http://own.test"}),
    room_capacity={RoomClass.COUNCIL: 4},
    total_capacity={RoomClass.COUNCIL: 5},
)


async def refusal(url: str, *changes: str, name: str = "smoke", secret: str = SECRET) -> str:
    """Return why the run cannot take place."""
    scenario = read_scenario(name, changes)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(CannotRun) as refused:
            await find_rooms(http, Target(url, secret=secret), scenario, make_plan(scenario))
    return str(refused.value)


# ---- before anything happens


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smok"], "did you mean smoke?"),
        (["smoke", "--set", "hold=3"], "unknown key hold: did you mean hold_s?"),
        (["smoke", "--rooms", "0"], "count = 0"),
        (["kep_peak", "--scale", "30"], "one machine can play at most 20000"),
        (["smoke", "--url", "meet.example.gr"], "write scheme and host"),
        (["smoke", "--url", "ftp://meet.example.gr"], "write scheme and host"),
        (["smoke", "--url", "http://127.0.0.1:8080/rooms/x"], "no path"),
        (["smoke", "--agents", "0"], "--agents is 1 or more"),
        (["smoke", "--browsers", "1"], "browsers need 15 s"),
        (["smoke", "--browsers", "1", "--chromium", "/nowhere"], "`apt-get install chromium`"),
        (["smoke", "--secret-file", "/nowhere"], "cannot be read"),
        (["smoke", "--server-pid", "999999999"], "no such process"),
        (["smoke", "--token-command", "echo {room}"], "name the rooms too"),
        (["smoke", "--token-command", "echo {age}", "--room", "a"], "only {room}, {name}"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert words in output.err and "Traceback" not in output.err


def test_an_unreachable_service_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["smoke", "--url", url]) == 2
    error = capsys.readouterr().err
    assert f"{url} cannot be reached: Connect" in error or "refused" in error.lower()
    assert "start the service" in error


async def test_what_is_no_synedrion_is_told_as_such() -> None:
    async with other_server(404) as url:
        assert "is this a Synedrion service?" in await refusal(url)


async def test_a_service_that_is_not_ready_is_not_loaded() -> None:
    async with other_server(503) as url:
        assert "is not ready: worker kep is away" in await refusal(url)


async def test_a_service_without_rooms_for_load_tests_says_how_to_get_them() -> None:
    async with running_server() as server:
        text = await refusal(server.control.url)
        assert "[loadtest] enabled = true" in text and "--room" in text


async def test_a_wrong_secret_is_told_as_such() -> None:
    async with running_server(loadtest=SETTINGS) as server:
        assert "--secret-file" in await refusal(server.control.url, secret="wrong")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((), "needs 2 rooms of class council, the service has 1: set loadtest.council_rooms = 2"),
        (("rooms.count=1", "groups.members.per_room=5"), "a council room of this service admits 4"),
    ],
)
async def test_impossible_sizes_are_refused(changes: tuple[str, ...], words: str) -> None:
    async with running_server(loadtest=SETTINGS) as server:
        assert words in await refusal(server.control.url, *changes)


async def test_more_people_than_all_workers_admit_are_refused() -> None:
    rooms = [replace(COUNCIL_ROOM, room=name) for name in ("a", "b")]
    async with running_server(loadtest=replace(SETTINGS, rooms=rooms)) as server:
        text = await refusal(server.control.url)
        assert "6 people at once: the service's workers of class council admit 5" in text


def test_more_people_than_open_files_are_refused() -> None:
    with pytest.raises(CannotRun, match=r"this machine allows \d+: raise"):
        allow_open_files(2**31)


# ---- while it runs


@pytest.mark.asyncio
@pytest.mark.parametrize("victim", ["service", "worker"])
async def test_a_service_that_dies_ends_the_run_with_the_report_so_far(
    tmp_path: Path, victim: str
) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=2) as service:
        words = () if victim == "service" else ("sfu.worker",)

        async def kill() -> None:
            for pid in service.pids(*words):
                # Workers die with who started them.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        report = await run_loadtest(service.url, "smoke", "hold_s=600.0", people=6, then=kill)

    text = write_text(report)
    assert report["verdict"]["exit"] == 1, text
    assert report["run"]["end"] == "service lost", text
    assert report["run"]["seconds"] < 60 and report["series"], text
    assert report["failures"], text
    assert report["figures"]["disconnects_percent"] == 100, text


@pytest.mark.asyncio
async def test_an_expired_token_is_told_as_such_with_a_report(tmp_path: Path) -> None:
    async with real_service(tmp_path, ["room-1"]) as service:
        key = load_or_create_key(tmp_path / "data" / "room-token-key.pem")
        now = read_clocks()
        token = key.mint(
            room="room-1", subject="somebody", display_name="load-1", role=Role.MEMBER,
            token_id="0123456789abcdef", now=replace(now, wall_s=now.wall_s - 600),
        )  # fmt: skip
        (tmp_path / "token").write_text(token)
        arguments = ("smoke", "--url", service.url, "--room", "room-1", "--token-command",
                     f"cat {tmp_path / 'token'}")  # fmt: skip
        async with Command(tmp_path, *arguments) as command:
            result = await command.result()

    assert result.status == 2, result
    assert "nobody gets in" in result.output and "token_expired" in result.output
    assert result.report is not None and result.report["failures"][0]["count"] == 3
    assert "token_expired" in result.html
    assert token not in result.output + result.errors + result.html


@pytest.mark.asyncio
async def test_ctrl_c_ends_cleanly_with_the_report_so_far(tmp_path: Path) -> None:
    async with real_service(tmp_path, ["room-1", "room-2"]) as service:
        arguments = ("smoke", "--url", service.url, "--room", "room-1", "--room", "room-2",
                     "--hold-s", "600")  # fmt: skip
        async with Command(tmp_path, *arguments) as command:
            await command.line_with("Mbit/s down")
            command.process.send_signal(signal.SIGINT)
            result = await command.result()

    assert result.status == 130, result
    assert "INTERRUPTED: interrupted after" in result.output
    assert "Traceback" not in result.errors
    assert result.report is not None and result.report["run"]["participants"] == 6
    assert result.report["counts"]["frames"] > 0
    assert "Interrupted." in result.html


@pytest.mark.asyncio
async def test_a_late_generator_does_not_blame_the_service(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=1) as service:
        arguments = ("smoke", "--url", service.url, "--rooms", "1", "--hold-s", "2",
                     "--set", "generator.max_lateness_p99_ms=0.0")  # fmt: skip
        async with Command(tmp_path, *arguments) as command:
            result = await command.result()

    assert result.status == 3, result
    assert "the generator was the bottleneck, not the service" in result.output
    assert "does not count" in result.html


@pytest.mark.asyncio
async def test_a_load_agent_that_dies_does_not_blame_the_service(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=1) as service:
        arguments = ("smoke", "--url", service.url, "--rooms", "1", "--hold-s", "600")
        async with Command(tmp_path, *arguments) as command:
            await command.line_with("Mbit/s down")
            for pid in descendants(command.process.pid):
                use = read_use(pid)
                if use is not None and "load-agent" in use.command:
                    os.kill(pid, signal.SIGKILL)
            result = await command.result()

    assert result.status == 3, result
    assert "the load agent ended by itself" in result.output
    assert "Traceback" not in result.errors
    assert result.report is not None and result.report["counts"]["frames"] > 0


@asynccontextmanager
async def other_server(status: int) -> AsyncIterator[str]:
    """Run a server that answers everything with `status`."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="worker kep\n is away")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
