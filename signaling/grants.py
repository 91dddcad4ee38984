"""What each role may do at the start of a meeting, and the most a moderator can give it. Pure."""

from __future__ import annotations

import msgspec

from sfu.values import Grants, Role, RoomClass, TrackSource

_MODERATOR = Grants(moderate=True, close_room=True)
_SPEAKER = Grants()
_LISTENER = Grants(microphone=False, camera=False, screen=False)
_KEP_EMPLOYEE = Grants(chat=False, moderate=True, close_room=True)
# Nothing that was said in a kep call may remain: there is no chat (recording_policy decides, this
# table obeys). A citizen shows a face and papers to the camera, not a screen.
_KEP_VISITOR = Grants(chat=False, screen=False)

INITIAL_GRANTS: dict[tuple[RoomClass, Role], Grants] = {
    (RoomClass.COUNCIL, Role.CHAIR): _MODERATOR,
    (RoomClass.COUNCIL, Role.SECRETARY): _MODERATOR,
    (RoomClass.COUNCIL, Role.COORDINATOR): _MODERATOR,
    (RoomClass.COUNCIL, Role.MEMBER): _SPEAKER,
    (RoomClass.COUNCIL, Role.INTERPRETER): _SPEAKER,
    # Guests hear and see; the chair gives them the floor with `allow`.
    (RoomClass.COUNCIL, Role.GUEST): _LISTENER,
    (RoomClass.KEP, Role.EMPLOYEE): _KEP_EMPLOYEE,
    (RoomClass.KEP, Role.CITIZEN): _KEP_VISITOR,
    (RoomClass.KEP, Role.INTERPRETER): _KEP_VISITOR,
}
"""A pair that is not here cannot enter."""

NEVER_ALLOWED: frozenset[tuple[RoomClass, Role, TrackSource]] = frozenset(
    {
        (RoomClass.KEP, Role.CITIZEN, TrackSource.SCREEN),
        (RoomClass.KEP, Role.INTERPRETER, TrackSource.SCREEN),
    }
)
"""What no moderator can allow."""


def initial_grants(room_class: RoomClass, role: Role) -> Grants | None:
    """Return what `role` may do when it enters; None if the role does not exist in such a room."""
    return INITIAL_GRANTS.get((room_class, role))


def has_chat(room_class: RoomClass) -> bool:
    """Return whether rooms of the class have a chat at all."""
    return room_class is not RoomClass.KEP


def can_ever_publish(room_class: RoomClass, role: Role, source: TrackSource) -> bool:
    """Return whether a moderator may allow `role` to publish `source`."""
    return (room_class, role, source) not in NEVER_ALLOWED


def with_source(grants: Grants, source: TrackSource, is_allowed: bool) -> Grants:
    """Return `grants` with the one of `source` changed."""
    return msgspec.structs.replace(grants, **{source.value: is_allowed})
