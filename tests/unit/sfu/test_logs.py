"""What log lines hold, and what they never hold."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sfu.logs import ALLOWED_KEYS, MAX_STACK_FRAMES, Log, configure_logs
from tests.support.logs import forget_logs

log = Log("sfu.test")


@pytest.fixture(autouse=True)
def _no_traces() -> Iterator[None]:
    yield
    forget_logs()


def written(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_an_event_is_one_line_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    log.info("worker\nready", worker="council-0", rooms=3, reasons=["α", "β"])

    (entry,) = written(capfd)

    assert entry.pop("timestamp").endswith("+00:00")
    assert entry == {
        "event": "worker",
        "level": "info",
        "logger": "sfu.test",
        "worker": "council-0",
        "rooms": 3,
        "reasons": ["α", "β"],
    }


def test_a_key_that_is_not_listed_loses_its_value(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    log.info("x", display_name="needle", error="kept")

    (entry,) = written(capfd)

    assert (entry["display_name"], entry["error"]) == ("removed", "kept")


def test_an_exception_is_told_by_kind_and_place_only(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")

    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("needle")
        dig(depth - 1)

    try:
        dig(100)
    except ValueError:
        log.exception("call failed")

    (entry,) = written(capfd)
    assert entry["exception"] == "ValueError"
    assert len(entry["stack"]) == MAX_STACK_FRAMES
    assert entry["stack"][-1].endswith(" dig")
    assert "needle" not in json.dumps(entry)


def test_other_libraries_warn_in_the_same_form(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug")
    other = logging.getLogger("asyncio")
    other.info("unseen")
    other.error("Task exception was never retrieved\nfuture: <Task name='needle'>")

    (entry,) = written(capfd)

    assert (entry["event"], entry["level"]) == ("Task exception was never retrieved", "error")


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level(level: str, seen: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs(level)
    for say in (log.debug, log.info, log.warning, log.error):
        say("x")

    assert [entry["level"] for entry in written(capfd)] == seen


def test_keys_that_would_name_people_are_not_allowed() -> None:
    assert not ALLOWED_KEYS & {
        "room", "participant", "subject", "display_name", "token", "secret", "path", "sdp", "ufrag",
    }  # fmt: skip


async def test_failures_of_tasks_reach_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": "unhandled", "exception": KeyError("needle")})

    (entry,) = written(capfd)

    assert entry["exception"] == "KeyError"
    assert "needle" not in json.dumps(entry)
