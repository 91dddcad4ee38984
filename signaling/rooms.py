"""Which rooms there are, who is in them, and which socket hears what. In memory, no I/O.

The media worker owns a room's state; this is a mirror of it, kept by the worker's events and put
right by `reconcile` whenever a worker connects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sfu import rpc_messages as rpc
from sfu.values import ConnectionQuality, ParticipantInfo, RoomClass
from signaling.messages import ServerMessage
from signaling.notifications import addressee_of, notification_of
from signaling.room_session import RoomDescription
from signaling.session_values import Membership


class Listener(Protocol):
    """A socket, as the rooms see it. Every call returns at once."""

    def handle_event(self, event: rpc.Event, notification: ServerMessage | None) -> None:
        """Hear an event."""

    def handle_broadcast(self, message: ServerMessage) -> None:
        """Hear what is said to the whole room."""

    def handle_for_moderators(self, message: ServerMessage) -> None:
        """Hear what only moderators are told."""

    def handle_superseded(self) -> None:
        """Another socket is the participant now."""

    def handle_media_lost(self) -> None:
        """The participant is in the room of a restarted worker."""

    def handle_rejoin_refused(self) -> None:
        """The worker does not know the participant any more."""

    def membership(self) -> Membership | None:
        """Return what admits the participant again; None unless joined."""


class Observer(Protocol):
    """Who hears of every room. Every call returns at once."""

    def handle_event(self, event: rpc.Event) -> None:
        """Hear an event; the room is mirrored, but for a close, which comes after."""


@dataclass
class RoomEntry:
    """One room."""

    description: RoomDescription
    worker: str | None = None
    """Name of the worker that has the room open."""
    roster: dict[str, ParticipantInfo] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict, repr=False)
    """Participant → pseudonymous id of the person, of those in the roster and those who just left."""
    quality: dict[str, ConnectionQuality] = field(default_factory=dict)
    """Participant → how its connection does, as told last."""
    departed: ParticipantInfo | None = field(default=None, repr=False)
    """Who left last, as they were: observers hear of it when the roster has forgotten them."""
    is_listed: bool = True
    """Has a page under `/rooms/`. False: entered through its door only."""
    attached: dict[str, Listener] = field(default_factory=dict)
    """Participant → its one socket."""
    entering: dict[str, list[Listener]] = field(default_factory=dict)
    """Participant → sockets that ask to be it."""
    deserted: set[str] = field(default_factory=set)
    """Participants whose socket was lost while another was entering as them."""
    removal_reasons: dict[str, str] = field(default_factory=dict)


class RoomTable:
    """All rooms of this process."""

    def __init__(self, catalogue: Iterable[RoomDescription]) -> None:
        self._entries = {each.room: RoomEntry(each) for each in catalogue}
        self.watch_kep: Callable[[str, rpc.Event], None] = lambda room, event: None
        """Hears every event of kep rooms, what a comparison finds too, before anybody else."""
        self._observers: list[Observer] = []

    # ---- what sessions ask

    def describe(self, room: str) -> RoomDescription | None:
        """Return the room if there is such a one."""
        entry = self._entries.get(room)
        return None if entry is None else entry.description

    def participant(self, room: str, participant: str) -> ParticipantInfo | None:
        """Return who is in the room under that id."""
        entry = self._entries.get(room)
        return None if entry is None else entry.roster.get(participant)

    def removal_reason(self, room: str, participant: str) -> str:
        """Return what `tell_reason` was given, or nothing."""
        entry = self._entries.get(room)
        return "" if entry is None else entry.removal_reasons.get(participant, "")

    def is_listed(self, room: str) -> bool:
        """Return whether the room has a page under `/rooms/`."""
        entry = self._entries.get(room)
        return entry is not None and entry.is_listed

    def subject_of(self, room: str, participant: str) -> str | None:
        """Return the pseudonymous id of a participant; None if nobody has that id."""
        entry = self._entries.get(room)
        return None if entry is None else entry.subjects.get(participant)

    def last_info(self, room: str, participant: str) -> ParticipantInfo | None:
        """Return a participant as it is, or as it was if it has just left."""
        entry = self._entries.get(room)
        if entry is None:
            return None
        departed = entry.departed
        if departed is not None and departed.participant == participant:
            return departed
        return entry.roster.get(participant)

    # ---- what doors and who schedules do

    def observe(self, observer: Observer) -> None:
        """Let `observer` hear every event after it is mirrored, or found at an adoption."""
        self._observers.append(observer)

    def add(self, description: RoomDescription) -> None:
        """Let there be a room, entered through its door."""
        self._entries.setdefault(description.room, RoomEntry(description, is_listed=False))

    def discard(self, room: str) -> bool:
        """Forget a room that is closed and that no socket is in. Return whether it is gone."""
        entry = self._entries.get(room)
        if entry is None:
            return True
        if entry.is_listed or entry.worker is not None or entry.attached or entry.entering:
            return False
        del self._entries[room]
        return True

    def tell_moderators(self, room: str, message: ServerMessage) -> None:
        """Send `message` to every socket in the room that moderates."""
        entry = self._entries.get(room)
        for listener in list(entry.attached.values()) if entry is not None else ():
            listener.handle_for_moderators(message)

    # ---- what sockets do

    def enter(self, room: str, participant: str, listener: Listener) -> None:
        """Let a socket that asks to be `participant` hear the room."""
        self._entries[room].entering.setdefault(participant, []).append(listener)

    def attach(self, room: str, participant: str, listener: Listener) -> None:
        """Make the socket the participant's, instead of the one that was."""
        entry = self._entries[room]
        self._stop_entering(entry, participant, listener)
        entry.deserted.discard(participant)
        previous = entry.attached.get(participant)
        entry.attached[participant] = listener
        if previous is not None and previous is not listener:
            previous.handle_superseded()

    def exit(self, room: str, participant: str, listener: Listener, is_resumable: bool) -> bool:
        """Let the socket hear no more. True if the worker must be told that nobody is there."""
        entry = self._entries.get(room)
        if entry is None:
            return False
        was_entering = self._stop_entering(entry, participant, listener)
        if entry.attached.get(participant) is listener:
            del entry.attached[participant]
            if is_resumable and participant in entry.entering:
                entry.deserted.add(participant)  # decided when the one that enters succeeds or not
                return False
            return is_resumable
        if was_entering and participant in entry.deserted and participant not in entry.entering:
            entry.deserted.discard(participant)
            return True
        return False

    def has_socket(self, room: str, participant: str) -> bool:
        """Return whether a socket is the participant, or asks to be."""
        entry = self._entries.get(room)
        return entry is not None and (
            participant in entry.attached or participant in entry.entering
        )

    def tell_reason(self, room: str, participant: str, reason: str) -> None:
        """Remember why a moderator removes the participant, until it is gone."""
        entry = self._entries[room]
        if participant in entry.roster:
            entry.removal_reasons[participant] = reason

    def broadcast(self, room: str, message: ServerMessage) -> None:
        """Send `message` to every socket in the room."""
        for listener in list(self._entries[room].attached.values()):
            listener.handle_broadcast(message)

    def tell(self, room: str, participant: str, message: ServerMessage) -> None:
        """Send `message` to the participant's socket, if there is one."""
        listener = self._entries[room].attached.get(participant)
        if listener is not None:
            listener.handle_broadcast(message)

    # ---- what workers report

    def handle_event(self, event: rpc.Event) -> None:
        """Mirror `event` and tell it to whom it concerns."""
        entry = self._entries.get(event.room)
        if entry is None:
            return
        if entry.description.room_class is RoomClass.KEP:
            self.watch_kep(event.room, event)
        _mirror(entry, event)
        notification = notification_of(event)
        addressee = addressee_of(event)
        for listener in _listeners(entry, addressee):
            listener.handle_event(event, notification)
        for observer in self._observers:
            observer.handle_event(event)
        if isinstance(event, rpc.ParticipantLeft):
            entry.removal_reasons.pop(event.participant, None)
            entry.subjects.pop(event.participant, None)
        if isinstance(event, rpc.RoomClosed):
            self._close(entry)

    def reconcile(self, worker: str, states: list[rpc.RoomState]) -> None:
        """Take over what `worker` says it has, and tell the difference to who listens."""
        for state in states:
            description = RoomDescription(state.room, state.room_class, state.title)
            entry = self._entries.setdefault(state.room, RoomEntry(description, is_listed=False))
            entry.worker = worker
            for event in _difference(entry, state):
                self.handle_event(event)
        open_rooms = {state.room for state in states}
        for entry in self.rooms_of(worker):
            if entry.description.room not in open_rooms:
                closing = rpc.RoomClosed(room=entry.description.room, reason="")
                self.handle_event(closing)

    def entry(self, room: str) -> RoomEntry | None:
        """Return the room, for who places it on a worker."""
        return self._entries.get(room)

    def rooms_of(self, worker: str) -> list[RoomEntry]:
        """Return the rooms that `worker` has open."""
        return [entry for entry in self._entries.values() if entry.worker == worker]

    def participants_of(self, worker: str) -> int:
        """Return how many participants `worker` has."""
        return sum(len(entry.roster) for entry in self.rooms_of(worker))

    @property
    def rooms(self) -> Mapping[str, RoomEntry]:
        """All rooms by id."""
        return self._entries

    def _close(self, entry: RoomEntry) -> None:
        entry.worker = None
        entry.roster.clear()
        entry.subjects.clear()
        entry.quality.clear()
        entry.deserted.clear()
        entry.removal_reasons.clear()

    def _stop_entering(self, entry: RoomEntry, participant: str, listener: Listener) -> bool:
        waiting = entry.entering.get(participant, [])
        if listener not in waiting:
            return False
        waiting.remove(listener)
        if not waiting:
            del entry.entering[participant]
        return True


