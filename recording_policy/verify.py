"""Stand-alone verifier of an audit log and of receipts: answers yes or no and the first bad line.

An auditor can copy this one file: it needs Python, nothing else. (Where the package `cryptography` is
installed it checks the signatures, faster; otherwise `_verify_ed25519` below does.)

A line:      HASH SPACE BODY NEWLINE, where HASH is the SHA-256 of BODY in hex.
BODY:        {"facts":{…},"kind":"…","previous":"HASH of the line before","sequence":N,"time_ms":N}
             as JSON with sorted keys, no spaces, ASCII only, no fractions: one entry has one encoding.
First line:  sequence 0, previous 64 zeros.
Checkpoint:  kind "checkpoint", its fact "signature" is an Ed25519 signature of SIGNED_PREFIX and the
             32 bytes of `previous`: it vouches for every line above it.
What follows the last checkpoint is chained but not yet signed. That lines are missing at the end
can only be seen from outside: give `--anchor SEQUENCE:HASH`, noted from this log earlier.

Receipt:     what a participant of one call gets: some lines of the log (those of others are withheld),
             the line that closes the call, which names the number and the Merkle root of all lines of
             the call (RFC 9162 §2.1, over the lines' hashes), and the checkpoint that signs that line.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # then the arithmetic below does
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

NO_HASH = "0" * 64
SIGNED_PREFIX = b"synedrion audit checkpoint 1\0"
CHECKPOINT = "checkpoint"
CHECKPOINT_INTERVAL = 1000
"""Most entries that a writer leaves between two checkpoints."""
MAX_LINE_BYTES = 16 * 1024
KEYS = ["facts", "kind", "previous", "sequence", "time_ms"]
RECEIPT_FORMAT = "synedrion receipt 1"
CALL_OPENED, CALL_CLOSED = "call_opened", "call_closed"
STATEMENT = "worker_statement"
MAX_PATH = 64


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
    key: bytes,
    anchors: Mapping[int, str] | None = None,
) -> Verified:
    """Return what holds for the log whose lines, with their newlines, are `lines`. `key`: 32 bytes.

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


