"""What each receive-only video m-line of a client should carry. Pure decisions; `sfu.room` applies
them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from sfu.errors import BadLayout
from sfu.values import Kind, VideoWish


def check_layout(wishes: Sequence[VideoWish], video_mids: Collection[str]) -> dict[str, VideoWish]:
    """Return the wishes by mid.

    Raises:
        BadLayout: an m-line that the client does not receive video on, or one named twice; a wish
        for
            sound; a wish for both a participant and the speaker.
    """
    by_mid: dict[str, VideoWish] = {}
    for wish in wishes:
        if wish.mid not in video_mids:
            raise BadLayout(
                mid=wish.mid, detail="not a receive-only video m-line of the last offer"
            )
        if wish.mid in by_mid:
            raise BadLayout(mid=wish.mid, detail="named twice")
        if wish.source.kind is not Kind.VIDEO:
            raise BadLayout(mid=wish.mid, detail=f"{wish.source} is no video source")
        if wish.speaker and wish.participant is not None:
            raise BadLayout(mid=wish.mid, detail="follows either the speaker or a participant")
        by_mid[wish.mid] = wish
    return by_mid


class SpeakerOrder:
    """Who spoke last, for m-lines that follow the speaker. Calm by design.

    A speaker stays in front while speaking, however loud others are; when everybody falls silent, the
    last order stands. Bounded by the room's participants.
    """

    def __init__(self) -> None:
        self._order: list[str] = []
        self._speaking: list[str] = []

    @property
    def speaking(self) -> list[str]:
        """Who speaks now, loudest first."""
        return list(self._speaking)

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def handle_speakers(self, speaking: Sequence[str]) -> bool:
        """Take who speaks now, loudest first. Tells whether the order changed."""
        before, was_speaking = self._order, set(self._speaking)
        now = set(speaking)
        still = [p for p in before if p in now and p in was_speaking]
        started = [p for p in speaking if p not in still]
        rest = [p for p in before if p not in now]
        self._order, self._speaking = still + started + rest, list(speaking)
        return self._order != before

    def handle_gone(self, participant: str) -> None:
        self._order = [p for p in self._order if p != participant]
        self._speaking = [p for p in self._speaking if p != participant]


def choose_speaker(
    viewer: str,
    recent_speakers: Iterable[str],
    longest_live: Iterable[str],
    is_live: Callable[[str], bool],
) -> str | None:
    """Return whom an m-line of `viewer` that follows the speaker shows; None if nobody can be
    shown.

    The most recent speaker with live video, never the viewer; failing that, who has been live
    longest, so that a newcomer never takes the picture away.
    """
    for candidates in (recent_speakers, longest_live):
        for participant in candidates:
            if participant != viewer and is_live(participant):
                return participant
    return None