def _mirror(entry: RoomEntry, event: rpc.Event) -> None:
    if isinstance(event, rpc.ParticipantJoined | rpc.ParticipantUpdated):
        entry.roster[event.participant.participant] = event.participant
        if isinstance(event, rpc.ParticipantJoined):
            entry.subjects[event.participant.participant] = event.subject
    elif isinstance(event, rpc.ParticipantLeft):
        entry.departed = entry.roster.pop(event.participant, None)
        entry.quality.pop(event.participant, None)
    elif isinstance(event, rpc.QualityChanged):
        present = [each for each in event.participants if each.participant in entry.roster]
        entry.quality.update({each.participant: each for each in present})


def _listeners(entry: RoomEntry, addressee: str | None) -> list[Listener]:
    """Return who hears an event, as a list: hearing it may change who listens."""
    if addressee is not None:
        attached = entry.attached.get(addressee)
        first = [] if attached is None else [attached]
        return [*first, *entry.entering.get(addressee, [])]
    entering = [each for waiting in entry.entering.values() for each in waiting]
    return [*entry.attached.values(), *entering]


def _difference(entry: RoomEntry, state: rpc.RoomState) -> list[rpc.Event]:
    """Return the events that lead from the mirror to `state`."""
    events: list[rpc.Event] = []
    present = {info.participant: info for info in state.participants}
    for participant in entry.roster:
        if participant not in present:
            left = rpc.ParticipantLeft(room=state.room, participant=participant, reason="lost")
            events.append(left)
    for participant, info in present.items():
        if participant not in entry.roster:
            subject = state.subjects.get(participant, "")
            joined = rpc.ParticipantJoined(room=state.room, participant=info, subject=subject)
            events.append(joined)
        elif entry.roster[participant] != info:
            events.append(rpc.ParticipantUpdated(room=state.room, participant=info))
    qualities = [each for each in state.quality if entry.quality.get(each.participant) != each]
    if qualities:
        events.append(rpc.QualityChanged(room=state.room, participants=qualities))
    return events
