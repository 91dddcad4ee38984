"""What the domain refuses, as the API says it: status, code, and what helps."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from signaling.accounts.bodies import BadName, NameTaken
from signaling.accounts.decision import BadDecision
from signaling.accounts.role_requests import AlreadyPending
from signaling.api.table import Moment, Refusal
from signaling.kep.booking import TooManyAppointments
from signaling.kep.day_steps import moment_of
from signaling.kep.placing import NotOffered, OwnOverlap, SlotGone
from signaling.kep.states import WrongState
from signaling.scheduling.agenda import BadAgenda
from signaling.scheduling.collective_bodies import BadMember
from signaling.scheduling.collective_changes import BadCollective
from signaling.scheduling.invitation_form import BadInvitee
from signaling.scheduling.invitations import TooManyInvited
from signaling.scheduling.people_csv import UnreadableList
from signaling.scheduling.sitting_form import BadForm
from signaling.scheduling.sittings import NoRoomThen, NotNow, Overlap

INVALID = "invalid_fields"
NOT_NOW_BUT_WRONG = frozenset({"cancel_reason_missing"})
"""Codes of `NotNow` that are about what was sent, as the pages have it."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457) with what this service adds."""

    type: str
    title: str
    status: int
    code: str = ""
    """Stable; the texts of the pages tell it to people."""
    detail: str = ""
    errors: dict[str, str] = {}
    """Field → code."""
    moments: Sequence[Moment] = ()
    """Of `time_ambiguous` the two that are meant; of `time_missing_hour` the time an hour later."""
    starts_at: Moment | None = None
    """Of a series, which of its sittings does not fit."""
    next_start: Moment | None = None
    """`capacity_full`: when it would fit."""
    other_starts_at: Moment | None = None
    other_ends_at: Moment | None = None
    """`sitting_overlap`: when the other one is."""
    offers: Sequence[Moment] = ()
    """`slot_gone`: other times that were free a moment ago."""


def refusal_of(error: Exception) -> Refusal | None:
    """Return what to answer; None: it is no refusal of the domain."""
    return _scheduling(error) or _accounts(error) or _appointments(error)


def _accounts(error: Exception) -> Refusal | None:
    match error:
        case BadName():
            return Refusal(422, INVALID, errors={"name": "name_bad"})
        case NameTaken():
            return Refusal(409, "name_taken")
        case BadDecision():
            return Refusal(422, INVALID, errors=error.errors)
        case AlreadyPending():
            return Refusal(409, "already_pending")
    return None


def _scheduling(error: Exception) -> Refusal | None:
    match error:
        case BadForm():
            return Refusal(422, INVALID, errors=error.errors, moments=list(error.moments))
        case BadMember():
            is_taken = set(error.errors.values()) <= {"member_twice", "members_many"}
            return Refusal(409 if is_taken else 422, INVALID, errors=error.errors)
        case BadCollective() | BadInvitee() | BadAgenda():
            return Refusal(422, INVALID, errors=error.errors)
        case UnreadableList():
            return Refusal(422, INVALID, errors={"csv": str(error)})
        case Overlap():
            return Refusal(
                409, "sitting_overlap", starts_at=error.starts_at,
                other_starts_at=error.other.starts_at, other_ends_at=error.other.ends_at,
            )  # fmt: skip
        case NoRoomThen():
            return Refusal(
                409, "capacity_full", starts_at=error.starts_at, next_start=error.next_start
            )
        case NotNow():
            return Refusal(422 if str(error) in NOT_NOW_BUT_WRONG else 409, str(error))
        case TooManyInvited():
            return Refusal(409, "invited_many")
    return None


def _appointments(error: Exception) -> Refusal | None:
    match error:
        case SlotGone():
            return Refusal(409, "slot_gone", offers=[moment_of(each) for each in error.offers])
        case OwnOverlap():
            return Refusal(409, "own_overlap")
        case TooManyAppointments():
            return Refusal(409, "too_many")
        case NotOffered():
            return Refusal(404, "not_offered")
        case WrongState():
            return Refusal(409, "wrong_state")
    return None
