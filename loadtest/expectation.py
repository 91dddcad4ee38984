"""What a participant ought to see and hear, for the judge in the load agent: roster and wishes → `expect`.

Pure. The judge names who was wished for and did not come, and who came without being wished for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.media import LAYERS
from sfu.values import ParticipantInfo, TrackSource

SUFFICIENT_SHARE = 0.75
"""A layer of at least this part of the wanted height is sharp enough. Source: layer_selection.rs."""
NAME_PREFIX = "load-"
"""The simulated are called so, with the number that their marks bear."""


def name_of(number: int) -> str:
    """Return the display name of the participant whose marks bear `number`."""
    return f"{NAME_PREFIX}{number}"


def number_of(name: str) -> int | None:
    """Return the number of a simulated participant, None of anybody else."""
    number = name.removeprefix(NAME_PREFIX)
    return int(number) if number != name and number.isdecimal() else None


def layer_height(max_height: int, ladder: Sequence[int]) -> int:
    """Return the height of the layer that a tile `max_height` high ought to get."""
    enough = [height for height in ladder if height >= max_height * SUFFICIENT_SHARE]
    return min(enough, default=max(ladder))


@dataclass
class Expectation:
    """What one participant knows of the others, and what follows from it."""

    me: str = ""
    """One's own id."""
    audio_streams: int = 3
    """Voices that a room carries at once. With more microphones on, who is heard depends on who is
    loud: then nobody's silence is a fault."""
    ladder: tuple[int, ...] = tuple(layer.height for layer in LAYERS)
    _others: dict[str, ParticipantInfo] = field(default_factory=dict)

    def note(self, info: ParticipantInfo) -> None:
        """Take the news of somebody."""
        if info.participant != self.me:
            self._others[info.participant] = info

    def forget(self, participant: str) -> None:
        """Somebody left."""
        self._others.pop(participant, None)

    def command(self, number: int, wishes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the agent's `expect` for participant `number` whose layout is `wishes`."""
        heard = [
            publisher
            for info in self._others.values()
            if _sends(info, TrackSource.MICROPHONE)
            and (publisher := number_of(info.display_name)) is not None
        ]
        return {
            "command": "expect",
            "id": number,
            "video": [self._video(wish) for wish in wishes if wish.get("max_height", 1) > 0],
            "audio": heard if len(heard) <= self.audio_streams else [],
        }

    def _video(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        source = TrackSource(wish.get("source", TrackSource.CAMERA))
        info = self._others.get(wish.get("participant") or "")
        publisher = number_of(info.display_name) if info is not None else None
        is_sent = info is not None and publisher is not None and _sends(info, source)
        # Who speaks may be anybody, and nobody; a person in a browser sends no marks.
        expected = {"mid": wish["mid"], "source": source.value, "is_muted": not is_sent}
        if publisher is not None:
            expected["publisher"] = publisher
        if is_sent and source is TrackSource.CAMERA:
            expected["height"] = layer_height(wish.get("max_height", max(self.ladder)), self.ladder)
        return expected


def _sends(info: ParticipantInfo, source: TrackSource) -> bool:
    return any(
        track.source is source and not track.is_muted and not track.is_blocked
        for track in info.tracks
    )
