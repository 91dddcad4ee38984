"""The audit log: an append-only chain of hashes with signed checkpoints. Format: `verify.py`.

Holds who did what to which call under pseudonyms, never content. One writer at a time. An append
that returns is on disk; one that raises has left nothing behind, so a caller may refuse what it
was about to do: without audit there is no call.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from recording_policy.verify import (
    CHECKPOINT,
    CHECKPOINT_INTERVAL,
    MAX_LINE_BYTES,
    NO_HASH,
    LogIsWrong,
    encode_body,
    hash_of,
    parse_line,
    signed_text,
)

OPENED, RECOVERED = "opened", "recovered"
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")


class AuditError(Exception):
    """The log cannot be used; nothing was added."""


class AuditInUse(AuditError):
    """Another process writes this log."""


class AuditBroken(AuditError):
    """The end of the log is not as a writer leaves it, or the disk failed: see `verify`."""


class AuditUnwritable(AuditError):
    """The entry could not be stored: disk full, file limit, read-only."""


@dataclass(frozen=True)
class Entry:
    """Where an entry is."""

    sequence: int
    hash: str
    """Of its line, 64 hexadecimal digits."""
    offset: int
    """Byte of the file at which its line begins."""


class AuditLog:
    """Use as a context manager. `clock_ms`: wall time since 1970."""

    def __init__(
        self,
        path: Path,
        key: Ed25519PrivateKey,
        clock_ms: Callable[[], int],
        *,
        checkpoint_interval: int = CHECKPOINT_INTERVAL,
    ) -> None:
        """Open or create the log, for us alone; cut off what a killed writer left half done.

        A checkpoint follows after so many entries, at most CHECKPOINT_INTERVAL, and at the close.

        Raises:
            AuditError: in use, broken, or unwritable.
        """
        self._key = key
        self._clock_ms = clock_ms
        self._interval = min(checkpoint_interval, CHECKPOINT_INTERVAL)
        self._failure: OSError | None = None
        self._length = self._sequence = self._unsigned = 0
        self._head = NO_HASH
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise AuditUnwritable(f"{path}: {error}") from error
        try:
            self._lock(path)
            self._load_end(path)
            if not self._sequence:
                self.append(OPENED, {"version": 1})
                self.checkpoint()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def head(self) -> tuple[int, str]:
        """The last entry's sequence and hash: what an anchor notes."""
        return self._sequence - 1, self._head

    def append(self, kind: str, facts: Mapping[str, Any], *, is_durable: bool = True) -> int:
        """Add an entry and return its sequence. `is_durable` false: `sync` or the next one stores it.

        Raises:
            AuditError: nothing was added.
            ValueError: the kind is no name, or the facts are not JSON without fractions.
        """
        entry = self.add(kind, facts)
        if is_durable:
            self.sync()
        return entry.sequence

    def add(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        """Add an entry that is on the disk when `sync` has returned.

        Raises:
            AuditError, ValueError: as `append`.
        """
        if not _KIND.fullmatch(kind) or kind == CHECKPOINT:
            raise ValueError(f"{kind!r} is no name of a kind of entry")
        # Before, not after: what follows the entry could fail when the entry is there already.
        if self._unsigned >= self._interval:
            self.sign()
        return self._add(kind, facts)

    def sign(self) -> Entry:
        """Sign all that is there; the signature is stored by `sync`.

        Raises:
            AuditError: nothing was added.
        """
        entry = self._add(CHECKPOINT, {"signature": self._key.sign(signed_text(self._head)).hex()})
        self._unsigned = 0
        return entry

    def checkpoint(self) -> None:
        """Sign all that is there, and store it.

        Raises:
            AuditError: nothing was added.
        """
        self.sign()
        self.sync()

    def sync(self) -> None:
        """Return when all entries are on the disk.

        Raises:
            AuditBroken: the disk failed; what of the last entries is stored is unknown.
        """
        self._check_usable()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            # After a failed sync the kernel may drop what it could not write: never go on.
            self._failure = error
            raise AuditBroken(f"the disk failed: {error}") from error

    def close(self) -> None:
        """Sign what is not signed yet, if that is possible, and let others write."""
        if self._file < 0:
            return
        try:
            if self._unsigned and self._failure is None:
                self.checkpoint()
        except AuditUnwritable:
            pass  # chained, unsigned: the next writer's first checkpoint vouches for it
        finally:
            os.close(self._file)
            self._file = -1

    def _add(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        self._check_usable()
        sequence, offset = self._sequence, self._length
        body = encode_body(
            {
                "facts": dict(facts),
                "kind": kind,
                "previous": self._head,
                "sequence": sequence,
                "time_ms": self._clock_ms(),
            }
        )
        head = hash_of(body)
        line = head.encode() + b" " + body + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"an entry of {len(line)} bytes, {MAX_LINE_BYTES} are allowed")
        self._write(line)
        self._sequence, self._head = sequence + 1, head
        self._unsigned += 1
        return Entry(sequence, head, offset)

    def _write(self, line: bytes) -> None:
        """Write all of `line` or nothing."""
        try:
            written = os.write(self._file, line)
            if written == len(line):
                self._length += written
                return
            reason = f"only {written} of {len(line)} bytes fit"
        except OSError as error:
            reason = str(error)
        try:
            os.ftruncate(self._file, self._length)
        except OSError as error:
            self._failure = error
            raise AuditBroken(f"a half entry could not be taken back: {error}") from error
        raise AuditUnwritable(reason)

    def _check_usable(self) -> None:
        if self._file < 0:
            raise AuditError("the log is closed")
        if self._failure is not None:
            raise AuditBroken(f"the disk failed before: {self._failure}")

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AuditInUse(f"{path} is written by another process") from None

    def _load_end(self, path: Path) -> None:
        """Find the last entry; cut off what follows it without a newline."""
        self._length = os.fstat(self._file).st_size
        at = max(0, self._length - 2 * MAX_LINE_BYTES)
        end = os.pread(self._file, self._length - at, at)
        whole = end[: end.rfind(b"\n") + 1]
        torn = len(end) - len(whole)
        if torn > MAX_LINE_BYTES:
            raise AuditBroken(f"{path} does not end as an audit log does")
        if torn:
            self._length -= torn
            os.ftruncate(self._file, self._length)
        if whole:
            try:
                body = parse_line(whole[:-1].rpartition(b"\n")[2])
            except LogIsWrong as fault:
                raise AuditBroken(f"{path}, last line: {fault}") from None
            self._sequence = int(body["sequence"]) + 1
            self._head = whole[:-1].rpartition(b"\n")[2][:64].decode()
            # Unsigned entries may lie before the last one: sign at the next chance.
            self._unsigned = 0 if body["kind"] == CHECKPOINT else 1
        if torn:
            self.append(RECOVERED, {"bytes_cut_off": torn})


def load_or_create_key(path: Path) -> Ed25519PrivateKey:
    """Return the signing key in the PEM file, made with mode 0600 if there is none; the public one
    is beside it with the ending `.pub`, for verifiers.

    Raises:
        OSError, ValueError: it cannot be read or made, or is no Ed25519 key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}: not an Ed25519 key")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_name(path.name + ".pub").write_bytes(public)
    return key
