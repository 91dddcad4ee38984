"""What a scenario is: who joins which rooms when, what they do there, and what must hold.

Frozen values with their defaults, read from TOML by `scenario_file.py`. What types cannot say is
checked here, each fault in one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sfu.values import Role, RoomClass

MAX_KBPS = 1_000_000
MAX_PEOPLE = 20_000
"""LIMIT: one machine has some 28,000 ephemeral ports towards one address."""
MAX_HOLD_S = 7 * 86_400
MAX_STEPS = 2_000_000
"""LIMIT: what is planned is kept in memory."""


class Camera(StrEnum):
    """What a participant's camera sends."""

    OFF = "off"
    SINGLE = "single"
    """One VP8 stream of 640×360."""
    SIMULCAST = "simulcast"
    """180, 360 and 720 pixels."""


class Order(StrEnum):
    """In which order people join."""

    ROOMS = "rooms"
    """A room fills before the next opens."""
    GROUPS = "groups"
    """The first group of all rooms, then the second."""
    RANDOM = "random"
    """As the seed says."""


class ScaleBy(StrEnum):
    """What `scale` multiplies."""

    ROOMS = "rooms"
    PEOPLE = "people"
    """In each room; a group never shrinks below one."""


@dataclass(frozen=True)
class Rooms:
    """The rooms that are filled."""

    room_class: RoomClass = RoomClass.COUNCIL
    """`council` or `kep`."""
    count: int = 1
    """How many of the service's load-test rooms."""
    ids: tuple[str, ...] = ()
    """These rooms by name instead (of the demo entrance, or with a token command)."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count = {self.count}: use 1 or more")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("ids: one occurs twice, name each once")


@dataclass(frozen=True)
class Group:
    """People who do the same."""

    name: str
    """In reports, and where other tables name it."""
    role: Role
    """In the room."""
    per_room: int = 1
    """How many in each room."""
    share_of_rooms: float = 1.0
    """In which share of the rooms, above 0 to 1."""
    microphone: bool = True
    """Whether they have one; without [floor] it is open all the time."""
    camera: Camera = Camera.SIMULCAST
    """`off`, `single` or `simulcast`."""
    shows_video: int = 1
    """Receive-only video m-lines, 0 to 20."""
    shows_speaker: bool = False
    """The first of them follows who speaks."""
    max_height: int = 720
    """Of each, in pixels, 0 to 4320."""

    def __post_init__(self) -> None:
        if self.per_room < 1:
            raise ValueError(f"per_room = {self.per_room}: use 1 or more")
        if not 0 < self.share_of_rooms <= 1:
            raise ValueError(f"share_of_rooms = {self.share_of_rooms}: use above 0 to 1")
        if not 0 <= self.shows_video <= 20:
            raise ValueError(f"shows_video = {self.shows_video}: use 0 to 20")
        if not 0 <= self.max_height <= 4320:
            raise ValueError(f"max_height = {self.max_height}: use 0 to 4320")


@dataclass(frozen=True)
class Ramp:
    """How fast people come. Evenly spaced, whether or not earlier ones are in already."""

    joins_per_s: float = 0.0
    """So many a second; or …"""
    within_s: float = 0.0
    """… everybody within so many seconds. Exactly one of the two is above 0."""
    order: Order = Order.ROOMS
    """`rooms`, `groups` or `random`."""

    def __post_init__(self) -> None:
        if min(self.joins_per_s, self.within_s) < 0 or self.within_s > MAX_HOLD_S:
            raise ValueError(f"joins_per_s is not below 0, within_s is 0 to {MAX_HOLD_S} (a week)")
        if 0 < self.joins_per_s < 0.001:
            raise ValueError(f"joins_per_s = {self.joins_per_s:g}: use 0.001 or more")
        if (self.joins_per_s > 0) == (self.within_s > 0):
            raise ValueError(
                f"joins_per_s = {self.joins_per_s:g} and within_s = {self.within_s:g}: set exactly "
                "one above 0 and the other 0"
            )


@dataclass(frozen=True)
class AudioOnly:
    """Calls that go on with sound alone, as after the check of identity of a KEP call."""

    share: float = 0.0
    """Of the rooms, 0 to 1."""
    after_s: float = 20.0
    """From the room's last join."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.after_s < 0:
            raise ValueError("share is 0 to 1, after_s not below 0")


