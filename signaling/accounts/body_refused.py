"""Why a form of a body's page did nothing, and what was typed for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from signaling.accounts.body_changes import BodyChange
from signaling.accounts.texts import clean_line
from signaling.storage.models import Body, Unit

SEEN_STATES = {"open": True, "closed": False}
"""What a form says of how it was shown, or wants it: whether that is active."""


@dataclass(frozen=True)
class RefusedForm:
    """What a form of the page was sent for and did not do."""

    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field → code of a text."""
    unit_id: str = ""
    """Of which unit; empty: of the body."""
    is_stale: bool = False
    """Somebody else changed it since the page was shown."""

    @property
    def status(self) -> int:
        """Status of the page."""
        if self.is_stale:
            return 409
        return 422 if self.errors else 200

    @property
    def change(self) -> BodyChange:
        """What was asked for."""
        return read_change(self.typed)

    @property
    def seen_name(self) -> str:
        """The name that the page showed; empty: the form does not tell."""
        return self.typed.get("seen_name", "")

    def is_so(self, thing: Body | Unit) -> bool:
        """Return whether somebody else has done what was asked for."""
        change = self.change
        if change.is_active is not None:
            return thing.is_active == change.is_active
        return thing.name == clean_line(change.name)

    def changed(self, thing: Body | Unit) -> Sequence[str]:
        """Return what is not as the page showed it: `name`, `state`."""
        changed = ["name"] if self.seen_name not in ("", thing.name) else []
        was_active = SEEN_STATES.get(self.typed.get("seen_state", ""))
        if was_active is not None and was_active != thing.is_active:
            changed.append("state")
        return changed


NOTHING_REFUSED = RefusedForm()


def read_change(form: Mapping[str, str]) -> BodyChange:
    """Return what a form asks for."""
    is_active = SEEN_STATES.get(form.get("set", ""))
    return BodyChange(form.get("version", ""), form.get("name", ""), is_active)
