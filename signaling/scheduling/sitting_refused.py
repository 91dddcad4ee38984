"""Why a button of a sitting's page did nothing, and what was typed for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.scheduling.sitting_form import parse_number
from signaling.scheduling.sitting_seen import SeenSitting, read_seen
from signaling.scheduling.sittings import EXTENSIONS_MIN, NoRoomThen, Overlap

MISTAKES = frozenset({"cancel_reason_missing", "template_name_bad"})
"""What was typed is wrong, rather than in the way of how things are."""


@dataclass(frozen=True)
class Refused:
    """What a button of the page was pressed for and did not do."""

    typed: Mapping[str, str] = field(default_factory=dict)
    """Its form."""
    problem: Exception | None = None
    is_stale: bool = False
    """Somebody else changed the sitting since the page was shown."""

    @property
    def status(self) -> int:
        """Status of the page."""
        if self.problem is None:
            return 409 if self.is_stale else 200
        return 422 if self.code in MISTAKES else 409

    @property
    def code(self) -> str:
        """What is in the way; empty: nothing."""
        return "" if self.problem is None else str(self.problem)

    @property
    def overlap(self) -> Overlap | None:
        """The sitting that is in the way."""
        return self.problem if isinstance(self.problem, Overlap) else None

    @property
    def is_full(self) -> bool:
        """Whether capacity is."""
        return isinstance(self.problem, NoRoomThen)

    @property
    def minutes(self) -> int | None:
        """The extension."""
        minutes = minutes_of(self.typed)
        return minutes if minutes in EXTENSIONS_MIN else None

    @property
    def seen(self) -> SeenSitting | None:
        """The sitting as the page showed it, if its form tells."""
        return read_seen(self.typed.get("seen", ""))


NOTHING_REFUSED = Refused()


def minutes_of(form: Mapping[str, str]) -> int | None:
    """Return what was pressed; None: nothing near any of EXTENSIONS_MIN."""
    return parse_number(form.get("minutes", ""), min(EXTENSIONS_MIN), max(EXTENSIONS_MIN))