@dataclass(frozen=True)
class Floor:
    """One speaks at a time; all other microphones are muted."""

    every_s: float = 0.0
    """Another speaker after so many seconds. 0: everybody's microphone is open."""
    groups: tuple[str, ...] = ()
    """Who speaks. Empty: all groups with a microphone."""

    def __post_init__(self) -> None:
        if self.every_s < 0 or 0 < self.every_s < 1:
            raise ValueError(f"every_s = {self.every_s:g}: use 1 or more, or 0")


@dataclass(frozen=True)
class Screen:
    """One of a group shares a screen in each room."""

    group: str = ""
    """Who. Empty: nobody."""
    from_s: float = 5.0
    """After everybody has come."""
    for_s: float = 30.0
    """How long."""

    def __post_init__(self) -> None:
        if self.from_s < 0 or self.for_s <= 0:
            raise ValueError("from_s is not below 0, for_s above 0")


@dataclass(frozen=True)
class Churn:
    """People leave and others come, as long as the run lasts."""

    per_minute: float = 0.0
    """So many leave, and as many come. 0: nobody."""
    group: str = ""
    """Of this group."""

    def __post_init__(self) -> None:
        if self.per_minute < 0:
            raise ValueError(f"per_minute = {self.per_minute:g}: not below 0")
        if self.per_minute > 0 and not self.group:
            raise ValueError("group: name who leaves and comes")


@dataclass(frozen=True)
class Link:
    """A bad network between some participants and the server, emulated in the load agent."""

    name: str
    """In reports."""
    share: float
    """Of all participants, above 0 to 1; chosen by the scenario's seed."""
    groups: tuple[str, ...] = ()
    """Of these groups only. Empty: of all."""
    loss_percent: float = 0.0
    """Packets lost in each direction, 0 to 100, independent of each other."""
    delay_ms: float = 0.0
    """One way, in each direction."""
    jitter_ms: float = 0.0
    """Delay varies by up to so much more; order is kept."""
    downlink_kbps: int = 0
    """Towards the participant. 0: no limit."""
    uplink_kbps: int = 0
    """From the participant. 0: no limit."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share = {self.share:g}: use above 0 to 1")
        if not 0 <= self.loss_percent <= 100:
            raise ValueError(f"loss_percent = {self.loss_percent:g}: use 0 to 100")
        if not (0 <= self.delay_ms <= 10_000 and 0 <= self.jitter_ms <= 10_000):
            raise ValueError("delay_ms and jitter_ms are 0 to 10000")
        if not (0 <= self.downlink_kbps <= MAX_KBPS and 0 <= self.uplink_kbps <= MAX_KBPS):
            raise ValueError(f"downlink_kbps and uplink_kbps are 0 to {MAX_KBPS}")


@dataclass(frozen=True)
class Generator:
    """When the run does not count, because the load generator was too slow itself."""

    max_lateness_p99_ms: float = 20.0
    """Of what it sends and of what it reads, p99. One sound packet lasts 20 ms."""
    max_join_lateness_ms: float = 500.0
    """A join began so much later than the scenario says, p99."""


@dataclass(frozen=True)
class Limits:
    """Bounds that the measured values must not exceed. What is left out is not checked."""

    failed_joins_percent: float | None = None
    """Of all joins."""
    join_p95_ms: float | None = None
    """WebSocket opened → first media packet, of those who join somebody."""
    first_picture_p95_ms: float | None = None
    """WebSocket opened, or the publisher's → first whole picture."""
    audio_delay_p99_ms: float | None = None
    """Sound: sent → received. An emulated link's delay is in it."""
    video_delay_p99_ms: float | None = None
    """Pictures: sent → whole."""
    frozen_percent: float | None = None
    """Of the time that pictures were shown: pauses over 200 ms."""
    packets_lost_percent: float | None = None
    """Of packets expected, after repair."""
    frames_missing_percent: float | None = None
    """Of whole frames sent to a participant."""
    wrong_source_frames: float | None = 0.0
    """Frames of another room or of oneself: never."""
    unwished_frames: float | None = None
    """Pictures of somebody else than was wished for on their m-line."""
    silent_streams: float | None = None
    """Streams that fell silent although their source goes on."""
    disconnects_percent: float | None = None
    """Participants who were in and lost their socket or their media."""
    server_cpu_cores: float | None = None
    """Cores that all processes of the service used, mean from the last join on."""
    server_memory_mb: float | None = None
    """Memory of all processes of the service, most at any time."""
    browsers_failed: float | None = 0.0
    """Real browsers that did not get in or dropped out; with --browsers only."""
    browser_still_percent: float | None = 10.0
    """Seconds in which a browser decoded no new frame of a picture it should show; likewise."""