def _check_line(line: bytes, so_far: Verified, key: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise LogIsWrong("it is cut off")
    body = parse_line(line[:-1])
    if body["sequence"] != so_far.entries:
        raise LogIsWrong(f"entry {so_far.entries} is expected here, this is {body['sequence']}")
    if body["previous"] != so_far.head:
        raise LogIsWrong("it does not follow the line before it")
    if body["kind"] == CHECKPOINT:
        _check_signature(body, key)
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


# ---- receipts


def leaf_hash(line_hash: str) -> str:
    """Return the leaf of an entry in the Merkle tree of its call."""
    return hashlib.sha256(b"\0" + bytes.fromhex(line_hash)).hexdigest()


def node_hash(left: str, right: str) -> str:
    """Return the node above two others."""
    return hashlib.sha256(b"\1" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def root_by_path(line_hash: str, index: int, size: int, path: Sequence[str]) -> str:
    """Return the root that `path` leads to from the leaf `index` of `size` (RFC 9162 §2.1.3.2).

    Raises:
        LogIsWrong: the path has not the length it must have.
    """
    node, here, last = leaf_hash(line_hash), index, size - 1
    for sibling in path:
        if last == 0:
            raise LogIsWrong("its path is too long")
        if here % 2 or here == last:
            node = node_hash(sibling, node)
            while here % 2 == 0 and here:
                here, last = here // 2, last // 2
        else:
            node = node_hash(node, sibling)
        here, last = here // 2, last // 2
    if last:
        raise LogIsWrong("its path is too short")
    return node


@dataclass
class VerifiedReceipt:
    """What holds for the call of a receipt: the bodies of its lines, all proved."""

    call: str
    closing: dict[str, Any]
    entries: list[dict[str, Any]]
    statement: dict[str, Any]
    """What the worker proved on itself when the call was opened."""


def verify_receipt(receipt: Mapping[str, Any], key: bytes) -> VerifiedReceipt:
    """Return what a receipt proves. `key`: 32 bytes.

    Raises:
        LogIsWrong: it was altered, is incomplete, or of another key.
    """
    try:
        return _verify_receipt(receipt, key)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogIsWrong(f"it is no receipt: {type(error).__name__} {error}") from None


def _verify_receipt(receipt: Mapping[str, Any], key: bytes) -> VerifiedReceipt:
    if receipt["format"] != RECEIPT_FORMAT:
        raise LogIsWrong(f"it is no receipt of the format {RECEIPT_FORMAT}")
    closing, checkpoint = _line_of(receipt, "closing"), _line_of(receipt, "checkpoint")
    if closing["kind"] != CALL_CLOSED or closing["facts"]["call"] != receipt["call"]:
        raise LogIsWrong("its closing line does not close the call")
    if checkpoint["kind"] != CHECKPOINT or checkpoint["previous"] != receipt["closing"][:64]:
        raise LogIsWrong("its checkpoint does not sign the closing line")
    _check_signature(checkpoint, key)
    size, root = int(closing["facts"]["entries"]), closing["facts"]["entries_root"]
    entries = []
    for place in receipt["entries"]:
        body = _line_of(place, "line")
        text = f"entry {body['sequence']}: "
        index, path = int(place["index"]), list(place["path"])
        if not 0 <= index < size or len(path) > MAX_PATH:
            raise LogIsWrong(text + "it is not one of the call's")
        if root_by_path(place["line"][:64], index, size, path) != root:
            raise LogIsWrong(text + "it is not in the closed call")
        if body["facts"]["call"] != receipt["call"]:
            raise LogIsWrong(text + "it belongs to another call")
        entries.append(body)
    if not entries or entries[0]["kind"] != CALL_OPENED:
        raise LogIsWrong("the line that opened the call is missing")
    statement = _line_of(receipt, "statement")
    is_stated = entries[0]["facts"]["statement"] == receipt["statement"][:64]
    if statement["kind"] != STATEMENT or not is_stated:
        raise LogIsWrong("its statement is not the one the call was opened with")
    return VerifiedReceipt(receipt["call"], closing, entries, statement)


def _line_of(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        return parse_line(holder[name].encode("ascii"))
    except LogIsWrong as fault:
        raise LogIsWrong(f"{name}: {fault}") from None


# ---- signatures


def _check_signature(checkpoint: Mapping[str, Any], key: bytes) -> None:
    """Raise LogIsWrong unless the checkpoint is signed with the key."""
    try:
        signature = bytes.fromhex(checkpoint["facts"]["signature"])
        is_signed = verify_ed25519(key, signature, signed_text(checkpoint["previous"]))
    except (ValueError, TypeError, KeyError):
        is_signed = False
    if not is_signed:
        raise LogIsWrong("the signature of this checkpoint is not of the given key")


def verify_ed25519(key: bytes, signature: bytes, text: bytes) -> bool:
    """Tell whether `signature` is of `text` with `key` (RFC 8032)."""
    if not HAS_CRYPTOGRAPHY:
        return _verify_ed25519(key, signature, text)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


# RFC 8032 §5.1 and §6: the curve, and points in extended homogeneous coordinates.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    result = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point, factor = _add(point, point), factor >> 1
    return result


def _point(text: bytes) -> _Point | None:
    """Return the point encoded in 32 bytes, None if there is none."""
    y, sign = int.from_bytes(text, "little") & (2**255 - 1), text[31] >> 7
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if y >= _P or (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x % 2 != sign else x
    return x, y, 1, x * y % _P


_BASE = _point(bytes([0x58]) + bytes([0x66]) * 31)


def _verify_ed25519(key: bytes, signature: bytes, text: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    public, commitment = _point(key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or _BASE is None or scalar >= _ORDER:
        return False
    challenge = hashlib.sha512(signature[:32] + key + text).digest()
    left = _times(scalar, _BASE)
    right = _add(commitment, _times(int.from_bytes(challenge, "little") % _ORDER, public))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % _P == 0


# ---- the program

_SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in a PUBLIC KEY (RFC 8410 §4)."""


def read_key(path: Path) -> bytes:
    """Return the public key in a PEM file, 32 bytes.

    Raises:
        OSError, ValueError: there is none.
    """
    text = path.read_text(encoding="ascii")
    body = text.partition("-----BEGIN PUBLIC KEY-----")[2].partition("-----END")[0]
    encoded = base64.b64decode("".join(body.split()), validate=True)
    if len(encoded) != 44 or not encoded.startswith(_SPKI_ED25519):
        raise ValueError(f"{path}: not an Ed25519 public key in PEM")
    return encoded[12:]


def _anchor(text: str) -> tuple[int, str]:
    sequence, _, head = text.partition(":")
    if len(head) != 64:
        raise argparse.ArgumentTypeError("write SEQUENCE:HASH, the hash in 64 hex digits")
    return int(sequence), head.lower()


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a file. Exit status: 0 it holds, 1 it does not, 2 it cannot be read."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_receipt = given[:1] == ["receipt"]
    parser = argparse.ArgumentParser(
        prog="verify receipt" if is_receipt else "verify",
        description="Verify a receipt." if is_receipt else "Verify an audit log. "
        "`verify receipt FILE --key KEY` verifies a participant's receipt.",
    )  # fmt: skip
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="public key, PEM")
    if not is_receipt:
        parser.add_argument(
            "--anchor", type=_anchor, action="append", default=[], metavar="SEQUENCE:HASH",
            help="an entry noted earlier, which must still be there",
        )  # fmt: skip
    options = parser.parse_args(given[1:] if is_receipt else given)
    tell: Callable[[argparse.Namespace], None] = _tell_receipt if is_receipt else _tell_log
    try:
        tell(options)
    except LogIsWrong as fault:
        print(f"WRONG  {options.file}: {fault}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    return 0


def _tell_log(options: argparse.Namespace) -> None:
    with options.file.open("rb") as lines:
        result = verify(lines, read_key(options.key), dict(options.anchor))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(result.kinds.items()))
    print(f"HOLDS  {options.file}: {result.entries} entries ({kinds})")
    print(f"       signed up to entry {result.signed_entries - 1}")
    print(f"       anchor {result.entries - 1}:{result.head}")


def _tell_receipt(options: argparse.Namespace) -> None:
    key, text = read_key(options.key), options.file.read_text(encoding="utf-8")
    receipt = json.loads(text)
    result = verify_receipt(receipt if isinstance(receipt, dict) else {}, key)
    print(f"HOLDS  {options.file}: call {result.call}")
    for body in [*result.entries, result.closing]:
        shown = {name: fact for name, fact in body["facts"].items() if name != "call"}
        print(f"       entry {body['sequence']}, {body['time_ms']} ms: {body['kind']} {shown}")
    withheld = int(result.closing["facts"]["entries"]) - len(result.entries)
    print(f"       {withheld} entries of the call concern others and are withheld")
    print(
        f"       the worker proved: {', '.join(result.statement['facts']['statement']['probes'])}"
    )


if __name__ == "__main__":
    sys.exit(main())
