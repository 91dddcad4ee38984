"""The one writer of the audit chain: a task and a thread, so that no disk holds up the event loop.

Entries that come while the disk is busy are stored together (group commit), in their order. What
somebody waits for is on the disk when `append` returns, or refused; what only tells of the past is
kept here until it can be stored. A log that cannot be opened or written is tried again for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from recording_policy.audit import RECOVERED, AuditError, AuditLog, AuditUnwritable, Entry
from sfu.logs import Log

log = Log(__name__)

RETRY_S = 1.0
"""Between attempts to open or write a log that cannot be."""
MAX_PENDING = 100_000
"""LIMIT: entries about the past that wait for the disk. Full: the oldest is dropped and counted; no
call can begin meanwhile, so this takes hours."""
MAX_BATCH = 256

OnStored = Callable[[Entry | None], None]
"""Told where the entry is; None if it had to be dropped."""


@dataclass
class _Item:
    kind: str
    facts: Mapping[str, Any]
    is_signed: bool = False
    """Followed by a checkpoint, with nothing between."""
    waiting: asyncio.Future[Entry] | None = None
    """None: it is posted."""
    on_stored: OnStored | None = None


_Result = Entry | AuditError | ValueError | TypeError


class AuditWriter:
    """`run` must be running in a task of the owner."""

    def __init__(
        self, open_log: Callable[[], AuditLog], executor: Executor, *, retry_s: float = RETRY_S
    ) -> None:
        """`open_log` is called in the executor, which must have one thread."""
        self.stored = 0
        """Entries stored since the start."""
        self.refused = 0
        """Entries refused or dropped."""
        self._open_log = open_log
        self._executor = executor
        self._retry_s = retry_s
        self._log: AuditLog | None = None
        self._problem = "it is not open yet"
        self._items: deque[_Item] = deque()
        self._storing = 0
        self._has_items = asyncio.Event()
        self._opened = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why nothing can be stored now; empty while all is well."""
        return self._problem

    @property
    def pending(self) -> int:
        """Entries that wait for the disk, or are on their way to it."""
        return len(self._items) + self._storing

    async def wait_open(self) -> None:
        """Return once the log has been opened for the first time."""
        await self._opened.wait()

    async def append(
        self, kind: str, facts: Mapping[str, Any], *, is_signed: bool = False
    ) -> Entry:
        """Store an entry; it is on the disk when this returns.

        Raises:
            AuditError: it is not stored: what was to be done must not be done.
            ValueError, TypeError: the entry is none.
        """
        if self._log is None:
            self.refused += 1
            raise AuditUnwritable(self._problem)
        waiting: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._add(_Item(kind, facts, is_signed, waiting))
        return await waiting

    def post(
        self, kind: str, facts: Mapping[str, Any], *, is_signed: bool = False,
        on_stored: OnStored | None = None,
    ) -> None:  # fmt: skip
        """Store an entry as soon as that is possible. Returns at once."""
        if len(self._items) >= MAX_PENDING:
            self.refused += 1
            _refuse(self._items.popleft(), AuditUnwritable("too many wait"))
        self._add(_Item(kind, facts, is_signed, None, on_stored))

    async def run(self) -> None:
        """Write until cancelled; then store what waits, if that is possible, and close."""
        try:
            while True:
                if self._log is None:
                    await self._open()
                elif self._problem:
                    await asyncio.sleep(self._retry_s)
                    await self._store(self._take(), is_trial=True)
                else:
                    await self._has_items.wait()
                    await self._store(self._take())
        finally:
            await self._finish()

    def _add(self, item: _Item) -> None:
        self._items.append(item)
        self._has_items.set()

    def _take(self) -> list[_Item]:
        taken = [self._items.popleft() for _ in range(min(MAX_BATCH, len(self._items)))]
        if not self._items:
            self._has_items.clear()
        return taken

    async def _open(self) -> None:
        try:
            self._log = await self._in_thread(self._open_log)
        except (AuditError, OSError, ValueError) as error:
            self._tell_problem(error)
            self._refuse_waiting(error)
            await asyncio.sleep(self._retry_s)
        else:
            self._tell_problem(None)
            self._opened.set()

    async def _store(self, items: list[_Item], *, is_trial: bool = False) -> None:
        if self._log is None or not (items or is_trial):
            return
        refused = self.refused if is_trial else 0
        self._storing = len(items)
        storing = asyncio.ensure_future(self._in_thread(_write, self._log, items, refused))
        try:
            results = await asyncio.shield(storing)
        except asyncio.CancelledError:
            # The thread goes on: who waits is told what came of it before we stop.
            await self._tell_results(items, await storing)
            raise
        await self._tell_results(items, results)

    async def _tell_results(self, items: list[_Item], results: list[_Result]) -> None:
        self._storing = 0
        failure = next((each for each in results if isinstance(each, AuditError)), None)
        kept = []
        for item, result in zip(items, results, strict=False):
            if isinstance(result, Entry):
                self.stored += 1
                _settle(item, result)
            elif item.waiting is None and isinstance(result, AuditError):
                kept.append(item)
            else:
                self.refused += 1
                _refuse(item, result)
        self._items.extendleft(reversed(kept))
        if kept:
            self._has_items.set()
        self._tell_problem(failure)
        if failure is not None and not isinstance(failure, AuditUnwritable):
            await self._close()  # it says itself that it never goes on: open it anew

    async def _finish(self) -> None:
        while self._log is not None and self._items and not self._problem:
            await self._store(self._take())
        self._refuse_waiting(AuditUnwritable("the service stops"))
        self._problem = self._problem or "it is closed"
        await self._close()

    async def _close(self) -> None:
        closing, self._log = self._log, None
        if closing is not None:
            with contextlib.suppress(AuditError, OSError):
                await self._in_thread(closing.close)

    def _refuse_waiting(self, error: Exception) -> None:
        posted = deque(item for item in self._items if item.waiting is None)
        for item in self._items:
            if item.waiting is not None:
                self.refused += 1
                _refuse(item, AuditUnwritable(str(error)))
        self._items = posted

    def _tell_problem(self, error: Exception | None) -> None:
        problem = "" if error is None else str(error) or type(error).__name__
        if problem and not self._problem:
            log.error("audit log cannot be written: no kep call can begin", detail=problem)
        elif self._problem and not problem:
            log.info("audit log is written")
        self._problem = problem

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, function, *arguments
        )