@dataclass(frozen=True)
class Scenario:
    """One load test."""

    title: str
    """One line."""
    groups: tuple[Group, ...]
    """Who there is in each room, in the order they come."""
    ramp: Ramp
    """How fast people come."""
    description: str = ""
    """What it stands for, and where its numbers come from."""
    seed: int = 1
    """Of every choice made at random."""
    scale: float = 1.0
    """Multiplies the size: 0.1 is a tenth."""
    scale_by: ScaleBy = ScaleBy.ROOMS
    """`rooms` or `people`."""
    hold_s: float = 30.0
    """How long it goes on after the last join."""
    rooms: Rooms = field(default_factory=Rooms)
    """Where."""
    audio_only: AudioOnly = field(default_factory=AudioOnly)
    """Calls that drop their pictures."""
    floor: Floor = field(default_factory=Floor)
    """Who speaks."""
    screen: Screen = field(default_factory=Screen)
    """Who shares a screen."""
    churn: Churn = field(default_factory=Churn)
    """Coming and going."""
    links: tuple[Link, ...] = ()
    """Bad networks."""
    generator: Generator = field(default_factory=Generator)
    """When the run does not count."""
    thresholds: Limits = field(default_factory=Limits)
    """What must hold."""

    def __post_init__(self) -> None:
        faults = [*self._size_faults(), *self._name_faults()]
        if faults:
            raise ValueError("; ".join(faults))

    def _size_faults(self) -> list[str]:
        faults = []
        if not self.groups:
            faults.append("groups: none, add a [[groups]] table")
        if not 0 < self.hold_s <= MAX_HOLD_S:
            faults.append(f"hold_s = {self.hold_s:g}: use above 0 to {MAX_HOLD_S} (a week)")
        if not 0 < self.scale <= 1000:
            return [*faults, f"scale = {self.scale:g}: use above 0 to 1000"]
        people = self.room_count * self.largest_room
        if people > MAX_PEOPLE:
            faults.append(
                f"{people} people: one machine can play at most {MAX_PEOPLE}, use a lower scale"
            )
        turns = self.room_count * self.hold_s / self.floor.every_s if self.floor.every_s else 0.0
        if turns + self.churn.per_minute * self.hold_s / 60 > MAX_STEPS:
            faults.append("hold_s: too much happens in it to be planned, use less")
        if sum(link.share for link in self.links) > 1 + 1e-9:
            faults.append("links.share: together more than 1")
        return faults

    def _name_faults(self) -> list[str]:
        names = [group.name for group in self.groups]
        used = {
            "floor.groups": self.floor.groups,
            "screen.group": filter(None, [self.screen.group]),
            "churn.group": filter(None, [self.churn.group]),
            "links.groups": [name for link in self.links for name in link.groups],
        }
        faults = [
            f'{key} = "{name}": no such group, use one of {", ".join(names)}'
            for key, wanted in used.items()
            for name in wanted
            if name not in names
        ]
        if len(set(names)) != len(names):
            faults.append("groups.name: one occurs twice, give each its own")
        return faults

    @property
    def room_count(self) -> int:
        """How many rooms, scaled."""
        if self.rooms.ids:
            return len(self.rooms.ids)
        if self.scale_by is ScaleBy.ROOMS:
            return max(1, round(self.rooms.count * self.scale))
        return self.rooms.count

    def per_room(self, group: Group) -> int:
        """Return how many of `group` are in a room that has them, scaled."""
        if self.scale_by is ScaleBy.PEOPLE:
            return max(1, round(group.per_room * self.scale))
        return group.per_room

    @property
    def largest_room(self) -> int:
        """Most participants of one room."""
        return sum(self.per_room(group) for group in self.groups)
