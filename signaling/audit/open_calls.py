"""A call that another control plane began, read back from the log. For who takes it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording_policy.audit import AuditUnwritable, Entry
from recording_policy.verify import CALL_CLOSED, LogIsWrong, parse_line


@dataclass
class FoundCall:
    """What the log says of one call, and who it says is in it."""

    entries: list[tuple[Entry, str]] = field(default_factory=list)
    """(where, participant or nothing), all but a closing one."""
    actors: dict[str, str] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    encryption: dict[str, str] = field(default_factory=dict)
    closing: Entry | None = None
    """It is closed in the log already."""


def read_call(path: Path, call: str, offset: int) -> FoundCall:
    """Return the call whose first line is at `offset`. Reads from there to the end.

    Raises:
        AuditUnwritable: the log cannot be read, or a line of the call is altered.
    """
    found = FoundCall()
    try:
        for entry, body in _entries_of(path, call, offset):
            _note(found, entry, body)
    except (OSError, LogIsWrong) as error:
        raise AuditUnwritable(f"{path}: {error}") from error
    return found


def _entries_of(path: Path, call: str, offset: int) -> Iterator[tuple[Entry, dict[str, Any]]]:
    mark = f'"call":"{call}"'.encode()
    with path.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            # What somebody is writing now has no newline yet.
            if mark in line and line.endswith(b"\n"):
                body = parse_line(line[:-1])
                if body["facts"].get("call") == call:
                    yield Entry(body["sequence"], line[:64].decode(), offset), body
            offset += len(line)


def _note(found: FoundCall, entry: Entry, body: dict[str, Any]) -> None:
    kind, facts = body["kind"], body["facts"]
    if kind == CALL_CLOSED:
        found.closing = entry
        return
    participant = facts.get("participant", "")
    found.entries.append((entry, participant))
    if kind == "participant_joined":
        found.actors[participant] = facts["actor"]
        found.present.add(participant)
    elif kind == "participant_left":
        found.present.discard(participant)
    elif kind == "encryption_changed":
        found.encryption[participant] = facts["end_to_end_encryption"]
