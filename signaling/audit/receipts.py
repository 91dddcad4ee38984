"""The receipt of one participant of one kep call: their lines of the chain, and the path to a signature.

The format is in `recording_policy/verify.py`, which verifies it. Lines of other participants are
withheld; that they are there is proved by their number and the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from recording_policy.audit import AuditUnwritable
from recording_policy.merkle import path_of
from recording_policy.verify import (
    MAX_LINE_BYTES,
    RECEIPT_FORMAT,
    LogIsWrong,
    VerifiedReceipt,
    parse_line,
    verify_receipt,
)
from signaling.audit.private_store import CallPlaces, Place


def build_receipt(log_path: Path, call: str, actor: str, places: CallPlaces) -> dict[str, Any]:
    """Return the receipt of who appears as `actor` in the call. Reads the lines of the call.

    Raises:
        AuditUnwritable: the log is not there, or not as it was.
    """
    try:
        with log_path.open("rb") as log:
            lines = [_line_at(log, place.offset) for place in places.entries]
            closing = _line_at(log, places.closing)
            checkpoint = _line_at(log, places.closing + len(closing) + 1)
            statement = _line_at(log, places.statement)
    except (OSError, LogIsWrong) as error:
        raise AuditUnwritable(f"{log_path}: {error}") from error
    return {
        "format": RECEIPT_FORMAT,
        "call": call,
        "actor": actor,
        "entries": _shown(lines, places.entries, actor),
        "closing": closing,
        "checkpoint": checkpoint,
        "statement": statement,
    }


def check_receipt(receipt: dict[str, Any], key: bytes) -> VerifiedReceipt:
    """Return what the receipt proves: nothing is handed out that a verifier would refuse.

    Raises:
        AuditUnwritable: it does not verify.
    """
    try:
        return verify_receipt(receipt, key)
    except LogIsWrong as fault:
        raise AuditUnwritable(f"the receipt does not verify: {fault}") from fault


def _shown(lines: Sequence[str], places: Sequence[Place], actor: str) -> list[dict[str, Any]]:
    hashes = [line[:64] for line in lines]
    return [
        {"index": index, "line": line, "path": path_of(index, hashes)}
        for index, (line, place) in enumerate(zip(lines, places, strict=True))
        if place.actor in ("", actor)
    ]


def _line_at(log: BinaryIO, offset: int) -> str:
    """Return the line that begins at `offset`, without its newline.

    Raises:
        LogIsWrong: there is none.
    """
    log.seek(offset)
    line = log.readline(MAX_LINE_BYTES + 1)
    if not line.endswith(b"\n"):
        raise LogIsWrong(f"no line at {offset}")
    parse_line(line[:-1])
    return line[:-1].decode("ascii")
