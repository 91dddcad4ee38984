"""Stand-alone verifier of an audit log: reads it, answers yes or no and the first bad line.

An auditor can copy this one file: it needs Python and the package `cryptography`, nothing of ours.

A line:      HASH SPACE BODY NEWLINE, where HASH is the SHA-256 of BODY in hex.
BODY:        {"facts":{…},"kind":"…","previous":"HASH of the line before","sequence":N,"time_ms":N}
             as JSON with sorted keys, no spaces, ASCII only, no fractions: one entry has one encoding.
First line:  sequence 0, previous 64 zeros.
Checkpoint:  kind "checkpoint", its fact "signature" is an Ed25519 signature of SIGNED_PREFIX and the
             32 bytes of `previous`: it vouches for every line above it.
What follows the last checkpoint is chained but not yet signed. That lines are missing at the end
can only be seen from outside: give `--anchor SEQUENCE:HASH`, noted from this log earlier.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

NO_HASH = "0" * 64
SIGNED_PREFIX = b"synedrion audit checkpoint 1\0"
CHECKPOINT = "checkpoint"
CHECKPOINT_INTERVAL = 1000
"""Most entries that a writer leaves between two checkpoints."""
MAX_LINE_BYTES = 16 * 1024
KEYS = ["facts", "kind", "previous", "sequence", "time_ms"]


class LogIsWrong(Exception):
    """The log was altered, or is incomplete. The text names the line and the fault."""


@dataclass
class Verified:
    """What holds for the log."""

    entries: int = 0
    signed_entries: int = 0
    """Entries up to and with the last checkpoint."""
    head: str = NO_HASH
    """Hash of the last line: note it with its sequence as an anchor."""
    kinds: dict[str, int] = field(default_factory=dict)


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Return the one encoding of `body`.

    Raises:
        TypeError, ValueError: something in it is no JSON, or a fraction.
    """
    _refuse_fractions(body)
    return json.dumps(
        body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def hash_of(body: bytes) -> str:
    """Return the hash that stands before `body` in the log."""
    return hashlib.sha256(body).hexdigest()


def signed_text(previous: str) -> bytes:
    """Return what the signature of a checkpoint after the line `previous` signs."""
    return SIGNED_PREFIX + bytes.fromhex(previous)


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the body of one line, without its newline; its own hash and encoding hold.

    Raises:
        LogIsWrong: they do not. Says nothing about the lines around it.
    """
    if len(line) > MAX_LINE_BYTES:
        raise LogIsWrong(f"longer than {MAX_LINE_BYTES} bytes")
    found, body_bytes = line[:64], line[65:]
    if line[64:65] != b" " or hash_of(body_bytes).encode() != found:
        raise LogIsWrong("its hash does not fit: it was altered")
    try:
        body = json.loads(body_bytes)
        is_canonical = sorted(body) == KEYS and encode_body(body) == body_bytes
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LogIsWrong(f"it is no entry: {error}") from None
    if not is_canonical:
        raise LogIsWrong("it is not encoded as entries are")
    assert isinstance(body, dict)
    return body


def verify(
    lines: Iterable[bytes],
    key: Ed25519PublicKey,
    anchors: Mapping[int, str] | None = None,
) -> Verified:
    """Return what holds for the log whose lines, with their newlines, are `lines`.

    Raises:
        LogIsWrong: it does not verify.
    """
    result = Verified()
    waiting = dict(anchors or {})
    for number, line in enumerate(lines, 1):
        try:
            body = _check_line(line, result, key)
        except LogIsWrong as fault:
            raise LogIsWrong(f"line {number}: {fault}") from None
        result.head = line[:64].decode()
        result.entries += 1
        kind = body["kind"]
        result.kinds[kind] = result.kinds.get(kind, 0) + 1
        if kind == CHECKPOINT:
            result.signed_entries = result.entries
        if result.entries - result.signed_entries > CHECKPOINT_INTERVAL + 1:
            raise LogIsWrong(f"line {number}: no checkpoint for {CHECKPOINT_INTERVAL} entries")
        if waiting.pop(body["sequence"], result.head) != result.head:
            raise LogIsWrong(f"line {number}: it is not the one that was anchored")
    if waiting:
        raise LogIsWrong(
            f"the log ends after {result.entries} entries, but entry {max(waiting)} was anchored: "
            "lines are missing at the end, or an older copy was put back"
        )
    if not result.signed_entries:
        raise LogIsWrong("nothing in it is signed: a writer signs from the start")
    return result


def _check_line(line: bytes, so_far: Verified, key: Ed25519PublicKey) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise LogIsWrong("it is cut off")
    body = parse_line(line[:-1])
    if body["sequence"] != so_far.entries:
        raise LogIsWrong(f"entry {so_far.entries} is expected here, this is {body['sequence']}")
    if body["previous"] != so_far.head:
        raise LogIsWrong("it does not follow the line before it")
    if body["kind"] == CHECKPOINT:
        try:
            key.verify(bytes.fromhex(body["facts"]["signature"]), signed_text(so_far.head))
        except (InvalidSignature, ValueError, TypeError, KeyError):
            raise LogIsWrong("the signature of this checkpoint is not of the given key") from None
    return body


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError(f"{value}: entries hold no fractions")
    if isinstance(value, Mapping):
        for each in value.values():
            _refuse_fractions(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_fractions(each)


def read_key(path: Path) -> Ed25519PublicKey:
    """Return the public key in a PEM file.

    Raises:
        OSError, ValueError: there is none.
    """
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path}: not an Ed25519 key")
    return key


def _anchor(text: str) -> tuple[int, str]:
    sequence, _, head = text.partition(":")
    if len(head) != 64:
        raise argparse.ArgumentTypeError("write SEQUENCE:HASH, the hash in 64 hex digits")
    return int(sequence), head.lower()


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a file. Exit status: 0 it holds, 1 it does not, 2 it cannot be read."""
    parser = argparse.ArgumentParser(prog="verify", description="Verify an audit log.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="public key, PEM")
    parser.add_argument(
        "--anchor", type=_anchor, action="append", default=[], metavar="SEQUENCE:HASH",
        help="an entry noted earlier, which must still be there",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        key = read_key(options.key)
        with options.file.open("rb") as lines:
            result = verify(lines, key, dict(options.anchor))
    except LogIsWrong as fault:
        print(f"WRONG  {options.file}: {fault}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(result.kinds.items()))
    print(f"HOLDS  {options.file}: {result.entries} entries ({kinds})")
    print(f"       signed up to entry {result.signed_entries - 1}")
    print(f"       anchor {result.entries - 1}:{result.head}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
