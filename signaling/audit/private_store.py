"""What stands beside the chain because it may be erased: keys of pseudonyms, secrets of receipts.

One SQLite file, used by the writer's thread only. Each person has a key; the pseudonym in the chain is
a keyed hash with it. Who forgets the key makes the person's entries nobody's, and the chain still
holds. `secure_delete` overwrites what is deleted; the journal is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recording_policy.audit import AuditUnwritable
from signaling.vault import Vault, VaultError

KEY_BYTES = 32
BUSY_TIMEOUT_S = 5.0
_KIND = "audit-actor"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS actor_keys (person TEXT PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS receipt_secrets
    (digest BLOB PRIMARY KEY, call TEXT NOT NULL, actor TEXT NOT NULL, expires_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS closed_calls
    (call TEXT PRIMARY KEY, places TEXT NOT NULL, expires_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS open_calls
    (call TEXT PRIMARY KEY, room TEXT NOT NULL, worker TEXT NOT NULL, opened INTEGER NOT NULL,
     statement INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS receipt_expiry ON receipt_secrets (expires_ms);
CREATE INDEX IF NOT EXISTS call_expiry ON closed_calls (expires_ms);
"""


@dataclass(frozen=True)
class OpenedCall:
    """A call that has begun and is not closed in the log."""

    call: str
    room: str
    worker: str
    """Name of the worker that has it."""
    opened: int
    """Offset of the line that opened it."""
    statement: int
    """Offset of the worker's statement then."""


@dataclass(frozen=True)
class Place:
    """Where an entry of a call is in the log, and whom it concerns."""

    offset: int
    actor: str
    """Pseudonym; empty: it concerns the call as a whole."""


@dataclass(frozen=True)
class CallPlaces:
    """Where a closed call is in the log."""

    entries: list[Place]
    """All but the closing one, in their order."""
    closing: int
    """Offset of the closing line; its checkpoint follows it."""
    statement: int
    """Offset of the worker's statement."""


class PrivateStore:
    """Every method may wait for the disk."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self._path = path
        self._vault = vault
        self._connection: sqlite3.Connection | None = None

    def pseudonym(self, person: str) -> str:
        """Return what stands for a person in the chain; make the key at the first time.

        Raises:
            AuditUnwritable: the file cannot be used.
        """
        known = self.known_pseudonym(person)
        if known is not None:
            return known
        key = secrets.token_bytes(KEY_BYTES)
        name = self._name(person)
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO actor_keys VALUES (?, ?)",
                (name, self._vault.encrypt(key.hex(), f"{_KIND}:{name}")),
            )
        return _pseudonym(key, person)

    def known_pseudonym(self, person: str) -> str | None:
        """Return what stands for a person; None if they never appeared, or are forgotten.

        Raises:
            AuditUnwritable: the file cannot be used.
        """
        name = self._name(person)
        row = self._one("SELECT key FROM actor_keys WHERE person = ?", (name,))
        if row is None:
            return None
        try:
            key = bytes.fromhex(self._vault.decrypt(row[0], f"{_KIND}:{name}"))
        except VaultError as error:
            raise AuditUnwritable(f"{self._path}: of another key") from error
        return _pseudonym(key, person)

    def forget(self, person: str) -> bool:
        """Destroy a person's key. False if there is none."""
        with self._writing() as connection:
            done = connection.execute(
                "DELETE FROM actor_keys WHERE person = ?", (self._name(person),)
            )
        return done.rowcount > 0

    def keep_secret(self, digest: bytes, call: str, actor: str, expires_ms: int) -> None:
        """Let who knows the secret fetch the receipt of that participant."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO receipt_secrets VALUES (?, ?, ?, ?)",
                (digest, call, actor, expires_ms),
            )

    def keep_open(self, opened: OpenedCall) -> None:
        """Remember that a call is open, and on which worker."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO open_calls VALUES (?, ?, ?, ?, ?)",
                (opened.call, opened.room, opened.worker, opened.opened, opened.statement),
            )

    def open_calls(self, worker: str) -> list[OpenedCall]:
        """Return the calls that were open on the worker of that name, in their order."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT * FROM open_calls WHERE worker = ? ORDER BY opened", (worker,)
            ).fetchall()
        return [OpenedCall(*row) for row in rows]

    def keep_call(self, call: str, places: CallPlaces, expires_ms: int) -> None:
        """Remember where a closed call is, and that it is closed."""
        text = json.dumps(
            [[[e.offset, e.actor] for e in places.entries], places.closing, places.statement]
        )
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO closed_calls VALUES (?, ?, ?)", (call, text, expires_ms)
            )
            connection.execute("DELETE FROM open_calls WHERE call = ?", (call,))

    def receipt_of(self, digest: bytes, now_ms: int) -> tuple[str, str, CallPlaces | None] | None:
        """Return (call, actor, where it is) of a secret; None for an unknown or expired one. Without
        places the call has not ended."""
        row = self._one(
            "SELECT s.call, s.actor, c.places FROM receipt_secrets s"
            " LEFT JOIN closed_calls c ON c.call = s.call WHERE s.digest = ? AND s.expires_ms > ?",
            (digest, now_ms),
        )
        if row is None:
            return None
        if row[2] is None:
            return row[0], row[1], None
        entries, closing, statement = json.loads(row[2])
        places = CallPlaces([Place(*each) for each in entries], closing, statement)
        return row[0], row[1], places

    def forget_expired(self, now_ms: int) -> None:
        """Delete what nobody may fetch any more."""
        with self._writing() as connection:
            connection.execute("DELETE FROM receipt_secrets WHERE expires_ms <= ?", (now_ms,))
            connection.execute("DELETE FROM closed_calls WHERE expires_ms <= ?", (now_ms,))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _name(self, person: str) -> str:
        return self._vault.lookup_hash(_KIND, person)

    def _one(self, query: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        with self._using() as connection:
            row: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
            return row

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as connection, connection:
            yield connection

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise AuditUnwritable(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        # Made before SQLite does, so that nobody else can ever read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection


def _pseudonym(key: bytes, person: str) -> str:
    return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:32]
