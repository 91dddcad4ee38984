"""What somebody has seen of a sitting, as the forms of its page carry it. Pure.

The version decides whether a sitting has changed since; this only tells people what of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from signaling.scheduling.places import place_value
from signaling.scheduling.values import SittingKind, SittingMode
from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import AgendaItem, Sitting

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class SeenSitting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sitting as it was shown."""

    title: str
    starts_at: Moment
    ends_at: Moment
    open_before_min: int
    place: str
    kind: SittingKind
    mode: SittingMode
    expected_participants: int
    is_closed: bool
    admits_guests: bool
    agenda: str
    """Hash of its subjects: equal or not is all that is asked."""


FACTS = {
    "title": ("title",),
    "when": ("starts_at", "ends_at"),
    "opens": ("open_before_min",),
    "place": ("place",),
    "kind": ("kind", "mode"),
    "people": ("expected_participants", "is_closed", "admits_guests"),
    "agenda": ("agenda",),
}
"""Lines of the page, in order, and what each of them shows."""


def seen_of(sitting: Sitting, agenda: Sequence[AgendaItem]) -> SeenSitting:
    """Return a sitting as its page shows it."""
    subjects = msgspec.json.encode([(each.title, each.speaker) for each in agenda])
    return SeenSitting(
        title=sitting.title, starts_at=sitting.starts_at, ends_at=sitting.ends_at,
        open_before_min=sitting.open_before_min,
        place=place_value(sitting.body_id, sitting.unit_id, sitting.collective_body_id),
        kind=SittingKind(sitting.kind), mode=SittingMode(sitting.mode),
        expected_participants=sitting.expected_participants, is_closed=sitting.is_closed,
        admits_guests=sitting.admits_guests, agenda=hashlib.sha256(subjects).hexdigest()[:16],
    )  # fmt: skip


def write_seen(seen: SeenSitting) -> str:
    """Return what a form carries."""
    return msgspec.json.encode(seen).decode()


def read_seen(text: str) -> SeenSitting | None:
    """Return what a form carried; None: nothing that a page of ours has written."""
    try:
        seen = msgspec.json.decode(text, type=SeenSitting)
        to_wall(seen.starts_at), to_wall(seen.ends_at)
    except (msgspec.DecodeError, OverflowError, UnicodeEncodeError):
        return None
    return seen


def changed_facts(before: SeenSitting, now: SeenSitting) -> Sequence[str]:
    """Return the keys of FACTS whose line is not what it was."""
    return [
        fact for fact, names in FACTS.items()
        if any(getattr(before, name) != getattr(now, name) for name in names)
    ]  # fmt: skip
