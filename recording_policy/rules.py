"""What may be done with the content of a meeting: the one place that decides. Pure.

A verb exists for a class of rooms, or it does not; where it does, roles and phases limit who may use
it and when. For `kep` none exists, and no grant for it can be constructed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn


class RoomClass(StrEnum):
    """What kind of meeting a room is. Fixed at creation."""

    COUNCIL = "council"
    KEP = "kep"


class Verb(StrEnum):
    """What takes content out of a call, or keeps it."""

    RECORD = "record"
    STREAM = "stream"
    TAP = "tap"
    TRANSCRIBE = "transcribe"
    SNAPSHOT = "snapshot"
    CAPTION = "caption"
    KEEP_CHAT = "keep_chat"
    SHARE_FILE = "share_file"


_OFFICE = frozenset({"chair", "secretary", "coordinator"})
_IN_SESSION = frozenset({"open", "suspended"})


@dataclass(frozen=True)
class _Rule:
    roles: frozenset[str]
    phases: frozenset[str]


_RULES: Mapping[RoomClass, Mapping[Verb, _Rule]] = {
    RoomClass.COUNCIL: {
        Verb.RECORD: _Rule(_OFFICE, _IN_SESSION),
        Verb.STREAM: _Rule(_OFFICE, _IN_SESSION),
        Verb.TAP: _Rule(_OFFICE, _IN_SESSION),
        Verb.TRANSCRIBE: _Rule(_OFFICE, _IN_SESSION),
        Verb.SNAPSHOT: _Rule(_OFFICE, _IN_SESSION),
        Verb.CAPTION: _Rule(_OFFICE, _IN_SESSION),
        Verb.KEEP_CHAT: _Rule(_OFFICE, _IN_SESSION),
        Verb.SHARE_FILE: _Rule(_OFFICE | {"member"}, _IN_SESSION),
    },
    RoomClass.KEP: {},
}


class VerbDoesNotExist(Exception):
    """There is no such verb for this class of rooms: to a client the address does not exist (404)."""


class VerbNotAllowed(Exception):
    """The verb exists; this role may not use it, or not in this phase."""


def verbs_of(room_class: RoomClass) -> frozenset[Verb]:
    """Return the verbs that exist for the class."""
    return frozenset(_RULES[room_class])


def verb_of(word: str) -> Verb | None:
    """Return the verb that a word of a path or a message type means, however it is written."""
    plain = "".join(letter for letter in word.casefold() if letter.isalpha())
    return _BY_PLAIN.get(plain)


_PLAIN = {verb.value.replace("_", ""): verb for verb in Verb}
_ENDINGS = ("", "s", "r", "er", "ing", "ings", "ed", "d", "ion", "ping")
_BY_PLAIN = {
    stem + ending: verb
    for word, verb in _PLAIN.items()
    for stem in {word, word.removesuffix("e")}
    for ending in _ENDINGS
} | {prefix + word: verb for word, verb in _PLAIN.items() for prefix in ("start", "stop")}
_BY_PLAIN["transcription"] = Verb.TRANSCRIBE
"""`recording`, `start-recording`, `transcription`: the words that people try."""


@dataclass(frozen=True, slots=True)
class CapabilityGrant:
    """Leave to use a verb in one room. Whoever holds one need not ask again: it cannot be made,
    copied with changes or unpickled but through the rules.

    Raises:
        VerbDoesNotExist: always for kep rooms.
        VerbNotAllowed: by role or phase.
    """

    verb: Verb
    room: str
    room_class: RoomClass
    role: str
    phase: str

    def __post_init__(self) -> None:
        for value, kind in ((self.room_class, RoomClass), (self.verb, Verb)):
            if not isinstance(value, kind):  # a plain string equals a member, and is none
                raise VerbDoesNotExist(f"{value!r} is no {kind.__name__}")
        rule = _RULES[self.room_class].get(self.verb)
        if rule is None:
            raise VerbDoesNotExist(f"{self.verb} does not exist in {self.room_class} rooms")
        if self.role not in rule.roles:
            raise VerbNotAllowed(f"{self.verb} is not for the role {self.role}")
        if self.phase not in rule.phases:
            raise VerbNotAllowed(f"{self.verb} is not possible in the phase {self.phase}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a grant does not leave the process that decided it")
