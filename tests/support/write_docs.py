"""Write the generated parts of docs/ again: `make docs`. A test fails while they are stale.

docs/metrics.md is whole from the table of metrics; docs/lifecycle.md has its diagrams between marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from sfu import metrics, participant
from signaling import session_values
from signaling.door import door_session
from signaling.door import values as door_values

DOCS = Path(__file__).resolve().parents[2] / "docs"
MACHINES: Mapping[str, Mapping[tuple[Any, Any], Any]] = {
    "session": session_values.TRANSITIONS,
    "knock": door_values.KNOCK_TRANSITIONS,
    "door": door_session.DOOR_TRANSITIONS,
    "presence": participant.PRESENCE,
    "transport": participant.TRANSPORT,
}
"""Name of the mark in docs/lifecycle.md → the table in the code."""

_MARKED = re.compile(r"(<!-- machine: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def documents() -> dict[Path, str]:
    """Return what each generated document should hold now."""
    lifecycle = DOCS / "lifecycle.md"
    text = _MARKED.sub(
        lambda match: match[1] + diagram(MACHINES[match[2]]) + match[3], lifecycle.read_text()
    )
    return {DOCS / "metrics.md": metrics.document(), lifecycle: text}


def diagram(table: Mapping[tuple[Any, Any], Any]) -> str:
    """Return a Mermaid state diagram; events that leave the state as it is are listed below it."""
    first_state: Enum = next(iter(table))[0]
    states = [*type(first_state)]
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_name(states[0])}"]
    stays: dict[str, list[str]] = {}
    for (state, event), target in sorted(table.items(), key=lambda row: _order(row[0])):
        if state is target:
            stays.setdefault(_name(state), []).append(_name(event))
        else:
            lines.append(f"    {_name(state)} --> {_name(target)}: {_name(event)}")
    lines.append("```")
    if stays:
        kept = "; ".join(f"{state}: {', '.join(events)}" for state, events in stays.items())
        lines += ["", f"Nothing changes on {kept}."]
    return "\n".join(lines) + "\n"


def _order(row: tuple[Any, Any]) -> tuple[int, int]:
    state, event = row
    return (_place(state), _place(event))


def _place(member: Enum) -> int:
    """Return where the member stands in its class."""
    return [*type(member)].index(member)


def _name(member: Enum) -> str:
    return str(member.value)


def main() -> None:
    """Write them all."""
    for path, text in documents().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