def _write(log_: AuditLog, items: Sequence[_Item], refused: int) -> list[_Result]:
    """Store the items in their order and return what came of each, and of the trial if that failed.

    After the first that the disk does not take, none is tried: their order would not hold.
    """
    results: list[_Result] = []
    try:
        if refused:
            log_.add(RECOVERED, {"entries_refused": refused})
        for item in items:
            results.append(_write_one(log_, item))
        log_.sync()
    except AuditUnwritable as failure:
        with contextlib.suppress(AuditError):
            log_.sync()
        results += [failure] * max(1, len(items) - len(results))
    except AuditError as failure:
        # What of them is stored is unknown: nobody may be told that his is.
        results = [failure] * max(1, len(items))
    return results


def _write_one(log_: AuditLog, item: _Item) -> _Result:
    try:
        entry = log_.add(item.kind, item.facts)
    except (ValueError, TypeError) as error:
        return error
    if item.is_signed:
        log_.sign()
    return entry


def _settle(item: _Item, entry: Entry) -> None:
    if item.waiting is not None:
        if not item.waiting.done():
            item.waiting.set_result(entry)
    elif item.on_stored is not None:
        item.on_stored(entry)


def _refuse(item: _Item, error: Exception) -> None:
    if item.waiting is None:
        log.error("audit entry dropped", kind=item.kind, detail=str(error))
        if item.on_stored is not None:
            item.on_stored(None)
    elif not item.waiting.done():
        item.waiting.set_exception(error)
