"""The writer of the chain: order, group commit, what is refused and what is kept, and coming back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_policy.audit import AuditBroken, AuditError, AuditLog, AuditUnwritable
from recording_policy.verify import Verified, verify
from signaling.audit.writer import AuditWriter
from tests.support.audit_entries import entries
from tests.support.waiting import PATIENCE_S

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

pytestmark = pytest.mark.asyncio


def verified(path: Path) -> Verified:
    with path.open("rb") as lines:
        return verify(lines, KEY.public_key().public_bytes_raw())


@contextlib.asynccontextmanager
async def writing(
    path: Path, open_log: Callable[[], AuditLog] | None = None
) -> AsyncIterator[AuditWriter]:
    with ThreadPoolExecutor(1) as executor:
        opener = open_log or (lambda: AuditLog(path, KEY, lambda: 1))
        writer = AuditWriter(opener, executor, retry_s=0.01)
        task = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_entries_of_many_are_stored_in_the_order_in_which_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, syncs = tmp_path / "audit.log", 0
    sync = os.fdatasync

    def count(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        sync(descriptor)

    async with writing(path) as writer:
        await writer.wait_open()
        monkeypatch.setattr(os, "fdatasync", count)
        tasks = []
        for number in range(500):
            if number % 3:
                writer.post("noted", {"number": number})
            else:
                tasks.append(asyncio.create_task(writer.append("noted", {"number": number})))
                await asyncio.sleep(0)  # it is in the queue
        stored = await asyncio.gather(*tasks)
        monkeypatch.undo()

    numbers = [body["facts"]["number"] for body in entries(path, "noted")]
    assert numbers == list(range(500))
    assert [entry.sequence for entry in stored] == sorted(entry.sequence for entry in stored)
    assert syncs < 250  # one for many
    assert verified(path).kinds["noted"] == 500


async def test_event_loop_goes_on_while_the_disk_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    async with writing(tmp_path / "audit.log") as writer:
        await writer.wait_open()
        is_slow = threading.Event()
        monkeypatch.setattr(os, "fdatasync", lambda descriptor: is_slow.wait(5) and None)
        storing = asyncio.create_task(writer.append("noted", {}))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not storing.done()
        is_slow.set()
        await storing


class FullDisk(AuditLog):
    """A log whose disk takes nothing while `is_full`."""

    is_full = False

    def _write(self, line: bytes) -> None:
        if FullDisk.is_full:
            raise AuditUnwritable(os.strerror(errno.ENOSPC))
        super()._write(line)


async def test_full_disk_refuses_who_waits_and_keeps_what_was_posted(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    places: list[Any] = []
    async with writing(path, lambda: FullDisk(path, KEY, lambda: 1)) as writer:
        await writer.wait_open()
        FullDisk.is_full = True
        writer.post("left", {"number": 1}, on_stored=places.append)
        with pytest.raises(AuditUnwritable):
            await writer.append("joined", {})
        writer.post("left", {"number": 2}, on_stored=places.append)
        await asyncio.sleep(0.05)
        assert writer.problem and writer.pending == 2 and places == []
        FullDisk.is_full = False
        await until(lambda: len(places) == 2)

        await until(lambda: not writer.problem)
        await writer.append("joined", {})
    kinds = [body["kind"] for body in entries(path)][2:]
    assert kinds == ["recovered", "left", "left", "joined", "checkpoint"]
    assert [place.sequence for place in places] == [3, 4]
    verified(path)


async def test_failed_disk_ends_the_log_and_another_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    async with writing(path) as writer:
        await writer.wait_open()
        monkeypatch.setattr(os, "fdatasync", fail)
        with pytest.raises(AuditBroken):
            await writer.append("noted", {"number": 1})
        monkeypatch.undo()
        await until(lambda: not writer.problem)
        await writer.append("noted", {"number": 2})
    assert entries(path, "noted")[-1]["facts"] == {"number": 2}
    verified(path)


async def test_what_is_no_entry_hurts_nobody_else(tmp_path: Path) -> None:
    dropped: list[Any] = []
    async with writing(tmp_path / "audit.log") as writer:
        await writer.wait_open()
        results = await asyncio.gather(
            writer.append("noted", {"n": 1}), writer.append("No Kind", {}),
            writer.append("noted", {"n": 0.5}), writer.append("noted", {"n": 2}),
            return_exceptions=True,
        )  # fmt: skip
        writer.post("noted", {"text": "x" * 20_000}, on_stored=dropped.append)
        await until(lambda: bool(dropped))

        assert [type(each).__name__ for each in results] == [
            "Entry",
            "ValueError",
            "ValueError",
            "Entry",
        ]
        assert dropped == [None] and not writer.problem


async def test_log_that_cannot_be_opened_is_tried_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "late"
    async with writing(folder / "audit.log") as writer:
        with pytest.raises(AuditError):
            await writer.append("noted", {})
        writer.post("noted", {"number": 1})
        await asyncio.sleep(0.03)
        folder.mkdir()
        await writer.wait_open()
        await until(lambda: writer.pending == 0 and writer.stored == 1)


async def test_stop_stores_what_waits_and_signs_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    async with writing(path) as writer:
        await writer.wait_open()
        for number in range(1000):
            writer.post("noted", {"number": number})
    result = verified(path)
    assert result.kinds["noted"] == 1000 and result.signed_entries == result.entries
