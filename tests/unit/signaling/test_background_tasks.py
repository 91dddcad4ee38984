"""What works beside rooms and pages: a mistake in one turn costs that turn, not the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, cast

import pytest

from signaling.accounts import session_cleaner
from signaling.accounts.session_cleaner import SessionCleaner
from signaling.mail import delivery
from signaling.mail.delivery import MailDelivery
from signaling.scheduling import overdue, reminders
from signaling.scheduling.overdue import Overdue
from signaling.scheduling.reminders import Reminders
from signaling.storage.database import StorageUnavailable
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


class Turns:
    """Fails in the ways there are, then works."""

    def __init__(self) -> None:
        self.count = 0
        self.worked = asyncio.Event()

    async def take(self) -> int:
        self.count += 1
        if self.count <= 2:
            raise [StorageUnavailable("gone"), LookupError("a mistake")][self.count - 1]
        self.worked.set()
        return 0


class Queue:
    """A mail queue in which nothing is ever put."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()


def reminding(turns: Turns) -> Callable[[], Coroutine[Any, Any, None]]:
    task = Reminders(cast(Any, None), cast(Any, None), timedelta(hours=1), cast(Any, None))
    task.remind_due = turns.take  # type: ignore[method-assign]
    return task.run


def delivering(turns: Turns) -> Callable[[], Coroutine[Any, Any, None]]:
    task = MailDelivery(cast(Any, None), "", cast(Any, None), cast(Any, Queue()))
    task.deliver_batch = turns.take  # type: ignore[method-assign]
    return task.run


def cleaning(turns: Turns) -> Callable[[], Coroutine[Any, Any, None]]:
    task = SessionCleaner(cast(Any, None), cast(Any, None), cast(Any, None))
    task.clean = turns.take  # type: ignore[method-assign, assignment]
    return task.run


def ending(turns: Turns) -> Callable[[], Coroutine[Any, Any, None]]:
    task = Overdue(cast(Any, None), cast(Any, None), cast(Any, None))
    task.end_due = turns.take  # type: ignore[method-assign]
    return task.run


@pytest.mark.parametrize("make", [reminding, delivering, cleaning, ending])
async def test_a_task_goes_on_after_a_turn_that_failed(
    make: Callable[[Turns], Callable[[], Coroutine[Any, Any, None]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reminders, "INTERVAL_S", 0.0)
    monkeypatch.setattr(session_cleaner, "INTERVAL_S", 0.0)
    monkeypatch.setattr(overdue, "INTERVAL_S", 0.0)
    monkeypatch.setattr(delivery, "POLL_INTERVAL_S", 0.0)
    turns = Turns()
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(make(turns)())
        await turns.worked.wait()
        running.cancel()
    assert turns.count == 3
