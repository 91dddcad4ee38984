"""The audit of kep calls: no entry in the chain, no call.

`CallAudit` is what others tell it. What lets something begin (`opened`, `joined`) waits until the entry
is on the disk and refuses otherwise; what tells of the past is stored as soon as that is possible.
Participants appear under pseudonyms, rooms and participant ids are random or the operator's names.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from recording_policy.audit import AuditError, Entry
from recording_policy.merkle import root_of
from recording_policy.sandbox import SandboxStatement
from recording_policy.verify import CALL_CLOSED, CALL_OPENED, STATEMENT
from sfu import rpc_messages as rpc
from sfu.logs import Log
from sfu.values import ParticipantInfo, Role
from signaling.audit.ked import KedAudit
from signaling.audit.open_calls import FoundCall, read_call
from signaling.audit.private_store import CallPlaces, OpenedCall, Place, PrivateStore
from signaling.audit.writer import AuditWriter
from signaling.clock import Clock
from signaling.errors import ErrorCode, RequestError
from signaling.limits import TokenBucket

log = Log(__name__)

RETRY_AFTER_S = 5
"""What clients are told while nothing can be stored."""
REFUSAL_BURST, REFUSAL_RATE = 30.0, 0.2
"""Refused verbs that become entries, at once and a second, of one room; others are counted, and the next
entry tells how many: who knocks on doors that do not exist must not fill the disk."""
DAY_MS = 24 * 3600 * 1000


class CallAudit(Protocol):
    """What happens in kep calls. Rooms of other classes never come here."""

    @property
    def problem(self) -> str:
        """Why no call can begin now; empty while all is well."""

    async def opened(self, room: str, worker: rpc.WorkerInfo) -> None:
        """The room is about to be opened on a worker, for the first time or after a loss.

        Raises:
            RequestError: it must not be.
        """

    async def joined(self, room: str, participant: str, subject: str, role: Role) -> None:
        """Somebody is about to be admitted.

        Raises:
            RequestError: they must not be.
        """

    def left(self, room: str, participant: str, reason: str) -> None:
        """Somebody left, or was not admitted after all."""

    def phase_changed(self, room: str, phase: str, participant: str | None) -> None:
        """The call is in another phase; `participant` did it."""

    def verb_refused(self, room: str, verb: str, door: str, participant: str | None) -> None:
        """Somebody asked for what does not exist. `door`: `http` or `socket`."""

    def identity_asked(self, room: str, record: KedAudit, result: str) -> Awaitable[None]:
        """The interoperability centre was asked about a participant.

        Raises:
            RequestError: it cannot be stored, so the answer must not be used.
        """

    def receipt_issued(self, room: str, participant: str, secret_digest: bytes) -> None:
        """A participant was given the secret of a receipt."""

    def closed(self, room: str, reason: str) -> None:
        """The room is closed, or lost with its worker."""


@dataclass
class _OpenCall:
    """A call whose room is open."""

    call: str
    room: str
    worker: str = ""
    incarnation: str = ""
    opened_offset: int = 0
    statement_offset: int = 0
    entries: list[tuple[Entry, str]] = field(default_factory=list)
    """(where, participant or nothing), in the log's order."""
    actors: dict[str, str] = field(default_factory=dict)
    """Participant → pseudonym, of all who ever joined."""
    present: set[str] = field(default_factory=set)
    encryption: dict[str, str] = field(default_factory=dict)
    unstored: int = 0
    """Entries of it that wait for the disk."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever none waits any more."""


@dataclass(frozen=True)
class RecorderParts:
    """What the recorder is put together from."""

    writer: AuditWriter
    store: PrivateStore
    executor: Executor
    """The writer's: one thread."""
    log_path: Path
    clock: Clock
    receipt_days: int


Attest = Callable[[str], Awaitable[rpc.Attestation | None]]
"""Asks the worker of that name; None if it is not there any more."""


