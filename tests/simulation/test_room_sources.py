"""Random lives of a room; after each step every m-line is recomputed the slow way and compared.

Oracles: the naive recomputation below; what the engine was told must equal what viewers were told;
the driver itself fails on a command that names a transport the engine does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sfu.participant import TransportEvent
from sfu.room import RESUME_WINDOW_S
from sfu.values import Grants, Kind, TrackSource, TransportState, VideoWish
from tests.support.rooms import RoomDriver

NAMES = st.sampled_from(["anna", "babis", "kostas", "dimitra", "eleni"])
VIDEO_SOURCES = [TrackSource.CAMERA, TrackSource.SCREEN]
MIDS = ["v0", "v1", "v2"]
WISHES = st.one_of(
    st.builds(
        VideoWish,
        mid=st.sampled_from(MIDS),
        participant=NAMES,
        source=st.sampled_from(VIDEO_SOURCES),
        max_height=st.sampled_from([0, 180, 720]),
    ),
    st.builds(
        VideoWish,
        mid=st.sampled_from(MIDS),
        speaker=st.just(True),
        source=st.sampled_from(VIDEO_SOURCES),
    ),
)


@dataclass
class Person:
    """What the test itself remembers of a participant."""

    sent: set[TrackSource] = field(default_factory=set)
    has_offered: bool = False
    muted: set[TrackSource] = field(default_factory=set)
    grants: Grants = field(default_factory=Grants)
    transport: TransportState = TransportState.NEW
    wishes: dict[str, VideoWish] = field(default_factory=dict)
    identity: int = 0x10
    detached_at: float | None = None
    video_lines: int = 0

    def is_live(self, source: TrackSource) -> bool:
        return (
            source in self.sent
            and source not in self.muted
            and getattr(self.grants, source.value)
            and self.transport in (TransportState.CONNECTED, TransportState.DISCONNECTED)
        )


class RoomLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driver = RoomDriver()
        self.people: dict[str, Person] = {}
        self.live: dict[TrackSource, list[str]] = {source: [] for source in VIDEO_SOURCES}
        self.recent: list[str] = []
        self.speaking: list[str] = []
        self.slots: list[str | None] = []

    def note_live(self) -> None:
        """Keep who can be shown, longest first, by looking at everybody."""
        for source, order in self.live.items():
            order[:] = [p for p in order if p in self.people and self.people[p].is_live(source)]
            order += [p for p in self.people if p not in order and self.people[p].is_live(source)]

    def forget(self, name: str) -> None:
        del self.people[name]
        self.recent = [p for p in self.recent if p != name]
        self.speaking = [p for p in self.speaking if p != name]
        self.slots = [None if p == name else p for p in self.slots]
        self.note_live()

    @rule(name=NAMES)
    def join(self, name: str) -> None:
        if name in self.people:
            self.forget(name)  # the same subject again: replaced
        self.driver.join(name)
        self.people[name] = Person()

    @initialize(names=st.lists(NAMES, min_size=3, max_size=5, unique=True))
    def begin(self, names: list[str]) -> None:
        for name in names:
            self.enter(name)

    @rule(name=NAMES)
    def enter(self, name: str) -> None:
        """Join, offer everything and connect: else most lives would end before a picture is
        shown."""
        self.join(name)
        self.offer(name, set(TrackSource), 3)
        self.transport(name, TransportEvent.KEYS_READY)

    @rule(name=NAMES, sent=st.sets(st.sampled_from(TrackSource)), lines=st.integers(1, 3))
    def offer(self, name: str, sent: set[TrackSource], lines: int) -> None:
        if (person := self.people.get(name)) is None:
            return
        identity = f"{person.identity:02X}"
        self.driver.offer(name, sorted(sent), video=lines, identity=identity)
        person.sent, person.has_offered = set(sent), True
        person.wishes = {m: w for m, w in person.wishes.items() if m in MIDS[:lines]}
        person.video_lines = lines
        self.note_live()

    @rule(name=NAMES)
    def new_peer_connection(self, name: str) -> None:
        if (person := self.people.get(name)) is None or not person.has_offered:
            return
        person.identity += 1
        person.transport = TransportState.NEW
        self.note_live()
        self.offer(name, person.sent, person.video_lines)

    @rule(name=NAMES, event=st.sampled_from(TransportEvent))
    def transport(self, name: str, event: TransportEvent) -> None:
        person = self.people.get(name)
        if person is None or not person.has_offered:
            return
        states = {
            (TransportState.NEW, TransportEvent.KEYS_READY): TransportState.CONNECTED,
            (TransportState.NEW, TransportEvent.HANDSHAKE_FAILED): TransportState.FAILED,
            (TransportState.CONNECTED, TransportEvent.ICE_LOST): TransportState.DISCONNECTED,
            (TransportState.DISCONNECTED, TransportEvent.ICE_CONNECTED): TransportState.CONNECTED,
            (TransportState.CONNECTED, TransportEvent.PEER_CLOSED): TransportState.CLOSED,
        }
        if (person.transport, event) not in states:
            return
        person.transport = states[person.transport, event]
        self.driver.transport(name, event)
        self.note_live()

    @rule(name=NAMES, source=st.sampled_from(TrackSource), is_muted=st.booleans())
    def mute(self, name: str, source: TrackSource, is_muted: bool) -> None:
        if (person := self.people.get(name)) is None:
            return
        (person.muted.add if is_muted else person.muted.discard)(source)
        self.driver.do(self.driver.room.handle_mute(name, source, is_muted))
        self.note_live()

    @rule(name=NAMES, camera=st.booleans(), screen=st.booleans(), microphone=st.booleans())
    def grant(self, name: str, camera: bool, screen: bool, microphone: bool) -> None:
        if (person := self.people.get(name)) is None:
            return
        person.grants = Grants(camera=camera, screen=screen, microphone=microphone)
        self.driver.do(self.driver.room.handle_grants(name, person.grants))
        self.note_live()

    @rule(name=NAMES, wishes=st.lists(WISHES, max_size=3, unique_by=lambda wish: wish.mid))
    def layout(self, name: str, wishes: list[VideoWish]) -> None:
        if (person := self.people.get(name)) is None:
            return
        wishes = [wish for wish in wishes if wish.mid in MIDS[: person.video_lines]]
        person.wishes = {wish.mid: wish for wish in wishes}
        self.driver.layout(name, *wishes)

    @rule(speaking=st.lists(NAMES, max_size=3, unique=True))
    def speakers(self, speaking: list[str]) -> None:
        present = [name for name in speaking if name in self.people]
        self.driver.do(self.driver.room.handle_speakers(speaking))
        place = {name: index for index, name in enumerate(self.recent)}
        group = {name: 1 for name in present} | {
            name: 0 for name in present if name in self.speaking
        }
        everyone = [*self.recent, *(name for name in present if name not in place)]
        self.recent = sorted(
            everyone,
            key=lambda name: (
                group.get(name, 2),
                present.index(name) if group.get(name) == 1 else place.get(name, 0),
            ),
        )
        self.speaking = present

    @rule(slots=st.lists(st.none() | NAMES, min_size=3, max_size=3))
    def audio_slots(self, slots: list[str | None]) -> None:
        self.slots = [name if name in self.people else None for name in slots]
        self.driver.do(self.driver.room.handle_audio_slots(slots))

    @rule(name=NAMES)
    def leave(self, name: str) -> None:
        if name in self.people:
            self.driver.do(self.driver.room.handle_leave(name, "left"))
            self.forget(name)

    @rule(name=NAMES)
    def detach(self, name: str) -> None:
        if (person := self.people.get(name)) is not None:
            self.driver.do(self.driver.room.handle_detach(name, self.driver.now))
            if person.detached_at is None:
                person.detached_at = self.driver.now

    @rule(seconds=st.sampled_from([1.0, 12.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.driver.wait(seconds)
        for name, person in list(self.people.items()):
            since = person.detached_at
            if since is not None and self.driver.now >= since + RESUME_WINDOW_S:
                self.forget(name)

    def expected(self, viewer: str, mid: str) -> tuple[str | None, int]:
        person = self.people[viewer]
        wish = person.wishes.get(mid)
        if wish is None:
            return None, 0
        live = self.live[wish.source]
        if wish.speaker:
            others = [p for p in [*self.recent, *live] if p != viewer and p in live]
            shown = others[0] if others else None
        else:
            shown = wish.participant if wish.participant in live else None
        return shown, wish.max_height if shown is not None else 0

    @invariant()
    def every_m_line_carries_what_it_should(self) -> None:
        present = {info.participant for info in self.driver.room.state().participants}
        assert present == set(self.people)
        for name, person in self.people.items():
            for mid in MIDS[: person.video_lines]:
                command = self.driver.engine.get((name, mid))
                told = (command.publisher, command.max_height) if command else (None, 0)
                assert told == self.expected(name, mid), (name, mid)

    @invariant()
    def viewers_are_told_what_the_engine_was_told(self) -> None:
        for name, person in self.people.items():
            sources = self.driver.room.admission(name).sources
            assert self.driver.told.get(name, []) == sources or not person.has_offered
            video = {s.mid: s.participant for s in sources if s.kind is Kind.VIDEO}
            assert video == {m: self.driver.shown(name, m) for m in MIDS[: person.video_lines]}
            audio = [s.participant for s in sources if s.kind is Kind.AUDIO]
            heard = [None if p == name else p for p in self.slots] or [None] * len(audio)
            assert audio == heard[: len(audio)]

    @invariant()
    def ingress_is_open_only_with_the_grant(self) -> None:
        for (name, mid), is_allowed in self.driver.allowed.items():
            source = {"m": "microphone", "c": "camera", "s": "screen"}[mid]
            if source in self.people[name].sent:
                assert is_allowed == getattr(self.people[name].grants, source)


TestRoomLife = RoomLife.TestCase
TestRoomLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
