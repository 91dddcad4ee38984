"""Making and changing sittings by who may: what was shown, what is wanted, in one transaction. Pages
and the API call it. Records, capacity and trail are `signaling.scheduling.sittings`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signaling.accounts.rights import Action
from signaling.accounts.texts import clean_text
from signaling.accounts.visitor import Visitor
from signaling.scheduling.agenda import AgendaRow
from signaling.scheduling.desk_parts import DeskParts, find_sitting_to_change
from signaling.scheduling.places import find_place
from signaling.scheduling.sitting_form import BadForm, SittingForm, parse_sitting
from signaling.scheduling.sittings import (
    EXTENSIONS_MIN,
    NotNow,
    Origin,
    rest_of_series,
    target_of,
)
from signaling.storage.models import Sitting

MAX_REASON_LENGTH = 1000


@dataclass(frozen=True)
class Seen:
    """Which sitting is to be changed, as who changes it has seen it."""

    sitting_id: str
    version: str


class SittingChanges:
    """Changes sittings for a visitor.

    All methods but `create` raise HTTPNotFound where the visitor has no right, exactly as if there
    were nothing; HTTPConflict if it has changed meanwhile; NotNow of signaling.scheduling.sittings.
    """

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._database = parts.accounts.database

    async def create(
        self, visitor: Visitor, form: SittingForm, origin: Origin
    ) -> Sequence[Sitting]:
        """Make a sitting, or all of a series.

        Raises:
            BadForm: of signaling.scheduling.sitting_form.
            SentTwice, Overlap, NoRoomThen: of signaling.scheduling.sittings.
        """
        plan = parse_sitting(form, self._parts.limits, origin.now)
        async with self._database.write() as session:
            place = await find_place(session, visitor.actor, form.place)
            if place is None:
                raise BadForm(form, {"place": "place_missing"})
            return await self._parts.sittings.create(session, place, plan, origin)

    async def change(self, visitor: Visitor, seen: Seen, form: SittingForm) -> Sitting:
        """Give a sitting other fields.

        Raises:
            BadForm, Overlap, NoRoomThen: as `create`.
        """
        origin = self._parts.origin(visitor, {})
        async with self._database.write() as session:
            sitting = await find_sitting_to_change(session, seen.sitting_id, visitor, seen.version)
            plan = parse_sitting(
                form, self._parts.limits, origin.now, kept_start=sitting.starts_at
            )  # fmt: skip
            place = await find_place(session, visitor.actor, form.place)
            if place is None:
                raise BadForm(form, {"place": "place_missing"})
            await self._parts.sittings.change(session, sitting, place, plan, origin)
        return sitting

    async def cancel(
        self, visitor: Visitor, seen: Seen, reason: str, *, whole_series: bool
    ) -> Sitting:
        """Call a sitting off, or all that follow in its series."""
        reason = clean_text(reason)[:MAX_REASON_LENGTH]
        async with self._database.write() as session:
            sitting = await find_sitting_to_change(session, seen.sitting_id, visitor, seen.version)
            if not reason:
                raise NotNow("cancel_reason_missing")
            sittings = [sitting]
            if whole_series:
                sittings = [
                    each for each in await rest_of_series(session, sitting)
                    if visitor.may(Action.MANAGE_SITTING, target_of(each))
                ]  # fmt: skip
            origin = self._parts.origin(visitor, {})
            await self._parts.sittings.cancel(session, sittings, reason, origin)
        return sitting

    async def extend(self, visitor: Visitor, seen: Seen, minutes: int | None) -> Sitting:
        """Let a sitting go on.

        Raises:
            Overlap, NoRoomThen: as `create`.
        """
        async with self._database.write() as session:
            sitting = await find_sitting_to_change(session, seen.sitting_id, visitor, seen.version)
            if minutes not in EXTENSIONS_MIN:
                raise NotNow("extension_bad")
            origin = self._parts.origin(visitor, {})
            await self._parts.sittings.extend(session, sitting, minutes, origin)
        return sitting

    async def end(self, visitor: Visitor, seen: Seen) -> Sitting:
        """Close a sitting that has begun."""
        async with self._database.write() as session:
            sitting = await find_sitting_to_change(session, seen.sitting_id, visitor, seen.version)
            await self._parts.sittings.end(session, sitting, self._parts.origin(visitor, {}))
        return sitting

    async def change_agenda(
        self, visitor: Visitor, seen: Seen, rows: Sequence[AgendaRow]
    ) -> Sitting:
        """Give a sitting another agenda."""
        async with self._database.write() as session:
            sitting = await find_sitting_to_change(session, seen.sitting_id, visitor, seen.version)
            origin = self._parts.origin(visitor, {})
            await self._parts.sittings.change_agenda(session, sitting, rows, origin)
        return sitting