class CallRecorder:
    """The `CallAudit` of a control plane. `run` must be running in a task of the owner."""

    def __init__(self, parts: RecorderParts) -> None:
        self._parts = parts
        self._calls: dict[str, _OpenCall] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._statements: dict[str, tuple[str, int]] = {}
        """Incarnation → hash and offset of its statement's entry."""
        self._refusals: dict[str, TokenBucket] = {}
        self._uncounted: dict[str, int] = {}
        self._ended: asyncio.Queue[tuple[_OpenCall, str]] = asyncio.Queue()
        self.attest: Attest = _nobody

    @property
    def problem(self) -> str:
        """Why no call can begin now."""
        return self._parts.writer.problem

    async def run(self) -> None:
        """Close what has ended, until cancelled. What is not closed then, the next control plane
        closes."""
        while True:
            call, reason = await self._ended.get()
            attested = await self.attest(call.worker)
            while call.unstored:
                call.settled.clear()
                await call.settled.wait()
            self._close(call, reason, attested)

    # ---- what lets something begin

    async def opened(self, room: str, worker: rpc.WorkerInfo) -> None:
        """See `CallAudit`."""
        async with self._locks.setdefault(room, asyncio.Lock()):
            call = self._calls.get(room)
            if call is not None and call.incarnation == worker.incarnation:
                return
            assert worker.statement is not None, "invariant: only locked workers are given calls"
            statement, offset = await self._state(worker, worker.statement)
            is_new = call is None
            call = call or _OpenCall(secrets.token_hex(16), room)
            facts = {
                "room": room,
                "worker": worker.worker,
                "incarnation": worker.incarnation,
                "statement": statement,
            }
            entry = await self._append(call, CALL_OPENED if is_new else "call_moved", facts)
            if is_new:
                call.statement_offset, call.opened_offset = offset, entry.offset
            call.worker, call.incarnation = worker.worker, worker.incarnation
            await self._keep_open(call)
            self._calls[room] = call

    async def joined(self, room: str, participant: str, subject: str, role: Role) -> None:
        """See `CallAudit`."""
        call = self._calls.get(room)
        if call is None:
            raise not_audited("the call is not open")
        try:
            actor = await self._in_thread(self._parts.store.pseudonym, subject)
        except AuditError as error:
            raise not_audited(str(error)) from error
        call.actors[participant] = actor
        facts = {"actor": actor, "participant": participant, "role": role.value}
        await self._append(call, "participant_joined", facts, participant)
        call.present.add(participant)

    async def identity_asked(self, room: str, record: KedAudit, result: str) -> None:
        """See `CallAudit`."""
        call = self._calls.get(room)
        if call is None:
            raise not_audited("the call is not open")
        try:
            facts = await self._in_thread(record.for_chain, self._parts.store.pseudonym)
        except AuditError as error:
            raise not_audited(str(error)) from error
        await self._append(call, "identity_asked", {**facts, "result": result})

    # ---- what tells of the past

    def left(self, room: str, participant: str, reason: str) -> None:
        """See `CallAudit`."""
        call = self._calls.get(room)
        if call is None or participant not in call.present:
            return
        call.present.discard(participant)
        facts = {"actor": call.actors[participant], "participant": participant, "reason": reason}
        self._post(call, "participant_left", facts, participant)

    def phase_changed(self, room: str, phase: str, participant: str | None) -> None:
        """See `CallAudit`."""
        call = self._calls.get(room)
        if call is not None:
            facts = {"phase": phase, "by": participant or "system"}
            self._post(call, "phase_changed", facts)

    def encryption_seen(self, room: str, info: ParticipantInfo) -> None:
        """A participant's end-to-end encryption is as `info` says."""
        call, state = self._calls.get(room), encryption_of(info)
        if call is None or info.participant not in call.present:
            return
        if call.encryption.setdefault(info.participant, UNKNOWN) != state:
            call.encryption[info.participant] = state
            facts = {"participant": info.participant, "end_to_end_encryption": state}
            self._post(call, "encryption_changed", facts, info.participant)

    def verb_refused(self, room: str, verb: str, door: str, participant: str | None) -> None:
        """See `CallAudit`."""
        now_s = self._parts.clock().monotonic_s
        bucket = self._refusals.setdefault(
            room, TokenBucket(burst=REFUSAL_BURST, rate=REFUSAL_RATE, now_s=now_s)
        )
        if not bucket.take(now_s):
            self._uncounted[room] = self._uncounted.get(room, 0) + 1
            return
        facts: dict[str, Any] = {"room": room, "verb": verb, "door": door}
        if participant is not None:
            facts["participant"] = participant
        missed = self._uncounted.pop(room, 0)
        if missed:
            facts["not_listed_before"] = missed
        call = self._calls.get(room)
        if call is None:
            self._parts.writer.post("verb_refused", facts)
        else:
            self._post(call, "verb_refused", facts, participant or "")

    def receipt_issued(self, room: str, participant: str, secret_digest: bytes) -> None:
        """See `CallAudit`."""
        call = self._calls.get(room)
        if call is not None and participant in call.actors:
            actor = call.actors[participant]
            self._parts.executor.submit(self._keep_secret, call.call, actor, secret_digest)

    def closed(self, room: str, reason: str) -> None:
        """See `CallAudit`."""
        call = self._calls.pop(room, None)
        if call is None:
            return
        lock = self._locks.get(room)
        if lock is not None and not lock.locked():
            del self._locks[room]
        self._refusals.pop(room, None)
        self._end(call, reason)

    def handle_event(self, room: str, event: rpc.Event) -> None:
        """Hear what a worker reports of a kep room."""
        match event:
            case rpc.ParticipantJoined(participant=info) | rpc.ParticipantUpdated(participant=info):
                self.encryption_seen(room, info)
            case rpc.ParticipantLeft(participant=participant, reason=reason):
                self.left(room, participant, reason if reason in LEAVE_REASONS else "other")
            case rpc.RoomClosed(reason=reason):
                # A moderator's words are no code: they are not kept.
                self.closed(room, "empty" if reason == "empty" else "closed")
            case _:
                pass

    # ---- after a restart of the control plane

    async def adopt(self, states: Sequence[rpc.RoomState], worker: rpc.WorkerInfo) -> None:
        """Take up the calls that a worker has open; close those that it had and has no more.

        Raises:
            RequestError: the log or what stands beside it cannot be read.
        """
        by_room = {each.room: each for each in states}
        try:
            for opened in await self._in_thread(self._parts.store.open_calls, worker.worker):
                known = self._calls.get(opened.room)
                if known is None or known.call != opened.call:
                    await self._take_up(opened, by_room.get(opened.room), worker)
        except AuditError as error:
            raise not_audited(str(error)) from error
        for state in states:
            if state.room not in self._calls:
                self._find_unaudited(state, worker)

    async def _take_up(
        self, opened: OpenedCall, state: rpc.RoomState | None, worker: rpc.WorkerInfo
    ) -> None:
        found: FoundCall = await self._in_thread(
            read_call, self._parts.log_path, opened.call, opened.opened
        )
        call = _OpenCall(
            opened.call, opened.room, opened.worker, opened_offset=opened.opened,
            statement_offset=opened.statement, entries=found.entries, actors=found.actors,
            present=found.present, encryption=found.encryption,
        )  # fmt: skip
        if found.closing is not None:
            self._keep_places(call, found.closing)
            return
        if state is None or opened.room in self._calls:
            self._end(call, "lost")
            return
        call.incarnation = worker.incarnation
        self._calls[opened.room] = call
        for participant in sorted(call.present - {each.participant for each in state.participants}):
            self.left(opened.room, participant, "lost")

    def _find_unaudited(self, state: rpc.RoomState, worker: rpc.WorkerInfo) -> None:
        """A room is open whose opening is not known: another log or private file was put here. The
        people in it are not cut off; that it was so must be seen."""
        log.error("running call is not in the audit log", worker=worker.worker)
        facts = {"room": state.room, "worker": worker.worker, "people": len(state.participants)}
        self._parts.writer.post("call_found_unaudited", facts)

    # ---- inner

    async def _state(self, worker: rpc.WorkerInfo, statement: SandboxStatement) -> tuple[str, int]:
        """Return hash and offset of the worker's statement in the log; store it the first time."""
        known = self._statements.get(worker.incarnation)
        if known is None:
            facts = {
                "worker": worker.worker,
                "incarnation": worker.incarnation,
                "statement": statement.facts(),
            }
            entry = await self._store(STATEMENT, facts)
            known = self._statements[worker.incarnation] = entry.hash, entry.offset
        return known

    async def _keep_open(self, call: _OpenCall) -> None:
        opened = OpenedCall(
            call.call, call.room, call.worker, call.opened_offset, call.statement_offset
        )
        try:
            await self._in_thread(self._parts.store.keep_open, opened)
        except AuditError as error:
            raise not_audited(str(error)) from error

    async def _append(
        self, call: _OpenCall, kind: str, facts: Mapping[str, Any], participant: str = ""
    ) -> Entry:
        entry = await self._store(kind, {"call": call.call, **facts})
        call.entries.append((entry, participant))
        return entry

    async def _store(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        try:
            return await self._parts.writer.append(kind, facts)
        except AuditError as error:
            raise not_audited(str(error)) from error

    def _post(
        self, call: _OpenCall, kind: str, facts: Mapping[str, Any], participant: str = ""
    ) -> None:
        def note(entry: Entry | None) -> None:
            if entry is not None:
                call.entries.append((entry, participant))
            call.unstored -= 1
            if not call.unstored:
                call.settled.set()

        call.unstored += 1
        self._parts.writer.post(kind, {"call": call.call, **facts}, on_stored=note)

    def _end(self, call: _OpenCall, reason: str) -> None:
        for participant in sorted(call.present):
            facts = {"actor": call.actors[participant], "participant": participant}
            self._post(call, "participant_left", {**facts, "reason": "closed"}, participant)
        call.present.clear()
        self._ended.put_nowait((call, reason))

    def _close(self, call: _OpenCall, reason: str, attested: rpc.Attestation | None) -> None:
        """Close the call in the chain; the root is over all its other entries, which are stored."""
        is_same = attested is not None and attested.incarnation == call.incarnation
        # The log's order: what was waited for and what was posted may have been told crosswise.
        call.entries.sort(key=lambda each: each[0].sequence)
        hashes = [entry.hash for entry, _ in call.entries]
        states = [call.encryption.get(participant, UNKNOWN) for participant in call.actors]
        facts = {
            "call": call.call,
            "entries": len(hashes),
            "entries_root": root_of(hashes),
            "worker": call.worker,
            "worker_is_same": is_same,
            "tried_again": dict(attested.tried_again) if attested and is_same else {},
            "reason": reason,
            "end_to_end_encryption": {state: states.count(state) for state in sorted(set(states))},
        }
        self._parts.writer.post(
            CALL_CLOSED, facts, is_signed=True,
            on_stored=lambda entry: self._keep_places(call, entry),
        )  # fmt: skip

    def _keep_places(self, call: _OpenCall, closing: Entry | None) -> None:
        if closing is None:
            return
        entries = [
            Place(entry.offset, call.actors.get(participant, "") if participant else "")
            for entry, participant in call.entries
        ]
        places = CallPlaces(entries, closing.offset, call.statement_offset)
        self._parts.executor.submit(self._keep_call, call.call, places)

    def _keep_call(self, call: str, places: CallPlaces) -> None:
        now_ms = self._now_ms()
        try:
            self._parts.store.keep_call(call, places, now_ms + self._parts.receipt_days * DAY_MS)
            self._parts.store.forget_expired(now_ms)
        except AuditError as error:
            log.error("receipts of a call cannot be kept", detail=str(error))

    def _keep_secret(self, call: str, actor: str, digest: bytes) -> None:
        expires_ms = self._now_ms() + self._parts.receipt_days * DAY_MS
        try:
            self._parts.store.keep_secret(digest, call, actor, expires_ms)
        except AuditError as error:
            log.error("a receipt cannot be kept", detail=str(error))

    def _now_ms(self) -> int:
        return int(self._parts.clock().wall_s * 1000)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._parts.executor, function, *arguments
        )


UNKNOWN = "unknown"
LEAVE_REASONS = frozenset({"left", "lost", "kicked", "replaced", "closed", "refused"})


def encryption_of(info: ParticipantInfo) -> str:
    """Return the participant's end-to-end encryption as the media server knows it."""
    return str(getattr(info, "encryption", UNKNOWN))


def not_audited(detail: str) -> RequestError:
    """Return what is raised instead of letting a kep call go on unaudited."""
    log.warning("entry refused without audit", detail=detail)
    return RequestError(
        ErrorCode.AUDIT_UNAVAILABLE, "the audit log cannot be written", RETRY_AFTER_S
    )


async def _nobody(worker: str) -> rpc.Attestation | None:
    return None
